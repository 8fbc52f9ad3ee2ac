//! Parameters that ingestion plugins have in common.

use serde::Deserialize;

use crate::ColumnType;

/// A column's type as a parameter names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TypeName {
    /// IEEE 754 double.
    #[serde(alias = "float", alias = "double", alias = "number")]
    F64,
    /// Signed 64-bit integer.
    #[serde(alias = "i64", alias = "int", alias = "integer")]
    S64,
    /// True or false.
    #[serde(alias = "bool")]
    Boolean,
    /// Text.
    #[serde(alias = "string", alias = "text")]
    Utf8,
    /// Microseconds since 1970.
    #[serde(alias = "datetime", alias = "date")]
    Timestamp,
}

impl From<TypeName> for ColumnType {
    fn from(name: TypeName) -> ColumnType {
        match name {
            TypeName::F64 => ColumnType::F64,
            TypeName::S64 => ColumnType::S64,
            TypeName::Boolean => ColumnType::Boolean,
            TypeName::Utf8 => ColumnType::Utf8,
            TypeName::Timestamp => ColumnType::Timestamp,
        }
    }
}

impl From<ColumnType> for TypeName {
    fn from(kind: ColumnType) -> TypeName {
        match kind {
            ColumnType::F64 => TypeName::F64,
            ColumnType::S64 => TypeName::S64,
            ColumnType::Boolean => TypeName::Boolean,
            ColumnType::Utf8 => TypeName::Utf8,
            ColumnType::Timestamp => TypeName::Timestamp,
        }
    }
}

/// What to do with a value that no longer fits the type that its column had
/// until now. A declared type stays as it is in either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum OnTypeChange {
    /// The row is rejected.
    #[default]
    Reject,
    /// The batch gives the column a type that holds both: f64 for integers
    /// and fractions, utf8 for anything else.
    Widen,
}

/// What to do with a source whose content was replaced between two pulls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum OnReplaced {
    /// The pull fails and says so.
    #[default]
    Error,
    /// The new content is read from its beginning.
    Restart,
}

/// Texts that stand for a missing value.
#[derive(Debug, Clone)]
pub struct Nulls {
    tokens: Vec<Vec<u8>>,
    empty: bool,
    /// Whether a token begins with this byte: most values are told apart by it.
    begins: [bool; 256],
}

impl Nulls {
    /// The tokens that are used when a parameter gives none.
    pub const DEFAULT: [&'static str; 8] = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"];

    /// A set of tokens, compared byte by byte.
    pub fn new<T: AsRef<str>>(tokens: &[T]) -> Nulls {
        let mut nulls = Nulls { tokens: Vec::new(), empty: false, begins: [false; 256] };
        for token in tokens {
            let token = token.as_ref().as_bytes();
            match token.first() {
                None => nulls.empty = true,
                Some(first) => {
                    if let Some(begins) = nulls.begins.get_mut(usize::from(*first)) {
                        *begins = true;
                    }
                    nulls.tokens.push(token.to_vec());
                }
            }
        }
        nulls
    }

    /// Whether the text stands for a missing value.
    pub fn contain(&self, text: &[u8]) -> bool {
        match text.first() {
            None => self.empty,
            Some(first) => {
                self.begins.get(usize::from(*first)).copied().unwrap_or_default()
                    && self.tokens.iter().any(|token| token == text)
            }
        }
    }
}

impl Default for Nulls {
    fn default() -> Nulls {
        Nulls::new(&Nulls::DEFAULT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nulls_are_whole_tokens() {
        let nulls = Nulls::default();
        assert!(nulls.contain(b"") && nulls.contain(b"NA") && nulls.contain(b"null"));
        assert!(!nulls.contain(b"NAN ") && !nulls.contain(b"N") && !nulls.contain(b"0"));
        assert!(!Nulls::new(&["-"]).contain(b""));
    }
}
