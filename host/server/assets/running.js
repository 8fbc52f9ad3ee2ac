// Stages in which a model runs: deployment, monitoring, feedback, governance,
// scaling, retirement; and the jobs under way.

import { get, list } from "./api.js";
import { bars, latency, progress, quantile, shares } from "./charts.js";
import { badge, bytes, capital, count, empty, figures, h, metrics, micros, number, section, share, table, when, words } from "./dom.js";

const versionOf = (x) => `${x.model}@${x.version}`;

const deployment = {
  load: async () => {
    const [all, health] = await Promise.all([list("/deployment"), get("/monitoring/health").catch(() => ({}))]);
    return { all, stats: health.deployments ?? [] };
  },
  draw: ({ all, stats }) => all.length ? all.map((one) => {
    const seen = stats.find((stat) => stat.deployment === one.name);
    return section(one.name,
      h("p", { class: "tags" }, badge(one.status), badge(`revision ${one.revision}`, "plain"), h("span", { class: "faint" }, `serves ${one.model}, changed `, when(one.updated_at))),
      traffic(one, seen),
      seen ? [
        figures([
          ["calls", count(seen.calls)],
          ["errors", `${count(seen.errors)} (${share(seen.errors, seen.calls)})`, seen.errors ? "bad-text" : ""],
          ["mean latency", seen.calls > seen.errors ? micros(seen.total.sum_us / (seen.calls - seen.errors)) : "–"],
          ["median", quantile(seen.total?.buckets ?? [], 0.5)],
          ["99th percentile", quantile(seen.total?.buckets ?? [], 0.99)],
        ]),
        seen.total && h("div", { class: "histogram" }, latency(seen.total.buckets), h("p", { class: "ends" }, h("span", null, "50 µs"), h("span", null, "calls by latency"), h("span", null, "> 2 s"))),
      ] : empty("Not called since this server began."));
  }) : [empty("Nothing deployed yet.")],
};

// What the routes say, with the resolved version and its calls where known.
function traffic(one, seen) {
  const parts = (one.routes ?? []).map((route, i) => {
    const stat = seen?.routes?.[i];
    const name = stat && String(stat.version) !== String(route.version) ? `${route.version} (${stat.version})` : String(route.version);
    return [name, route.weight, stat ? `${count(stat.calls)} calls, ${count(stat.errors)} errors` : ""];
  });
  return [shares(parts), one.shadow && h("p", { class: "faint" }, `shadowed by ${one.shadow}`,
    seen?.shadow ? `: ${count(seen.shadow.calls)} calls, ${count(seen.shadow.errors)} errors` : "")];
}

const severity = (row) => badge(String(row.severity).toLowerCase());

const monitoring = {
  load: async () => {
    const [findings, checks, monitors, health] = await Promise.all([
      list("/monitoring/findings", 50), list("/monitoring/checks", 20), list("/monitoring/monitors"), get("/monitoring/health")]);
    return { findings, checks, monitors, health };
  },
  draw: ({ findings, checks, monitors, health }) => [
    section("Findings", findings.length ? h("ul", { class: "findings" }, findings.map(finding)) : empty("Nothing found: all is calm.")),
    section("Checks", table(checks, [
      ["Monitor", (c) => h("b", null, c.monitor)],
      ["Model", versionOf],
      ["Rows", (c) => count(c.rows), "number"],
      ["Saw", (c) => c.skipped ? h("span", { class: "faint" }, `skipped: ${c.skipped}`) : metrics(c.metrics, 3)],
      ["Findings", (c) => c.findings ? badge(c.findings, "warn") : "0", "number"],
      ["When", (c) => when(c.at)],
    ], "No check yet.")),
    section("Monitors", table(monitors, [
      ["Name", (m) => h("b", null, m.name)],
      ["Deployment", (m) => m.deployment],
      ["Plugin", (m) => h("code", null, m.plugin)],
      ["Watches", (m) => words(m.watch)],
      ["Window", (m) => `${m.window_days} d`, "number"],
      ["Schedule", (m) => m.schedule ? h("code", null, m.schedule) : "by hand"],
      ["Checked", (m) => when(m.checked_at)],
    ], "No monitor yet.")),
    section("This server", figures([
      ["memory", bytes(health.resident_bytes ?? 0)], ["processor", `${number(Math.round(health.cpu_seconds ?? 0))} s`],
      ["load", number(health.load_1m)], ["free instances", count(health.free_instances)]])),
  ],
};

const finding = (one) => h("li", { class: `finding ${String(one.severity).toLowerCase()}` },
  h("div", { class: "head" }, severity(one), h("b", null, versionOf(one)),
    h("span", null, words(one.metric), one.subject && [" of ", h("code", null, one.subject)]),
    h("span", { class: "faint" }, `${number(one.value)}, limit ${number(one.threshold)}`),
    h("span", { class: "right faint" }, one.handled && "handled · ", when(one.at))),
  h("p", null, one.message));

const feedback = {
  load: async () => {
    const [actions, rules] = await Promise.all([list("/feedback/actions"), list("/feedback/rules")]);
    return { actions, rules };
  },
  draw: ({ actions, rules }) => [
    section("Actions", table(actions, [
      ["Deployment", (a) => h("b", null, a.deployment)],
      ["Action", (a) => badge(a.action, "busy")],
      ["Because", (a) => a.reason],
      ["Outcome", (a) => a.outcome],
      ["When", (a) => when(a.at)],
    ], "Nothing had to be done yet.")),
    section("Rules", table(rules, [
      ["Name", (r) => h("b", null, r.name)],
      ["Deployment", (r) => r.deployment],
      ["Plugin", (r) => h("code", null, r.plugin)],
      ["Schedule", (r) => r.schedule ? h("code", null, r.schedule) : "by hand"],
      ["Retrained", (r) => when(r.retrained_at)],
    ], "No rule yet.")),
  ],
};

const governance = {
  load: async () => {
    const [reviews, policies, audit] = await Promise.all([
      list("/governance/reviews", 20), list("/governance/policies"), list("/governance/audit", 50)]);
    return { reviews, policies, audit };
  },
  draw: ({ reviews, policies, audit }) => [
    section("Reviews", table(reviews, [
      ["Change", (r) => [words(r.action), " ", h("b", null, versionOf(r))]],
      ["Outcome", (r) => badge(r.outcome)],
      ["Reasons", (r) => (r.reasons ?? []).join("; ") || "none given"],
      ["Asked by", (r) => r.actor],
      ["Decided by", (r) => r.decided_by],
      ["When", (r) => when(r.decided_at ?? r.at)],
    ], "No change has been proposed yet.")),
    section("Policies", table(policies, [
      ["Name", (p) => h("b", null, p.name)],
      ["Plugin", (p) => h("code", null, p.plugin)],
      ["Models", (p) => p.models?.length ? p.models.join(", ") : "all"],
      ["Actions", (p) => p.actions?.length ? p.actions.map(words).join(", ") : "all"],
    ], "No policy: every change is allowed to those who may make it.")),
    section("Audit trail", table(audit, [
      ["#", (e) => e.sequence, "number"],
      ["When", (e) => when(e.at)],
      ["Who", (e) => e.actor],
      ["Did", (e) => words(e.action)],
      ["To", (e) => h("b", null, e.subject)],
      ["Hash", (e) => h("code", { title: e.hash }, String(e.hash).slice(0, 10))],
    ], "Nothing has been changed yet.")),
  ],
};

const scaling = {
  load: async () => ({ bills: await list("/scaling/usage") }),
  draw: ({ bills }) => bills.length ? bills.map((bill) => section(bill.deployment,
    h("p", { class: "faint" }, `${bill.from} to ${bill.to}`),
    figures([["calls", count(bill.calls)], ["compute", `${number(bill.cpu_seconds)} s`],
      ["memory", `${number(bill.memory_gib_hours)} GiB h`], ["cost", `${number(bill.cost)} ${bill.currency ?? ""}`]]),
    bill.days?.length ? h("div", { class: "histogram" }, bars(bill.days.map((d) => d.calls), bill.days.map((d) => `${d.day}: ${count(d.calls)} calls`), "Calls per day"),
      h("p", { class: "ends" }, h("span", null, bill.days[0].day), h("span", null, "calls per day"), h("span", null, bill.days.at(-1).day))) : null,
  )) : [empty("No usage yet.")],
};

const retirement = {
  load: async () => {
    const [assessments, rules] = await Promise.all([list("/retirement/assessments"), list("/retirement/rules")]);
    return { assessments, rules };
  },
  draw: ({ assessments, rules }) => [
    section("Assessments", table(assessments, [
      ["Model", (a) => h("b", null, versionOf(a))],
      ["Verdict", (a) => badge(a.verdict)],
      ["Reasons", (a) => (a.reasons ?? []).join("; ") || "none"],
      ["Outcome", (a) => a.outcome],
      ["Rule", (a) => a.rule],
      ["When", (a) => when(a.at)],
    ], "Nothing assessed yet.")),
    section("Rules", table(rules, [
      ["Name", (r) => h("b", null, r.name)],
      ["Models", (r) => r.models?.length ? r.models.join(", ") : "all"],
      ["Goes as far as", (r) => words(r.reach)],
      ["Schedule", (r) => r.schedule ? h("code", null, r.schedule) : "by hand"],
    ], "No rule yet.")),
  ],
};

// Jobs: those under way with a bar, then the last that ended.
export function jobs(all) {
  const running = all.filter((job) => ["running", "pending"].includes(job.status));
  const ended = all.filter((job) => !running.includes(job)).slice(0, 3);
  if (!all.length) return null;
  return h("section", { class: "jobs" }, h("h2", null, running.length ? `Under way (${running.length})` : "Latest jobs"),
    h("ul", null, [...running, ...ended].map((job) => h("li", null,
      h("div", { class: "head" }, h("b", null, capital(job.kind.replace(".", ": "))), h("span", null, job.subject), badge(job.status), h("span", { class: "right faint" }, when(job.finished_at ?? job.created_at))),
      running.includes(job) && progress(job.fraction, `${job.kind} ${job.subject}`),
      (job.error || job.message) && h("p", { class: job.error ? "bad-text" : "faint" }, job.error || job.message)))));
}

export const running = { deployment, monitoring, feedback, governance, scaling, retirement };
