//! What trainers and the runners of their artifacts share.
//!
//! - [`codec`]: the bytes of an artifact, checked as they are read.
//! - [`columns`]: which columns of a table a model learns from.
//! - [`Input`] and [`Rows`]: a model's input columns, and tensors read as them.
//! - [`Head`]: what a model answers, from scores to named tensors.
//! - [`gbdt`] and [`linear`]: the built-in models and their artifacts.
//! - [`target`]: the column to predict, as numbers or as classes.
//! - [`trees`]: tree ensembles of other libraries, for the runners of their files.

pub mod codec;
pub mod columns;
pub mod gbdt;
mod head;
mod inputs;
pub mod linear;
pub mod target;
pub mod trees;

pub use crate::{Datatype, Error, Signature, Tensor, TensorData, TensorSpec};
pub use head::{Head, Task, sigmoid, softmax};
pub use inputs::{Input, Kind, Rows};
pub use target::Target;

/// The most columns that a model takes.
pub const MAX_INPUTS: usize = 16_384;
/// The most categories that one column has.
pub const MAX_CATEGORIES: usize = 65_536;
/// The most classes that a classifier tells apart.
pub const MAX_CLASSES: usize = 1_024;

/// An artifact that can't be read.
pub(crate) fn malformed(message: String) -> Error {
    Error::invalid(message)
}

/// The signature of a model.
#[must_use]
pub fn signature(inputs: &[Input], head: &Head) -> Signature {
    Signature { inputs: inputs.iter().map(Input::spec).collect(), outputs: head.outputs() }
}
