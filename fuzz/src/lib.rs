//! What the targets share: how a model that could be read is held to its word
//! ([`model`]), how a source is pulled ([`source`]), and what the fuzzer begins
//! with ([`seeds`]).
//!
//! A target fails by a panic, by more memory than libFuzzer's limits, or by more
//! time than its timeout; see `scripts/fuzz`.

pub mod model;
pub mod seeds;
pub mod source;
