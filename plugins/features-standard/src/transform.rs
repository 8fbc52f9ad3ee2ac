//! Applying what was learned.

use std::collections::HashMap;
use std::f64::consts::TAU;

use modelyard_sdk::ingest::time::{civil_from_days, days_from_civil};
use modelyard_sdk::prelude::*;

use crate::parameters::{Part, Unknown};
use crate::state::{Fitted, What};

/// An operation on one column, ready to be applied.
pub struct Operation {
    column: String,
    what: What,
    /// For categories: the place of each among the columns or numbers.
    places: HashMap<String, usize>,
    /// For one-hot: the names of the columns.
    names: Vec<String>,
}

/// A text's bucket: FNV-1a of 64 bits over its UTF-8 bytes
/// (<http://www.isthe.com/chongo/tech/comp/fnv/>), its bits mixed by the
/// finaliser of MurmurHash3 (`fmix64`), modulo the number of buckets.
pub fn bucket(text: &str, buckets: u32) -> i64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for byte in text.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^= hash >> 33;
    (hash % u64::from(buckets.max(1))) as i64
}

impl Operation {
    /// Prepares an operation.
    pub fn new(fitted: &Fitted) -> Operation {
        let mut places = HashMap::new();
        let mut names = Vec::new();
        match &fitted.what {
            What::OneHot { categories, infrequent, unknown: _, missing } => {
                for (place, category) in categories.iter().enumerate() {
                    places.insert(category.clone(), place);
                    names.push(format!("{}_{category}", fitted.column));
                }
                for category in infrequent {
                    places.insert(category.clone(), categories.len());
                }
                if !infrequent.is_empty() {
                    names.push(format!("{}_infrequent", fitted.column));
                }
                if *missing {
                    names.push(format!("{}_missing", fitted.column));
                }
            }
            What::Ordinal { categories, .. } => {
                places = categories.iter().cloned().zip(0..).collect();
            }
            _ => {}
        }
        Operation { column: fitted.column.clone(), what: fitted.what.clone(), places, names }
    }

    /// The column that it is applied to.
    pub fn column(&self) -> &str {
        &self.column
    }

    /// Applies the operation to its column among `columns`, in place.
    pub fn apply(&self, columns: &mut Vec<Column>) -> Result<(), Error> {
        let Some(at) = columns.iter().position(|column| column.name == self.column) else {
            return Err(Error::column(&self.column, "the column isn't there when its step comes"));
        };
        if self.what == What::Keep {
            return Ok(());
        }
        let column = columns.remove(at);
        let made = self.make(column)?;
        columns.splice(at..at, made);
        Ok(())
    }

    fn make(&self, column: Column) -> Result<Vec<Column>, Error> {
        match &self.what {
            What::Keep => Ok(vec![column]),
            What::Drop => Ok(Vec::new()),
            What::FillNumber { value, indicator } => fill_number(column, *value, *indicator),
            What::FillText { value, indicator } => fill_text(column, value, *indicator),
            What::Scale { center, scale } => map(column, |x| (x - center) / scale),
            What::Clip { low, high } => map(column, |x| {
                let x = low.map_or(x, |low| if x < low { low } else { x });
                high.map_or(x, |high| if x > high { high } else { x })
            }),
            What::Log1p => log1p(column),
            What::Hash { buckets } => {
                let numbers =
                    column.strings().into_iter().map(|text| Ok(text.map(|text| bucket(&text, *buckets))));
                integers(&column.name, numbers)
            }
            What::Bucketise { edges } => {
                let values = column.numbers()?;
                integers(
                    &column.name,
                    values
                        .iter()
                        .map(|x| Ok((!x.is_nan()).then(|| edges.partition_point(|edge| edge <= x) as i64))),
                )
            }
            What::Ordinal { unknown, .. } => {
                let numbers = (0..column.len()).map(|row| {
                    let Some(text) = column.text(row) else { return Ok(None) };
                    match (self.places.get(text.as_ref()), unknown) {
                        (Some(place), _) => Ok(Some(*place as i64)),
                        (None, Some(unknown)) => Ok(Some(*unknown)),
                        (None, None) => Err(self.unseen(&text, row)),
                    }
                });
                integers(&column.name, numbers)
            }
            What::OneHot { categories, infrequent, unknown, missing } => {
                self.one_hot(&column, categories.len(), !infrequent.is_empty(), *unknown, *missing)
            }
            What::DateParts { parts, cyclic } => date_parts(&column, parts, cyclic),
        }
    }

    fn unseen(&self, text: &str, row: usize) -> Error {
        let why = format!("the category {text:?} wasn't there when the features were fitted");
        Error::column(&self.column, why).at_row(row as u64)
    }

    fn one_hot(
        &self,
        column: &Column,
        categories: usize,
        infrequent: bool,
        unknown: Unknown,
        missing: bool,
    ) -> Result<Vec<Column>, Error> {
        let rows = column.len();
        let mut made: Vec<Vec<f64>> = self.names.iter().map(|_| vec![0.0; rows]).collect();
        for row in 0..rows {
            let place = match column.text(row) {
                None => missing.then_some(self.names.len().saturating_sub(1)),
                Some(text) => match (self.places.get(text.as_ref()), unknown) {
                    (Some(place), _) => Some(*place),
                    (None, Unknown::Ignore) => None,
                    (None, Unknown::Infrequent) => infrequent.then_some(categories),
                    (None, Unknown::Error) => return Err(self.unseen(&text, row)),
                },
            };
            if let Some(value) =
                place.and_then(|place| made.get_mut(place)).and_then(|values| values.get_mut(row))
            {
                *value = 1.0;
            }
        }
        Ok(self.names.iter().zip(made).map(|(name, values)| Column::f64(name, values)).collect())
    }
}

/// A column of doubles out of any column of numbers; nulls stay null.
fn map(column: Column, f: impl Fn(f64) -> f64) -> Result<Vec<Column>, Error> {
    let values: Vec<f64> = column.numbers()?.iter().map(|x| f(*x)).collect();
    Ok(vec![doubles(column.name, values, column.validity)])
}

fn doubles(name: String, values: Vec<f64>, validity: Option<Vec<bool>>) -> Column {
    let column = Column::f64(name, values);
    match validity {
        Some(validity) if validity.contains(&false) => column.with_validity(validity),
        _ => column,
    }
}

fn integers(
    name: &str,
    numbers: impl Iterator<Item = Result<Option<i64>, Error>>,
) -> Result<Vec<Column>, Error> {
    let numbers: Vec<Option<i64>> = numbers.collect::<Result<_, _>>()?;
    let validity: Vec<bool> = numbers.iter().map(Option::is_some).collect();
    let values: Vec<i64> = numbers.into_iter().map(Option::unwrap_or_default).collect();
    let column = Column::s64(name, values);
    Ok(vec![if validity.contains(&false) { column.with_validity(validity) } else { column }])
}

fn log1p(column: Column) -> Result<Vec<Column>, Error> {
    if let Some(row) = column.numbers()?.iter().position(|x| *x <= -1.0) {
        let why = "log1p takes numbers above -1; clip them first";
        return Err(Error::column(&column.name, why).at_row(row as u64));
    }
    map(column, f64::ln_1p)
}

fn indicated(name: &str, missing: Vec<bool>) -> Column {
    Column::f64(format!("{name}_missing"), missing.into_iter().map(f64::from).collect::<Vec<f64>>())
}

fn fill_number(column: Column, value: f64, indicator: bool) -> Result<Vec<Column>, Error> {
    let numbers = column.numbers()?;
    let missing: Vec<bool> =
        if indicator { numbers.iter().map(|x| x.is_nan()).collect() } else { Vec::new() };
    let filled: Vec<f64> = numbers.iter().map(|x| if x.is_nan() { value } else { *x }).collect();
    let mut made = vec![Column::f64(&column.name, filled)];
    if indicator {
        made.push(indicated(&column.name, missing));
    }
    Ok(made)
}

fn fill_text(column: Column, value: &str, indicator: bool) -> Result<Vec<Column>, Error> {
    let strings = column.strings();
    let missing: Vec<bool> =
        if indicator { strings.iter().map(Option::is_none).collect() } else { Vec::new() };
    let filled: Vec<String> = strings
        .into_iter()
        .map(|text| text.map_or_else(|| value.to_owned(), |text| text.into_owned()))
        .collect();
    let mut made = vec![Column::utf8(&column.name, filled)];
    if indicator {
        made.push(indicated(&column.name, missing));
    }
    Ok(made)
}

fn date_parts(column: &Column, parts: &[Part], cyclic: &[Part]) -> Result<Vec<Column>, Error> {
    let ColumnData::Timestamp(times) = &column.data else {
        let why = format!("date parts need a timestamp column; this one is {}", column.column_type().name());
        return Err(Error::column(&column.name, why));
    };
    let validity = || column.validity.clone().filter(|validity| validity.contains(&false));
    let with = |made: Column| match validity() {
        Some(validity) => made.with_validity(validity),
        None => made,
    };
    let mut made = Vec::with_capacity(parts.len() + 2 * cyclic.len());
    for part in parts {
        let name = format!("{}_{}", column.name, part.name());
        made.push(with(if *part == Part::IsWeekend {
            Column::boolean(name, times.iter().map(|time| part_of(*time, *part) != 0).collect::<Vec<bool>>())
        } else {
            Column::s64(name, times.iter().map(|time| part_of(*time, *part)).collect::<Vec<i64>>())
        }));
    }
    for part in cyclic {
        let Some((first, period)) = part.period() else { continue };
        let angle = |time: &i64| TAU * (part_of(*time, *part) as f64 - first) / period;
        let name = format!("{}_{}", column.name, part.name());
        let sines: Vec<f64> = times.iter().map(|time| angle(time).sin()).collect();
        let cosines: Vec<f64> = times.iter().map(|time| angle(time).cos()).collect();
        made.push(with(Column::f64(format!("{name}_sin"), sines)));
        made.push(with(Column::f64(format!("{name}_cos"), cosines)));
    }
    Ok(made)
}

/// A part of a time in microseconds since 1970, in UTC.
pub fn part_of(micros: i64, part: Part) -> i64 {
    const DAY: i64 = 86_400_000_000;
    let days = micros.div_euclid(DAY);
    let minutes = micros.rem_euclid(DAY) / 60_000_000;
    // 1970-01-01 was a Thursday, three days after Monday.
    let weekday = (days + 3).rem_euclid(7);
    match part {
        Part::Hour => minutes / 60,
        Part::Minute => minutes % 60,
        Part::Weekday => weekday,
        Part::IsWeekend => i64::from(weekday >= 5),
        Part::Year => civil_from_days(days).0,
        Part::Month => i64::from(civil_from_days(days).1),
        Part::Day => i64::from(civil_from_days(days).2),
        Part::DayOfYear => days - days_from_civil(civil_from_days(days).0, 1, 1) + 1,
    }
}
