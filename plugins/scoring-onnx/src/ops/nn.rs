//! Layers of networks that need no window: softmax, normalisation, global
//! pooling.

use super::number::Number;
use super::one;
use super::select::around;
use crate::node::{Kernel, Node};
use crate::value::{Data, Done, Value, axis, count};

/// Softmax
pub fn softmax(node: &mut Node) -> Done<Kernel> {
    normalised(node, false)
}

/// LogSoftmax
pub fn log_softmax(node: &mut Node) -> Done<Kernel> {
    normalised(node, true)
}

fn normalised(node: &mut Node, log: bool) -> Done<Kernel> {
    // Before version 13, all dimensions from the axis on are one.
    let flat = node.opset < 13;
    let along = node.int("axis")?.unwrap_or(if flat { 1 } else { -1 });
    one(move |args| {
        let mut value = args.take(0)?;
        let (n, inner) = if flat {
            let rank = value.dims.len();
            let at = if along == rank as i64 { rank } else { axis(along, rank)? };
            (count(value.dims.get(at..).unwrap_or_default())?, 1)
        } else {
            let (_, n, inner) = around(&value.dims, axis(along, value.dims.len())?)?;
            (n, inner)
        };
        match &mut value.data {
            Data::F32(values) => blocks(values, n, inner, log, f32::exp, f32::ln),
            Data::F64(values) => blocks(values, n, inner, log, f64::exp, f64::ln),
            other => return Err(format!("floats are needed; the input is {}", other.kind().name())),
        }
        Ok(value)
    })
}

fn blocks<T: Number>(values: &mut [T], n: usize, inner: usize, log: bool, exp: fn(T) -> T, ln: fn(T) -> T) {
    for block in values.chunks_exact_mut((n * inner).max(1)) {
        for offset in 0..inner {
            let line = || block.iter().skip(offset).step_by(inner);
            let Some(most) = line().copied().reduce(T::larger) else { continue };
            let sum = line().fold(T::default(), |sum, x| sum.plus(exp(x.minus(most))));
            let (log_sum, most) = (ln(sum), most);
            for x in block.iter_mut().skip(offset).step_by(inner) {
                let shifted = x.minus(most);
                *x = if log { shifted.minus(log_sum) } else { exp(shifted).over(sum) };
            }
        }
    }
}

/// GlobalAveragePool
pub fn global_average_pool(_: &mut Node) -> Done<Kernel> {
    global(|plane| plane.iter().sum::<f32>() / plane.len().max(1) as f32)
}

/// GlobalMaxPool
pub fn global_max_pool(_: &mut Node) -> Done<Kernel> {
    global(|plane| plane.iter().copied().fold(f32::NEG_INFINITY, Number::larger))
}

fn global(result: fn(&[f32]) -> f32) -> Done<Kernel> {
    one(move |args| {
        let value = args.get(0)?;
        let Data::F32(values) = &value.data else {
            return Err(format!("FLOAT is supported here, not {}", value.data.kind().name()));
        };
        let (lead, spatial) = value.dims.split_at_checked(2).ok_or("it needs [n, channels, …]")?;
        let size = count(spatial)?;
        let dims = lead.iter().copied().chain(spatial.iter().map(|_| 1)).collect();
        let planes = values.chunks_exact(size.max(1)).map(result).collect();
        Value::f32(dims, planes)
    })
}

/// BatchNormalization in inference: (x − mean) / √(variance + ε) · scale + bias.
pub fn batch_normalization(node: &mut Node) -> Done<Kernel> {
    let epsilon = node.float("epsilon", 1e-5)?;
    node.ignore("momentum");
    if node.flag("training_mode", false)? || node.opset < 9 && !node.flag("spatial", true)? {
        return Err("only inference over whole channels is supported".into());
    }
    if node.outputs() > 1 {
        return Err("its statistics are not supported as outputs".into());
    }
    one(move |args| {
        let mut value = args.take(0)?;
        let (_, channels, inner) = around(&value.dims, 1)?;
        let mut parameters = Vec::with_capacity(4);
        for at in 1..5 {
            let values = args.get(at)?.floats()?;
            if values.len() != channels {
                return Err(format!("input {at} has {} values for {channels} channels", values.len()));
            }
            parameters.push(values);
        }
        let [scale, bias, mean, variance] = parameters.as_slice() else {
            return Err("it needs scale, bias, mean and variance".into());
        };
        let statistics = mean.iter().zip(variance.iter());
        let factors: Vec<(f32, f32)> = scale
            .iter()
            .zip(bias.iter())
            .zip(statistics)
            .map(|((scale, bias), (mean, variance))| {
                let factor = scale / (variance + epsilon).sqrt();
                (factor, bias - mean * factor)
            })
            .collect();
        let Data::F32(values) = &mut value.data else {
            return Err(format!("FLOAT is supported here, not {}", value.data.kind().name()));
        };
        let planes = values.chunks_exact_mut(inner.max(1)).zip(factors.iter().cycle());
        planes.for_each(|(plane, (factor, shift))| plane.iter_mut().for_each(|x| *x = *x * factor + shift));
        Ok(value)
    })
}
