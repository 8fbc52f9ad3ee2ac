//! Pulls rows from NDJSON and JSON arrays, from a file or a paged HTTP API.
//!
//! * A file is read as a stream, also where it is one large array somewhere in
//!   a document (`records`). Without `paging`, an http address is such a file.
//! * An API is read page by page: by page number, offset, a token or URL in the
//!   body, or the `Link` header. At its end the cursor stays on the last page,
//!   so that the next pull finds what was added.
//! * Nested objects become columns whose names are joined with dots
//!   (`user.name`); arrays are kept as JSON text. A key that appears late
//!   becomes a column that is null before.
//! * Types are declared, or taken over from the data set so far, or inferred
//!   from the rows of the pull in which a column appears. What is no record,
//!   or has a value of another type, is rejected with number, column, reason
//!   and text; too many of them fail the pull.
//!
//! `parameters.json` lists the parameters.

pub mod api;
pub mod columns;
pub mod cursor;
pub mod document;
pub mod file;
pub mod pull;
pub mod settings;
pub mod url;

use modelyard_sdk::prelude::*;

/// The plugin.
pub struct Json;

impl Ingestion for Json {
    fn describe() -> Description {
        Description::new("Pulls rows from NDJSON and JSON arrays, from a file or a paged HTTP API")
            .parameters(settings::SCHEMA)
            .outputs(["a column for each key, nested keys joined with dots"])
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

modelyard_sdk::export!(ingestion: Json);
