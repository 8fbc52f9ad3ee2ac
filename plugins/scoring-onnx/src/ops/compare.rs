//! Comparison, logic and choice, element by element, with broadcasting.

use super::arithmetic::{no_pair, periodic};
use super::one;
use crate::node::{Args, Kernel, Node};
use crate::value::{Data, Done, Value, broadcast, expand, map_pair};

fn pairs<T: Clone>(
    (a, a_dims): (&[T], &[usize]),
    (b, b_dims): (&[T], &[usize]),
    to: &[usize],
    holds: impl Fn(&T, &T) -> bool,
) -> Done<Vec<bool>> {
    let (a, b) = (expanded(a, a_dims, to)?, periodic(b, b_dims, to)?);
    Ok(a.iter().zip(b.iter().cycle()).map(|(a, b)| holds(a, b)).collect())
}

fn expanded<'a, T: Clone>(values: &'a [T], from: &[usize], to: &[usize]) -> Done<std::borrow::Cow<'a, [T]>> {
    if from == to { Ok(values.into()) } else { expand(values, from, to).map(Into::into) }
}

macro_rules! comparison {
    ($($(#[$doc:meta])* $name:ident: ($a:ident, $b:ident) => $holds:expr, [$($type:ident),*];)*) => {
        $(
            $(#[$doc])*
            pub fn $name(_: &mut Node) -> Done<Kernel> {
                one(|args| {
                    let (a, b) = (args.get(0)?, args.get(1)?);
                    let dims = broadcast(&a.dims, &b.dims)?;
                    let values = match (&a.data, &b.data) {
                        $((Data::$type(x), Data::$type(y)) => {
                            pairs((x, &a.dims), (y, &b.dims), &dims, |$a, $b| $holds)?
                        })*
                        (a, b) => return Err(no_pair(a.kind().name(), b.kind().name())),
                    };
                    Value::new(dims, Data::Bool(values))
                })
            }
        )*
    };
}

comparison! {
    /// Equal
    equal: (a, b) => a == b, [F32, F64, I64, I32, U8, Bool, Text];
    /// Less
    less: (a, b) => a < b, [F32, F64, I64, I32, U8];
    /// Greater
    greater: (a, b) => a > b, [F32, F64, I64, I32, U8];
    /// LessOrEqual
    less_or_equal: (a, b) => a <= b, [F32, F64, I64, I32, U8];
    /// GreaterOrEqual
    greater_or_equal: (a, b) => a >= b, [F32, F64, I64, I32, U8];
    /// And
    and: (a, b) => *a && *b, [Bool];
    /// Or
    or: (a, b) => *a || *b, [Bool];
    /// Xor
    xor: (a, b) => a != b, [Bool];
}

/// Not
pub fn not(_: &mut Node) -> Done<Kernel> {
    one(|args| {
        let mut value = args.take(0)?;
        let Data::Bool(values) = &mut value.data else {
            return Err(format!("BOOL is needed; the input is {}", value.data.kind().name()));
        };
        values.iter_mut().for_each(|x| *x = !*x);
        Ok(value)
    })
}

/// IsNaN
pub fn is_nan(_: &mut Node) -> Done<Kernel> {
    one(|args| {
        let value = args.get(0)?;
        let found = match &value.data {
            Data::F32(values) => values.iter().map(|x| x.is_nan()).collect(),
            Data::F64(values) => values.iter().map(|x| x.is_nan()).collect(),
            other => return Err(format!("floats are needed; the input is {}", other.kind().name())),
        };
        Value::new(value.dims.clone(), Data::Bool(found))
    })
}

/// Where
pub fn choose(_: &mut Node) -> Done<Kernel> {
    fn chosen<T: Clone>(
        args: &Args<'_>,
        condition: &[bool],
        (a, b): (&[T], &[T]),
        to: &[usize],
    ) -> Done<Vec<T>> {
        let a = expanded(a, &args.get(1)?.dims, to)?;
        let b = expanded(b, &args.get(2)?.dims, to)?;
        let picked = condition.iter().zip(a.iter().zip(b.iter()));
        Ok(picked.map(|(first, (a, b))| if *first { a } else { b }.clone()).collect())
    }
    one(|args| {
        let (condition, a, b) = (args.get(0)?, args.get(1)?, args.get(2)?);
        let Data::Bool(flags) = &condition.data else {
            return Err(format!("the condition must be BOOL, not {}", condition.data.kind().name()));
        };
        let dims = broadcast(&broadcast(&a.dims, &b.dims)?, &condition.dims)?;
        let flags = expanded(flags, &condition.dims, &dims)?;
        let data = map_pair!(
            (&a.data, &b.data),
            (x, y) => chosen(args, &flags, (x, y), &dims)?,
            return Err(no_pair(a.data.kind().name(), b.data.kind().name()))
        );
        Value::new(dims, data)
    })
}
