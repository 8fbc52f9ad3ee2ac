//! What two models said of the same rows, and metrics of it that can be taken on
//! any draw of the rows. They are those of the built-in evaluation plugins by the
//! same names, held to them by tests.

use std::collections::BTreeMap;

use modelyard_sdk::stats::ranking::{self, Point};

/// What was predicted of each row, beside what was so.
#[derive(Debug)]
pub(super) enum Said {
    /// Of the positive class its probability.
    Binary {
        /// Whether it was positive.
        truth: Vec<bool>,
        /// From 0 to 1.
        probability: Vec<f64>,
    },
    /// Of each class its probability, row after row.
    Multiclass {
        /// The index of the true class.
        truth: Vec<usize>,
        /// How many classes.
        classes: usize,
        /// Row-major.
        probability: Vec<f64>,
    },
    /// A number.
    Regression {
        /// What it was.
        truth: Vec<f64>,
        /// What was said.
        predicted: Vec<f64>,
    },
}

/// The score from which on a row is called positive, as in
/// evaluation-classification by default.
const THRESHOLD: f64 = 0.5;

impl Said {
    /// How many rows.
    pub(super) fn rows(&self) -> usize {
        match self {
            Self::Binary { truth, .. } => truth.len(),
            Self::Multiclass { truth, .. } => truth.len(),
            Self::Regression { truth, .. } => truth.len(),
        }
    }

    /// Whether each row's class was called rightly; none for numbers.
    pub(super) fn right(&self) -> Option<Vec<bool>> {
        match self {
            Self::Binary { truth, probability } => {
                let right = truth.iter().zip(probability).map(|(truth, p)| (*p >= THRESHOLD) == *truth);
                Some(right.collect())
            }
            Self::Multiclass { truth, classes, probability } => {
                let right = |(truth, row): (&usize, &[f64])| first_greatest(row) == *truth;
                Some(truth.iter().zip(probability.chunks_exact((*classes).max(1))).map(right).collect())
            }
            Self::Regression { .. } => None,
        }
    }

    /// The metrics that can be taken, by name.
    pub(super) fn metrics(&self) -> BTreeMap<&'static str, Metric> {
        match self {
            Self::Binary { truth, probability } => binary(truth, probability),
            Self::Multiclass { truth, classes, probability } => multiclass(truth, *classes, probability),
            Self::Regression { truth, predicted } => regression(truth, predicted),
        }
    }
}

/// The first index of the greatest value.
fn first_greatest(values: &[f64]) -> usize {
    let mut best = (0, f64::NEG_INFINITY);
    for (at, value) in values.iter().enumerate() {
        if *value > best.1 {
            best = (at, *value);
        }
    }
    best.0
}

/// A metric that can be taken on any draw of the rows.
#[derive(Debug)]
pub(super) enum Metric {
    /// A function of sums over rows.
    Sums {
        /// What each row adds, as many numbers as the function takes.
        rows: Vec<[f64; 4]>,
        /// The metric of the sums; none where it isn't defined.
        of: fn([f64; 4]) -> Option<f64>,
    },
    /// A function of the rows ordered by score.
    Ranking {
        /// Rows from the highest score to the lowest, each with whether it is
        /// positive and whether the next has the same score.
        order: Vec<(usize, bool, bool)>,
        /// The metric of the curve's points.
        of: fn(&[Point]) -> Option<f64>,
    },
}

impl Metric {
    /// The metric where each row counts so often.
    pub(super) fn on(&self, counts: &[u32]) -> Option<f64> {
        match self {
            Self::Sums { rows, of } => {
                let mut sums = [0.0; 4];
                for (row, count) in rows.iter().zip(counts).filter(|(_, count)| **count > 0) {
                    for (sum, value) in sums.iter_mut().zip(row) {
                        *sum += value * f64::from(*count);
                    }
                }
                of(sums).filter(|value| value.is_finite())
            }
            Self::Ranking { order, of } => {
                let (mut true_positive, mut false_positive) = (0.0, 0.0);
                let mut points = Vec::new();
                for (row, positive, tied) in order {
                    let count = f64::from(counts.get(*row).copied().unwrap_or_default());
                    *(if *positive { &mut true_positive } else { &mut false_positive }) += count;
                    if !tied {
                        points.push(Point { threshold: 0.0, true_positive, false_positive });
                    }
                }
                of(&points)
            }
        }
    }
}

/// Σa / Σb.
fn ratio([a, b, ..]: [f64; 4]) -> Option<f64> {
    (b > 0.0).then(|| a / b)
}

fn sums(rows: impl Iterator<Item = [f64; 4]>, of: fn([f64; 4]) -> Option<f64>) -> Metric {
    Metric::Sums { rows: rows.collect(), of }
}

fn clip(p: f64) -> f64 {
    p.clamp(f64::EPSILON, 1.0 - f64::EPSILON)
}

fn number(so: bool) -> f64 {
    f64::from(u8::from(so))
}

fn binary(truth: &[bool], probability: &[f64]) -> BTreeMap<&'static str, Metric> {
    let mut metrics = BTreeMap::new();
    let rows = || truth.iter().copied().zip(probability.iter().copied());
    let called = || rows().map(|(truth, p)| (truth, p >= THRESHOLD));
    metrics.insert("accuracy", sums(called().map(|(t, c)| [number(t == c), 1.0, 0.0, 0.0]), ratio));
    metrics.insert("precision", sums(called().map(|(t, c)| [number(t && c), number(c), 0.0, 0.0]), ratio));
    metrics.insert("recall", sums(called().map(|(t, c)| [number(t && c), number(t), 0.0, 0.0]), ratio));
    // 2·tp / (2·tp + fp + fn): each row that is or is called positive counts once for each.
    let f1 = called().map(|(t, c)| [2.0 * number(t && c), number(t) + number(c), 0.0, 0.0]);
    metrics.insert("f1", sums(f1, ratio));
    if probability.iter().all(|p| (0.0..=1.0).contains(p)) {
        let loss = rows().map(|(t, p)| [-if t { clip(p) } else { clip(1.0 - p) }.ln(), 1.0, 0.0, 0.0]);
        metrics.insert("log_loss", sums(loss, ratio));
        metrics.insert("brier", sums(rows().map(|(t, p)| [(p - number(t)).powi(2), 1.0, 0.0, 0.0]), ratio));
    }
    for (name, of) in [
        ("roc_auc", ranking::roc_auc_of as fn(&[Point]) -> Option<f64>),
        ("average_precision", ranking::average_precision_of),
    ] {
        metrics.insert(name, Metric::Ranking { order: order(truth, probability), of });
    }
    metrics
}

/// Rows from the highest score to the lowest, equal scores marked.
fn order(truth: &[bool], scores: &[f64]) -> Vec<(usize, bool, bool)> {
    let mut rows: Vec<(usize, bool, f64)> =
        truth.iter().zip(scores).enumerate().map(|(row, (truth, score))| (row, *truth, *score)).collect();
    rows.sort_by(|a, b| b.2.total_cmp(&a.2));
    let next = rows.iter().skip(1).map(|row| Some(row.2)).chain([None]);
    // `==` and not bits: 0.0 and -0.0 are one score.
    rows.iter()
        .zip(next)
        .map(|((row, positive, score), next)| (*row, *positive, next == Some(*score)))
        .collect()
}

fn multiclass(truth: &[usize], classes: usize, probability: &[f64]) -> BTreeMap<&'static str, Metric> {
    let mut metrics = BTreeMap::new();
    let rows = || truth.iter().copied().zip(probability.chunks_exact(classes.max(1)));
    let right = rows().map(|(truth, row)| [number(first_greatest(row) == truth), 1.0, 0.0, 0.0]);
    metrics.insert("accuracy", sums(right, ratio));
    if probability.iter().all(|p| (0.0..=1.0).contains(p)) {
        let loss = rows().map(|(truth, row)| {
            let of_truth = row.get(truth).copied().unwrap_or_default() / row.iter().sum::<f64>();
            [-clip(of_truth).ln(), 1.0, 0.0, 0.0]
        });
        metrics.insert("log_loss", sums(loss, ratio));
        let squares = rows().map(|(truth, row)| {
            let error = |(class, p): (usize, &f64)| (p - number(class == truth)).powi(2);
            [row.iter().enumerate().map(error).sum(), 1.0, 0.0, 0.0]
        });
        metrics.insert("brier", sums(squares, ratio));
    }
    metrics
}

fn regression(truth: &[f64], predicted: &[f64]) -> BTreeMap<&'static str, Metric> {
    let mut metrics = BTreeMap::new();
    let errors = || truth.iter().zip(predicted).map(|(truth, predicted)| (truth, truth - predicted));
    metrics.insert("mse", sums(errors().map(|(_, e)| [e * e, 1.0, 0.0, 0.0]), ratio));
    let root = |sums| ratio(sums).map(f64::sqrt);
    metrics.insert("rmse", sums(errors().map(|(_, e)| [e * e, 1.0, 0.0, 0.0]), root));
    metrics.insert("mae", sums(errors().map(|(_, e)| [e.abs(), 1.0, 0.0, 0.0]), ratio));
    if !truth.contains(&0.0) {
        let relative = errors().map(|(truth, e)| [(e / truth).abs(), 1.0, 0.0, 0.0]);
        metrics.insert("mape", sums(relative, ratio));
    }
    // 1 − Σe² / (Σy² − (Σy)²/n), of y from its mean so that little is cancelled.
    let mean = truth.iter().sum::<f64>() / truth.len().max(1) as f64;
    let r2 = errors().map(|(truth, e)| [e * e, (truth - mean).powi(2), truth - mean, 1.0]);
    let of = |[squares, spread, sum, rows]: [f64; 4]| {
        let spread = spread - sum * sum / rows;
        (rows > 0.0 && spread > 0.0).then(|| 1.0 - squares / spread)
    };
    metrics.insert("r2", sums(r2, of));
    metrics
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use modelyard_sdk::stats::{self, Counts, Matrix, regression as of};
    use proptest::prelude::*;

    use super::*;

    /// Each value as often as it counts.
    fn repeated<T: Copy>(values: &[T], counts: &[u32]) -> Vec<T> {
        let each = |(value, count): (&T, &u32)| std::iter::repeat_n(*value, *count as usize);
        values.iter().zip(counts).flat_map(each).collect()
    }

    fn same(name: &str, ours: Option<f64>, theirs: Option<f64>) -> Result<(), TestCaseError> {
        let close = match (ours, theirs) {
            (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * (1.0 + b.abs()),
            (a, b) => a == b,
        };
        prop_assert!(close, "{name}: {ours:?}, not {theirs:?}");
        Ok(())
    }

    proptest! {
        /// A draw's metric is the definition that the evaluation plugins use, on the rows drawn.
        #[test]
        fn metrics_of_draws_are_those_of_the_rows_drawn(
            rows in proptest::collection::vec((any::<bool>(), 0_u8..=10, 0_u32..3), 1..60),
        ) {
            let truth: Vec<bool> = rows.iter().map(|row| row.0).collect();
            let scores: Vec<f64> = rows.iter().map(|row| f64::from(row.1) / 10.0).collect();
            let counts: Vec<u32> = rows.iter().map(|row| row.2).collect();
            let (t, p) = (repeated(&truth, &counts), repeated(&scores, &counts));
            let metrics = Said::Binary { truth: truth.clone(), probability: scores.clone() }.metrics();
            let ours = |name: &str| metrics[name].on(&counts);
            if !t.is_empty() {
                let c = Counts::at(&p, &t, 0.5).unwrap();
                same("accuracy", ours("accuracy"), c.accuracy())?;
                same("precision", ours("precision"), c.precision())?;
                same("recall", ours("recall"), c.recall())?;
                same("f1", ours("f1"), c.f1())?;
            }
            same("log_loss", ours("log_loss"), stats::log_loss(&p, &t))?;
            same("brier", ours("brier"), stats::brier(&p, &t))?;
            same("roc_auc", ours("roc_auc"), stats::roc_auc(&p, &t, None))?;
            same("average_precision", ours("average_precision"), stats::average_precision(&p, &t))?;

            let numbers: Vec<f64> =
                rows.iter().map(|row| 1.0 + 3.0 * number(row.0) + f64::from(row.2)).collect();
            let metrics = Said::Regression { truth: numbers.clone(), predicted: scores.clone() }.metrics();
            let y = repeated(&numbers, &counts);
            for (name, theirs) in [
                ("mse", of::mse(&y, &p)), ("rmse", of::rmse(&y, &p)), ("mae", of::mae(&y, &p)),
                ("mape", of::mape(&y, &p)),
            ] {
                same(name, metrics[name].on(&counts), theirs)?;
            }
            if y.iter().any(|value| (value - y[0]).abs() > 0.5) {
                same("r2", metrics["r2"].on(&counts), of::r2(&y, &p))?;
            }

            let classes: Vec<usize> = rows.iter().map(|row| row.1 as usize % 3).collect();
            let probability: Vec<f64> =
                scores.iter().flat_map(|score| [score / 2.0, 0.3 * (1.0 - score), 1.0 - score]).collect();
            let said =
                Said::Multiclass { truth: classes.clone(), classes: 3, probability: probability.clone() };
            let metrics = said.metrics();
            let t = repeated(&classes, &counts);
            let each: Vec<[f64; 3]> = probability.chunks(3).map(|row| [row[0], row[1], row[2]]).collect();
            let each = repeated(&each, &counts);
            let flat = each.concat();
            same("log_loss", metrics["log_loss"].on(&counts), stats::multiclass_log_loss(&flat, 3, &t))?;
            let called: Vec<usize> = each.iter().map(|row| first_greatest(row)).collect();
            let accuracy = Matrix::of(&t, &called, 3).and_then(|matrix| matrix.accuracy());
            same("accuracy", metrics["accuracy"].on(&counts), accuracy)?;
        }
    }
}
