//! The table, column by column, as scores need it.

use std::collections::HashMap;

use modelyard_sdk::prelude::*;

const BATCH: u32 = 65_536;

/// Reads the table; of one with more than `most` rows, every second, third …
/// row, so that at most that many are read.
pub fn read(data: &Reader, most: u64) -> Result<Table, Error> {
    let stride = data.rows().div_ceil(most.max(1)).max(1);
    let mut table = Table::empty(&data.schema());
    let mut before = 0u64;
    for batch in data.batches(BATCH) {
        if progress::cancelled() {
            return Err(Error::Cancelled);
        }
        let batch = batch?;
        let rows = batch.rows() as u64;
        if stride == 1 {
            table.append(batch)?;
        } else {
            let first = (stride - before % stride) % stride;
            let chosen: Vec<usize> = (first..rows).step_by(stride as usize).map(|row| row as usize).collect();
            let columns: Vec<Column> = batch.columns().iter().map(|column| column.take(&chosen)).collect();
            table.append(Table::new(columns)?)?;
        }
        before += rows;
    }
    Ok(table)
}

/// Values as small numbers: categories, or intervals of numbers.
pub struct Codes {
    /// One per row.
    pub codes: Vec<usize>,
    /// How many there are.
    pub count: usize,
}

/// A column's distinct values as codes; nulls and NaN are one more value.
pub fn codes(column: &Column) -> Codes {
    let mut known: HashMap<Option<String>, usize> = HashMap::new();
    let numbers = column.numbers().ok();
    let codes = (0..column.len()).map(|row| {
        let missing = numbers.as_ref().is_some_and(|numbers| numbers.get(row).is_none_or(|x| x.is_nan()));
        let text = if missing { None } else { column.text(row).map(|text| text.into_owned()) };
        let next = known.len();
        *known.entry(text).or_insert(next)
    });
    let codes: Vec<usize> = codes.collect();
    Codes { codes, count: known.len() }
}

/// A column of numbers as codes in their order: the distinct values, or, of
/// more than `bins`, intervals with equally many values. Another column as
/// [`codes`]. Nulls and NaN are one more value.
pub fn binned(column: &Column, bins: usize) -> Codes {
    let Ok(numbers) = column.numbers() else { return codes(column) };
    let mut sorted: Vec<f64> = numbers.iter().copied().filter(|x| !x.is_nan()).collect();
    sorted.sort_by(f64::total_cmp);
    let mut edges = sorted.clone();
    edges.dedup();
    if edges.len() > bins {
        edges = (1..bins).filter_map(|bin| sorted.get(bin * sorted.len() / bins).copied()).collect();
        edges.dedup();
    }
    let missing = edges.len() + 1;
    let code = |x: &f64| if x.is_nan() { missing } else { edges.partition_point(|edge| edge <= x) };
    Codes { codes: numbers.iter().map(code).collect(), count: missing + 1 }
}

/// A column as codes for cuts, at most `most` of them: numbers as [`binned`],
/// categories by how often they come, the rarest sharing the last code.
pub fn ordered(column: &Column, most: usize) -> Codes {
    if column.column_type() != ColumnType::Utf8 {
        return binned(column, most);
    }
    let Codes { codes, count } = codes(column);
    let mut often = vec![0usize; count];
    for code in &codes {
        if let Some(often) = often.get_mut(*code) {
            *often += 1;
        }
    }
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|code| std::cmp::Reverse(often.get(*code).copied()));
    let mut place = vec![0usize; count];
    for (at, code) in order.into_iter().enumerate() {
        if let Some(place) = place.get_mut(code) {
            *place = at.min(most.saturating_sub(1));
        }
    }
    let codes = codes.iter().map(|code| place.get(*code).copied().unwrap_or_default()).collect();
    Codes { codes, count: count.min(most) }
}

/// The target as numbers: a column of numbers as it is, one of two texts as 0
/// and 1 in sorted order.
pub fn numeric(column: &Column) -> Result<Vec<f64>, Error> {
    if let Ok(numbers) = column.numbers() {
        return Ok(numbers.into_owned());
    }
    let strings = column.strings();
    let mut classes: Vec<&str> = strings.iter().flatten().map(AsRef::as_ref).collect();
    classes.sort_unstable();
    classes.dedup();
    if classes.len() > 2 {
        let why = format!(
            "a correlation needs a target of numbers or of two classes; this one has {}",
            classes.len()
        );
        return Err(Error::column(&column.name, why));
    }
    let value = |text: &Option<Text<'_>>| match text {
        None => f64::NAN,
        Some(text) => f64::from(u8::from(classes.first() != Some(&text.as_ref()))),
    };
    Ok(strings.iter().map(value).collect())
}
