//! What a plugin author writes against.

pub mod stats;
