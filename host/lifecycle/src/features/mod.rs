//! Features: views by entity and time, joined point in time for training and
//! looked up by key for serving; fitted transforms used the same in both.

mod records;
mod sets;
mod transform;
mod views;

pub use records::{
    Fitted, Join, Materialized, Spine, TrainingSet, TransformSpec, View, ViewSpec, ViewVersion,
};
pub use views::OnlineRow;

use crate::Platform;

/// Features of a platform.
pub struct Features<'p>(pub(crate) &'p Platform);
