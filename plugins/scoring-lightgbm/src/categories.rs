//! The categories of pandas columns.

use std::collections::BTreeSet;

use modelyard_sdk::learn::trees::Coding;
use serde_json::Value;

use crate::text::{Section, Tail};

/// The columns' codings: none for numbers and for categories given as codes.
///
/// The file lists the categories of the columns that were categorical in the
/// data frame, in the order of the columns, and does not say which these are.
/// They are the features that it otherwise says are categorical, unless there
/// are more or fewer of them, as with ordered categories, which LightGBM takes
/// as numbers.
pub(crate) fn read(
    head: &Section<'_>,
    tail: &Tail<'_>,
    features: usize,
) -> Result<Vec<Option<Coding>>, String> {
    let mut codings: Vec<Option<Coding>> = vec![None; features];
    let Some(json) = tail.pandas else { return Ok(codings) };
    let lists: Option<Vec<Vec<Value>>> = serde_json::from_str(json)
        .map_err(|error| format!("`pandas_categorical` is no list of lists: {error}"))?;
    let lists = lists.unwrap_or_default();
    if lists.is_empty() {
        return Ok(codings);
    }
    let columns = categorical(head, tail, features);
    if columns.len() != lists.len() {
        return Err(format!(
            "`pandas_categorical` has the categories of {} columns, and {} features are categorical, so it \
             can't be told whose they are; train with unordered categories only, or with their codes",
            lists.len(),
            columns.len()
        ));
    }
    for (at, list) in columns.into_iter().zip(lists) {
        let texts = list.into_iter().map(text).collect::<Result<_, _>>();
        let coding = texts.and_then(Coding::new).map_err(|error| format!("feature {at}: {error}"))?;
        if let Some(slot) = codings.get_mut(at) {
            *slot = Some(coding);
        }
    }
    Ok(codings)
}

/// The features that the file says are categorical: those whose values it
/// lists, and those that were declared to be.
fn categorical(head: &Section<'_>, tail: &Tail<'_>, features: usize) -> BTreeSet<usize> {
    let infos = head.find("feature_infos").unwrap_or_default().split_ascii_whitespace();
    let listed = infos.enumerate().filter(|(_, info)| *info != "none" && !info.starts_with('['));
    let declared = tail.categorical.split(',').filter_map(|number| number.trim().parse().ok());
    listed.map(|(at, _)| at).chain(declared).filter(|at| *at < features).collect()
}

/// A category as text: numbers and booleans as JSON writes them.
fn text(category: Value) -> Result<String, String> {
    match category {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        other => Err(format!("the category {other} is neither text, number nor boolean")),
    }
}
