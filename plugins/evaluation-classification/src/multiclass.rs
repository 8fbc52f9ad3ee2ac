//! More classes: averages over classes, and each class against the rest.

use modelyard_sdk::stats::{self, Average, Counts, Matrix};

/// Metrics of a confusion matrix.
#[must_use]
pub fn of_matrix(matrix: &Matrix) -> Vec<(&'static str, Option<f64>)> {
    let mut metrics = vec![
        ("accuracy", matrix.accuracy()),
        ("balanced_accuracy", matrix.balanced_accuracy()),
        ("matthews_correlation", matrix.matthews()),
    ];
    type Value = fn(&Counts) -> Option<f64>;
    let averaged: [([&str; 3], Value); 4] = [
        (["precision_macro", "precision_micro", "precision_weighted"], Counts::precision),
        (["recall_macro", "recall_micro", "recall_weighted"], Counts::recall),
        (["f1_macro", "f1_micro", "f1_weighted"], Counts::f1),
        (["jaccard_macro", "jaccard_micro", "jaccard_weighted"], Counts::jaccard),
    ];
    for (names, value) in averaged {
        for (name, average) in names.into_iter().zip([Average::Macro, Average::Micro, Average::Weighted]) {
            metrics.push((name, matrix.averaged(average, value)));
        }
    }
    metrics
}

/// Metrics of a probability for each of `classes` classes, row after row:
/// one-vs-rest areas as means over the classes, plain and weighted by their
/// rows; a class that is missing or alone makes them undefined. The Brier score
/// is the mean over rows of the sum over classes (Brier, 1950).
#[must_use]
pub fn of_probabilities(
    truth: &[usize],
    probabilities: &[f64],
    classes: usize,
) -> Vec<(&'static str, Option<f64>)> {
    let mut areas = Vec::with_capacity(classes);
    let mut precisions = Vec::with_capacity(classes);
    let mut squares = 0.0;
    for class in 0..classes {
        let scores: Vec<f64> = probabilities.iter().skip(class).step_by(classes).copied().collect();
        let positive: Vec<bool> = truth.iter().map(|truth| *truth == class).collect();
        let rows = positive.iter().filter(|positive| **positive).count() as f64;
        areas.push(stats::roc_auc(&scores, &positive, None).map(|area| (area, rows)));
        precisions.push(stats::average_precision(&scores, &positive).map(|area| (area, rows)));
        let error = |(score, positive): (&f64, &bool)| (score - f64::from(u8::from(*positive))).powi(2);
        squares += scores.iter().zip(&positive).map(error).sum::<f64>();
    }
    let plain = |values: &[Option<(f64, f64)>]| {
        let values: Option<Vec<f64>> = values.iter().map(|value| value.map(|value| value.0)).collect();
        stats::mean(&values?)
    };
    let weighted: Option<Vec<(f64, f64)>> = areas.iter().copied().collect();
    let weighted = weighted.map(|areas| {
        areas.iter().map(|(area, rows)| area * rows).sum::<f64>() / areas.iter().map(|a| a.1).sum::<f64>()
    });
    let in_range = probabilities.iter().all(|p| (0.0..=1.0).contains(p));
    vec![
        ("roc_auc_ovr_macro", plain(&areas)),
        ("roc_auc_ovr_weighted", weighted),
        ("average_precision_macro", plain(&precisions)),
        ("log_loss", stats::multiclass_log_loss(probabilities, classes, truth)),
        ("brier", in_range.then(|| squares / truth.len() as f64)),
    ]
}
