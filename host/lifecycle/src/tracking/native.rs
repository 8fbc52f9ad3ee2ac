//! A run or a sweep that is trained here, in the words of the tracking store.

use std::collections::BTreeMap;

use modelyard_tracking::{Metric, Param, RunStatus, Tag, Text};
use serde_json::Value;

use crate::experiments::{ExperimentSpec, Point, Run, Status, Sweep, Trial, TrialStatus};

/// The store's limits, in characters.
const KEY: usize = 250;
const PARAM: usize = 6000;
const TAG: usize = 8000;

/// The tag that leads from a trial to its sweep's run.
const PARENT: &str = "mlflow.parentRunId";
/// The tag that says what made a run, and what it says here.
pub(super) const SOURCE: (&str, &str) = ("mlflow.source.name", "modelyard");
/// The tags with the id of a native run, and of a native sweep.
pub(super) const RUN: &str = "modelyard.run";
pub(super) const SWEEP: &str = "modelyard.sweep";
/// The tag that says how far a run is, in the words of its native record.
const STATUS: &str = "modelyard.status";
/// The tag that says why a run failed or was stopped.
pub(super) const ERROR: &str = "modelyard.error";

/// The id in the tracking store of a native run or sweep: its UUID without dashes.
pub(crate) fn run_id(id: &str) -> String {
    id.replace('-', "")
}

/// A run as it is begun in the store.
pub(super) struct Sheet {
    pub(super) id: String,
    /// The experiment's name.
    pub(super) experiment: String,
    pub(super) name: String,
    pub(super) user: String,
    /// Milliseconds since 1970.
    pub(super) start: i64,
    pub(super) params: Vec<Param>,
    pub(super) tags: Vec<Tag>,
}

impl Sheet {
    /// A native run, with the trial that it is.
    pub(super) fn of_run(run: &Run, trial: Option<&Trial>) -> Self {
        let mut tags = source(&run.created_by);
        tags.push(tag(RUN, &run.id));
        if let Some(sweep) = &run.sweep {
            tags.push(tag(SWEEP, sweep));
            tags.push(tag(PARENT, &run_id(sweep)));
        }
        if let Some(trial) = trial {
            tags.push(tag("modelyard.trial", &trial.number.to_string()));
            tags.push(tag("modelyard.trainer", &trial.trainer));
            tags.extend(trial.feature_set.iter().map(|set| tag("modelyard.feature_set", set)));
        }
        tags.push(tag(STATUS, "running"));
        let name = match trial {
            Some(trial) => format!("trial-{}", trial.number),
            None => format!("{}-{}", run.spec.training.plugin, short(&run.id)),
        };
        Self {
            id: run_id(&run.id),
            experiment: run.experiment.clone(),
            name,
            user: run.created_by.clone(),
            start: run.created_at.micros() / 1000,
            params: params(&run.spec),
            tags,
        }
    }

    /// A sweep, which is its trials' parent.
    pub(super) fn of_sweep(sweep: &Sweep) -> Self {
        let mut tags = source(&sweep.created_by);
        tags.push(tag(SWEEP, &sweep.id));
        tags.push(tag("modelyard.strategy", &word(&sweep.spec.strategy)));
        tags.push(tag("modelyard.metric", &sweep.spec.metric));
        tags.push(tag("modelyard.maximize", &sweep.spec.maximize.to_string()));
        tags.push(tag(STATUS, "running"));
        Self {
            id: run_id(&sweep.id),
            experiment: sweep.spec.experiment.clone(),
            name: format!("sweep-{}", short(&sweep.id)),
            user: sweep.created_by.clone(),
            start: sweep.created_at.micros() / 1000,
            params: vec![],
            tags,
        }
    }
}

/// What every run from here has.
fn source(by: &str) -> Vec<Tag> {
    let mut tags = vec![tag("mlflow.source.type", "JOB"), tag(SOURCE.0, SOURCE.1)];
    if !by.is_empty() {
        tags.push(tag("mlflow.user", by));
    }
    tags
}

/// How a run ended, in the store's words and ours.
pub(super) struct End {
    pub(super) status: RunStatus,
    /// Milliseconds since 1970.
    pub(super) at: Option<i64>,
    pub(super) metrics: Vec<(Text, f64)>,
    pub(super) tags: Vec<Tag>,
}

impl End {
    /// The end of a native run; none while it is under way.
    pub(super) fn of_run(run: &Run, trial: Option<&Trial>) -> Option<Self> {
        // A trial that was stopped early ended as it should: that is how Optuna's
        // and Ray's callbacks write theirs, so people's filters are for FINISHED.
        let stopped = trial.is_some_and(|trial| trial.status == TrialStatus::Stopped);
        let status = if stopped { RunStatus::Finished } else { ended(run.status)? };
        let mut metrics = BTreeMap::new();
        // Of those of one name the last counts.
        for metric in run.metrics.iter().filter(|metric| metric.slice.is_none()) {
            metrics.insert(key(&metric.name), metric.value);
        }
        let how = trial.map_or_else(|| word(&run.status), |trial| word(&trial.status));
        let mut tags = vec![tag(STATUS, &how)];
        tags.extend(run.error.iter().map(|error| tag(ERROR, error)));
        tags.extend(run.training_set.iter().map(|set| tag("modelyard.training_set", set)));
        let at = run.finished_at.map(|at| at.micros() / 1000);
        Some(Self { status, at, metrics: metrics.into_iter().collect(), tags })
    }

    /// The end of a sweep; none while it is under way.
    pub(super) fn of_sweep(sweep: &Sweep) -> Option<Self> {
        let status = ended(sweep.status)?;
        let best = key(&format!("best_{}", sweep.spec.metric));
        let mut tags = vec![tag(STATUS, &word(&sweep.status))];
        tags.extend(sweep.best.iter().map(|run| tag("modelyard.best_run", &run_id(run))));
        tags.extend(sweep.error.iter().map(|error| tag(ERROR, error)));
        let at = sweep.finished_at.map(|at| at.micros() / 1000);
        Some(Self {
            status,
            at,
            metrics: sweep.best_value.map(|value| (best, value)).into_iter().collect(),
            tags,
        })
    }
}

/// The store's word for an end; none: it is under way.
fn ended(status: Status) -> Option<RunStatus> {
    match status {
        Status::Pending | Status::Running => None,
        Status::Finished => Some(RunStatus::Finished),
        Status::Failed => Some(RunStatus::Failed),
        Status::Cancelled => Some(RunStatus::Killed),
    }
}

/// A point of a live metric, under a name that begins with `prefix`.
pub(super) fn point(prefix: &str, point: &Point, timestamp: i64) -> Metric {
    let step = i64::try_from(point.step).unwrap_or(i64::MAX);
    metric(key(&format!("{prefix}{}", point.name)), point.value, timestamp, step)
}

pub(super) fn metric(key: Text, value: f64, timestamp: i64, step: i64) -> Metric {
    Metric {
        key,
        value,
        timestamp,
        step,
        model_id: None,
        dataset_name: None,
        dataset_digest: None,
        run_id: None,
    }
}

/// What a run was made with: the training plugin's parameters under their own
/// names, and beside them the plugin, the seed and the features.
fn params(spec: &ExperimentSpec) -> Vec<Param> {
    let mut found = BTreeMap::new();
    flatten("", &spec.training.parameters, &mut found);
    let mut beside = BTreeMap::from([
        ("plugin".to_owned(), spec.training.plugin.clone()),
        ("seed".to_owned(), spec.seed.to_string()),
    ]);
    if let Some(features) = &spec.features {
        flatten("features", &features.parameters, &mut beside);
        beside.insert("features.plugin".to_owned(), features.plugin.clone());
    }
    // A parameter of the plugin's that has one of these names is the plugin's.
    for (name, value) in beside {
        found.entry(name).or_insert(value);
    }
    let param = |(name, value): (String, String)| Param { key: key(&name), value: cut(&value, PARAM).into() };
    // Names that came to be the same are one parameter.
    let unique: BTreeMap<Text, Param> =
        found.into_iter().map(param).map(|param| (param.key.clone(), param)).collect();
    unique.into_values().collect()
}

/// The leaves of a value by their paths; lists are leaves, as JSON.
fn flatten(path: &str, value: &Value, found: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flatten(&path, value, found);
            }
        }
        // No parameters at all.
        Value::Null if matches!(path, "" | "features") => {}
        Value::String(text) => {
            found.insert(path.to_owned(), text.clone());
        }
        other => {
            found.insert(path.to_owned(), other.to_string());
        }
    }
}

/// A name as the store takes it: other characters become `_`, and it is no way
/// to another file.
fn key(name: &str) -> Text {
    let plain = |c: char| match c {
        '/' | '_' | '.' | '-' | ' ' | ':' => c,
        c if c.is_alphanumeric() => c,
        _ => '_',
    };
    let plain: String = name.chars().take(KEY).map(plain).collect();
    let parts: Vec<&str> = plain.split('/').filter(|part| !matches!(*part, "" | "." | "..")).collect();
    if parts.is_empty() { Text::from("_") } else { parts.join("/").into() }
}

fn tag(key: &str, value: &str) -> Tag {
    Tag::new(key, cut(value, TAG))
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// The word that stands for a value in JSON.
fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}

/// What tells ids apart: the end of a UUID v7 is random.
fn short(id: &str) -> &str {
    id.get(id.len().saturating_sub(8)..).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_what_the_store_takes() {
        for (name, expected) in [
            ("validation_log_loss", "validation_log_loss"),
            ("größe/a b:c", "größe/a b:c"),
            ("auc@10%", "auc_10_"),
            ("/../a//b/./c", "a/b/c"),
            ("..", "_"),
            ("", "_"),
        ] {
            assert_eq!(key(name).as_str(), expected);
        }
        assert_eq!(key(&"ü".repeat(300)).chars().count(), KEY);
    }

    #[test]
    fn parameters_are_flat_and_the_plugins_own_come_first() {
        let spec = |training: Value, features: Value| -> ExperimentSpec {
            let spec = json!({"name": "e", "task": "regression", "spine": {"dataset": "d"}, "target": "y",
                "training": training, "features": features, "seed": 7});
            serde_json::from_value(spec).unwrap()
        };
        let told = |spec: &ExperimentSpec| -> Vec<String> {
            params(spec).iter().map(|param| format!("{}={}", param.key, param.value)).collect()
        };
        let parameters =
            json!({"rounds": 5, "seed": "mine", "tree": {"leaves": [1, 2], "deep": true}, "none": null});
        let full = spec(
            json!({"plugin": "training-gbdt", "parameters": parameters}),
            json!({"plugin": "features-standard", "parameters": {"steps": [{"do": "one-hot"}]}}),
        );
        assert_eq!(
            told(&full),
            [
                "features.plugin=features-standard",
                r#"features.steps=[{"do":"one-hot"}]"#,
                "none=null",
                "plugin=training-gbdt",
                "rounds=5",
                "seed=mine",
                "tree.deep=true",
                "tree.leaves=[1,2]",
            ]
        );
        let bare = spec(json!({"plugin": "training-linear"}), Value::Null);
        assert_eq!(told(&bare), ["plugin=training-linear", "seed=7"]);
        let long = spec(json!({"plugin": "p", "parameters": {"text": "ü".repeat(7000)}}), Value::Null);
        assert_eq!(params(&long)[2].value.chars().count(), PARAM);
    }
}
