//! The categories that a file holds of the data frame it was trained on.

use modelyard_sdk::learn::MAX_CATEGORIES;
use modelyard_sdk::learn::trees::Coding;

use crate::value::{Value, whole};

/// The columns' codings: none for a column of numbers, and none at all where
/// the file has no categories.
pub(crate) fn read(model: &Value, features: usize) -> Result<Vec<Option<Coding>>, String> {
    let columns = match model.find("cats") {
        Some(cats) if cats.find("enc").is_some() => cats.list("enc")?,
        _ => &[],
    };
    if columns.is_empty() {
        return Ok(vec![None; features]);
    }
    if columns.len() != features {
        return Err(format!("`cats` is about {} features, there are {features}", columns.len()));
    }
    let coding = |(at, column)| column_of(column).map_err(|error| format!("`cats`, feature {at}: {error}"));
    columns.iter().enumerate().map(coding).collect()
}

fn column_of(column: &Value) -> Result<Option<Coding>, String> {
    let values = column.numbers("values")?;
    let texts = if column.find("offsets").is_some() {
        texts(column.numbers("offsets")?, values)?
    } else {
        values.iter().map(|value| number(*value)).collect::<Result<_, _>>()?
    };
    if texts.is_empty() { Ok(None) } else { Coding::new(texts).map(Some) }
}

/// A whole number that is a category.
fn number(value: f64) -> Result<String, String> {
    // Past 2^53 doubles are no longer all whole numbers.
    if value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0 {
        Ok(format!("{}", value as i64))
    } else {
        Err(format!("the category {value} is no whole number up to 2^53"))
    }
}

/// Texts in one row of bytes, each from its offset to the next.
fn texts(offsets: &[f64], bytes: &[f64]) -> Result<Vec<String>, String> {
    if offsets.len() > MAX_CATEGORIES + 1 {
        return Err(format!("{} categories; {MAX_CATEGORIES} is the most", offsets.len() - 1));
    }
    // XGBoost writes them as signed bytes.
    let byte = |value: &f64| whole(value.rem_euclid(256.0), 256).map(|byte| byte as u8);
    let bytes: Vec<u8> = bytes.iter().map(byte).collect::<Option<_>>().ok_or("a byte out of range")?;
    let mut texts = Vec::with_capacity(offsets.len());
    for (from, to) in offsets.iter().zip(offsets.iter().skip(1)) {
        let range = whole(*from, bytes.len() + 1).zip(whole(*to, bytes.len() + 1));
        let text = range.and_then(|(from, to)| bytes.get(from..to)).ok_or("an offset out of range")?;
        let text = std::str::from_utf8(text).map_err(|_| "a category that is not UTF-8")?;
        texts.push(text.to_owned());
    }
    Ok(texts)
}
