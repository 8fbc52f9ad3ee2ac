//! Values one by one into a typed column.

use serde_json::Number;

use super::encoding::Encoding;
use super::time::Format;
use super::value;
use crate::{Column, ColumnData, ColumnType};

/// A value doesn't fit the type of its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mismatch {
    /// The column's type.
    pub expected: ColumnType,
}

impl Mismatch {
    /// One sentence that names the value, cut at 100 characters.
    pub fn reason(self, text: &str) -> String {
        let shown: String = text.chars().take(100).collect();
        let dots = if shown.len() < text.len() { "…" } else { "" };
        format!("{shown:?}{dots} is not of type {}", self.expected.name())
    }
}

/// A column under construction. Values go in as bytes and are parsed in
/// place; only text columns allocate per value.
#[derive(Debug)]
pub struct ColumnBuilder {
    name: String,
    data: ColumnData,
    /// Made at the first null.
    validity: Option<Vec<bool>>,
    length: usize,
    format: Format,
}

/// The largest exactly held integer of a double, and a bound for taking a
/// double as an integer.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl ColumnBuilder {
    /// An empty column with room for `capacity` values.
    pub fn new(name: impl Into<String>, kind: ColumnType, capacity: usize) -> ColumnBuilder {
        let data = match kind {
            ColumnType::F64 => ColumnData::F64(Vec::with_capacity(capacity)),
            ColumnType::S64 => ColumnData::S64(Vec::with_capacity(capacity)),
            ColumnType::Boolean => ColumnData::Boolean(Vec::with_capacity(capacity)),
            ColumnType::Utf8 => ColumnData::Utf8(Vec::with_capacity(capacity)),
            ColumnType::Timestamp => ColumnData::Timestamp(Vec::with_capacity(capacity)),
        };
        ColumnBuilder { name: name.into(), data, validity: None, length: 0, format: Format::iso() }
    }

    /// The same column, whose timestamps are written in this format.
    pub fn with_format(mut self, format: Format) -> ColumnBuilder {
        self.format = format;
        self
    }

    /// The column's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The type of its values.
    pub fn column_type(&self) -> ColumnType {
        self.data.column_type()
    }

    /// The number of values so far, nulls among them.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there is no value yet.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    fn added(&mut self) {
        self.length += 1;
        if let Some(validity) = &mut self.validity {
            validity.push(true);
        }
    }

    fn mismatch(&self) -> Mismatch {
        Mismatch { expected: self.column_type() }
    }

    /// Adds a null.
    pub fn push_null(&mut self) {
        match &mut self.data {
            ColumnData::F64(values) => values.push(0.0),
            ColumnData::S64(values) | ColumnData::Timestamp(values) => values.push(0),
            ColumnData::Boolean(values) => values.push(false),
            ColumnData::Utf8(values) => values.push(String::new()),
        }
        let length = self.length;
        self.validity.get_or_insert_with(|| vec![true; length]).push(false);
        self.length += 1;
    }

    /// Adds a value that is written as text: numbers and times may have
    /// spaces around them, text is taken as it stands.
    pub fn push(&mut self, text: &[u8], encoding: Encoding) -> Result<(), Mismatch> {
        let fits = match &mut self.data {
            ColumnData::F64(values) => value::f64(value::trim(text)).map(|value| values.push(value)),
            ColumnData::S64(values) => value::s64(value::trim(text)).map(|value| values.push(value)),
            ColumnData::Boolean(values) => value::boolean(value::trim(text)).map(|value| values.push(value)),
            ColumnData::Timestamp(values) => {
                self.format.parse(value::trim(text)).map(|value| values.push(value))
            }
            ColumnData::Utf8(values) => {
                encoding.decode(text).ok().map(|value| values.push(value.into_owned()))
            }
        };
        fits.ok_or_else(|| self.mismatch())?;
        self.added();
        Ok(())
    }

    /// Adds a JSON number. An integer goes into an f64 column where a double
    /// holds it exactly, a whole double into an s64 column, any number into a
    /// text column as JSON writes it, and into a timestamp column whose format
    /// counts from 1970.
    pub fn push_number(&mut self, number: &Number) -> Result<(), Mismatch> {
        let fits = match &mut self.data {
            ColumnData::F64(values) => number.as_f64().map(|value| values.push(value)),
            ColumnData::S64(values) => whole(number).map(|value| values.push(value)),
            ColumnData::Utf8(values) => {
                values.push(number.to_string());
                Some(())
            }
            ColumnData::Timestamp(values) => {
                self.format.parse(number.to_string().as_bytes()).map(|value| values.push(value))
            }
            ColumnData::Boolean(_) => None,
        };
        fits.ok_or_else(|| self.mismatch())?;
        self.added();
        Ok(())
    }

    /// Adds a truth value; a text column takes `true` and `false`.
    pub fn push_boolean(&mut self, value: bool) -> Result<(), Mismatch> {
        match &mut self.data {
            ColumnData::Boolean(values) => values.push(value),
            ColumnData::Utf8(values) => values.push(value.to_string()),
            _ => return Err(self.mismatch()),
        }
        self.added();
        Ok(())
    }

    /// Adds microseconds since 1970 to a timestamp column.
    pub fn push_timestamp(&mut self, micros: i64) -> Result<(), Mismatch> {
        match &mut self.data {
            ColumnData::Timestamp(values) => values.push(micros),
            _ => return Err(self.mismatch()),
        }
        self.added();
        Ok(())
    }

    /// Takes back every value from `length` on: what a row that turned out to
    /// be bad has left behind.
    pub fn truncate(&mut self, length: usize) {
        match &mut self.data {
            ColumnData::F64(values) => values.truncate(length),
            ColumnData::S64(values) | ColumnData::Timestamp(values) => values.truncate(length),
            ColumnData::Boolean(values) => values.truncate(length),
            ColumnData::Utf8(values) => values.truncate(length),
        }
        if let Some(validity) = &mut self.validity {
            validity.truncate(length);
        }
        self.length = self.length.min(length);
    }

    /// Adds nulls until there are `length` values: for a column that appears
    /// late.
    pub fn pad(&mut self, length: usize) {
        while self.length < length {
            self.push_null();
        }
    }

    /// The column.
    pub fn finish(self) -> Column {
        let validity = self.validity.filter(|validity| validity.contains(&false));
        Column { name: self.name, data: self.data, validity }
    }
}

/// The integer that a number is, also where it is written with a fraction of
/// zero.
fn whole(number: &Number) -> Option<i64> {
    number.as_i64().or_else(|| {
        let value = number.as_f64()?;
        (value.fract() == 0.0 && value.abs() <= EXACT).then_some(value as i64)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn push(builder: &mut ColumnBuilder, text: &str) -> Result<(), Mismatch> {
        builder.push(text.as_bytes(), Encoding::Utf8)
    }

    #[test]
    fn values_and_nulls_stay_in_step() {
        let mut builder = ColumnBuilder::new("x", ColumnType::S64, 4);
        push(&mut builder, " 1 ").unwrap();
        builder.push_null();
        push(&mut builder, "3").unwrap();
        assert!(push(&mut builder, "3.5").is_err());
        assert_eq!(builder.len(), 3);
        builder.truncate(2);
        push(&mut builder, "4").unwrap();
        let column = builder.finish();
        assert_eq!(column.data, ColumnData::S64(vec![1, 0, 4]));
        assert_eq!(column.validity, Some(vec![true, false, true]));
    }

    #[test]
    fn a_column_without_nulls_has_no_validity() {
        let mut builder = ColumnBuilder::new("x", ColumnType::Utf8, 0);
        push(&mut builder, " a ").unwrap();
        builder.push_null();
        builder.truncate(1);
        let column = builder.finish();
        assert_eq!(column.data, ColumnData::Utf8(vec![" a ".to_owned()]));
        assert_eq!(column.validity, None);
    }

    #[test]
    fn json_numbers_fit_where_nothing_is_lost() {
        let number = |text: &str| serde_json::from_str::<Number>(text).unwrap();
        let mut integers = ColumnBuilder::new("n", ColumnType::S64, 0);
        integers.push_number(&number("7")).unwrap();
        integers.push_number(&number("8.0")).unwrap();
        assert!(integers.push_number(&number("8.5")).is_err());
        assert!(integers.push_number(&number("1e300")).is_err());
        assert!(integers.push_boolean(true).is_err());
        assert_eq!(integers.finish().data, ColumnData::S64(vec![7, 8]));
        let mut text = ColumnBuilder::new("t", ColumnType::Utf8, 0);
        text.push_number(&number("8.50")).unwrap();
        text.push_boolean(false).unwrap();
        assert_eq!(text.finish().data, ColumnData::Utf8(vec!["8.5".to_owned(), "false".to_owned()]));
        let format = Format::compile("unix_ms").unwrap();
        let mut times = ColumnBuilder::new("t", ColumnType::Timestamp, 0).with_format(format);
        times.push_number(&number("1500")).unwrap();
        times.push_timestamp(3).unwrap();
        assert_eq!(times.finish().data, ColumnData::Timestamp(vec![1_500_000, 3]));
    }

    #[test]
    fn a_late_column_is_padded() {
        let mut builder = ColumnBuilder::new("x", ColumnType::F64, 0);
        builder.pad(2);
        push(&mut builder, "1.5").unwrap();
        assert_eq!(builder.finish().validity, Some(vec![false, false, true]));
    }

    #[test]
    fn a_reason_names_value_and_type() {
        let mismatch = Mismatch { expected: ColumnType::S64 };
        assert_eq!(mismatch.reason("abc"), "\"abc\" is not of type s64");
        assert!(mismatch.reason(&"é".repeat(200)).ends_with("…\u{20}is not of type s64"));
    }
}
