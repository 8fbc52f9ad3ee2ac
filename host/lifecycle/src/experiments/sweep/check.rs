//! What a sweep may ask for, whatever its plugins say.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    records::{Strategy, SweepSpec},
    space::Domain,
};
use crate::{Error, Result, experiments::ExperimentSpec};

/// The most runs of a sweep.
const MOST_RUNS: u32 = 10_000;
/// The integers that a double holds exactly.
const EXACT: i64 = 1 << 53;

/// What holds of a sweep whatever its plugins say.
pub(super) fn check(spec: &SweepSpec, experiment: &ExperimentSpec) -> Result<()> {
    let field = |name: &str, message: String| Err(Error::field(name, message));
    if !(1..=MOST_RUNS).contains(&spec.max_runs) {
        return field("max_runs", format!("{} runs; ask for 1 to {MOST_RUNS}", spec.max_runs));
    }
    if spec.parallel.is_some_and(|parallel| parallel > 256) {
        return field("parallel", "at most 256 runs go at once".into());
    }
    if !spec.trainers.is_empty() && !spec.parameters.is_empty() {
        return field(
            "parameters",
            "with trainers, say what to vary in each trainer's `search` and what stays in its `parameters`"
                .into(),
        );
    }
    let distinct = |name: &str, names: Vec<&str>| {
        let mut seen = BTreeSet::new();
        match names.into_iter().find(|name| !seen.insert(*name)) {
            Some(twice) => {
                Err(Error::field(name, format!("{twice:?} is there twice; give each a `name` of its own")))
            }
            None => Ok(()),
        }
    };
    distinct("trainers", spec.trainers.iter().map(|trainer| trainer.name()).collect())?;
    distinct("feature_sets", spec.feature_sets.iter().map(|set| &*set.name).collect())?;
    if let Some(tpe) = &spec.tpe {
        if spec.strategy != Strategy::Tpe {
            return field("tpe", "these are options of the strategy tpe".into());
        }
        if !(tpe.gamma > 0.0 && tpe.gamma < 1.0) {
            return field("tpe.gamma", format!("{} is no share above 0 and below 1", tpe.gamma));
        }
        if !(1..=10_000).contains(&tpe.candidates) {
            return field("tpe.candidates", format!("{} candidates; ask for 1 to 10000", tpe.candidates));
        }
    }
    if let Some(halving) = &spec.halving {
        if !(2..=100).contains(&halving.eta) {
            return field("halving.eta", format!("{} is not from 2 to 100", halving.eta));
        }
        if halving.first_step == 0 || halving.last_step < halving.first_step {
            return field("halving.first_step", "write a step from 1 up to last_step".into());
        }
    }
    if let Some(folds) = &spec.folds {
        if !(1..=50).contains(&folds.count) {
            return field("folds.count", format!("{} folds; ask for 1 to 50", folds.count));
        }
        if experiment.spine.event_time.is_none() {
            return field("folds", "folds are cut by time: the experiment needs spine.event_time".into());
        }
    }
    Ok(())
}

/// The domain that a list or a range describes, and the list.
pub(super) fn domain(field: &str, values: &Value) -> Result<(Domain, Option<Vec<Value>>)> {
    let wrong = |why: &str| {
        Error::field(
            field,
            format!(r#"{why}: write a list of values or a range {{"low": 1, "high": 10, "log": false}}"#),
        )
    };
    let range = match values {
        Value::Array(list) if list.is_empty() => return Err(wrong("there is no value to try")),
        Value::Array(list) => return Ok((Domain::Category(list.len()), Some(list.clone()))),
        Value::Object(range) => range,
        _ => return Err(wrong("this is neither")),
    };
    if let Some(unknown) = range.keys().find(|key| !matches!(key.as_str(), "low" | "high" | "log")) {
        return Err(wrong(&format!("a range has no {unknown:?}")));
    }
    let log = match range.get("log") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(log)) => *log,
        Some(_) => return Err(wrong("log is true or false")),
    };
    let bound = |which: &str| {
        range.get(which).and_then(Value::as_f64).ok_or_else(|| wrong("low and high are numbers"))
    };
    let (low, high) = (bound("low")?, bound("high")?);
    if low.partial_cmp(&high) != Some(std::cmp::Ordering::Less) {
        return Err(wrong("low is less than high"));
    }
    if !(high - low).is_finite() {
        return Err(wrong("the range is too wide"));
    }
    if log && low <= 0.0 {
        return Err(wrong("on a logarithmic scale low is above 0"));
    }
    let integer = |which: &str| range.get(which).and_then(Value::as_i64);
    Ok(match (integer("low"), integer("high")) {
        (Some(low), Some(high)) if low > -EXACT && high < EXACT => (Domain::Whole { low, high, log }, None),
        (Some(_), Some(_)) => return Err(wrong("whole numbers lie within ±2⁵³")),
        _ => (Domain::Float { low, high, log }, None),
    })
}
