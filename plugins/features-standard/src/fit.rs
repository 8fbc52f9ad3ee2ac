//! Learning from training data, batch by batch.
//!
//! A step that learns sees its column as the steps before it leave it, so the
//! data goes by once for each step that has to wait for another on the same
//! column, and once in all where none does.

use modelyard_sdk::prelude::*;

use crate::learn::{Gathered, sorted};
use crate::parameters::{Action, Bins, Fill, Parameters, Rest, Scaling};
use crate::state::{FORM, Fitted, State, What};
use crate::transform::Operation;

const BATCH: u32 = 65_536;

/// One step over one column.
struct Unit<'a> {
    column: &'a str,
    action: &'a Action,
    operation: Option<(Fitted, Operation)>,
    gathered: Option<Gathered>,
}

/// See [`Features::fit`].
pub fn fit(text: &str, data: &Reader) -> Result<Vec<u8>, Error> {
    let schema = data.schema();
    let parameters = Parameters::new(text, &schema)?;
    let inputs = inputs(&parameters, &schema);
    let names: Vec<&str> = inputs.iter().map(|(name, _)| name.as_str()).collect();
    let mut units = Vec::new();
    for step in &parameters.steps {
        for column in &step.columns {
            let operation = ready(step.action.clone()).map(|what| prepared(column, what));
            units.push(Unit { column, action: &step.action, operation, gathered: None });
        }
    }
    while units.iter().any(|unit| unit.operation.is_none()) {
        pass(&mut units, data, &names)?;
    }
    let fitted: Vec<Fitted> =
        units.into_iter().filter_map(|unit| unit.operation.map(|(fitted, _)| fitted)).collect();
    let outputs = outputs(&inputs, &fitted)?;
    State { v: FORM, inputs, fitted, outputs }.bytes()
}

fn prepared(column: &str, what: What) -> (Fitted, Operation) {
    let fitted = Fitted { column: column.to_owned(), what };
    let operation = Operation::new(&fitted);
    (fitted, operation)
}

/// The columns that are needed: in the order in which steps name them, then
/// the rest where it is kept.
fn inputs(parameters: &Parameters, schema: &[Field]) -> Vec<(String, ColumnType)> {
    let mut inputs: Vec<(String, ColumnType)> = Vec::new();
    let mut add = |name: &str| {
        if let Some(field) = schema.iter().find(|field| field.name == name)
            && !inputs.iter().any(|(known, _)| known == name)
        {
            inputs.push((field.name.clone(), field.type_));
        }
    };
    parameters.steps.iter().flat_map(|step| &step.columns).for_each(|name| add(name));
    if parameters.rest == Rest::Keep {
        schema.iter().for_each(|field| add(&field.name));
    }
    inputs
}

/// The columns that come out: found by sending a row of nulls through.
fn outputs(inputs: &[(String, ColumnType)], fitted: &[Fitted]) -> Result<Vec<Field>, Error> {
    let mut columns: Vec<Column> = inputs
        .iter()
        .map(|(name, kind)| {
            let data = match kind {
                ColumnType::F64 => ColumnData::F64(vec![0.0]),
                ColumnType::S64 => ColumnData::S64(vec![0]),
                ColumnType::Boolean => ColumnData::Boolean(vec![false]),
                ColumnType::Utf8 => ColumnData::Utf8(vec![String::new()]),
                ColumnType::Timestamp => ColumnData::Timestamp(vec![0]),
            };
            Column::new(name, data).with_validity(vec![false])
        })
        .collect();
    for fitted in fitted {
        Operation::new(fitted).apply(&mut columns)?;
    }
    Ok(Table::new(columns)?.schema())
}

/// Whether `name` is `column` or was made from it.
fn comes_from(name: &str, column: &str) -> bool {
    name.strip_prefix(column).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
}

/// One way through the data: every unit learns that waits for no other.
fn pass(units: &mut [Unit<'_>], data: &Reader, names: &[&str]) -> Result<(), Error> {
    let mut waiting: Vec<&str> = Vec::new();
    let mut active: Vec<bool> = Vec::with_capacity(units.len());
    for unit in units.iter_mut() {
        let blocked = waiting.iter().any(|column| comes_from(unit.column, column));
        if unit.operation.is_none() {
            if !blocked {
                unit.gathered = Some(gathers(unit.action));
            }
            waiting.push(unit.column);
        }
        active.push(!blocked);
    }
    for batch in data.batches(BATCH) {
        if progress::cancelled() {
            return Err(Error::Cancelled);
        }
        let batch = batch?;
        let mut columns = Vec::with_capacity(names.len());
        for name in names {
            columns.push(batch.column(name)?.clone());
        }
        for (unit, active) in units.iter_mut().zip(&active) {
            match (active, &unit.operation, &mut unit.gathered) {
                (false, _, _) => {}
                (true, Some((_, operation)), _) => operation.apply(&mut columns)?,
                (true, None, Some(gathered)) => {
                    let column =
                        columns.iter().find(|column| column.name == unit.column).ok_or_else(|| {
                            Error::column(unit.column, "the column isn't there when its step comes")
                        })?;
                    gathered.take(column)?;
                }
                (true, None, None) => {}
            }
        }
    }
    for unit in units.iter_mut() {
        if let Some(gathered) = unit.gathered.take() {
            unit.operation = Some(prepared(unit.column, learned(unit.column, unit.action, gathered)?));
        }
    }
    Ok(())
}

/// The operation of an action that has nothing to learn.
fn ready(action: Action) -> Option<What> {
    Some(match action {
        Action::Impute { with: Fill::Constant, value, indicator } => match value? {
            serde_json::Value::Number(number) => What::FillNumber { value: number.as_f64()?, indicator },
            serde_json::Value::Bool(value) => What::FillNumber { value: f64::from(value), indicator },
            serde_json::Value::String(value) => What::FillText { value, indicator },
            _ => return None,
        },
        Action::Hash { buckets } => What::Hash { buckets },
        Action::Bucketise { edges: Some(edges), .. } => What::Bucketise { edges },
        Action::DateParts { parts, cyclic } => What::DateParts { parts, cyclic },
        Action::Log1p {} => What::Log1p,
        Action::Clip { low, high } => What::Clip { low, high },
        Action::Keep {} => What::Keep,
        Action::Drop {} => What::Drop,
        _ => return None,
    })
}

fn gathers(action: &Action) -> Gathered {
    match action {
        Action::Impute { with: Fill::Mean, .. } | Action::Scale { with: Scaling::Standard } => {
            Gathered::moments()
        }
        Action::Scale { with: Scaling::MinMax } | Action::Bucketise { with: Some(Bins::Uniform), .. } => {
            Gathered::range()
        }
        Action::Impute { with: Fill::Median, .. }
        | Action::Scale { with: Scaling::Robust }
        | Action::Bucketise { .. } => Gathered::sample(),
        _ => Gathered::counts(),
    }
}

fn learned(column: &str, action: &Action, gathered: Gathered) -> Result<What, Error> {
    let nothing = || Error::column(column, "the column has no values to learn from in the training data");
    match (action, gathered) {
        (Action::Impute { indicator, .. }, Gathered::Moments { count, mean, .. }) if count > 0.0 => {
            Ok(What::FillNumber { value: mean, indicator: *indicator })
        }
        (Action::Impute { indicator, .. }, mut sample @ Gathered::Sample { .. }) => {
            let median = sample.quantiles(&[0.5]).and_then(|found| found.first().copied());
            Ok(What::FillNumber { value: median.ok_or_else(nothing)?, indicator: *indicator })
        }
        (Action::Impute { indicator, .. }, Gathered::Counts { counts, textual, .. }) => {
            let most = counts.values().max().copied().ok_or_else(nothing)?;
            let ties: Vec<String> =
                counts.into_iter().filter(|(_, count)| *count == most).map(|(text, _)| text).collect();
            let value = sorted(ties).into_iter().next().ok_or_else(nothing)?;
            if textual {
                return Ok(What::FillText { value, indicator: *indicator });
            }
            let number = if value == "true" { Some(1.0) } else { value.parse().ok() };
            Ok(What::FillNumber { value: number.unwrap_or(0.0), indicator: *indicator })
        }
        (Action::Scale { .. }, Gathered::Moments { count, mean, squares }) if count > 0.0 => {
            Ok(What::Scale { center: mean, scale: deviation(count, mean, squares) })
        }
        (Action::Scale { .. }, Gathered::Range { least, greatest }) if least <= greatest => {
            Ok(What::Scale { center: least, scale: nonzero(greatest - least) })
        }
        (Action::Scale { .. }, mut sample @ Gathered::Sample { .. }) => {
            match sample.quantiles(&[0.25, 0.5, 0.75]).ok_or_else(nothing)?.as_slice() {
                [low, center, high] => Ok(What::Scale { center: *center, scale: nonzero(high - low) }),
                _ => Err(nothing()),
            }
        }
        (Action::Bucketise { bins, .. }, Gathered::Range { least, greatest }) if least <= greatest => {
            let width = (greatest - least) / *bins as f64;
            let edges = (1..*bins).map(|edge| least + width * edge as f64);
            Ok(What::Bucketise { edges: if width > 0.0 { edges.collect() } else { Vec::new() } })
        }
        (Action::Bucketise { bins, .. }, mut sample @ Gathered::Sample { .. }) => {
            let shares: Vec<f64> = (0..=*bins).map(|edge| edge as f64 / *bins as f64).collect();
            Ok(What::Bucketise { edges: inner_edges(&sample.quantiles(&shares).ok_or_else(nothing)?) })
        }
        (Action::OneHot { .. }, Gathered::Counts { counts, total, .. }) => {
            categories(column, action, counts, total)
        }
        (Action::Ordinal { unknown }, Gathered::Counts { counts, .. }) => {
            Ok(What::Ordinal { categories: sorted(counts.into_keys().collect()), unknown: *unknown })
        }
        _ => Err(nothing()),
    }
}

/// The population standard deviation; 1 where the values are the same but for
/// rounding, by scikit-learn's bound (`_is_constant_feature`).
fn deviation(count: f64, mean: f64, squares: f64) -> f64 {
    let variance = squares / count;
    let bound = count * f64::EPSILON * variance + (count * mean * f64::EPSILON).powi(2);
    if variance <= bound { 1.0 } else { variance.sqrt() }
}

/// A width to divide by; 1 where there is none, by scikit-learn's bound
/// (`_handle_zeros_in_scale`).
fn nonzero(width: f64) -> f64 {
    if width.abs() < 10.0 * f64::EPSILON { 1.0 } else { width }
}

/// The edges between the first and the last, without those that leave an
/// interval narrower than 1e-8, as scikit-learn's `KBinsDiscretizer` does.
fn inner_edges(edges: &[f64]) -> Vec<f64> {
    let mut kept: Vec<f64> = edges.first().copied().into_iter().collect();
    let mut before = edges.first().copied().unwrap_or_default();
    for edge in edges.iter().skip(1) {
        if edge - before > 1e-8 {
            kept.push(*edge);
        }
        before = *edge;
    }
    kept.pop();
    kept.into_iter().skip(1).collect()
}

fn categories(
    column: &str,
    action: &Action,
    counts: std::collections::HashMap<String, u64>,
    total: u64,
) -> Result<What, Error> {
    let Action::OneHot { handle_unknown, min_frequency, missing, max_categories } = action else {
        return Err(Error::internal("one-hot was expected"));
    };
    let least = if *min_frequency < 1.0 { min_frequency * total as f64 } else { *min_frequency };
    let (frequent, infrequent): (Vec<_>, Vec<_>) =
        counts.into_iter().partition(|(_, count)| *count as f64 >= least);
    let names = |counts: Vec<(String, u64)>| sorted(counts.into_iter().map(|(text, _)| text).collect());
    if frequent.len() > *max_categories {
        let why = format!(
            "one-hot would make {} columns, more than max_categories {max_categories}; set min_frequency or use hash",
            frequent.len()
        );
        return Err(Error::column(column, why));
    }
    Ok(What::OneHot {
        categories: names(frequent),
        infrequent: names(infrequent),
        unknown: *handle_unknown,
        missing: *missing,
    })
}
