//! Parameters, their defaults and bounds.

use modelyard_sdk::learn::Task;
use modelyard_sdk::{Error, Result};
use serde::Deserialize;

/// What a run is steered by. Names and meanings are LightGBM's where it has
/// them.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Parameters {
    /// How many rounds of boosting, each a tree (one per class if multiclass).
    pub rounds: u32,
    /// What share of each tree's answer is added.
    pub learning_rate: f64,
    /// The most leaves of a tree.
    pub max_leaves: u32,
    /// The most splits on a path; 0: as many as the leaves allow.
    pub max_depth: u32,
    /// The fewest rows of a leaf.
    pub min_data_in_leaf: u32,
    /// The least sum of second derivatives of a leaf.
    pub min_hessian_in_leaf: f64,
    /// The least gain of a split.
    pub min_gain: f64,
    /// L2 regularisation of leaf values.
    pub lambda_l2: f64,
    /// The most bins of a column.
    pub max_bins: u32,
    /// The share of columns that each tree may split on.
    pub feature_fraction: f64,
    /// The share of rows that each round trains on.
    pub bagging_fraction: f64,
    /// Stop after so many rounds without a better validation metric; 0: never.
    pub early_stopping_rounds: u32,
    /// The metric that early stopping follows; by default the loss.
    pub metric: Option<Metric>,
    /// What regression minimises.
    pub loss: Loss,
    /// Which of two classes is the positive one; by default the last.
    pub positive_class: Option<String>,
    /// Rounds between live metrics.
    pub report_every: u32,
    /// Smoothing of the order of categories.
    pub cat_smooth: f64,
    /// L2 regularisation of splits by sets of categories, on top of `lambda_l2`.
    pub cat_l2: f64,
    /// The most categories on the set's side of a split.
    pub max_cat_threshold: u32,
    /// The fewest rows that a step of the set's growth adds.
    pub min_data_per_group: u32,
}

/// What early stopping follows.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Logarithmic loss (classification).
    LogLoss,
    /// Area under the ROC curve (binary).
    Auc,
    /// Root of the mean squared error (regression).
    Rmse,
    /// Mean absolute error (regression).
    Mae,
}

impl Metric {
    /// The field's standard name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LogLoss => "log_loss",
            Self::Auc => "roc_auc",
            Self::Rmse => "rmse",
            Self::Mae => "mae",
        }
    }
}

/// What regression minimises.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// The squared error: means.
    Squared,
    /// The absolute error: medians.
    Absolute,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            rounds: 100,
            learning_rate: 0.1,
            max_leaves: 31,
            max_depth: 0,
            min_data_in_leaf: 20,
            min_hessian_in_leaf: 1e-3,
            min_gain: 0.0,
            lambda_l2: 0.0,
            max_bins: 255,
            feature_fraction: 1.0,
            bagging_fraction: 1.0,
            early_stopping_rounds: 0,
            metric: None,
            loss: Loss::Squared,
            positive_class: None,
            report_every: 10,
            cat_smooth: 10.0,
            cat_l2: 10.0,
            max_cat_threshold: 32,
            min_data_per_group: 100,
        }
    }
}

/// The JSON Schema of [`Parameters`].
pub const SCHEMA: &str = include_str!("parameters.json");

impl Parameters {
    /// Checks every bound, and that what is asked for goes with the task.
    pub fn check(self, task: Task) -> Result<Self> {
        let whole = |name: &str, value: u32, least: u32, most: u32| {
            if (least..=most).contains(&value) {
                return Ok(());
            }
            Err(Error::parameter(format!("/{name}"), format!("{value} is not in {least}..={most}")))
        };
        whole("rounds", self.rounds, 1, 10_000)?;
        whole("max_leaves", self.max_leaves, 2, 4096)?;
        whole("max_depth", self.max_depth, 0, 4096)?;
        whole("min_data_in_leaf", self.min_data_in_leaf, 1, u32::MAX)?;
        whole("max_bins", self.max_bins, 2, 255)?;
        whole("report_every", self.report_every, 1, u32::MAX)?;
        whole("max_cat_threshold", self.max_cat_threshold, 1, 255)?;
        let number = |name: &str, value: f64, above: f64, most: f64| {
            // A NaN is outside too.
            if value > above && value <= most {
                return Ok(());
            }
            Err(Error::parameter(
                format!("/{name}"),
                format!("{value} is not above {above} and up to {most}"),
            ))
        };
        number("learning_rate", self.learning_rate, 0.0, 10.0)?;
        number("feature_fraction", self.feature_fraction, 0.0, 1.0)?;
        number("bagging_fraction", self.bagging_fraction, 0.0, 1.0)?;
        for (name, value) in [
            ("min_hessian_in_leaf", self.min_hessian_in_leaf),
            ("min_gain", self.min_gain),
            ("lambda_l2", self.lambda_l2),
            ("cat_smooth", self.cat_smooth),
            ("cat_l2", self.cat_l2),
        ] {
            if !(0.0..=1e12).contains(&value) {
                return Err(Error::parameter(format!("/{name}"), format!("{value} is not in 0..=1e12")));
            }
        }
        let accepted: &[Metric] = match task {
            Task::Binary => &[Metric::LogLoss, Metric::Auc],
            Task::Multiclass => &[Metric::LogLoss],
            Task::Regression => &[Metric::Rmse, Metric::Mae],
        };
        if let Some(metric) = self.metric
            && !accepted.contains(&metric)
        {
            let names: Vec<_> = accepted.iter().map(|metric| metric.name()).collect();
            let message = format!("{} does not go with this task; {names:?} do", metric.name());
            return Err(Error::parameter("/metric", message));
        }
        if self.loss == Loss::Absolute && task != Task::Regression {
            return Err(Error::parameter("/loss", "the absolute loss is for regression"));
        }
        Ok(self)
    }

    /// The metric that is followed: the one asked for, or the task's loss.
    #[must_use]
    pub fn followed(&self, task: Task) -> Metric {
        self.metric.unwrap_or(match (task, self.loss) {
            (Task::Regression, Loss::Squared) => Metric::Rmse,
            (Task::Regression, Loss::Absolute) => Metric::Mae,
            _ => Metric::LogLoss,
        })
    }
}
