//! MLflow's search language: filters, orders and page tokens.

mod filter;
mod order;
mod subject;
mod token;

pub use self::{
    filter::{Clause, Comparator, Entity, Filter, Value},
    order::{Direction, Order},
    subject::{Field, Subject},
    token::Tokens,
};

/// What is searched: says which attributes there are and what they can be compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Runs.
    Runs,
    /// Experiments.
    Experiments,
    /// Logged models.
    LoggedModels,
    /// Traces.
    Traces,
    /// Evaluation datasets.
    Datasets,
    /// Registered models.
    RegisteredModels,
    /// Versions of registered models.
    ModelVersions,
}
