//! Parsed orders.

use std::cmp::Ordering;

use super::{Entity, Kind, Subject};
use crate::Result;

/// Which end comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

/// Keys to order by, then the kind's own default order.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    keys: Vec<(Entity, String, Direction)>,
}

impl Order {
    /// Reads `clauses` such as ``metrics.`f 1` DESC`` and appends `kind`'s tie-breaks.
    ///
    /// # Errors
    /// [`crate::Error::Syntax`] with the position, or [`crate::Error::Invalid`] in MLflow's words.
    pub fn parse(_kind: Kind, _clauses: &[String]) -> Result<Self> {
        Ok(Self { keys: Vec::new() })
    }

    /// The keys, tie-breaks last.
    pub fn keys(&self) -> &[(Entity, String, Direction)] {
        &self.keys
    }

    /// Which of two comes first. A missing value comes last in either direction.
    pub fn compare<S: Subject>(&self, _a: &S, _b: &S) -> Ordering {
        Ordering::Equal
    }
}
