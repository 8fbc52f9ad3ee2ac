// Elements and words. Everything that comes from the server goes through
// text nodes and attributes of a fixed set: nothing is ever read as markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "vars") for (const [key, v] of Object.entries(value)) element.style.setProperty(key, v);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
export const s = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

// Replaces an element's content without losing what the reader has open,
// focused or scrolled to.
const opened = new Set();
export function show(parent, ...children) {
  const focused = document.activeElement?.dataset?.key;
  parent.replaceChildren(...children.flat(Infinity).filter(Boolean));
  if (focused) parent.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

// A fold that stays as the reader left it. `body` is called when it is open.
export function fold(key, head, body, first = false) {
  if (first && !opened.has(`seen:${key}`)) opened.add(key);
  opened.add(`seen:${key}`);
  const details = h("details", { class: "fold", open: opened.has(key) }, h("summary", { "data-key": key }, head));
  const inner = h("div", { class: "inside" });
  details.append(inner);
  if (opened.has(key)) inner.append(...[body()].flat(Infinity).filter(Boolean));
  details.addEventListener("toggle", () => {
    if (details.open) {
      opened.add(key);
      if (!inner.hasChildNodes()) inner.append(...[body()].flat(Infinity).filter(Boolean));
    } else opened.delete(key);
  });
  return details;
}

export const words = (name) => String(name ?? "").replaceAll("_", " ");
export const capital = (name) => words(name).replace(/^./, (c) => c.toUpperCase());

const whole = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
export const count = (n) => (n == null ? "–" : n < 100000 ? whole.format(n) : short.format(n));
export function number(n) {
  if (n == null || !Number.isFinite(n)) return "–";
  if (Number.isInteger(n)) return count(n);
  const size = Math.abs(n);
  return size >= 1000 ? count(Math.round(n)) : size >= 0.001 ? String(+n.toPrecision(4)) : n.toExponential(2);
}
export function micros(us) {
  if (us == null || !Number.isFinite(us)) return "–";
  return us < 1000 ? `${Math.round(us)} µs` : us < 1e6 ? `${+(us / 1000).toPrecision(3)} ms` : `${+(us / 1e6).toPrecision(3)} s`;
}
export function bytes(n) {
  const step = n > 0 ? Math.min(4, Math.floor(Math.log2(n) / 10)) : 0;
  return `${+(n / 1024 ** step).toPrecision(3)} ${["B", "KiB", "MiB", "GiB", "TiB"][step]}`;
}
export const share = (part, total) => (total > 0 ? `${+((100 * part) / total).toPrecision(3)} %` : "–");

// How long ago; the exact moment is the tooltip.
export function when(at) {
  const moment = at ? new Date(at) : null;
  if (!moment || Number.isNaN(+moment)) return h("span", { class: "faint" }, "–");
  const seconds = (Date.now() - moment) / 1000;
  const units = [[60, "s", 1], [3600, "min", 60], [86400, "h", 3600], [86400 * 60, "d", 86400]];
  const unit = units.find(([limit]) => Math.abs(seconds) < limit);
  const ago = unit ? `${Math.max(0, Math.floor(Math.abs(seconds) / unit[2]))} ${unit[1]}` : null;
  const said = !ago ? moment.toISOString().slice(0, 10) : seconds < -1 ? `in ${ago}` : seconds < 5 ? "now" : `${ago} ago`;
  return h("time", { datetime: moment.toISOString(), title: moment.toISOString() }, said);
}

const TONES = {
  good: ["finished", "live", "allowed", "approved", "registered", "keep", "intact", "champion"],
  bad: ["failed", "denied", "rejected", "critical", "retire", "broken"],
  warn: ["pending", "warning", "warn", "retirement_proposed", "ask", "cancelled"],
  busy: ["running", "info"],
};
export function tone(word) {
  const plain = String(word ?? "").toLowerCase();
  return Object.keys(TONES).find((name) => TONES[name].includes(plain)) ?? "plain";
}
export const badge = (word, kind = tone(word)) => h("span", { class: `badge ${kind}` }, words(word));

export const empty = (sentence) => h("p", { class: "empty" }, sentence);

// A table; columns are `[title, row => content, "number"?]`.
export function table(rows, columns, nothing = "Nothing here yet.") {
  if (!rows.length) return empty(nothing);
  const kind = (column) => ({ class: column[2] });
  return h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Table" }, h("table", null,
    h("thead", null, h("tr", null, columns.map((column) => h("th", { ...kind(column), scope: "col" }, column[0])))),
    h("tbody", null, rows.map((row) => h("tr", null, columns.map((column) => h("td", kind(column), column[1](row) ?? "–")))))));
}

export const section = (title, ...content) => h("section", null, h("h2", null, title), ...content);

// Figures in a row: `[name, value]`.
export const figures = (pairs) => h("dl", { class: "figures" }, pairs.map(([name, value, kind]) =>
  h("div", { class: kind }, h("dt", null, words(name)), h("dd", null, value))));

export const metrics = (all, most = 6) => {
  const overall = (all ?? []).filter((metric) => !metric.slice).slice(0, most);
  return overall.length ? h("span", { class: "metrics" }, overall.map((metric) =>
    h("span", null, `${words(metric.name)} `, h("b", null, number(metric.value))))) : "–";
};
