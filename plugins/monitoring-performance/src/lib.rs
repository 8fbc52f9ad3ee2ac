//! Compares realised metrics with a reference.
