//! Preparing numbers: scaling, normalising, filling gaps, joining columns.

use super::one;
use crate::node::{Kernel, Node};
use crate::value::{Data, Done, Value, count};

/// The elements of the last dimension, which parameters go along with.
fn width(value: &Value) -> usize {
    value.dims.last().copied().unwrap_or(1)
}

/// Parameters of one for all columns, or one for each.
fn fit<T: Copy>(name: &str, values: &[T], columns: usize) -> Done<()> {
    match values.len() {
        1 => Ok(()),
        n if n == columns => Ok(()),
        n => Err(format!("`{name}` has {n} elements for {columns} columns")),
    }
}

/// An input as floats, in place where it is of floats.
fn as_floats(value: Value) -> Done<(Vec<usize>, Vec<f32>)> {
    match value.data {
        Data::F32(values) => Ok((value.dims, values)),
        _ => {
            let values = value.floats()?.into_owned();
            Ok((value.dims, values))
        }
    }
}

/// Scaler: (x − offset) · scale.
pub fn scaler(node: &mut Node) -> Done<Kernel> {
    let (offset, scale) = (node.floats("offset")?, node.floats("scale")?);
    let offset = if offset.is_empty() { vec![0.0] } else { offset };
    let scale = if scale.is_empty() { vec![1.0] } else { scale };
    one(move |args| {
        let value = args.take(0)?;
        let columns = width(&value);
        fit("offset", &offset, columns)?;
        fit("scale", &scale, columns)?;
        let (dims, mut values) = as_floats(value)?;
        for row in values.chunks_exact_mut(columns.max(1)) {
            let parameters = offset.iter().cycle().zip(scale.iter().cycle());
            row.iter_mut().zip(parameters).for_each(|(x, (offset, scale))| *x = (*x - offset) * scale);
        }
        Value::f32(dims, values)
    })
}

#[derive(Clone, Copy, Debug)]
enum Norm {
    Max,
    L1,
    L2,
}

/// Normalizer: each row divided by its norm, unless that is 0.
pub fn normalizer(node: &mut Node) -> Done<Kernel> {
    let norm = node.word("norm", &[("MAX", Norm::Max), ("L1", Norm::L1), ("L2", Norm::L2)])?;
    one(move |args| {
        let value = args.take(0)?;
        let (_, columns) = value.matrix()?;
        let (dims, mut values) = as_floats(value)?;
        for row in values.chunks_exact_mut(columns.max(1)) {
            let size = match norm {
                Norm::Max => row.iter().copied().fold(f32::MIN, f32::max),
                Norm::L1 => row.iter().map(|x| x.abs()).sum(),
                Norm::L2 => row.iter().map(|x| x * x).sum::<f32>().sqrt(),
            };
            if size != 0.0 {
                row.iter_mut().for_each(|x| *x /= size);
            }
        }
        Value::f32(dims, values)
    })
}

fn fill<T: Copy>(values: &mut [T], columns: usize, by: &[T], missing: impl Fn(T) -> bool) -> Done<()> {
    fit("imputed_value", by, columns)?;
    for row in values.chunks_exact_mut(columns.max(1)) {
        for (x, by) in row.iter_mut().zip(by.iter().cycle()) {
            if missing(*x) {
                *x = *by;
            }
        }
    }
    Ok(())
}

/// Imputer
pub fn imputer(node: &mut Node) -> Done<Kernel> {
    let floats = node.floats("imputed_value_floats")?;
    let integers = node.ints("imputed_value_int64s")?.unwrap_or_default();
    let float = node.float("replaced_value_float", 0.0)?;
    let integer = node.int("replaced_value_int64")?.unwrap_or(0);
    if floats.is_empty() == integers.is_empty() {
        return Err("one of `imputed_value_floats` and `imputed_value_int64s` is needed".into());
    }
    one(move |args| {
        let mut value = args.take(0)?;
        let columns = width(&value);
        match &mut value.data {
            Data::F32(values) if !floats.is_empty() => {
                fill(values, columns, &floats, |x| x == float || (float.is_nan() && x.is_nan()))?;
            }
            Data::F64(values) if !floats.is_empty() => {
                let (by, float) =
                    (floats.iter().map(|x| f64::from(*x)).collect::<Vec<_>>(), f64::from(float));
                fill(values, columns, &by, |x| x == float || (float.is_nan() && x.is_nan()))?;
            }
            Data::I64(values) if !integers.is_empty() => {
                fill(values, columns, &integers, |x| x == integer)?;
            }
            other => return Err(format!("its values don't go with an input of {}", other.kind().name())),
        }
        Ok(value)
    })
}

/// Binarizer: 1 above the threshold, else 0.
pub fn binarizer(node: &mut Node) -> Done<Kernel> {
    let threshold = node.float("threshold", 0.0)?;
    one(move |args| {
        let (dims, mut values) = as_floats(args.take(0)?)?;
        values.iter_mut().for_each(|x| *x = f32::from(u8::from(*x > threshold)));
        Value::f32(dims, values)
    })
}

/// FeatureVectorizer: columns side by side, as floats.
pub fn feature_vectorizer(node: &mut Node) -> Done<Kernel> {
    let widths = node.ints("inputdimensions")?;
    one(move |args| {
        let mut parts = Vec::with_capacity(args.len());
        for at in 0..args.len() {
            let value = args.get(at)?;
            let (rows, columns) = value.matrix()?;
            let stated = widths.as_ref().map(|widths| widths.get(at).copied().unwrap_or(-1));
            if stated.is_some_and(|stated| stated != columns as i64) {
                return Err(format!("input {at} has {columns} columns and not those of `inputdimensions`"));
            }
            parts.push((rows, columns, value.floats()?));
        }
        let rows = parts.first().map_or(0, |part| part.0);
        let total = parts.iter().map(|part| part.1).sum();
        if parts.iter().any(|part| part.0 != rows) {
            return Err("the inputs differ in their rows".into());
        }
        let mut out = Vec::with_capacity(count(&[rows, total])?);
        for row in 0..rows {
            for (_, columns, values) in &parts {
                out.extend_from_slice(values.get(row * columns..(row + 1) * columns).unwrap_or_default());
            }
        }
        Value::f32(vec![rows, total], out)
    })
}
