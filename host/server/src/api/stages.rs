//! All twelve stages at a glance: what the web console shows and asks for again
//! every other second, so each list is a page of five.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use modelyard_catalog::{Order, Query, Record};
use modelyard_clock::Timestamp;
use modelyard_lifecycle::{
    Platform, Result, deployment, documentation, evaluation, experiments, features, feedback, governance,
    ingestion, monitoring, registry, retirement, scaling,
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Items;
use crate::problem::Answer;

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(stages))
}

/// A stage at a glance.
#[derive(Debug, Serialize, ToSchema)]
struct Glance {
    /// The stage.
    stage: &'static str,
    /// How many there are of what it keeps.
    counts: BTreeMap<&'static str, u64>,
    /// The latest that happened in it, at most five.
    latest: Vec<Latest>,
}

/// Something that happened.
#[derive(Debug, Serialize, ToSchema)]
struct Latest {
    /// What it is about.
    title: String,
    /// What happened.
    detail: String,
    /// When.
    at: Option<Timestamp>,
    /// `warning` or `critical`, where somebody should look.
    severity: Option<String>,
}

impl Latest {
    fn new(title: impl Into<String>, detail: impl Into<String>, at: Timestamp) -> Self {
        Self { title: title.into(), detail: detail.into(), at: Some(at), severity: None }
    }

    fn warn(mut self, when: bool) -> Self {
        self.severity = when.then(|| "warning".to_owned());
        self
    }
}

/// The twelve stages with their counts and what happened last.
#[utoipa::path(get, path = "/api/v1/stages", tag = "stages", responses((status = 200, body = Items<Glance>)))]
async fn stages(State(platform): State<Platform>) -> Answer<Json<Items<Glance>>> {
    let platform = &platform;
    let (first, second, third, fourth, fifth, sixth) = tokio::try_join!(
        ingestion(platform),
        features(platform),
        experiments(platform),
        evaluation(platform),
        registry(platform),
        deployment(platform),
    )?;
    let (seventh, eighth, ninth, tenth, eleventh, twelfth) = tokio::try_join!(
        monitoring(platform),
        feedback(platform),
        governance(platform),
        scaling(platform),
        documentation(platform),
        retirement(platform),
    )?;
    let all = [first, second, third, fourth, fifth, sixth, seventh, eighth, ninth, tenth, eleventh, twelfth];
    Ok(Json(Vec::from(all).into()))
}

async fn count<R: Record>(platform: &Platform) -> Result<u64> {
    Ok(platform.catalog.table::<R>().count(Query::new()).await?)
}

async fn latest<R: Record>(platform: &Platform, by: &str, show: impl Fn(R) -> Latest) -> Result<Vec<Latest>> {
    let page = platform.catalog.table::<R>().find(Query::new().order(by, Order::Desc).limit(5)).await?;
    Ok(page.items.into_iter().map(show).collect())
}

fn glance<const N: usize>(
    stage: &'static str,
    counts: [(&'static str, u64); N],
    latest: Vec<Latest>,
) -> Glance {
    Glance { stage, counts: counts.into(), latest }
}

/// A word as it is in JSON: `Status::Failed` is `failed`.
fn word(value: impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

async fn ingestion(platform: &Platform) -> Result<Glance> {
    let counts = [
        ("sources", count::<ingestion::Source>(platform).await?),
        ("datasets", count::<ingestion::Dataset>(platform).await?),
        ("versions", count::<ingestion::DatasetVersion>(platform).await?),
    ];
    let show = |one: ingestion::Dataset| {
        Latest::new(one.name, format!("version {}, {} rows", one.version, one.rows), one.updated_at)
    };
    Ok(glance("ingestion", counts, latest(platform, "updated_at", show).await?))
}

async fn features(platform: &Platform) -> Result<Glance> {
    let counts = [
        ("views", count::<features::View>(platform).await?),
        ("training_sets", count::<features::TrainingSet>(platform).await?),
    ];
    let show = |one: features::View| match &one.materialized {
        Some(done) => Latest::new(one.spec.name, format!("{} rows materialised", done.rows), done.at),
        None => Latest::new(one.spec.name, format!("defined, version {}", one.version), one.created_at),
    };
    Ok(glance("features", counts, latest(platform, "created_at", show).await?))
}

async fn experiments(platform: &Platform) -> Result<Glance> {
    let counts = [
        ("experiments", count::<experiments::Experiment>(platform).await?),
        ("runs", count::<experiments::Run>(platform).await?),
        ("sweeps", count::<experiments::Sweep>(platform).await?),
    ];
    let show = |one: experiments::Run| {
        let metric = one.metrics.iter().map(|metric| format!(", {} {:.4}", metric.name, metric.value)).next();
        let detail = one.error.unwrap_or_else(|| word(one.status) + &metric.unwrap_or_default());
        let failed = one.status == experiments::Status::Failed;
        Latest::new(one.experiment, detail, one.finished_at.unwrap_or(one.created_at)).warn(failed)
    };
    Ok(glance("experiments", counts, latest(platform, "created_at", show).await?))
}

async fn evaluation(platform: &Platform) -> Result<Glance> {
    let show = |one: evaluation::Evaluation| {
        let metrics = one.metrics.iter().filter(|metric| metric.slice.is_none()).take(3);
        let metrics: Vec<_> = metrics.map(|metric| format!("{} {:.4}", metric.name, metric.value)).collect();
        Latest::new(one.subject, format!("{} rows: {}", one.rows, metrics.join(", ")), one.created_at)
    };
    let counts = [("evaluations", count::<evaluation::Evaluation>(platform).await?)];
    Ok(glance("evaluation", counts, latest(platform, "created_at", show).await?))
}

async fn registry(platform: &Platform) -> Result<Glance> {
    let counts = [
        ("models", count::<registry::Model>(platform).await?),
        ("versions", count::<registry::Version>(platform).await?),
    ];
    let show = |one: registry::Version| {
        let title = registry::version_id(&one.model, one.version);
        Latest::new(title, format!("{} by {}", word(one.status), one.created_by), one.created_at)
    };
    Ok(glance("registry", counts, latest(platform, "created_at", show).await?))
}

async fn deployment(platform: &Platform) -> Result<Glance> {
    let calls =
        platform.deployment().stats().iter().flat_map(|one| &one.routes).map(|route| route.calls).sum();
    let counts = [
        ("deployments", count::<deployment::Deployment>(platform).await?),
        ("revisions", count::<deployment::Revision>(platform).await?),
        ("calls", calls),
    ];
    let show = |one: deployment::Revision| {
        let total: u32 = one.spec.routes.iter().map(|route| route.weight).sum();
        let routes = one.spec.routes.iter().map(|route| {
            let share = 100.0 * f64::from(route.weight) / f64::from(total.max(1));
            format!("{}@{} {share:.0}%", one.model, route.version)
        });
        let routes = routes.collect::<Vec<_>>().join(", ");
        Latest::new(one.deployment, format!("revision {}: {routes}", one.revision), one.from)
    };
    Ok(glance("deployment", counts, latest(platform, "from", show).await?))
}

async fn monitoring(platform: &Platform) -> Result<Glance> {
    let counts = [
        ("monitors", count::<monitoring::Monitor>(platform).await?),
        ("checks", count::<monitoring::Check>(platform).await?),
        ("findings", count::<monitoring::FindingRecord>(platform).await?),
    ];
    let show = |one: monitoring::FindingRecord| {
        let title = registry::version_id(&one.model, one.version);
        let severity = Some(word(one.severity).to_lowercase());
        Latest { severity, ..Latest::new(title, one.message, one.at) }
    };
    Ok(glance("monitoring", counts, latest(platform, "at", show).await?))
}

async fn feedback(platform: &Platform) -> Result<Glance> {
    let counts = [
        ("rules", count::<feedback::Rule>(platform).await?),
        ("actions", count::<feedback::ActionRecord>(platform).await?),
    ];
    let show = |one: feedback::ActionRecord| {
        Latest::new(format!("{}: {}", one.deployment, one.action), one.outcome, one.at)
    };
    Ok(glance("feedback", counts, latest(platform, "at", show).await?))
}

async fn governance(platform: &Platform) -> Result<Glance> {
    let counts = [
        ("policies", count::<governance::Policy>(platform).await?),
        ("reviews", count::<governance::Review>(platform).await?),
        ("audit", count::<governance::AuditEntry>(platform).await?),
    ];
    let show = |one: governance::Review| {
        let title = format!("{} {}", one.action, registry::version_id(&one.model, one.version));
        let detail = format!("{}: {}", word(one.outcome), one.reasons.join("; "));
        let open = !matches!(one.outcome, governance::Outcome::Allowed | governance::Outcome::Approved);
        Latest::new(title, detail, one.decided_at.unwrap_or(one.at)).warn(open)
    };
    Ok(glance("governance", counts, latest(platform, "at", show).await?))
}

async fn scaling(platform: &Platform) -> Result<Glance> {
    let show = |one: scaling::Usage| {
        let detail = format!("{} calls, {} rows, {:.3} CPU s", one.calls, one.rows, one.cpu_us as f64 / 1e6);
        let at = one.day.parse().ok();
        let severity = (one.rejected > 0).then(|| "warning".to_owned());
        Latest { title: one.deployment, detail, at, severity }
    };
    let counts = [
        ("days", count::<scaling::Usage>(platform).await?),
        ("free_instances", platform.runtime.free_instances() as u64),
    ];
    Ok(glance("scaling", counts, latest(platform, "day", show).await?))
}

async fn documentation(platform: &Platform) -> Result<Glance> {
    let show = |one: documentation::Card| {
        let detail = match one.gaps.as_slice() {
            [] => format!("{} documents, no gaps", one.documents.len()),
            gaps => format!("{} documents, gaps: {}", one.documents.len(), gaps.join(", ")),
        };
        Latest::new(registry::version_id(&one.model, one.version), detail, one.written_at)
    };
    let counts = [("cards", count::<documentation::Card>(platform).await?)];
    Ok(glance("documentation", counts, latest(platform, "written_at", show).await?))
}

async fn retirement(platform: &Platform) -> Result<Glance> {
    let archived = Query::new().eq("status", registry::VersionStatus::Archived);
    let counts = [
        ("rules", count::<retirement::RetirementRule>(platform).await?),
        ("assessments", count::<retirement::Assessment>(platform).await?),
        ("archived", platform.catalog.table::<registry::Version>().count(archived).await?),
    ];
    let show = |one: retirement::Assessment| {
        let title = registry::version_id(&one.model, one.version);
        let detail = format!("{}: {}", one.verdict, one.reasons.join("; "));
        let warn = one.verdict != "keep";
        Latest::new(title, detail, one.at).warn(warn)
    };
    Ok(glance("retirement", counts, latest(platform, "at", show).await?))
}
