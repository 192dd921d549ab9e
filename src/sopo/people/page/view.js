// A caption in, bodies of all generators out, side by side from the same noise.
class Viewer {
  constructor() {
    Object.assign(this, { stage: new Stage(), player: null, drawn: null, busy: false });
    this.caption = el("textarea", { name: "caption", rows: 2, maxlength: 300, required: true, placeholder: "a person walks forward, then waves with the left hand", "aria-label": "Caption", keydown: (event) => this.onEnter(event) });
    this.seconds = el("select", { name: "seconds", "aria-label": "Length" }, el("option", { value: "" }, "usual length"),
      [1.6, 2.4, 3.2, 4.8, 6.4, 8, 9.6].map((value) => el("option", { value }, `${value} s`)));
    this.seed = el("input", { name: "seed", type: "number", min: 0, max: 2147483647, step: 1, value: 0, "aria-label": "Noise", title: "Another number, another noise" });
    this.go = el("button", { type: "submit", class: "go" }, "Draw");
    this.say = el("p", { class: "say", role: "status", "aria-live": "polite" });
    this.place = el("div", { class: "place" });
    const form = el("form", { class: "prompt", submit: (event) => { event.preventDefault(); this.draw(); } }, this.caption,
      el("div", { class: "row" }, this.go, el("button", { type: "button", click: () => this.more() }, "Other noise"),
        el("button", { type: "button", class: "suggest", click: () => this.suggest() }, "Other caption"), this.seconds, el("label", null, "noise ", this.seed)));
    document.getElementById("page").append(el("header", null, themeButton(this.stage), el("h1", null, "See for yourself"),
      el("p", { class: "lead" }, "Describe a motion. Every generator draws it from the same noise.")), form, this.say, this.place);
    this.start();
  }

  async start() {
    const told = await this.post("begin", {});
    if (!told) return;
    Object.assign(this, told);
    this.suggest();
    root.dataset.ready = "true";
  }

  // The answer, or null after saying what is wrong.
  async post(what, body) {
    try {
      const response = await fetch(what, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
      const told = await response.json();
      if (response.ok) return told;
      this.tell(told.error, true);
    } catch (error) {
      this.tell("The server does not answer: is it still running?", true);
    }
    return null;
  }

  async draw() {
    if (this.busy || !this.caption.reportValidity() || !this.seed.reportValidity()) return;
    this.setBusy(true);
    const request = { caption: this.caption.value, seconds: this.seconds.value ? Number(this.seconds.value) : null, seed: Number(this.seed.value) };
    const told = await this.post("draw", request);
    this.setBusy(false);
    if (told) this.show(told);
  }

  setBusy(on) {
    this.busy = on;
    this.go.disabled = on;
    clearInterval(this.timer);
    if (!on) return;
    this.tell("Drawing ...");
    this.timer = setInterval(async () => {
      const told = await this.post("waiting", {});
      if (told && this.busy) this.tell(told.waiting > 1 ? `Drawing ... ${told.waiting} requests are in the queue` : "Drawing ...");
    }, 1000);
  }

  show(drawn) {
    this.tell(`Drawn in ${drawn.seconds.toFixed(1)} s, from noise ${drawn.seed}.`);
    if (this.player) this.stage.remove(this.player);
    this.drawn = drawn;
    this.player = new Player(drawn, this.skeleton, this.stage);
    this.player.views.forEach((view) => { view.trail = true; });
    this.place.replaceChildren(this.stage.add(this.player), ...(this.names.length > 1 ? [this.buildChoice()] : []), this.buildFiles(), hints());
    root.dataset.drawn = drawn.id;
  }

  buildChoice() {
    const button = (better, text) => el("button", { type: "button", "data-better": better, click: () => this.choose(better) }, text);
    const both = this.names.length === 2 ? [button("both_good", "Both good"), button("both_bad", "Both bad")] : [];
    this.choice = el("div", { class: "choice", role: "group", "aria-label": "Which is better?" }, el("b", null, "Which is better?"),
      this.names.map((name) => button(name, name)), both);
    return this.choice;
  }

  async choose(better) {
    const told = await this.post("choose", { id: this.drawn.id, better, name: viewerName() });
    if (!told) return;
    this.choice.replaceChildren(el("span", null, `Stored in ${told.study}. Thank you.`));
    root.dataset.chosen = this.drawn.id;
  }

  buildFiles() {
    const link = (href, text) => el("a", { href, download: "" }, text);
    return el("p", { class: "files" }, this.names.map((name, n) => el("span", null, `${name}: `, ["bvh", "glb", "npy"].map((kind) => [link(`files/${this.drawn.id}/${n}.${kind}`, kind.toUpperCase()), " "]))),
      el("span", null, link(`share/${this.drawn.id}.html`, "All as one page to share")));
  }

  more() {
    this.seed.value = String((Number(this.seed.value) || 0) + 1);
    this.draw();
  }

  suggest() {
    this.caption.value = this.suggestions[Math.floor(Math.random() * this.suggestions.length)];
  }

  onEnter(event) {
    if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    this.draw();
  }

  tell(text, wrong = false) {
    this.say.textContent = text;
    this.say.classList.toggle("wrong", wrong);
  }
}

// The name given to `sopo label serve` on this machine, if any.
function viewerName() {
  try { return localStorage.getItem("sopo-name") || "viewer"; } catch { return "viewer"; }
}

new Viewer();
