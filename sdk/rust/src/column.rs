//! Columns: made from native arrays, read as numbers or as text.

use std::borrow::Cow;

use crate::{Column, ColumnData, ColumnType, Error, Field, Result};

/// A column as doubles, NaN for null. Borrowed where the column is just that.
pub type Numbers<'a> = Cow<'a, [f64]>;

/// A value as text. Borrowed from text columns.
pub type Text<'a> = Cow<'a, str>;

impl Column {
    /// A column of doubles. NaN is a value, not a null.
    pub fn f64(name: impl Into<String>, values: impl Into<Vec<f64>>) -> Column {
        Column::new(name, ColumnData::F64(values.into()))
    }

    /// A column of signed integers.
    pub fn s64(name: impl Into<String>, values: impl Into<Vec<i64>>) -> Column {
        Column::new(name, ColumnData::S64(values.into()))
    }

    /// A column of booleans.
    pub fn boolean(name: impl Into<String>, values: impl Into<Vec<bool>>) -> Column {
        Column::new(name, ColumnData::Boolean(values.into()))
    }

    /// A column of strings.
    pub fn utf8<S: Into<String>>(name: impl Into<String>, values: impl IntoIterator<Item = S>) -> Column {
        Column::new(name, ColumnData::Utf8(values.into_iter().map(Into::into).collect()))
    }

    /// A column of times, in microseconds since 1970-01-01T00:00:00Z.
    pub fn timestamp(name: impl Into<String>, values: impl Into<Vec<i64>>) -> Column {
        Column::new(name, ColumnData::Timestamp(values.into()))
    }

    /// A column without nulls.
    pub fn new(name: impl Into<String>, data: ColumnData) -> Column {
        Column { name: name.into(), data, validity: None }
    }

    /// The same column; a row whose validity is false is null. The length must
    /// be the column's: [`Table`](crate::Table) checks it.
    #[must_use]
    pub fn with_validity(mut self, validity: Vec<bool>) -> Column {
        self.validity = Some(validity);
        self
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The type of the values.
    pub fn column_type(&self) -> ColumnType {
        self.data.column_type()
    }

    /// The column's name and type; nullable where a row is null.
    pub fn field(&self) -> Field {
        Field { name: self.name.clone(), type_: self.column_type(), nullable: self.nulls() > 0 }
    }

    /// Whether a row is there and not null.
    pub fn is_valid(&self, row: usize) -> bool {
        row < self.len() && self.validity.as_ref().is_none_or(|validity| validity.get(row) == Some(&true))
    }

    /// The number of null rows.
    pub fn nulls(&self) -> usize {
        self.validity.as_ref().map_or(0, |validity| validity.iter().filter(|valid| !**valid).count())
    }

    /// The values as doubles, NaN for null: numbers as they are, true as 1 and
    /// false as 0, times in microseconds. A text column is `invalid-input`.
    pub fn numbers(&self) -> Result<Numbers<'_>> {
        let mut numbers: Numbers<'_> = match &self.data {
            ColumnData::F64(values) => Cow::Borrowed(values),
            ColumnData::S64(values) | ColumnData::Timestamp(values) => {
                values.iter().map(|&value| value as f64).collect()
            }
            ColumnData::Boolean(values) => values.iter().map(|&value| f64::from(u8::from(value))).collect(),
            ColumnData::Utf8(_) => {
                return Err(Error::column(
                    &self.name,
                    "holds text, and numbers are needed here: f64, s64, boolean or timestamp",
                ));
            }
        };
        if let Some(validity) = &self.validity
            && validity.contains(&false)
        {
            for (number, valid) in numbers.to_mut().iter_mut().zip(validity) {
                if !valid {
                    *number = f64::NAN;
                }
            }
        }
        Ok(numbers)
    }

    /// One row as text, none for null: numbers as Rust writes them (an integral
    /// double without its point, so 1.0 and 1 read alike), times as
    /// `2013-01-31T08:15:00.000000Z`.
    pub fn text(&self, row: usize) -> Option<Text<'_>> {
        if !self.is_valid(row) {
            return None;
        }
        Some(match &self.data {
            ColumnData::F64(values) => Cow::Owned(values.get(row)?.to_string()),
            ColumnData::S64(values) => Cow::Owned(values.get(row)?.to_string()),
            ColumnData::Boolean(values) => Cow::Borrowed(if *values.get(row)? { "true" } else { "false" }),
            ColumnData::Utf8(values) => Cow::Borrowed(values.get(row)?),
            ColumnData::Timestamp(values) => Cow::Owned(timestamp_text(*values.get(row)?)),
        })
    }

    /// Every row as [`text`](Self::text).
    pub fn strings(&self) -> Vec<Option<Text<'_>>> {
        (0..self.len()).map(|row| self.text(row)).collect()
    }

    /// Rows `start..start + length`, as far as they are there.
    #[must_use]
    pub fn slice(&self, start: usize, length: usize) -> Column {
        fn part<T: Clone>(values: &[T], start: usize, length: usize) -> Vec<T> {
            let start = start.min(values.len());
            let end = start.saturating_add(length).min(values.len());
            values.get(start..end).unwrap_or_default().to_vec()
        }
        let data = match &self.data {
            ColumnData::F64(values) => ColumnData::F64(part(values, start, length)),
            ColumnData::S64(values) => ColumnData::S64(part(values, start, length)),
            ColumnData::Boolean(values) => ColumnData::Boolean(part(values, start, length)),
            ColumnData::Utf8(values) => ColumnData::Utf8(part(values, start, length)),
            ColumnData::Timestamp(values) => ColumnData::Timestamp(part(values, start, length)),
        };
        let validity = self.validity.as_ref().map(|validity| part(validity, start, length));
        Column { name: self.name.clone(), data, validity }
    }

    /// The rows at `rows`, in that order; rows that are not there are null.
    #[must_use]
    pub fn take(&self, rows: &[usize]) -> Column {
        fn pick<T: Clone + Default>(values: &[T], rows: &[usize]) -> Vec<T> {
            rows.iter().map(|&row| values.get(row).cloned().unwrap_or_default()).collect()
        }
        let data = match &self.data {
            ColumnData::F64(values) => ColumnData::F64(pick(values, rows)),
            ColumnData::S64(values) => ColumnData::S64(pick(values, rows)),
            ColumnData::Boolean(values) => ColumnData::Boolean(pick(values, rows)),
            ColumnData::Utf8(values) => ColumnData::Utf8(pick(values, rows)),
            ColumnData::Timestamp(values) => ColumnData::Timestamp(pick(values, rows)),
        };
        let complete = self.validity.is_none() && rows.iter().all(|&row| row < self.len());
        let validity = (!complete).then(|| rows.iter().map(|&row| self.is_valid(row)).collect());
        Column { name: self.name.clone(), data, validity }
    }

    /// Appends the rows of a column of the same type.
    pub(crate) fn append(&mut self, more: Column) -> Result<()> {
        let (before, added) = (self.len(), more.len());
        match (&mut self.data, more.data) {
            (ColumnData::F64(all), ColumnData::F64(mut new)) => all.append(&mut new),
            (ColumnData::S64(all), ColumnData::S64(mut new))
            | (ColumnData::Timestamp(all), ColumnData::Timestamp(mut new)) => all.append(&mut new),
            (ColumnData::Boolean(all), ColumnData::Boolean(mut new)) => all.append(&mut new),
            (ColumnData::Utf8(all), ColumnData::Utf8(mut new)) => all.append(&mut new),
            (all, new) => {
                let (all, new) = (all.column_type().name(), new.column_type().name());
                return Err(Error::column(&self.name, format!("is {all} in one batch and {new} in another")));
            }
        }
        if self.validity.is_some() || more.validity.is_some() {
            let validity = self.validity.get_or_insert_with(|| vec![true; before]);
            match more.validity {
                Some(mut new) => validity.append(&mut new),
                None => validity.resize(before + added, true),
            }
        }
        Ok(())
    }
}

impl ColumnData {
    /// The number of rows.
    pub fn len(&self) -> usize {
        match self {
            ColumnData::F64(values) => values.len(),
            ColumnData::S64(values) | ColumnData::Timestamp(values) => values.len(),
            ColumnData::Boolean(values) => values.len(),
            ColumnData::Utf8(values) => values.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The type of the values.
    pub fn column_type(&self) -> ColumnType {
        match self {
            ColumnData::F64(_) => ColumnType::F64,
            ColumnData::S64(_) => ColumnType::S64,
            ColumnData::Boolean(_) => ColumnType::Boolean,
            ColumnData::Utf8(_) => ColumnType::Utf8,
            ColumnData::Timestamp(_) => ColumnType::Timestamp,
        }
    }

    /// No rows of a type.
    pub fn empty(column_type: ColumnType) -> ColumnData {
        match column_type {
            ColumnType::F64 => ColumnData::F64(Vec::new()),
            ColumnType::S64 => ColumnData::S64(Vec::new()),
            ColumnType::Boolean => ColumnData::Boolean(Vec::new()),
            ColumnType::Utf8 => ColumnData::Utf8(Vec::new()),
            ColumnType::Timestamp => ColumnData::Timestamp(Vec::new()),
        }
    }
}

/// RFC 3339 in UTC, with microseconds. The calendar is Howard Hinnant's
/// `civil_from_days` (<https://howardhinnant.github.io/date_algorithms.html>).
fn timestamp_text(micros: i64) -> String {
    const DAY: i64 = 86_400_000_000;
    let (days, within) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (seconds, micros) = (within / 1_000_000, within % 1_000_000);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{micros:06}Z",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn numbers_borrow_where_they_can_and_nulls_are_nan() {
        let plain = Column::f64("x", [1.0, 2.0]);
        assert!(matches!(plain.numbers().unwrap(), Cow::Borrowed([1.0, 2.0])));
        let nulls = Column::s64("x", [1, 2]).with_validity(vec![true, false]);
        let numbers = nulls.numbers().unwrap();
        assert_eq!(numbers[0], 1.0);
        assert!(numbers[1].is_nan());
        assert_eq!(nulls.nulls(), 1);
        assert_eq!(*Column::boolean("b", [true, false]).numbers().unwrap(), [1.0, 0.0]);
    }

    #[test]
    fn text_is_no_number() {
        let error = Column::utf8("name", ["a"]).numbers().unwrap_err();
        assert!(error.message().contains("column \"name\": holds text"), "{error}");
    }

    #[test]
    fn every_type_reads_as_text() {
        assert_eq!(Column::f64("x", [1.0]).text(0).unwrap(), "1");
        assert_eq!(Column::s64("x", [-3]).text(0).unwrap(), "-3");
        assert_eq!(Column::boolean("x", [true]).text(0).unwrap(), "true");
        let times = Column::timestamp("t", [0, 1_359_620_100_000_001, -1, 951_782_400_000_000]);
        assert_eq!(times.text(0).unwrap(), "1970-01-01T00:00:00.000000Z");
        assert_eq!(times.text(1).unwrap(), "2013-01-31T08:15:00.000001Z");
        assert_eq!(times.text(2).unwrap(), "1969-12-31T23:59:59.999999Z");
        assert_eq!(times.text(3).unwrap(), "2000-02-29T00:00:00.000000Z");
        assert_eq!(times.text(4), None);
        Column::timestamp("t", [i64::MIN, i64::MAX]).strings();
    }

    #[test]
    fn slices_and_takes_keep_to_the_rows_there_are() {
        let column = Column::utf8("s", ["a", "b", "c"]).with_validity(vec![true, false, true]);
        assert_eq!(column.slice(1, 9).strings(), vec![None, Some("c".into())]);
        assert!(column.slice(usize::MAX, usize::MAX).is_empty());
        assert_eq!(column.take(&[2, 7, 0]).strings(), vec![Some("c".into()), None, Some("a".into())]);
        assert_eq!(Column::s64("n", [5, 6]).take(&[1]).validity, None);
    }

    #[test]
    fn appending_fills_validity_and_refuses_another_type() {
        let mut column = Column::s64("n", [1, 2]);
        column.append(Column::s64("n", [3]).with_validity(vec![false])).unwrap();
        column.append(Column::s64("n", [4])).unwrap();
        assert_eq!(column.validity, Some(vec![true, true, false, true]));
        let error = column.append(Column::f64("n", [1.0])).unwrap_err();
        assert!(error.message().contains("s64 in one batch and f64 in another"), "{error}");
    }
}
