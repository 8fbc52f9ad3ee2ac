//! Pulls rows from CSV files (RFC 4180, optionally gzipped).
//!
//! * A file is read as a stream, so its size doesn't matter. The cursor holds
//!   the place in it, the columns and their types, the object's version and a
//!   fingerprint of what was read: a file that grew is continued, a replaced
//!   one is noticed.
//! * Types are declared (`columns`, `timestamps`), or taken over from the data
//!   set so far, or inferred from the first rows. A value of another type, a
//!   short or long row and a quoting fault reject the row, with its number, the
//!   column, the reason and the text; too many of them fail the pull.
//! * Text that isn't in the encoding fails the pull with row and byte, because
//!   nothing after it can be trusted.
//!
//! Empty lines are skipped, but in a file of one column, where they are nulls.
//!
//! `parameters.json` lists the parameters; [`scan`] reads records, [`header`]
//! finds the columns, [`session`] holds the open file, [`pull`] makes batches.

pub mod cursor;
pub mod header;
pub mod pull;
pub mod scan;
pub mod session;
pub mod settings;

use modelyard_sdk::prelude::*;

/// The plugin.
pub struct Csv;

impl Ingestion for Csv {
    fn describe() -> Description {
        Description::new("Pulls rows from CSV files (RFC 4180, optionally gzipped)")
            .parameters(settings::SCHEMA)
            .outputs(["the columns of the file, and the timestamps that the parameters make up"])
    }

    fn pull(
        parameters: &str,
        cursor: Option<String>,
        expected: Vec<Field>,
        max_rows: u32,
    ) -> Result<Batch, Error> {
        pull::pull(parameters, cursor, &expected, max_rows)
    }
}

modelyard_sdk::export!(ingestion: Csv);
