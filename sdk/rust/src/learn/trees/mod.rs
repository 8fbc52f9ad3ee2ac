//! Tree ensembles of other libraries: what the runners of their model files
//! share once the file is understood.
//!
//! - [`Builder`] takes trees as a file links them, checks that each is a tree,
//!   and lays it out as part of a [`Forest`].
//! - [`Coding`] turns the texts of a categorical column into the codes that a
//!   file's splits are about.
//! - [`Answer`] makes the library's answers out of raw scores.
//! - [`Ensemble`] is all of it together: tensors in, tensors out.

mod answer;
mod builder;
mod coding;
mod ensemble;
mod forest;

pub use answer::{Answer, Link};
pub use builder::{Builder, Node, Test};
pub use coding::Coding;
pub use ensemble::{Ensemble, Precision};
pub use forest::Forest;
