//! How good raw scores are, weighted by row.

// Rows and classes run over lengths that were checked when the data was read.
#![allow(clippy::indexing_slicing)]

use modelyard_sdk::learn::Task;
use modelyard_sdk::stats;

use crate::dataset::Dataset;
use crate::params::Metric;

/// A metric of scores that run class after class, the rows within. `None` where
/// it is not defined, such as the AUC of one class.
#[must_use]
pub fn measure(metric: Metric, scores: &[f64], data: &Dataset) -> Option<f64> {
    let value = match metric {
        Metric::Auc => {
            let positive: Vec<bool> = data.target.iter().map(|y| *y == 1.0).collect();
            return stats::roc_auc(scores, &positive, data.weights.as_deref());
        }
        Metric::LogLoss if scores.len() == data.target.len() => {
            // ln(1 + e^∓score), without overflow.
            mean(data, |row| {
                let margin = if data.target[row] == 1.0 { scores[row] } else { -scores[row] };
                (-margin.abs()).exp().ln_1p() + (-margin).max(0.0)
            })
        }
        Metric::LogLoss => {
            let rows = data.target.len();
            mean(data, |row| {
                let of_row = || scores.iter().skip(row).step_by(rows);
                let most = of_row().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = of_row().map(|score| (score - most).exp()).sum();
                most + sum.ln() - scores[data.target[row] as usize * rows + row]
            })
        }
        Metric::Rmse => mean(data, |row| (scores[row] - data.target[row]).powi(2)).sqrt(),
        Metric::Mae => mean(data, |row| (scores[row] - data.target[row]).abs()),
    };
    value.is_finite().then_some(value)
}

fn mean(data: &Dataset, value: impl Fn(usize) -> f64) -> f64 {
    let rows = 0..data.target.len();
    match &data.weights {
        None => rows.map(value).sum::<f64>() / data.target.len() as f64,
        Some(weights) => rows.map(|row| weights[row] * value(row)).sum::<f64>() / weights.iter().sum::<f64>(),
    }
}

/// The metrics that a task is reported by, the loss first.
#[must_use]
pub fn reported(task: Task) -> &'static [Metric] {
    match task {
        Task::Binary => &[Metric::LogLoss, Metric::Auc],
        Task::Multiclass => &[Metric::LogLoss],
        Task::Regression => &[Metric::Rmse, Metric::Mae],
    }
}
