//! From what was logged to a version: where a client's source leads, and what is
//! known of its making.

use std::collections::BTreeMap;

use modelyard_tracking::{Run, Tag};

use super::{ARTIFACT_ROOT, ArtifactPath, Tracking};
use crate::{
    Code, Error, Result,
    governance::Actor,
    registry::{NewRegistration, Origin, Registration},
};

/// The tag with the commit of the code that ran.
const COMMIT: &str = "mlflow.source.git.commit";

/// A version that a client asks for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The model, which must be there.
    pub model: String,
    /// Where it comes from: `models:/m-…`, `runs:/…`, `mlflow-artifacts:/…`, or elsewhere.
    pub source: String,
    /// The run that it comes from.
    pub run: Option<String>,
    /// The logged model that it is.
    pub logged_model: Option<String>,
    /// A page about the run.
    pub run_link: Option<String>,
    /// What it is.
    pub description: String,
    /// Whatever else is said about it.
    pub properties: BTreeMap<String, String>,
}

/// Where a source leads.
#[derive(Default)]
struct Found {
    source: String,
    location: String,
    run: Option<String>,
    logged_model: Option<String>,
}

impl Tracking<'_> {
    /// Registers a version: see [`Registry::register_logged`](crate::registry::Registry::register_logged).
    /// The logged model's tag `mlflow.modelVersions` tells of it afterwards.
    ///
    /// # Errors
    /// [`Code::InvalidInput`] for a source that leads nowhere, or to something else than the run or
    /// model that is named beside it; else as there.
    pub async fn register(&self, actor: &Actor, wanted: Wanted) -> Result<Registration> {
        let prompt = self.0.registry().named_model(&wanted.model).await?.is_prompt();
        let found = match prompt {
            // A prompt's text is in its properties; its source is a word that stands for that.
            true => {
                Found { source: wanted.source.clone(), location: wanted.source.clone(), ..Found::default() }
            }
            false => self.find(&wanted).await?,
        };
        let directory = match found.location.strip_prefix(ARTIFACT_ROOT) {
            Some(path) if !prompt => {
                Some(self.0.artifacts.place(&ArtifactPath::parse(path.trim_start_matches('/'))?))
            }
            _ => None,
        };
        let run = found.run.as_deref().and_then(|id| self.0.tracking.run(id).ok());
        let new = NewRegistration {
            model: wanted.model,
            source: found.source,
            location: found.location,
            directory,
            run: found.run,
            run_link: wanted.run_link,
            logged_model: found.logged_model,
            description: wanted.description,
            properties: wanted.properties,
            origin: run.as_ref().map(origin).unwrap_or_default(),
        };
        let registration = self.0.registry().register_logged(actor, new).await?;
        if let Some(model) = &registration.logged_model {
            self.tell(model, &registration).await?;
        }
        Ok(registration)
    }

    async fn find(&self, wanted: &Wanted) -> Result<Found> {
        let source = wanted.source.as_str();
        let plain = Found {
            source: source.to_owned(),
            location: source.to_owned(),
            run: wanted.run.clone(),
            logged_model: wanted.logged_model.clone(),
        };
        let Some((scheme, rest)) = source.split_once(':') else {
            return Err(local(source));
        };
        match scheme {
            "models" => self.of_model(wanted, rest.trim_start_matches('/')).await,
            "runs" => self.of_run(wanted, rest.trim_start_matches('/')),
            "mlflow-artifacts" => self.of_artifact(wanted, rest),
            "file" => Err(local(source)),
            _ if scheme.len() > 1 && rest.contains("..") => Err(relative(source)),
            _ if scheme.len() > 1 => Ok(plain),
            _ => Err(local(source)),
        }
    }

    /// `models:/m-…`, or `models:/name/version` and `models:/name@alias`.
    async fn of_model(&self, wanted: &Wanted, rest: &str) -> Result<Found> {
        let source = wanted.source.clone();
        if let Some((name, version)) = rest.split_once('/').or_else(|| rest.split_once('@')) {
            let registry = self.0.registry();
            let model = registry.named_model(name).await?;
            let number = match version.parse() {
                Ok(number) => number,
                Err(_) if version == "latest" => model.latest,
                Err(_) => *model.aliases.get(version).ok_or_else(|| Error::not_found("alias", version))?,
            };
            let known = registry.registration(name, number).await?;
            return Ok(Found {
                source: format!("models:/{name}/{number}"),
                location: known.location,
                run: wanted.run.clone().or(known.run),
                logged_model: wanted.logged_model.clone().or(known.logged_model),
            });
        }
        if wanted.logged_model.as_deref().is_some_and(|model| model != rest) {
            return Err(misplaced(&source, "model_id"));
        }
        let model = self.0.tracking.logged_model(rest).map_err(|error| {
            let error = Error::from(error);
            Error::new(
                error.code,
                format!(
                    "Unable to fetch model from model URI source artifact location '{source}'. Error: {error}"
                ),
            )
        })?;
        Ok(Found {
            location: model.info.artifact_uri.clone(),
            run: wanted.run.clone().or(model.info.source_run_id.map(String::from)),
            logged_model: Some(rest.to_owned()),
            source,
        })
    }

    /// `runs:/<run>/<path>`.
    fn of_run(&self, wanted: &Wanted, rest: &str) -> Result<Found> {
        let source = wanted.source.clone();
        let (run, path) = rest.split_once('/').unwrap_or((rest, ""));
        if wanted.run.as_deref().is_some_and(|named| named != run) {
            return Err(misplaced(&source, "run_id"));
        }
        ArtifactPath::parse(path).map_err(|_| relative(&source))?;
        let known = self.0.tracking.run(run).map_err(|_| misplaced(&source, "run_id"))?;
        let location = format!("{}/{path}", known.info.artifact_uri.trim_end_matches('/'));
        Ok(Found {
            source,
            location: location.trim_end_matches('/').to_owned(),
            run: Some(run.to_owned()),
            logged_model: wanted.logged_model.clone(),
        })
    }

    /// `mlflow-artifacts:/<path>`, which must lie where the run or the model that
    /// is named has its files.
    fn of_artifact(&self, wanted: &Wanted, rest: &str) -> Result<Found> {
        let source = wanted.source.clone();
        // An authority names this server or another; only paths are looked at.
        let path = match rest.strip_prefix("//") {
            Some(after) => after.split_once('/').map_or("", |(_, path)| path),
            None => rest.trim_start_matches('/'),
        };
        let path = ArtifactPath::parse(path).map_err(|_| relative(&source))?;
        let root = match (&wanted.logged_model, &wanted.run) {
            (Some(model), _) => self.0.tracking.logged_model(model).ok().map(|model| model.info.artifact_uri),
            (None, Some(run)) => self.0.tracking.run(run).ok().map(|run| run.info.artifact_uri.into()),
            (None, None) => None,
        };
        let named = if wanted.logged_model.is_some() { "model_id" } else { "run_id" };
        let root = root.ok_or_else(|| misplaced(&source, named))?;
        let root = root.strip_prefix(ARTIFACT_ROOT).unwrap_or(&root).trim_matches('/');
        let location = path.to_string();
        if location != root && !location.starts_with(&format!("{root}/")) {
            return Err(misplaced(&source, named));
        }
        Ok(Found {
            location: format!("{ARTIFACT_ROOT}{location}"),
            run: wanted.run.clone(),
            logged_model: wanted.logged_model.clone(),
            source,
        })
    }

    /// Notes at the logged model that it is a version.
    async fn tell(&self, model: &str, registration: &Registration) -> Result<()> {
        const VERSIONS: &str = "mlflow.modelVersions";
        let known = self.0.tracking.logged_model(model)?;
        let tag = known.info.tags.iter().find(|tag| tag.key == VERSIONS);
        let mut versions: Vec<serde_json::Value> =
            tag.and_then(|tag| serde_json::from_str(&tag.value).ok()).unwrap_or_default();
        versions.push(serde_json::json!({"name": registration.model, "version": registration.version}));
        let tag = Tag::new(VERSIONS, serde_json::Value::from(versions).to_string());
        self.0.tracking.set_logged_model_tags(model, vec![tag]).await?;
        Ok(())
    }
}

/// What a run tells of what came of it.
fn origin(run: &Run) -> Origin {
    let datasets = run.inputs.dataset_inputs.iter().map(|input| &input.dataset);
    let mut datasets: Vec<String> = datasets.map(|data| format!("{}@{}", data.name, data.digest)).collect();
    datasets.dedup();
    let finite = run.data.metrics.iter().filter(|metric| metric.value.is_finite());
    Origin {
        datasets,
        metrics: finite.map(|metric| (metric.key.to_string(), metric.value)).collect(),
        commit: run.data.tags.iter().find(|tag| tag.key == COMMIT).map(|tag| tag.value.to_string()),
    }
}

fn local(source: &str) -> Error {
    Error::field(
        "source",
        format!(
            "Invalid model version source: '{source}'. To use a local path as a model version source, the run_id \
             request parameter has to be specified and the local path has to be contained within the artifact \
             directory of the run specified by the run_id."
        ),
    )
}

fn relative(source: &str) -> Error {
    Error::field(
        "source",
        format!(
            "Invalid model version source: '{source}'. If supplying a source as an http, https, local file path, ftp, \
             objectstore, or mlflow-artifacts uri, an absolute path must be provided without relative path references \
             present. Please provide an absolute path."
        ),
    )
}

fn misplaced(source: &str, what: &str) -> Error {
    Error::new(
        Code::InvalidInput,
        format!(
            "Invalid model version source: '{source}'. The {what} request parameter must identify the resource that \
             contains the source."
        ),
    )
}
