//! The column to predict, as numbers or as classes.

use std::collections::BTreeMap;

use super::{Error, Head, MAX_CLASSES, Task};
use crate::{Column, ColumnData};

/// A target: what it is, and its value in each row.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its classes, for a model's answers.
    pub head: Head,
    /// For each row the number, or the index of its class.
    pub values: Vec<f64>,
}

/// Collects a target batch by batch.
#[derive(Debug)]
pub struct Collector {
    name: String,
    task: Task,
    numbers: Vec<f64>,
    classes: BTreeMap<String, u32>,
    integers: bool,
}

impl Collector {
    /// For the column `name`.
    #[must_use]
    pub fn new(name: &str, task: Task) -> Self {
        Self { name: name.to_owned(), task, numbers: Vec::new(), classes: BTreeMap::new(), integers: true }
    }

    /// Adds a batch. A null, a NaN, an infinite number to regress on, a text
    /// to regress on, or more classes than a classifier takes is an error that
    /// names the row.
    pub fn push(&mut self, column: &Column) -> Result<(), Error> {
        let before = self.numbers.len();
        let at = |row: usize| (before + row) as u64;
        if self.task == Task::Regression {
            for row in 0..column.len() {
                let value = number(column, row).map_err(|e| e.at_row(at(row)))?;
                self.numbers.push(value);
            }
            return Ok(());
        }
        self.integers &= matches!(column.data, ColumnData::S64(_) | ColumnData::F64(_));
        for row in 0..column.len() {
            let class = class(column, row).map_err(|e| e.at_row(at(row)))?;
            let next = self.classes.len() as u32;
            let id = match self.classes.get(&class) {
                Some(id) => *id,
                None if self.classes.len() < MAX_CLASSES => {
                    self.integers &= class.parse::<i64>().is_ok();
                    self.classes.insert(class, next);
                    next
                }
                None => {
                    let message = format!(
                        "the target has more than {MAX_CLASSES} classes; if it is a quantity, the task is `regression`"
                    );
                    return Err(Error::column(&self.name, message).at_row(at(row)));
                }
            };
            self.numbers.push(f64::from(id));
        }
        Ok(())
    }

    /// The target, its classes in order: whole numbers by value, texts by their
    /// bytes, false before true; of two classes `positive`, where it is given,
    /// comes second. No rows, one class only, or for a binary task more than
    /// two, is an error.
    pub fn finish(self, positive: Option<&str>) -> Result<Target, Error> {
        let name = &self.name;
        if self.numbers.is_empty() {
            return Err(Error::column(name, "there are no rows to train on"));
        }
        let mut head = Head { task: self.task, target: name.clone(), classes: Vec::new(), integers: false };
        if self.task == Task::Regression {
            return Ok(Target { head, values: self.numbers });
        }
        let mut order: Vec<(&String, u32)> = self.classes.iter().map(|(class, id)| (class, *id)).collect();
        if self.integers {
            order.sort_by_key(|(class, _)| class.parse::<i64>().unwrap_or_default());
        }
        if let Some(positive) = positive {
            if self.task != Task::Binary || !self.classes.contains_key(positive) {
                let known: Vec<&String> = order.iter().take(20).map(|(class, _)| *class).collect();
                let message = format!(
                    "`{positive}` can't be the positive class: the task is {:?}, the classes are {known:?}",
                    self.task
                );
                return Err(Error::parameter("/positive_class", message));
            }
            order.sort_by_key(|(class, _)| class.as_str() == positive);
        }
        let classes: Vec<String> = order.iter().take(5).map(|(class, _)| (*class).clone()).collect();
        match (self.task, order.len()) {
            (_, 1) => {
                let message =
                    format!("the target has the one class {classes:?}; there is nothing to tell apart");
                return Err(Error::column(name, message));
            }
            (Task::Binary, count) if count > 2 => {
                let message = format!(
                    "the target has {count} classes ({classes:?} …); the task `binary-classification` takes two, `multiclass-classification` more"
                );
                return Err(Error::column(name, message));
            }
            _ => {}
        }
        let mut ranks = vec![0.0; order.len()];
        for (rank, (_, id)) in order.iter().enumerate() {
            if let Some(slot) = ranks.get_mut(*id as usize) {
                *slot = rank as f64;
            }
        }
        head.classes = order.into_iter().map(|(class, _)| class.clone()).collect();
        head.integers = self.integers;
        let rank = |id: &f64| ranks.get(*id as usize).copied().unwrap_or_default();
        let values = self.numbers.iter().map(rank).collect();
        Ok(Target { head, values })
    }
}

/// The values of a further column under a head that is there already, such as
/// that of validation data; `before` rows of it have gone by. A class that the
/// head doesn't have is an error that names the row.
pub fn values(head: &Head, column: &Column, before: usize) -> Result<Vec<f64>, Error> {
    let ranks: BTreeMap<&str, f64> =
        head.classes.iter().map(String::as_str).zip((0..).map(f64::from)).collect();
    let value = |row: usize| -> Result<f64, Error> {
        if head.task == Task::Regression {
            return number(column, row);
        }
        let class = class(column, row)?;
        ranks.get(class.as_str()).copied().ok_or_else(|| {
            Error::column(&column.name, format!("the class {class:?} does not occur in the training data"))
        })
    };
    (0..column.len()).map(|row| value(row).map_err(|e| e.at_row((before + row) as u64))).collect()
}

/// Row weights of a column: numbers of 0 or more, or an error naming the row.
pub fn weights(column: &Column, before: usize) -> Result<Vec<f64>, Error> {
    let weight = |row: usize| match number(column, row) {
        Ok(weight) if weight >= 0.0 => Ok(weight),
        Ok(weight) => Err(Error::column(&column.name, format!("a weight is 0 or more, not {weight}"))),
        Err(error) => Err(error),
    };
    (0..column.len()).map(|row| weight(row).map_err(|e| e.at_row((before + row) as u64))).collect()
}

fn number(column: &Column, row: usize) -> Result<f64, Error> {
    if !column.is_valid(row) {
        return Err(null(column));
    }
    let value = match &column.data {
        ColumnData::F64(values) => values.get(row).copied(),
        ColumnData::S64(values) => values.get(row).map(|v| *v as f64),
        ColumnData::Boolean(values) => values.get(row).map(|v| f64::from(u8::from(*v))),
        ColumnData::Utf8(_) | ColumnData::Timestamp(_) => {
            let name = &column.name;
            return Err(Error::column(name, format!("the column `{name}` holds no numbers")));
        }
    };
    match value {
        Some(value) if value.is_finite() => Ok(value),
        Some(value) => Err(Error::column(&column.name, format!("{value} can't be learned or weighed with"))),
        None => Err(null(column)),
    }
}

fn class(column: &Column, row: usize) -> Result<String, Error> {
    if !column.is_valid(row) {
        return Err(null(column));
    }
    match &column.data {
        ColumnData::S64(values) => values.get(row).map(ToString::to_string),
        ColumnData::Boolean(values) => values.get(row).map(ToString::to_string),
        ColumnData::Utf8(values) => values.get(row).cloned(),
        ColumnData::F64(values) => match values.get(row) {
            Some(value) if value.fract() == 0.0 && value.abs() < 1e15 => Some((*value as i64).to_string()),
            Some(value) => {
                let message = format!("{value} is no class: classes are texts, booleans or whole numbers");
                return Err(Error::column(&column.name, message));
            }
            None => None,
        },
        ColumnData::Timestamp(_) => {
            let message = format!("`{}` holds times, which are no classes", column.name);
            return Err(Error::column(&column.name, message));
        }
    }
    .ok_or_else(|| null(column))
}

fn null(column: &Column) -> Error {
    let name = &column.name;
    Error::column(name, format!("`{name}` is null; leave such rows out of the training data"))
}
