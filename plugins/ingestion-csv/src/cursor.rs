//! The place where a pull stopped, as the host keeps it.

use modelyard_sdk::ingest::{Fingerprint, TypeName};
use modelyard_sdk::prelude::*;
use serde::{Deserialize, Serialize};

/// Everything that the next pull needs to go on without having seen this one.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// The form of this record; 1.
    pub v: u32,
    /// The source; another one starts at its own beginning.
    pub url: String,
    /// The object's version.
    pub version: String,
    /// The place in the inflated content, in bytes.
    pub position: u64,
    /// What comes before it.
    pub fingerprint: Fingerprint,
    /// Rows read, rejected ones among them.
    pub row: u64,
    /// Rows rejected.
    pub rejected: u64,
    /// Whether the last record had no line end, so that more of it may come.
    pub unterminated: bool,
    /// Whether the end was reached.
    pub done: bool,
    /// The columns and the types that they are read as.
    pub columns: Vec<(String, String)>,
    /// Whether the types come from rows that were seen; a file of a header
    /// only leaves them open.
    pub sampled: bool,
}

impl Cursor {
    /// The only form there is.
    pub const FORM: u32 = 1;

    /// Reads a cursor.
    pub fn parse(text: &str) -> Result<Cursor, Error> {
        let cursor: Cursor = serde_json::from_str(text)
            .map_err(|error| Error::invalid(format!("the cursor is not one of this plugin: {error}")))?;
        if cursor.v != Cursor::FORM {
            let why = format!("the cursor has form {}; this plugin reads form {}", cursor.v, Cursor::FORM);
            return Err(Error::invalid(why));
        }
        Ok(cursor)
    }

    /// The cursor as text.
    pub fn text(&self) -> Result<String, Error> {
        serde_json::to_string(self).map_err(|error| Error::internal(error.to_string()))
    }

    /// The columns' types.
    pub fn types(&self) -> Result<Vec<ColumnType>, Error> {
        let parse = |name: &String| {
            serde_json::from_value::<TypeName>(serde_json::Value::String(name.clone()))
                .map(ColumnType::from)
                .map_err(|_| Error::invalid(format!("the cursor names a type {name:?} that there isn't")))
        };
        self.columns.iter().map(|(_, kind)| parse(kind)).collect()
    }
}
