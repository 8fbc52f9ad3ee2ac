//! One write: records, audit entry and events together or not at all.

use modelyard_catalog::{Edge, Order, Query, Record, Ref, Transaction};
use modelyard_notify::Event;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    Platform, Result,
    governance::{Actor, AuditEntry},
};

/// The end of the audit chain, kept so that the next entry needs no read.
#[derive(Clone, Debug)]
pub(crate) struct AuditHead {
    sequence: u64,
    hash: String,
}

/// A change under way. Nothing happens until [`Change::commit`].
#[must_use = "a change does nothing until it is committed"]
pub struct Change<'p> {
    platform: &'p Platform,
    /// The records.
    pub tx: Transaction,
    actor: String,
    action: String,
    subject: Ref,
    detail: Value,
    events: bool,
}

impl Platform {
    /// Begins a change: `actor` does `action` (`registry.version.created`) to
    /// `subject`.
    pub fn change(&self, actor: &Actor, action: &str, subject: Ref) -> Change<'_> {
        Change {
            platform: self,
            tx: self.catalog.transaction(),
            actor: actor.name.clone(),
            action: action.to_owned(),
            subject,
            detail: json!({}),
            events: false,
        }
    }
}

impl Change<'_> {
    /// What else the audit entry says.
    pub fn detail(mut self, detail: Value) -> Self {
        self.detail = detail;
        self
    }

    /// Adds a record that must not be there yet.
    pub fn insert<R: Record>(mut self, record: &R) -> Self {
        self.tx.insert(record);
        self
    }

    /// Adds or replaces a record.
    pub fn put<R: Record>(mut self, record: &R) -> Self {
        self.tx.put(record);
        self
    }

    /// Removes a record.
    pub fn delete<R: Record>(mut self, id: &str) -> Self {
        self.tx.delete::<R>(id);
        self
    }

    /// Adds a lineage edge from the subject: `trained-on`, `made-from`.
    pub fn from_edge(mut self, kind: &str, to: Ref) -> Self {
        self.tx.relate(Edge {
            kind: kind.into(),
            from: self.subject.clone(),
            to,
            at: self.platform.clock.now(),
            data: Value::Null,
        });
        self
    }

    /// Tells the subscribers, if and only if the change is committed.
    pub fn event(mut self, event: Event) -> Result<Self> {
        self.platform.notifier.enqueue(&mut self.tx, event)?;
        self.events = true;
        Ok(self)
    }

    /// Writes everything, with the next entry of the audit trail.
    pub async fn commit(mut self) -> Result<()> {
        let mut head = self.platform.audit.lock().await;
        let previous = match head.as_ref() {
            Some(head) => head.clone(),
            None => last(self.platform).await?,
        };
        let mut entry = AuditEntry {
            sequence: previous.sequence + 1,
            at: self.platform.clock.now(),
            actor: self.actor,
            action: self.action,
            subject: format!("{}:{}", self.subject.table, self.subject.id),
            detail: self.detail,
            previous: previous.hash,
            hash: String::new(),
        };
        entry.hash = hash(&entry);
        self.tx.insert(&entry);
        if let Err(error) = self.tx.commit().await {
            // What was written is read again before the next entry.
            *head = None;
            return Err(error.into());
        }
        *head = Some(AuditHead { sequence: entry.sequence, hash: entry.hash });
        drop(head);
        if self.events {
            self.platform.notifier.wake();
        }
        Ok(())
    }
}

async fn last(platform: &Platform) -> Result<AuditHead> {
    let query = Query::new().order("sequence", Order::Desc).limit(1);
    Ok(match platform.catalog.table::<AuditEntry>().first(query).await? {
        Some(entry) => AuditHead { sequence: entry.sequence, hash: entry.hash },
        None => AuditHead { sequence: 0, hash: "0".repeat(64) },
    })
}

/// The hash that an entry must carry: SHA-256 over its fields but `hash`, as
/// compact JSON in the order in which they are declared.
pub fn hash(entry: &AuditEntry) -> String {
    let fields = json!([
        entry.sequence,
        entry.at,
        entry.actor,
        entry.action,
        entry.subject,
        canonical(&entry.detail),
        entry.previous
    ]);
    hex::encode(Sha256::digest(fields.to_string()))
}

/// The same value with the members of every object in name order, so that a
/// store that orders them otherwise doesn't change the hash.
fn canonical(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by(|a, b| a.0.cmp(b.0));
            Value::Object(sorted.into_iter().map(|(name, value)| (name.clone(), canonical(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(canonical).collect()),
        other => other.clone(),
    }
}
