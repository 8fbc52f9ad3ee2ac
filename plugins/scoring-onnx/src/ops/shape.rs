//! Operators that change a tensor's shape or type, or make one.

use super::one;
use crate::node::{Args, Kernel, Node};
use crate::value::{Data, Done, Type, Value, axis, count, expand, map_data, pick, strides};

/// Identity
pub fn identity(_: &mut Node) -> Done<Kernel> {
    one(|args| args.take(0))
}

/// Dropout, which does nothing in inference.
pub fn dropout(node: &mut Node) -> Done<Kernel> {
    node.ignore("ratio");
    node.ignore("seed");
    if node.outputs() > 1 {
        return Err("its mask is not supported".into());
    }
    one(|args| match args.optional(2).map(|training| &training.data) {
        Some(Data::Bool(flags)) if flags.contains(&true) => Err("its training mode is not supported".into()),
        _ => args.take(0),
    })
}

/// Cast
pub fn cast(node: &mut Node) -> Done<Kernel> {
    node.ignore("saturate");
    let kind = Type::of(node.int("to")?.ok_or("the attribute `to` is missing")?)?;
    one(move |args| convert(args.take(0)?, kind))
}

/// A tensor with its elements as another type: floats cut off towards zero,
/// texts read as numbers.
pub fn convert(value: Value, kind: Type) -> Done<Value> {
    fn parsed<T: std::str::FromStr>(texts: &[Vec<u8>]) -> Done<Vec<T>> {
        let parse = |text: &Vec<u8>| {
            let text = String::from_utf8_lossy(text);
            text.trim().parse().map_err(|_| format!("the text {text:?} is no number"))
        };
        texts.iter().map(parse).collect()
    }
    fn printed<T: ToString>(values: &[T]) -> Vec<Vec<u8>> {
        values.iter().map(|value| value.to_string().into_bytes()).collect()
    }
    macro_rules! numbers {
        ($type:ty) => {
            match &value.data {
                Data::F32(values) => values.iter().map(|&v| v as $type).collect(),
                Data::F64(values) => values.iter().map(|&v| v as $type).collect(),
                Data::I64(values) => values.iter().map(|&v| v as $type).collect(),
                Data::I32(values) => values.iter().map(|&v| v as $type).collect(),
                Data::U8(values) => values.iter().map(|&v| v as $type).collect(),
                Data::Bool(values) => values.iter().map(|&v| u8::from(v) as $type).collect(),
                Data::Text(values) => parsed::<$type>(values)?,
            }
        };
    }
    if value.data.kind() == kind {
        return Ok(value);
    }
    let data = match kind {
        Type::F32 => Data::F32(numbers!(f32)),
        Type::F64 => Data::F64(numbers!(f64)),
        Type::I64 => Data::I64(numbers!(i64)),
        Type::I32 => Data::I32(numbers!(i32)),
        Type::U8 => Data::U8(numbers!(u8)),
        Type::Bool => Data::Bool(match &value.data {
            Data::F32(values) => values.iter().map(|&v| v != 0.0).collect(),
            Data::F64(values) => values.iter().map(|&v| v != 0.0).collect(),
            Data::I64(values) => values.iter().map(|&v| v != 0).collect(),
            Data::I32(values) => values.iter().map(|&v| v != 0).collect(),
            Data::U8(values) => values.iter().map(|&v| v != 0).collect(),
            other => return Err(format!("{} can't become BOOL", other.kind().name())),
        }),
        Type::Text => Data::Text(match &value.data {
            Data::I64(values) => printed(values),
            Data::I32(values) => printed(values),
            Data::U8(values) => printed(values),
            Data::Bool(values) => values.iter().map(|&v| if v { b"1" } else { b"0" }.to_vec()).collect(),
            other => return Err(format!("{} can't become STRING here", other.kind().name())),
        }),
    };
    Ok(Value { dims: value.dims, data })
}

/// Constant
pub fn constant(node: &mut Node) -> Done<Kernel> {
    let mut found = node.tensor("value")?;
    if let Some(value) = node.float_or_none("value_float")? {
        found = Some(Value::f32(vec![], vec![value])?);
    }
    if let Some(value) = node.int("value_int")? {
        found = Some(Value::i64(vec![], vec![value])?);
    }
    if let Some(value) = node.text("value_string")? {
        found = Some(Value::new(vec![], Data::Text(vec![value.into_bytes()]))?);
    }
    if let Some(values) = node.ints("value_ints")? {
        found = Some(Value::i64(vec![values.len()], values)?);
    }
    let (floats, texts) = (node.floats("value_floats")?, node.texts("value_strings")?);
    if !floats.is_empty() {
        found = Some(Value::f32(vec![floats.len()], floats)?);
    }
    if !texts.is_empty() {
        found = Some(Value::new(vec![texts.len()], Data::Text(texts))?);
    }
    let value = found.ok_or("it has no value")?;
    one(move |_| Ok(value.clone()))
}

/// ConstantOfShape
pub fn constant_of_shape(node: &mut Node) -> Done<Kernel> {
    let value = match node.tensor("value")? {
        None => Value::f32(vec![1], vec![0.0])?,
        Some(value) if value.data.len() == 1 => value,
        Some(value) => return Err(format!("the attribute `value` has the shape {:?}, not [1]", value.dims)),
    };
    one(move |args| {
        let dims = sizes(&args.get(0)?.integers()?)?;
        let data = map_data!(&value.data, values => expand(values, &[1], &dims)?);
        Value::new(dims, data)
    })
}

fn sizes(dims: &[i64]) -> Done<Vec<usize>> {
    let size = |&n: &i64| usize::try_from(n).map_err(|_| format!("the dimension {n} is negative"));
    dims.iter().map(size).collect()
}

/// Shape
pub fn shape(node: &mut Node) -> Done<Kernel> {
    let (start, end) = (node.int("start")?.unwrap_or(0), node.int("end")?);
    one(move |args| {
        let dims = &args.get(0)?.dims;
        let rank = dims.len() as i64;
        let clamp = |at: i64| if at < 0 { at.saturating_add(rank) } else { at }.clamp(0, rank) as usize;
        let (start, end) = (clamp(start), clamp(end.unwrap_or(rank)));
        let part: Vec<i64> = dims.get(start..end).unwrap_or_default().iter().map(|&n| n as i64).collect();
        Value::i64(vec![part.len()], part)
    })
}

/// Reshape: 0 keeps a dimension, -1 takes what is left.
pub fn reshape(node: &mut Node) -> Done<Kernel> {
    let zero_is_zero = node.flag("allowzero", false)?;
    one(move |args| {
        let wanted = args.get(1)?.integers()?.into_owned();
        let value = args.take(0)?;
        let mut dims = Vec::with_capacity(wanted.len());
        let mut open = None;
        for (at, &n) in wanted.iter().enumerate() {
            dims.push(match n {
                0 if !zero_is_zero => {
                    *value.dims.get(at).ok_or_else(|| format!("there is no dimension {at} to keep"))?
                }
                -1 if open.is_none() => {
                    open = Some(at);
                    1
                }
                n => usize::try_from(n).map_err(|_| format!("the shape {wanted:?} makes no sense"))?,
            });
        }
        if let Some(slot) = open.and_then(|at| dims.get_mut(at)) {
            *slot = 1;
            let others = count(&dims)?;
            if let Some(slot) = open.and_then(|at| dims.get_mut(at)) {
                *slot = value.data.len().checked_div(others).unwrap_or(0);
            }
        }
        Value::new(dims, value.data)
    })
}

/// Flatten: to rows and columns.
pub fn flatten(node: &mut Node) -> Done<Kernel> {
    let first = node.int("axis")?.unwrap_or(1);
    one(move |args| {
        let value = args.take(0)?;
        let rank = value.dims.len();
        let at = if first == rank as i64 { rank } else { axis(first, rank)? };
        let (rows, columns) = value.dims.split_at_checked(at).unwrap_or_default();
        Value::new(vec![count(rows)?, count(columns)?], value.data)
    })
}

/// Transpose; without `perm` all dimensions turn round.
pub fn transpose(node: &mut Node) -> Done<Kernel> {
    let order = node.ints("perm")?;
    one(move |args| {
        let value = args.take(0)?;
        let rank = value.dims.len();
        let order = match &order {
            Some(order) => order.iter().map(|&at| axis(at, rank)).collect::<Done<Vec<usize>>>()?,
            None => (0..rank).rev().collect(),
        };
        permute(value, &order)
    })
}

/// The dimensions in another order, each of them once.
pub(super) fn permute(value: Value, order: &[usize]) -> Done<Value> {
    let mut sorted = order.to_vec();
    sorted.sort_unstable();
    if sorted.iter().enumerate().any(|(at, n)| at != *n) || order.len() != value.dims.len() {
        return Err(format!("the order {order:?} does not name each of {} dimensions", value.dims.len()));
    }
    if sorted == order {
        return Ok(value);
    }
    let own = strides(&value.dims);
    let dims: Vec<usize> = order.iter().filter_map(|&at| value.dims.get(at).copied()).collect();
    let steps: Vec<isize> = order.iter().filter_map(|&at| own.get(at).copied()).collect();
    let data = map_data!(&value.data, values => pick(values, &dims, &steps, 0)?);
    Value::new(dims, data)
}

/// The axes of a node: an attribute before version 13, then an input.
fn axes(args: &Args<'_>, attribute: Option<&[i64]>) -> Done<Option<Vec<i64>>> {
    match (attribute, args.optional(1)) {
        (Some(axes), _) => Ok(Some(axes.to_vec())),
        (None, Some(axes)) => Ok(Some(axes.integers()?.into_owned())),
        (None, None) => Ok(None),
    }
}

/// Squeeze
pub fn squeeze(node: &mut Node) -> Done<Kernel> {
    let attribute = if node.opset < 13 { node.ints("axes")? } else { None };
    one(move |args| {
        let axes = axes(args, attribute.as_deref())?;
        let value = args.take(0)?;
        let rank = value.dims.len();
        let mut gone = vec![false; rank];
        match axes {
            None => gone.iter_mut().zip(&value.dims).for_each(|(gone, n)| *gone = *n == 1),
            Some(axes) => {
                for at in axes {
                    if let Some(gone) = gone.get_mut(axis(at, rank)?) {
                        *gone = true;
                    }
                }
            }
        }
        if gone.iter().zip(&value.dims).any(|(gone, n)| *gone && *n != 1) {
            return Err(format!("a dimension of {:?} that is to go is not 1", value.dims));
        }
        let kept = value.dims.iter().zip(&gone).filter(|(_, gone)| !**gone).map(|(n, _)| *n).collect();
        Value::new(kept, value.data)
    })
}

/// Unsqueeze
pub fn unsqueeze(node: &mut Node) -> Done<Kernel> {
    let attribute = if node.opset < 13 { node.ints("axes")? } else { None };
    one(move |args| {
        let axes = axes(args, attribute.as_deref())?.ok_or("its axes are missing")?;
        let value = args.take(0)?;
        let rank = value.dims.len().saturating_add(axes.len());
        if rank > 64 {
            return Err(format!("{rank} dimensions are too many"));
        }
        let mut new = vec![false; rank];
        for &at in &axes {
            if new.get_mut(axis(at, rank)?).is_some_and(|new| std::mem::replace(new, true)) {
                return Err(format!("the axis {at} is there twice"));
            }
        }
        let mut own = value.dims.iter().copied();
        let dims = new.iter().map(|new| if *new { 1 } else { own.next().unwrap_or(1) }).collect();
        Value::new(dims, value.data)
    })
}

/// Expand
pub fn expand_to(_: &mut Node) -> Done<Kernel> {
    one(|args| {
        let wanted = sizes(&args.get(1)?.integers()?)?;
        let value = args.take(0)?;
        let dims = crate::value::broadcast(&value.dims, &wanted)?;
        if dims == value.dims {
            return Ok(value);
        }
        let data = map_data!(&value.data, values => expand(values, &value.dims, &dims)?);
        Value::new(dims, data)
    })
}
