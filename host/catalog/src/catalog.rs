use std::{
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use modelyard_clock::Timestamp;
use surrealdb::types::Value as Db;

use crate::{
    Error, Options, Query, Record, Result, Table, Transaction, repair, select,
    store::{Binds, Store, quoted},
};

/// The table of lineage edges.
pub(crate) const EDGES: &str = "edge__";

/// The catalogue. A cheap handle: clones share one connection.
#[derive(Clone)]
pub struct Catalog(pub(crate) Arc<Store>);

impl std::fmt::Debug for Catalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Catalog").field(&self.0.url).finish()
    }
}

/// How the catalogue is doing.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Health {
    /// How long a read through the whole stack took.
    pub latency: Duration,
}

impl Catalog {
    /// Opens a store; an embedded one is created where there is none.
    ///
    /// # Errors
    /// [`Error::Locked`] if another process has the directory open for longer than three seconds,
    /// [`Error::BadUrl`], [`Error::Open`], [`Error::Unauthorized`], [`Error::Full`].
    pub async fn open(options: &Options) -> Result<Self> {
        let store = repair::open(options).await?;
        let catalog = Self(Arc::new(store));
        let edges = quoted(EDGES)?;
        catalog
            .0
            .run(&format!("DEFINE TABLE IF NOT EXISTS {edges} TYPE RELATION"), &Binds::default())
            .await?;
        Ok(catalog)
    }

    /// Defines the table of `R` and its indexes; indexes that `R` no longer has are removed.
    /// Done by itself when a table is first used, but a unique index over records that
    /// already violate it is better found at start.
    pub async fn define<R: Record>(&self) -> Result<()> {
        let _queue = self.0.defining.lock().await;
        if self.is_defined(R::TABLE) {
            return Ok(());
        }
        let table = quoted(R::TABLE)?;
        let mut text = format!("DEFINE TABLE IF NOT EXISTS {table} TYPE NORMAL SCHEMALESS;");
        self.0.run(&text, &Binds::default()).await?;
        let existing = self.indexes(&table).await?;
        text.clear();
        for name in existing.iter().filter(|name| R::INDEXES.iter().all(|index| index.name() != **name)) {
            text.push_str(&format!("REMOVE INDEX IF EXISTS {} ON TABLE {table};", quoted(name)?));
        }
        for index in R::INDEXES.iter().filter(|index| !existing.contains(&index.name())) {
            let fields = index.fields.iter().map(|field| path(field)).collect::<Result<Vec<_>>>()?.join(", ");
            let unique = if index.unique { "UNIQUE" } else { "" };
            let name = quoted(&index.name())?;
            text.push_str(&format!(
                "DEFINE INDEX IF NOT EXISTS {name} ON TABLE {table} FIELDS {fields} {unique};"
            ));
        }
        if !text.is_empty() {
            let failure = self.0.try_run(&text, &Binds::default()).await?.err();
            if let Some(failure) = failure {
                return Err(self.0.name_for(&failure.error, R::TABLE, "(existing records)"));
            }
        }
        self.0.defined.lock().unwrap_or_else(PoisonError::into_inner).insert(R::TABLE, R::KEPT);
        Ok(())
    }

    fn is_defined(&self, table: &str) -> bool {
        self.0.defined.lock().unwrap_or_else(PoisonError::into_inner).contains_key(table)
    }

    /// Deletes the records that are older at `now` than their tables keep them
    /// ([`Record::KEPT`]), in the tables that this process has used. Gives how many.
    pub async fn prune(&self, now: Timestamp) -> Result<u64> {
        let defined = self.0.defined.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut pruned = 0;
        for (table, kept) in defined {
            let Some(kept) = kept else { continue };
            let oldest = now - Duration::from_secs(u64::from(kept.days) * 86_400);
            let delete = select::delete(table, &Query::new().lt(kept.from, oldest))?;
            let mut results = self.0.run(&delete.text, &delete.binds).await?;
            let gone: Db = results.take(0).map_err(|error| self.0.name(&error))?;
            if let Db::Array(gone) = gone {
                pruned += gone.len() as u64;
            }
        }
        Ok(pruned)
    }

    /// Defines the table unless this process has done so.
    pub(crate) async fn ensure<R: Record>(&self) -> Result<()> {
        if self.is_defined(R::TABLE) { Ok(()) } else { self.define::<R>().await }
    }

    async fn indexes(&self, table: &str) -> Result<Vec<String>> {
        let mut results = self.0.run(&format!("INFO FOR TABLE {table}"), &Binds::default()).await?;
        let info: Db = results.take(0).map_err(|error| self.0.name(&error))?;
        match info {
            Db::Object(mut info) => match info.remove("indexes") {
                Some(Db::Object(indexes)) => Ok(indexes.into_inner().into_keys().collect()),
                _ => Ok(Vec::new()),
            },
            _ => Ok(Vec::new()),
        }
    }

    /// The table of `R`.
    pub fn table<R: Record>(&self) -> Table<R> {
        Table::new(self.clone())
    }

    /// Starts collecting changes that are made together or not at all.
    pub fn transaction(&self) -> Transaction {
        Transaction::new(self.clone())
    }

    /// Whether other processes may work on the same store. An embedded one belongs to this process.
    pub fn is_shared(&self) -> bool {
        self.0.url.starts_with("ws")
    }

    /// Closes the store and waits until its directory can be opened again. It closes by itself, a
    /// moment after the last handle (catalogue, table, transaction) is dropped.
    ///
    /// # Errors
    /// [`Error::Locked`] if other handles are kept for longer than three seconds.
    pub async fn close(self) -> Result<()> {
        let directory = self.0.directory.clone();
        drop(self);
        match directory {
            Some(directory) => repair::released(&directory).await,
            None => Ok(()),
        }
    }

    /// Asks the database for a sign of life.
    pub async fn health(&self) -> Result<Health> {
        let start = Instant::now();
        let text = format!("SELECT VALUE id FROM {} LIMIT 1", quoted(EDGES)?);
        let answer = tokio::time::timeout(Duration::from_secs(5), self.0.run(&text, &Binds::default())).await;
        match answer {
            Ok(results) => results.map(|_| Health { latency: start.elapsed() }),
            Err(_) => Err(Error::Open {
                url: self.0.url.clone(),
                reason: "the database did not answer within five seconds".to_owned(),
            }),
        }
    }
}

/// The path of a field in the structured copy.
pub(crate) fn path(field: &str) -> Result<String> {
    let names = field.split('.').map(quoted).collect::<Result<Vec<_>>>();
    let names = names.map_err(|_| Error::BadField(field.to_owned()))?;
    Ok(format!("f.{}", names.join(".")))
}
