//! The contract's types, one Rust type for each WIT type, shared by all kinds.
//!
//! They are what `bindgen!` makes of `wit/`, so what is documented there holds
//! here; they serialise with serde under their Rust names.

pub use crate::bindings::exports::modelyard::lifecycle::documentation::{Document, Documents};
pub use crate::bindings::exports::modelyard::lifecycle::evaluation::{
    Confusion, Curve, Report as Evaluation,
};
pub use crate::bindings::exports::modelyard::lifecycle::feedback::{Action, Retrain, Situation};
pub use crate::bindings::exports::modelyard::lifecycle::governance::{Change, Decision};
pub use crate::bindings::exports::modelyard::lifecycle::ingestion::{Batch, RejectedRow};
pub use crate::bindings::exports::modelyard::lifecycle::monitoring::Report as Monitoring;
pub use crate::bindings::exports::modelyard::lifecycle::retirement::{Usage as ModelUsage, Verdict};
pub use crate::bindings::exports::modelyard::lifecycle::selection::Ranked;
pub use crate::bindings::exports::modelyard::lifecycle::training::{Artifact, Settings, Task};
pub use crate::bindings::modelyard::lifecycle::log::Level;
pub use crate::bindings::modelyard::lifecycle::types::{
    Column, ColumnData, ColumnType, Datatype, Description, Error as GuestError, Field, Finding, InvalidInput,
    Metric, Severity, Signature, Table, Tensor, TensorData, TensorSpec, Unavailable,
};
