//! From findings to actions: retrain, promote, tell.

use std::time::Duration;

use modelyard_catalog::{Order, Query, Ref};
use modelyard_clock::Timestamp;
use modelyard_notify::{Event, Severity};
use modelyard_runtime::{
    Grants, Kind,
    types::{Action, Finding, Metric, Retrain, Situation},
};
use modelyard_tables::Window;
use serde_json::json;

use super::{ActionRecord, Feedback, Rule};
use crate::{
    Error, Result, governance::Actor, monitoring::FindingRecord, plugins, progress::Progress,
    registry::Version,
};

/// The alias of a version that is being tried.
const CHALLENGER: &str = "challenger";

impl Feedback<'_> {
    /// Asks a rule's plugin what should be done now, and does it.
    pub async fn decide(&self, actor: &Actor, name: &str, progress: &Progress) -> Result<Vec<ActionRecord>> {
        let rule = self.get(name).await?;
        let version = self.0.deployment().main_version(&rule.spec.deployment).await?;
        let open =
            Query::new().eq("deployment", &rule.spec.deployment).eq("handled", false).order("at", Order::Asc);
        let findings: Vec<FindingRecord> = self.0.catalog.table().all(open).await?;
        let now = self.0.clock.now();
        let situation = Situation {
            model: version.model.clone(),
            version: version.version,
            findings: findings.iter().map(finding).collect(),
            metrics: self.realised(&rule, &version).await?,
            labels: self.labels_since(&rule, &version).await?,
            days_since_retrained: rule.retrained_at.map(|at| now.since(at).as_secs_f64() / 86_400.0),
        };
        let plugin = self.0.plugins().of_kind("plugin", &rule.spec.plugin, Kind::Feedback).await?;
        let mut session = self.0.plugins().session(&plugin.digest, Grants::default()).await?;
        let actions = session.decide(&plugins::parameters(&rule.spec.parameters), &situation).await?;
        let mut done = Vec::new();
        for action in actions {
            done.push(self.act(actor, &rule, &version, action, progress).await?);
        }
        if !done.is_empty() {
            self.handled(actor, &rule, &findings).await?;
        }
        Ok(done)
    }

    /// Realised metrics: with a shadow, champion and challenger (its metrics
    /// carry the slice `role=challenger`) on the same labelled calls; without
    /// one, those of the latest check.
    async fn realised(&self, rule: &Rule, version: &Version) -> Result<Vec<Metric>> {
        let deployment = self.0.deployment().get(&rule.spec.deployment).await?;
        let Some(shadow) = &deployment.spec.shadow else {
            return self.0.monitoring().realised(&version.model, version.version).await;
        };
        let shadow: u32 = crate::deployment::number(shadow)?;
        let name = &deployment.spec.name;
        let mut metrics = self.labelled(name, version, version.version, deployment.updated_at).await?;
        let shadowed = format!("{name}{}", crate::deployment::SHADOW);
        for mut metric in self.labelled(&shadowed, version, shadow, deployment.updated_at).await? {
            metric.slice = Some("role=challenger".into());
            metrics.push(metric);
        }
        Ok(metrics)
    }

    async fn labelled(
        &self,
        name: &str,
        like: &Version,
        version: u32,
        from: Timestamp,
    ) -> Result<Vec<Metric>> {
        let window = Window {
            deployment: name.to_owned(),
            version: Some(version),
            from: Some(from),
            ..Window::default()
        };
        let mut scanner = self.0.tables.predictions().joined(&window, true).await?;
        if scanner.rows()? == 0 {
            return Ok(vec![]);
        }
        let metrics = self.0.evaluation().measure(like, scanner, "label").await?;
        Ok(metrics.into_iter().filter(|metric| metric.slice.is_none()).collect())
    }

    async fn labels_since(&self, rule: &Rule, version: &Version) -> Result<u64> {
        let window = Window {
            deployment: rule.spec.deployment.clone(),
            from: Some(version.created_at),
            ..Window::default()
        };
        Ok(self.0.tables.predictions().joined(&window, true).await?.rows()?)
    }

    async fn handled(&self, actor: &Actor, rule: &Rule, findings: &[FindingRecord]) -> Result<()> {
        let mut change = self
            .0
            .change(actor, "feedback.decided", Ref::of(rule))
            .detail(json!({"findings": findings.len()}));
        for finding in findings {
            change = change.put(&FindingRecord { handled: true, ..finding.clone() });
        }
        change.commit().await
    }

    async fn act(
        &self,
        actor: &Actor,
        rule: &Rule,
        version: &Version,
        action: Action,
        progress: &Progress,
    ) -> Result<ActionRecord> {
        let (kind, reason, outcome) = match action {
            Action::Retrain(retrain) => {
                let reason = retrain.reason.clone();
                ("retrain", reason, self.retrain(actor, rule, version, &retrain, progress).await)
            }
            Action::Promote(reason) => ("promote", reason.clone(), self.promote(actor, rule, &reason).await),
            Action::Notify(reason) => ("notify", reason, Ok("the subscribers were told".to_owned())),
        };
        let failed = outcome.is_err();
        let record = ActionRecord {
            id: uuid::Uuid::now_v7().to_string(),
            rule: rule.spec.name.clone(),
            deployment: rule.spec.deployment.clone(),
            action: kind.to_owned(),
            reason,
            outcome: outcome.unwrap_or_else(|error| format!("not done: {error}")),
            at: self.0.clock.now(),
        };
        let severity = if failed { Severity::Warning } else { Severity::Info };
        let summary = format!("{}: {} ({})", record.action, record.outcome, record.reason);
        let event = Event::new(record.at, "dev.modelyard.feedback.action", "feedback", severity, summary)
            .model(&version.model)
            .subject(&rule.spec.deployment);
        self.0
            .change(actor, "feedback.acted", Ref::of(&record))
            .detail(json!({"action": record.action, "reason": record.reason, "outcome": record.outcome}))
            .insert(&record)
            .event(event)?
            .commit()
            .await?;
        Ok(record)
    }

    /// Trains the version's experiment again on newer rows, registers what comes
    /// of it and lets it shadow.
    async fn retrain(
        &self,
        actor: &Actor,
        rule: &Rule,
        version: &Version,
        wanted: &Retrain,
        progress: &Progress,
    ) -> Result<String> {
        let run =
            version.run.as_deref().ok_or_else(|| Error::conflict("the version has no run to repeat"))?;
        let mut spec = self.0.experiments().run(run).await?.spec;
        let now = self.0.clock.now();
        if spec.spine.event_time.is_some() {
            spec.spine.to = Some(now);
            if let Some(days) = wanted.window_days {
                spec.spine.from = Some(now - Duration::from_secs(u64::from(days) * 86_400));
            }
        }
        // The rows of a pinned dataset version would be the same again.
        if let Some(dataset) = &mut spec.spine.dataset {
            *dataset = dataset.split('@').next().unwrap_or(dataset).to_owned();
        }
        for join in &spec.joins {
            self.0.features().materialize(actor, &join.view, progress).await?;
        }
        let (run, job) = self.0.experiments().start(actor, spec).await?;
        self.0.jobs().wait(&job.id).await?;
        let new = self.0.registry().register(actor, &version.model, &run.id).await?;
        self.0.catalog.table::<Rule>().update(&rule.spec.name, |rule| rule.retrained_at = Some(now)).await?;
        if wanted.propose_challenger {
            let number = new.version.to_string();
            self.0.registry().set_alias(actor, &new.model, CHALLENGER, &number, &wanted.reason).await?;
            let mut spec = self.0.deployment().get(&rule.spec.deployment).await?.spec;
            spec.shadow = Some(number);
            self.0.deployment().deploy(actor, spec, "shadowing the challenger").await?;
        }
        Ok(format!("{}@{} was trained and registered", new.model, new.version))
    }

    /// Lets the challenger take over, if governance agrees.
    async fn promote(&self, actor: &Actor, rule: &Rule, reason: &str) -> Result<String> {
        let deployment = self.0.deployment().get(&rule.spec.deployment).await?;
        let model = &deployment.spec.model;
        let challenger = self.0.registry().resolve(model, CHALLENGER).await?;
        self.promote_version(actor, &deployment.spec.name, challenger.version, reason).await
    }

    /// Gives all of a deployment's traffic to a version and the alias
    /// `champion` to it, if governance agrees. The deployment's rollback takes
    /// both back.
    pub async fn promote_version(
        &self,
        actor: &Actor,
        deployment: &str,
        version: u32,
        reason: &str,
    ) -> Result<String> {
        let mut spec = self.0.deployment().get(deployment).await?.spec;
        self.0.registry().promote(actor, &spec.model, version, deployment, reason).await?;
        if self.0.registry().model(&spec.model).await?.aliases.get(CHALLENGER) == Some(&version) {
            self.0.registry().remove_alias(actor, &spec.model, CHALLENGER).await?;
        }
        let model = spec.model.clone();
        spec.routes = vec![crate::deployment::Route { version: version.to_string(), weight: 100 }];
        spec.shadow = None;
        self.0.deployment().deploy(actor, spec, reason).await?;
        Ok(format!("{model}@{version} is the champion"))
    }
}

fn finding(record: &FindingRecord) -> Finding {
    Finding {
        metric: record.metric.clone(),
        subject: record.subject.clone(),
        value: record.value,
        threshold: record.threshold,
        severity: record.severity,
        message: record.message.clone(),
    }
}
