//! Judging: usage gathered, the plugin asked, the verdict acted on as far as
//! the rule reaches.

use modelyard_catalog::{Order, Query, Ref};
use modelyard_notify::{Event, Severity};
use modelyard_runtime::{
    Grants, Kind,
    types::{ModelUsage, Verdict},
};
use serde_json::json;

use super::{Assessment, Reach, Retirement, RetirementRule};
use crate::{
    Error, Result,
    governance::Actor,
    plugins,
    registry::{AliasChange, Version, VersionStatus, version_id},
};

const DAY: f64 = 86_400.0;

impl Retirement<'_> {
    /// Judges every version that a rule is about.
    pub async fn assess(&self, actor: &Actor, name: &str) -> Result<Vec<Assessment>> {
        let rule = self.get(name).await?;
        let plugin = self.0.plugins().of_kind("plugin", &rule.spec.plugin, Kind::Retirement).await?;
        let parameters = plugins::parameters(&rule.spec.parameters);
        let mut assessments = Vec::new();
        for version in self.candidates(&rule.spec.models).await? {
            let usage = self.usage(&version).await?;
            let mut session = self.0.plugins().session(&plugin.digest, Grants::default()).await?;
            let verdict = session
                .assess(&parameters, &usage)
                .await
                .map_err(|error| Error::from(error).during(format!("the rule {name}")))?;
            assessments.push(self.act(actor, &rule, &version, &usage, verdict).await?);
        }
        Ok(assessments)
    }

    async fn usage(&self, version: &Version) -> Result<ModelUsage> {
        let now = self.0.clock.now();
        let days = |at: modelyard_clock::Timestamp| now.since(at).as_secs_f64() / DAY;
        let using = self.0.deployment().using(&version.model, version.version).await?;
        let mut calls = 0;
        let mut last = None;
        for deployment in self.deployments_of(&version.model).await? {
            let log = self.0.tables.predictions();
            let window = modelyard_tables::Window {
                deployment: deployment.clone(),
                version: Some(version.version),
                from: Some(now - std::time::Duration::from_secs(30 * 86_400)),
                ..Default::default()
            };
            let rows = log.window(&window).await?.rows()?;
            calls += rows;
            if rows > 0 {
                last = last.max(log.last_at(&deployment));
            }
        }
        Ok(ModelUsage {
            model: version.model.clone(),
            version: version.version,
            age_days: days(version.created_at),
            deployed: !using.is_empty(),
            calls_30d: calls,
            days_since_last_call: last.map(days),
            metrics: self.0.monitoring().realised(&version.model, version.version).await?,
            days_since_superseded: self.superseded(version).await?.map(days),
            days_to_expiry: version.expires_at.map(|at| (at.micros() - now.micros()) as f64 / 1e6 / DAY),
        })
    }

    async fn deployments_of(&self, model: &str) -> Result<Vec<String>> {
        let query = Query::new().eq("model", model);
        let all: Vec<crate::deployment::Deployment> = self.0.catalog.table().all(query).await?;
        Ok(all.into_iter().map(|deployment| deployment.spec.name).collect())
    }

    /// When a later version took an alias that this one had.
    async fn superseded(&self, version: &Version) -> Result<Option<modelyard_clock::Timestamp>> {
        if self.model_of(version).await?.aliases.values().any(|named| *named == version.version) {
            return Ok(None);
        }
        let query = Query::new().eq("model", &version.model).order("at", Order::Desc).limit(1_000);
        let changes: Vec<AliasChange> = self.0.catalog.table().find(query).await?.items;
        let taken = changes.iter().find(|change| {
            change.previous == Some(version.version) && change.version > Some(version.version)
        });
        Ok(taken.map(|change| change.at))
    }

    async fn act(
        &self,
        actor: &Actor,
        rule: &RetirementRule,
        version: &Version,
        usage: &ModelUsage,
        verdict: Verdict,
    ) -> Result<Assessment> {
        let (name, reasons) = match verdict {
            Verdict::Keep => ("keep", vec![]),
            Verdict::Warn(reasons) => ("warn", reasons),
            Verdict::Retire(reasons) => ("retire", reasons),
        };
        let why = reasons.join("; ");
        let outcome = match (name, rule.spec.reach) {
            ("keep", _) => "none".to_owned(),
            ("warn", _) | (_, Reach::Warn) => "warned".to_owned(),
            (_, Reach::Archive) if !usage.deployed => {
                match self.archive(actor, &version.model, version.version, &why).await {
                    Ok(_) => "archived".to_owned(),
                    Err(error) => {
                        self.propose(actor, version, &why).await?;
                        format!("proposed; not archived: {error}")
                    }
                }
            }
            _ => {
                self.propose(actor, version, &why).await?;
                "proposed".to_owned()
            }
        };
        let assessment = Assessment {
            id: uuid::Uuid::now_v7().to_string(),
            rule: rule.spec.name.clone(),
            model: version.model.clone(),
            version: version.version,
            verdict: name.to_owned(),
            reasons,
            outcome,
            at: self.0.clock.now(),
        };
        let id = version_id(&version.model, version.version);
        let mut change = self
            .0
            .change(actor, "retirement.assessed", Ref::of(&assessment))
            .detail(json!({"version": id, "verdict": name, "outcome": assessment.outcome}))
            .insert(&assessment);
        if assessment.outcome == "warned" {
            let event = Event::new(
                assessment.at,
                "dev.modelyard.retirement.warning",
                "retirement",
                Severity::Warning,
                format!("{id} should retire: {why}"),
            )
            .model(&version.model)
            .version(version.version.to_string())
            .fold_key(format!("retirement/{id}"));
            change = change.event(event)?;
        }
        change.commit().await?;
        Ok(assessment)
    }

    async fn propose(&self, actor: &Actor, version: &Version, why: &str) -> Result<()> {
        if version.status == VersionStatus::Registered {
            let status = VersionStatus::RetirementProposed;
            self.set(actor, Version { status, ..version.clone() }, why).await?;
        }
        Ok(())
    }
}
