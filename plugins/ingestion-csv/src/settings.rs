//! The parameters, as given and as checked.

use std::collections::BTreeMap;

use modelyard_sdk::ingest::encoding::Encoding;
use modelyard_sdk::ingest::time::{self, Format};
use modelyard_sdk::ingest::{Compression, Nulls, OnReplaced, OnTypeChange, TypeName};
use modelyard_sdk::prelude::*;
use serde::Deserialize;

use crate::scan::Dialect;

/// JSON Schema of the parameters.
pub const SCHEMA: &str = include_str!("parameters.json");

/// The parameters as JSON gives them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// Where the file is.
    pub url: String,
    /// Request headers for http and https.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// One ASCII character, or `tab`.
    #[serde(default = "comma")]
    pub delimiter: String,
    /// One ASCII character; empty: none.
    #[serde(default = "double_quote")]
    pub quote: String,
    /// Whether the first record holds the columns' names.
    #[serde(default = "yes")]
    pub header: bool,
    /// The columns' names where the file has none, or other names for them.
    #[serde(default)]
    pub names: Vec<String>,
    /// How text is written.
    #[serde(default)]
    pub encoding: Encoding,
    /// Whether the file is gzip.
    #[serde(default)]
    pub compression: Compression,
    /// Declared types by column.
    #[serde(default)]
    pub columns: BTreeMap<String, TypeName>,
    /// Rows that the types of the other columns are inferred from.
    #[serde(default = "sample")]
    pub sample_rows: usize,
    /// Texts that stand for a missing value.
    pub nulls: Option<Vec<String>>,
    /// Whether such a text stands for a missing value also where it is in
    /// quotes, in a text column.
    #[serde(default)]
    pub quoted_nulls: bool,
    /// How columns write timestamps, or which columns make one up.
    #[serde(default)]
    pub timestamps: BTreeMap<String, Timestamps>,
    /// What a value does that no longer fits its column.
    #[serde(default)]
    pub on_type_change: OnTypeChange,
    /// The share of rejected rows after which a pull fails.
    #[serde(default = "share")]
    pub max_rejected: f64,
    /// What a replaced file does.
    #[serde(default)]
    pub on_replaced: OnReplaced,
    /// The longest record, in bytes.
    #[serde(default = "record")]
    pub max_record_bytes: usize,
}

/// A column's timestamps: a format, a format with a zone, or the columns that
/// hold year, month, day, hour, minute and second.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Timestamps {
    /// A format.
    Format(String),
    /// A format with a zone.
    Zoned(Zoned),
    /// Columns.
    Composed(Composed),
}

/// A format and the zone of text that names none.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Zoned {
    /// As in [`Format::compile`].
    pub format: String,
    /// `+01:00` and the like.
    pub zone: String,
}

/// A timestamp made up from columns of numbers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Composed {
    /// Three to six columns: year, month, day, hour, minute, second.
    pub from: Vec<String>,
    /// `+01:00` and the like; UTC where it is left out.
    pub zone: Option<String>,
}

fn comma() -> String {
    ",".to_owned()
}
fn double_quote() -> String {
    "\"".to_owned()
}
fn yes() -> bool {
    true
}
fn sample() -> usize {
    1000
}
fn share() -> f64 {
    0.2
}
fn record() -> usize {
    1 << 20
}

/// The parameters, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// As given.
    pub given: Parameters,
    /// Delimiter and quote.
    pub dialect: Dialect,
    /// Texts that stand for a missing value.
    pub nulls: Nulls,
    /// Formats by column.
    pub formats: BTreeMap<String, Format>,
    /// Timestamps that are made up from columns.
    pub composed: Vec<Composition>,
}

/// A timestamp that is made up from columns.
#[derive(Debug, Clone)]
pub struct Composition {
    /// The new column.
    pub name: String,
    /// Year, month, day, hour, minute, second, as far as given.
    pub from: Vec<String>,
    /// Seconds east of UTC.
    pub offset: i64,
}

impl Settings {
    /// Reads and checks the parameters.
    pub fn new(text: &str) -> Result<Settings, Error> {
        let given: Parameters = parameters(text)?;
        let delimiter =
            character("/delimiter", if given.delimiter == "tab" { "\t" } else { &given.delimiter })?;
        let quote = if given.quote.is_empty() { None } else { Some(character("/quote", &given.quote)?) };
        if quote == Some(delimiter) {
            return Err(Error::parameter("/quote", "quote and delimiter are the same character"));
        }
        if !(0.0..=1.0).contains(&given.max_rejected) {
            return Err(Error::parameter("/max_rejected", "max_rejected is a share from 0 to 1"));
        }
        if given.sample_rows == 0 || given.sample_rows > 1_000_000 {
            return Err(Error::parameter("/sample_rows", "sample_rows is from 1 to 1000000"));
        }
        if !(64..=1 << 28).contains(&given.max_record_bytes) {
            return Err(Error::parameter("/max_record_bytes", "max_record_bytes is from 64 to 268435456"));
        }
        if !given.header && given.names.is_empty() && !given.columns.is_empty() {
            let why = "columns are declared by name, but header is false and names is empty";
            return Err(Error::parameter("/names", why));
        }
        let nulls = given.nulls.as_ref().map_or_else(Nulls::default, |tokens| Nulls::new(tokens));
        let dialect = Dialect { delimiter, quote };
        let mut settings = Settings { given, dialect, nulls, formats: BTreeMap::new(), composed: Vec::new() };
        settings.timestamps()?;
        Ok(settings)
    }

    fn timestamps(&mut self) -> Result<(), Error> {
        for (name, timestamps) in &self.given.timestamps {
            let pointer = format!("/timestamps/{}", name.replace('~', "~0").replace('/', "~1"));
            let zone = |text: &Option<String>| match text {
                None => Ok(0),
                Some(text) => time::offset(text).ok_or_else(|| {
                    Error::parameter(&pointer, format!("{text:?} is no zone such as \"+01:00\" or \"Z\""))
                }),
            };
            let compile = |text: &str| Format::compile(text).map_err(|why| Error::parameter(&pointer, why));
            let format = match timestamps {
                Timestamps::Format(format) => compile(format)?,
                Timestamps::Zoned(Zoned { format, zone: text }) => {
                    compile(format)?.with_offset(zone(&Some(text.clone()))?)
                }
                Timestamps::Composed(Composed { from, zone: text }) => {
                    if !(3..=6).contains(&from.len()) {
                        let why = "from names three to six columns: year, month, day, hour, minute, second";
                        return Err(Error::parameter(&pointer, why));
                    }
                    let offset = zone(text)?;
                    self.composed.push(Composition { name: name.clone(), from: from.clone(), offset });
                    continue;
                }
            };
            let declared = self.given.columns.get(name);
            if declared.is_some_and(|declared| *declared != TypeName::Timestamp) {
                let why = format!("column {name:?} has a timestamp format and is declared as another type");
                return Err(Error::parameter(&pointer, why));
            }
            self.formats.insert(name.clone(), format);
        }
        Ok(())
    }

    /// The type that the parameters give a column.
    pub fn declared(&self, name: &str) -> Option<ColumnType> {
        let declared = self.given.columns.get(name).map(|name| ColumnType::from(*name));
        declared.or_else(|| self.formats.contains_key(name).then_some(ColumnType::Timestamp))
    }
}

fn character(pointer: &str, text: &str) -> Result<u8, Error> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r') => Ok(*byte),
        _ => Err(Error::parameter(pointer, format!("{text:?} is not one ASCII character"))),
    }
}
