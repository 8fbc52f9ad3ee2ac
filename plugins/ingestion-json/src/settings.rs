//! The parameters, as given and as checked.

use std::collections::BTreeMap;

use modelyard_sdk::ingest::time::{self, Format};
use modelyard_sdk::ingest::{Compression, Nulls, OnReplaced, OnTypeChange, TypeName};
use modelyard_sdk::prelude::*;
use serde::Deserialize;

/// JSON Schema of the parameters.
pub const SCHEMA: &str = include_str!("parameters.json");

/// The parameters as JSON gives them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// Where the file or the first page is.
    pub url: String,
    /// Request headers for http and https.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// How records are laid out.
    #[serde(default)]
    pub format: Layout,
    /// JSON pointer to the array of records in a document.
    #[serde(default)]
    pub records: String,
    /// How an API gives one page after another.
    pub paging: Option<Paging>,
    /// Whether the source is gzip.
    #[serde(default)]
    pub compression: Compression,
    /// Declared types by column.
    #[serde(default)]
    pub columns: BTreeMap<String, TypeName>,
    /// Rows that the types of the other columns are inferred from.
    #[serde(default = "sample")]
    pub sample_rows: usize,
    /// Strings that stand for a missing value in columns that aren't text.
    pub nulls: Option<Vec<String>>,
    /// How columns write timestamps.
    #[serde(default)]
    pub timestamps: BTreeMap<String, Timestamps>,
    /// What a value does that no longer fits its column.
    #[serde(default)]
    pub on_type_change: OnTypeChange,
    /// The share of rejected rows after which a pull fails.
    #[serde(default = "share")]
    pub max_rejected: f64,
    /// What a replaced source does.
    #[serde(default)]
    pub on_replaced: OnReplaced,
    /// The longest record, in bytes.
    #[serde(default = "record")]
    pub max_record_bytes: usize,
    /// The longest page of an API, in bytes.
    #[serde(default = "page")]
    pub max_page_bytes: usize,
}

/// How records are laid out in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// A document where it begins with `[` or `records` is given, else lines.
    #[default]
    Auto,
    /// One record per line.
    Ndjson,
    /// An array of records, at the top or where `records` points.
    Document,
}

/// How an API gives one page after another.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "by", rename_all = "lowercase", deny_unknown_fields)]
pub enum Paging {
    /// A page number in the query.
    Page {
        /// Its query parameter.
        parameter: String,
        /// The first page's number.
        #[serde(default = "one")]
        start: u64,
        /// Records of a full page, where known: a shorter one is the last.
        size: Option<u64>,
    },
    /// The number of records before the page in the query.
    Offset {
        /// Its query parameter.
        parameter: String,
        /// The query parameter for the number of records wanted.
        limit_parameter: Option<String>,
        /// Records of a full page, where known: a shorter one is the last.
        limit: Option<u64>,
    },
    /// A token in the body that goes into the next query.
    Cursor {
        /// Its query parameter.
        parameter: String,
        /// JSON pointer to the token in the body.
        field: String,
    },
    /// The next page's URL in the body.
    Url {
        /// JSON pointer to it.
        field: String,
    },
    /// The next page's URL in the header `Link` with `rel="next"` (RFC 8288).
    Link,
}

/// A column's timestamps.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Timestamps {
    /// A format.
    Format(String),
    /// A format with the zone of text that names none.
    Zoned(Zoned),
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

fn sample() -> usize {
    1000
}
fn share() -> f64 {
    0.2
}
fn record() -> usize {
    1 << 20
}
fn page() -> usize {
    64 << 20
}
fn one() -> u64 {
    1
}

/// The parameters, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// As given.
    pub given: Parameters,
    /// Strings that stand for a missing value.
    pub nulls: Nulls,
    /// Formats by column.
    pub formats: BTreeMap<String, Format>,
}

impl Settings {
    /// Reads and checks the parameters.
    pub fn new(text: &str) -> Result<Settings, Error> {
        let given: Parameters = parameters(text)?;
        pointer("/records", &given.records)?;
        if let Some(Paging::Cursor { field, .. } | Paging::Url { field }) = &given.paging {
            pointer("/paging/field", field)?;
        }
        if given.paging.is_some() && given.format == Layout::Ndjson {
            return Err(Error::parameter("/format", "pages are JSON documents; ndjson has no pages"));
        }
        if !(0.0..=1.0).contains(&given.max_rejected) {
            return Err(Error::parameter("/max_rejected", "max_rejected is a share from 0 to 1"));
        }
        if given.sample_rows == 0 {
            return Err(Error::parameter("/sample_rows", "sample_rows is at least 1"));
        }
        if !(64..=1 << 28).contains(&given.max_record_bytes) {
            return Err(Error::parameter("/max_record_bytes", "max_record_bytes is from 64 to 268435456"));
        }
        let mut formats = BTreeMap::new();
        for (name, timestamps) in &given.timestamps {
            let place = format!("/timestamps/{}", name.replace('~', "~0").replace('/', "~1"));
            let compile = |text: &str| Format::compile(text).map_err(|why| Error::parameter(&place, why));
            let format = match timestamps {
                Timestamps::Format(format) => compile(format)?,
                Timestamps::Zoned(Zoned { format, zone }) => {
                    let seconds = time::offset(zone).ok_or_else(|| {
                        Error::parameter(&place, format!("{zone:?} is no zone such as \"+01:00\" or \"Z\""))
                    })?;
                    compile(format)?.with_offset(seconds)
                }
            };
            if given.columns.get(name).is_some_and(|declared| *declared != TypeName::Timestamp) {
                let why = format!("column {name:?} has a timestamp format and is declared as another type");
                return Err(Error::parameter(&place, why));
            }
            formats.insert(name.clone(), format);
        }
        let nulls = given.nulls.as_ref().map_or_else(Nulls::default, |tokens| Nulls::new(tokens));
        Ok(Settings { given, nulls, formats })
    }

    /// The type that the parameters give a column.
    pub fn declared(&self, name: &str) -> Option<ColumnType> {
        let declared = self.given.columns.get(name).map(|name| ColumnType::from(*name));
        declared.or_else(|| self.formats.contains_key(name).then_some(ColumnType::Timestamp))
    }

    /// The request headers.
    pub fn headers(&self) -> Vec<(String, String)> {
        self.given.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// The error, or the word to begin again, for a source that was replaced.
    pub fn replaced(&self, rows: u64, why: &str) -> Result<(), Error> {
        let url = &self.given.url;
        if self.given.on_replaced == OnReplaced::Error {
            let message = format!(
                "{url} was replaced after {rows} rows were read: {why}; on_replaced \"restart\" reads it from the \
                 beginning"
            );
            return Err(Error::parameter("/on_replaced", message));
        }
        log::warn(format!("{url} was replaced ({why}); it is read from the beginning"));
        Ok(())
    }
}

fn pointer(place: &str, text: &str) -> Result<(), Error> {
    if text.is_empty() || text.starts_with('/') {
        return Ok(());
    }
    Err(Error::parameter(
        place,
        format!("{text:?} is no JSON pointer; one begins with a slash: \"/data/items\""),
    ))
}
