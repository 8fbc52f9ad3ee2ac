//! A record as the database keeps it.

use rand::Rng;
use serde_json::Value;
use surrealdb::types::{Object, Value as Db};

use crate::{Error, Record, Result, encode, json};

/// A record on its way into the database.
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) json: Value,
}

impl Row {
    pub(crate) fn of<R: Record>(record: &R) -> Result<Self> {
        let id = record.id();
        let json = encode::to_json(record)
            .map_err(|reason| Error::BadValue { what: format!("{} {id:?}", R::TABLE), reason })?;
        Ok(Self { id, json })
    }

    pub(crate) fn content(&self) -> Db {
        content(&self.json)
    }
}

/// What a row consists of: the text that is read back, the copy that is searched, the revision.
pub(crate) fn content(json: &Value) -> Db {
    let mut content = Object::new();
    content.insert("doc", Db::String(json.to_string()));
    content.insert("f", encode::to_db(json));
    // Random, so that a record that was deleted and made again is not taken for the old one.
    content.insert("rev", rand::rng().random_range(1..i64::MAX));
    Db::Object(content)
}

/// The JSON of a stored record.
pub(crate) fn parse(table: &str, id: &str, doc: &str) -> Result<Value> {
    json::parse(doc).map_err(|reason| decode_error(table, id, reason))
}

/// The record that a stored JSON stands for.
pub(crate) fn decode<R: Record>(id: &str, json: Value) -> Result<R> {
    serde_json::from_value(json).map_err(|error| decode_error(R::TABLE, id, error.to_string()))
}

pub(crate) fn decode_error(table: &str, id: &str, reason: String) -> Error {
    Error::Decode { table: table.to_owned(), id: id.to_owned(), reason }
}
