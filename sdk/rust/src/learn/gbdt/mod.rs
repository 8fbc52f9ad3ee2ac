//! Gradient-boosted decision trees: what `training-gbdt` writes and
//! `scoring-gbdt` reads. A trainer of your own that writes [`mod@format`] has its
//! models scored by the built-in runner.
//!
//! - [`Model`], [`Tree`], [`Node`]: a model as trainers build it.
//! - [`mod@format`]: the artifact `modelyard-gbdt-1`.
//! - [`Forest`]: a model laid out for scoring.

pub mod forest;
pub mod format;
pub mod model;

pub use forest::Forest;
pub use model::{Model, Node, Tree};
