// The contact sheet: 24 clips at a time, found by search and filters, one of them large on demand.
const EACH = 24;
const ANY = "", WARNED = "*"; // of the menus

class Sheet {
  constructor(data) {
    Object.assign(this, { data, clips: data.clips, stage: new Stage(), cards: [], found: data.clips, at: 0, playing: !STILL.matches });
    this.store = new Store(data);
    this.texts = data.clips.map(({ id, captions }) => [id, ...captions].join("\n").toLowerCase());
    this.grid = el("div", { class: "cards" });
    this.buildTools();
    this.large = new Large(this);
    addEventListener("keydown", (event) => this.onKey(event));
    this.filter();
  }

  buildTools() {
    const refilter = () => this.filter();
    const option = (value, text) => el("option", { value }, text);
    const counted = (values) => Object.entries(values.reduce((sum, value) => ({ ...sum, [value]: (sum[value] || 0) + 1 }), {}));
    const splits = counted(this.clips.map(({ split }) => split).filter(Boolean));
    const kinds = counted(this.clips.flatMap(({ warnings }) => warnings.map(([kind]) => kind)));
    const warned = this.clips.filter(({ warnings }) => warnings.length).length;
    this.search = el("input", { type: "search", placeholder: "Search captions and ids", "aria-label": "Search captions and ids", input: refilter });
    this.split = el("select", { "aria-label": "Split", change: refilter }, option(ANY, "all splits"),
      splits.map(([name, count]) => option(name, `${name} (${count})`)));
    this.warning = el("select", { "aria-label": "Warnings", change: refilter }, option(ANY, "with and without warnings"),
      option(WARNED, `only with a warning (${warned})`), kinds.map(([kind, count]) => option(kind, `${kind.replaceAll("-", " ")} (${count})`)));
    this.split.hidden = !splits.length;
    this.warning.disabled = !warned;
    this.count = el("output", { class: "count", "aria-live": "polite" });
    this.pagers = [this.buildPager("Pages"), this.buildPager("Pages, again")];
    this.pause = el("button", { type: "button", click: () => this.setPlaying(!this.playing) });
    const key = (colour, text) => el("span", { class: "key" }, el("span", { class: "dot", style: `color:var(--${colour})` }), text);
    this.tools = el("div", { class: "tools", role: "search" }, this.search, this.split, this.warning, this.count, this.pagers[0].node, this.pause,
      el("span", { class: "keys" }, key("left", "left limbs"), key("right", "right limbs")));
    this.setPlaying(this.playing);
  }

  buildPager(label) {
    const [back, on] = [["‹", "Previous page", -1], ["›", "Next page", 1]].map(([text, name, step]) =>
      el("button", { type: "button", "aria-label": name, title: name, click: () => this.turn(step) }, text));
    const page = el("span", null);
    return { back, on, page, node: el("nav", { class: "pager", "aria-label": label }, back, page, on) };
  }

  // Every word has to be in the id or a caption.
  filter() {
    this.words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const [split, kind] = [this.split.value, this.warning.value];
    this.found = this.clips.filter((clip, i) => this.words.every((word) => this.texts[i].includes(word)) && (!split || clip.split === split)
      && (!kind || (kind === WARNED ? clip.warnings.length > 0 : clip.warnings.some(([name]) => name === kind))));
    this.show(0);
  }

  turn(step) {
    const pages = Math.max(1, Math.ceil(this.found.length / EACH));
    const to = Math.max(0, Math.min(pages - 1, this.at + step));
    if (to === this.at) return;
    this.show(to);
    this.tools.scrollIntoView({ block: "start" });
  }

  show(at) {
    this.at = at;
    const from = at * EACH, shown = this.found.slice(from, from + EACH), pages = Math.ceil(this.found.length / EACH);
    this.cards.forEach((card) => this.stage.remove(card));
    this.cards = shown.map((clip, i) => new Card(clip, this.data.skeleton, this.stage, this.words, () => this.large.open(from + i)));
    this.grid.replaceChildren(...this.cards.map((card) => card.node), ...(shown.length ? [] : [this.nothing()]));
    for (const card of this.cards) {
      card.setPlaying(this.playing);
      this.stage.add(card);
      this.store.motion(card.clip).then((motion) => card.show(motion), (error) => card.show(null, error.message));
    }
    const all = this.clips.length === this.found.length;
    this.count.textContent = all ? `${this.clips.length} clips` : `${this.found.length} of ${this.clips.length} clips`;
    for (const { back, on, page, node } of this.pagers) {
      node.hidden = pages < 2;
      page.textContent = `${from + 1}–${from + shown.length}`;
      back.disabled = at === 0;
      on.disabled = at >= pages - 1;
    }
  }

  nothing() {
    return el("p", { class: "nothing" }, "No clip fits. ", el("button", { type: "button", click: () => {
      [this.search.value, this.split.value, this.warning.value] = ["", ANY, ANY];
      this.filter();
    } }, "Show all"));
  }

  setPlaying(on) {
    this.playing = on;
    this.pause.textContent = on ? "Pause" : "Play";
    this.cards.forEach((card) => card.setPlaying(on));
    this.stage.wake();
  }

  onKey(event) {
    const typing = event.target.closest && event.target.closest("input, select, dialog");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const action = { "/": () => this.search.focus(), ArrowLeft: () => this.turn(-1), ArrowRight: () => this.turn(1) }[event.key];
    if (action) { event.preventDefault(); action(); }
  }
}

// Motions: inside the page, or in scripts beside it that are fetched when a clip of theirs is shown.
class Store {
  constructor({ beside }) {
    this.beside = beside;
    this.chunks = new Map(); // number -> a promise of its motions
    this.waiting = new Map();
    window.sopoMotions = (number, motions) => this.waiting.get(number)(motions);
  }

  async motion(clip) {
    if (!this.beside || !clip.frames) return clip.motion;
    const [number, place] = clip.motion;
    if (!this.chunks.has(number)) this.chunks.set(number, this.load(number));
    const motions = await this.chunks.get(number);
    if (this.chunks.size > 2 * EACH) this.chunks.delete(this.chunks.keys().next().value); // the oldest
    return motions[place];
  }

  load(number) {
    return new Promise((done, fail) => {
      this.waiting.set(number, done);
      const lost = () => fail(new Error(`${this.beside}/${number}.js is not beside this page: keep them together`));
      const script = el("script", { src: `${encodeURIComponent(this.beside)}/${number}.js`, error: lost, load: () => script.remove() });
      document.head.append(script);
    });
  }
}

// One clip with all that is known of it, in a window over the sheet.
class Large {
  constructor(sheet) {
    this.sheet = sheet;
    this.body = el("div", { class: "inside" });
    this.node = el("dialog", { "aria-label": "One clip", close: () => this.leave(), click: (event) => { if (event.target === this.node) this.node.close(); } }, this.body);
  }

  async open(index) {
    this.leave();
    this.asked = index;
    const { sheet } = this, clip = sheet.found[index], { skeleton } = sheet.data;
    const motion = await sheet.store.motion(clip).catch(() => null);
    if (this.asked !== index) return; // another one has been asked for since
    this.player = motion ? new Player({ caption: clip.id, motions: { "": motion } }, skeleton, sheet.stage) : null;
    const button = (text, action, disabled = false) => el("button", { type: "button", disabled, click: action }, text);
    this.body.replaceChildren(
      el("div", { class: "window" }, button("‹ Previous", () => this.open(index - 1), index === 0),
        button("Next ›", () => this.open(index + 1), index === sheet.found.length - 1), button("Close", () => this.node.close())),
      this.player ? sheet.stage.add(this.player) : el("p", { class: "blank" }, `${clip.id} cannot be drawn`),
      el("dl", { class: "known" }, [["split", clip.split], ["length", clip.frames ? `${clip.frames} frames, ${(clip.frames / skeleton.fps).toFixed(1)} s` : ""], ...clip.facts]
        .filter(([, value]) => value).map(([name, value]) => el("div", null, el("dt", null, name), el("dd", null, value)))),
      el("ul", { class: "captions" }, clip.captions.map((text) => el("li", { dir: "auto" }, text))),
      clip.warnings.length ? el("ul", { class: "warnings" }, clip.warnings.map(([kind, measured]) =>
        el("li", null, el("span", { class: "chip worse" }, kind.replaceAll("-", " ")), " ", sheet.data.kinds[kind] || "", measured ? ` (${measured})` : ""))) : "",
      this.player ? hints() : "");
    sheet.stage.alone = this.player;
    if (!this.node.open) this.node.showModal();
    if (this.player) this.player.node.focus();
  }

  leave() {
    if (this.player) this.sheet.stage.remove(this.player);
    this.player = this.sheet.stage.alone = null;
    this.sheet.stage.players.forEach((player) => player.touch());
    this.sheet.stage.wake();
  }
}

function boot() {
  const data = JSON.parse(document.getElementById("payload").textContent);
  const sheet = new Sheet(data);
  document.getElementById("page").append(
    el("header", null, themeButton(sheet.stage), el("p", { class: "eyebrow" }, "motions"), el("h1", null, data.title),
      data.summary.map((line) => el("p", { class: "lead" }, line)), data.alarms.map((line) => el("p", { class: "alarm", role: "alert" }, line))),
    sheet.tools, sheet.grid, sheet.pagers[1].node, sheet.large.node);
  root.dataset.ready = "true";
}

boot();
