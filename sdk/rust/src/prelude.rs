//! Everything that a plugin commonly needs, to import with one line.
//!
//! Types whose name two kinds share ([`crate::evaluation::Report`],
//! [`crate::monitoring::Report`]) are named through their module.

pub use crate::documentation::{Document, Documentation, Documents};
pub use crate::evaluation::{Confusion, Curve, Evaluation};
pub use crate::features::Features;
pub use crate::feedback::{Action, Feedback, Retrain, Situation};
pub use crate::function::Function;
pub use crate::governance::{Change, Decision, Governance};
pub use crate::ingestion::{Batch, Ingestion, RejectedRow};
pub use crate::monitoring::Monitoring;
pub use crate::retirement::{Retirement, Usage, Verdict};
pub use crate::scoring::Scoring;
pub use crate::selection::{Ranked, Selection};
pub use crate::training::{Artifact, Settings, Task, Training};
pub use crate::{
    Batches, Column, ColumnData, ColumnType, Datatype, Description, Error, Field, Finding, Inputs,
    InvalidInput, Matrix, Metric, Numbers, Object, Reader, Result, Severity, Signature, Table, Tensor,
    TensorData, TensorSpec, Text, Unavailable, evaluation, log, monitoring, objects, parameters, progress,
};
