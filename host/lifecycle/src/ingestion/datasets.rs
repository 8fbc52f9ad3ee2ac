//! Datasets: which files a version is made of, and queries over them.

use std::collections::HashMap;

use modelyard_blobs::Digest;
use modelyard_catalog::{Order, Page, Query};
use modelyard_tables::{RecordBatch, Schema};
use parking_lot::Mutex;

use super::{Dataset, DatasetFile, DatasetVersion, Ingestion};
use crate::{Error, Result};

/// A dataset version with its files.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    /// `flights@12`.
    pub(crate) reference: String,
    /// The dataset.
    pub(crate) name: String,
    /// The files, oldest first.
    pub(crate) files: Vec<Digest>,
}

/// The files of datasets without what else is recorded of them. Every query
/// asks for them, and what they hold of statistics grows with each file.
#[derive(Default)]
pub(crate) struct Listings(Mutex<HashMap<String, Listing>>);

/// The files of a dataset up to a version. Those of a version stay as they are
/// until rows are erased.
#[derive(Clone, Default)]
struct Listing {
    erasures: u32,
    version: u32,
    files: Vec<Listed>,
}

#[derive(Clone, Copy)]
struct Listed {
    version: u32,
    quarantine: bool,
    digest: Digest,
}

impl Ingestion<'_> {
    /// The versions of a dataset, latest first.
    pub async fn versions(
        &self,
        dataset: &str,
        limit: usize,
        after: Option<String>,
    ) -> Result<Page<DatasetVersion>> {
        self.dataset(dataset).await?;
        let query =
            Query::new().eq("dataset", dataset).order("version", Order::Desc).limit(limit).after(after);
        Ok(self.0.catalog.table().find(query).await?)
    }

    /// One version of a dataset.
    pub async fn version(&self, dataset: &str, version: u32) -> Result<DatasetVersion> {
        let id = format!("{dataset}@{version}");
        let table = self.0.catalog.table::<DatasetVersion>();
        table.get(&id).await?.ok_or_else(|| Error::not_found("dataset version", id))
    }

    /// The files of a version (none: the latest), rows or quarantine.
    pub async fn files(
        &self,
        dataset: &str,
        version: Option<u32>,
        quarantine: bool,
    ) -> Result<Vec<DatasetFile>> {
        let head = self.dataset(dataset).await?;
        let version = number(&head, version)?;
        let query = Query::new().eq("dataset", dataset).le("version", version).order("version", Order::Asc);
        let mut files: Vec<DatasetFile> = self.0.catalog.table().all(query).await?;
        files.retain(|file| file.quarantine == quarantine);
        files.sort_by_key(|file| (file.version, file.part));
        Ok(files)
    }

    /// `flights` or `flights@12`, resolved to files.
    pub(crate) async fn resolve(&self, reference: &str) -> Result<Resolved> {
        let (name, version) = match reference.split_once('@') {
            Some((name, version)) => {
                let version = version.parse().map_err(|_| {
                    Error::field(
                        "dataset",
                        format!("{reference:?} is no dataset version: write name or name@12"),
                    )
                })?;
                (name, Some(version))
            }
            None => (reference, None),
        };
        let head = self.dataset(name).await?;
        let version = number(&head, version)?;
        let files = self.digests(&head, version, false).await?;
        Ok(Resolved { reference: format!("{name}@{version}"), name: name.to_owned(), files })
    }

    /// The files of a version, oldest first, rows or quarantine.
    async fn digests(&self, head: &Dataset, version: u32, quarantine: bool) -> Result<Vec<Digest>> {
        let known = self.0.listings.0.lock().get(&head.name).cloned();
        let mut listing = known
            .filter(|listing| listing.erasures == head.erasures)
            .unwrap_or_else(|| Listing { erasures: head.erasures, ..Listing::default() });
        if listing.version < head.version {
            let query = Query::new()
                .eq("dataset", &head.name)
                .gt("version", listing.version)
                .le("version", head.version)
                .order("version", Order::Asc);
            let mut new: Vec<DatasetFile> = self.0.catalog.table().all(query).await?;
            new.sort_by_key(|file| (file.version, file.part));
            listing.files.extend(new.iter().map(|file| Listed {
                version: file.version,
                quarantine: file.quarantine,
                digest: file.file.digest,
            }));
            listing.version = head.version;
            self.0.listings.0.lock().insert(head.name.clone(), listing.clone());
        }
        let asked = |file: &&Listed| file.version <= version && file.quarantine == quarantine;
        Ok(listing.files.iter().filter(asked).map(|file| file.digest).collect())
    }

    /// The latest versions of the datasets that a query names, found by their
    /// names standing in its text. `name_quarantine` is a dataset's quarantine.
    pub(crate) async fn resolve_query(&self, sql: &str) -> Result<Vec<Resolved>> {
        let words: std::collections::HashSet<&str> =
            sql.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-' || c == '.')).collect();
        let all: Vec<Dataset> = self.0.catalog.table().all(Query::new()).await?;
        let mut found = Vec::new();
        for dataset in all {
            if words.contains(dataset.name.as_str()) {
                found.push(self.resolve(&dataset.name).await?);
            }
            let quarantine = format!("{}_quarantine", dataset.name);
            if words.contains(quarantine.as_str()) {
                let files = self.digests(&dataset, dataset.version, true).await?;
                let reference = format!("{quarantine}@{}", dataset.version);
                found.push(Resolved { reference, name: quarantine, files });
            }
        }
        Ok(found)
    }

    /// The rows that a SELECT over datasets by name gives, at most `limit`.
    pub async fn query(&self, sql: &str, limit: usize) -> Result<(Schema, Vec<RecordBatch>)> {
        let tables = self.resolve_query(sql).await?;
        let tables: Vec<(&str, Vec<Digest>)> =
            tables.iter().map(|table| (table.name.as_str(), table.files.clone())).collect();
        Ok(self.0.tables.sql(sql, &tables, Some(limit)).await?)
    }
}

/// The version that is asked for; none: the latest.
fn number(head: &Dataset, version: Option<u32>) -> Result<u32> {
    match version {
        Some(version) if version == 0 || version > head.version => {
            Err(Error::not_found("dataset version", format!("{}@{version}", head.name)))
        }
        Some(version) => Ok(version),
        None => Ok(head.version),
    }
}
