//! Training sets: a spine of rows with the values that were known at each
//! row's time, kept as one immutable file.

use std::time::Duration;

use modelyard_catalog::Ref;
use modelyard_tables::{FileInfo, PointInTime, Scan, TimeRange, ViewJoin};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{Features, Join, Spine, TrainingSet, View, views::files_of};
use crate::{Error, Result, governance::Actor};

impl Features<'_> {
    /// The training set for a spine and views as they stand: made, or found if
    /// the same was made before.
    pub async fn training_set(&self, actor: &Actor, spine: &Spine, joins: &[Join]) -> Result<TrainingSet> {
        let sources = self.sources(&spine.dataset, &spine.sql).await?;
        let mut from: Vec<String> = sources.iter().map(|source| source.reference.clone()).collect();
        let mut views = Vec::new();
        for join in joins {
            let view = self.view(&join.view).await?;
            if view.materialized.is_none() {
                let progress = crate::progress::Progress::default();
                self.materialize(actor, &join.view, &progress).await?;
            }
            views.push((self.view(&join.view).await?, join));
        }
        let used: Vec<String> =
            views.iter().map(|(view, _)| format!("{}@{}", view.spec.name, view.version)).collect();
        for (view, _) in &views {
            let made_from = view.materialized.iter().flat_map(|done| &done.from);
            from.extend(made_from.filter(|reference| !from.contains(reference)).cloned().collect::<Vec<_>>());
        }
        let id = hex::encode(Sha256::digest(json!([spine, joins, from, used]).to_string()));
        let table = self.0.catalog.table::<TrainingSet>();
        if let Some(made) = table.get(&id).await? {
            return Ok(made);
        }
        let rows = self.spine(spine, &files_of(&sources)).await?;
        let file = match views.is_empty() {
            true => rows,
            false => self.join(spine, &rows, &views).await?,
        };
        if file.rows == 0 {
            return Err(Error::field("spine", "no row lies within the spine's bounds"));
        }
        let set = TrainingSet {
            id,
            spine: spine.clone(),
            joins: joins.to_vec(),
            from,
            views: used,
            file,
            created_at: self.0.clock.now(),
        };
        let mut change = self.0.change(actor, "features.training_set.created", Ref::of(&set));
        for reference in &set.from {
            change = change.from_edge("made-from", Ref::new("dataset_version", reference));
        }
        for reference in &set.views {
            change = change.from_edge("made-from", Ref::new("view_version", reference));
        }
        change.put(&set).commit().await?;
        Ok(set)
    }

    /// The spine's rows within its bounds as one file.
    async fn spine(
        &self,
        spine: &Spine,
        sources: &[(&str, Vec<modelyard_blobs::Digest>)],
    ) -> Result<FileInfo> {
        let files = match &spine.sql {
            Some(sql) => vec![self.0.tables.write_sql(sql, sources).await?.digest],
            None => sources.iter().flat_map(|(_, files)| files.clone()).collect(),
        };
        let bounded = spine.from.is_some() || spine.to.is_some();
        let range = match (&spine.event_time, bounded) {
            (Some(column), true) => {
                Some(TimeRange { column: column.clone(), from: spine.from, to: spine.to })
            }
            (None, true) => {
                return Err(Error::field("spine.event_time", "from and to need an event_time column"));
            }
            (_, false) => None,
        };
        let mut scanner = self.0.tables.scan(&files, Scan { range, ..Scan::default() }).await?;
        let writer = self.0.tables.writer(scanner.schema())?;
        let writer = tokio::task::spawn_blocking(move || {
            let mut writer = writer;
            while let Some(batch) = scanner.next_rows(65_536)? {
                writer.push(&batch)?;
            }
            Ok::<_, modelyard_tables::Error>(writer)
        })
        .await??;
        Ok(writer.finish().await?)
    }

    async fn join(&self, spine: &Spine, rows: &FileInfo, views: &[(View, &Join)]) -> Result<FileInfo> {
        let event_time = spine
            .event_time
            .clone()
            .ok_or_else(|| Error::field("spine.event_time", "joining views needs an event_time column"))?;
        let mut joins = Vec::new();
        for (view, join) in views {
            let files = view.materialized.as_ref().map(|done| done.files.clone()).unwrap_or_default();
            let all = self.feature_columns(view, &files).await?;
            let columns = match join.columns.is_empty() {
                true => all.into_iter().filter(|column| rows.schema.field(column).is_none()).collect(),
                false => join.columns.clone(),
            };
            let keys = view.spec.keys.iter().map(|key| {
                let spine = join.keys.get(key).unwrap_or(key);
                (spine.clone(), key.clone())
            });
            joins.push(ViewJoin {
                name: view.spec.name.clone(),
                files,
                entity_keys: keys.collect(),
                event_time: view.spec.event_time.clone(),
                created_at: view.spec.created_time.clone(),
                ttl: view.spec.ttl_seconds.map(Duration::from_secs),
                columns,
                rename: Default::default(),
            });
        }
        let spec = PointInTime { event_time, views: joins };
        Ok(self.0.tables.point_in_time_join(&[rows.digest], spec).await?)
    }
}
