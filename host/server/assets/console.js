// The console: where the reader is, what is asked for, and how often.

import { Refused, get, list, token } from "./api.js";
import { capital, count, empty, figures, h, s, show, when } from "./dom.js";
import { making } from "./making.js";
import { jobs, running } from "./running.js";

const EVERY = 2000;

// The stages in the order of a model's life, with what each does and its sign.
const STAGES = {
  ingestion: ["Brings data in", "M12 3v12m0 0-5-5m5 5 5-5M4 20h16"],
  features: ["Turns data into features", "M4 6h10M4 12h16M4 18h7M18 4v4M15 16v4"],
  experiments: ["Trains and compares", "M9 3h6M10 3v6l-5 9a2 2 0 0 0 2 3h10a2 2 0 0 0 2-3l-5-9V3M8 15h8"],
  evaluation: ["Judges on the same data", "M4 20V10m5 10V4m6 16v-7m5 7V8"],
  registry: ["Keeps every version", "M12 3 4 7l8 4 8-4-8-4ZM4 12l8 4 8-4M4 17l8 4 8-4"],
  deployment: ["Serves predictions", "M12 3c4 2 6 6 5 11l-5 3-5-3C6 9 8 5 12 3ZM12 10v.01M7 14l-3 4 4-1m9-3 3 4-4-1"],
  monitoring: ["Watches for drift and decay", "M3 12h4l3-8 4 16 3-8h4"],
  feedback: ["Learns from what came true", "M4 12a8 8 0 0 1 14-5l2 2M20 4v5h-5M20 12a8 8 0 0 1-14 5l-2-2M4 20v-5h5"],
  governance: ["Decides who may change what", "M12 3 5 6v5c0 5 3 8 7 10 4-2 7-5 7-10V6l-7-3ZM9 12l2 2 4-4"],
  scaling: ["Meters, limits, sleeps", "M4 14V20h6M20 10V4h-6M4 20l7-7M20 4l-7 7"],
  documentation: ["Writes the model card", "M6 3h8l4 4v14H6V3ZM14 3v4h4M9 12h6M9 16h6"],
  retirement: ["Ends a life in order", "M4 5h16v4H4V5ZM6 9v11h12V9M10 13h4"],
};
const VIEWS = { ...making, ...running };

const $ = (id) => document.getElementById(id);
const [main, rail, live, gate] = ["main", "rail", "live", "gate"].map($);
let shown = "", timer = 0, turn = 0;

const here = () => {
  const stage = location.hash.replace(/^#\/?/, "");
  return Object.hasOwn(STAGES, stage) ? stage : "";
};

const sign = (stage) => s("svg", { class: "sign", viewBox: "0 0 24 24", "aria-hidden": "true" }, s("path", { d: STAGES[stage][1] }));

function alarm(glance) {
  const levels = (glance?.latest ?? []).map((one) => String(one.severity ?? "").toLowerCase());
  return ["critical", "warning"].find((level) => levels.includes(level));
}

let railed = "";
function drawRail(stages) {
  const now = JSON.stringify([here(), stages.map(alarm)]);
  if (now === railed && rail.hasChildNodes()) return;
  railed = now;
  const item = (stage, name, mark) => h("a", {
    href: `#/${stage}`, "data-key": `rail:${stage}`, "aria-current": here() === stage ? "page" : null,
  }, stage ? sign(stage) : s("svg", { class: "sign", viewBox: "0 0 24 24", "aria-hidden": "true" }, s("path", { d: "M4 4h6v6H4zM14 4h6v6h-6zM4 14h6v6H4zM14 14h6v6h-6z" })),
    h("span", null, name), mark);
  const dot = (level) => level && h("i", { class: `dot ${level}`, title: `${level} lately` });
  const left = rail.scrollLeft;
  show(rail, item("", "All stages"), Object.keys(STAGES).map((stage) =>
    item(stage, capital(stage), dot(alarm(stages.find((one) => one.stage === stage))))));
  rail.scrollLeft = left;
}

function glance(stage, one, i) {
  const level = alarm(one);
  return h("a", { class: `tile ${level ?? ""}`, href: `#/${stage}`, "data-key": `tile:${stage}` },
    h("div", { class: "tile-top" }, sign(stage), h("h2", null, h("span", { class: "order" }, String(i + 1)), capital(stage))),
    h("p", { class: "purpose" }, STAGES[stage][0]),
    figures(Object.entries(one?.counts ?? {}).map(([name, n]) => [name, count(n)])),
    h("ul", { class: "latest" }, (one?.latest ?? []).slice(0, 3).map((item) => {
      const kind = String(item.severity ?? "").toLowerCase();
      return h("li", { class: kind }, h("i", { class: `dot ${kind}` }), h("span", null, h("b", null, item.title), " ", item.detail), when(item.at));
    })),
    !(one?.latest ?? []).length && h("p", { class: "quiet" }, "Quiet so far"));
}

const overview = {
  load: async () => ({ jobs: await list("/jobs", 12).catch(() => []) }),
  draw: (data, stages) => [
    h("h1", null, "The life of a model"),
    h("p", { class: "lead" }, "Twelve stages, from the first row of data to the archive, as they are now."),
    h("div", { class: "tiles" }, Object.keys(STAGES).map((stage, i) => glance(stage, stages.find((one) => one.stage === stage), i))),
    jobs(data.jobs),
  ],
};

function detail(stage, data, stages) {
  const one = stages.find((other) => other.stage === stage);
  return [
    h("div", { class: "title" }, sign(stage), h("h1", null, capital(stage)), h("p", { class: "lead" }, STAGES[stage][0])),
    figures(Object.entries(one?.counts ?? {}).map(([name, n]) => [name, count(n)])),
    VIEWS[stage].draw(data),
  ];
}

function say(state, sentence) {
  live.className = `live ${state}`;
  if (live.textContent !== sentence) live.textContent = sentence;
}

function locked(error) {
  gate.hidden = false;
  $("refused").textContent = token.get() ? error.message : "This server asks for an access token.";
  if (!main.contains(document.activeElement) && document.activeElement !== $("token")) $("token").focus();
  shown = "";
  show(main, empty("Waiting for an access token."));
  show(rail);
  say("off", "locked");
}

// One look: asks for what is on the page and redraws it if it changed. A look
// that a later one overtook is dropped.
async function look() {
  clearTimeout(timer);
  const mine = ++turn, stage = here();
  try {
    const view = stage ? VIEWS[stage] : overview;
    const [stages, data] = await Promise.all([list("/stages"), view.load().catch((error) => {
      if (error instanceof Refused) throw error;
      return { error };
    })]);
    if (mine !== turn) return;
    gate.hidden = true;
    say("on", "live");
    drawRail(stages);
    // The minute is part of it, so that "3 min ago" moves on; but a card that
    // is being read is not taken away for that.
    const own = stage ? stages.find((one) => one.stage === stage) : stages;
    const minute = main.querySelector("iframe") ? 0 : Math.floor(Date.now() / 60000);
    const now = JSON.stringify([stage, minute, own, data, data.error?.message]);
    if (now !== shown) {
      shown = now;
      document.title = `${stage ? `${capital(stage)} · ` : ""}Modelyard`;
      if (data.error) show(main, h("h1", null, capital(stage)), h("p", { class: "bad-text" }, data.error.message));
      else show(main, stage ? detail(stage, data, stages) : overview.draw(data, stages));
    }
  } catch (error) {
    if (mine !== turn) return;
    if (error instanceof Refused) return locked(error);
    say("off", "out of reach, trying again");
  }
  if (mine === turn && !document.hidden) timer = setTimeout(look, EVERY);
}

gate.addEventListener("submit", (event) => {
  event.preventDefault();
  token.set($("token").value.trim());
  $("token").value = "";
  look();
});
addEventListener("hashchange", () => {
  shown = "";
  look().then(() => rail.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" }));
  scrollTo(0, 0);
});
document.addEventListener("visibilitychange", () => document.hidden ? clearTimeout(timer) : look());
look().then(() => rail.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" }));
