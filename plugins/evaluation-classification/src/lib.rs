//! Measures classifiers: scores or labels against the truth.
//!
//! - [`params`]: which columns, which classes, which threshold.
//! - [`gather`]: the columns read, and what can't be measured refused.
//! - [`binary`] and [`multiclass`]: what is measured.
//! - [`plugin`]: metrics, curves and a confusion matrix; the same metrics again
//!   for each value of the slice columns.
//!
//! A metric that is not defined on the rows at hand (an AUC of one class, a
//! precision where nothing is called positive) is left out, never NaN.

pub mod binary;
pub mod gather;
pub mod multiclass;
pub mod params;
pub mod plugin;

modelyard_sdk::export!(evaluation: plugin::Classification);
