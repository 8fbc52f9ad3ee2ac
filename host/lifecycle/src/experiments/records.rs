//! What experiments record: experiments, runs and sweeps.

use std::collections::BTreeMap;

use modelyard_blobs::Digest;
use modelyard_catalog::{Index, Record};
use modelyard_clock::Timestamp;
use modelyard_runtime::types::{Metric, Signature};
use modelyard_tables::Schema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    evaluation::EvaluatorSpec,
    features::{Fitted, Join, Spine, TransformSpec},
};

/// What is learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// One of two classes.
    BinaryClassification,
    /// One of several classes.
    MulticlassClassification,
    /// A number.
    Regression,
}

/// How the rows are divided into training, validation and test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// The share held out for validation, from the rest after the test rows.
    #[serde(default = "fifth")]
    pub validation: f64,
    /// The share held out to evaluate on.
    #[serde(default = "fifth")]
    pub test: f64,
    /// `time`: the latest rows are held out; `random`: rows by the seed.
    #[serde(default)]
    pub by: SplitBy,
}

fn fifth() -> f64 {
    0.2
}

impl Default for Split {
    fn default() -> Self {
        Self { validation: 0.2, test: 0.2, by: SplitBy::default() }
    }
}

/// Which rows are held out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SplitBy {
    /// By the seed.
    #[default]
    Random,
    /// The latest by the spine's event time.
    Time,
}

/// A training plugin with its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainerSpec {
    /// The training plugin.
    pub plugin: String,
    /// Its parameters.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub parameters: Value,
}

/// A question asked of data: how to get from rows to a model and judge it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExperimentSpec {
    /// The experiment's name.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// What is learnt.
    pub task: Task,
    /// Which rows.
    pub spine: Spine,
    /// Views joined point in time.
    #[serde(default)]
    pub joins: Vec<Join>,
    /// The column to predict.
    pub target: String,
    /// A column of row weights.
    #[serde(default)]
    pub weight: Option<String>,
    /// Columns that the model doesn't see; keys and times of views are left
    /// out anyway.
    #[serde(default)]
    pub ignore: Vec<String>,
    /// The features plugin, fitted on the training rows; none: columns as
    /// they are.
    #[serde(default)]
    pub features: Option<TransformSpec>,
    /// The training plugin.
    pub training: TrainerSpec,
    /// The evaluation plugin; by default the one for the task.
    #[serde(default)]
    pub evaluation: Option<EvaluatorSpec>,
    /// How rows are held out.
    #[serde(default)]
    pub split: Split,
    /// The seed of everything random.
    #[serde(default)]
    pub seed: u64,
}

/// An experiment.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Experiment {
    /// What was asked for.
    #[serde(flatten)]
    pub spec: ExperimentSpec,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Record for Experiment {
    const TABLE: &'static str = "experiment";
    fn id(&self) -> String {
        self.spec.name.clone()
    }
}

/// How far a run or a sweep is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Accepted.
    Pending,
    /// At work.
    Running,
    /// Done.
    Finished,
    /// Ended by an error.
    Failed,
    /// Ended by somebody.
    Cancelled,
}

/// A point of a live metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Point {
    /// The metric.
    pub name: String,
    /// The iteration.
    pub step: u64,
    /// Its value there.
    pub value: f64,
}

/// One training: everything that is needed to do it again, and what it gave.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Run {
    /// Its id (UUID v7).
    pub id: String,
    /// The experiment.
    pub experiment: String,
    /// The sweep that it belongs to.
    pub sweep: Option<String>,
    /// The experiment as it was.
    pub spec: ExperimentSpec,
    /// How far it is.
    pub status: Status,
    /// Why it failed.
    pub error: Option<String>,
    /// The training set's id.
    pub training_set: Option<String>,
    /// The dataset versions behind it: `flights@12`.
    pub datasets: Vec<String>,
    /// The view versions behind it: `weather@1`.
    pub views: Vec<String>,
    /// The plugins' components by kind: training, scoring, features, evaluation.
    #[schema(value_type = Object)]
    pub plugins: BTreeMap<String, Digest>,
    /// Rows trained on, validated on and tested on.
    pub rows: BTreeMap<String, u64>,
    /// The fitted features.
    pub features: Option<Fitted>,
    /// The trained artifact.
    #[schema(value_type = Option<String>)]
    pub artifact: Option<Digest>,
    /// The scoring plugin that reads the artifact.
    pub runner: Option<String>,
    /// The self-contained component: runner and artifact.
    #[schema(value_type = Option<String>)]
    pub component: Option<Digest>,
    /// The raw columns that the model, or its features, see.
    #[schema(value_type = Object)]
    pub columns: Schema,
    /// What the model takes and gives, after the features.
    #[schema(value_type = Object)]
    pub signature: Option<Signature>,
    /// The columns that a caller sends, before the features.
    #[schema(value_type = Object)]
    pub inputs: Option<Signature>,
    /// Metrics of training and, without slices, of evaluation on the test rows.
    #[schema(value_type = Vec<Object>)]
    pub metrics: Vec<Metric>,
    /// The live metrics, step by step.
    pub history: Vec<Point>,
    /// The evaluation on the test rows.
    pub evaluation: Option<String>,
    /// Columns and how much each matters.
    pub importance: Vec<(String, f64)>,
    /// Seconds of work.
    pub seconds: Option<f64>,
    /// The most memory that a plugin held, in bytes.
    pub memory_bytes: Option<u64>,
    /// Who asked.
    pub created_by: String,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// What the plugins logged.
    pub log: Vec<String>,
}

impl Record for Run {
    const TABLE: &'static str = "run";
    const INDEXES: &'static [Index] =
        &[Index::on(&["experiment", "created_at"]), Index::on(&["sweep"]), Index::on(&["status"])];
    fn id(&self) -> String {
        self.id.clone()
    }
}
