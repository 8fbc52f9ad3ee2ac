//! What a Modelyard plugin is written against.
//!
//! A plugin is a sandboxed WebAssembly component of one of the kinds in
//! `wit/worlds.wit`. Its author implements the kind's trait and writes one macro
//! line; this crate makes the component's exports out of them, checks what goes
//! in and out, keeps the state between `load` and `predict`, and makes a panic
//! reach the caller as a message:
//!
//! ```
//! use modelyard_sdk::prelude::*;
//!
//! struct Doubler;
//!
//! impl Scoring for Doubler {
//!     fn describe() -> Description {
//!         Description::new("Doubles a number").outputs(["y: twice x"])
//!     }
//!     fn load(_artifact: &[u8]) -> Result<Self> {
//!         Ok(Doubler)
//!     }
//!     fn signature(&self) -> Signature {
//!         Signature::new([TensorSpec::fp64("x", [-1])], [TensorSpec::fp64("y", [-1])])
//!     }
//!     fn predict(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
//!         let x = inputs.named("x")?.numbers()?;
//!         Ok(vec![Tensor::vector("y", x.iter().map(|x| 2.0 * x).collect())])
//!     }
//! }
//!
//! modelyard_sdk::export!(scoring: Doubler);
//!
//! let y = Doubler::load(&[]).unwrap().predict(&[Tensor::vector("x", vec![4.0])]).unwrap();
//! assert_eq!(y[0].numbers().unwrap()[0], 8.0);
//! ```
//!
//! - One module per kind ([`ingestion`], [`features`], [`selection`], [`training`],
//!   [`evaluation`], [`scoring`], [`function`], [`monitoring`], [`feedback`],
//!   [`governance`], [`documentation`], [`retirement`]): its trait and its types.
//! - Data: [`Table`] and [`Column`], [`Reader`] for tables that are pulled batch by
//!   batch, [`Tensor`] and [`Matrix`].
//! - The host's side: [`log`], [`progress`], [`objects`]. Natively, that is in a
//!   plugin's own `cargo test`, they print, record, or serve what the test gave
//!   them, so a plugin is tested without a host.
//! - [`Error`] says whose fault it was and where it stands; [`parameters()`] reads
//!   parameters with errors that name the field.
//! - [`stats`]: AUC, log loss, quantiles and the like; [`learn`]: what trainers and
//!   their runners share.
//! - [`panic`] holds the layout by which a host finds a panic's message.

#[doc(hidden)]
pub mod bindings;
mod column;
mod describe;
mod error;
mod export;
#[cfg(feature = "ingest")]
pub mod ingest;
mod kinds;
pub mod learn;
pub mod log;
pub mod objects;
pub mod panic;
mod parameters;
pub mod prelude;
pub mod progress;
mod reader;
pub mod stats;
mod table;
mod tensor;

pub use bindings::host::modelyard::lifecycle::types::{
    Column, ColumnData, ColumnType, Datatype, Description, Error, Field, Finding, InvalidInput, Metric,
    Severity, Signature, Tensor, TensorData, TensorSpec, Unavailable,
};
pub use column::{Numbers, Text};
pub use error::Result;
pub use kinds::{
    documentation, evaluation, features, feedback, function, governance, ingestion, monitoring, retirement,
    scoring, selection, training,
};
pub use objects::Object;
pub use parameters::parameters;
pub use reader::{Batches, Reader};
pub use table::Table;
pub use tensor::{Inputs, Matrix};

/// The version of the contract that plugins built with this crate speak.
pub const CONTRACT: &str = "modelyard:lifecycle@0.1.0";
