//! Records as they are stored, where that differs from how they are answered.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{EvaluationDataset, Experiment, LifecycleStage, LoggedModelInfo, Param, Tag, Text, TraceInfo};

/// An experiment.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct StoredExperiment {
    pub(super) name: String,
    pub(super) artifact_location: String,
    pub(super) stage: LifecycleStage,
    pub(super) created: i64,
    pub(super) updated: i64,
    pub(super) tags: BTreeMap<Text, Text>,
}

impl StoredExperiment {
    /// The experiment as it is answered.
    pub(super) fn record(&self, number: u64) -> Experiment {
        Experiment {
            experiment_id: number.to_string(),
            name: self.name.clone(),
            artifact_location: self.artifact_location.clone(),
            lifecycle_stage: self.stage,
            last_update_time: self.updated,
            creation_time: self.created,
            tags: self
                .tags
                .iter()
                .map(|(key, value)| Tag { key: key.clone(), value: value.clone() })
                .collect(),
        }
    }
}

/// A logged model without its metrics.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct StoredModel {
    pub(super) info: LoggedModelInfo,
    /// `info` leaves it out, since MLflow's JSON has none.
    pub(super) stage: LifecycleStage,
    /// In order of key.
    pub(super) params: Vec<Param>,
}

/// An evaluation dataset with the number of its records.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct StoredDataset {
    pub(super) dataset: EvaluationDataset,
    pub(super) records: u64,
}

/// A trace's head.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct StoredTrace {
    pub(super) info: TraceInfo,
    /// Whether the client has sent the head; until then it is made from spans.
    pub(super) complete: bool,
}
