//! Fitting a features plugin and applying what it learnt.

use modelyard_blobs::Digest;
use modelyard_runtime::{Grants, Kind};
use modelyard_tables::{FileInfo, Scan};
use serde_json::Value;

use super::{Features, Fitted, TransformSpec};
use crate::{Error, Result, columns, columns::ScanSource, plugins, progress::Progress};

impl Features<'_> {
    /// Fits a features plugin on the given columns of a file.
    pub async fn fit(
        &self,
        spec: &TransformSpec,
        training: &Digest,
        inputs: &[String],
        progress: &Progress,
    ) -> Result<Fitted> {
        let plugin = self.0.plugins().of_kind("features.plugin", &spec.plugin, Kind::Features).await?;
        let grants = Grants { progress: Some(progress.capability()), ..Grants::default() };
        let mut session = self.0.plugins().session(&plugin.digest, grants).await?;
        let scan = Scan { columns: Some(inputs.to_vec()), ..Scan::default() };
        let reader = ScanSource::new(self.0.tables.scan(&[*training], scan).await?)?;
        let state = session.fit(&plugins::parameters(&spec.parameters), Box::new(reader)).await?;
        let state = self.0.blobs.put(state.into()).await?;
        Ok(Fitted { plugin: plugin.name, component: plugin.digest, state })
    }

    /// A file's rows transformed, with `keep` columns carried over as they are.
    pub async fn transform(
        &self,
        fitted: &Fitted,
        file: &Digest,
        inputs: &[String],
        keep: &[String],
        progress: &Progress,
    ) -> Result<FileInfo> {
        let grants = Grants { progress: Some(progress.capability()), ..Grants::default() };
        let mut session = self.0.plugins().session(&fitted.component, grants).await?;
        let state = self.0.blobs.get(&fitted.state).await?;
        let fields = session.load_features(&state).await?;
        let kept = self
            .0
            .tables
            .scan(std::slice::from_ref(file), Scan::default())
            .await?
            .schema()
            .project(keep, "in the training set")?;
        if let Some(clash) = fields.iter().find(|field| keep.contains(&field.name)) {
            return Err(Error::field(
                "features.parameters",
                format!(
                    "the features give a column {:?}, which is the target, a weight or a key",
                    clash.name
                ),
            ));
        }
        let mut schema = columns::to_schema(&fields)?;
        schema.fields.extend(kept.fields);
        let mut writer = self.0.tables.writer(&schema)?;
        let wanted: Vec<String> = inputs.iter().chain(keep).cloned().collect();
        let mut scanner = self
            .0
            .tables
            .scan(std::slice::from_ref(file), Scan { columns: Some(wanted), ..Scan::default() })
            .await?;
        loop {
            let (back, batch) = tokio::task::spawn_blocking(move || {
                let batch = scanner.next_rows(32_768);
                (scanner, batch)
            })
            .await?;
            scanner = back;
            let Some(batch) = batch? else { break };
            let (kept, rows): (Vec<_>, Vec<_>) =
                columns::from_batch(batch)?.into_iter().partition(|column| keep.contains(&column.name));
            let mut table = session.transform(&rows).await?;
            table.extend(kept);
            writer.push(&columns::to_batch(table)?)?;
        }
        Ok(writer.finish().await?)
    }

    /// Columns of a dataset version ranked by what they say about a target.
    pub async fn select(
        &self,
        plugin: &str,
        parameters: &Value,
        dataset: &str,
        target: &str,
    ) -> Result<Vec<modelyard_runtime::types::Ranked>> {
        let plugin = self.0.plugins().of_kind("plugin", plugin, Kind::Selection).await?;
        let source = self.0.ingestion().resolve(dataset).await?;
        let mut session = self.0.plugins().session(&plugin.digest, Grants::default()).await?;
        let reader = ScanSource::new(self.0.tables.scan(&source.files, Scan::default()).await?)?;
        Ok(session.rank(&plugins::parameters(parameters), Box::new(reader), target).await?)
    }
}
