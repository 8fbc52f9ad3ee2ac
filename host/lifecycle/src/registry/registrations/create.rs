//! A logged model becomes a version.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use modelyard_catalog::{Ref, Revision};
use modelyard_notify::{Event, Severity};
use modelyard_runtime::types::Metric;
use serde_json::json;

use super::{
    super::{
        Model, ModelFile, Registry, Version,
        again::{again, bind},
        import::Loaded,
        mlmodel::Mlmodel,
        version_id,
    },
    Registration, Stage, compare,
};
use crate::{Code, Error, Result, governance::Actor};

/// The largest model file that is read to be deployed, in bytes.
const MOST: u64 = 64 << 20;

/// A version to be.
#[derive(Clone, Debug, Default)]
pub struct NewRegistration {
    /// The model, which must be there.
    pub model: String,
    /// Where the client says that it comes from.
    pub source: String,
    /// Where its files are, as clients fetch them.
    pub location: String,
    /// Where its files are here; none: elsewhere.
    pub directory: Option<PathBuf>,
    /// The tracked run that it comes from.
    pub run: Option<String>,
    /// A page about the run.
    pub run_link: Option<String>,
    /// The logged model that it is.
    pub logged_model: Option<String>,
    /// What it is.
    pub description: String,
    /// Whatever else is said about it.
    pub properties: BTreeMap<String, String>,
    /// What is known of its making.
    pub origin: Origin,
}

/// What is known of a version's making.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The datasets that the run says it used, as `name@digest`.
    pub datasets: Vec<String>,
    /// The run's latest metrics.
    pub metrics: Vec<(String, f64)>,
    /// The commit of the code that ran.
    pub commit: Option<String>,
}

/// What its files say.
#[derive(Default)]
struct Read {
    flavors: Vec<String>,
    loaded: Option<Loaded>,
    obstacle: Option<String>,
    /// SHA-256 of the environment that it asks for, in hexadecimal digits.
    environment: Option<String>,
}

impl Read {
    fn obstacle(reason: impl Into<String>) -> Self {
        Self { obstacle: Some(reason.into()), ..Self::default() }
    }
}

impl Registry<'_> {
    /// Makes a logged model the next version of a model. If its files hold a
    /// model that can be imported, it is imported and can be deployed at once;
    /// otherwise the version says why it can't.
    ///
    /// # Errors
    /// [`Code::NotFound`] if the model isn't there; [`Code::InvalidInput`] if its
    /// signature was dropped, or is not that of the model file. Nothing is left
    /// behind then.
    pub async fn register_logged(&self, actor: &Actor, new: NewRegistration) -> Result<Registration> {
        self.named_model(&new.model).await?;
        let read = match &new.directory {
            Some(directory) => self.read(directory.clone()).await?,
            None => Read::obstacle(format!(
                "its files are at {}, which this server does not read",
                if new.location.is_empty() { &new.source } else { &new.location }
            )),
        };
        let registration = again(|| async {
            let model = self.read_named_model(&new.model).await?;
            self.write(actor, model, &new, &read).await
        })
        .await?;
        if registration.obstacle.is_none() {
            self.0.documentation().refresh_later(&registration.model, registration.version);
        }
        Ok(registration)
    }

    /// Reads the description of a logged model, and has its model file read.
    async fn read(&self, directory: PathBuf) -> Result<Read> {
        let found = {
            let directory = directory.clone();
            tokio::task::spawn_blocking(move || look(&directory)).await?
        };
        let (mlmodel, environment, file) = match found {
            Ok(found) => found,
            Err(reason) => return Ok(Read::obstacle(reason)),
        };
        if mlmodel.inputs.is_none() && mlmodel.example {
            return Err(Error::invalid(
                "the model was logged with an example of its input, but its MLmodel has no signature: it was dropped \
                 when the model was saved. Log it again with signature=mlflow.models.infer_signature(…)",
            ));
        }
        let mut read = Read { flavors: mlmodel.flavors(), environment, ..Read::default() };
        let (name, bytes) = match file {
            Ok(file) => file,
            Err(reason) => return Ok(Read { obstacle: Some(reason), ..read }),
        };
        let digest = modelyard_blobs::Digest::of(&bytes);
        match self.load(ModelFile { bytes, name: Some(name.clone()), format: None, task: None }, digest).await
        {
            Ok(loaded) => {
                if let Some(inputs) = &mlmodel.inputs {
                    compare::signature(inputs, loaded.signature()).map_err(|reason| {
                        Error::invalid(format!("the signature in MLmodel is not that of {name}: {reason}"))
                    })?;
                }
                read.loaded = Some(loaded);
            }
            Err(error)
                if matches!(error.code, Code::Internal | Code::Full | Code::Busy | Code::Unavailable) =>
            {
                return Err(error);
            }
            Err(error) => read.obstacle = Some(format!("{name} can't be read: {}", error.message)),
        }
        Ok(read)
    }

    async fn write(
        &self,
        actor: &Actor,
        (model, state): (Model, Revision),
        new: &NewRegistration,
        read: &Read,
    ) -> Result<Registration> {
        let now = self.0.clock.now();
        let number = model.latest + 1;
        let registration = Registration {
            model: model.spec.name.clone(),
            version: number,
            source: new.source.clone(),
            location: new.location.clone(),
            run: new.run.clone(),
            run_link: new.run_link.clone(),
            logged_model: new.logged_model.clone(),
            description: new.description.clone(),
            properties: new.properties.clone(),
            stage: Stage::None,
            flavors: read.flavors.clone(),
            obstacle: read.obstacle.clone(),
            created_by: actor.name.clone(),
            created_at: now,
            updated_at: now,
            deleted_at: None,
        };
        let version = read.loaded.clone().map(|loaded| {
            let metric = |(name, value): &(String, f64)| Metric {
                name: name.clone(),
                value: *value,
                slice: None,
                rows: 0,
            };
            Version {
                datasets: new.origin.datasets.clone(),
                metrics: new.origin.metrics.iter().map(metric).collect(),
                ..self.imported_version(actor, &model, loaded, now)
            }
        });
        let id = version_id(&registration.model, number);
        let detail = json!({
            "source": new.source, "run_id": new.run, "model_id": new.logged_model,
            "deployable": read.obstacle.is_none(), "reason": read.obstacle,
        });
        let event = Event::new(
            now,
            "dev.modelyard.registry.version.created",
            "registry",
            Severity::Info,
            format!("{id} was registered"),
        )
        .model(&registration.model)
        .version(number.to_string())
        .details(json!({
            "source": new.source, "run_id": new.run, "tags": new.properties,
            "description": Some(&new.description).filter(|text| !text.is_empty()),
        }));
        let mut change = self
            .0
            .change(actor, "registry.version.created", Ref::to::<Version>(id))
            .detail(detail)
            .from_edge("version-of", Ref::of(&model));
        for (kind, origin) in origins(new, read) {
            change = change.from_edge(kind, origin);
        }
        if let Some(version) = &version {
            change = change
                .from_edge("runs", Ref::new("component", version.component.to_string()))
                .from_edge("imported-from", Ref::new("file", version.artifact.to_string()))
                .insert(version);
        }
        bind::<Model>(&mut change, &new.model, Some(state));
        let updated = Model { latest: number, updated_at: now, ..model };
        change.put(&updated).insert(&registration).event(event)?.commit().await?;
        Ok(registration)
    }
}

/// Where a version's lineage leads.
fn origins(new: &NewRegistration, read: &Read) -> Vec<(&'static str, Ref)> {
    let mut origins = Vec::new();
    let mut add = |kind, table: &str, id: &Option<String>| {
        if let Some(id) = id {
            origins.push((kind, Ref::new(table, id)));
        }
    };
    add("trained-by", "tracked_run", &new.run);
    add("logged-as", "logged_model", &new.logged_model);
    add("coded-in", "commit", &new.origin.commit);
    add("needs", "environment", &read.environment);
    origins.extend(new.origin.datasets.iter().map(|name| ("trained-on", Ref::new("tracked_dataset", name))));
    origins
}

/// A model file's name and bytes, or why there is none.
type File = Result<(String, Bytes), String>;

/// What lies in a model's directory.
fn look(directory: &Path) -> Result<(Mlmodel, Option<String>, File), String> {
    let mlmodel = Mlmodel::read(directory)?;
    let environment = ["requirements.txt", "conda.yaml"]
        .iter()
        .find_map(|name| std::fs::read(directory.join(name)).ok())
        .map(|bytes| modelyard_blobs::Digest::of(&bytes).hex());
    let file = mlmodel.file(directory).and_then(|file| {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let unreadable = |error: std::io::Error| format!("{name}: {error}");
        let size = std::fs::metadata(&file).map_err(unreadable)?.len();
        if size > MOST {
            return Err(format!("{name} has {size} bytes; a model that is deployed has at most {MOST}"));
        }
        let bytes = std::fs::read(&file).map_err(unreadable)?;
        Ok((name, Bytes::from(bytes)))
    });
    Ok((mlmodel, environment, file))
}
