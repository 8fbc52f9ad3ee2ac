//! Retirement: versions judged by use, health and policy; warned about,
//! proposed, drained, archived, restored.

mod assess;
mod records;

pub use records::{Assessment, Reach, RetirementRule, RetirementSpec};

use modelyard_catalog::{Order, Page, Query, Ref};
use modelyard_clock::Timestamp;
use modelyard_notify::{Event, Severity};
use modelyard_runtime::Kind;
use serde_json::json;

use crate::{
    Error, Platform, Result,
    governance::Actor,
    jobs::Job,
    progress::Progress,
    records::{Defined, Parts, Scheduled},
    registry::{Model, Version, VersionStatus, version_id},
};

/// Retirement of a platform.
pub struct Retirement<'p>(pub(crate) &'p Platform);

impl Defined for RetirementRule {
    type Spec = RetirementSpec;

    const NOUN: &'static str = "retirement rule";
    const ACTION: &'static str = "retirement.rule";
    const PLUGIN: Kind = Kind::Retirement;

    fn parts(spec: &RetirementSpec) -> Parts<'_> {
        Parts { name: &spec.name, plugin: &spec.plugin, parameters: &spec.parameters }
    }

    fn spec(&self) -> &RetirementSpec {
        &self.spec
    }

    fn of(spec: RetirementSpec, before: Option<Self>, now: Timestamp) -> Self {
        Self { spec, created_at: before.map_or(now, |before| before.created_at) }
    }
}

impl Scheduled for RetirementRule {
    type Done = Vec<Assessment>;

    const JOB: &'static str = "retirement.assess";

    fn schedule(spec: &RetirementSpec) -> (Option<&str>, Option<&str>) {
        (spec.schedule.as_deref(), spec.timezone.as_deref())
    }

    async fn run(
        platform: &Platform,
        actor: &Actor,
        name: &str,
        _progress: &Progress,
    ) -> Result<Vec<Assessment>> {
        platform.retirement().assess(actor, name).await
    }

    fn told(assessments: &Vec<Assessment>) -> String {
        let told: Vec<_> = assessments
            .iter()
            .filter(|one| one.verdict != "keep")
            .map(|one| format!("{}@{}: {}", one.model, one.version, one.outcome))
            .collect();
        if told.is_empty() { "all kept".into() } else { told.join("; ") }
    }
}

impl Retirement<'_> {
    /// Creates a rule or changes it.
    pub async fn put(&self, actor: &Actor, spec: RetirementSpec) -> Result<RetirementRule> {
        self.0.put_scheduled(actor, spec).await
    }

    /// A rule.
    pub async fn get(&self, name: &str) -> Result<RetirementRule> {
        self.0.defined(name).await
    }

    /// The rules, by name.
    pub async fn list(&self, limit: usize, after: Option<String>) -> Result<Page<RetirementRule>> {
        self.0.by_name(limit, after).await
    }

    /// Removes a rule; its assessments stay.
    pub async fn delete(&self, actor: &Actor, name: &str) -> Result<()> {
        self.0.delete_scheduled::<RetirementRule>(actor, name).await
    }

    /// Judges now: a job that gives the assessments.
    pub async fn start_assess(&self, actor: &Actor, name: &str) -> Result<Job> {
        self.0.start_scheduled::<RetirementRule>(actor, name).await
    }

    /// Assessments, latest first, of one model or all.
    pub async fn assessments(
        &self,
        model: Option<&str>,
        limit: usize,
        after: Option<String>,
    ) -> Result<Page<Assessment>> {
        self.0.latest("model", model, limit, after).await
    }

    /// Archives a version: it keeps everything and can't be deployed until it is
    /// restored. One that serves or shadows must be taken off first.
    pub async fn archive(&self, actor: &Actor, model: &str, version: u32, reason: &str) -> Result<Version> {
        let before = self.0.registry().version(model, version).await?;
        if before.status == VersionStatus::Archived {
            return Ok(before);
        }
        let using = self.0.deployment().using(model, version).await?;
        if !using.is_empty() {
            let names: Vec<_> = using.iter().map(|deployment| deployment.spec.name.as_str()).collect();
            return Err(Error::conflict(format!(
                "{} is used by {}; route them elsewhere first",
                version_id(model, version),
                names.join(", ")
            )));
        }
        let record = self.0.registry().model(model).await?;
        if let Some((alias, _)) = record.aliases.iter().find(|(_, named)| **named == version) {
            return Err(Error::conflict(format!(
                "{} is the {alias}; let the alias name another version first",
                version_id(model, version)
            )));
        }
        self.0.governance().require(actor, "retire", model, version).await?;
        let status = VersionStatus::Archived;
        self.set(actor, Version { status, archived_because: Some(reason.to_owned()), ..before }, reason).await
    }

    /// Makes an archived or proposed version deployable again.
    pub async fn restore(&self, actor: &Actor, model: &str, version: u32) -> Result<Version> {
        let before = self.0.registry().version(model, version).await?;
        if before.status == VersionStatus::Registered {
            return Ok(before);
        }
        let status = VersionStatus::Registered;
        self.set(actor, Version { status, archived_because: None, ..before }, "restored").await
    }

    async fn set(&self, actor: &Actor, version: Version, reason: &str) -> Result<Version> {
        let name = version_id(&version.model, version.version);
        let (kind, what) = match version.status {
            VersionStatus::Registered => ("restored", "was restored".to_owned()),
            VersionStatus::RetirementProposed => {
                ("proposed", format!("is proposed for retirement: {reason}"))
            }
            VersionStatus::Archived => ("archived", format!("was archived: {reason}")),
        };
        let event = Event::new(
            self.0.clock.now(),
            format!("dev.modelyard.retirement.{kind}"),
            "retirement",
            Severity::Info,
            format!("{name} {what}"),
        )
        .model(&version.model)
        .version(version.version.to_string());
        self.0
            .change(actor, &format!("retirement.{kind}"), Ref::of(&version))
            .detail(json!({"reason": reason}))
            .put(&version)
            .event(event)?
            .commit()
            .await?;
        Ok(version)
    }

    /// The versions that rules are asked about: not archived, of these models or all.
    async fn candidates(&self, models: &[String]) -> Result<Vec<Version>> {
        let query = Query::new().ne("status", VersionStatus::Archived).order("model", Order::Asc);
        let mut versions: Vec<Version> = self.0.catalog.table().all(query).await?;
        versions.retain(|version| models.is_empty() || models.contains(&version.model));
        Ok(versions)
    }

    async fn model_of(&self, version: &Version) -> Result<Model> {
        self.0.registry().model(&version.model).await
    }
}
