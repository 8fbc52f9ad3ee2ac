//! MLflow's search language: filters, orders and page tokens.
//!
//! A filter is comparisons joined by `AND`: ``metrics.rmse < 0.5 AND params.`max depth` = '3'``.
//! What can be compared with what is said by [`Kind`]. Errors carry MLflow's words and the byte at
//! which reading stopped.

mod filter;
mod kinds;
mod lexer;
mod order;
mod parser;
mod pattern;
mod subject;
#[cfg(test)]
mod tests;
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
