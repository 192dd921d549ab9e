// The table of measures: a row per measure, a column per model, and the intervals drawn beside them.
const WAYS = { higher: "higher is better", lower: "lower is better", closer: "closer to real is better" };
const ARROWS = { higher: "↑", lower: "↓", closer: "→ real" };
const MARKS = { better: "better", worse: "worse", unclear: "within the intervals" };

function resultsSection(table) {
  const tallies = table.rows.filter((row) => row !== "base" && row !== "real").map((row) => tally(table, row));
  const head = el("tr", null, el("th", { scope: "col" }, "Measure"),
    table.rows.map((row) => el("th", { scope: "col" }, el("span", { class: "dot", style: `color:${tint(row)}` }), row)),
    el("th", { scope: "col" }, "mean ± 95% CI"));
  return el("section", { id: "results" }, el("h2", null, "Measures"), tallies,
    el("div", { class: "sheet", tabindex: 0, role: "region", "aria-label": "Measures" },
      el("table", { class: "results" }, el("thead", null, head),
        el("tbody", null, table.columns.map((column) => resultsRow(table.rows, column))))));
}

function tally(table, row) {
  const count = { better: 0, worse: 0, unclear: 0 };
  for (const column of table.columns) {
    const cell = column.cells[row];
    if (cell && cell.verdict) count[cell.verdict] += 1;
  }
  return el("p", { class: "tally" }, `${row} against base:`, Object.entries(count).filter(([, n]) => n)
    .map(([verdict, n]) => el("span", { class: `chip ${verdict}` }, `${n} ${MARKS[verdict]}`)));
}

function resultsRow(rows, column) {
  const heading = el("th", { scope: "row" }, label(column.name) + " ",
    el("span", { title: WAYS[column.better], "aria-label": WAYS[column.better], role: "img", style: "color:var(--soft);font-weight:400" },
      ARROWS[column.better]),
    column.note ? el("small", null, column.note) : null);
  return el("tr", null, heading, rows.map((row) => resultsCell(column, row)), el("td", { class: "plot" }, dotPlot(rows, column)));
}

function resultsCell(column, row) {
  const cell = column.cells[row];
  if (!cell) return el("td", { class: "quiet" }, el("span", { class: "value" }, "–"));
  const digits = column.digits;
  const value = cell.mean === null ? "not finite" : cell.mean.toFixed(digits).replace(/^-(0\.0*)$/, "$1");
  const lines = [el("span", { class: "value" }, value, el("i", null, cell.ci === null ? "" : ` ±${cell.ci.toFixed(digits)}`))];
  if (cell.verdict) lines.push(el("div", null, changeChip(cell, column)));
  return el("td", { class: row === "real" || cell.verdict === "unclear" ? "quiet" : null }, lines);
}

function changeChip(cell, column) {
  const mark = { better: "✓ ", worse: "✗ ", unclear: "" }[cell.verdict];
  const amount = cell.change === null ? MARKS[cell.verdict] : signed(cell.change, `${(100 * cell.change).toFixed(1)}%`);
  const what = column.better === "closer" ? "distance to real, against base" : "against base";
  return el("span", { class: `chip ${cell.verdict}`, title: `${amount} ${what}: ${MARKS[cell.verdict]}` },
    mark + amount + (column.better === "closer" ? " gap" : ""));
}

// One line per model, its interval as a bar and its mean as a dot, on one axis without zero.
function dotPlot(rows, column) {
  const known = rows.filter((row) => column.cells[row] && column.cells[row].mean !== null);
  if (!known.length) return "";
  const [width, step, margin] = [300, 13, 9];
  const reach = known.map((row) => [column.cells[row].mean - (column.cells[row].ci || 0), column.cells[row].mean + (column.cells[row].ci || 0)]);
  const low = Math.min(...reach.map((r) => r[0])), high = Math.max(...reach.map((r) => r[1]));
  const x = (value) => margin + ((value - low) / (high - low || 1)) * (width - 2 * margin);
  const height = step * known.length + 6;
  const marks = known.map((row, i) => {
    const { mean, ci } = column.cells[row];
    const y = 3 + step * (i + 0.5);
    const colour = `stroke:${tint(row)};fill:${tint(row)}`;
    return svg("g", { style: colour },
      svg("title", null, `${row}: ${short(mean)} ± ${short(ci)}`),
      svg("line", { x1: 0, x2: width, y1: y, y2: y, style: "stroke:var(--line)" }),
      svg("line", { x1: x(mean - (ci || 0)), x2: x(mean + (ci || 0)), y1: y, y2: y, "stroke-width": 4, "stroke-linecap": "round", opacity: 0.4 }),
      svg("circle", { cx: x(mean), cy: y, r: 4, stroke: "none" }));
  });
  return svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${column.name}, mean and 95% interval of ${known.join(", ")}` }, marks);
}
