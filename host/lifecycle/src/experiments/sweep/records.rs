//! What sweeps are asked for, and what they record: sweeps and their trials.

use std::collections::BTreeMap;

use modelyard_catalog::{Index, Record};
use modelyard_clock::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::super::{ExperimentSpec, Status};
use crate::features::{Join, TransformSpec};

/// Many runs of one experiment with other parameters, training plugins or
/// features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SweepSpec {
    /// The experiment; may be left out where the path names it.
    #[serde(default)]
    pub experiment: String,
    /// For each training parameter the values to try, or for `random` and `tpe`
    /// also a range `{"low": .., "high": .., "log": true}`, of whole numbers if
    /// both ends are.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub parameters: BTreeMap<String, Value>,
    /// Training plugins to compare, each with parameters of its own to vary;
    /// empty: the experiment's with `parameters`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trainers: Vec<TrainerChoice>,
    /// Feature sets to compare; empty: the experiment's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub feature_sets: Vec<FeatureSet>,
    /// Every combination, so many drawn at random, or drawn where the best lie.
    #[serde(default)]
    pub strategy: Strategy,
    /// The most runs, up to 10,000.
    #[serde(default = "runs")]
    pub max_runs: u32,
    /// The most runs at once, up to 256; by default the machine's cores.
    #[serde(default)]
    pub parallel: Option<u32>,
    /// The metric that decides: `roc_auc`; with `folds` its mean over the folds.
    pub metric: String,
    /// Whether more is better.
    #[serde(default = "yes")]
    pub maximize: bool,
    /// The seed of `random` and `tpe`.
    #[serde(default)]
    pub seed: u64,
    /// How `tpe` proposes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tpe: Option<TpeSpec>,
    /// Stops trials early that fall behind; none: all run to their end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub halving: Option<HalvingSpec>,
    /// Cross-validation by time; none: `metric` is taken on the test rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folds: Option<FoldsSpec>,
}

fn runs() -> u32 {
    64
}

fn yes() -> bool {
    true
}

/// A training plugin that a sweep may take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainerChoice {
    /// What it is called in the sweep; by default as the plugin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The training plugin.
    pub plugin: String,
    /// Parameters that stay the same; those of the experiment are not used.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub parameters: Value,
    /// Parameters to vary, as in the sweep's `parameters`.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub search: BTreeMap<String, Value>,
}

impl TrainerChoice {
    /// What it is called.
    pub fn name(&self) -> &str {
        self.name.as_ref().unwrap_or(&self.plugin)
    }
}

/// Features that a sweep may take. What is left out is the experiment's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FeatureSet {
    /// What it is called in the sweep.
    pub name: String,
    /// The features plugin; null: columns as they are.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<TransformSpec>)]
    pub features: Option<Option<TransformSpec>>,
    /// Views joined point in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joins: Option<Vec<Join>>,
    /// Columns that the model doesn't see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore: Option<Vec<String>>,
}

/// A field that is there, be it null.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// How a sweep picks parameters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Every combination.
    #[default]
    Grid,
    /// Combinations drawn with the seed.
    Random,
    /// Combinations drawn where the best trials so far lie: the tree-structured
    /// Parzen estimator (Bergstra, Bardenet, Bengio, Kégl 2011).
    Tpe,
}

/// How the tree-structured Parzen estimator proposes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TpeSpec {
    /// So many trials are drawn evenly at first.
    pub startup: u32,
    /// Candidates for each parameter of each proposal.
    pub candidates: u32,
    /// The share of the trials that counts as good, above 0 and below 1.
    pub gamma: f64,
}

impl Default for TpeSpec {
    fn default() -> Self {
        Self { startup: 10, candidates: 24, gamma: 0.15 }
    }
}

/// Early stopping by asynchronous successive halving (Li et al. 2020): at steps
/// r, r·η, r·η² … of a live metric a trial goes on only among the best 1/η of
/// those that came so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HalvingSpec {
    /// The live metric that the training plugin reports: `validation_log_loss`.
    pub metric: String,
    /// Whether more of it is better.
    #[serde(default)]
    pub maximize: bool,
    /// η, from 2 to 100.
    #[serde(default = "three")]
    pub eta: u32,
    /// r: the step of the first rung, in the plugin's own steps (rounds,
    /// iterations, epochs).
    #[serde(default = "one")]
    pub first_step: u64,
    /// No rung lies beyond this step.
    #[serde(default = "far")]
    pub last_step: u64,
}

fn three() -> u32 {
    3
}

fn one() -> u64 {
    1
}

fn far() -> u64 {
    1_000_000_000
}

/// Time-aware cross-validation: an expanding window over the rows that aren't
/// test rows, by the spine's event time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FoldsSpec {
    /// How many folds, from 1 to 50.
    pub count: u32,
    /// Seconds before each validation block whose rows aren't trained on.
    #[serde(default)]
    pub gap_seconds: u64,
}

/// A sweep and what it found.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Sweep {
    /// Its id (UUID v7).
    pub id: String,
    /// What was asked for.
    pub spec: SweepSpec,
    /// The experiment as it was when the sweep began.
    #[serde(default)]
    pub experiment: Option<ExperimentSpec>,
    /// The training set of each feature set, so that a sweep that is resumed
    /// goes on with the same rows.
    #[serde(default)]
    pub training_sets: Vec<String>,
    /// How far it is.
    pub status: Status,
    /// Its runs, in the order in which they were made.
    pub runs: Vec<String>,
    /// The best run; of equals the one that was made first.
    pub best: Option<String>,
    /// The best run's value of the metric.
    pub best_value: Option<f64>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Why it failed.
    pub error: Option<String>,
    /// What else should be known of it.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Who asked.
    #[serde(default)]
    pub created_by: String,
    /// How many of its trials had ended each time it went on by itself after the
    /// server had been killed, since a trial last ended.
    #[serde(default)]
    pub restarts: Vec<u64>,
}

impl Record for Sweep {
    const TABLE: &'static str = "sweep";
    fn id(&self) -> String {
        self.id.clone()
    }
}

/// How far a trial is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrialStatus {
    /// At work.
    Running,
    /// Done, with a value of the metric.
    Finished,
    /// Stopped early: it fell behind.
    Stopped,
    /// Ended by an error of its own.
    Failed,
    /// The sweep ended before it; it is run again when the sweep is resumed.
    Interrupted,
}

impl TrialStatus {
    /// Whether nothing more is done about it.
    pub fn is_settled(self) -> bool {
        !matches!(self, Self::Running | Self::Interrupted)
    }
}

/// The live metric of a trial at a rung.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RungValue {
    /// The rung's step.
    pub step: u64,
    /// The metric when the trial came to it.
    pub value: f64,
}

/// One combination that a sweep tries.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Trial {
    /// The sweep.
    pub sweep: String,
    /// Its number, from 0 in the order in which trials were proposed.
    pub number: u64,
    /// Its run.
    pub run: String,
    /// The training plugin, by its name in the sweep.
    pub trainer: String,
    /// The feature set, if the sweep compares some.
    pub feature_set: Option<String>,
    /// The parameters that are varied, with their values here.
    #[schema(value_type = Object)]
    pub parameters: BTreeMap<String, Value>,
    /// The same as numbers, one for each dimension of the sweep: of a list the
    /// index, null where a dimension belongs to another training plugin.
    pub place: Vec<Option<f64>>,
    /// How far it is.
    pub status: TrialStatus,
    /// The metric that decides.
    pub value: Option<f64>,
    /// The metric on each fold.
    pub folds: Vec<f64>,
    /// The live metric at each rung that it came to.
    pub rungs: Vec<RungValue>,
    /// Seconds of work.
    pub seconds: Option<f64>,
    /// Why it failed or was stopped.
    pub error: Option<String>,
}

impl Record for Trial {
    const TABLE: &'static str = "trial";
    const INDEXES: &'static [Index] = &[Index::on(&["sweep", "number"]), Index::on(&["status"])];
    fn id(&self) -> String {
        format!("{}-{:06}", self.sweep, self.number)
    }
}
