//! Compares texts with reference texts.
