//! A features plugin with its state loaded: the hot path from rows to features.

use std::sync::{Arc, Weak};
use std::time::Instant;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};

use crate::bindings::exports::modelyard::lifecycle::features;
use crate::budget::Idle;
use crate::call::{self, Ended};
use crate::check;
use crate::error::{CallError, Error, Fault};
use crate::host::State;
use crate::kind::Kind;
use crate::model::{ModelOptions, Stats, Timings, failed, timings};
use crate::pool::{Call, Pool, Role};
use crate::runtime::{Runtime, Source};
use crate::types::{Field, InvalidInput, Table};

/// A features plugin with a fitted state, kept warm. Cheap to clone.
#[derive(Clone)]
pub struct Transformer {
    pool: Arc<Pool<Features>>,
    schema: Arc<[Field]>,
}

pub(crate) struct Features {
    state: Bytes,
    /// The columns that the latest instance gave for the state.
    schema: Mutex<Vec<Field>>,
}

impl Role for Features {
    type Indices = features::GuestIndices;
    type Guest = features::Guest;
    const KIND: Kind = Kind::Features;

    fn indices(pre: &InstancePre<State>) -> wasmtime::Result<features::GuestIndices> {
        features::GuestIndices::new(pre)
    }

    fn guest(
        indices: &features::GuestIndices,
        store: &mut Store<State>,
        instance: &Instance,
    ) -> wasmtime::Result<features::Guest> {
        indices.load(store, instance)
    }

    fn prepare<'a>(
        &'a self,
        runtime: &'a Runtime,
        store: &'a mut Store<State>,
        guest: &'a features::Guest,
    ) -> BoxFuture<'a, Result<(), Fault>> {
        async move {
            let deadline = call::arm(store);
            let (outcome, _) =
                call::run(&runtime.0.ticker, deadline, guest.call_load(&mut *store, &self.state)).await;
            *self.schema.lock() = call::settle(store, outcome).map_err(Ended::fault)?;
            Ok(())
        }
        .boxed()
    }
}

impl Transformer {
    pub(crate) async fn new(
        runtime: Runtime,
        digest: &str,
        source: Source,
        state: Bytes,
        options: ModelOptions,
    ) -> Result<Transformer, Error> {
        let role = Features { state, schema: Mutex::default() };
        let pool = Pool::new(runtime, digest, source, role, options);
        let (warm, _) = pool.take().await.map_err(Error::Load)?;
        let schema = pool.role.schema.lock().clone().into();
        pool.put_back(warm);
        Ok(Transformer { pool, schema })
    }

    pub(crate) fn idle(&self) -> Weak<dyn Idle> {
        self.pool.as_idle()
    }

    /// The component's digest.
    pub fn digest(&self) -> &str {
        self.pool.digest()
    }

    /// The columns that come out.
    pub fn schema(&self) -> &[Field] {
        &self.schema
    }

    /// Transforms rows: as many rows, the columns of [`schema`](Transformer::schema).
    ///
    /// # Errors
    /// [`Fault::InvalidInput`] for a table that breaks the contract or lacks a
    /// column, [`Fault::Busy`] when the queue is full, and whatever the plugin
    /// does.
    pub async fn transform(&self, rows: Table) -> Result<(Table, Timings), CallError> {
        let count = check::table(&rows).map_err(|message| {
            Fault::InvalidInput(InvalidInput { message, parameter: None, column: None, row: None })
        })?;
        let start = Instant::now();
        let _permit = self.pool.enter().await?;
        let queued = start.elapsed();
        let (warm, instantiate) = self.pool.take().await?;
        let transform: Call<Features, _> =
            Box::new(move |store, guest| async move { guest.call_transform(store, &rows).await }.boxed());
        let (mut warm, outcome, cost) = self.pool.run(warm, transform).await;
        let outcome = call::settle(&mut warm.store, outcome).and_then(|table| self.checked(table, count));
        let timings = timings(queued, instantiate, cost, warm.store.data());
        match outcome {
            Ok(table) => {
                self.pool.put_back(warm);
                Ok((table, timings))
            }
            Err(ended) => Err(failed(&self.pool, warm, ended)),
        }
    }

    fn checked(&self, table: Table, rows: usize) -> Result<Table, Ended> {
        transformed(&table, &self.schema, rows).map_err(|what| Ended::Guest(Fault::BadOutput(what)))?;
        Ok(table)
    }

    /// Drops instances that have been idle for long enough, and the code of one
    /// idle for longer; gives the number of instances.
    pub fn evict_idle(&self, now: Instant) -> usize {
        self.pool.evict_idle(now)
    }

    /// Makes the instances that are to be warm and aren't.
    pub async fn keep_warm(&self) {
        self.pool.keep_warm().await;
    }

    /// What it holds now.
    pub fn stats(&self) -> Stats {
        self.pool.stats()
    }
}

/// Holds a transformed table to what `load` promised.
pub(crate) fn transformed(table: &Table, schema: &[Field], rows: usize) -> Result<(), String> {
    let found = check::table(table)?;
    check::schema(table, schema)?;
    // A table without columns has no rows to count.
    match found == rows || table.is_empty() {
        true => Ok(()),
        false => Err(format!("{found} rows came out where {rows} went in")),
    }
}
