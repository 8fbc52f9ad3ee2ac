//! What is held of every input, whichever way it came.

use std::collections::HashSet;

use modelyard_lifecycle::Error;
use modelyard_lifecycle::runtime::types::{Tensor, TensorData};

use super::datatype::{self, KNOWN};

/// Why an input that is in shared memory isn't read.
pub(super) const SHARED_MEMORY: &str = "shared memory is not read; send its data";

/// An input, held to its shape and datatype; `read` gives its elements by their
/// number.
///
/// # Errors
/// `InvalidInput` with the input's name.
pub(super) fn tensor(
    name: String,
    shape: Vec<i64>,
    datatype: &str,
    read: impl FnOnce(&[i64], usize) -> Result<TensorData, String>,
) -> Result<Tensor, Error> {
    let read = count(&shape).and_then(|count| match datatype::empty(datatype) {
        Some(_) => read(&shape, count),
        None => Err(format!("the datatype {datatype:?} is not known; {KNOWN} are")),
    });
    match read {
        Ok(data) => Ok(Tensor { name, shape, data }),
        Err(message) => Err(wrong(&name, &message)),
    }
}

/// What is wrong with an input.
pub(super) fn wrong(name: &str, what: &str) -> Error {
    let mut error = Error::invalid(format!("the input {name:?}: {what}"));
    error.location.column = Some(name.to_owned());
    error
}

/// Each input may be there once.
pub(super) fn distinct<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> Result<(), Error> {
    let mut seen = HashSet::with_capacity(names.len());
    for name in names {
        if !seen.insert(name) {
            let mut error = Error::invalid(format!("the input {name:?} is there twice"));
            error.location.column = Some(name.to_owned());
            return Err(error);
        }
    }
    Ok(())
}

/// The number of elements of a shape.
fn count(shape: &[i64]) -> Result<usize, String> {
    shape.iter().try_fold(1usize, |product, size| {
        let negative = |_| format!("the shape {shape:?} has a negative size");
        let size = u64::try_from(*size).map_err(negative)?;
        let product = usize::try_from(size).ok().and_then(|size| product.checked_mul(size));
        product.ok_or_else(|| format!("the shape {shape:?} is too large to be"))
    })
}

/// The elements that came are as many as the shape has.
pub(super) fn fits(shape: &[i64], count: usize, found: usize) -> Result<(), String> {
    if found == count {
        return Ok(());
    }
    Err(format!("the shape {shape:?} has {count} elements, its data {found}"))
}
