//! What is said of the server and its models, in the protocol's words and in
//! Triton's. Over HTTP it is written out as JSON as it stands here.

use modelyard_lifecycle::{
    Code, Error, Platform,
    deployment::{EndpointStats, RouteStats},
    runtime::types::{Datatype, Signature, TensorSpec},
};
use serde::Serialize;

use super::datatype;

pub(super) const NAME: &str = "modelyard";
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");
pub(super) const EXTENSIONS: [&str; 5] =
    ["binary_tensor_data", "model_configuration", "model_repository", "parameters", "statistics"];

const PLATFORM: &str = "modelyard_component";

/// A model's inputs, outputs and versions.
#[derive(Debug, Serialize)]
pub(super) struct Metadata {
    pub(super) name: String,
    pub(super) versions: Vec<String>,
    pub(super) platform: &'static str,
    pub(super) inputs: Vec<Described>,
    pub(super) outputs: Vec<Described>,
}

#[derive(Debug, Serialize)]
pub(super) struct Described {
    pub(super) name: String,
    pub(super) datatype: &'static str,
    pub(super) shape: Vec<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) parameters: Option<Labels>,
}

#[derive(Debug, Serialize)]
pub(super) struct Labels {
    labels: Vec<String>,
}

/// Triton's model configuration, as far as it means something here. Its
/// `max_batch_size` 0 says that the dimensions hold the batch.
#[derive(Debug, Serialize)]
pub(super) struct Configuration {
    pub(super) name: String,
    pub(super) platform: &'static str,
    pub(super) backend: &'static str,
    pub(super) max_batch_size: i32,
    pub(super) input: Vec<Configured>,
    pub(super) output: Vec<Configured>,
}

#[derive(Debug, Serialize)]
pub(super) struct Configured {
    pub(super) name: String,
    pub(super) data_type: String,
    pub(super) dims: Vec<i64>,
}

/// Triton's statistics of a version.
#[derive(Debug, Serialize)]
pub(super) struct Statistics {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) inference_count: u64,
    pub(super) execution_count: u64,
    pub(super) inference_stats: Durations,
}

#[derive(Debug, Serialize)]
pub(super) struct Durations {
    pub(super) success: Counted,
    pub(super) fail: Counted,
    pub(super) queue: Counted,
    pub(super) compute_infer: Counted,
}

#[derive(Debug, Serialize)]
pub(super) struct Counted {
    pub(super) count: u64,
    /// None where it isn't known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ns: Option<u64>,
}

/// What a deployment takes and gives by the version that is meant: the main one,
/// if none is named.
async fn signature(platform: &Platform, name: &str, version: Option<&str>) -> Result<Signature, Error> {
    let deployments = platform.deployment();
    let version = match version {
        None => deployments.main_version(name).await?,
        Some(version) => {
            let deployment = deployments.get(name).await?;
            platform.registry().resolve(&deployment.spec.model, version).await?
        }
    };
    deployments.signature(name, &version).await
}

pub(super) async fn metadata(
    platform: &Platform,
    name: &str,
    version: Option<&str>,
) -> Result<Metadata, Error> {
    let signature = signature(platform, name, version).await?;
    let described = |spec: &TensorSpec| Described {
        name: spec.name.clone(),
        datatype: datatype::name(spec.datatype),
        shape: spec.shape.clone(),
        parameters: (!spec.labels.is_empty()).then(|| Labels { labels: spec.labels.clone() }),
    };
    let deployment = platform.deployment().get(name).await?;
    Ok(Metadata {
        name: name.to_owned(),
        versions: deployment.spec.routes.into_iter().map(|route| route.version).collect(),
        platform: PLATFORM,
        inputs: signature.inputs.iter().map(described).collect(),
        outputs: signature.outputs.iter().map(described).collect(),
    })
}

pub(super) async fn configuration(
    platform: &Platform,
    name: &str,
    version: Option<&str>,
) -> Result<Configuration, Error> {
    let signature = signature(platform, name, version).await?;
    let configured = |spec: &TensorSpec| Configured {
        name: spec.name.clone(),
        data_type: data_type(spec.datatype),
        dims: spec.shape.clone(),
    };
    Ok(Configuration {
        name: name.to_owned(),
        platform: PLATFORM,
        backend: NAME,
        max_batch_size: 0,
        input: signature.inputs.iter().map(configured).collect(),
        output: signature.outputs.iter().map(configured).collect(),
    })
}

/// Triton's name of a datatype in a configuration.
pub(super) fn data_type(datatype: Datatype) -> String {
    match datatype {
        Datatype::Bytes => "TYPE_STRING".to_owned(),
        other => format!("TYPE_{}", datatype::name(other)),
    }
}

/// Whether a model answers, or a version of it.
pub(super) fn is_ready(platform: &Platform, name: &str, version: Option<&str>) -> bool {
    let Some(version) = version else { return platform.deployment().is_live(name) };
    let route = |route: &RouteStats| route.version.to_string() == version;
    live(platform, name).is_ok_and(|endpoint| endpoint.routes.iter().any(route))
}

/// What a model that answers has done.
pub(super) fn live(platform: &Platform, name: &str) -> Result<EndpointStats, Error> {
    let mut all = platform.deployment().stats().into_iter();
    all.find(|endpoint| endpoint.deployment == name)
        .ok_or_else(|| Error::new(Code::NotFound, format!("no model {name:?} is ready")))
}

/// Every version's statistics of every model.
pub(super) fn all_statistics(platform: &Platform) -> Vec<Statistics> {
    platform.deployment().stats().iter().flat_map(every).collect()
}

/// The statistics of a model's versions, or of one.
pub(super) fn statistics(endpoint: &EndpointStats, version: Option<&str>) -> Result<Vec<Statistics>, Error> {
    let wanted = |stats: &Statistics| version.is_none_or(|version| stats.version == version);
    let statistics: Vec<_> = every(endpoint).filter(wanted).collect();
    match version {
        Some(version) if statistics.is_empty() => {
            let message = format!("{:?} has no version {version:?}", endpoint.deployment);
            Err(Error::new(Code::NotFound, message))
        }
        _ => Ok(statistics),
    }
}

/// Times are metered for the whole deployment: they stand here where it has one
/// version, and are left out where it has several.
fn every(endpoint: &EndpointStats) -> impl Iterator<Item = Statistics> {
    let sole = endpoint.routes.len() == 1;
    endpoint.routes.iter().map(move |route| {
        let (calls, errors) =
            if sole { (endpoint.calls, endpoint.errors) } else { (route.calls, route.errors) };
        let answered = calls.saturating_sub(errors);
        let time = |us: u64| Counted { count: answered, ns: sole.then(|| us.saturating_mul(1000)) };
        Statistics {
            name: endpoint.deployment.clone(),
            version: route.version.to_string(),
            inference_count: answered,
            execution_count: answered,
            inference_stats: Durations {
                success: time(endpoint.total.sum_us),
                fail: Counted { count: errors, ns: None },
                queue: time(endpoint.queue.sum_us),
                compute_infer: time(endpoint.compute.sum_us),
            },
        }
    })
}
