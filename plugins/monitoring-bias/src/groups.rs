//! Counts outcomes by group, batch by batch: memory grows with groups, not rows.

use std::collections::BTreeMap;

use modelyard_sdk::prelude::*;
use modelyard_sdk::stats::Counts;
use serde_json::Value;

use crate::parameters::Parameters;

/// Rows pulled at once.
const BATCH: u32 = 65_536;

/// What happened to one group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// Rows with a decision.
    pub rows: u64,
    /// Rows decided positively.
    pub selected: u64,
    /// Decisions by truth, for the rows that have one.
    pub counts: Counts,
}

/// Outcomes by group, for each group column in the parameters' order.
pub type Groups = Vec<BTreeMap<String, Outcomes>>;

/// Counts a window. Rows without a decision, and rows without a value in the
/// group column, are left out.
///
/// # Errors
/// `invalid-input` for a missing column, a value that is neither class, or too
/// many groups; `cancelled`.
pub fn count(parameters: &Parameters, reader: &Reader) -> Result<Groups, Error> {
    let schema = reader.schema();
    let columns = parameters.groups.iter().chain([&parameters.prediction]).chain(&parameters.truth);
    for name in columns {
        if !schema.iter().any(|f| f.name == *name) {
            let names: Vec<&str> = schema.iter().map(|f| f.name.as_str()).collect();
            let message = format!("no column `{name}`: the columns are {}", names.join(", "));
            return Err(Error::column(name, message));
        }
    }
    let mut groups: Groups = vec![BTreeMap::new(); parameters.groups.len()];
    let mut before = 0;
    for batch in reader.batches(BATCH) {
        progress::check()?;
        let batch = batch?;
        let predictions = decisions(parameters, batch.column(&parameters.prediction)?, before, true)?;
        let truths = match &parameters.truth {
            Some(truth) => decisions(parameters, batch.column(truth)?, before, false)?,
            None => vec![None; predictions.len()],
        };
        for (name, groups) in parameters.groups.iter().zip(&mut groups) {
            let column = batch.column(name)?;
            for (row, (decision, truth)) in predictions.iter().zip(&truths).enumerate() {
                let Some(decision) = decision else { continue };
                let Some(group) = column.text(row) else { continue };
                if let Some(outcomes) = groups.get_mut(group.as_ref()) {
                    outcomes.add(*decision, *truth);
                    continue;
                }
                if groups.len() == parameters.max_groups {
                    let message = format!(
                        "column `{name}` has more than {} groups: choose another column, or put its values into ranges",
                        parameters.max_groups
                    );
                    return Err(Error::column(name, message).at_row(before + row as u64));
                }
                groups.entry(group.into_owned()).or_default().add(*decision, *truth);
            }
        }
        before += predictions.len() as u64;
    }
    Ok(groups)
}

impl Outcomes {
    fn add(&mut self, decision: bool, truth: Option<bool>) {
        self.rows += 1;
        self.selected += u64::from(decision);
        if let Some(truth) = truth {
            self.counts.add(truth, decision);
        }
    }
}

/// Whether each row is positive; none: missing. `predicted` numbers are held
/// against the threshold, true ones must be a class.
fn decisions(
    parameters: &Parameters,
    column: &Column,
    before: u64,
    predicted: bool,
) -> Result<Vec<Option<bool>>, Error> {
    let name = &column.name;
    if matches!(column.data, ColumnData::Utf8(_)) {
        let positive = match &parameters.positive {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => {
                let message = format!("column `{name}` holds text: say which class is the positive one");
                return Err(Error::parameter("/positive", message));
            }
        };
        return Ok((0..column.len()).map(|row| column.text(row).map(|t| t == positive)).collect());
    }
    let positive =
        parameters.positive.as_ref().and_then(|p| p.as_bool().map(f64::from).or_else(|| p.as_f64()));
    // A score is held against the threshold; true, false and classes are not.
    let score = predicted && !matches!(column.data, ColumnData::Boolean(_));
    let decide = |(row, value): (usize, f64)| match (value, positive) {
        (v, _) if v.is_nan() => Ok(None),
        (v, _) if score => Ok(Some(v >= parameters.threshold)),
        (v, Some(positive)) => Ok(Some(v == positive)),
        (v, None) if v == 0.0 || v == 1.0 => Ok(Some(v == 1.0)),
        (v, None) => {
            let message =
                format!("{v} in `{name}` is neither 0 nor 1: say with `positive` which class is positive");
            Err(Error::column(name, message).at_row(before + row as u64))
        }
    };
    column.numbers()?.iter().copied().enumerate().map(decide).collect()
}
