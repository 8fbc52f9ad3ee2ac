//! Models that were trained elsewhere: a file becomes a version.

use bytes::Bytes;
use modelyard_blobs::Digest;
use modelyard_catalog::{Query, Ref};
use modelyard_clock::Timestamp;
use modelyard_runtime::{Kind, types::Signature};
use modelyard_tables::Schema;
use serde_json::json;

use super::{Format, Imported, Model, Registry, Version, VersionStatus, again::again, versions};
use crate::{Error, Result, experiments::Task, governance::Actor, names, plugins::PluginRecord, tensors};

/// A model file, and what its sender says about it.
#[derive(Clone, Debug)]
pub struct ModelFile {
    /// The file as it is.
    pub bytes: Bytes,
    /// Its name, for the record.
    pub name: Option<String>,
    /// Its format, if it isn't to be told from its first bytes.
    pub format: Option<Format>,
    /// What the model does, if it isn't to be told from its outputs.
    pub task: Option<Task>,
}

/// What came of loading a file.
#[derive(Clone)]
pub(super) struct Loaded {
    imported: Imported,
    runner: PluginRecord,
    artifact: Digest,
    component: Digest,
    signature: Signature,
    columns: Schema,
    task: Task,
}

impl Loaded {
    /// What the model takes and gives.
    pub(super) fn signature(&self) -> &Signature {
        &self.signature
    }
}

impl Registry<'_> {
    /// Makes a model file the next version of a model, which is created if it
    /// isn't there. The file is read by its format's scoring plugin in the
    /// sandbox, in the process that may be killed; what it then holds becomes
    /// the version's component. The same file twice is one version, unless it is
    /// said to be of another format or task.
    ///
    /// # Errors
    /// [`Code::Unsupported`](crate::Code::Unsupported) for a file of no known format, the plugin's own
    /// [`Code::InvalidInput`](crate::Code::InvalidInput) for one that it can't read; neither leaves
    /// anything behind.
    pub async fn import(&self, actor: &Actor, model: &str, file: ModelFile) -> Result<Version> {
        names::check("name", model)?;
        if file.bytes.is_empty() {
            return Err(Error::invalid("the request has no model file: its body is empty"));
        }
        check_name(file.name.as_deref())?;
        let artifact = Digest::of(&file.bytes);
        let (format, task) = (file.format, file.task);
        if let Some(version) = self.imported(model, &artifact, format, task).await? {
            return Ok(version);
        }
        let loaded = self.load(file, artifact).await?;
        again(|| async {
            // Somebody else may have imported the same file meanwhile.
            match self.imported(model, &artifact, format, task).await? {
                Some(version) => Ok(version),
                None => self.add_imported(actor, model, loaded.clone()).await,
            }
        })
        .await
    }

    /// The version that came from the same file.
    async fn imported(
        &self,
        model: &str,
        artifact: &Digest,
        format: Option<Format>,
        task: Option<Task>,
    ) -> Result<Option<Version>> {
        let query = Query::new().eq("artifact", artifact).eq("model", model);
        let found = self.0.catalog.table::<Version>().find(query).await?.items;
        let same = |version: &Version| {
            version.imported.as_ref().is_some_and(|imported| {
                format.is_none_or(|format| format == imported.format)
                    && task.is_none_or(|task| task == version.task)
            })
        };
        Ok(found.into_iter().find(same))
    }

    /// Has the file read, and keeps it with the component that comes of it.
    pub(super) async fn load(&self, file: ModelFile, artifact: Digest) -> Result<Loaded> {
        let format = match file.format {
            Some(format) => format,
            None => Format::of(&file.bytes)?,
        };
        let runner = self.0.plugins().of_kind("format", format.runner(), Kind::Scoring).await?;
        let code = self.0.blobs.get(&runner.digest).await?;
        let (component, signature) = self
            .0
            .runtime
            .snapshot(&code, &file.bytes)
            .await
            .map_err(|error| Error::from(error).during(format!("{} reads the file", runner.name)))?;
        let inspection = self.0.plugins().inspect(component.clone()).await?;
        if let Some(capability) = inspection.capabilities.first() {
            return Err(Error::conflict(format!(
                "{} imports {capability}: what it runs would be no pure model",
                runner.name
            )));
        }
        if signature.inputs.is_empty() || signature.outputs.is_empty() {
            return Err(Error::invalid("the model takes nothing, or gives nothing"));
        }
        let columns = tensors::schema(&signature.inputs)?;
        let imported =
            Imported { format, file: file.name, bytes: file.bytes.len() as u64, sha256: artifact.hex() };
        Ok(Loaded {
            imported,
            runner,
            artifact: self.0.blobs.put(file.bytes).await?,
            component: self.0.blobs.put(component).await?,
            task: file.task.unwrap_or_else(|| task_of(&signature)),
            signature,
            columns,
        })
    }

    async fn add_imported(&self, actor: &Actor, model: &str, loaded: Loaded) -> Result<Version> {
        let (model, read) = self.model_or_new(actor, model).await?;
        let source = json!({"imported": loaded.imported});
        let version = self.imported_version(actor, &model, loaded, self.0.clock.now());
        let from = vec![("imported-from", Ref::new("file", version.artifact.to_string()))];
        self.add(actor, (model, read), version, source, from).await
    }

    /// The record of a model's next version that comes from a file.
    pub(super) fn imported_version(
        &self,
        actor: &Actor,
        model: &Model,
        loaded: Loaded,
        now: Timestamp,
    ) -> Version {
        Version {
            model: model.spec.name.clone(),
            version: model.latest + 1,
            status: VersionStatus::Registered,
            task: loaded.task,
            run: None,
            imported: Some(loaded.imported),
            component: loaded.component,
            artifact: loaded.artifact,
            runner: loaded.runner.name,
            runner_component: loaded.runner.digest,
            features: None,
            joins: vec![],
            columns: loaded.columns,
            inputs: loaded.signature.clone(),
            signature: loaded.signature,
            datasets: vec![],
            views: vec![],
            training_set: None,
            capabilities: vec![],
            metrics: vec![],
            importance: vec![],
            expires_at: versions::expiry(model, now),
            archived_because: None,
            created_by: actor.name.clone(),
            created_at: now,
        }
    }
}

/// Checks the name of a file, which is only kept and shown.
fn check_name(name: Option<&str>) -> Result<()> {
    match name {
        Some(name) if name.is_empty() || name.len() > 255 || name.chars().any(char::is_control) => {
            Err(Error::field("file", "a file's name has 1 to 255 bytes and no control characters"))
        }
        _ => Ok(()),
    }
}

/// What a model does, told from its outputs: one that gives labels or
/// probabilities tells classes apart.
fn task_of(signature: &Signature) -> Task {
    let classes = signature.outputs.iter().filter(|output| {
        let name = output.name.to_lowercase();
        name.contains("label") || name.contains("probab")
    });
    let count = |output: &modelyard_runtime::types::TensorSpec| {
        output.labels.len().max(tensors::width(&output.shape).unwrap_or_default())
    };
    match classes.map(count).max() {
        None => Task::Regression,
        Some(0..=2) => Task::BinaryClassification,
        Some(_) => Task::MulticlassClassification,
    }
}

#[cfg(test)]
mod tests {
    use modelyard_runtime::types::{Datatype, TensorSpec};

    use super::*;

    #[test]
    fn a_task_shows_in_the_outputs() {
        let task = |name: &str, shape: &[i64], labels: &[&str]| {
            let labels = labels.iter().map(|label| (*label).to_owned()).collect();
            let output =
                TensorSpec { name: name.into(), datatype: Datatype::Fp64, shape: shape.to_vec(), labels };
            task_of(&Signature { inputs: vec![], outputs: vec![output] })
        };
        assert_eq!(task("prediction", &[-1], &[]), Task::Regression);
        assert_eq!(task("variable", &[-1, 1], &[]), Task::Regression);
        assert_eq!(task("probability", &[-1], &["no", "yes"]), Task::BinaryClassification);
        assert_eq!(task("output_label", &[-1], &[]), Task::BinaryClassification);
        assert_eq!(task("probabilities", &[-1, 3], &[]), Task::MulticlassClassification);
        assert_eq!(task("label", &[-1], &["a", "b", "c"]), Task::MulticlassClassification);
    }

    #[test]
    fn names_of_files_are_short_and_readable() {
        assert!(check_name(None).is_ok() && check_name(Some("my model.txt")).is_ok());
        for bad in ["", "a\nb", &"x".repeat(256)] {
            assert!(check_name(Some(bad)).is_err(), "{bad:?}");
        }
    }
}
