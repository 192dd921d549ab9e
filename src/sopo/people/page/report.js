// What people said: who wins, how well they agree, and each of them.
const percent = (value, digits = 1) => (value === null || value === undefined ? "–" : `${(100 * value).toFixed(digits)}%`);
const of = ([hits, all]) => (all ? `${hits}/${all} (${Math.round((100 * hits) / all)}%)` : "–");

function table(head, rows) {
  return el("div", { class: "sheet" }, el("table", null, el("thead", null, el("tr", null, head.map((text) => el("th", { scope: "col" }, text)))),
    el("tbody", null, rows.map(([first, ...cells]) => el("tr", null, el("th", { scope: "row" }, first), cells.map((cell) => el("td", null, cell)))))));
}

// The win rate on a line from 0 to 1, its interval as a bar; the middle is a draw.
function range({ rate, low, high }) {
  const x = (share) => 4 + 192 * share;
  return svg("svg", { viewBox: "0 0 200 22", width: 200, height: 22, role: "img", "aria-label": `win rate ${percent(rate)}, ${percent(low)} to ${percent(high)}` },
    svg("line", { x1: x(0), x2: x(1), y1: 11, y2: 11, stroke: "var(--line)" }), svg("line", { x1: x(0.5), x2: x(0.5), y1: 3, y2: 19, stroke: "var(--soft)" }),
    low === null ? null : svg("line", { x1: x(low), x2: x(high), y1: 11, y2: 11, stroke: "var(--after)", "stroke-width": 5, "stroke-linecap": "round" }),
    svg("circle", { cx: x(rate), cy: 11, r: 4.5, fill: "var(--ink)" }));
}

function duels(rows) {
  if (!rows.length) return null;
  const decided = (share) => (share ? `${percent(share[0])} (${percent(share[1])} to ${percent(share[2])})` : "–");
  return el("section", { id: "wins" }, el("h2", null, "Who wins"),
    el("p", { class: "note" }, "Of the first source against the second. The win rate counts a tie as half; its 95% interval comes from a bootstrap over pairs. "
      + "The share of decided answers leaves ties out; its interval is Wilson's. Tests, repeats and answers in sight of the sources do not count."),
    table(["first against second", "pairs", "win rate", "", "won, lost", "both good, both bad", "of the decided"], rows.map((row) => [
      `${row.first} against ${row.second}`, row.pairs, `${percent(row.rate)} (${percent(row.low)} to ${percent(row.high)})`, range(row),
      `${row.won}, ${row.lost}`, `${row.both_good}, ${row.both_bad}`, decided(row.decided)])));
}

function people(rows) {
  return el("section", { id: "people" }, el("h2", null, "Who answered"),
    el("p", { class: "note" }, "Tests set a motion against noise. Repeats ask for a pair again. Agreement is with others on shared pairs. "
      + "Whoever chooses the left side far more than half of the time may not be looking."),
    table(["person", "answers", "skipped", "median", "chose left", "tests passed", "repeats alike", "agrees with others"], rows.map((row) => [
      row.name, row.answers, row.skips, `${row.median_s.toFixed(1)} s`, percent(row.left, 0), of(row.tests), of(row.repeats), of(row.agree)])));
}

function counts({ answers, kinds, pairs, alpha, shared }) {
  const rows = [["pairs", pairs], ...Object.entries(answers).map(([name, count]) => [`answers: ${name.replaceAll("_", " ")}`, count]),
    ...Object.entries(kinds).map(([name, count]) => [`of kind ${name}`, count]),
    [`Krippendorff's alpha on ${shared} shared pairs (nominal: a, b, tie)`, alpha === null ? "–" : alpha.toFixed(3)]];
  return el("section", { id: "counts" }, el("h2", null, "Counts and agreement"), table(["what", "how many"], rows));
}

const data = JSON.parse(document.getElementById("payload").textContent);
const stage = new Stage();
document.getElementById("page").append(el("header", null, themeButton(stage), el("p", { class: "eyebrow" }, data.title), el("h1", null, data.summary[0]),
  data.summary.slice(1).map((line) => el("p", { class: "lead" }, line))), ...[duels(data.duels), people(data.people), counts(data)].filter(Boolean));
root.dataset.ready = "true";
