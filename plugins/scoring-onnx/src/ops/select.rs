//! Operators that take tensors apart and put them together.

use super::number::Number;
use super::{one, shape};
use crate::node::{Args, Kernel, Node};
use crate::value::{Data, Done, Value, axis, count, map_data, map_pair, pick, strides};

/// A shape seen from one axis: how many blocks, the axis, the elements of one of
/// its steps.
pub(super) fn around(dims: &[usize], at: usize) -> Done<(usize, usize, usize)> {
    let (before, rest) = dims.split_at_checked(at).unwrap_or_default();
    let (n, after) = rest.split_first().ok_or("the axis is out of range")?;
    Ok((count(before)?, *n, count(after)?))
}

fn with_axis(dims: &[usize], at: usize, n: usize) -> Vec<usize> {
    let mut dims = dims.to_vec();
    if let Some(slot) = dims.get_mut(at) {
        *slot = n;
    }
    dims
}

/// Concat
pub fn concat(node: &mut Node) -> Done<Kernel> {
    let along = node.int("axis")?.ok_or("the attribute `axis` is missing")?;
    one(move |args| {
        let first = args.get(0)?;
        let at = axis(along, first.dims.len())?;
        let mut total = 0;
        for i in 0..args.len() {
            let dims = &args.get(i)?.dims;
            if dims.len() != first.dims.len() || with_axis(dims, at, 0) != with_axis(&first.dims, at, 0) {
                return Err(format!("the shapes {:?} and {dims:?} can't be joined", first.dims));
            }
            total += dims.get(at).copied().unwrap_or(0);
        }
        let dims = with_axis(&first.dims, at, total);
        count(&dims)?;
        if args.len() == 1 {
            return args.take(0);
        }
        let (blocks, ..) = around(&dims, at)?;
        let mut joined = map_data!(&first.data, values => joined(values, args, at, blocks)?);
        for i in 1..args.len() {
            let next = args.get(i)?;
            let (_, n, inner) = around(&next.dims, at)?;
            let before: usize = (0..i).filter_map(|i| args.optional(i)?.dims.get(at).copied()).sum();
            let place = (before * inner, n * inner, total * inner);
            map_pair!((&mut joined, &next.data), (to, from) => { put(to, from, place); vec![] }, {
                return Err(super::arithmetic::no_pair(first.data.kind().name(), next.data.kind().name()));
            });
        }
        Value::new(dims, joined)
    })
}

/// The first of the joined tensors, spread over the room for all of them.
fn joined<T: Clone + Default>(values: &[T], args: &Args<'_>, at: usize, blocks: usize) -> Done<Vec<T>> {
    let mut total = 0;
    for i in 0..args.len() {
        let (_, n, inner) = around(&args.get(i)?.dims, at)?;
        total += n * inner;
    }
    let mut all = vec![T::default(); blocks * total];
    let (_, n, inner) = around(&args.get(0)?.dims, at)?;
    put(&mut all, values, (0, n * inner, total));
    Ok(all)
}

/// Copies blocks of `width` elements to `offset` within blocks of `room`.
fn put<T: Clone>(to: &mut [T], from: &[T], (offset, width, room): (usize, usize, usize)) {
    if width == 0 || room == 0 {
        return;
    }
    for (to, from) in to.chunks_exact_mut(room).zip(from.chunks_exact(width)) {
        if let Some(slot) = to.get_mut(offset..offset + width) {
            slot.clone_from_slice(from);
        }
    }
}

/// `n` steps from `start` along an axis.
fn part(value: &Value, at: usize, start: usize, n: usize) -> Done<Value> {
    let dims = with_axis(&value.dims, at, n);
    let steps = strides(&value.dims);
    let offset = steps.get(at).copied().unwrap_or(0) * start as isize;
    let data = map_data!(&value.data, values => pick(values, &dims, &steps, offset)?);
    Value::new(dims, data)
}

/// Split
pub fn split(node: &mut Node) -> Done<Kernel> {
    let along = node.int("axis")?.unwrap_or(0);
    let attribute = if node.opset < 13 { node.ints("split")? } else { None };
    node.ignore("num_outputs");
    let parts = node.outputs().max(1);
    Ok(Box::new(move |args| {
        let value = args.get(0)?;
        let at = axis(along, value.dims.len())?;
        let n = value.dims.get(at).copied().unwrap_or(0);
        let sizes = match (&attribute, args.optional(1)) {
            (Some(sizes), _) => sizes.clone(),
            (None, Some(sizes)) => sizes.integers()?.into_owned(),
            (None, None) => {
                let size = n.div_ceil(parts);
                (0..parts).map(|i| n.saturating_sub(i * size).min(size) as i64).collect()
            }
        };
        let mut start = 0;
        let mut all = Vec::with_capacity(sizes.len());
        for size in sizes {
            let size = usize::try_from(size).ok().filter(|size| *size <= n - start);
            let size = size.ok_or_else(|| format!("the parts don't fit into {n}"))?;
            all.push(part(value, at, start, size)?);
            start += size;
        }
        if start == n { Ok(all) } else { Err(format!("the parts are {start} and not {n} together")) }
    }))
}

/// Slice, with its bounds as attributes (before version 10) or inputs.
pub fn slice(node: &mut Node) -> Done<Kernel> {
    let attributes = if node.opset < 10 {
        Some((
            node.ints("starts")?.ok_or("the attribute `starts` is missing")?,
            node.ints("ends")?.ok_or("the attribute `ends` is missing")?,
            node.ints("axes")?,
        ))
    } else {
        None
    };
    one(move |args| {
        let value = args.get(0)?;
        let (starts, ends, axes, steps) = match &attributes {
            Some((starts, ends, axes)) => (starts.clone(), ends.clone(), axes.clone(), None),
            None => {
                let input = |at: usize| args.optional(at).map(|v| Ok(v.integers()?.into_owned())).transpose();
                let needed = |at: usize| -> Done<Vec<i64>> { Ok(args.get(at)?.integers()?.into_owned()) };
                let optional: [Done<Option<Vec<i64>>>; 2] = [input(3), input(4)];
                let [axes, steps] = optional;
                (needed(1)?, needed(2)?, axes?, steps?)
            }
        };
        let axes = axes.unwrap_or_else(|| (0..starts.len() as i64).collect());
        let jumps = steps.unwrap_or_else(|| vec![1; starts.len()]);
        if [ends.len(), axes.len(), jumps.len()] != [starts.len(); 3] {
            return Err("starts, ends, axes and steps differ in number".into());
        }
        let mut dims = value.dims.clone();
        let mut steps = strides(&value.dims);
        let mut offset = 0_isize;
        for (((start, end), at), jump) in starts.iter().zip(ends).zip(axes).zip(jumps) {
            let at = axis(at, dims.len())?;
            let (Some(n), Some(step)) = (dims.get_mut(at), steps.get_mut(at)) else { continue };
            let (first, many) = bounds(*start, end, jump, *n)?;
            offset += first as isize * *step;
            *step *= jump.clamp(-(1 << 30), 1 << 30) as isize;
            *n = many;
        }
        let data = map_data!(&value.data, values => pick(values, &dims, &steps, offset)?);
        Value::new(dims, data)
    })
}

/// The first element and how many, of a slice of `n`.
fn bounds(start: i64, end: i64, jump: i64, n: usize) -> Done<(usize, usize)> {
    let size = n as i64;
    let absolute = |at: i64| if at < 0 { at.saturating_add(size) } else { at };
    let (low, high) = if jump > 0 { (0, size) } else { (-1, size - 1) };
    let start = absolute(start).clamp(low.max(0), high.max(0));
    let end = absolute(end).clamp(low, high);
    let many = match jump {
        0 => return Err("a step of 0 leads nowhere".into()),
        1.. => (end - start).max(0).unsigned_abs().div_ceil(jump.unsigned_abs()),
        _ => (start - end).max(0).unsigned_abs().div_ceil(jump.unsigned_abs()),
    };
    Ok((start.max(0) as usize, if n == 0 { 0 } else { many as usize }))
}

/// Gather
pub fn gather(node: &mut Node) -> Done<Kernel> {
    let along = node.int("axis")?.unwrap_or(0);
    one(move |args| {
        let (value, wanted) = (args.get(0)?, args.get(1)?);
        let at = axis(along, value.dims.len())?;
        let (_, n, _) = around(&value.dims, at)?;
        let wanted_dims = wanted.dims.clone();
        let wanted: Vec<usize> = wanted
            .integers()?
            .iter()
            .map(|&i| axis(i, n))
            .collect::<Done<_>>()
            .map_err(|_| format!("an index is out of range for {n} elements along axis {along}"))?;
        let (before, after) = value.dims.split_at_checked(at).unwrap_or_default();
        let dims = [before, &wanted_dims, after.get(1..).unwrap_or_default()].concat();
        taken(value, at, &wanted, dims)
    })
}

/// Steps along an axis, in the order of their indices.
fn taken(value: &Value, at: usize, wanted: &[usize], dims: Vec<usize>) -> Done<Value> {
    fn all<T: Clone>(values: &[T], (n, inner): (usize, usize), wanted: &[usize], total: usize) -> Vec<T> {
        let mut out = Vec::with_capacity(total);
        for block in values.chunks_exact((n * inner).max(1)) {
            for &i in wanted {
                out.extend_from_slice(block.get(i * inner..(i + 1) * inner).unwrap_or_default());
            }
        }
        out
    }
    let total = count(&dims)?;
    let (_, n, inner) = around(&value.dims, at)?;
    Value::new(dims, map_data!(&value.data, values => all(values, (n, inner), wanted, total)))
}

/// ArrayFeatureExtractor: columns of the last dimension.
pub fn array_features(_: &mut Node) -> Done<Kernel> {
    one(|args| {
        let (value, wanted) = (args.get(0)?, args.get(1)?);
        let last = value.dims.len().checked_sub(1).ok_or("it needs at least one dimension")?;
        let (_, n, _) = around(&value.dims, last)?;
        let wanted: Vec<usize> = wanted.integers()?.iter().map(|&i| axis(i, n)).collect::<Done<_>>()?;
        // A vector counts as one row.
        let dims = match last {
            0 => vec![1, wanted.len()],
            _ => with_axis(&value.dims, last, wanted.len()),
        };
        taken(value, last, &wanted, dims)
    })
}

/// ArgMax
pub fn arg_max(node: &mut Node) -> Done<Kernel> {
    extreme(node, true)
}

/// ArgMin
pub fn arg_min(node: &mut Node) -> Done<Kernel> {
    extreme(node, false)
}

fn extreme(node: &mut Node, largest: bool) -> Done<Kernel> {
    fn found<T: Number>(values: &[T], n: usize, largest: bool, last: bool) -> Vec<i64> {
        let row = |row: &[T]| {
            let (mut at, mut best) = (0, row.first().copied().unwrap_or_default());
            for (i, &x) in row.iter().enumerate().skip(1) {
                let better = if largest { x > best } else { x < best };
                if better || (last && x == best) {
                    (at, best) = (i as i64, x);
                }
            }
            at
        };
        values.chunks_exact(n).map(row).collect()
    }
    let (along, keep) = (node.int("axis")?.unwrap_or(0), node.flag("keepdims", true)?);
    let last = node.flag("select_last_index", false)?;
    one(move |args| {
        let value = args.take(0)?;
        let (value, at) = axis_last(value, along)?;
        let (n, mut dims) = (value.dims.last().copied().unwrap_or(0), value.dims.clone());
        if n == 0 {
            return Err("there is nothing to choose from".into());
        }
        dims.pop();
        let best = match &value.data {
            Data::F32(values) => found(values, n, largest, last),
            Data::F64(values) => found(values, n, largest, last),
            Data::I64(values) => found(values, n, largest, last),
            Data::I32(values) => found(values, n, largest, last),
            other => return Err(format!("numbers are needed; the input is {}", other.kind().name())),
        };
        if keep {
            dims.insert(at, 1);
        }
        Value::i64(dims, best)
    })
}

/// A tensor with one axis moved to the end, and where it was.
fn axis_last(value: Value, along: i64) -> Done<(Value, usize)> {
    let rank = value.dims.len();
    let at = axis(along, rank)?;
    let order: Vec<usize> = (0..rank).filter(|i| *i != at).chain([at]).collect();
    Ok((shape::permute(value, &order)?, at))
}

/// A tensor whose last axis goes back to where it was.
fn axis_back(value: Value, at: usize) -> Done<Value> {
    let last = value.dims.len().saturating_sub(1);
    let order: Vec<usize> = (0..=last)
        .map(|i| {
            if i < at {
                i
            } else if i == at {
                last
            } else {
                i - 1
            }
        })
        .collect();
    shape::permute(value, &order)
}

/// TopK: of equals, the first one.
pub fn top_k(node: &mut Node) -> Done<Kernel> {
    fn best<T: Number>(values: &[T], n: usize, k: usize, largest: bool) -> (Vec<T>, Vec<i64>) {
        let (mut tops, mut indices) = (Vec::new(), Vec::new());
        for row in values.chunks_exact(n.max(1)) {
            let mut order: Vec<(usize, T)> = row.iter().copied().enumerate().collect();
            order.sort_by(|(_, a), (_, b)| {
                // NaN is above all numbers, as in numpy: a sort needs a place for it.
                let nan = |x: &T| x.partial_cmp(x).is_none();
                let order = a.partial_cmp(b).unwrap_or_else(|| nan(a).cmp(&nan(b)));
                if largest { order.reverse() } else { order }
            });
            tops.extend(order.iter().take(k).map(|(_, x)| *x));
            indices.extend(order.iter().take(k).map(|(i, _)| *i as i64));
        }
        (tops, indices)
    }
    let (along, largest) = (node.int("axis")?.unwrap_or(-1), node.flag("largest", true)?);
    node.ignore("sorted");
    let attribute = if node.opset < 10 { node.int("k")? } else { None };
    Ok(Box::new(move |args| {
        let k = match attribute {
            Some(k) => Some(k),
            None => args.get(1)?.integers()?.first().copied(),
        };
        let k = k.and_then(|k| usize::try_from(k).ok()).ok_or("k must be a number from 0 on")?;
        let (value, at) = axis_last(args.take(0)?, along)?;
        let n = value.dims.last().copied().unwrap_or(0);
        if k > n {
            return Err(format!("{k} of {n} elements are wanted"));
        }
        let dims = with_axis(&value.dims, value.dims.len().saturating_sub(1), k);
        let (tops, indices) = match &value.data {
            Data::F32(values) => wrapped(best(values, n, k, largest), Data::F32),
            Data::F64(values) => wrapped(best(values, n, k, largest), Data::F64),
            Data::I64(values) => wrapped(best(values, n, k, largest), Data::I64),
            Data::I32(values) => wrapped(best(values, n, k, largest), Data::I32),
            other => return Err(format!("numbers are needed; the input is {}", other.kind().name())),
        };
        let tops = axis_back(Value::new(dims.clone(), tops)?, at)?;
        Ok(vec![tops, axis_back(Value::i64(dims, indices)?, at)?])
    }))
}

fn wrapped<T>((tops, indices): (Vec<T>, Vec<i64>), wrap: fn(Vec<T>) -> Data) -> (Data, Vec<i64>) {
    (wrap(tops), indices)
}
