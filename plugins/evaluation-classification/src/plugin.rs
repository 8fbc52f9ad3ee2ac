//! Metrics, curves and a confusion matrix.

use modelyard_sdk::evaluation::Report;
use modelyard_sdk::prelude::{Confusion, Curve, Description, Evaluation, Metric, Reader, Result};
use modelyard_sdk::stats::Matrix;

use crate::gather::{Gathered, Predicted, gather};
use crate::params::{self, Parameters};
use crate::{binary, multiclass};

/// The plugin.
#[derive(Debug)]
pub struct Classification;

type Values = Vec<(&'static str, Option<f64>)>;

impl Evaluation for Classification {
    fn describe() -> Description {
        Description::new("Measures classifiers: scores or labels against the truth")
            .parameters(params::SCHEMA)
            .outputs([
                "accuracy, balanced_accuracy, matthews_correlation",
                "precision, recall, f1, jaccard, specificity: of the positive class (two classes)",
                "precision_macro, _micro, _weighted; recall, f1 and jaccard likewise",
                "roc_auc, average_precision (by steps), pr_auc (by trapezoids): two classes, from scores",
                "roc_auc_ovr_macro, roc_auc_ovr_weighted, average_precision_macro: more classes, from probabilities",
                "log_loss, brier (over all classes where there are more than two), expected_calibration_error: from probabilities",
                "curves: roc, precision_recall, calibration, of 200 points at most",
                "a metric that is not defined on the rows at hand is left out",
            ])
    }

    fn evaluate(parameters: &str, data: &Reader) -> Result<Report> {
        let parameters = modelyard_sdk::parameters::<Parameters>(parameters)?.check()?;
        let gathered = gather(&parameters, data)?;
        let all: Vec<usize> = (0..gathered.truth.len()).collect();
        let whole = Part::of(&gathered, &all, &parameters);
        let mut metrics = whole.metrics(None);
        for (slice, rows) in &gathered.slices {
            metrics.extend(Part::of(&gathered, rows, &parameters).metrics(Some(slice)));
        }
        let confusion = whole
            .matrix
            .map(|matrix| Confusion { labels: gathered.classes.clone(), counts: matrix.counts().to_vec() });
        Ok(Report { metrics, curves: whole.curves, confusion })
    }
}

/// What was measured on some rows.
struct Part {
    rows: usize,
    values: Values,
    curves: Vec<Curve>,
    matrix: Option<Matrix>,
}

impl Part {
    fn of(gathered: &Gathered, rows: &[usize], parameters: &Parameters) -> Self {
        let classes = gathered.classes.len();
        let truth: Vec<usize> = pick(&gathered.truth, rows);
        let positive: Vec<bool> = truth.iter().map(|class| *class == 1).collect();
        let bins = parameters.calibration_bins as usize;
        let (mut values, mut curves) = (Values::new(), Vec::new());
        let predicted: Vec<usize> = match &gathered.predicted {
            Predicted::Labels(labels) => pick(labels, rows),
            Predicted::Scores(scores) => {
                let scores = pick(scores, rows);
                values = binary::scores(&positive, &scores, bins);
                curves = binary::curves(&positive, &scores, bins);
                scores.iter().map(|score| usize::from(*score >= parameters.threshold)).collect()
            }
            Predicted::Probabilities(all) => {
                let row = |row: &usize| all.get(row * classes..(row + 1) * classes).unwrap_or_default();
                let scores: Vec<f64> = rows.iter().flat_map(row).copied().collect();
                let second: Vec<f64> = scores.iter().skip(1).step_by(classes).copied().collect();
                if classes == 2 {
                    values = binary::scores(&positive, &second, bins);
                    curves = binary::curves(&positive, &second, bins);
                    second.iter().map(|score| usize::from(*score >= parameters.threshold)).collect()
                } else {
                    values = multiclass::of_probabilities(&truth, &scores, classes);
                    scores.chunks_exact(classes).map(best).collect()
                }
            }
        };
        let matrix = Matrix::of(&truth, &predicted, classes);
        if classes == 2 {
            let predicted: Vec<bool> = predicted.iter().map(|class| *class == 1).collect();
            values.extend(binary::labels(&positive, &predicted));
        } else {
            values.extend(matrix.iter().flat_map(multiclass::of_matrix));
        }
        Self { rows: rows.len(), values, curves, matrix }
    }

    fn metrics(&self, slice: Option<&str>) -> Vec<Metric> {
        let metric = |(name, value): &(&'static str, Option<f64>)| {
            let metric = Metric::new(*name, (*value)?, self.rows as u64);
            Some(match slice {
                Some(slice) => metric.slice(slice),
                None => metric,
            })
        };
        self.values.iter().filter_map(metric).collect()
    }
}

fn pick<T: Copy>(values: &[T], rows: &[usize]) -> Vec<T> {
    rows.iter().filter_map(|row| values.get(*row).copied()).collect()
}

/// The first index of the greatest value.
fn best(values: &[f64]) -> usize {
    let mut best = (0, f64::NEG_INFINITY);
    for (at, value) in values.iter().enumerate() {
        if *value > best.1 {
            best = (at, *value);
        }
    }
    best.0
}
