//! Arithmetic, element by element, with broadcasting.

use std::borrow::Cow;

use super::number::Number;
use super::one;
use crate::node::{Kernel, Node};
use crate::value::{Data, Done, Value, broadcast, expand};

/// What two elements become.
pub trait Combine: 'static {
    /// The result, of any type of number.
    fn of<T: Number>(a: T, b: T) -> T;
}

macro_rules! combine {
    ($($(#[$doc:meta])* $name:ident: $method:ident;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub struct $name;
            impl Combine for $name {
                fn of<T: Number>(a: T, b: T) -> T {
                    a.$method(b)
                }
            }
        )*
    };
}

combine! {
    /// a + b
    Plus: plus;
    /// a − b
    Minus: minus;
    /// a · b
    Times: times;
    /// a / b
    Over: over;
    /// a to the power of b
    Power: power;
    /// The larger of a and b
    Larger: larger;
    /// The smaller of a and b
    Smaller: smaller;
}

/// `b` so that repeating it from its start goes along with a tensor of the shape
/// `to`: as it is wherever it can be.
pub(super) fn periodic<'a, T: Clone>(b: &'a [T], dims: &[usize], to: &[usize]) -> Done<Cow<'a, [T]>> {
    let ones = dims.iter().take_while(|n| **n == 1).count();
    if to.ends_with(dims.get(ones..).unwrap_or_default()) {
        return Ok(b.into());
    }
    expand(b, dims, to).map(Cow::Owned)
}

fn apply<T: Number>(
    (mut a, a_dims): (Vec<T>, &[usize]),
    (b, b_dims): (&[T], &[usize]),
    to: &[usize],
    f: impl Fn(T, T) -> T,
) -> Done<Vec<T>> {
    if a_dims != to {
        a = expand(&a, a_dims, to)?;
    }
    match periodic(b, b_dims, to)?.as_ref() {
        [] => {}
        [b] => a.iter_mut().for_each(|a| *a = f(*a, *b)),
        b => {
            for part in a.chunks_mut(b.len()) {
                part.iter_mut().zip(b).for_each(|(a, b)| *a = f(*a, *b));
            }
        }
    }
    Ok(a)
}

/// Two tensors combined, the first one in place where the shapes allow it.
pub(super) fn combine<C: Combine>(a: Value, b: &Value) -> Done<Value> {
    let dims = broadcast(&a.dims, &b.dims)?;
    let (a_dims, b_dims) = (a.dims.as_slice(), b.dims.as_slice());
    let data = match (a.data, &b.data) {
        (Data::F32(a), Data::F32(b)) => Data::F32(apply((a, a_dims), (b, b_dims), &dims, C::of)?),
        (Data::F64(a), Data::F64(b)) => Data::F64(apply((a, a_dims), (b, b_dims), &dims, C::of)?),
        (Data::I64(a), Data::I64(b)) => Data::I64(apply((a, a_dims), (b, b_dims), &dims, C::of)?),
        (Data::I32(a), Data::I32(b)) => Data::I32(apply((a, a_dims), (b, b_dims), &dims, C::of)?),
        (a, b) => return Err(no_pair(a.kind().name(), b.kind().name())),
    };
    Ok(Value { dims, data })
}

pub(super) fn no_pair(a: &str, b: &str) -> String {
    format!("it does not take {a} and {b} together")
}

/// Add, Sub, Mul, Div
pub fn binary<C: Combine>(_: &mut Node) -> Done<Kernel> {
    one(|args| {
        let a = args.take(0)?;
        combine::<C>(a, args.get(1)?)
    })
}

/// Sum, Min, Max
pub fn variadic<C: Combine>(_: &mut Node) -> Done<Kernel> {
    one(|args| {
        let first = args.take(0)?;
        (1..args.len()).try_fold(first, |sum, at| combine::<C>(sum, args.get(at)?))
    })
}

/// Mean
pub fn mean(_: &mut Node) -> Done<Kernel> {
    one(|args| {
        let first = args.take(0)?;
        let sum = (1..args.len()).try_fold(first, |sum, at| combine::<Plus>(sum, args.get(at)?))?;
        let n = args.len() as f32;
        floats(sum, |x| x / n, |x| x / f64::from(n))
    })
}

/// Pow. The exponent may be of another type than the base.
pub fn pow(_: &mut Node) -> Done<Kernel> {
    one(|args| {
        let base = args.take(0)?;
        let exponent = args.get(1)?;
        if base.data.kind() == exponent.data.kind() {
            return combine::<Power>(base, exponent);
        }
        let exponent = super::shape::convert(exponent.clone(), base.data.kind())?;
        combine::<Power>(base, &exponent)
    })
}

/// Floats changed in place.
fn floats(mut value: Value, single: impl Fn(f32) -> f32, double: impl Fn(f64) -> f64) -> Done<Value> {
    match &mut value.data {
        Data::F32(values) => values.iter_mut().for_each(|x| *x = single(*x)),
        Data::F64(values) => values.iter_mut().for_each(|x| *x = double(*x)),
        other => return Err(format!("floats are needed; the input is {}", other.kind().name())),
    }
    Ok(value)
}

macro_rules! unary {
    ($($(#[$doc:meta])* $name:ident: $x:ident => $result:expr;)*) => {
        $(
            $(#[$doc])*
            pub fn $name(_: &mut Node) -> Done<Kernel> {
                one(|args| floats(args.take(0)?, |$x| $result, |$x| $result))
            }
        )*
    };
}

unary! {
    /// Relu
    relu: x => if x < 0.0 { 0.0 } else { x };
    /// Sigmoid
    sigmoid: x => 1.0 / (1.0 + (-x).exp());
    /// Softplus
    softplus: x => if x > 0.0 { x + (-x).exp().ln_1p() } else { x.exp().ln_1p() };
    /// Tanh
    tanh: x => x.tanh();
    /// Exp
    exp: x => x.exp();
    /// Log
    log: x => x.ln();
    /// Sqrt
    sqrt: x => x.sqrt();
    /// Reciprocal
    reciprocal: x => 1.0 / x;
    /// Floor
    floor: x => x.floor();
    /// Ceil
    ceil: x => x.ceil();
}

macro_rules! signed {
    ($($(#[$doc:meta])* $name:ident: $float:expr, $integer:ident;)*) => {
        $(
            $(#[$doc])*
            pub fn $name(_: &mut Node) -> Done<Kernel> {
                one(|args| {
                    let mut value = args.take(0)?;
                    match &mut value.data {
                        Data::I64(values) => values.iter_mut().for_each(|x| *x = x.$integer()),
                        Data::I32(values) => values.iter_mut().for_each(|x| *x = x.$integer()),
                        _ => return floats(value, |x| $float(f64::from(x)) as f32, $float),
                    }
                    Ok(value)
                })
            }
        )*
    };
}

signed! {
    /// Neg
    neg: |x: f64| -x, wrapping_neg;
    /// Abs
    abs: f64::abs, wrapping_abs;
    /// Sign
    sign: |x: f64| if x == 0.0 { 0.0 } else { x.signum() }, signum;
}

/// LeakyRelu
pub fn leaky_relu(node: &mut Node) -> Done<Kernel> {
    let alpha = node.float("alpha", 0.01)?;
    let wide = f64::from(alpha);
    one(move |args| {
        let single = |x: f32| if x < 0.0 { alpha * x } else { x };
        floats(args.take(0)?, single, |x| if x < 0.0 { wide * x } else { x })
    })
}

/// Elu
pub fn elu(node: &mut Node) -> Done<Kernel> {
    let alpha = node.float("alpha", 1.0)?;
    let wide = f64::from(alpha);
    one(move |args| {
        let single = |x: f32| if x < 0.0 { alpha * x.exp_m1() } else { x };
        floats(args.take(0)?, single, |x| if x < 0.0 { wide * x.exp_m1() } else { x })
    })
}

/// Selu
pub fn selu(node: &mut Node) -> Done<Kernel> {
    let alpha = f64::from(node.float("alpha", 1.673_263_2)?);
    let gamma = f64::from(node.float("gamma", 1.050_701)?);
    let f = move |x: f64| gamma * if x > 0.0 { x } else { alpha * x.exp_m1() };
    one(move |args| floats(args.take(0)?, |x| f(f64::from(x)) as f32, f))
}

/// HardSigmoid
pub fn hard_sigmoid(node: &mut Node) -> Done<Kernel> {
    let (alpha, beta) = (node.float("alpha", 0.2)?, node.float("beta", 0.5)?);
    let (a, b) = (f64::from(alpha), f64::from(beta));
    one(move |args| {
        let single = |x: f32| (alpha * x + beta).clamp(0.0, 1.0);
        floats(args.take(0)?, single, |x| (a * x + b).clamp(0.0, 1.0))
    })
}

/// Gelu: x · Φ(x), or its approximation by tanh.
pub fn gelu(node: &mut Node) -> Done<Kernel> {
    let tanh = node.word("approximate", &[("none", false), ("tanh", true)])?;
    let f = move |x: f64| {
        if tanh {
            let inner = std::f64::consts::FRAC_2_PI.sqrt() * (x + 0.044_715 * x * x * x);
            0.5 * x * (1.0 + inner.tanh())
        } else {
            0.5 * x * (1.0 + error_function(x * std::f64::consts::FRAC_1_SQRT_2))
        }
    };
    one(move |args| floats(args.take(0)?, |x| f(f64::from(x)) as f32, f))
}

/// Erf
pub fn erf(_: &mut Node) -> Done<Kernel> {
    one(|args| floats(args.take(0)?, |x| error_function(f64::from(x)) as f32, error_function))
}

/// The error function, from its series 2/√π · e^(−x²) · Σ 2ⁿ x^(2n+1) / (2n+1)!!
/// (Abramowitz and Stegun, 7.1.6), whose terms all have the same sign. From 6 on
/// it is 1 in double precision.
pub fn error_function(x: f64) -> f64 {
    if x.is_nan() || x.abs() >= 6.0 {
        return if x.is_nan() { x } else { x.signum() };
    }
    let (mut term, mut sum, mut n) = (x, x, 1.0);
    while term.abs() > 1e-17 * sum.abs() {
        term *= 2.0 * x * x / (2.0 * n + 1.0);
        sum += term;
        n += 1.0;
    }
    std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * sum
}

/// Clip, with its bounds as attributes (before version 11) or inputs.
pub fn clip(node: &mut Node) -> Done<Kernel> {
    let (mut least, mut most) = (None, None);
    if node.opset < 11 {
        (least, most) = (node.float_or_none("min")?, node.float_or_none("max")?);
    }
    one(move |args| {
        let value = args.take(0)?;
        let bound = |at: usize, attribute: Option<f32>| match args.optional(at) {
            Some(bound) if bound.data.len() == 1 => Ok(Some(bound.clone())),
            Some(bound) => Err(format!("a bound must be one number, not {:?}", bound.dims)),
            None => attribute.map(|bound| Value::f32(vec![], vec![bound])).transpose(),
        };
        let (least, most) = (bound(1, least)?, bound(2, most)?);
        let value = match least {
            Some(least) => combine::<Larger>(value, &least)?,
            None => value,
        };
        match most {
            Some(most) => combine::<Smaller>(value, &most),
            None => Ok(value),
        }
    })
}
