//! Endpoints: what the hot path reads.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use modelyard_runtime::{
    Timings,
    types::{Tensor, TensorSpec},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Chain, DeploymentSpec, Limits, Parts, Predictor,
    batch::{Batcher, Score, is_by_row},
    chain::{Steps, sum},
    meter::{Distribution, Meter},
    predictor::Predicted,
};
use crate::{Platform, Result, registry::Version};

/// All endpoints; swapped whole on change.
#[derive(Default)]
pub(crate) struct Endpoints(ArcSwap<HashMap<String, Arc<Endpoint>>>);

impl Endpoints {
    pub(crate) fn get(&self, name: &str) -> Option<Arc<Endpoint>> {
        self.0.load().get(name).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Endpoint>> {
        self.0.load().values().cloned().collect()
    }

    pub(crate) fn set(&self, endpoint: Endpoint) {
        let endpoint = Arc::new(endpoint);
        self.0.rcu(|all| {
            let mut all = HashMap::clone(all);
            all.insert(endpoint.spec.name.clone(), endpoint.clone());
            all
        });
    }

    pub(crate) fn remove(&self, name: &str) {
        self.0.rcu(|all| {
            let mut all = HashMap::clone(all);
            all.remove(name);
            all
        });
    }
}

/// One deployment as the hot path sees it.
pub(crate) struct Endpoint {
    pub(crate) spec: DeploymentSpec,
    pub(crate) chain: Chain,
    pub(crate) routes: Vec<Target>,
    pub(crate) shadow: Option<Arc<Target>>,
    /// Survives a change of routes.
    pub(crate) meter: Arc<Meter>,
}

/// One version behind an endpoint.
pub(crate) struct Target {
    /// The deployment as the prediction log names it.
    pub(super) logged_as: Arc<str>,
    pub(super) model: Arc<str>,
    pub(crate) version: u32,
    pub(crate) weight: u32,
    pub(crate) predictor: Predictor,
    /// None where calls can't be put together.
    batcher: Option<Batcher<Predictor>>,
    before: Steps,
    after: Steps,
    /// What the caller may send.
    inputs: Vec<String>,
    /// What of it, and of what steps make of it, the steps after the model take.
    kept: Vec<String>,
    pub(crate) lookups: Vec<Lookup>,
    /// Taken out by its errors, until the change is recorded.
    pub(crate) out: AtomicBool,
    pub(crate) calls: AtomicU64,
    pub(crate) errors: AtomicU64,
}

/// A call between the steps before the model and the model.
pub(crate) struct Prepared {
    pub(crate) inputs: Vec<Tensor>,
    /// For the steps after the model.
    pub(crate) kept: Vec<Tensor>,
    pub(crate) timings: Timings,
}

fn names(specs: Vec<TensorSpec>) -> Vec<String> {
    specs.into_iter().map(|spec| spec.name).collect()
}

/// A view whose values may be looked up for inputs that a caller leaves out.
#[derive(Clone, Debug)]
pub(crate) struct Lookup {
    pub(crate) view: String,
    /// The inputs that hold the view's keys, in the view's order.
    pub(crate) key_columns: Vec<String>,
    /// The columns taken; empty: all.
    pub(crate) columns: Vec<String>,
    pub(crate) ttl_seconds: Option<u64>,
}

impl Target {
    pub(crate) async fn new(
        platform: &Platform,
        logged_as: &str,
        version: &Version,
        weight: u32,
        limits: &Limits,
        chain: &Chain,
        lookups: Vec<Lookup>,
    ) -> Result<Self> {
        chain.check(&version.inputs)?;
        let parts = Parts {
            component: version.component,
            features: version.features.as_ref(),
            columns: &version.columns,
            signature: &version.signature,
        };
        let predictor = Predictor::new(platform, parts, limits).await?;
        let batcher = (limits.batching && is_by_row(predictor.signature())).then(|| {
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            let patience = Duration::from_millis(limits.deadline_ms);
            Batcher::new(predictor.clone(), cores, limits.queue as usize, patience)
        });
        let options = limits.options();
        Ok(Self {
            logged_as: logged_as.into(),
            model: version.model.as_str().into(),
            version: version.version,
            weight,
            predictor,
            batcher,
            before: Steps::new(platform, "before", &chain.before, &options).await?,
            after: Steps::new(platform, "after", &chain.after, &options).await?,
            inputs: names(chain.around(&version.inputs).inputs),
            kept: chain.kept(&version.inputs),
            lookups,
            out: AtomicBool::new(false),
            calls: AtomicU64::new(0),
            errors: AtomicU64::new(0),
        })
    }

    /// The names of what a caller may send, but for the keys of views.
    pub(crate) fn inputs(&self) -> &[String] {
        &self.inputs
    }

    /// Makes the instances that are to be warm.
    pub(crate) async fn keep_warm(&self) {
        self.before.keep_warm().await;
        self.predictor.keep_warm().await;
        self.after.keep_warm().await;
    }

    /// What the steps before the model make of a caller's inputs.
    pub(crate) async fn prepare(&self, inputs: Vec<Tensor>) -> Result<Prepared> {
        let Predicted { outputs: inputs, timings } = self.before.run(inputs, &[]).await?;
        let mut kept = Vec::new();
        self.keep(&inputs, &mut kept);
        Ok(Prepared { inputs, kept, timings })
    }

    /// Adds to `kept` what the steps after the model take and isn't there.
    pub(crate) fn keep(&self, tensors: &[Tensor], kept: &mut Vec<Tensor>) {
        for name in &self.kept {
            let of_name = |tensor: &&Tensor| tensor.name == *name;
            if kept.iter().find(of_name).is_none() {
                kept.extend(tensors.iter().find(of_name).cloned());
            }
        }
    }

    /// Answers a call of so many rows.
    pub(crate) async fn predict(&self, inputs: Vec<Tensor>, rows: u32) -> Result<Predicted> {
        match &self.batcher {
            Some(batcher) => batcher.call(inputs, rows as usize).await,
            None => self.predictor.predict_tensors(inputs).await,
        }
    }

    /// What the steps after the model make of its answer.
    pub(crate) async fn finish(&self, predicted: Predicted, kept: &[Tensor]) -> Result<Predicted> {
        let finished = self.after.run(predicted.outputs, kept).await?;
        Ok(Predicted { timings: sum(predicted.timings, finished.timings), ..finished })
    }
}

impl Score for Predictor {
    async fn score(&self, inputs: Vec<Tensor>) -> Result<Predicted> {
        self.predict_tensors(inputs).await
    }
}

impl Endpoint {
    /// Every version that is called: the routes and the shadow.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &Target> {
        self.routes.iter().chain(self.shadow.as_deref())
    }

    /// The route for a call: by weight, the same one for the same sticky key.
    pub(crate) fn pick(&self, sticky: Option<&str>) -> Option<&Target> {
        let open = || self.routes.iter().filter(|route| !route.out.load(Relaxed) && route.weight > 0);
        let total: u64 = open().map(|route| u64::from(route.weight)).sum();
        if total == 0 {
            return self.routes.first();
        }
        let mut point = match sticky {
            Some(key) => {
                use std::hash::{DefaultHasher, Hash, Hasher};
                let mut hasher = DefaultHasher::new();
                (&self.spec.name, key).hash(&mut hasher);
                hasher.finish() % total
            }
            None => rand::random::<u64>() % total,
        };
        for route in open() {
            let weight = u64::from(route.weight);
            if point < weight {
                return Some(route);
            }
            point -= weight;
        }
        open().last()
    }

    /// What it holds and has done since it was last changed.
    pub(crate) fn stats(&self) -> EndpointStats {
        let route = |target: &Target| RouteStats {
            version: target.version,
            weight: target.weight,
            calls: target.calls.load(Relaxed),
            errors: target.errors.load(Relaxed),
        };
        EndpointStats {
            deployment: self.spec.name.clone(),
            model: self.spec.model.clone(),
            routes: self.routes.iter().map(route).collect(),
            shadow: self.shadow.as_deref().map(route),
            calls: self.meter.total_calls.load(Relaxed),
            errors: self.meter.total_errors.load(Relaxed),
            total: self.meter.total.read(),
            queue: self.meter.queue.read(),
            instantiate: self.meter.instantiate.read(),
            compute: self.meter.compute.read(),
            encode: self.meter.encode.read(),
        }
    }
}

/// What a route has done since its endpoint was last changed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RouteStats {
    /// The version.
    pub version: u32,
    /// Its weight.
    pub weight: u32,
    /// Calls.
    pub calls: u64,
    /// Calls that failed by the model's fault.
    pub errors: u64,
}

/// What an endpoint has done since the process began.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EndpointStats {
    /// The deployment.
    pub deployment: String,
    /// The model.
    pub model: String,
    /// Its routes.
    pub routes: Vec<RouteStats>,
    /// Its shadow.
    pub shadow: Option<RouteStats>,
    /// Calls.
    pub calls: u64,
    /// Calls that failed.
    pub errors: u64,
    /// Answered calls, from request to reply.
    pub total: Distribution,
    /// How long they waited for a place.
    pub queue: Distribution,
    /// How long their instances took to make; 0 for warm ones.
    pub instantiate: Distribution,
    /// How long they were in steps, features and model.
    pub compute: Distribution,
    /// How long it took to write their answers out.
    pub encode: Distribution,
}
