//! Linear models: what `training-linear` writes and `scoring-linear` reads.
//!
//! - [`Model`], [`Term`]: a model, and how it scores.
//! - [`mod@format`]: the artifact `modelyard-linear-1`.

pub mod format;
pub mod model;

pub use model::{Model, Term};
