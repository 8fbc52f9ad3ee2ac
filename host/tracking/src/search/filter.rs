//! Parsed filters.

use super::{Kind, Subject};
use crate::Result;

/// Which of a subject's properties a clause looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Entity {
    /// An attribute.
    Attribute,
    /// A metric's latest value.
    Metric,
    /// A parameter.
    Param,
    /// A tag.
    Tag,
    /// A data set's name, digest or context.
    Dataset,
}

/// How a clause compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparator {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
    /// `LIKE`
    Like,
    /// `ILIKE`
    ILike,
    /// `IN`
    In,
    /// `NOT IN`
    NotIn,
    /// `IS NULL`
    IsNull,
    /// `IS NOT NULL`
    IsNotNull,
}

/// What a clause compares with.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing: `IS NULL`.
    None,
    /// Text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// Any number.
    Number(f64),
    /// Texts: `IN`.
    List(Vec<String>),
}

/// One comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Clause {
    /// Where to look.
    pub entity: Entity,
    /// The key or the attribute's canonical name.
    pub key: String,
    /// How to compare.
    pub comparator: Comparator,
    /// With what.
    pub value: Value,
    /// Where the clause begins, in bytes.
    pub position: usize,
}

/// Clauses that must all hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    clauses: Vec<Clause>,
}

impl Filter {
    /// Reads `text` as a filter over `kind`; empty text finds everything.
    ///
    /// # Errors
    /// [`crate::Error::Syntax`] with the position, or [`crate::Error::Invalid`] in MLflow's words.
    pub fn parse(_kind: Kind, _text: &str) -> Result<Self> {
        Ok(Self { clauses: Vec::new() })
    }

    /// The comparisons, in the order they were written.
    pub fn clauses(&self) -> &[Clause] {
        &self.clauses
    }

    /// Whether every clause holds for `subject`.
    pub fn matches(&self, _subject: &impl Subject) -> bool {
        self.clauses.is_empty()
    }
}
