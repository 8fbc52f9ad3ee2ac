//! Erasure of one data subject, with a receipt.
//!
//! Rows are removed from every dataset version (its files are rewritten, so
//! history holds them no more), from quarantine, materialised views, training
//! sets, evaluations' predictions, the prediction log with its labels, and the
//! online store. Trained models stay; the receipt names those that saw rows.

use std::collections::{BTreeMap, BTreeSet};

use modelyard_blobs::Digest;
use modelyard_catalog::{Order, Page, Query, Record, Ref};
use modelyard_notify::{Event, Severity};
use modelyard_tables::{FileInfo, Value};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{Actor, Governance, Receipt};
use crate::{
    Error, Result,
    evaluation::Evaluation,
    features::{TrainingSet, View},
    ingestion::{Dataset, DatasetFile, DatasetVersion},
    registry::{Version, version_id},
};

impl Governance<'_> {
    /// Removes every row in which `column` equals `value`.
    pub async fn erase(&self, actor: &Actor, column: &str, value: &serde_json::Value) -> Result<Receipt> {
        let cell: Value = serde_json::from_value(value.clone())
            .ok()
            .filter(|value: &Value| !value.is_null())
            .ok_or_else(|| Error::field("value", "give the subject's value: a text or a number"))?;
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let mut receipt = Receipt {
            id: uuid::Uuid::now_v7().to_string(),
            column: column.to_owned(),
            subject_hash: hex::encode(Sha256::digest(&text)),
            datasets: BTreeMap::new(),
            quarantine: BTreeMap::new(),
            derived: 0,
            predictions: 0,
            online: 0,
            trained_versions: vec![],
            by: actor.name.clone(),
            at: self.0.clock.now(),
        };
        let mut old = BTreeSet::new();
        self.erase_datasets(actor, column, &cell, &text, &mut receipt, &mut old).await?;
        self.erase_derived(actor, column, &cell, &mut receipt, &mut old).await?;
        let predictions = self.0.tables.predictions().erase(column, &cell).await?;
        receipt.predictions = predictions.rows;
        receipt.online = self.0.tables.online().erase(column, &cell).await?;
        let event = Event::new(
            receipt.at,
            "dev.modelyard.governance.erased",
            "governance",
            Severity::Info,
            format!("A data subject was erased by {column}; the receipt is {}", receipt.id),
        )
        .details(json!({"receipt": receipt.id}));
        self.0
            .change(actor, "governance.erased", Ref::of(&receipt))
            .detail(json!({"column": column, "subject": receipt.subject_hash}))
            .insert(&receipt)
            .event(event)?
            .commit()
            .await?;
        // Only now that no record names them.
        for digest in old {
            self.0.blobs.delete(&digest).await?;
        }
        Ok(receipt)
    }

    async fn erase_datasets(
        &self,
        actor: &Actor,
        column: &str,
        cell: &Value,
        text: &str,
        receipt: &mut Receipt,
        old: &mut BTreeSet<Digest>,
    ) -> Result<()> {
        for dataset in self.0.catalog.table::<Dataset>().all(Query::new()).await? {
            let writing = self.0.writing.of(&dataset.name);
            let _writing = writing.lock().await;
            let files: Vec<DatasetFile> =
                self.0.catalog.table().all(Query::new().eq("dataset", &dataset.name)).await?;
            let mut removed: BTreeMap<u32, u64> = BTreeMap::new();
            let mut change = self.0.change(actor, "governance.dataset.erased", Ref::of(&dataset));
            let mut touched = false;
            for file in files {
                let outcome = match file.quarantine {
                    false if file.file.schema.field(column).is_none() => continue,
                    false => self.0.tables.erase(&[file.file.digest], column, cell).await?,
                    // A quarantined row is kept as it stood: one that holds the value goes.
                    true => self.erase_raw(&file, text).await?,
                };
                for erased in outcome {
                    touched = true;
                    old.insert(erased.old);
                    let total = if file.quarantine { &mut receipt.quarantine } else { &mut receipt.datasets };
                    *total.entry(dataset.name.clone()).or_default() += erased.rows_removed;
                    if !file.quarantine {
                        *removed.entry(file.version).or_default() += erased.rows_removed;
                    }
                    change = match erased.new {
                        Some(new) => change.put(&DatasetFile { file: new, ..file.clone() }),
                        None => change.delete::<DatasetFile>(&file.id()),
                    };
                }
            }
            if !touched {
                continue;
            }
            let mut gone = 0;
            let by_number = Query::new().eq("dataset", &dataset.name).order("version", Order::Asc);
            for mut version in self.0.catalog.table::<DatasetVersion>().all(by_number).await? {
                let here = removed.get(&version.version).copied().unwrap_or(0);
                gone += here;
                version.added -= here.min(version.added);
                version.rows -= gone.min(version.rows);
                change = change.put(&version);
            }
            let rows = dataset.rows - gone.min(dataset.rows);
            let erasures = dataset.erasures + 1;
            change.put(&Dataset { rows, erasures, updated_at: receipt.at, ..dataset }).commit().await?;
        }
        Ok(())
    }

    async fn erase_raw(&self, file: &DatasetFile, text: &str) -> Result<Vec<modelyard_tables::Erased>> {
        let quoted = text.replace('\'', "''");
        let rows = vec![file.file.digest];
        let query = format!("SELECT raw FROM rows WHERE strpos(raw, '{quoted}') > 0");
        let (_, found) = self.0.tables.sql(&query, &[("rows", rows.clone())], None).await?;
        let mut raws = BTreeSet::new();
        for batch in found {
            for column in modelyard_tables::from_batch(batch)? {
                raws.extend(
                    (0..column.len()).filter_map(|row| column.value(row).as_str().map(str::to_owned)),
                );
            }
        }
        let mut last: Option<modelyard_tables::Erased> = None;
        for raw in raws {
            let digest = last
                .as_ref()
                .and_then(|erased| erased.new.as_ref())
                .map_or(file.file.digest, |new| new.digest);
            for erased in self.0.tables.erase(&[digest], "raw", &Value::Utf8(raw)).await? {
                let before = last.as_ref().map_or(0, |last| last.rows_removed);
                last = Some(modelyard_tables::Erased {
                    old: file.file.digest,
                    rows_removed: before + erased.rows_removed,
                    ..erased
                });
            }
        }
        Ok(last.into_iter().collect())
    }

    /// Views, training sets and evaluations.
    async fn erase_derived(
        &self,
        actor: &Actor,
        column: &str,
        cell: &Value,
        receipt: &mut Receipt,
        old: &mut BTreeSet<Digest>,
    ) -> Result<()> {
        for mut view in self.0.catalog.table::<View>().all(Query::new()).await? {
            if view.materialized.take().is_some() {
                // Made again from what is left at its next use.
                self.0.change(actor, "governance.view.reset", Ref::of(&view)).put(&view).commit().await?;
            }
        }
        let mut affected = BTreeSet::new();
        for set in self.0.catalog.table::<TrainingSet>().all(Query::new()).await? {
            let Some(new) = self.erase_file(&set.file, column, cell, receipt, old).await? else { continue };
            affected.insert(set.id.clone());
            let set = TrainingSet { file: new, ..set };
            self.0.change(actor, "governance.training_set.erased", Ref::of(&set)).put(&set).commit().await?;
        }
        for evaluation in self.0.catalog.table::<Evaluation>().all(Query::new()).await? {
            let scanner = self.0.tables.scan(&[evaluation.predictions], Default::default()).await?;
            if scanner.schema().field(column).is_none() {
                continue;
            }
            for erased in self.0.tables.erase(&[evaluation.predictions], column, cell).await? {
                receipt.derived += erased.rows_removed;
                old.insert(erased.old);
                if let Some(new) = erased.new {
                    let evaluation =
                        Evaluation { predictions: new.digest, rows: new.rows, ..evaluation.clone() };
                    self.0
                        .change(actor, "governance.evaluation.erased", Ref::of(&evaluation))
                        .put(&evaluation)
                        .commit()
                        .await?;
                }
            }
        }
        let versions: Vec<Version> = self.0.catalog.table().all(Query::new()).await?;
        receipt.trained_versions = versions
            .iter()
            .filter(|version| version.training_set.as_ref().is_some_and(|set| affected.contains(set)))
            .map(|version| version_id(&version.model, version.version))
            .collect();
        Ok(())
    }

    async fn erase_file(
        &self,
        file: &FileInfo,
        column: &str,
        cell: &Value,
        receipt: &mut Receipt,
        old: &mut BTreeSet<Digest>,
    ) -> Result<Option<FileInfo>> {
        if file.schema.field(column).is_none() {
            return Ok(None);
        }
        let erased = self.0.tables.erase(&[file.digest], column, cell).await?;
        let Some(erased) = erased.into_iter().next() else { return Ok(None) };
        receipt.derived += erased.rows_removed;
        old.insert(erased.old);
        Ok(erased.new)
    }

    /// A receipt.
    pub async fn receipt(&self, id: &str) -> Result<Receipt> {
        self.0.catalog.table::<Receipt>().get(id).await?.ok_or_else(|| Error::not_found("receipt", id))
    }

    /// The receipts, latest first.
    pub async fn receipts(&self, limit: usize, after: Option<String>) -> Result<Page<Receipt>> {
        Ok(self
            .0
            .catalog
            .table()
            .find(Query::new().order("at", Order::Desc).limit(limit).after(after))
            .await?)
    }
}
