//! Ingestion: pull batches of rows from a source, with a cursor.

use crate::{Description, Error, Field, Result, Table};

pub use crate::bindings::ingestion::exports::modelyard::lifecycle::ingestion::RejectedRow;

/// Pulls batches of rows from a source. Stateless: the host keeps the cursor in
/// the transaction that stores the rows.
pub trait Ingestion {
    /// What the plugin says of itself.
    fn describe() -> Description;

    /// Reads up to `max_rows` rows after `cursor` (none: from the start).
    /// `expected` holds the columns of the data set so far (empty: none yet):
    /// values are read as those types where they can be, and come as a column of
    /// another type where they can't, so that the host sees the change.
    fn pull(parameters: &str, cursor: Option<String>, expected: Vec<Field>, max_rows: u32) -> Result<Batch>;
}

/// What one pull gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The columns of `rows`, in order, also when there are none.
    pub schema: Vec<Field>,
    /// The rows that could be read.
    pub rows: Table,
    /// The rows that could not, kept for a person to look at.
    pub rejected: Vec<RejectedRow>,
    /// Where the next pull begins. Opaque to the host.
    pub cursor: String,
    /// True when the source has no more for now.
    pub done: bool,
}

#[doc(hidden)]
pub mod adapter {
    use super::*;
    use crate::bindings::ingestion::exports::modelyard::lifecycle::ingestion as wit;

    pub fn pull<P: Ingestion>(
        parameters: &str,
        cursor: Option<String>,
        expected: Vec<Field>,
        max_rows: u32,
    ) -> Result<wit::Batch, Error> {
        crate::panic::install();
        let Batch { schema, rows, rejected, cursor, done } = P::pull(parameters, cursor, expected, max_rows)?;
        Ok(wit::Batch { schema, rows: rows.into(), rejected, cursor, done })
    }
}
