//! What the store keeps and gives back, in the shapes of MLflow's JSON.

mod dataset;
mod experiment;
mod model;
mod number;
mod run;
mod trace;

use serde::{Deserialize, Serialize};

pub use self::{
    dataset::{CreateDataset, DatasetRecord, EvaluationDataset, NewDatasetRecord, RecordSource, Upserted},
    experiment::{CreateExperiment, Experiment},
    model::{
        CreateLoggedModel, DatasetScope, LoggedModel, LoggedModelData, LoggedModelInfo, LoggedModelStatus,
        ModelOrder, SearchLoggedModels,
    },
    run::{
        CreateRun, Dataset, DatasetInput, DatasetSummary, LogBatch, LogInputs, Metric, ModelInput,
        ModelOutput, Param, Run, RunData, RunInfo, RunInputs, RunOutputs, RunStatus, SearchRuns, UpdateRun,
    },
    trace::{
        Assessment, AssessmentSource, DeleteTraces, SearchTraces, Span, Trace, TraceInfo, TraceState,
        UpdateAssessment,
    },
};
use crate::Text;

/// Whether a thing is in use or deleted; what is deleted can be restored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LifecycleStage {
    /// In use.
    #[default]
    Active,
    /// Deleted, and restorable.
    Deleted,
}

impl LifecycleStage {
    /// The stage's name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Deleted => "deleted",
        }
    }
}

/// Which stages a search looks at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ViewType {
    /// What is in use.
    #[default]
    ActiveOnly,
    /// What is deleted.
    DeletedOnly,
    /// Both.
    All,
}

impl ViewType {
    /// Whether something at `stage` is looked at.
    pub fn shows(self, stage: LifecycleStage) -> bool {
        match self {
            Self::ActiveOnly => stage == LifecycleStage::Active,
            Self::DeletedOnly => stage == LifecycleStage::Deleted,
            Self::All => true,
        }
    }
}

/// A key and a value that may be set again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// Up to 250 characters.
    pub key: Text,
    /// Up to 8,000 characters on a run.
    #[serde(default)]
    pub value: Text,
}

impl Tag {
    /// A tag of `key` and `value`.
    pub fn new(key: impl Into<Text>, value: impl Into<Text>) -> Self {
        Self { key: key.into(), value: value.into() }
    }
}

/// One page of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// What was found, in order.
    pub items: Vec<T>,
    /// Asks for the rest; absent on the last page.
    pub next_page_token: Option<String>,
}

/// A filter, an order and a page; what a list or search of anything takes.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// MLflow's filter language; empty finds everything.
    pub filter: String,
    /// Clauses such as `creation_time DESC`.
    pub order_by: Vec<String>,
    /// The page's length; the operation's default and maximum where absent.
    pub max_results: Option<i64>,
    /// `next_page_token` of the page before.
    pub page_token: Option<String>,
}
