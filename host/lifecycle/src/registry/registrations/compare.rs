//! A signature that was written down beside a model, held against what the model
//! itself takes.

use std::collections::BTreeSet;

use modelyard_runtime::types::{Signature, TensorSpec};

use super::super::mlmodel::Input;
use crate::tensors;

/// Whether a model takes what its signature says.
///
/// # Errors
/// Says in words where they differ.
pub(super) fn signature(stated: &[Input], model: &Signature) -> Result<(), String> {
    let Some(width) = width(&model.inputs) else { return Ok(()) };
    match stated {
        [Input::Tensor { shape, .. }] => match shape.last() {
            Some(size) if shape.len() > 1 && *size >= 0 && usize::try_from(*size) != Ok(width) => {
                Err(format!("it has tensors of {size} values a row, the model takes {width}"))
            }
            _ => Ok(()),
        },
        _ if stated.iter().any(|input| matches!(input, Input::Tensor { .. })) => Ok(()),
        _ => columns(stated, model, width),
    }
}

fn columns(stated: &[Input], model: &Signature, width: usize) -> Result<(), String> {
    let required =
        stated.iter().filter(|input| !matches!(input, Input::Column { optional: true, .. })).count();
    if width < required || width > stated.len() {
        return Err(format!("it has {} columns, the model takes {width}", stated.len()));
    }
    // One tensor of all columns, or names that were made up, tell nothing of names.
    let known: BTreeSet<&str> = model.inputs.iter().map(|input| input.name.as_str()).collect();
    if known.len() != width || known.iter().all(|name| is_made_up(name)) {
        return Ok(());
    }
    // LightGBM writes spaces in names as underscores.
    let plain = |name: &str| name.replace(' ', "_");
    let names: Option<BTreeSet<String>> =
        stated.iter().map(|input| name(input).map(|name| plain(&name))).collect();
    let Some(names) = names else { return Ok(()) };
    match known.iter().find(|name| !names.contains(&plain(name))) {
        Some(name) => Err(format!("it has no column {name:?}, which the model takes")),
        None => Ok(()),
    }
}

fn name(input: &Input) -> Option<String> {
    match input {
        Input::Column { name, .. } | Input::Tensor { name, .. } => name.clone(),
    }
}

/// A name that a library gives to a column that has none: `f0`, `Column_0`.
fn is_made_up(name: &str) -> bool {
    let number = name.strip_prefix("Column_").or_else(|| name.strip_prefix('f'));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// How many values a row has, over all inputs; none if that isn't fixed.
fn width(inputs: &[TensorSpec]) -> Option<usize> {
    inputs.iter().map(|input| tensors::width(&input.shape)).sum()
}
