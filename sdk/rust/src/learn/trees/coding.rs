//! Categories as texts, and the codes that a file's splits are about.

use crate::learn::{Kind, MAX_CATEGORIES};

/// A categorical column: its texts sorted, as [`Kind::Category`] wants them,
/// and the code of each, which is its place in the file's list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Coding {
    sorted: Vec<String>,
    /// By sorted place; one more at the end for a missing value: NaN.
    codes: Vec<f64>,
}

impl Coding {
    /// From the texts in the file's order. Too many of them, or one that is
    /// there twice, is an error.
    pub fn new(texts: Vec<String>) -> Result<Self, String> {
        if texts.len() > MAX_CATEGORIES {
            return Err(format!("{} categories; {MAX_CATEGORIES} is the most", texts.len()));
        }
        let mut pairs: Vec<(String, u32)> = texts.into_iter().zip(0..).collect();
        pairs.sort();
        for ((text, _), (next, _)) in pairs.iter().zip(pairs.iter().skip(1)) {
            if text == next {
                return Err(format!("the category {text:?} is there twice"));
            }
        }
        let codes = pairs.iter().map(|(_, code)| f64::from(*code)).chain([f64::NAN]).collect();
        Ok(Self { sorted: pairs.into_iter().map(|(text, _)| text).collect(), codes })
    }

    /// What the input holds.
    #[must_use]
    pub fn kind(&self) -> Kind {
        Kind::Category(self.sorted.clone())
    }

    /// The code of a value that [`Rows`](crate::learn::Rows) read: NaN for a
    /// missing or unknown category.
    #[must_use]
    pub fn code(&self, value: f64) -> f64 {
        self.codes.get(value as usize).copied().unwrap_or(f64::NAN)
    }
}
