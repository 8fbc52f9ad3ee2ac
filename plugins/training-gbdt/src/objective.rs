//! What is minimised: where scores begin, and the loss's derivatives.

// Rows and classes run over lengths that were checked when the data was read.
#![allow(clippy::indexing_slicing)]

use modelyard_sdk::learn::{Task, sigmoid};

use crate::dataset::Dataset;
use crate::params::Loss;

/// A loss of raw scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Objective {
    /// Logarithmic loss of log-odds.
    Logistic,
    /// Logarithmic loss of the softmax of as many scores.
    Softmax(usize),
    /// Half the squared error.
    Squared,
    /// The absolute error.
    Absolute,
}

impl Objective {
    /// The loss of a task.
    #[must_use]
    pub fn of(task: Task, classes: usize, loss: Loss) -> Self {
        match (task, loss) {
            (Task::Binary, _) => Self::Logistic,
            (Task::Multiclass, _) => Self::Softmax(classes),
            (Task::Regression, Loss::Squared) => Self::Squared,
            (Task::Regression, Loss::Absolute) => Self::Absolute,
        }
    }

    /// How many scores a row has.
    #[must_use]
    pub fn scores(self) -> usize {
        if let Self::Softmax(classes) = self { classes } else { 1 }
    }

    /// The scores that are best for all rows alike.
    #[must_use]
    pub fn base(self, data: &Dataset) -> Vec<f64> {
        let weight = |row: usize| data.weights.as_ref().map_or(1.0, |weights| weights[row]);
        let total: f64 = (0..data.target.len()).map(weight).sum();
        let share = |class: usize| {
            let of_class =
                |(row, target): (usize, &f64)| if *target == class as f64 { weight(row) } else { 0.0 };
            let share = data.target.iter().enumerate().map(of_class).sum::<f64>() / total;
            share.clamp(1e-12, 1.0 - 1e-12)
        };
        match self {
            Self::Logistic => vec![(share(1) / (1.0 - share(1))).ln()],
            Self::Softmax(classes) => (0..classes).map(|class| share(class).ln()).collect(),
            Self::Squared => {
                let sum: f64 = data.target.iter().enumerate().map(|(row, y)| weight(row) * y).sum();
                vec![sum / total]
            }
            Self::Absolute => {
                let weighted = data.target.iter().enumerate().map(|(row, y)| (*y, weight(row)));
                vec![weighted_median(weighted.collect())]
            }
        }
    }

    /// First and second derivatives of the loss by each score. Scores and
    /// derivatives run class after class, the rows within.
    pub fn derive(self, data: &Dataset, scores: &[f64], derivatives: &mut [[f32; 2]]) {
        let rows = data.target.len();
        match self {
            Self::Logistic => {
                for ((d, score), y) in derivatives.iter_mut().zip(scores).zip(&data.target) {
                    let p = sigmoid(*score);
                    *d = [(p - y) as f32, (p * (1.0 - p)) as f32];
                }
            }
            Self::Softmax(classes) => {
                // The factor by which LightGBM, after Friedman (2001), scales
                // the diagonal of the second derivatives.
                let factor = classes as f64 / (classes as f64 - 1.0).max(1.0);
                let mut p = vec![0.0; classes];
                for row in 0..rows {
                    for (class, p) in p.iter_mut().enumerate() {
                        *p = scores[class * rows + row];
                    }
                    modelyard_sdk::learn::softmax(&mut p);
                    for (class, p) in p.iter().enumerate() {
                        let y = f64::from(u8::from(data.target[row] == class as f64));
                        derivatives[class * rows + row] = [(p - y) as f32, (factor * p * (1.0 - p)) as f32];
                    }
                }
            }
            Self::Squared => {
                for ((d, score), y) in derivatives.iter_mut().zip(scores).zip(&data.target) {
                    *d = [(score - y) as f32, 1.0];
                }
            }
            Self::Absolute => {
                for ((d, score), y) in derivatives.iter_mut().zip(scores).zip(&data.target) {
                    let sign = f32::from(i8::from(score > y) - i8::from(score < y));
                    *d = [sign, 1.0];
                }
            }
        }
        if let Some(weights) = &data.weights {
            for class in derivatives.chunks_exact_mut(rows.max(1)) {
                for (d, weight) in class.iter_mut().zip(weights) {
                    *d = d.map(|d| (f64::from(d) * weight) as f32);
                }
            }
        }
    }
}

/// The least value below or at which half the weight lies; 0 for nothing.
#[must_use]
pub fn weighted_median(mut values: Vec<(f64, f64)>) -> f64 {
    values.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let half = values.iter().map(|v| v.1).sum::<f64>() / 2.0;
    let mut below = 0.0;
    for (value, weight) in &values {
        below += weight;
        if below >= half {
            return *value;
        }
    }
    values.last().map_or(0.0, |v| v.0)
}
