//! Statistics that several plugins share, in plain slices of numbers.
//!
//! - [`ranking`]: ROC and precision-recall: areas and curves.
//! - [`probability`]: log loss, Brier score, calibration.
//! - [`confusion`]: counts by class and what follows from them.
//! - [`regression`]: squared, absolute and relative errors, explained variance.
//! - [`summary`]: mean, standard deviation, quantiles.
//!
//! Definitions are scikit-learn's (version 1.7), which the tests of the
//! evaluation plugins compare with to 1e-9. A value that is not defined on the
//! given data (an AUC of one class, a mean of nothing, anything of a NaN) is
//! `None`, never NaN. Slices of unequal length count as not defined.

// Indices here come from loops over the lengths that were checked before.
#![allow(clippy::indexing_slicing)]

pub mod confusion;
pub mod probability;
pub mod ranking;
pub mod regression;
pub mod summary;

pub use confusion::{Average, Counts, Matrix};
pub use probability::{brier, log_loss, multiclass_log_loss};
pub use ranking::{average_precision, pr_auc, roc_auc};
pub use summary::{mean, median, quantile, std_dev, variance};

#[cfg(test)]
mod tests;
