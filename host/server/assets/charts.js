// Small drawings in SVG: they take the text's colour and need no library.

import { h, s, micros, number, words } from "./dom.js";

const W = 260, H = 72, PAD = 4;

// One line per name over steps; the last value stands beside the name.
export function curves(points) {
  const lines = Map.groupBy
    ? Map.groupBy(points, (point) => point.name)
    : points.reduce((map, point) => map.set(point.name, [...(map.get(point.name) ?? []), point]), new Map());
  return h("div", { class: "charts" }, [...lines].slice(0, 8).map(([name, line]) => curve(name, line)));
}

function curve(name, points) {
  const line = points.filter((point) => Number.isFinite(point.value)).sort((a, b) => a.step - b.step);
  if (!line.length) return null;
  const steps = line.map((point) => point.step), values = line.map((point) => point.value);
  const [x0, x1, y0, y1] = [steps[0], steps.at(-1), Math.min(...values), Math.max(...values)];
  const x = (v) => PAD + (W - 2 * PAD) * (x1 > x0 ? (v - x0) / (x1 - x0) : 0.5);
  const y = (v) => H - PAD - (H - 2 * PAD) * (y1 > y0 ? (v - y0) / (y1 - y0) : 0.5);
  const path = line.map((p, i) => `${i ? "L" : "M"}${x(p.step).toFixed(1)} ${y(p.value).toFixed(1)}`).join("");
  const end = line.at(-1);
  const said = `${words(name)}: ${number(line[0].value)} at step ${x0}, ${number(end.value)} at step ${x1}`;
  return h("figure", { class: "chart" },
    h("figcaption", null, h("span", null, words(name)), h("b", null, number(end.value))),
    s("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": said, preserveAspectRatio: "none" },
      s("path", { d: `${path}L${x(end.step).toFixed(1)} ${H}L${x(x0).toFixed(1)} ${H}Z`, class: "area" }),
      s("path", { d: path, class: "line", "vector-effect": "non-scaling-stroke" })),
    h("p", { class: "ends" }, h("span", null, `step ${x0}`), h("span", null, `step ${x1}`)));
}

// A curve of an evaluation, its axes named: points as pairs or two lists.
export function plot(one) {
  const xs = one.x ?? one.xs ?? (one.points ?? []).map((p) => p.x ?? p[0]);
  const ys = one.y ?? one.ys ?? (one.points ?? []).map((p) => p.y ?? p[1]);
  const pairs = xs.map((v, i) => [v, ys[i]]).filter(([a, b]) => Number.isFinite(a) && Number.isFinite(b));
  if (pairs.length < 2) return null;
  const range = (v) => [Math.min(...v), Math.max(...v)];
  const [[x0, x1], [y0, y1]] = [range(pairs.map((p) => p[0])), range(pairs.map((p) => p[1]))];
  const at = ([a, b]) => `${(8 + 144 * (a - x0) / (x1 - x0 || 1)).toFixed(1)} ${(152 - 144 * (b - y0) / (y1 - y0 || 1)).toFixed(1)}`;
  return h("figure", { class: "chart square" },
    h("figcaption", null, h("span", null, words(one.name))),
    s("svg", { viewBox: "0 0 160 160", role: "img", "aria-label": `${words(one.name)}, a curve of ${pairs.length} points` },
      s("path", { d: "M8 8V152H152", class: "axis" }),
      s("path", { d: "M" + pairs.map(at).join("L"), class: "line" })),
    h("p", { class: "ends" }, h("span", null, `${words(one.x_label ?? "")} ${number(x0)}`), h("span", null, number(x1))));
}

// Counts as bars; `labels` are their tooltips.
export function bars(values, labels, said) {
  const most = Math.max(1, ...values), w = 100 / values.length;
  return s("svg", { class: "bars", viewBox: "0 0 100 28", preserveAspectRatio: "none", role: "img", "aria-label": said },
    values.map((value, i) => {
      const height = value ? Math.max(0.8, (27 * value) / most) : 0.6;
      return s("rect", { x: i * w + w * 0.1, y: 28 - height, width: w * 0.8, height, class: value ? "bar" : "bar none" },
        s("title", null, labels[i]));
    }));
}

// The upper bounds of the latency buckets, in microseconds; the last is open.
const BOUNDS = [50, 100, 250, 500, 1000, 2500, 5000, 10000, 25000, 100000, 500000, 2000000];

export function latency(buckets) {
  const labels = buckets.map((calls, i) => `${i < BOUNDS.length ? `up to ${micros(BOUNDS[i])}` : `above ${micros(BOUNDS.at(-1))}`}: ${calls} calls`);
  return bars(buckets, labels, `Calls by latency. ${labels.filter((_, i) => buckets[i]).join("; ")}`);
}

// The bound that `q` of the calls stayed under.
export function quantile(buckets, q) {
  const total = buckets.reduce((sum, n) => sum + n, 0);
  if (!total) return "–";
  let seen = 0;
  const i = buckets.findIndex((n) => (seen += n) >= q * total);
  return i < BOUNDS.length ? `≤ ${micros(BOUNDS[i])}` : `> ${micros(BOUNDS.at(-1))}`;
}

// How traffic is shared: `[name, weight, note]`.
export function shares(parts) {
  const total = parts.reduce((sum, part) => sum + part[1], 0) || 1;
  const percent = (weight) => `${+((100 * weight) / total).toPrecision(3)} %`;
  return h("div", { class: "shares" },
    h("div", { class: "share-bar", "aria-hidden": "true" }, parts.map(([, weight], i) => h("span", { class: `part p${i % 5}`, vars: { "flex-grow": weight || 0.001 } }))),
    h("ul", null, parts.map(([name, weight, note], i) => h("li", null, h("i", { class: `dot p${i % 5}` }), h("b", null, name), ` ${percent(weight)} `, h("span", { class: "faint" }, note)))));
}

export function progress(fraction, said) {
  const percent = Math.round(100 * Math.min(1, Math.max(0, fraction ?? 0)));
  return h("div", { class: "progress", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": percent, "aria-label": said },
    h("span", { vars: { width: `${percent}%` } }));
}
