//! What a comparison is asked for and what it says.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::super::{Status, Task};

/// Which runs are compared, and how sure one wants to be.
#[derive(Clone, Debug, PartialEq)]
pub struct CompareSpec {
    /// The runs, two to ten.
    pub runs: Vec<String>,
    /// The metrics whose difference is tested; empty: the usual ones of the task.
    pub metrics: Vec<String>,
    /// Draws of a bootstrap, 100 to 100,000.
    pub resamples: u32,
    /// The share of intervals that cover the true difference, from 0.5 to below 1.
    pub confidence: f64,
    /// The seed of the draws.
    pub seed: u64,
}

impl CompareSpec {
    /// These runs with 1,000 draws and intervals of 95 %.
    pub fn of(runs: Vec<String>) -> Self {
        Self { runs, metrics: vec![], resamples: 1_000, confidence: 0.95, seed: 0 }
    }
}

/// Runs side by side. Lists of values are in the order of `runs`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RunComparison {
    /// The runs, in the order in which they were asked for.
    pub runs: Vec<ComparedRun>,
    /// What they were made from, as far as it differs: `training.parameters.rounds`.
    pub parameters: Vec<Differing>,
    /// Metrics that differ, without slices.
    pub metrics: Vec<Differing>,
    /// Live metrics, step by step.
    pub histories: Vec<History>,
    /// Metrics of slices that differ, where evaluations have slices.
    pub slices: Vec<Differing>,
    /// Each two runs, and whether they differ by more than chance.
    pub pairs: Vec<Pair>,
    /// The tests that were used.
    pub methods: Vec<Method>,
}

/// A run that is compared.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ComparedRun {
    /// Its id.
    pub id: String,
    /// Its experiment.
    pub experiment: String,
    /// The sweep that it belongs to.
    pub sweep: Option<String>,
    /// How it ended.
    pub status: Status,
    /// What it learns.
    pub task: Task,
    /// Its training plugin.
    pub trainer: String,
    /// Its evaluation on the test rows.
    pub evaluation: Option<String>,
    /// The rows of that.
    pub rows: Option<u64>,
}

/// Something that is not the same in all runs.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Differing {
    /// What it is.
    pub name: String,
    /// The part of the data, of a metric on a slice: `carrier=UA`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slice: Option<String>,
    /// Its value in each run; null where it has none.
    #[schema(value_type = Vec<Object>)]
    pub values: Vec<Value>,
}

/// A live metric of the runs.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct History {
    /// The metric.
    pub name: String,
    /// For each run step and value, at most 1,000 points evenly chosen; empty if
    /// it never reported the metric.
    pub runs: Vec<Vec<(u64, f64)>>,
}

/// Two runs held against each other.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Pair {
    /// The first run.
    pub left: String,
    /// The second.
    pub right: String,
    /// Why the difference can't be tested; null: it was.
    pub reason: Option<String>,
    /// The rows that both were evaluated on.
    pub rows: Option<u64>,
    /// What the tests say.
    pub tests: Vec<Test>,
}

/// One test of one difference.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(tag = "method", rename_all = "snake_case")]
pub enum Test {
    /// A percentile interval of the difference from draws of the rows.
    PairedBootstrap {
        /// The metric.
        metric: String,
        /// The metric of the first run on the rows.
        left: f64,
        /// That of the second.
        right: f64,
        /// First − second.
        difference: f64,
        /// The interval's lower end.
        low: f64,
        /// Its upper end.
        high: f64,
        /// The share of such intervals that cover the true difference.
        confidence: f64,
        /// The draws on which the metric was defined.
        resamples: u32,
        /// The seed of the draws.
        seed: u64,
        /// Whether the interval leaves out 0.
        significant: bool,
    },
    /// Of the rows that exactly one classifier gets right, on which side they are.
    Mcnemar {
        /// Rows that only the first run's model gets right.
        left_only: u64,
        /// Rows that only the second's gets right.
        right_only: u64,
        /// (b−c)²/(b+c); of the exact test the smaller of the two counts.
        statistic: f64,
        /// The chance of a difference at least as great between equally good classifiers.
        p_value: f64,
        /// Whether the binomial distribution was used, as with fewer than 25 such rows.
        exact: bool,
        /// Whether the chance is below 1 − confidence.
        significant: bool,
    },
}

/// A test and where it comes from.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Method {
    /// Its name in `tests`.
    pub name: &'static str,
    /// What it does.
    pub description: &'static str,
    /// Where it was published.
    pub source: &'static str,
}

/// The tests that are used.
pub(super) const METHODS: [Method; 2] = [
    Method {
        name: "paired_bootstrap",
        description: "Rows are drawn with replacement, both models are measured on the same draw, and the \
                      percentiles of the differences are the interval.",
        source: "Efron, Tibshirani: An Introduction to the Bootstrap, Chapman & Hall 1993, chapter 13",
    },
    Method {
        name: "mcnemar",
        description: "Of the rows that exactly one classifier gets right half would be expected on each \
                      side: chi-squared with one degree of freedom without continuity correction, or the \
                      exact binomial distribution, two-sided, with fewer than 25 such rows.",
        source: "McNemar: Note on the sampling error of the difference between correlated proportions or \
                 percentages, Psychometrika 12, 1947",
    },
];
