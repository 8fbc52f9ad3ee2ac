//! Experiments.

use serde::{Deserialize, Serialize};

use super::{LifecycleStage, Tag};

/// A named home for runs, logged models and traces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Experiment {
    /// A whole number as text; `0` is `Default` and always there.
    pub experiment_id: String,
    /// Unique among all experiments, deleted ones included.
    pub name: String,
    /// Where its artifacts go, as a URI.
    pub artifact_location: String,
    /// In use or deleted.
    pub lifecycle_stage: LifecycleStage,
    /// Milliseconds since 1970.
    pub last_update_time: i64,
    /// Milliseconds since 1970.
    pub creation_time: i64,
    /// In order of key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
}

/// What a new experiment is made of.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct CreateExperiment {
    /// Up to 500 characters.
    pub name: String,
    /// `Options::artifact_root/<id>` where absent or empty.
    #[serde(default)]
    pub artifact_location: Option<String>,
    /// Its first tags.
    #[serde(default)]
    pub tags: Vec<Tag>,
}
