//! The store: a cheap handle on what is kept.
//!
//! What searches look at is in memory ([`state`], [`table`]); everything is on disk ([`disk`]).
//! Only the writer's thread changes either ([`writer`]): a command checks its request against
//! memory, commits its rows as one batch, and then changes memory, so a refused or failed command
//! leaves no trace.

mod answers;
mod assessments;
mod column;
mod dataset_records;
mod datasets;
mod disk;
mod experiments;
mod keys;
mod metrics;
mod models;
mod names;
mod ranking;
mod records;
mod run_search;
mod runs;
mod spans;
mod state;
mod table;
mod traces;
mod validate;
mod writer;

use std::{path::PathBuf, sync::Arc};

use modelyard_clock::Clock;
use parking_lot::RwLock;

use self::{
    disk::Disk,
    records::StoredExperiment,
    state::{Home, State},
    writer::Writer,
};
use crate::{LifecycleStage, Result, search::Tokens};

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
    core: Arc<Core>,
    writer: Writer,
}

/// What readers and the writer share.
struct Core {
    disk: Disk,
    state: RwLock<State>,
    tokens: Tokens,
    clock: Clock,
    artifact_root: String,
}

impl Store {
    /// Opens the store at `options.path`, or makes it. Blocks while it reads (about a second for
    /// 100,000 runs).
    ///
    /// # Errors
    /// [`crate::Error::Internal`] where the directory can't be used: another process holds it,
    /// the disk is full, a file is damaged.
    pub fn open(options: Options) -> Result<Self> {
        let disk = Disk::open(&options.path)?;
        let secret = secret(&disk)?;
        let state = State::load(&disk)?;
        let core = Core {
            disk,
            state: RwLock::new(state),
            tokens: Tokens::new(secret),
            clock: options.clock,
            artifact_root: options.artifact_root,
        };
        core.ensure_default()?;
        let core = Arc::new(core);
        let writer = Writer::start(Arc::clone(&core))?;
        Ok(Self(Arc::new(Inner { core, writer })))
    }

    /// Page tokens under this store's secret, for searches that are done elsewhere.
    pub fn tokens(&self) -> &Tokens {
        &self.0.core.tokens
    }

    fn core(&self) -> &Core {
        &self.0.core
    }

    async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Core) -> Result<T> + Send + 'static,
    {
        self.0.writer.write(work).await
    }
}

impl Core {
    /// Milliseconds since 1970.
    fn now(&self) -> i64 {
        self.clock.now().micros() / 1000
    }

    /// Makes experiment `0`, which is always there.
    fn ensure_default(&self) -> Result<()> {
        let mut state = self.state.write();
        if state.homes.contains_key(&0) {
            return Ok(());
        }
        let now = self.now();
        let experiment = StoredExperiment {
            name: "Default".to_owned(),
            artifact_location: self.location(0),
            stage: LifecycleStage::Active,
            created: now,
            updated: now,
            tags: std::collections::BTreeMap::new(),
        };
        let mut batch = self.disk.batch();
        batch.insert(&self.disk.experiments, 0_u64.to_be_bytes(), disk::json(&experiment)?);
        batch.commit()?;
        self.disk.persist()?;
        state.names.insert(experiment.name.clone(), 0);
        state.homes.insert(0, Home::new(experiment));
        Ok(())
    }

    /// Where the artifacts of an experiment go that names no place.
    fn location(&self, experiment: u64) -> String {
        append(&self.artifact_root, &[&experiment.to_string()])
    }
}

/// Appends path segments to a URI.
fn append(uri: &str, segments: &[&str]) -> String {
    // A query or a fragment stays at the end.
    let (path, rest) = uri.split_at(uri.find(['?', '#']).unwrap_or(uri.len()));
    let mut joined = path.to_owned();
    for segment in segments {
        if !joined.ends_with('/') {
            joined.push('/');
        }
        joined.push_str(segment);
    }
    joined + rest
}

/// The store's secret for page tokens, made up once.
fn secret(disk: &Disk) -> Result<[u8; 32]> {
    if let Some(secret) = disk.meta.get("secret")? {
        return disk::part(&secret, 0);
    }
    let secret: [u8; 32] = rand::random();
    let mut batch = disk.batch();
    batch.insert(&disk.meta, "secret", secret);
    batch.commit()?;
    disk.persist()?;
    Ok(secret)
}
