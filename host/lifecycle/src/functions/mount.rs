//! Mounts: what the hot path reads.

use std::{collections::HashMap, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use modelyard_runtime::{Environment, Function as JsonFunction, Grants, Handler, ModelOptions, Protocol};
use tokio::sync::{Mutex, MutexGuard};

use super::{Function, log::Log, outbound::Outbound};
use crate::{Platform, Result, deployment::Meter, plugins::PluginRecord};

/// All functions by what they are called; swapped whole on change.
#[derive(Default)]
pub(crate) struct Mounts {
    table: ArcSwap<HashMap<String, Arc<Mount>>>,
    changing: Mutex<()>,
}

impl Mounts {
    pub(crate) fn get(&self, name: &str) -> Option<Arc<Mount>> {
        self.table.load().get(name).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Mount>> {
        self.table.load().values().cloned().collect()
    }

    /// Leave to read the records and write what comes of them.
    pub(crate) async fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().await
    }

    pub(crate) fn replace(&self, mounts: HashMap<String, Mount>) {
        self.table.store(Arc::new(mounts.into_iter().map(|(name, mount)| (name, Arc::new(mount))).collect()));
    }

    pub(crate) fn set(&self, mut mount: Mount) {
        if let Some(before) = self.get(&mount.function.name) {
            mount.meter = Arc::clone(&before.meter);
        }
        let mount = Arc::new(mount);
        self.table.rcu(|all| {
            let mut all = HashMap::clone(all);
            all.insert(mount.function.name.clone(), Arc::clone(&mount));
            all
        });
    }

    pub(crate) fn remove(&self, name: &str) {
        self.table.rcu(|all| {
            let mut all = HashMap::clone(all);
            all.remove(name);
            all
        });
    }
}

/// One function as the hot path sees it.
pub(crate) struct Mount {
    pub(crate) function: Function,
    pub(crate) guest: Guest,
    /// Survives a change of the record or the plugin.
    pub(crate) meter: Arc<Meter>,
}

/// What answers, warm.
pub(crate) enum Guest {
    Json(JsonFunction),
    Http(Handler),
}

impl Guest {
    pub(crate) fn protocol(&self) -> Protocol {
        match self {
            Guest::Json(_) => Protocol::Json,
            Guest::Http(_) => Protocol::Http,
        }
    }
}

impl Mount {
    /// A function ready to be compiled by its first call.
    pub(crate) fn new(platform: &Platform, function: Function, plugin: &PluginRecord) -> Result<Self> {
        let options = options(&function);
        let grants = grants(platform, &function)?;
        let (runtime, digest) = (&platform.runtime, plugin.digest.to_string());
        let source = platform.plugins().source();
        let guest = match plugin.protocol {
            Some(Protocol::Http) => {
                Guest::Http(runtime.handler(&digest, source, options, function.max_body_bytes, grants))
            }
            // Records from before there were two have none.
            _ => Guest::Json(runtime.function(&digest, source, options, grants)),
        };
        Ok(Self { function, guest, meter: Arc::default() })
    }
}

fn options(function: &Function) -> ModelOptions {
    ModelOptions {
        reuse: function.reuse,
        max_concurrency: function.concurrency,
        queue: function.queue,
        deadline: Duration::from_millis(function.deadline_ms),
        memory_bytes: function.memory_bytes,
        warm: function.warm,
        idle_after: Duration::from_secs(function.idle_seconds),
        unmap_after: Duration::from_secs(function.idle_seconds.saturating_mul(10)),
        wasi: true,
        ..ModelOptions::default()
    }
}

fn grants(platform: &Platform, function: &Function) -> Result<Grants> {
    let secrets = function.secrets.iter().map(|(name, secret)| (name.clone(), secret.reveal().to_owned()));
    let variables = function.environment.clone().into_iter().chain(secrets);
    let outbound = match function.hosts.is_empty() {
        true => None,
        false => Some(Arc::new(Outbound::new(platform, function)?) as _),
    };
    Ok(Grants {
        wasi: true,
        environment: Some(Arc::new(variables.collect::<Environment>())),
        output: Some(Arc::new(Log::of(&function.name))),
        outbound,
        ..Grants::default()
    })
}
