//! The twelve stages of a model's life.
//!
//! One module per stage, in the order of a life; each declares the records that
//! it owns in its `records` module and what can be done with them beside it.
//! [`Platform`] holds what they share. This crate knows no HTTP, no wasmtime
//! and no SurrealQL: it speaks to the runtime, the tables, the scheduler, the
//! catalogue and the notifier through their own words.
//!
//! Whatever is changed is changed through [`change::Change`]: records, audit
//! entry and events in one transaction.

pub mod deployment;
pub mod documentation;
pub mod evaluation;
pub mod experiments;
pub mod features;
pub mod feedback;
pub mod governance;
pub mod ingestion;
pub mod monitoring;
pub mod registry;
pub mod retirement;
pub mod scaling;

pub mod change;
pub mod columns;
mod error;
mod failures;
pub mod functions;
mod hosts;
pub mod jobs;
pub mod names;
mod options;
mod platform;
pub mod plugins;
pub mod progress;
mod records;
pub mod schedules;
mod tensors;
pub mod tracking;

/// The catalogue's words that are answered with: pages and lineage.
pub use modelyard_catalog::{Edge, Page};
/// Subscriptions, deliveries and events.
pub use modelyard_notify as notify;
/// Validation of components, and the contract's types.
pub use modelyard_runtime as runtime;
/// Schedules and their firings.
pub use modelyard_scheduler as scheduler;
/// Cells of datasets.
pub use modelyard_tables as tables;

pub use error::{Code, Error, Location, Result};
pub use options::{
    Functions as FunctionOptions, Ingestion as IngestionOptions, Instances, Options, PluginLimits,
};
pub use platform::Platform;

/// The target of the spans that are made for a trace collector; nobody else
/// listens to it. They are of the level DEBUG: what is finer is left out of the
/// libraries as they are compiled.
pub const SPANS: &str = "modelyard::spans";
