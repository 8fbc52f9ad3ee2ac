//! Products of matrices.

use std::borrow::Cow;

use super::number::{Number, dot};
use super::{arithmetic, one};
use crate::node::{Kernel, Node};
use crate::value::{Data, Done, Value, broadcast, count, expand};

/// out += a · b, of the shapes [m, k], [k, n] and [m, n].
fn multiply<T: Number>(a: &[T], b: &[T], k: usize, n: usize, out: &mut [T]) {
    if k == 0 || n == 0 {
        return;
    }
    for (row, out) in a.chunks_exact(k).zip(out.chunks_exact_mut(n)) {
        for (x, b) in row.iter().zip(b.chunks_exact(n)) {
            if *x != T::default() {
                out.iter_mut().zip(b).for_each(|(out, b)| *out = out.plus(x.times(*b)));
            } else if b.iter().any(|b| b.minus(*b) != T::default()) {
                // 0 · ∞ and 0 · NaN are NaN.
                out.iter_mut().zip(b).for_each(|(out, b)| *out = out.plus(x.times(*b)));
            }
        }
    }
}

/// a · bᵀ, of the shapes [m, k] and [n, k].
pub(super) fn multiply_transposed<T: Number>(a: &[T], b: &[T], k: usize, n: usize, out: &mut [T]) {
    if k == 0 || n == 0 {
        return;
    }
    for (row, out) in a.chunks_exact(k).zip(out.chunks_exact_mut(n)) {
        out.iter_mut().zip(b.chunks_exact(k)).for_each(|(out, b)| *out = out.plus(dot(row, b)));
    }
}

fn transposed<T: Number>(values: &[T], rows: usize, columns: usize) -> Vec<T> {
    let column = |at: usize| values.iter().skip(at).step_by(columns.max(1)).take(rows).copied();
    (0..columns).flat_map(column).collect()
}

/// The two dimensions of a matrix.
fn sides(value: &Value, transposed: bool) -> Done<(usize, usize)> {
    match value.dims.as_slice() {
        [rows, columns] if transposed => Ok((*columns, *rows)),
        [rows, columns] => Ok((*rows, *columns)),
        dims => Err(format!("a matrix is needed, not the shape {dims:?}")),
    }
}

/// Gemm: alpha · A · B + beta · C.
pub fn gemm(node: &mut Node) -> Done<Kernel> {
    let (alpha, beta) = (node.float("alpha", 1.0)?, node.float("beta", 1.0)?);
    let (a_turned, b_turned) = (node.flag("transA", false)?, node.flag("transB", false)?);
    one(move |args| {
        let (a, b) = (args.get(0)?, args.get(1)?);
        let ((m, k), (inner, n)) = (sides(a, a_turned)?, sides(b, b_turned)?);
        if k != inner {
            return Err(format!("the shapes {:?} and {:?} can't be multiplied", a.dims, b.dims));
        }
        let size = (m, k, n);
        let turned = (a_turned, b_turned);
        let product = match (&a.data, &b.data) {
            (Data::F32(a), Data::F32(b)) => Data::F32(product(a, b, size, turned, alpha)?),
            (Data::F64(a), Data::F64(b)) => Data::F64(product(a, b, size, turned, f64::from(alpha))?),
            (a, b) => return Err(arithmetic::no_pair(a.kind().name(), b.kind().name())),
        };
        let product = Value::new(vec![m, n], product)?;
        let Some(c) = args.optional(2) else { return Ok(product) };
        if broadcast(&c.dims, &product.dims)? != product.dims {
            return Err(format!("C of the shape {:?} does not go with {:?}", c.dims, product.dims));
        }
        if beta == 1.0 {
            return arithmetic::combine::<arithmetic::Plus>(product, c);
        }
        let factor = super::shape::convert(Value::f32(vec![], vec![beta])?, c.data.kind())?;
        let scaled = arithmetic::combine::<arithmetic::Times>(c.clone(), &factor)?;
        arithmetic::combine::<arithmetic::Plus>(product, &scaled)
    })
}

fn product<T: Number>(
    a: &[T],
    b: &[T],
    (m, k, n): (usize, usize, usize),
    (a_turned, b_turned): (bool, bool),
    alpha: T,
) -> Done<Vec<T>> {
    let a: Cow<'_, [T]> = if a_turned { transposed(a, k, m).into() } else { a.into() };
    let mut out = vec![T::default(); count(&[m, n])?];
    if b_turned {
        multiply_transposed(&a, b, k, n, &mut out);
    } else {
        multiply(&a, b, k, n, &mut out);
    }
    if alpha != T::ONE {
        out.iter_mut().for_each(|x| *x = x.times(alpha));
    }
    Ok(out)
}

/// MatMul, with the leading dimensions broadcast.
pub fn matmul(_: &mut Node) -> Done<Kernel> {
    one(|args| {
        let (a, b) = (args.get(0)?, args.get(1)?);
        let (data, dims) = match (&a.data, &b.data) {
            (Data::F32(x), Data::F32(y)) => wrap(batched((x, &a.dims), (y, &b.dims))?, Data::F32),
            (Data::F64(x), Data::F64(y)) => wrap(batched((x, &a.dims), (y, &b.dims))?, Data::F64),
            (Data::I64(x), Data::I64(y)) => wrap(batched((x, &a.dims), (y, &b.dims))?, Data::I64),
            (Data::I32(x), Data::I32(y)) => wrap(batched((x, &a.dims), (y, &b.dims))?, Data::I32),
            (a, b) => return Err(arithmetic::no_pair(a.kind().name(), b.kind().name())),
        };
        Value::new(dims, data)
    })
}

fn wrap<T>((values, dims): (Vec<T>, Vec<usize>), wrap: fn(Vec<T>) -> Data) -> (Data, Vec<usize>) {
    (wrap(values), dims)
}

/// A tensor and its shape.
type Shaped<'a, T> = (&'a [T], &'a [usize]);

fn batched<T: Number>((a, a_dims): Shaped<'_, T>, (b, b_dims): Shaped<'_, T>) -> Done<(Vec<T>, Vec<usize>)> {
    // A vector is a row on the left and a column on the right.
    let (a_lead, m, k) = match a_dims {
        [lead @ .., m, k] => (lead, Some(*m), *k),
        [k] => (a_dims.get(1..).unwrap_or_default(), None, *k),
        [] => return Err("it does not take a scalar".into()),
    };
    let (b_lead, inner, n) = match b_dims {
        [lead @ .., inner, n] => (lead, *inner, Some(*n)),
        [inner] => (b_dims.get(1..).unwrap_or_default(), *inner, None),
        [] => return Err("it does not take a scalar".into()),
    };
    if k != inner {
        return Err(format!("the shapes {a_dims:?} and {b_dims:?} can't be multiplied"));
    }
    let lead = broadcast(a_lead, b_lead)?;
    let (rows, columns) = (m.unwrap_or(1), n.unwrap_or(1));
    let dims: Vec<usize> = lead.iter().copied().chain(m).chain(n).collect();
    let mut out = vec![T::default(); count(&dims)?];
    // One right side for all: the left is one tall matrix.
    if count(b_lead)? == 1 && lead == a_lead {
        multiply(a, b, k, columns, &mut out);
        return Ok((out, dims));
    }
    let stretch = |from: &[usize], x: usize, y: usize| [from, &[x, y]].concat();
    let a = expand(a, &stretch(a_lead, rows, k), &stretch(&lead, rows, k))?;
    let b = expand(b, &stretch(b_lead, k, columns), &stretch(&lead, k, columns))?;
    let (a_size, b_size, size) = (rows * k, k * columns, rows * columns);
    if a_size > 0 && b_size > 0 && size > 0 {
        for ((a, b), out) in
            a.chunks_exact(a_size).zip(b.chunks_exact(b_size)).zip(out.chunks_exact_mut(size))
        {
            multiply(a, b, k, columns, out);
        }
    }
    Ok((out, dims))
}
