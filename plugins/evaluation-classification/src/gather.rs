//! The columns read, and what can't be measured refused.

// Classes and rows run over lengths that are fixed while they are read.
#![allow(clippy::indexing_slicing)]

use std::collections::BTreeMap;

use modelyard_sdk::prelude::{Column, ColumnData, ColumnType, Error, Reader, Result, Table, progress};

use crate::params::Parameters;

/// The most classes.
const MAX_CLASSES: usize = 256;

/// Rows to measure.
#[derive(Debug)]
pub struct Gathered {
    /// The classes in order.
    pub classes: Vec<String>,
    /// The index of each row's true class.
    pub truth: Vec<usize>,
    /// What was predicted.
    pub predicted: Predicted,
    /// For each slice column, `name=value` with its rows, most frequent first.
    pub slices: Vec<(String, Vec<usize>)>,
}

/// What was predicted of each row.
#[derive(Debug)]
pub enum Predicted {
    /// The index of a class.
    Labels(Vec<usize>),
    /// A score of the second of two classes.
    Scores(Vec<f64>),
    /// A probability for each class, row after row.
    Probabilities(Vec<f64>),
}

enum Kind {
    Labels,
    Scores,
    Probabilities,
}

/// Reads all that the parameters name.
pub fn gather(parameters: &Parameters, data: &Reader) -> Result<Gathered> {
    let kind = kind(parameters, data)?;
    let names = parameters.prediction.names();
    let mut truth = Texts::default();
    let mut labels = Texts::default();
    let mut scores: Vec<f64> = Vec::new();
    let mut slices: Vec<BTreeMap<String, Vec<usize>>> = vec![BTreeMap::new(); parameters.slices.len()];
    let mut rows = 0;
    for batch in data.batches(32_768) {
        progress::check()?;
        let batch: Table = batch?;
        truth.push(batch.column(&parameters.truth)?, rows)?;
        match kind {
            Kind::Labels => {
                for name in names {
                    labels.push(batch.column(name)?, rows)?;
                }
            }
            Kind::Scores | Kind::Probabilities => add_scores(&batch, names, rows, &mut scores)?,
        }
        for (name, slice) in parameters.slices.iter().zip(&mut slices) {
            let column = batch.column(name)?;
            for row in 0..batch.rows() {
                let value = column.text(row);
                let value = value.as_deref().unwrap_or("null");
                match slice.get_mut(value) {
                    Some(rows_of) => rows_of.push(rows + row),
                    None => {
                        slice.insert(value.to_owned(), vec![rows + row]);
                    }
                }
            }
        }
        rows += batch.rows();
    }
    if rows == 0 {
        return Err(Error::invalid("there are no rows to measure"));
    }
    let classes = classes(parameters, &kind, &truth, &labels)?;
    let truth = truth.indices(&classes, &parameters.truth)?;
    let predicted = match kind {
        Kind::Labels => Predicted::Labels(labels.indices(&classes, &names[0])?),
        Kind::Scores if classes.len() == 2 => Predicted::Scores(scores),
        Kind::Scores => {
            let message = format!(
                "one column of scores goes with two classes, not with {classes:?}; give a column for each class, or labels"
            );
            return Err(Error::parameter("/prediction", message));
        }
        Kind::Probabilities => Predicted::Probabilities(scores),
    };
    Ok(Gathered { classes, truth, predicted, slices: cut(parameters, slices) })
}

/// Numbers in one column are scores, unless they are integers or the column
/// holds classes of more than two.
fn kind(parameters: &Parameters, data: &Reader) -> Result<Kind> {
    let names = parameters.prediction.names();
    let schema = data.schema();
    let [name] = names else { return Ok(Kind::Probabilities) };
    let Some(field) = schema.iter().find(|field| field.name == *name) else {
        let known: Vec<&str> = schema.iter().take(40).map(|field| field.name.as_str()).collect();
        return Err(Error::column(name, format!("there is no such column; there are {known:?}")));
    };
    Ok(if field.type_ == ColumnType::F64 { Kind::Scores } else { Kind::Labels })
}

fn add_scores(batch: &Table, names: &[String], before: usize, scores: &mut Vec<f64>) -> Result<()> {
    let columns = names.iter().map(|name| batch.numbers(name)).collect::<Result<Vec<_>>>()?;
    for row in 0..batch.rows() {
        for (name, column) in names.iter().zip(&columns) {
            let score = column[row];
            if !score.is_finite() {
                let message = format!("a score is a finite number, not {score} or null");
                return Err(Error::column(name, message).at_row((before + row) as u64));
            }
            scores.push(score);
        }
    }
    Ok(())
}

/// A column of classes as numbers into a list of texts.
#[derive(Default)]
struct Texts {
    ids: BTreeMap<String, usize>,
    values: Vec<usize>,
    /// Where each text came first.
    first: Vec<usize>,
}

impl Texts {
    fn push(&mut self, column: &Column, before: usize) -> Result<()> {
        if let ColumnData::Timestamp(_) = column.data {
            return Err(Error::column(&column.name, "holds times, which are no classes"));
        }
        for row in 0..column.len() {
            let at = (before + row) as u64;
            let Some(text) = column.text(row) else {
                return Err(Error::column(&column.name, "a class is null; leave such rows out").at_row(at));
            };
            if let Some(id) = self.ids.get(text.as_ref()) {
                self.values.push(*id);
                continue;
            }
            if self.first.len() >= MAX_CLASSES {
                let message =
                    format!("more than {MAX_CLASSES} classes; is it a quantity, for evaluation-regression?");
                return Err(Error::column(&column.name, message).at_row(at));
            }
            self.ids.insert(text.into_owned(), self.first.len());
            self.values.push(self.first.len());
            self.first.push(before + row);
        }
        Ok(())
    }

    fn indices(&self, classes: &[String], column: &str) -> Result<Vec<usize>> {
        let mut places = vec![0; self.first.len()];
        for (text, id) in &self.ids {
            let Some(place) = classes.iter().position(|class| class == text) else {
                let message = format!("{text:?} is none of the classes {classes:?}");
                return Err(Error::column(column, message).at_row(self.first[*id] as u64));
            };
            places[*id] = place;
        }
        Ok(self.values.iter().map(|id| places[*id]).collect())
    }
}

/// The classes asked for, or those that occur.
fn classes(parameters: &Parameters, kind: &Kind, truth: &Texts, labels: &Texts) -> Result<Vec<String>> {
    if !parameters.classes.is_empty() {
        return Ok(parameters.classes.clone());
    }
    let mut classes: Vec<String> = truth.ids.keys().chain(labels.ids.keys()).cloned().collect();
    classes.sort();
    classes.dedup();
    if let [only] = classes.as_slice()
        && let Kind::Scores = kind
    {
        // Of numbers and booleans it is known what the other class is.
        match only.as_str() {
            "0" | "1" => return Ok(vec!["0".into(), "1".into()]),
            "true" | "false" => return Ok(vec!["false".into(), "true".into()]),
            _ => {
                let message =
                    format!("the one class {only:?} occurs; name both in `classes`, the positive one second");
                return Err(Error::parameter("/classes", message));
            }
        }
    }
    if classes.iter().all(|class| class.parse::<f64>().is_ok_and(|number| !number.is_nan())) {
        let number = |class: &String| class.parse::<f64>().unwrap_or_default();
        classes.sort_by(|a, b| number(a).total_cmp(&number(b)));
    }
    Ok(classes)
}

fn cut(parameters: &Parameters, slices: Vec<BTreeMap<String, Vec<usize>>>) -> Vec<(String, Vec<usize>)> {
    let mut all = Vec::new();
    for (name, slice) in parameters.slices.iter().zip(slices) {
        let mut values: Vec<(String, Vec<usize>)> = slice.into_iter().collect();
        values.retain(|(_, rows)| rows.len() as u64 >= parameters.min_slice_rows);
        values.sort_by(|a, b| b.1.len().cmp(&a.1.len()).then_with(|| a.0.cmp(&b.0)));
        values.truncate(parameters.max_slices as usize);
        all.extend(values.into_iter().map(|(value, rows)| (format!("{name}={value}"), rows)));
    }
    all
}
