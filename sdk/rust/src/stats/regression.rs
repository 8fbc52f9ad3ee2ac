//! Errors of predicted numbers. Every function takes the truth first and gives
//! `None` for no rows, slices of unequal length, or a NaN or infinity.

use super::{mean, median};

/// Mean squared error.
#[must_use]
pub fn mse(truth: &[f64], predicted: &[f64]) -> Option<f64> {
    mean(&errors(truth, predicted)?.iter().map(|e| e * e).collect::<Vec<_>>())
}

/// Root of the mean squared error.
#[must_use]
pub fn rmse(truth: &[f64], predicted: &[f64]) -> Option<f64> {
    mse(truth, predicted).map(f64::sqrt)
}

/// Mean absolute error.
#[must_use]
pub fn mae(truth: &[f64], predicted: &[f64]) -> Option<f64> {
    mean(&absolute(truth, predicted)?)
}

/// Median absolute error.
#[must_use]
pub fn median_ae(truth: &[f64], predicted: &[f64]) -> Option<f64> {
    median(&absolute(truth, predicted)?)
}

/// Largest absolute error.
#[must_use]
pub fn max_error(truth: &[f64], predicted: &[f64]) -> Option<f64> {
    absolute(truth, predicted)?.into_iter().reduce(f64::max)
}

/// Mean absolute error relative to |truth|, as a fraction. `None` also where a
/// true value is 0: scikit-learn divides by the machine epsilon there, which
/// says nothing.
#[must_use]
pub fn mape(truth: &[f64], predicted: &[f64]) -> Option<f64> {
    if truth.contains(&0.0) {
        return None;
    }
    let errors = absolute(truth, predicted)?;
    mean(&errors.iter().zip(truth).map(|(e, t)| e / t.abs()).collect::<Vec<_>>())
}

/// Coefficient of determination: 1 − Σe² / Σ(y − ȳ)². `None` also where the
/// truth does not vary.
#[must_use]
pub fn r2(truth: &[f64], predicted: &[f64]) -> Option<f64> {
    let errors = errors(truth, predicted)?;
    let residual: f64 = errors.iter().map(|e| e * e).sum();
    let total = spread(truth)?;
    (total > 0.0).then(|| 1.0 - residual / total)
}

/// Explained variance: 1 − Var(e) / Var(y): [`r2`] with a constant error
/// forgiven. `None` also where the truth does not vary.
#[must_use]
pub fn explained_variance(truth: &[f64], predicted: &[f64]) -> Option<f64> {
    let residual = spread(&errors(truth, predicted)?)?;
    let total = spread(truth)?;
    (total > 0.0).then(|| 1.0 - residual / total)
}

fn spread(values: &[f64]) -> Option<f64> {
    let centre = mean(values)?;
    Some(values.iter().map(|v| (v - centre).powi(2)).sum())
}

fn errors(truth: &[f64], predicted: &[f64]) -> Option<Vec<f64>> {
    if truth.is_empty() || truth.len() != predicted.len() {
        return None;
    }
    let errors: Vec<f64> = truth.iter().zip(predicted).map(|(t, p)| t - p).collect();
    errors.iter().all(|e| e.is_finite()).then_some(errors)
}

fn absolute(truth: &[f64], predicted: &[f64]) -> Option<Vec<f64>> {
    errors(truth, predicted).map(|errors| errors.iter().map(|e| e.abs()).collect())
}
