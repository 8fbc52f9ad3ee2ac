//! A model, and how it scores: raw scores are an intercept and, for each input,
//! a coefficient times its value, or a coefficient by category.

use crate::learn::{Head, Input, Rows};

/// A linear model. With k scores, every list of coefficients holds k numbers for
/// each thing it is about, one per score.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// What it answers.
    pub head: Head,
    /// The columns that it takes.
    pub inputs: Vec<Input>,
    /// What each input adds.
    pub terms: Vec<Term>,
    /// The scores before any input, k of them.
    pub intercept: Vec<f64>,
}

/// What an input adds to the scores.
#[derive(Clone, Debug, PartialEq)]
pub enum Term {
    /// For numbers and booleans.
    Number {
        /// The value that stands for a missing one: the training mean.
        fill: f64,
        /// k coefficients of the value.
        slope: Vec<f64>,
        /// k numbers that are added where the value is missing.
        missing: Vec<f64>,
    },
    /// For categories: k numbers for each, then k for a missing or unknown one.
    Category {
        /// `by_category[category * k + score]`.
        by_category: Vec<f64>,
    },
}

impl Model {
    /// The raw scores of all rows, row after row.
    #[must_use]
    pub fn score(&self, batch: &Rows) -> Vec<f64> {
        let (width, k) = (self.inputs.len().max(1), self.intercept.len().max(1));
        let mut scores: Vec<f64> = self.intercept.iter().copied().cycle().take(k * batch.rows).collect();
        for (row, scores) in batch.values.chunks_exact(width).zip(scores.chunks_exact_mut(k)) {
            for (term, value) in self.terms.iter().zip(row) {
                term.add(*value, scores);
            }
        }
        scores
    }
}

impl Term {
    fn add(&self, value: f64, scores: &mut [f64]) {
        match self {
            Self::Number { slope, fill, missing } => {
                // An infinity would turn the score into NaN where a slope is 0.
                let known = if value.is_nan() { *fill } else { value.clamp(f64::MIN, f64::MAX) };
                for (score, slope) in scores.iter_mut().zip(slope) {
                    *score += slope * known;
                }
                if value.is_nan() {
                    scores.iter_mut().zip(missing).for_each(|(score, missing)| *score += missing);
                }
            }
            Self::Category { by_category } => {
                let k = scores.len();
                let first = (value as usize).saturating_mul(k);
                for (score, coefficient) in
                    scores.iter_mut().zip(by_category.get(first..).unwrap_or_default())
                {
                    *score += coefficient;
                }
            }
        }
    }
}
