// Puts the page together.
function pageHeader({ title, summary }, sections, stage) {
  const [headline, ...lines] = summary;
  const links = sections.map((part) => el("a", { href: `#${part.id}` }, part.querySelector("h2, summary").textContent));
  return el("header", null, themeButton(stage), headline === undefined ? null : el("p", { class: "eyebrow" }, title),
    el("h1", null, headline === undefined ? title : headline), lines.map((line) => el("p", { class: "lead" }, line)),
    links.length > 1 ? el("nav", { "aria-label": "On this page" }, links) : null);
}

function groupSection({ name, note }, examples, skeleton, stage) {
  return el("section", { id: name.replaceAll(" ", "-") }, el("h2", null, `Examples: ${name}`), el("p", { class: "note" }, note),
    controls(stage), examples.map((example) => stage.add(new Player(example, skeleton, stage))));
}

function controls(stage) {
  const key = (colour, text) => el("span", { class: "key" }, el("span", { class: "dot", style: `color:var(--${colour})` }), text);
  const all = (on) => () => stage.players.forEach((player) => player.setPlaying(on));
  return el("div", { class: "bar" }, el("span", null, el("button", { type: "button", click: all(true) }, "Play all"), " ",
    el("button", { type: "button", click: all(false) }, "Pause all")), key("left", "left limbs"), key("right", "right limbs"),
    hints());
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
