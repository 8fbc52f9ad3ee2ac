//! Two classes: what labels say, and what scores say beyond them.

use modelyard_sdk::evaluation::Curve;
use modelyard_sdk::stats::{self, Counts, Matrix, probability, ranking};

use crate::multiclass;

/// The most points of a curve.
const POINTS: usize = 200;

/// Metrics of labels, `None` where not defined. Without a prefix they are those
/// of the positive class.
#[must_use]
pub fn labels(truth: &[bool], predicted: &[bool]) -> Vec<(&'static str, Option<f64>)> {
    let Some(counts) = Counts::of(truth, predicted) else { return Vec::new() };
    let index = |values: &[bool]| values.iter().map(|value| usize::from(*value)).collect::<Vec<_>>();
    let matrix = Matrix::of(&index(truth), &index(predicted), 2);
    let mut metrics = vec![
        ("precision", counts.precision()),
        ("recall", counts.recall()),
        ("f1", counts.f1()),
        ("jaccard", counts.jaccard()),
        ("specificity", counts.specificity()),
    ];
    metrics.extend(matrix.iter().flat_map(multiclass::of_matrix));
    metrics
}

/// Metrics of scores. Those of probabilities are left out where a score is not
/// in 0..=1.
#[must_use]
pub fn scores(truth: &[bool], scores: &[f64], bins: usize) -> Vec<(&'static str, Option<f64>)> {
    let points = ranking::points(scores, truth, None).unwrap_or_default();
    let calibration = probability::calibration(scores, truth, bins);
    vec![
        ("roc_auc", ranking::roc_auc_of(&points)),
        ("average_precision", ranking::average_precision_of(&points)),
        ("pr_auc", ranking::pr_auc_of(&points)),
        ("log_loss", stats::log_loss(scores, truth)),
        ("brier", stats::brier(scores, truth)),
        (
            "expected_calibration_error",
            calibration.as_deref().and_then(probability::expected_calibration_error),
        ),
    ]
}

/// ROC, precision-recall and calibration curves, those that are defined.
#[must_use]
pub fn curves(truth: &[bool], scores: &[f64], bins: usize) -> Vec<Curve> {
    let points = ranking::points(scores, truth, None).unwrap_or_default();
    let calibration = probability::calibration(scores, truth, bins)
        .map(|bins| bins.iter().map(|bin| (bin.predicted, bin.observed)).collect());
    let named = [
        ("roc", "false positive rate", "true positive rate", ranking::roc_curve(&points, POINTS)),
        ("precision_recall", "recall", "precision", ranking::precision_recall_curve(&points, POINTS)),
        ("calibration", "mean probability", "share of positives", calibration),
    ];
    let mut curves = Vec::new();
    for (name, x_label, y_label, points) in named {
        if let Some(points) = points {
            let (x, y) = points.into_iter().unzip();
            curves.push(Curve { name: name.into(), x_label: x_label.into(), y_label: y_label.into(), x, y });
        }
    }
    curves
}
