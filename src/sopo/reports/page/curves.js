// Training curves: one small plot per series, with a read-out under the pointer or the arrow keys.
const PLOT = { width: 300, height: 150, left: 42, right: 8, top: 8, bottom: 20 };

function curvesSection(curves) {
  const many = curves.some((curve) => curve.points.length > 40);
  return el("section", { id: "curves" }, el("h2", null, "Training"),
    el("p", { class: "note" }, "Point at a curve, or focus it and use the arrow keys, to read a value.",
      many ? " Thin: as logged. Bold: running mean." : ""),
    el("div", { class: "plots" }, curves.map(curveFigure)));
}

function curveFigure({ name, points }) {
  const finite = points.filter(([, value]) => value !== null);
  const steps = points.map(([step]) => step);
  const [first, last] = [Math.min(...steps), Math.max(...steps)];
  const [low, high, ticks] = axis(finite.map(([, value]) => value));
  const x = (step) => PLOT.left + ((step - first) / (last - first || 1)) * (PLOT.width - PLOT.left - PLOT.right);
  const y = (value) => PLOT.height - PLOT.bottom - ((value - low) / (high - low)) * (PLOT.height - PLOT.top - PLOT.bottom);
  const noisy = points.length > 40;
  const output = el("output", null, finite.length ? short(finite.at(-1)[1]) : "no finite value");
  const cursor = svg("g", { visibility: "hidden" },
    svg("line", { y1: PLOT.top, y2: PLOT.height - PLOT.bottom, style: "stroke:var(--soft)", "stroke-dasharray": "2 3" }),
    svg("circle", { r: 3.5, style: "fill:var(--after);stroke:var(--card)", "stroke-width": 1.5 }));
  const plot = svg("svg", { viewBox: `0 0 ${PLOT.width} ${PLOT.height}`, tabindex: 0, role: "img",
    "aria-label": `${name} from step ${first} to ${last}${finite.length ? `, ends at ${short(finite.at(-1)[1])}` : ""}` },
    ticks.map((tick) => [
      svg("line", { x1: PLOT.left, x2: PLOT.width - PLOT.right, y1: y(tick), y2: y(tick), style: "stroke:var(--line)" }),
      svg("text", { x: PLOT.left - 6, y: y(tick) + 3.5, "text-anchor": "end" }, short(tick))]),
    svg("text", { x: PLOT.left, y: PLOT.height - 5 }, short(first)),
    svg("text", { x: PLOT.width - PLOT.right, y: PLOT.height - 5, "text-anchor": "end" }, `step ${last.toLocaleString("en")}`),
    trace(points, x, y, noisy ? { "stroke-width": 1, opacity: 0.35 } : { "stroke-width": 2 }),
    noisy ? trace(runningMean(points), x, y, { "stroke-width": 2 }) : null, cursor);
  let at = finite.length - 1;
  const read = (index) => {
    if (!finite.length) return;
    at = Math.max(0, Math.min(finite.length - 1, index));
    const [step, value] = finite[at];
    output.textContent = `${short(value)} @ ${step.toLocaleString("en")}`;
    fill(cursor.firstChild, { x1: x(step), x2: x(step) }, []);
    fill(cursor.lastChild, { cx: x(step), cy: y(value) }, []);
    cursor.setAttribute("visibility", "visible");
  };
  const leave = () => {
    cursor.setAttribute("visibility", "hidden");
    if (finite.length) output.textContent = short(finite.at(-1)[1]);
  };
  plot.addEventListener("pointermove", (event) => {
    const box = plot.getBoundingClientRect();
    const px = ((event.clientX - box.left) / box.width) * PLOT.width;
    let best = 0;
    finite.forEach(([step], i) => { if (Math.abs(x(step) - px) < Math.abs(x(finite[best][0]) - px)) best = i; });
    read(best);
  });
  plot.addEventListener("pointerleave", leave);
  plot.addEventListener("blur", leave);
  plot.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
    if (move !== undefined) { event.preventDefault(); read(at + move); }
  });
  return el("figure", null, el("figcaption", null, el("span", null, name), output), plot);
}

// A line that breaks where a value is not finite; a point with no neighbour becomes a dot.
function trace(points, x, y, style) {
  let path = "", open = false;
  for (const [step, value] of points) {
    if (value === null) { open = false; continue; }
    path += `${open ? "L" : "M"}${x(step).toFixed(1)} ${y(value).toFixed(1)}${open ? "" : "h0"}`;
    open = true;
  }
  return svg("path", { d: path, fill: "none", style: "stroke:var(--after)", "stroke-linejoin": "round", "stroke-linecap": "round", ...style });
}

function runningMean(points) {
  const reach = Math.ceil(points.length / 40);
  return points.map(([step, value], i) => {
    if (value === null) return [step, null];
    const near = points.slice(Math.max(0, i - reach), i + reach + 1).map((p) => p[1]).filter((v) => v !== null);
    return [step, near.reduce((a, b) => a + b, 0) / near.length];
  });
}

// Lowest, highest and three to five round ticks between them.
function axis(values) {
  if (!values.length) return [0, 1, [0, 1]];
  let low = Math.min(...values), high = Math.max(...values);
  if (low === high) { const pad = Math.abs(low) * 0.1 || 1; low -= pad; high += pad; }
  const rough = (high - low) / 4, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((m) => m * power >= rough);
  const pad = (high - low) * 0.05;
  const ticks = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high + 1e-9 * step; tick += step) ticks.push(Math.abs(tick) < 1e-9 * step ? 0 : tick);
  return [low - pad, high + pad, ticks];
}
