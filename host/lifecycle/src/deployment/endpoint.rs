//! Endpoints: what the hot path reads.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use arc_swap::ArcSwap;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    DeploymentSpec, Predictor,
    meter::{Distribution, Meter},
};

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
    pub(crate) routes: Vec<Target>,
    pub(crate) shadow: Option<Arc<Target>>,
    /// Survives a change of routes.
    pub(crate) meter: Arc<Meter>,
}

/// One version behind an endpoint.
pub(crate) struct Target {
    pub(crate) version: u32,
    pub(crate) weight: u32,
    pub(crate) predictor: Predictor,
    pub(crate) lookups: Vec<Lookup>,
    /// Taken out by its errors, until the change is recorded.
    pub(crate) out: AtomicBool,
    pub(crate) calls: AtomicU64,
    pub(crate) errors: AtomicU64,
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
    pub(crate) fn new(version: u32, weight: u32, predictor: Predictor, lookups: Vec<Lookup>) -> Self {
        Self {
            version,
            weight,
            predictor,
            lookups,
            out: AtomicBool::new(false),
            calls: AtomicU64::new(0),
            errors: AtomicU64::new(0),
        }
    }
}

impl Endpoint {
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
    /// How long they were in features and model.
    pub compute: Distribution,
}
