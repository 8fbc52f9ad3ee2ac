//! Scores logistic and ridge regression.
//!
//! - [`model`]: a model, and how it scores.
//! - [`mod@format`]: the artifact `modelyard-linear-1`, written and read.
//! - [`plugin`]: tensors in, tensors out.
//!
//! `training-linear` uses the first two. The component's export is behind the
//! feature `component`, on by default, so that a crate that depends on this one
//! as a library does not export `scoring` with it.

pub mod format;
pub mod model;
pub mod plugin;

pub use model::{Model, Term};

#[cfg(feature = "component")]
modelyard_sdk::export!(scoring: plugin::Linear);
