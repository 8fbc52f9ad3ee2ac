// Stages in which a model is made: ingestion, features, experiments,
// evaluation, registry, and the documents of its versions. Each has `load`,
// which asks the server, and `draw`, which shows what it answered.

import { get, list, text, encode } from "./api.js";
import { curves, plot, progress } from "./charts.js";
import { badge, count, empty, figures, fold, h, metrics, number, section, table, when, words } from "./dom.js";

const schedule = (row) => row.schedule ? h("code", null, row.schedule) : "by hand";

const ingestion = {
  load: async () => {
    const [datasets, sources] = await Promise.all([list("/ingestion/datasets"), list("/ingestion/sources")]);
    return { datasets, sources };
  },
  draw: ({ datasets, sources }) => [
    section("Datasets", table(datasets, [
      ["Name", (d) => h("b", null, d.name)],
      ["Version", (d) => d.version, "number"],
      ["Rows", (d) => count(d.rows), "number"],
      ["Columns", (d) => count((d.schema?.fields ?? d.schema?.columns ?? d.schema)?.length), "number"],
      ["Event time", (d) => d.event_time && h("code", null, d.event_time)],
      ["Changed", (d) => when(d.updated_at)],
    ], "No dataset yet: upload a file or pull from a source.")),
    section("Sources", table(sources, [
      ["Name", (x) => h("b", null, x.name)],
      ["Plugin", (x) => h("code", null, x.plugin)],
      ["Rows", (x) => count(x.rows), "number"],
      ["Quarantined", (x) => x.rejected ? badge(count(x.rejected), "warn") : "0", "number"],
      ["Schedule", schedule],
      ["Pulled", (x) => when(x.pulled_at)],
      ["Trouble", (x) => x.last_error ? h("span", { class: "bad-text" }, x.last_error) : "none"],
    ], "No source yet.")),
  ],
};

const features = {
  load: async () => ({ views: await list("/features/views") }),
  draw: ({ views }) => [section("Feature views", table(views, [
    ["Name", (v) => h("b", null, v.name)],
    ["Version", (v) => v.version, "number"],
    ["Keys", (v) => (v.keys ?? []).join(", ")],
    ["From", (v) => v.dataset ?? (v.datasets ?? []).join(", ")],
    ["Rows", (v) => count(v.materialized?.rows), "number"],
    ["Online", (v) => v.online ? badge("online", "good") : badge("offline", "plain")],
    ["Schedule", schedule],
    ["Materialised", (v) => when(v.materialized?.at)],
  ], "No view yet."))],
};

const experiments = {
  load: async () => {
    const [all, runs, sweeps, jobs] = await Promise.all([
      list("/experiments"), list("/experiments/runs", 20), list("/experiments/sweeps", 10), list("/jobs", 20)]);
    return { all, runs, sweeps, jobs };
  },
  draw: ({ all, runs, sweeps, jobs }) => [
    section("Runs", runs.length ? runs.map((run, i) => fold(`run:${run.id}`, runHead(run), () => runBody(run, jobs), i === 0 || run.status === "running"))
      : empty("No run yet.")),
    section("Sweeps", table(sweeps, [
      ["Experiment", (x) => h("b", null, x.spec?.experiment)],
      ["Status", (x) => badge(x.status)],
      ["Runs", (x) => count(x.runs?.length), "number"],
      ["Best", (x) => x.best_value == null ? "–" : `${words(x.spec?.metric)} ${number(x.best_value)}`, "number"],
      ["Begun", (x) => when(x.created_at)],
    ], "No sweep yet.")),
    section("Experiments", table(all, [
      ["Name", (x) => h("b", null, x.name)],
      ["Task", (x) => words(x.task)],
      ["Trains with", (x) => h("code", null, x.training?.plugin)],
      ["Target", (x) => h("code", null, x.target)],
      ["Changed", (x) => when(x.updated_at)],
    ], "No experiment yet.")),
  ],
};

const runHead = (run) => h("span", { class: "head" },
  h("b", null, run.experiment), badge(run.status), metrics(run.metrics, 3),
  h("span", { class: "right faint" }, h("code", null, String(run.id).slice(-8)), " ", when(run.finished_at ?? run.created_at)));

// While a run is under way its curves are in its job.
function runBody(run, jobs) {
  const job = jobs.find((one) => one.status === "running" && [run.id, run.experiment].includes(one.subject));
  const points = run.history?.length ? run.history : (job?.points ?? []);
  return [
    run.status === "running" && job && h("div", null, progress(job.fraction, `Run of ${run.experiment}`), h("p", { class: "faint" }, job.message)),
    run.error && h("p", { class: "bad-text" }, run.error),
    points.length ? curves(points) : empty("It reported no metric on the way."),
    figures([
      ...Object.entries(run.rows ?? {}).map(([part, rows]) => [`${part} rows`, count(rows)]),
      ["trained with", run.spec?.training?.plugin ?? "–"],
      ["seconds", number(run.seconds)],
    ]),
    run.importance?.length ? importance(run.importance) : null,
  ];
}

function importance(all) {
  const top = all.slice(0, 8), most = Math.max(...top.map(([, value]) => Math.abs(value))) || 1;
  return h("div", { class: "importance" }, h("h3", null, "What mattered most"), top.map(([name, value]) =>
    h("div", null, h("span", null, name), progress(Math.abs(value) / most, `${name}: ${number(value)}`))));
}

const evaluation = {
  load: async () => ({ all: await list("/evaluation", 30) }),
  draw: ({ all }) => [section("Evaluations", all.length ? all.map((one, i) => fold(`evaluation:${one.id}`,
    h("span", { class: "head" }, h("b", null, one.subject), h("span", { class: "faint" }, `${count(one.rows)} rows`), metrics(one.metrics, 3), h("span", { class: "right faint" }, when(one.created_at))),
    () => [
      figures((one.metrics ?? []).filter((m) => !m.slice).map((m) => [m.name, number(m.value)])),
      one.curves?.length ? h("div", { class: "charts" }, one.curves.map(plot)) : null,
      slices(one.metrics),
    ], i === 0)) : empty("Nothing judged yet."))],
};

function slices(all) {
  const parts = (all ?? []).filter((metric) => metric.slice).slice(0, 40);
  return parts.length ? table(parts, [
    ["Slice", (m) => h("code", null, m.slice)], ["Metric", (m) => words(m.name)],
    ["Value", (m) => number(m.value), "number"], ["Rows", (m) => count(m.rows), "number"],
  ]) : null;
}

const registry = {
  load: async () => {
    const models = await list("/registry/models", 30);
    const versions = await Promise.all(models.map((m) => list(`/registry/models/${encode(m.name)}/versions`, 20)));
    return { models: models.map((model, i) => ({ model, versions: versions[i] })) };
  },
  draw: ({ models }) => models.length ? models.map(({ model, versions }) => section(model.name,
    model.description && h("p", { class: "lead" }, model.description),
    h("p", { class: "tags" },
      Object.entries(model.aliases ?? {}).map(([alias, version]) => badge(`${alias} → ${version}`, alias === "champion" ? "good" : "busy")),
      (model.tags ?? []).map((tag) => badge(tag, "plain")),
      model.owner && h("span", { class: "faint" }, `owned by ${model.owner}`)),
    table([...versions].sort((a, b) => b.version - a.version), [
      ["Version", (v) => h("b", null, v.version)],
      ["Status", (v) => badge(v.status)],
      ["Metrics", (v) => metrics(v.metrics, 4)],
      ["Runner", (v) => h("code", null, v.runner)],
      ["May", (v) => v.capabilities?.length ? v.capabilities.join(", ") : badge("nothing: pure", "good")],
      ["By", (v) => v.created_by],
      ["Made", (v) => when(v.created_at)],
    ], "No version yet."),
    fold(`card:${model.name}`, h("span", { class: "head" }, h("b", null, "Model card"), h("span", { class: "faint" }, `version ${model.latest}`)),
      () => versions.length ? card(model.name, model.latest) : empty("A card is written with the first version.")),
  )) : [empty("No model yet: register a finished run.")],
};

const documentation = {
  load: async () => {
    const models = (await list("/registry/models", 30)).filter((model) => model.latest);
    const cards = await Promise.all(models.map((m) => get(`/documentation/${encode(m.name)}/${m.latest}`).catch((error) => ({ model: m.name, version: m.latest, error: error.message }))));
    return { cards };
  },
  draw: ({ cards }) => [section("Model cards", cards.length ? cards.map((one, i) => fold(`document:${one.model}@${one.version}`,
    h("span", { class: "head" }, h("b", null, `${one.model}@${one.version}`),
      one.error ? badge("missing", "warn") : one.gaps?.length ? badge(`gaps: ${one.gaps.length}`, "warn") : badge("complete", "good"),
      h("span", { class: "right faint" }, when(one.written_at))),
    () => one.error ? h("p", { class: "bad-text" }, one.error) : [
      one.gaps?.length ? h("p", null, "Not said yet: ", h("b", null, one.gaps.map(words).join(", "))) : null,
      card(one.model, one.version, one.documents),
    ], i === 0)) : empty("No model yet."))],
};

// The card in a frame of its own that may run nothing. It is fetched here, as
// a frame can't send the access token. Frames are kept, so that a redraw does
// not load them again.
const frames = new Map();
function card(model, version, documents) {
  const key = `${model}@${version}`;
  if (!frames.has(key)) {
    const place = h("div", { class: "card-frame" }, h("p", { class: "faint" }, "Reading the card…"));
    frames.set(key, place);
    load(place, model, version, documents).catch((error) => {
      frames.delete(key);
      place.replaceChildren(h("p", { class: "bad-text" }, error.message));
    });
  }
  return frames.get(key);
}

async function load(place, model, version, known) {
  const at = `/documentation/${encode(model)}/${version}`;
  const documents = known ?? (await get(at)).documents ?? [];
  const page = documents.find((one) => one.media_type?.startsWith("text/html"));
  const chosen = page ?? documents[0];
  if (!chosen) return place.replaceChildren(empty("The card has no document."));
  const content = await text(`${at}/${encode(chosen.name)}`);
  if (!page) return place.replaceChildren(h("pre", null, content));
  const frame = h("iframe", { title: `Card of ${model}, version ${version}`, sandbox: "allow-same-origin", loading: "lazy", srcdoc: content });
  frame.addEventListener("load", () => dress(frame));
  place.replaceChildren(frame);
}

// The console's policy holds in the frame too and forbids style elements; the
// card's own style sheets are put in through the CSSOM, which runs nothing.
function dress(frame) {
  const inside = frame.contentDocument;
  const css = [...inside.querySelectorAll("style")].map((style) => style.textContent).join("\n");
  const sheet = new frame.contentWindow.CSSStyleSheet();
  sheet.replaceSync(css);
  inside.adoptedStyleSheets = [sheet];
  for (const link of inside.querySelectorAll("a[href]:not([href^='#'])")) link.setAttribute("rel", "noreferrer");
}

export const making = { ingestion, features, experiments, evaluation, registry, documentation };
