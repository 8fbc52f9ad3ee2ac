//! The audit trail, read and verified.

use modelyard_catalog::{Order, Page, Query};
use serde::Serialize;
use utoipa::ToSchema;

use super::{AuditEntry, Governance};
use crate::{Result, change};

/// What a verification found.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Verified {
    /// Entries read.
    pub entries: u64,
    /// The last entry's hash: keep it elsewhere, and a trail cut short shows.
    pub head: String,
    /// Whether every entry is what it was when it was written.
    pub intact: bool,
    /// What is wrong, first fault first; at most ten.
    pub faults: Vec<String>,
}

impl Governance<'_> {
    /// The audit trail, latest first, of one subject (`model_version:late@3`) or all.
    pub async fn audit(
        &self,
        subject: Option<&str>,
        limit: usize,
        after: Option<String>,
    ) -> Result<Page<AuditEntry>> {
        let mut query = Query::new().order("sequence", Order::Desc).limit(limit).after(after);
        if let Some(subject) = subject {
            query = query.eq("subject", subject);
        }
        Ok(self.0.catalog.table().find(query).await?)
    }

    /// Reads the whole trail and checks every hash and every link.
    pub async fn verify_audit(&self) -> Result<Verified> {
        let table = self.0.catalog.table::<AuditEntry>();
        let mut previous = "0".repeat(64);
        let mut verified = Verified { entries: 0, head: previous.clone(), intact: true, faults: vec![] };
        let mut cursor = None;
        loop {
            let page =
                table.find(Query::new().order("sequence", Order::Asc).limit(1_000).after(cursor)).await?;
            for entry in page.items {
                verified.entries += 1;
                if entry.sequence != verified.entries {
                    let missing = verified.entries;
                    verified.faults.push(format!("entry {missing} is missing: {} follows", entry.sequence));
                    verified.entries = entry.sequence;
                }
                if entry.previous != previous {
                    verified
                        .faults
                        .push(format!("entry {} does not follow the one before it", entry.sequence));
                }
                if change::hash(&entry) != entry.hash {
                    verified
                        .faults
                        .push(format!("entry {} was changed after it was written", entry.sequence));
                }
                previous = entry.hash;
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        verified.intact = verified.faults.is_empty();
        verified.faults.truncate(10);
        verified.head = previous;
        Ok(verified)
    }
}
