//! Reductions over some or all dimensions.

use super::number::Number;
use super::{one, shape};
use crate::node::{Kernel, Node};
use crate::value::{Data, Done, Value, axis, count};

/// What a run of elements becomes.
pub trait Fold: 'static {
    /// Whether it needs at least one element.
    const NEEDS_ONE: bool;
    /// The result, of any type of number.
    fn of<T: Number>(values: &[T]) -> T;
}

fn total<T: Number>(values: &[T], f: impl Fn(T) -> T) -> T {
    values.iter().fold(T::default(), |sum, x| sum.plus(f(*x)))
}

fn absolute<T: Number>(x: T) -> T {
    if x < T::default() { T::default().minus(x) } else { x }
}

macro_rules! folds {
    ($($(#[$doc:meta])* $name:ident($needs:literal): $values:ident => $result:expr;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub struct $name;
            impl Fold for $name {
                const NEEDS_ONE: bool = $needs;
                fn of<T: Number>($values: &[T]) -> T {
                    $result
                }
            }
        )*
    };
}

folds! {
    /// Σ x
    Total(false): values => total(values, |x| x);
    /// Σ x / n
    Mean(true): values => total(values, |x| x).over(T::of(values.len() as f64));
    /// The largest
    Largest(true): values => values.iter().skip(1).fold(first(values), |a, b| a.larger(*b));
    /// The smallest
    Smallest(true): values => values.iter().skip(1).fold(first(values), |a, b| a.smaller(*b));
    /// Π x
    Product(false): values => values.iter().fold(T::ONE, |a, b| a.times(*b));
    /// Σ |x|
    Manhattan(false): values => total(values, absolute);
    /// √Σ x²
    Euclid(false): values => total(values, |x| x.times(x)).root();
    /// Σ x²
    Squares(false): values => total(values, |x| x.times(x));
}

fn first<T: Number>(values: &[T]) -> T {
    values.first().copied().unwrap_or_default()
}

/// ReduceSum and its like. The axes are an attribute at first, and an input from
/// version 13 (ReduceSum) or 18 (the others); either is taken.
pub fn reduce<F: Fold>(node: &mut Node) -> Done<Kernel> {
    let (attribute, keep) = (node.ints("axes")?, node.flag("keepdims", true)?);
    let none_is_none = node.flag("noop_with_empty_axes", false)?;
    one(move |args| {
        let axes = match (&attribute, args.optional(1)) {
            (Some(axes), _) => axes.clone(),
            (None, Some(axes)) => axes.integers()?.into_owned(),
            (None, None) => Vec::new(),
        };
        let value = args.take(0)?;
        let rank = value.dims.len();
        if axes.is_empty() && none_is_none {
            return Ok(value);
        }
        let mut gone = vec![axes.is_empty(); rank];
        for at in axes {
            if let Some(gone) = gone.get_mut(axis(at, rank)?) {
                *gone = true;
            }
        }
        folded::<F>(value, &gone, keep)
    })
}

fn folded<F: Fold>(value: Value, gone: &[bool], keep: bool) -> Done<Value> {
    fn runs<F: Fold, T: Number>(values: &[T], each: usize, many: usize) -> Vec<T> {
        match each {
            0 => vec![F::of(&[]); many],
            each => values.chunks_exact(each).map(F::of).collect(),
        }
    }
    let wanted = |gone_too: bool| {
        let dims = value.dims.iter().zip(gone).enumerate();
        dims.filter(move |(_, (_, gone))| **gone == gone_too).map(|(at, (n, _))| (at, *n))
    };
    let (kept_at, kept): (Vec<usize>, Vec<usize>) = wanted(false).unzip();
    let (gone_at, lost): (Vec<usize>, Vec<usize>) = wanted(true).unzip();
    let (each, many) = (count(&lost)?, count(&kept)?);
    if each == 0 && many > 0 && F::NEEDS_ONE {
        return Err("there is nothing to reduce".into());
    }
    let dims = if keep {
        value.dims.iter().zip(gone).map(|(n, gone)| if *gone { 1 } else { *n }).collect()
    } else {
        kept
    };
    let value = shape::permute(value, &[kept_at, gone_at].concat())?;
    let data = match &value.data {
        Data::F32(values) => Data::F32(runs::<F, f32>(values, each, many)),
        Data::F64(values) => Data::F64(runs::<F, f64>(values, each, many)),
        Data::I64(values) => Data::I64(runs::<F, i64>(values, each, many)),
        Data::I32(values) => Data::I32(runs::<F, i32>(values, each, many)),
        other => return Err(format!("numbers are needed; the input is {}", other.kind().name())),
    };
    Value::new(dims, data)
}
