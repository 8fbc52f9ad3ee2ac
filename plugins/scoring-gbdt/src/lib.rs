//! Scores gradient-boosted decision trees.
//!
//! - [`model`]: a model as trainers build it.
//! - [`mod@format`]: the artifact `modelyard-gbdt-1`, written and read.
//! - [`forest`]: a model laid out for scoring.
//! - [`plugin`]: tensors in, tensors out.
//!
//! `training-gbdt` uses the first three. The component's export is behind the
//! feature `component`, on by default, so that a crate that depends on this one
//! as a library does not export `scoring` with it.

pub mod forest;
pub mod format;
pub mod model;
pub mod plugin;

pub use forest::Forest;
pub use model::{Model, Node, Tree};

#[cfg(feature = "component")]
modelyard_sdk::export!(scoring: plugin::Gbdt);
