use std::{borrow::Cow, collections::HashMap};

use arrow::{
    array::{Array, ArrayRef, AsArray, PrimitiveArray},
    datatypes::{ArrowPrimitiveType, Float64Type, Int64Type, TimestampMicrosecondType},
};
use modelyard_clock::Timestamp;
use serde::{Deserialize, Serialize};

use super::sketch::{Distinct, Reservoir};
use crate::{ColumnType, Value};

/// Quantiles that are kept of every numeric column.
pub const QUANTILES: [f64; 9] = [0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99];

/// Texts are counted exactly up to this many different ones.
const COUNTED: usize = 4096;
/// The most frequent values that are kept.
const TOP: usize = 20;

/// What a column holds. Numbers never include NaN or infinities, so the JSON is
/// valid.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ColumnStats {
    /// The column's name.
    pub name: String,
    /// Rows without a value.
    pub nulls: u64,
    /// Rows of an f64 column that are NaN or infinite; they count as values but
    /// enter none of the figures below.
    pub non_finite: u64,
    /// Different values, nulls left out. Exact for booleans and up to 4,096
    /// different texts; otherwise estimated by HyperLogLog with a standard
    /// error of 1.6 %.
    pub distinct: u64,
    /// Whether `distinct` is exact.
    pub distinct_exact: bool,
    /// The least value: a number, a text (first in byte order, cut to 128
    /// characters) or a timestamp's text.
    pub min: Option<Value>,
    /// The greatest value, in the same form.
    pub max: Option<Value>,
    /// Arithmetic mean of numbers; of booleans the share of true.
    pub mean: Option<f64>,
    /// Sample standard deviation (divisor n − 1) of numbers.
    pub std: Option<f64>,
    /// The most frequent texts and booleans with their counts, at most 20,
    /// most frequent first; empty when there are too many different ones to
    /// count.
    pub top: Vec<(String, u64)>,
    /// Numbers' quantiles as (q, value): exact up to 10,000 values, beyond that
    /// of a uniform sample of 10,000.
    pub quantiles: Vec<(f64, f64)>,
}

/// Builds one column's statistics batch by batch.
#[derive(Debug)]
pub(crate) struct Collector {
    name: String,
    r#type: ColumnType,
    nulls: u64,
    non_finite: u64,
    distinct: Distinct,
    moments: Moments,
    reservoir: Reservoir,
    integers: Option<(i64, i64)>,
    texts: Option<(String, String)>,
    counts: Option<HashMap<String, u64>>,
}

/// Mean and squared deviations, block by block.
#[derive(Debug, Default)]
struct Moments {
    count: u64,
    mean: f64,
    squares: f64,
    min: f64,
    max: f64,
}

impl Moments {
    /// Adds a block: its own mean and squares, merged as Chan, Golub and
    /// LeVeque (1979) do.
    fn add(&mut self, values: &[f64]) {
        if values.is_empty() {
            return;
        }
        let (mut sum, mut min, mut max) = (0.0, f64::INFINITY, f64::NEG_INFINITY);
        for value in values {
            sum += *value;
            min = if *value < min { *value } else { min };
            max = if *value > max { *value } else { max };
        }
        let mean = sum / values.len() as f64;
        let mut squares = 0.0;
        for value in values {
            squares += (*value - mean) * (*value - mean);
        }
        if self.count == 0 {
            *self = Self { count: values.len() as u64, mean, squares, min, max };
            return;
        }
        let (a, b) = (self.count as f64, values.len() as f64);
        let delta = mean - self.mean;
        self.count += values.len() as u64;
        self.mean += delta * b / (a + b);
        self.squares += squares + delta * delta * a * b / (a + b);
        self.min = self.min.min(min);
        self.max = self.max.max(max);
    }
}

impl Collector {
    pub(crate) fn new(name: &str, r#type: ColumnType) -> Self {
        Self {
            name: name.to_owned(),
            r#type,
            nulls: 0,
            non_finite: 0,
            distinct: Distinct::new(),
            moments: Moments::default(),
            reservoir: Reservoir::new(),
            integers: None,
            texts: None,
            counts: Some(HashMap::new()),
        }
    }

    fn numbers(&mut self, values: &[f64]) {
        self.moments.add(values);
        self.reservoir.extend(values);
    }

    fn integers(&mut self, values: &[i64]) {
        for value in values {
            self.distinct.add_bits(value.cast_unsigned());
        }
        let bounds = values.iter().min().zip(values.iter().max());
        if let Some((min, max)) = bounds {
            self.integers = Some(self.integers.map_or((*min, *max), |(a, b)| (a.min(*min), b.max(*max))));
        }
        // Nothing but bounds is kept of timestamps.
        if self.r#type == ColumnType::S64 {
            let values: Vec<f64> = values.iter().map(|value| *value as f64).collect();
            self.numbers(&values);
        }
    }

    fn text(&mut self, text: &str) {
        let Some(counts) = &mut self.counts else {
            self.distinct.add_text(text);
            self.text_bounds(text);
            return;
        };
        if let Some(count) = counts.get_mut(text) {
            *count += 1;
            return;
        }
        counts.insert(text.to_owned(), 1);
        let overflow = counts.len() > COUNTED;
        self.distinct.add_text(text);
        self.text_bounds(text);
        if overflow {
            self.counts = None;
        }
    }

    fn text_bounds(&mut self, text: &str) {
        match &mut self.texts {
            None => self.texts = Some((text.to_owned(), text.to_owned())),
            Some((min, _)) if text < min.as_str() => text.clone_into(min),
            Some((_, max)) if text > max.as_str() => text.clone_into(max),
            Some(_) => {}
        }
    }

    /// Takes a batch's column, of the type that was announced.
    pub(crate) fn add(&mut self, array: &ArrayRef) {
        self.nulls += array.null_count() as u64;
        if let Some(array) = array.as_primitive_opt::<Float64Type>() {
            let values = present(array);
            for value in values.iter() {
                // -0.0 and 0.0 are one value.
                self.distinct.add_bits((*value + 0.0).to_bits());
            }
            if values.iter().all(|value| value.is_finite()) {
                self.numbers(&values);
            } else {
                let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
                self.non_finite += (values.len() - finite.len()) as u64;
                self.numbers(&finite);
            }
        } else if let Some(array) = array.as_primitive_opt::<Int64Type>() {
            self.integers(&present(array));
        } else if let Some(array) = array.as_primitive_opt::<TimestampMicrosecondType>() {
            self.integers(&present(array));
        } else if let Some(array) = array.as_boolean_opt() {
            let values: Vec<f64> = array.iter().flatten().map(|value| f64::from(u8::from(value))).collect();
            for value in &values {
                self.text(if *value > 0.5 { "true" } else { "false" });
            }
            self.moments.add(&values);
        } else if let Some(array) = array.as_string_opt::<i32>() {
            array.iter().flatten().for_each(|text| self.text(text));
        }
    }

    pub(crate) fn finish(self) -> ColumnStats {
        let numeric = matches!(self.r#type, ColumnType::F64 | ColumnType::S64);
        let textual = matches!(self.r#type, ColumnType::Utf8 | ColumnType::Boolean);
        let exact = textual.then_some(self.counts).flatten();
        let distinct = exact.as_ref().map_or_else(|| self.distinct.estimate(), |counts| counts.len() as u64);
        let any = self.moments.count > 0;
        let (min, max) = match self.r#type {
            ColumnType::F64 => {
                (any.then_some(self.moments.min.into()), any.then_some(self.moments.max.into()))
            }
            ColumnType::S64 => self.integers.map(|(a, b)| (a.into(), b.into())).unzip(),
            ColumnType::Timestamp => self.integers.map(|(a, b)| (moment(a), moment(b))).unzip(),
            ColumnType::Utf8 => self.texts.map(|(a, b)| (cut(&a), cut(&b))).unzip(),
            ColumnType::Boolean => (
                any.then_some((self.moments.min > 0.5).into()),
                any.then_some((self.moments.max > 0.5).into()),
            ),
        };
        let mean = (any && self.r#type != ColumnType::Timestamp).then_some(self.moments.mean);
        let degrees = self.moments.count.saturating_sub(1);
        let std = (numeric && degrees > 0).then(|| (self.moments.squares / degrees as f64).sqrt());
        ColumnStats {
            name: self.name,
            nulls: self.nulls,
            non_finite: self.non_finite,
            distinct,
            distinct_exact: exact.is_some(),
            min,
            max,
            mean: mean.filter(|mean| mean.is_finite()),
            std: std.filter(|std| std.is_finite()),
            top: exact.map(most_frequent).unwrap_or_default(),
            quantiles: if numeric { self.reservoir.quantiles(&QUANTILES) } else { Vec::new() },
        }
    }
}

/// The values that aren't null; copied only if some are.
fn present<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>) -> Cow<'_, [T::Native]> {
    if array.null_count() == 0 {
        Cow::Borrowed(array.values())
    } else {
        Cow::Owned(array.iter().flatten().collect())
    }
}

fn moment(micros: i64) -> Value {
    Timestamp::from_micros(micros).into()
}

fn cut(text: &str) -> Value {
    Value::Utf8(text.chars().take(128).collect())
}

/// The most frequent first; equal counts in text order, so that the result is
/// always the same.
fn most_frequent(counts: HashMap<String, u64>) -> Vec<(String, u64)> {
    let mut top: Vec<_> = counts.into_iter().collect();
    top.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    top.truncate(TOP);
    top
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::{Column, Values, to_batch};

    fn stats(column: Column) -> ColumnStats {
        let mut collector = Collector::new(&column.name, column.values.column_type());
        let batch = to_batch(vec![column]).unwrap();
        let half = batch.num_rows() / 2;
        collector.add(batch.slice(0, half).column(0));
        collector.add(batch.slice(half, batch.num_rows() - half).column(0));
        collector.finish()
    }

    #[test]
    fn numbers() {
        let values = vec![2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0, f64::NAN, f64::INFINITY, -0.0];
        let mut validity = vec![true; 11];
        validity[10] = false;
        let stats = stats(Column { validity: Some(validity), ..Column::new("x", Values::F64(values)) });
        assert_eq!((stats.nulls, stats.non_finite), (1, 2));
        assert_eq!(stats.mean, Some(5.0));
        assert!((stats.std.unwrap() - (32.0f64 / 7.0).sqrt()).abs() < 1e-12);
        assert_eq!((stats.min.clone(), stats.max.clone()), (Some(2.0.into()), Some(9.0.into())));
        assert_eq!(stats.quantiles.iter().find(|(q, _)| *q == 0.5).unwrap().1, 4.5);
        let json = serde_json::to_string(&stats).unwrap();
        assert_eq!(serde_json::from_str::<ColumnStats>(&json).unwrap(), stats);
    }

    #[test]
    fn texts_booleans_and_times() {
        let texts = ["b", "a", "b", "c", "b", "a"].map(String::from).to_vec();
        let s = stats(Column::new("s", Values::Utf8(texts)));
        assert_eq!(s.top, vec![("b".into(), 3), ("a".into(), 2), ("c".into(), 1)]);
        assert_eq!((s.distinct, s.distinct_exact), (3, true));
        assert_eq!((s.min, s.max, s.mean), (Some("a".into()), Some("c".into()), None));
        let b = stats(Column::new("b", Values::Boolean(vec![true, true, true, false])));
        assert_eq!((b.mean, b.std), (Some(0.75), None));
        assert_eq!(b.top[0], ("true".into(), 3));
        let t = stats(Column::new("t", Values::Timestamp(vec![1_000_000, 0])));
        assert_eq!(serde_json::to_value(t.max).unwrap(), "1970-01-01T00:00:01.000000Z");
    }

    #[test]
    fn many_texts_are_estimated_and_an_empty_column_has_no_figures() {
        let many = stats(Column::new("s", Values::Utf8((0..20_000).map(|n| n.to_string()).collect())));
        assert!(!many.distinct_exact && many.top.is_empty());
        assert!((many.distinct as f64 - 20_000.0).abs() < 1200.0, "{}", many.distinct);
        assert_eq!(many.max, Some("9999".into()));
        let none = stats(Column::new("x", Values::S64(vec![])));
        assert_eq!((none.min, none.mean, none.std, none.distinct), (None, None, None, 0));
    }
}
