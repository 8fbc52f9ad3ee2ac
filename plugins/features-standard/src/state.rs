//! What fitting learned, as bytes and back.

use modelyard_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::parameters::{Part, Unknown};

/// The form of the state that this version writes and reads.
pub const FORM: u32 = 1;

/// A fitted state: JSON, so that a person can read what was learned.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// [`FORM`].
    pub v: u32,
    /// The columns that are needed, in the order in which they come out.
    pub inputs: Vec<(String, ColumnType)>,
    /// What is done, one column at a time.
    pub fitted: Vec<Fitted>,
    /// The columns that come out.
    pub outputs: Vec<Field>,
}

/// What is done to one column.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fitted {
    /// The column.
    pub column: String,
    /// What is done to it.
    pub what: What,
}

/// What is done to a column, with what was learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// Fills missing values of a column of numbers.
    FillNumber {
        /// With this.
        #[serde(with = "exact")]
        value: f64,
        /// Whether a column says where.
        indicator: bool,
    },
    /// Fills missing values of a column of text.
    FillText {
        /// With this.
        value: String,
        /// Whether a column says where.
        indicator: bool,
    },
    /// (x − center) / scale.
    Scale {
        /// What is taken off.
        #[serde(with = "exact")]
        center: f64,
        /// What is divided by; not 0.
        #[serde(with = "exact")]
        scale: f64,
    },
    /// A column for each category.
    OneHot {
        /// In order.
        categories: Vec<String>,
        /// Those that are one column together.
        infrequent: Vec<String>,
        /// What an unseen one does.
        unknown: Unknown,
        /// Whether missing values have a column.
        missing: bool,
    },
    /// The number of the category.
    Ordinal {
        /// In order.
        categories: Vec<String>,
        /// An unseen one's number.
        unknown: Option<i64>,
    },
    /// A bucket by hash.
    Hash {
        /// Their number.
        buckets: u32,
    },
    /// The number of the interval.
    Bucketise {
        /// The inner edges, ascending.
        #[serde(with = "exact_list")]
        edges: Vec<f64>,
    },
    /// Parts of a timestamp.
    DateParts {
        /// As numbers.
        parts: Vec<Part>,
        /// As points on a circle.
        cyclic: Vec<Part>,
    },
    /// ln(1 + x).
    Log1p,
    /// Bounds.
    Clip {
        /// The lower.
        low: Option<f64>,
        /// The upper.
        high: Option<f64>,
    },
    /// As it is.
    Keep,
    /// Left out.
    Drop,
}

impl State {
    /// Reads a state.
    pub fn parse(bytes: &[u8]) -> Result<State, Error> {
        let state: State = serde_json::from_slice(bytes)
            .map_err(|error| Error::invalid(format!("the state is not one of features-standard: {error}")))?;
        if state.v != FORM {
            let why = format!("the state has form {}; this plugin reads form {FORM}", state.v);
            return Err(Error::invalid(why));
        }
        Ok(state)
    }

    /// The state as bytes.
    pub fn bytes(&self) -> Result<Vec<u8>, Error> {
        serde_json::to_vec(self).map_err(|error| Error::internal(error.to_string()))
    }
}

/// Numbers as strings: reading JSON numbers may be off by the last bit, and a
/// value that lies on an edge must stay there.
mod exact {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&value.to_string())
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<f64, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// [`exact`] for several numbers.
mod exact_list {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(values: &[f64], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(values.iter().map(f64::to_string))
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Vec<f64>, D::Error> {
        let texts = Vec::<String>::deserialize(from)?;
        texts.iter().map(|text| text.parse().map_err(D::Error::custom)).collect()
    }
}
