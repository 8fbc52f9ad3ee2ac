//! Compares texts with reference texts, row by row; every metric is the mean
//! over the rows, as a whole and for each value of the slice columns.
//!
//! - [`tokens`]: texts cut into words.
//! - [`similarity`]: token F1, Jaccard, exact match, ROUGE-L.
//! - [`tfidf`]: the cosine of TF-IDF vectors.
//! - [`plugin`]: columns in, metrics out.

pub mod plugin;
pub mod similarity;
pub mod tfidf;
pub mod tokens;

modelyard_sdk::export!(evaluation: plugin::TextComparison);
