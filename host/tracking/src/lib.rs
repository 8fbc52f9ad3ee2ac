//! Experiment tracking as MLflow's users know it: experiments, runs, metrics with their histories,
//! logged models, evaluation datasets and traces, in one embedded store.
//!
//! [`Store`] is a cheap handle. Its write methods are `async`: one writer thread takes commands,
//! makes as many as are waiting durable in one go, and only then answers, so whatever was
//! acknowledged survives a killed process and a power cut. Its read methods answer at once from
//! memory (metric histories, spans and dataset records from disk) and never wait for a write to
//! reach the disk.
//!
//! [`search`] is MLflow's filter language for everything that has one, the model registry included.

mod error;
mod records;
pub mod search;
mod store;
mod text;

pub use self::{
    error::{Code, Error, Result},
    records::*,
    store::{Options, Store},
    text::Text,
};
