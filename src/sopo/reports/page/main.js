// Puts the page together and runs the one clock of all examples.
const root = document.documentElement;
addEventListener("error", (event) => { root.dataset.error = event.message; });

class Stage {
  constructor() {
    this.players = [];
    this.asked = false;
    this.last = null;
    this.watch = new IntersectionObserver((entries) => entries.forEach(({ target, isIntersecting }) => {
      const player = this.players.find(({ node }) => node === target);
      player.visible = isIntersecting;
      player.touch();
    }), { threshold: 0.1 });
    this.sizes = new ResizeObserver(() => this.players.forEach((player) => player.touch()));
    this.readColours();
  }

  add(example, skeleton) {
    const player = new Player(example, skeleton, this);
    this.players.push(player);
    this.watch.observe(player.node);
    this.sizes.observe(player.node);
    return player.node;
  }

  readColours() {
    const style = getComputedStyle(root);
    this.colours = Object.fromEntries(["real", "before", "after", "left", "right", "torso", "outline", "shine", "grid", "shadow"]
      .map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
    this.players.forEach((player) => player.touch());
  }

  wake() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame((now) => this.tick(now));
  }

  // Only what is on the screen moves; when nothing does, no frame is asked for.
  tick(now) {
    this.asked = false;
    const seconds = this.last === null ? 0 : Math.min((now - this.last) / 1000, 0.1);
    this.last = now;
    const visible = this.players.filter((player) => player.visible);
    for (const player of visible) {
      if (player.playing) player.advance(seconds);
      if (player.dirty) player.paint(this.colours);
    }
    if (visible.some((player) => player.playing)) this.wake();
    else this.last = null;
  }
}

function pageHeader({ title, summary }, sections, stage) {
  const night = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const button = el("button", { type: "button", class: "theme", click: () => {
    root.dataset.theme = night() ? "light" : "dark";
    button.textContent = night() ? "Light" : "Dark";
    stage.readColours();
  } }, night() ? "Light" : "Dark");
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => stage.readColours());
  const [headline, ...lines] = summary;
  const links = sections.map((part) => el("a", { href: `#${part.id}` }, part.querySelector("h2, summary").textContent));
  return el("header", null, button, headline === undefined ? null : el("p", { class: "eyebrow" }, title),
    el("h1", null, headline === undefined ? title : headline), lines.map((line) => el("p", { class: "lead" }, line)),
    links.length > 1 ? el("nav", { "aria-label": "On this page" }, links) : null);
}

function groupSection({ name, note }, examples, skeleton, stage) {
  return el("section", { id: name.replaceAll(" ", "-") }, el("h2", null, `Examples: ${name}`), el("p", { class: "note" }, note),
    controls(stage), examples.map((example) => stage.add(example, skeleton)));
}

function controls(stage) {
  const key = (colour, text) => el("span", { class: "key" }, el("span", { class: "dot", style: `color:var(--${colour})` }), text);
  const all = (on) => () => stage.players.forEach((player) => player.setPlaying(on));
  return el("div", { class: "bar" }, el("span", null, el("button", { type: "button", click: all(true) }, "Play all"), " ",
    el("button", { type: "button", click: all(false) }, "Pause all")), key("left", "left limbs"), key("right", "right limbs"),
    el("span", null, "drag to orbit · click, then wheel to zoom · ", el("kbd", null, "Space"), " play · ", el("kbd", null, "←"), " ", el("kbd", null, "→"),
      " scrub · ", el("kbd", null, "Q"), " ", el("kbd", null, "E"), " turn · ", el("kbd", null, "+"), " ", el("kbd", null, "−"), " zoom"));
}

function settingsSection(config) {
  return el("section", { id: "config" }, el("div", { class: "sheet" }, el("details", null, el("summary", null, "Configuration of the run"),
    el("dl", { class: "settings" }, flat(config).map(([name, value]) => [el("dt", null, name), el("dd", null, value)])))));
}

function flat(value, name = "") {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return [[name, typeof value === "string" ? value : JSON.stringify(value)]];
  return Object.entries(value).flatMap(([key, item]) => flat(item, name ? `${name}.${key}` : key));
}

function boot() {
  const data = JSON.parse(document.getElementById("payload").textContent);
  const stage = new Stage();
  const filled = (part, build) => (part ? build() : null);
  const sections = [
    filled(data.table.columns.length, () => resultsSection(data.table)),
    ...data.groups.map((group) => [group, data.examples.filter((example) => example.group === group.name)])
      .map(([group, examples]) => filled(examples.length, () => groupSection(group, examples, data.skeleton, stage))),
    filled(data.curves.length, () => curvesSection(data.curves)),
    filled(Object.keys(data.config).length, () => settingsSection(data.config)),
  ].filter(Boolean);
  document.getElementById("page").append(pageHeader(data, sections, stage), ...sections,
    el("footer", null, Object.entries(data.facts).map(([name, value]) => el("span", null, `${name} `, el("b", null, typeof value === "string" ? value : JSON.stringify(value))))));
  root.dataset.ready = "true";
}

boot();
