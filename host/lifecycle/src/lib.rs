//! The twelve stages of a model's life.
