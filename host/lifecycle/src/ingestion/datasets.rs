//! Datasets: which files a version is made of, and queries over them.

use modelyard_blobs::Digest;
use modelyard_catalog::{Order, Page, Query};
use modelyard_tables::{RecordBatch, Schema};

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
        let version = match version {
            Some(version) if version == 0 || version > head.version => {
                return Err(Error::not_found("dataset version", format!("{dataset}@{version}")));
            }
            Some(version) => version,
            None => head.version,
        };
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
        let files = self.files(name, version, false).await?;
        Ok(Resolved {
            reference: format!("{name}@{}", version.unwrap_or(head.version)),
            name: name.to_owned(),
            files: files.into_iter().map(|file| file.file.digest).collect(),
        })
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
                let files = self.files(&dataset.name, None, true).await?;
                found.push(Resolved {
                    reference: format!("{quarantine}@{}", dataset.version),
                    name: quarantine,
                    files: files.into_iter().map(|file| file.file.digest).collect(),
                });
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
