//! Reads the two tables into what the measures need: sorted numbers, or counts
//! by text.
//!
//! Batches are dropped as soon as they are read. What is held is 8 bytes for
//! each numeric value of the columns of one pass (both sides; the values are
//! sorted in place), and one entry for each distinct text. As many columns as
//! fit `memory_mb` share a pass, at least one; the tables are then rewound.

use std::collections::HashMap;

use modelyard_sdk::prelude::*;

use crate::distances::{self, Counts};
use crate::parameters::{Kind, Parameters};

/// Rows pulled at once.
const BATCH: u32 = 65_536;

/// A column to compare.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its name.
    pub name: String,
    /// How it is read.
    pub kind: Kind,
    /// Whether both sides hold whole numbers.
    pub whole: bool,
}

/// Both windows of a column.
#[derive(Clone, Debug)]
pub struct Gathered {
    /// What was read.
    pub plan: Plan,
    /// Rows of the reference and of the current table, missing ones included.
    pub rows: (u64, u64),
    /// Rows without a value: null, NaN or infinite.
    pub missing: (u64, u64),
    /// The values.
    pub values: Values,
}

/// The values of both windows.
#[derive(Clone, Debug)]
pub enum Values {
    /// Sorted numbers.
    Numeric {
        /// The reference's.
        reference: Vec<f64>,
        /// The current window's.
        current: Vec<f64>,
    },
    /// Counts by text, in the texts' order.
    Categorical(Counts),
    /// More distinct texts than the parameters allow.
    TooMany,
}

impl Gathered {
    /// Values on each side, missing ones not counted.
    #[must_use]
    pub fn present(&self) -> (u64, u64) {
        (self.rows.0 - self.missing.0, self.rows.1 - self.missing.1)
    }

    /// Counts by distinct value.
    #[must_use]
    pub fn counts(&self) -> Counts {
        match &self.values {
            Values::Numeric { reference, current } => distances::by_value(reference, current),
            Values::Categorical(counts) => counts.clone(),
            Values::TooMany => Vec::new(),
        }
    }
}

/// Chooses the columns and how each one is read.
///
/// # Errors
/// `invalid-input` for a column that a table does not have, has as another
/// type, or that can't be read as the parameters say.
pub fn plan(parameters: &Parameters, reference: &Reader, current: &Reader) -> Result<Vec<Plan>, Error> {
    let (left, right) = (reference.schema(), current.schema());
    let known = |name: &String| left.iter().any(|f| f.name == *name);
    let named = [("/columns", &parameters.columns), ("/ignore", &parameters.ignore)];
    for (pointer, names) in named {
        if let Some(name) = names.iter().find(|name| !known(name)) {
            return Err(Error::parameter(pointer, format!("there is no column `{name}`: {}", list(&left))));
        }
    }
    if let Some(name) = parameters.per_column.keys().find(|name| !known(name)) {
        return Err(Error::parameter("/per_column", format!("there is no column `{name}`: {}", list(&left))));
    }
    let wanted = |field: &&Field| {
        !parameters.ignore.contains(&field.name)
            && if parameters.columns.is_empty() {
                field.type_ != ColumnType::Timestamp
            } else {
                parameters.columns.contains(&field.name)
            }
    };
    left.iter().filter(wanted).map(|field| plan_column(parameters, field, &right)).collect()
}

fn plan_column(parameters: &Parameters, field: &Field, current: &[Field]) -> Result<Plan, Error> {
    let name = &field.name;
    let Some(other) = current.iter().find(|f| f.name == *name) else {
        return Err(Error::column(
            name,
            format!("the current table has no column `{name}`: {}", list(current)),
        ));
    };
    let numeric = |f: &Field| matches!(f.type_, ColumnType::F64 | ColumnType::S64 | ColumnType::Timestamp);
    if field.type_ != other.type_ && !(numeric(field) && numeric(other)) {
        let message = format!(
            "column `{name}` is {} in the reference and {} in the current table: both must have one type",
            field.type_.name(),
            other.type_.name()
        );
        return Err(Error::column(name, message));
    }
    let own = parameters.per_column.get(name);
    let kind =
        own.and_then(|c| c.kind).unwrap_or(if numeric(field) { Kind::Numeric } else { Kind::Categorical });
    if kind == Kind::Numeric && field.type_ == ColumnType::Utf8 {
        let message = format!("column `{name}` holds text and can't be read as numeric");
        return Err(Error::parameter("/per_column", message));
    }
    let explicit = own.and_then(|c| c.tests.as_ref()).and_then(|t| t.iter().find(|t| t.is_numeric()));
    if let (Kind::Categorical, Some(test)) = (kind, explicit) {
        let message = format!(
            "{} needs numbers, column `{name}` is categorical: use jensen_shannon, psi or chi_square",
            test.name()
        );
        return Err(Error::parameter("/per_column", message));
    }
    let whole = field.type_ == ColumnType::S64 && other.type_ == ColumnType::S64;
    Ok(Plan { name: name.clone(), kind, whole })
}

fn list(fields: &[Field]) -> String {
    let names: Vec<&str> = fields.iter().map(|f| f.name.as_str()).collect();
    format!("the columns are {}", names.join(", "))
}

/// Reads the columns pass by pass and gives each one to `then`, in order.
///
/// # Errors
/// What the readers or `then` give; `cancelled` when the caller asks to stop.
pub fn each(
    plans: &[Plan],
    parameters: &Parameters,
    reference: &Reader,
    current: &Reader,
    mut then: impl FnMut(Gathered) -> Result<(), Error>,
) -> Result<(), Error> {
    let bytes = (reference.rows() + current.rows()).saturating_mul(8).max(1);
    let at_once =
        usize::try_from((parameters.memory_mb as u64 * 1024 * 1024) / bytes).unwrap_or(usize::MAX).max(1);
    for plans in plans.chunks(at_once) {
        let mut sides: Vec<Side> = plans.iter().map(Side::new).collect();
        for (side, reader) in [reference, current].into_iter().enumerate() {
            for batch in reader.batches(BATCH) {
                progress::check()?;
                let batch = batch?;
                for column in &mut sides {
                    column.add(&batch, side, parameters.max_categories)?;
                }
            }
        }
        sides.into_iter().try_for_each(|side| then(side.finish()))?;
    }
    Ok(())
}

/// A column while it is read; index 0 is the reference.
struct Side {
    plan: Plan,
    rows: [u64; 2],
    missing: [u64; 2],
    numbers: [Vec<f64>; 2],
    texts: HashMap<String, [u64; 2]>,
    too_many: bool,
}

impl Side {
    fn new(plan: &Plan) -> Self {
        Self {
            plan: plan.clone(),
            rows: [0; 2],
            missing: [0; 2],
            numbers: [Vec::new(), Vec::new()],
            texts: HashMap::new(),
            too_many: false,
        }
    }

    fn add(&mut self, batch: &Table, side: usize, max_categories: usize) -> Result<(), Error> {
        let column = batch.column(&self.plan.name)?;
        let Some(((rows, missing), numbers)) =
            self.rows.get_mut(side).zip(self.missing.get_mut(side)).zip(self.numbers.get_mut(side))
        else {
            return Err(Error::internal("a table has two sides"));
        };
        *rows += column.len() as u64;
        if self.plan.kind == Kind::Numeric {
            // Adding 0 makes one value of 0 and −0.
            numbers.extend(column.numbers()?.iter().filter(|v| v.is_finite()).map(|v| v + 0.0));
            *missing = *rows - numbers.len() as u64;
            return Ok(());
        }
        for row in 0..column.len() {
            let text = match &column.data {
                ColumnData::F64(values) if values.get(row).is_none_or(|v| !v.is_finite()) => None,
                _ => column.text(row),
            };
            let Some(text) = text else {
                *missing += 1;
                continue;
            };
            if self.too_many {
                continue;
            }
            if let Some(count) = self.texts.get_mut(text.as_ref()).and_then(|c| c.get_mut(side)) {
                *count += 1;
            } else if self.texts.len() >= max_categories {
                self.too_many = true;
                self.texts = HashMap::new();
            } else {
                let mut counts = [0; 2];
                counts.iter_mut().skip(side).take(1).for_each(|count| *count = 1);
                self.texts.insert(text.into_owned(), counts);
            }
        }
        Ok(())
    }

    fn finish(self) -> Gathered {
        let [mut reference, mut current] = self.numbers;
        let values = if self.too_many {
            Values::TooMany
        } else if self.plan.kind == Kind::Numeric {
            reference.sort_unstable_by(f64::total_cmp);
            current.sort_unstable_by(f64::total_cmp);
            Values::Numeric { reference, current }
        } else {
            let mut texts: Vec<(String, [u64; 2])> = self.texts.into_iter().collect();
            texts.sort_unstable();
            Values::Categorical(texts.into_iter().map(|(_, [a, b])| (a, b)).collect())
        };
        let pair = |[a, b]: [u64; 2]| (a, b);
        Gathered { plan: self.plan, rows: pair(self.rows), missing: pair(self.missing), values }
    }
}
