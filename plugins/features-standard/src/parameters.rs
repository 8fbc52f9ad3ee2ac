//! The parameters: a list of steps.

use modelyard_sdk::prelude::*;
use serde::{Deserialize, Serialize};

/// JSON Schema of the parameters.
pub const SCHEMA: &str = include_str!("parameters.json");

/// What is done to the columns, step after step.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// The steps, in order: a column that one of them changes goes changed
    /// into the next.
    pub steps: Vec<Step>,
    /// What becomes of columns that no step names.
    #[serde(default)]
    pub rest: Rest,
}

/// What becomes of columns that no step names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Rest {
    /// They are left out.
    #[default]
    Drop,
    /// They come out as they are.
    Keep,
}

/// One step over some columns.
#[derive(Debug, Clone, Deserialize)]
pub struct Step {
    /// The columns.
    pub columns: Vec<String>,
    /// What is done to each of them.
    #[serde(flatten)]
    pub action: Action,
}

/// What is done to a column.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Action {
    /// Fills missing values: nulls and NaN.
    Impute {
        /// With what.
        with: Fill,
        /// The value, for `constant`.
        value: Option<serde_json::Value>,
        /// Whether a column `<name>_missing` of 0 and 1 says where.
        #[serde(default)]
        indicator: bool,
    },
    /// Shifts and stretches numbers.
    Scale {
        /// How.
        with: Scaling,
    },
    /// A column of 0 and 1 for each category.
    OneHot {
        /// What a category does that wasn't seen while fitting.
        #[serde(default)]
        handle_unknown: Unknown,
        /// Categories below this count (from 1), or share (below 1), become
        /// one: `<name>_infrequent`.
        #[serde(default)]
        min_frequency: f64,
        /// Whether missing values have a column `<name>_missing`; without it
        /// they are 0 everywhere.
        #[serde(default)]
        missing: bool,
        /// More categories than this are an error.
        #[serde(default = "most")]
        max_categories: usize,
    },
    /// The number of the category, from 0 in sorted order.
    Ordinal {
        /// The number of a category that wasn't seen while fitting; left out:
        /// an error.
        unknown: Option<i64>,
    },
    /// A bucket by hash: see [`crate::transform::bucket`].
    Hash {
        /// The number of buckets.
        buckets: u32,
    },
    /// The number of the interval that a value lies in, from 0.
    Bucketise {
        /// The inner edges, ascending; a value on an edge is above it.
        edges: Option<Vec<f64>>,
        /// How edges are found where none are given.
        with: Option<Bins>,
        /// Their intervals.
        #[serde(default = "bins")]
        bins: usize,
    },
    /// Parts of a timestamp, in UTC.
    DateParts {
        /// As numbers: `<name>_<part>`.
        #[serde(default)]
        parts: Vec<Part>,
        /// As points on a circle: `<name>_<part>_sin` and `_cos`.
        #[serde(default)]
        cyclic: Vec<Part>,
    },
    /// ln(1 + x).
    Log1p {},
    /// Values below and above bounds become the bounds.
    Clip {
        /// The lower bound.
        low: Option<f64>,
        /// The upper bound.
        high: Option<f64>,
    },
    /// The columns come out as they are.
    Keep {},
    /// The columns don't come out.
    Drop {},
}

/// What missing values are filled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fill {
    /// The arithmetic mean.
    Mean,
    /// The middle value, or the mean of the middle two.
    Median,
    /// The most frequent value, the smallest of several.
    Mode,
    /// A given value.
    Constant,
}

/// How numbers are shifted and stretched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scaling {
    /// To mean 0 and (population) standard deviation 1.
    Standard,
    /// To 0 … 1.
    MinMax,
    /// To median 0 and interquartile range 1.
    Robust,
}

/// What a category does that wasn't seen while fitting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Unknown {
    /// It is 0 everywhere.
    #[default]
    Ignore,
    /// It is an error.
    Error,
    /// It counts as infrequent.
    Infrequent,
}

/// How edges are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bins {
    /// Intervals with equally many values.
    Quantile,
    /// Intervals of equal width.
    Uniform,
}

/// A part of a timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The year; not cyclic.
    Year,
    /// 1–12.
    Month,
    /// 1–31.
    Day,
    /// 1–366.
    DayOfYear,
    /// 0 (Monday) – 6.
    Weekday,
    /// 0–23.
    Hour,
    /// 0–59.
    Minute,
    /// Whether it is Saturday or Sunday; not cyclic.
    IsWeekend,
}

impl Part {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Part::Year => "year",
            Part::Month => "month",
            Part::Day => "day",
            Part::DayOfYear => "day_of_year",
            Part::Weekday => "weekday",
            Part::Hour => "hour",
            Part::Minute => "minute",
            Part::IsWeekend => "is_weekend",
        }
    }

    /// Its first value and its period; none where it isn't cyclic.
    pub fn period(self) -> Option<(f64, f64)> {
        match self {
            Part::Month => Some((1.0, 12.0)),
            Part::Day => Some((1.0, 31.0)),
            Part::DayOfYear => Some((1.0, 366.0)),
            Part::Weekday => Some((0.0, 7.0)),
            Part::Hour => Some((0.0, 24.0)),
            Part::Minute => Some((0.0, 60.0)),
            Part::Year | Part::IsWeekend => None,
        }
    }
}

fn most() -> usize {
    1000
}
fn bins() -> usize {
    10
}

impl Parameters {
    /// Reads and checks the parameters against the columns that there are.
    pub fn new(text: &str, schema: &[Field]) -> Result<Parameters, Error> {
        let parameters: Parameters = parameters(text)?;
        if parameters.steps.is_empty() && parameters.rest == Rest::Drop {
            return Err(Error::parameter("/steps", "no steps: nothing would come out"));
        }
        let mut made: Vec<String> = schema.iter().map(|field| field.name.clone()).collect();
        for (index, step) in parameters.steps.iter().enumerate() {
            let place = format!("/steps/{index}");
            if step.columns.is_empty() {
                return Err(Error::parameter(format!("{place}/columns"), "no columns are named"));
            }
            step.action.check(&place)?;
            for column in &step.columns {
                // Later steps may use what a step makes: `<name>_…`.
                let known = made.iter().any(|name| {
                    column == name
                        || column.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('_'))
                });
                if !known {
                    let why =
                        format!("{place} names the column {column:?}, which isn't there; there are {made:?}");
                    return Err(Error::column(column, why));
                }
            }
            made.extend(step.columns.iter().cloned());
        }
        Ok(parameters)
    }
}

impl Action {
    fn check(&self, place: &str) -> Result<(), Error> {
        let fail = |part: &str, why: &str| Err(Error::parameter(format!("{place}/{part}"), why));
        match self {
            Action::Impute { with: Fill::Constant, value, .. } => match value {
                Some(
                    serde_json::Value::Number(_) | serde_json::Value::String(_) | serde_json::Value::Bool(_),
                ) => Ok(()),
                _ => fail("value", "constant needs a value: a number, a string or a boolean"),
            },
            Action::Impute { value: Some(_), .. } => fail("value", "value goes with \"constant\" only"),
            Action::OneHot { min_frequency, .. } if !(0.0..1e15).contains(min_frequency) => {
                fail("min_frequency", "min_frequency is a count from 1 or a share below 1")
            }
            Action::OneHot { max_categories: 0, .. } => {
                fail("max_categories", "max_categories is at least 1")
            }
            Action::OneHot { handle_unknown: Unknown::Infrequent, min_frequency, .. }
                if *min_frequency == 0.0 =>
            {
                fail("handle_unknown", "\"infrequent\" needs min_frequency")
            }
            Action::Hash { buckets } if *buckets < 2 => fail("buckets", "buckets is at least 2"),
            Action::Bucketise { edges: Some(_), with: Some(_), .. } => {
                fail("edges", "either edges are given or found, not both")
            }
            Action::Bucketise { edges: None, with: None, .. } => {
                fail("edges", "give edges, or with: \"quantile\" or \"uniform\"")
            }
            Action::Bucketise { edges: Some(edges), .. }
                if edges.is_empty()
                    || !edges.iter().all(|edge| edge.is_finite())
                    || !edges.is_sorted_by(|a, b| a < b) =>
            {
                fail("edges", "edges are one or more finite numbers in ascending order")
            }
            Action::Bucketise { bins, edges: None, .. } if !(2..=10_000).contains(bins) => {
                fail("bins", "bins is from 2 to 10000")
            }
            Action::DateParts { parts, cyclic } if parts.is_empty() && cyclic.is_empty() => {
                fail("parts", "no parts are named")
            }
            Action::DateParts { cyclic, .. } if cyclic.iter().any(|part| part.period().is_none()) => {
                fail("cyclic", "year and is_weekend are not cyclic")
            }
            Action::Clip { low: None, high: None } => fail("low", "clip needs low or high"),
            Action::Clip { low: Some(low), high: Some(high) } if low > high => {
                fail("low", "low is above high")
            }
            _ => Ok(()),
        }
    }
}
