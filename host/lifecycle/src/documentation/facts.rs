//! The recorded facts of a version, in the shape that documentation plugins read.

use modelyard_catalog::{Order, Query};
use modelyard_tables::ColumnStats;
use serde_json::{Value, json};

use super::Documentation;
use crate::{
    Result,
    deployment::Deployment,
    evaluation::Evaluation,
    experiments::Run,
    features::TrainingSet,
    governance::Review,
    monitoring::{Check, FindingRecord},
    registry::{Model, Version},
};

impl Documentation<'_> {
    /// Everything that is known of a version.
    pub async fn facts(&self, model: &str, version: u32) -> Result<Value> {
        let registry = self.0.registry();
        let (model, version) = (registry.model(model).await?, registry.version(model, version).await?);
        let run = match &version.run {
            Some(run) => self.0.catalog.table::<Run>().get(run).await?,
            None => None,
        };
        let mut facts = json!({
            "model": {
                "name": model.spec.name, "version": version.version, "created_at": version.created_at,
                "task": serde_json::to_value(version.task)?.as_str().map(|task| task.replace('_', "-")),
                "description": said(&model.spec.description), "owner": said(&model.spec.owner),
                "licence": said(&model.spec.license), "intended_use": said(&model.spec.intended_use),
                "limitations": said(&model.spec.limitations), "tags": model.spec.tags,
            },
            "signature": {
                "inputs": version.inputs.inputs.iter().map(tensor).collect::<Vec<_>>(),
                "outputs": version.signature.outputs.iter().map(tensor).collect::<Vec<_>>(),
            },
            "lineage": lineage(&version),
        });
        let more = [
            ("training", run.as_ref().map(|run| training(run, &version))),
            ("data", self.data(&version).await?),
            ("evaluation", self.evaluated(run.as_ref(), &version).await?),
            ("fairness", self.fairness(&version).await?),
            ("deployment", self.deployed(&model, &version).await?),
            ("monitoring", self.monitored(&version).await?),
            ("governance", self.governed(&version).await?),
        ];
        if let Value::Object(members) = &mut facts {
            for (name, fact) in more {
                if let Some(fact) = fact {
                    members.insert(name.into(), fact);
                }
            }
        }
        Ok(facts)
    }

    async fn data(&self, version: &Version) -> Result<Option<Value>> {
        let Some(set) = &version.training_set else { return Ok(None) };
        let Some(set) = self.0.catalog.table::<TrainingSet>().get(set).await? else { return Ok(None) };
        let first = set.from.first().cloned().unwrap_or_default();
        let (name, number) = first.split_once('@').unwrap_or((first.as_str(), ""));
        let times = set.spine.event_time.as_deref();
        let time = set.file.stats.iter().find(|stats| Some(stats.name.as_str()) == times);
        let bound = |value: Option<&modelyard_tables::Value>| {
            value.and_then(|value| serde_json::to_value(value).ok())
        };
        let columns: Vec<Value> = set.file.stats.iter().map(|stats| column(stats, &set)).collect();
        Ok(Some(json!({
            "name": name, "version": number, "rows": set.file.rows,
            "from": bound(time.and_then(|stats| stats.min.as_ref())).map(text),
            "to": bound(time.and_then(|stats| stats.max.as_ref())).map(text),
            "columns": columns,
        })))
    }

    async fn evaluated(&self, run: Option<&Run>, version: &Version) -> Result<Option<Value>> {
        let evaluation = match run.and_then(|run| run.evaluation.as_ref()) {
            Some(id) => self.0.catalog.table::<Evaluation>().get(id).await?,
            None => self.0.evaluation().of_imported(version).await?,
        };
        let Some(evaluation) = evaluation else { return Ok(None) };
        Ok(Some(json!({
            "plugin": evaluation.evaluator.plugin, "data": evaluation.data, "rows": evaluation.rows,
            "metrics": evaluation.metrics, "confusion": evaluation.confusion,
        })))
    }

    async fn fairness(&self, version: &Version) -> Result<Option<Value>> {
        let checks = self.checks(version).await?;
        for check in checks {
            let monitor = self.0.monitoring().get(&check.monitor).await;
            if let Ok(monitor) = monitor
                && monitor.spec.plugin == "monitoring-bias"
                && check.skipped.is_none()
            {
                return Ok(Some(json!({"plugin": monitor.spec.plugin, "metrics": check.metrics})));
            }
        }
        Ok(None)
    }

    async fn checks(&self, version: &Version) -> Result<Vec<Check>> {
        let query = Query::new()
            .eq("model", &version.model)
            .eq("version", version.version)
            .order("at", Order::Desc)
            .limit(20);
        Ok(self.0.catalog.table().find(query).await?.items)
    }

    async fn deployed(&self, model: &Model, version: &Version) -> Result<Option<Value>> {
        let all: Vec<Deployment> = self.0.deployment().using(&version.model, version.version).await?;
        let Some(deployment) = all.first() else { return Ok(None) };
        let number = version.version.to_string();
        let weight = |of: &str| -> u32 {
            let routes = deployment.spec.routes.iter();
            routes.filter(|route| of.is_empty() || route.version == of).map(|route| route.weight).sum()
        };
        let shadow = deployment.spec.shadow.as_ref() == Some(&number);
        let role = model.aliases.iter().find(|(_, named)| **named == version.version).map(|(alias, _)| alias);
        Ok(Some(json!({
            "endpoint": deployment.spec.name, "state": if shadow { "shadow" } else { "serving" }, "role": role,
            "traffic_share": f64::from(weight(&number)) / f64::from(weight("").max(1)),
            "since": deployment.updated_at,
        })))
    }

    async fn monitored(&self, version: &Version) -> Result<Option<Value>> {
        let Some(last) = self.checks(version).await?.into_iter().next() else { return Ok(None) };
        let query = Query::new().eq("model", &version.model).order("at", Order::Desc).limit(50);
        let mut findings: Vec<FindingRecord> = self.0.catalog.table().find(query).await?.items;
        findings.retain(|finding| finding.version == version.version);
        findings.truncate(10);
        let findings: Vec<Value> = findings
            .iter()
            .map(|finding| {
                json!({"metric": finding.metric, "subject": finding.subject, "value": finding.value,
                       "threshold": finding.threshold, "severity": severity(finding),
                       "message": finding.message, "at": finding.at})
            })
            .collect();
        Ok(Some(json!({"checked_at": last.at, "findings": findings})))
    }

    async fn governed(&self, version: &Version) -> Result<Option<Value>> {
        let query = Query::new()
            .eq("model", &version.model)
            .eq("version", version.version)
            .order("at", Order::Asc)
            .limit(50);
        let reviews: Vec<Review> = self.0.catalog.table().find(query).await?.items;
        if reviews.is_empty() {
            return Ok(None);
        }
        Ok(Some(reviews.iter().map(ruling).collect()))
    }
}

fn ruling(review: &Review) -> Value {
    json!({
        "action": review.action, "outcome": review.outcome, "reasons": review.reasons,
        "by": review.decided_by.as_ref().unwrap_or(&review.actor), "at": review.decided_at.unwrap_or(review.at),
    })
}

fn severity(finding: &FindingRecord) -> &'static str {
    use modelyard_runtime::types::Severity;
    match finding.severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    }
}

fn said(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.trim().is_empty())
}

fn text(value: Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn tensor(spec: &modelyard_runtime::types::TensorSpec) -> Value {
    let datatype = format!("{:?}", spec.datatype).rsplit("::").next().unwrap_or_default().to_uppercase();
    json!({"name": spec.name, "datatype": datatype, "shape": spec.shape, "labels": spec.labels})
}

fn training(run: &Run, version: &Version) -> Value {
    let features: Vec<Value> = match version.importance.is_empty() {
        true => version.columns.names().map(|name| json!({"name": name})).collect(),
        false => version
            .importance
            .iter()
            .map(|(name, importance)| json!({"name": name, "importance": importance}))
            .collect(),
    };
    json!({
        "plugin": run.spec.training.plugin, "plugin_digest": run.plugins.get("training"),
        "parameters": run.spec.training.parameters.as_object().cloned().unwrap_or_default(),
        "seed": run.spec.seed, "duration_s": run.seconds, "rows": run.rows.get("training"), "features": features,
    })
}

fn column(stats: &ColumnStats, set: &TrainingSet) -> Value {
    let field = set.file.schema.field(&stats.name);
    json!({
        "name": stats.name, "type": field.map(|field| field.r#type.to_string()),
        "null_share": stats.nulls as f64 / set.file.rows.max(1) as f64,
        "mean": stats.mean, "min": stats.min, "max": stats.max,
    })
}

fn lineage(version: &Version) -> Vec<Value> {
    let split = |reference: &String| {
        let (name, number) = reference.split_once('@').unwrap_or((reference, ""));
        (name.to_owned(), number.to_owned())
    };
    let mut origins = Vec::new();
    for (kind, references) in [("dataset", &version.datasets), ("view", &version.views)] {
        for (name, number) in references.iter().map(split) {
            origins.push(json!({"kind": kind, "name": name, "version": number}));
        }
    }
    if let Some(run) = &version.run {
        origins.push(json!({"kind": "run", "name": run}));
    }
    if let Some(imported) = &version.imported {
        let digest = format!("sha256:{}", imported.sha256);
        origins.push(
            json!({"kind": "file", "name": imported.file, "version": imported.format, "digest": digest}),
        );
    }
    if let Some(features) = &version.features {
        origins.push(json!({"kind": "features", "name": features.plugin, "digest": features.state}));
    }
    origins.push(json!({"kind": "plugin", "name": version.runner, "digest": version.runner_component}));
    origins
}
