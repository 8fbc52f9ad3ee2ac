//! Scores to a ranking, and the rule that selects.

use std::collections::BTreeMap;

use modelyard_sdk::prelude::*;
use serde::Deserialize;

use crate::data::{self, Codes};
use crate::forest::{self, BINS, Goal};
use crate::score;

/// JSON Schema of the parameters.
pub const SCHEMA: &str = include_str!("parameters.json");

/// A target of more classes is taken for a number that was meant otherwise.
const MOST_CLASSES: usize = 1000;

/// The parameters.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// The score.
    pub method: Method,
    /// How many columns are selected, best first.
    pub top_k: Option<usize>,
    /// The score above which columns are selected.
    pub threshold: Option<f64>,
    /// Intervals of a column of numbers, for mutual information.
    #[serde(default = "bins")]
    pub bins: usize,
    /// Importance by column, where a model has given it.
    pub importance: Option<BTreeMap<String, f64>>,
    /// Columns that are not ranked (keys, times).
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Rows that are looked at: of more, every second, third … one.
    #[serde(default = "rows")]
    pub max_rows: u64,
}

/// What columns are ranked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// [`score::variance`], which doesn't look at the target.
    Variance,
    /// [`score::pearson`].
    Pearson,
    /// [`score::spearman`].
    Spearman,
    /// [`score::mutual_information`].
    MutualInformation,
    /// [`score::chi2`], of text [`score::chi2_categories`].
    Chi2,
    /// [`score::anova_f`].
    AnovaF,
    /// The parameter `importance`, or [`forest::importance`].
    Importance,
}

fn bins() -> usize {
    10
}
fn rows() -> u64 {
    1_000_000
}

/// See [`Selection::rank`].
pub fn rank(text: &str, reader: &Reader, target: &str) -> Result<Vec<Ranked>, Error> {
    let given: Parameters = parameters(text)?;
    if !(2..=1000).contains(&given.bins) {
        return Err(Error::parameter("/bins", "bins is from 2 to 1000"));
    }
    if given.max_rows == 0 {
        return Err(Error::parameter("/max_rows", "max_rows is at least 1"));
    }
    if given.threshold.is_some_and(f64::is_nan) {
        return Err(Error::parameter("/threshold", "threshold is a number"));
    }
    let schema = reader.schema();
    let names: Vec<&str> = schema.iter().map(|field| field.name.as_str()).collect();
    if !names.contains(&target) {
        return Err(Error::column(target, format!("the target isn't there; there are {names:?}")));
    }
    let listed = given.exclude.iter().chain(given.importance.iter().flat_map(BTreeMap::keys));
    for name in listed {
        if !names.contains(&name.as_str()) {
            return Err(Error::column(
                name,
                format!("the parameters name a column that isn't there; there are {names:?}"),
            ));
        }
    }
    let ranked: Vec<&str> = names
        .into_iter()
        .filter(|name| *name != target && !given.exclude.iter().any(|out| out == name))
        .collect();
    let scores = if let (Method::Importance, Some(importance)) = (given.method, &given.importance) {
        ranked.iter().map(|name| importance.get(*name).copied().unwrap_or(0.0)).collect()
    } else {
        let table = data::read(reader, given.max_rows)?;
        scores(&given, &table, &ranked, target)?
    };
    Ok(select(&given, ranked, scores))
}

/// Best first; equal scores in the order of the columns.
fn select(given: &Parameters, names: Vec<&str>, scores: Vec<f64>) -> Vec<Ranked> {
    let mut pairs: Vec<(&str, f64)> = names.into_iter().zip(scores).collect();
    pairs.sort_by(|a, b| b.1.total_cmp(&a.1));
    let rule = |place: usize, score: f64| {
        given.top_k.is_none_or(|top| place < top) && given.threshold.is_none_or(|least| score > least)
    };
    let ranked = pairs.into_iter().enumerate().map(|(place, (name, score))| Ranked {
        column: name.to_owned(),
        score,
        selected: rule(place, score),
    });
    ranked.collect()
}

fn scores(given: &Parameters, table: &Table, names: &[&str], target: &str) -> Result<Vec<f64>, Error> {
    let truth = table.column(target)?;
    match given.method {
        Method::Variance => numbers(table, names, |x| Ok(score::variance(x))),
        Method::Pearson | Method::Spearman => {
            let y = data::numeric(truth)?;
            let f = if given.method == Method::Pearson { score::pearson } else { score::spearman };
            numbers(table, names, |x| Ok(f(x, &y)))
        }
        Method::MutualInformation => {
            let y = data::binned(truth, given.bins);
            let score = |name: &&str| {
                Ok(score::mutual_information(&data::binned(table.column(name)?, given.bins), &y))
            };
            names.iter().map(score).collect()
        }
        Method::Chi2 => {
            let (kept, y) = classes(table, target)?;
            names.iter().map(|name| chi2(&kept, name, &y)).collect()
        }
        Method::AnovaF => {
            let (kept, y) = classes(table, target)?;
            numbers(&kept, names, |x| Ok(score::anova_f(x, &y)))
        }
        Method::Importance => importance(table, names, target),
    }
}

/// The score of each column of numbers; of text, which has none, 0 and a
/// warning.
fn numbers(
    table: &Table,
    names: &[&str],
    f: impl Fn(&[f64]) -> Result<f64, Error>,
) -> Result<Vec<f64>, Error> {
    let mut scores = Vec::with_capacity(names.len());
    for name in names {
        let column = table.column(name)?;
        scores.push(match column.numbers() {
            Ok(values) => f(&values)?,
            Err(_) => {
                log::warn(format!(
                    "column {name:?} holds text and is scored 0: encode it, or use mutual-information or chi2"
                ));
                0.0
            }
        });
    }
    Ok(scores)
}

/// The rows whose target is there, and its classes.
fn classes(table: &Table, target: &str) -> Result<(Table, Codes), Error> {
    let truth = table.column(target)?;
    let numbers = truth.numbers().ok();
    let there = |row: &usize| {
        truth.is_valid(*row) && numbers.as_ref().is_none_or(|x| x.get(*row).is_some_and(|x| !x.is_nan()))
    };
    let rows: Vec<usize> = (0..table.rows()).filter(there).collect();
    let columns: Vec<Column> = table.columns().iter().map(|column| column.take(&rows)).collect();
    let kept = Table::new(columns)?;
    let codes = data::codes(kept.column(target)?);
    if codes.count > MOST_CLASSES {
        return Err(score::too_many_classes(target, codes.count, MOST_CLASSES));
    }
    Ok((kept, codes))
}

fn chi2(table: &Table, name: &str, classes: &Codes) -> Result<f64, Error> {
    let column = table.column(name)?;
    let Ok(values) = column.numbers() else {
        return Ok(score::chi2_categories(&data::codes(column), classes));
    };
    match score::negative(&values) {
        Some(row) => {
            let why = "chi2 takes frequencies, which are 0 or above; scale or bucketise the column first";
            Err(Error::column(name, why).at_row(row as u64))
        }
        None => Ok(score::chi2(&values, classes)),
    }
}

fn importance(table: &Table, names: &[&str], target: &str) -> Result<Vec<f64>, Error> {
    let (kept, codes) = classes_or_numbers(table, target)?;
    let truth = kept.column(target)?;
    let goal = match codes {
        Some(codes) => Goal {
            values: (0..codes.count)
                .map(|class| codes.codes.iter().map(|code| f64::from(u8::from(*code == class))).collect())
                .collect(),
        },
        None => Goal { values: vec![truth.numbers()?.into_owned()] },
    };
    let columns: Vec<Codes> =
        names.iter().map(|name| Ok(data::ordered(kept.column(name)?, BINS))).collect::<Result<_, Error>>()?;
    Ok(forest::importance(&columns, &goal))
}

/// Rows with a target, and its classes where it is text, boolean, or whole
/// numbers of at most ten values.
fn classes_or_numbers(table: &Table, target: &str) -> Result<(Table, Option<Codes>), Error> {
    let truth = table.column(target)?;
    let numbers = truth.numbers().ok();
    let Some(numbers) = numbers.filter(|_| truth.column_type() != ColumnType::Boolean) else {
        return classes(table, target).map(|(kept, codes)| (kept, Some(codes)));
    };
    let rows: Vec<usize> =
        numbers.iter().enumerate().filter(|(_, x)| x.is_finite()).map(|(row, _)| row).collect();
    let columns: Vec<Column> = table.columns().iter().map(|column| column.take(&rows)).collect();
    let kept = Table::new(columns)?;
    let codes = data::codes(kept.column(target)?);
    let few = codes.count <= 10 && numbers.iter().all(|x| !x.is_finite() || x.fract() == 0.0);
    Ok((kept, few.then_some(codes)))
}
