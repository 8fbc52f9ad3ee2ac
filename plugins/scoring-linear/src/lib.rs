//! Scores logistic and ridge regression: artifacts of the format
//! `modelyard-linear-1`, which [`modelyard_sdk::learn::linear`] describes.
//!
//! An input is a tensor of its column's name and of the shape [n] or [n, 1]. A
//! missing number is NaN, a missing category the empty text.

pub mod plugin;

modelyard_sdk::export!(scoring: plugin::Linear);
