//! Tensors inside a model: dense, row-major, of any rank.

/// The most elements that a tensor may have: what a file or an input asks for
/// beyond it is refused before memory is reserved.
pub const MAX_ELEMENTS: usize = 1 << 25;

/// What an operator says when it can't: one sentence, which gets the node's name
/// in front.
pub type Done<T> = Result<T, String>;

/// The elements in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// FLOAT
    F32(Vec<f32>),
    /// DOUBLE
    F64(Vec<f64>),
    /// INT64
    I64(Vec<i64>),
    /// INT32
    I32(Vec<i32>),
    /// UINT8
    U8(Vec<u8>),
    /// BOOL
    Bool(Vec<bool>),
    /// STRING
    Text(Vec<Vec<u8>>),
}

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// 32-bit float
    F32,
    /// 64-bit float
    F64,
    /// 64-bit integer
    I64,
    /// 32-bit integer
    I32,
    /// 8-bit unsigned integer
    U8,
    /// Boolean
    Bool,
    /// Byte string
    Text,
}

/// A tensor. The product of `dims` is the number of elements.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// The shape; empty for a scalar.
    pub dims: Vec<usize>,
    /// The elements.
    pub data: Data,
}

/// The same expression over the elements of any type, wrapped as they were.
macro_rules! map_data {
    ($data:expr, $values:ident => $result:expr) => {
        match $data {
            $crate::value::Data::F32($values) => $crate::value::Data::F32($result),
            $crate::value::Data::F64($values) => $crate::value::Data::F64($result),
            $crate::value::Data::I64($values) => $crate::value::Data::I64($result),
            $crate::value::Data::I32($values) => $crate::value::Data::I32($result),
            $crate::value::Data::U8($values) => $crate::value::Data::U8($result),
            $crate::value::Data::Bool($values) => $crate::value::Data::Bool($result),
            $crate::value::Data::Text($values) => $crate::value::Data::Text($result),
        }
    };
}
pub(crate) use map_data;

/// The same expression over pairs of elements of one type, wrapped as they were;
/// the last arm is for two types.
macro_rules! map_pair {
    ($pair:expr, ($a:ident, $b:ident) => $result:expr, $otherwise:expr) => {
        match $pair {
            ($crate::value::Data::F32($a), $crate::value::Data::F32($b)) => $crate::value::Data::F32($result),
            ($crate::value::Data::F64($a), $crate::value::Data::F64($b)) => $crate::value::Data::F64($result),
            ($crate::value::Data::I64($a), $crate::value::Data::I64($b)) => $crate::value::Data::I64($result),
            ($crate::value::Data::I32($a), $crate::value::Data::I32($b)) => $crate::value::Data::I32($result),
            ($crate::value::Data::U8($a), $crate::value::Data::U8($b)) => $crate::value::Data::U8($result),
            ($crate::value::Data::Bool($a), $crate::value::Data::Bool($b)) => {
                $crate::value::Data::Bool($result)
            }
            ($crate::value::Data::Text($a), $crate::value::Data::Text($b)) => {
                $crate::value::Data::Text($result)
            }
            _ => $otherwise,
        }
    };
}
pub(crate) use map_pair;

impl Type {
    /// The type with a number of ONNX's `TensorProto.DataType`.
    pub fn of(code: i64) -> Done<Type> {
        const NAMES: [&str; 17] = [
            "UNDEFINED",
            "FLOAT",
            "UINT8",
            "INT8",
            "UINT16",
            "INT16",
            "INT32",
            "INT64",
            "STRING",
            "BOOL",
            "FLOAT16",
            "DOUBLE",
            "UINT32",
            "UINT64",
            "COMPLEX64",
            "COMPLEX128",
            "BFLOAT16",
        ];
        Ok(match code {
            1 => Type::F32,
            2 => Type::U8,
            6 => Type::I32,
            7 => Type::I64,
            8 => Type::Text,
            9 => Type::Bool,
            11 => Type::F64,
            other => {
                let known = usize::try_from(other).ok().and_then(|at| NAMES.get(at));
                let name = known.map_or_else(|| format!("number {other}"), |name| (*name).to_owned());
                return Err(format!(
                    "the element type {name} is not supported; FLOAT, DOUBLE, INT64, INT32, UINT8, BOOL and STRING are"
                ));
            }
        })
    }

    /// ONNX's name.
    pub fn name(self) -> &'static str {
        match self {
            Type::F32 => "FLOAT",
            Type::F64 => "DOUBLE",
            Type::I64 => "INT64",
            Type::I32 => "INT32",
            Type::U8 => "UINT8",
            Type::Bool => "BOOL",
            Type::Text => "STRING",
        }
    }
}

impl Data {
    /// The number of elements.
    pub fn len(&self) -> usize {
        match self {
            Data::F32(values) => values.len(),
            Data::F64(values) => values.len(),
            Data::I64(values) => values.len(),
            Data::I32(values) => values.len(),
            Data::U8(values) => values.len(),
            Data::Bool(values) => values.len(),
            Data::Text(values) => values.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The type of the elements.
    pub fn kind(&self) -> Type {
        match self {
            Data::F32(_) => Type::F32,
            Data::F64(_) => Type::F64,
            Data::I64(_) => Type::I64,
            Data::I32(_) => Type::I32,
            Data::U8(_) => Type::U8,
            Data::Bool(_) => Type::Bool,
            Data::Text(_) => Type::Text,
        }
    }
}

impl Value {
    /// A tensor whose shape must fit its elements.
    pub fn new(dims: Vec<usize>, data: Data) -> Done<Value> {
        if count(&dims)? != data.len() {
            return Err(format!("the shape {dims:?} does not hold {} elements", data.len()));
        }
        Ok(Value { dims, data })
    }

    /// Floats of a shape.
    pub fn f32(dims: Vec<usize>, values: Vec<f32>) -> Done<Value> {
        Value::new(dims, Data::F32(values))
    }

    /// Integers of a shape.
    pub fn i64(dims: Vec<usize>, values: Vec<i64>) -> Done<Value> {
        Value::new(dims, Data::I64(values))
    }

    /// Rows and columns: a vector is one row, as the operators of `ai.onnx.ml`
    /// take it.
    pub fn matrix(&self) -> Done<(usize, usize)> {
        match self.dims.as_slice() {
            [columns] => Ok((1, *columns)),
            [rows, columns] => Ok((*rows, *columns)),
            dims => Err(format!("an input of rows and columns is needed; it has the shape {dims:?}")),
        }
    }

    /// The elements as floats, borrowed where they are.
    pub fn floats(&self) -> Done<std::borrow::Cow<'_, [f32]>> {
        Ok(match &self.data {
            Data::F32(values) => values.into(),
            Data::F64(values) => values.iter().map(|&v| v as f32).collect(),
            Data::I64(values) => values.iter().map(|&v| v as f32).collect(),
            Data::I32(values) => values.iter().map(|&v| v as f32).collect(),
            Data::U8(values) => values.iter().map(|&v| f32::from(v)).collect(),
            Data::Bool(values) => values.iter().map(|&v| f32::from(u8::from(v))).collect(),
            Data::Text(_) => return Err("numbers are needed; the input is STRING".into()),
        })
    }

    /// The elements as 64-bit integers; only integers are.
    pub fn integers(&self) -> Done<std::borrow::Cow<'_, [i64]>> {
        Ok(match &self.data {
            Data::I64(values) => values.into(),
            Data::I32(values) => values.iter().map(|&v| i64::from(v)).collect(),
            other => return Err(format!("integers are needed; the input is {}", other.kind().name())),
        })
    }
}

/// The number of elements of a shape, if it is bearable.
pub fn count(dims: &[usize]) -> Done<usize> {
    match dims.iter().try_fold(1_usize, |product, &n| product.checked_mul(n)) {
        Some(elements) if elements <= MAX_ELEMENTS => Ok(elements),
        _ => Err(format!("the shape {dims:?} has more than {MAX_ELEMENTS} elements")),
    }
}

/// An axis counted from the end where negative, as an index below `rank`.
pub fn axis(axis: i64, rank: usize) -> Done<usize> {
    let positive = if axis < 0 { axis.checked_add(rank as i64) } else { Some(axis) };
    match positive.and_then(|axis| usize::try_from(axis).ok()) {
        Some(found) if found < rank => Ok(found),
        _ => Err(format!("the axis {axis} is out of range for {rank} dimensions")),
    }
}

/// How far apart neighbours along each dimension are.
pub fn strides(dims: &[usize]) -> Vec<isize> {
    let mut step = 1_isize;
    let mut strides: Vec<isize> = dims
        .iter()
        .rev()
        .map(|&n| {
            let this = step;
            step = step.saturating_mul(n.max(1) as isize);
            this
        })
        .collect();
    strides.reverse();
    strides
}

/// Elements picked by steps: `dims` many, from `start`, going `steps[i]` along
/// dimension i. Steps are 0 to repeat and negative to go back.
pub fn pick<T: Clone>(from: &[T], dims: &[usize], steps: &[isize], start: isize) -> Done<Vec<T>> {
    let total = count(dims)?;
    let mut out = Vec::with_capacity(total);
    let (Some((&inner, outer)), Some((&step, outer_steps))) = (dims.split_last(), steps.split_last()) else {
        out.extend(usize::try_from(start).ok().and_then(|at| from.get(at)).cloned());
        return if out.len() == total { Ok(out) } else { Err("an element is out of range".into()) };
    };
    let mut at = vec![0_usize; outer.len()];
    let mut base = start;
    while out.len() < total {
        let first = usize::try_from(base).ok();
        if step == 1 {
            let run = first.and_then(|first| from.get(first..first.checked_add(inner)?));
            out.extend_from_slice(run.ok_or("an element is out of range")?);
        } else {
            for i in 0..inner as isize {
                let element = usize::try_from(base + i * step).ok().and_then(|at| from.get(at));
                out.push(element.ok_or("an element is out of range")?.clone());
            }
        }
        // The next index of the outer dimensions, the last one fastest.
        for ((index, &n), &step) in at.iter_mut().zip(outer).zip(outer_steps).rev() {
            *index += 1;
            base += step;
            if *index < n {
                break;
            }
            base -= step * n as isize;
            *index = 0;
        }
    }
    Ok(out)
}

/// The shape that two shapes become together, by ONNX's (and numpy's) rule.
pub fn broadcast(a: &[usize], b: &[usize]) -> Done<Vec<usize>> {
    let rank = a.len().max(b.len());
    let from_end = |dims: &[usize], back: usize| {
        dims.len().checked_sub(back + 1).and_then(|at| dims.get(at)).copied().unwrap_or(1)
    };
    let mut dims = Vec::with_capacity(rank);
    for back in (0..rank).rev() {
        dims.push(match (from_end(a, back), from_end(b, back)) {
            (x, y) if x == y => x,
            (1, y) => y,
            (x, 1) => x,
            _ => return Err(format!("the shapes {a:?} and {b:?} don't go together")),
        });
    }
    Ok(dims)
}

/// Elements repeated from their shape to a shape that [`broadcast`] gave.
pub fn expand<T: Clone>(values: &[T], from: &[usize], to: &[usize]) -> Done<Vec<T>> {
    let missing = to.len().saturating_sub(from.len());
    let own = strides(from);
    let steps: Vec<isize> = (0..to.len())
        .map(|i| match i.checked_sub(missing) {
            Some(at) if from.get(at) != Some(&1) => own.get(at).copied().unwrap_or(0),
            _ => 0,
        })
        .collect();
    pick(values, to, &steps, 0)
}
