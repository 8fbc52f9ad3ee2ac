//! Keyset cursors: the values of the last record on a page.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{Error, Query, Result, encode, json};

/// Where a page ended.
pub(crate) struct Cursor {
    /// The last record's values of the order's fields; null: absent.
    pub(crate) values: Vec<Value>,
    /// The last record's id.
    pub(crate) id: String,
}

impl Cursor {
    /// The cursor behind a record.
    pub(crate) fn behind(query: &Query, record: &Value, id: &str) -> Self {
        let values =
            query.order.iter().map(|(field, _)| encode::at(record, field).cloned().unwrap_or_default());
        Self { values: values.collect(), id: id.to_owned() }
    }

    /// As opaque text that only the same query on the same table takes back.
    pub(crate) fn write(&self, table: &str, query: &Query) -> String {
        let content = json!([shape(table, query), self.values, self.id]);
        URL_SAFE_NO_PAD.encode(content.to_string())
    }

    /// Reads what [`Cursor::write`] wrote.
    pub(crate) fn read(text: &str, table: &str, query: &Query) -> Result<Self> {
        Self::decode(text, table, query).ok_or_else(|| Error::BadCursor(text.to_owned()))
    }

    fn decode(text: &str, table: &str, query: &Query) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let content = json::parse(std::str::from_utf8(&bytes).ok()?).ok()?;
        let [Value::Number(found), Value::Array(values), Value::String(id)] = content.as_array()?.as_slice()
        else {
            return None;
        };
        let fits = found.as_u64() == Some(shape(table, query)) && values.len() == query.order.len();
        fits.then(|| Self { values: values.clone(), id: id.clone() })
    }
}

/// A number that tells queries apart, whatever their limit and cursor (FNV-1a, 64 bits).
fn shape(table: &str, query: &Query) -> u64 {
    let text = format!("{table}{:?}{:?}", query.filters, query.order);
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
