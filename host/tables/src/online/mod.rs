//! The online store: the latest row of every key of every feature view, in
//! memory for serving, rebuilt from a durable log. At any moment it gives what
//! a point-in-time join gives for that moment: a row of the future is kept, and
//! counts from its own moment on.

mod record;
mod view;

use std::{collections::HashMap, fs::File, path::Path, sync::Arc, time::Duration};

use arrow::array::RecordBatch;
use modelyard_clock::{Clock, Timestamp};
use parking_lot::RwLock;
use tokio::sync::RwLock as Gate;

use record::Record;
pub(crate) use view::Row;
use view::View;

use crate::{
    Result, Value,
    log::{Log, committed},
};

/// The values of a view's key columns, in the order in which the view was put.
/// They are compared as in a join: 7 finds a row put as 7.0, or as the text 7.
pub type Key = Vec<Value>;

/// Which columns of the rows that are put say what.
#[derive(Clone, Copy, Debug)]
pub struct Layout<'a> {
    /// The key's columns.
    pub keys: &'a [&'a str],
    /// The column that says since when a row's values hold.
    pub event_time: &'a str,
    /// Of rows with the same key and event time, the one greatest here counts,
    /// and any before none; without it, and among equals, the one put last.
    pub created_at: Option<&'a str>,
    /// The columns to keep; none: all but keys and event time.
    pub columns: Option<&'a [&'a str]>,
}

impl<'a> Layout<'a> {
    /// All columns but these are kept, and the row put last counts.
    pub fn new(keys: &'a [&'a str], event_time: &'a str) -> Self {
        Self { keys, event_time, created_at: None, columns: None }
    }
}

/// What came of a look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// A row that is young enough.
    Present,
    /// No row of that key, or none that isn't of the future.
    NotFound,
    /// A row that is older than the time to live; its values are given, and
    /// whether they may be used is the caller's decision.
    OutsideMaxAge,
}

/// One key's row.
#[derive(Clone, Debug)]
pub struct Lookup {
    /// Whether there is a row, and one of use.
    pub status: Status,
    row: Option<Arc<Row>>,
}

impl Lookup {
    /// When the row's values became true.
    pub fn event_time(&self) -> Option<Timestamp> {
        self.row.as_ref().map(|row| row.event_time)
    }

    /// A column's value; none if the row (or the column in it) isn't there.
    pub fn value(&self, column: &str) -> Option<&Value> {
        let row = self.row.as_ref()?;
        let index = row.columns.iter().position(|name| name == column)?;
        row.values.get(index)
    }

    /// Every kept column and its value.
    pub fn values(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.row.iter().flat_map(|row| row.columns.iter().map(String::as_str).zip(row.values.iter()))
    }
}

/// What a put did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Put {
    /// Rows that are now the latest of their key, or of a moment to come.
    pub stored: u64,
    /// Rows left out because a later row of their key is there.
    pub outdated: u64,
}

/// Latest values by key. A cheap handle.
#[derive(Clone)]
pub struct OnlineStore {
    inner: Arc<Inner>,
}

struct Inner {
    views: RwLock<HashMap<String, Arc<View>>>,
    log: Log<()>,
    /// Writers share it; a compaction has it alone, so that memory and log
    /// agree when it looks.
    gate: Gate<()>,
    compact_bytes: u64,
    /// What is past and what is still to come is decided by it.
    clock: Clock,
    /// The directory is this process's as long as somebody can write to it.
    _lock: Arc<File>,
}

impl OnlineStore {
    /// Opens the store in `dir`. Blocking: replays the log.
    pub(crate) fn open(
        dir: &Path,
        interval: Duration,
        compact_bytes: u64,
        clock: Clock,
        lock: Arc<File>,
    ) -> Result<Self> {
        let mut views = HashMap::new();
        let now = clock.now();
        let log = Log::open(dir, interval, 0, |payload| {
            apply(&mut views, Record::decode(payload)?, now).map(drop)
        })?;
        let views = RwLock::new(views);
        let inner = Inner { views, log, gate: Gate::new(()), compact_bytes, clock, _lock: lock };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Stores the latest row of each key, and those of moments to come, and
    /// waits until they are durable. An older event never replaces a newer one.
    pub async fn put(&self, view: &str, layout: &Layout<'_>, rows: &RecordBatch) -> Result<Put> {
        if rows.num_rows() == 0 {
            return Ok(Put::default());
        }
        let record = Record::put(view, layout, rows)?;
        if let Some(known) = self.inner.views.read().get(view) {
            known.check_keys(view, layout.keys)?;
        }
        let put = {
            let _gate = self.inner.gate.read().await;
            committed(self.inner.log.append_durable(&record.encode(), ())?).await?;
            self.apply(record)?
        };
        self.compact_if_due().await?;
        Ok(put)
    }

    /// The rows of keys as they are at `now`, in the keys' order: of each the
    /// latest whose event isn't later than `now`. One whose event lies more than
    /// `ttl` before `now` is outside the maximum age. What the store's clock has
    /// passed isn't kept: for an earlier moment than the clock's there may be no row.
    pub fn get(&self, view: &str, keys: &[Key], now: Timestamp, ttl: Option<Duration>) -> Vec<Lookup> {
        let view = self.inner.views.read().get(view).cloned();
        let look = |key: &Key| {
            let row = view.as_ref().and_then(|view| view.get(key, now));
            let status = match &row {
                None => Status::NotFound,
                Some(row) if ttl.is_some_and(|ttl| now.since(row.event_time) > ttl) => Status::OutsideMaxAge,
                Some(_) => Status::Present,
            };
            Lookup { status, row }
        };
        keys.iter().map(look).collect()
    }

    /// The number of keys of a view.
    pub fn keys(&self, view: &str) -> u64 {
        self.inner.views.read().get(view).map_or(0, |view| view.len())
    }

    /// The views that hold rows, in order of name.
    pub fn views(&self) -> Vec<String> {
        let mut names: Vec<_> = self.inner.views.read().keys().cloned().collect();
        names.sort();
        names
    }

    /// Removes a view and all its rows.
    pub async fn drop_view(&self, view: &str) -> Result<()> {
        self.remove(Record::Drop { view: view.to_owned() }).await.map(drop)
    }

    /// Removes, in every view, the rows in which `column` (a key or a value)
    /// equals `value`, from memory and from the disk; gives their number.
    pub async fn erase(&self, column: &str, value: &Value) -> Result<u64> {
        self.remove(Record::Erase { column: column.to_owned(), value: value.clone() }).await
    }

    async fn remove(&self, record: Record) -> Result<u64> {
        let removed = {
            let _gate = self.inner.gate.read().await;
            committed(self.inner.log.append_durable(&record.encode(), ())?).await?;
            self.apply(record)?.stored
        };
        // What is removed must leave the disk, not only the memory.
        self.compact().await?;
        Ok(removed)
    }

    fn apply(&self, record: Record) -> Result<Put> {
        let now = self.inner.clock.now();
        if let Record::Put { view, rows, .. } = &record
            && let Some(view) = self.inner.views.read().get(view)
        {
            return Ok(view.put(rows, now));
        }
        apply(&mut self.inner.views.write(), record, now)
    }

    async fn compact_if_due(&self) -> Result<()> {
        let bytes = self.inner.log.bytes();
        let live: u64 = self.inner.views.read().values().map(|view| view.bytes()).sum();
        if bytes > self.inner.compact_bytes && bytes / 3 > live { self.compact().await } else { Ok(()) }
    }

    /// Rewrites the log with nothing but the rows that are there.
    pub async fn compact(&self) -> Result<()> {
        let gate = self.inner.gate.write().await;
        let inner = self.inner.clone();
        let rewrite = move || {
            let views = inner.views.read().clone();
            inner.log.rewrite(|out| {
                for (name, view) in &views {
                    for record in view.records(name) {
                        out(&record.encode(), ())?;
                    }
                }
                Ok(())
            })
        };
        let result = tokio::task::spawn_blocking(rewrite).await.unwrap_or(Err(crate::Error::Closed));
        drop(gate);
        result
    }
}

/// Makes a record true in memory; gives rows stored or, for the others, removed.
fn apply(views: &mut HashMap<String, Arc<View>>, record: Record, now: Timestamp) -> Result<Put> {
    let stored = match record {
        Record::Put { view, keys, rows } => {
            let view = views.entry(view).or_insert_with(|| Arc::new(View::new(keys, rows.first())));
            return Ok(view.put(&rows, now));
        }
        Record::Drop { view } => views.remove(&view).map_or(0, |view| view.len()),
        Record::Erase { column, value } => views.values().map(|view| view.erase(&column, &value)).sum(),
    };
    Ok(Put { stored, outdated: 0 })
}
