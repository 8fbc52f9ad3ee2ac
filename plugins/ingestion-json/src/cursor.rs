//! The place where a pull stopped, as the host keeps it.

use modelyard_sdk::ingest::{Fingerprint, TypeName};
use modelyard_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::columns::Known;

/// Everything that the next pull needs to go on without having seen this one.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// The form of this record; 1.
    pub v: u32,
    /// The source; another one starts at its own beginning.
    pub url: String,
    /// Where in it.
    pub place: Place,
    /// Records read, rejected ones among them.
    pub row: u64,
    /// Records rejected.
    pub rejected: u64,
    /// Whether the end was reached.
    pub done: bool,
    /// The columns and the types that they are read as.
    pub columns: Vec<(String, String)>,
}

/// Where a source was left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// In a file.
    File {
        /// The object's version.
        version: String,
        /// Behind the last record, in the inflated content.
        position: u64,
        /// What comes before.
        fingerprint: Fingerprint,
        /// Whether the file is a document (an array of records), not lines.
        document: bool,
    },
    /// In an API.
    Page(Page),
}

/// A page of an API and how much of it was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// The page's URL.
    pub url: String,
    /// The page's number, or the number of records before it.
    pub number: u64,
    /// Records of it that were read.
    pub index: usize,
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

    /// The columns with their types.
    pub fn known(&self) -> Result<Vec<Known>, Error> {
        let parse = |(name, kind): &(String, String)| {
            let kind: TypeName = serde_json::from_value(serde_json::Value::String(kind.clone()))
                .map_err(|_| Error::invalid(format!("the cursor names a type {kind:?} that there isn't")))?;
            Ok(Known { name: name.clone(), kind: kind.into() })
        };
        self.columns.iter().map(parse).collect()
    }
}
