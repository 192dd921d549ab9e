// Building blocks. Text reaches the page only through text nodes and attributes, never as markup.
const SVG = new DOMParser().parseFromString("<svg></svg>", "text/html").querySelector("svg").namespaceURI;

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return node;
}

const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

// The colour of a row of the table or of a motion: base is what was before, aligned what came after.
function tint(name) {
  const role = { base: "before", before: "before", aligned: "after", after: "after", real: "real" }[name] || "other";
  return `var(--${role})`;
}

// "rule_accuracy" -> "Rule accuracy"; "R@1" and "MMDist" stay.
function label(name) {
  const words = name.replaceAll("_", " ");
  return words[0] === undefined ? "" : words[0].toUpperCase() + words.slice(1);
}

function short(value) {
  if (value === null || value === undefined) return "not finite";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(1).replace("e+", "e");
  return String(Number(value.toPrecision(4)));
}

const signed = (value, text) => (value < 0 ? "−" : "+") + text.replace("-", "");
