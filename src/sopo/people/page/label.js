// The page that asks: one pair at a time, by keys or by touch. The next one is shown once the answer is stored.
const RETRY_MS = 1500;
const CHOICES = [
  ["left", "Left", ["ArrowLeft", "1"], "←"], ["right", "Right", ["ArrowRight", "2"], "→"],
  ["both_good", "Both good", ["ArrowUp", "3"], "↑"], ["both_bad", "Both bad", ["ArrowDown", "4"], "↓"],
  ["skip", "Skip", ["s"], "S"],
];

class Asker {
  constructor() {
    Object.assign(this, { stage: new Stage(), player: null, question: null, busy: false, paused: false, slow: false });
    Object.assign(this, { watched: 0, since: null, answers: 0, spent: 0 }); // seconds: of this question, of all of this visit
    this.say = el("p", { class: "say", role: "status", "aria-live": "polite" });
    this.caption = el("h1", { class: "asked", dir: "auto" });
    this.place = el("div", { class: "place" });
    this.known = el("span", { class: "known" });
    this.bar = el("progress", { max: 1, value: 0, "aria-label": "Progress" });
    this.choices = CHOICES.map(([answer, text, , key]) => el("button", { type: "button", class: `choice ${answer}`, "data-answer": answer, click: () => this.answer(answer) },
      text, " ", el("kbd", null, key)));
    this.undoButton = el("button", { type: "button", class: "choice undo", click: () => this.undo() }, "Undo ", el("kbd", null, "U"));
    this.slowButton = el("button", { type: "button", click: () => this.setSlow(!this.slow) }, "Slow ", el("kbd", null, "X"));
    this.pauseButton = el("button", { type: "button", click: () => this.setPaused(true) }, "Pause ", el("kbd", null, "P"));
    this.resume = el("button", { type: "button", class: "go", click: () => this.setPaused(false) }, "Go on");
    this.cover = el("section", { class: "cover" }, el("h1", null, "Paused"), el("p", null, "The clock stands still. Nothing is lost."), this.resume,
      el("button", { type: "button", class: "other", click: () => this.leave() }, "Somebody else answers"));
    this.cover.hidden = true;
    this.asking = el("section", { class: "asking" }, el("p", { class: "task" }, "Which one shows this better?"), this.caption, this.place, this.say,
      el("div", { class: "choices" }, this.choices, this.undoButton));
    this.top = el("div", { class: "top" }, this.known, el("span", { class: "tools" }, this.slowButton, this.pauseButton, themeButton(this.stage)), this.bar);
    this.entry = this.buildEntry();
    this.end = el("section", { class: "end" }, el("h1", null, "That is all. Thank you!"), el("p", { class: "sum" }),
      el("button", { type: "button", click: () => this.undo() }, "Undo the last answer"), " ",
      el("button", { type: "button", click: () => this.ask("begin", {}) }, "Look for more"), " ",
      el("button", { type: "button", class: "other", click: () => this.leave() }, "Somebody else answers"));
    for (const part of [this.asking, this.bar, this.slowButton, this.pauseButton, this.end]) part.hidden = true;
    document.getElementById("page").append(this.top, this.entry, this.asking, this.end, this.cover);
    addEventListener("keydown", (event) => this.onKey(event), true);
    document.addEventListener("visibilitychange", () => this.clock());
    const name = remembered();
    if (name) { this.name = name; this.ask("begin", {}); } else this.entry.querySelector("input").focus();
  }

  buildEntry() {
    this.nameField = el("input", { name: "name", maxlength: 60, required: true, autocomplete: "nickname", placeholder: "Your name", "aria-label": "Your name" });
    this.entrySay = el("p", { class: "say", role: "status" });
    const begin = (event) => { event.preventDefault(); this.name = this.nameField.value.trim(); if (this.name) this.ask("begin", {}); };
    return el("form", { class: "entry", submit: begin }, el("h1", null, "Which one shows it better?"),
      el("p", null, "You will see a caption and two moving bodies. Choose the one that does what the caption says. There is no hurry, and a pause costs nothing."),
      el("p", null, "Both may do well, or neither: say so. Use the same name when you come back."),
      this.nameField, el("button", { type: "submit", class: "go" }, "Begin"), this.entrySay);
  }

  // Post until it is answered: an answer that arrives twice counts once.
  async ask(what, more) {
    if (this.busy) return;
    this.setBusy(true);
    for (;;) {
      try {
        const response = await fetch(what, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ name: this.name, ...more }) });
        const told = await response.json();
        this.setBusy(false);
        if (response.ok) this.show(told); else this.tell(told.error);
        return;
      } catch (error) {
        this.tell("The server does not answer. Your choice is kept and sent again ...");
        await new Promise((done) => { setTimeout(done, RETRY_MS); });
      }
    }
  }

  show(told) {
    remember(told.name);
    Object.assign(this, { name: told.name, question: told.question, skeleton: told.skeleton || this.skeleton });
    this.tell("");
    this.progress(told.progress);
    this.entry.hidden = true;
    this.asking.hidden = !this.question;
    this.bar.hidden = false;
    this.end.hidden = Boolean(this.question);
    this.pauseButton.hidden = this.slowButton.hidden = !this.question;
    this.undoButton.disabled = told.progress.answered === 0;
    if (this.player) this.stage.remove(this.player);
    this.player = null;
    this.place.replaceChildren();
    if (!this.question) {
      this.end.querySelector(".sum").textContent = `You have answered ${told.progress.answered} questions.`;
      root.dataset.question = "none";
      return;
    }
    this.caption.textContent = this.question.caption;
    const player = new Player({ caption: this.question.caption, motions: this.question.motions }, this.skeleton, this.stage);
    player.views.forEach((view) => { view.trail = true; });
    this.player = player;
    this.place.append(this.stage.add(player));
    player.node.removeAttribute("tabindex"); // keys answer, wherever the focus is
    this.setSlow(this.slow);
    Object.assign(this, { watched: 0, since: null });
    this.clock();
    root.dataset.question = String(this.question.id);
  }

  progress({ answered, left, all_answered: all, all_wanted: wanted }) {
    const pace = this.answers > 1 && this.spent > 0 ? (60 * this.answers) / this.spent : 0;
    const words = [`${this.name}: ${answered} answered`, `${left} left`];
    if (pace) words.push(`${pace < 10 ? pace.toFixed(1) : Math.round(pace)} a minute`, `about ${Math.max(1, Math.ceil(left / pace))} min to go`);
    words.push(`everyone ${all} of ${wanted}`);
    this.known.textContent = words.join(" · ");
    this.bar.value = answered + left ? answered / (answered + left) : 1;
  }

  answer(answer) {
    if (!this.question || this.busy || this.paused) return;
    this.clock(true);
    this.answers += 1;
    this.spent += this.watched;
    this.ask("answer", { question: this.question.id, answer, seconds: this.watched });
  }

  undo() {
    if (this.paused || this.undoButton.disabled) return;
    this.ask("undo", {});
  }

  // Seconds run while the question is in sight.
  clock(stop = false) {
    const now = performance.now() / 1000, runs = !stop && !this.paused && !document.hidden && this.question;
    if (this.since !== null) this.watched += now - this.since;
    this.since = runs ? now : null;
  }

  setPaused(on) {
    if (on && !this.question) return;
    this.paused = on;
    this.clock();
    if (this.player) this.player.setPlaying(!on);
    this.cover.hidden = !on;
    this.asking.inert = on;
    if (on) this.resume.focus();
  }

  // The next person on this device gives a name of their own.
  leave() {
    remember("");
    location.reload();
  }

  setSlow(on) {
    this.slow = on;
    fill(this.slowButton, { "aria-pressed": String(on) }, []);
    if (this.player) this.player.setSpeed(on ? 0.25 : 1);
  }

  setBusy(on) {
    this.busy = on;
    this.choices.forEach((button) => { button.disabled = on; });
    this.asking.ariaBusy = String(on);
  }

  tell(text) {
    this.say.textContent = text;
    this.entrySay.textContent = text;
  }

  onKey(event) {
    if (event.target.closest && event.target.closest("input[name], select")) return;
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const chosen = CHOICES.find(([, , keys]) => keys.includes(key));
    const onButton = event.target.tagName === "BUTTON" && (event.key === " " || event.key === "Enter");
    const action = chosen ? () => this.answer(chosen[0]) : {
      u: () => this.undo(), Backspace: () => this.undo(), p: () => this.setPaused(!this.paused), x: () => this.setSlow(!this.slow),
      " ": onButton ? null : () => this.player && !this.paused && this.player.toggle(),
      q: () => this.player && this.player.orbit(-0.15, 0), e: () => this.player && this.player.orbit(0.15, 0),
    }[key];
    if (!action || !this.question) return;
    event.preventDefault();
    event.stopPropagation();
    action();
  }
}

// The name outlives a reload; a browser that keeps nothing asks again.
function remembered() {
  try { return localStorage.getItem("sopo-name"); } catch { return null; }
}

function remember(name) {
  try { localStorage.setItem("sopo-name", name); } catch { /* asked again next time */ }
}

new Asker();
root.dataset.ready = "true";
