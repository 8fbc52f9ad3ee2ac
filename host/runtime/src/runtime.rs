//! The runtime: one engine, one linker, one cache for the whole process.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use wasmtime::Engine;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, InstancePre, Linker};

use crate::background::Background;
use crate::budget::{self, Budget};
use crate::cache::Cache;
use crate::child::Compiler;
use crate::contract::Name;
use crate::engine::{self, Ticker};
use crate::error::Error;
use crate::function::Function;
use crate::grants::Grants;
use crate::handler::Handler;
use crate::host::State;
use crate::inspect::{self, Inspection};
use crate::kind::{Capability, Kind};
use crate::model::{Model, ModelOptions};
use crate::options::Options;
use crate::plugin::{self, Plugin};
use crate::transformer::Transformer;
use crate::types::Signature;

/// Validates, compiles, snapshots, pools and calls components. Cheap to clone;
/// one for a process.
#[derive(Clone)]
pub struct Runtime(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<State>,
    pub(crate) ticker: Arc<Ticker>,
    pooling: bool,
    options: Options,
    cache: Cache,
    compiler: Compiler,
    pub(crate) budget: Arc<Budget>,
    pub(crate) background: Background,
    /// One compilation at a time for one digest.
    compiling: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    plugins: Mutex<HashMap<String, Weak<plugin::Inner>>>,
}

/// Where a component's bytes come from when its code must be compiled.
#[derive(Clone)]
pub enum Source {
    /// They are here.
    Bytes(Bytes),
    /// They are fetched when needed, so that an idle model holds none of them.
    Fetch(Arc<dyn Fetch>),
}

/// Fetches a component's bytes, from a blob store for instance.
#[async_trait]
pub trait Fetch: Send + Sync {
    /// The bytes that a digest (`sha256:…`) names; they are checked against it.
    async fn fetch(&self, digest: &str) -> Result<Bytes, String>;
}

impl From<Bytes> for Source {
    fn from(bytes: Bytes) -> Source {
        Source::Bytes(bytes)
    }
}

impl From<Vec<u8>> for Source {
    fn from(bytes: Vec<u8>) -> Source {
        Source::Bytes(bytes.into())
    }
}

impl From<Arc<dyn Fetch>> for Source {
    fn from(fetch: Arc<dyn Fetch>) -> Source {
        Source::Fetch(fetch)
    }
}

impl Runtime {
    /// Sets the engine up: with the pooling allocator where the address space
    /// allows it, on demand elsewhere.
    ///
    /// # Errors
    /// [`Error::Engine`] and [`Error::Cache`].
    pub fn new(options: Options) -> Result<Runtime, Error> {
        let (engine, pooling) = engine::engine(&options)?;
        let linker = engine::linker(&engine)?;
        let cache = Cache::open(&options.cache_dir, engine::fingerprint(&engine))?;
        Ok(Runtime(Arc::new(Shared {
            ticker: Ticker::start(&engine)?,
            linker,
            pooling,
            cache,
            compiler: Compiler::new(options.worker.clone(), options.compile),
            budget: Budget::new(
                options.max_instances,
                options.memory_budget_bytes.unwrap_or_else(budget::half_of_memory),
            ),
            background: Background::start()?,
            compiling: Mutex::default(),
            plugins: Mutex::default(),
            engine,
            options,
        })))
    }

    /// The options it was made with.
    pub fn options(&self) -> &Options {
        &self.0.options
    }

    /// Whether the pooling allocator is in use.
    pub fn pooling(&self) -> bool {
        self.0.pooling
    }

    /// Threads for work that takes long, which the system runs when nothing else
    /// is to be done.
    pub fn background(&self) -> &Handle {
        self.0.background.handle()
    }

    /// Places for instances that are free now.
    pub fn free_instances(&self) -> usize {
        self.0.budget.free_places()
    }

    /// Bytes of linear memory that all instances hold now.
    pub fn held_bytes(&self) -> u64 {
        self.0.budget.held()
    }

    /// Says what an upload is, or what about it doesn't fit. Nothing is stored,
    /// compiled or run. Takes milliseconds per megabyte: call it on a blocking
    /// thread for large uploads.
    ///
    /// # Errors
    /// Names each import and export that doesn't fit and the nearest that the
    /// host supports; see [`Error`].
    pub fn inspect(&self, bytes: &[u8]) -> Result<Inspection, Error> {
        inspect::inspect(bytes, self.0.options.max_component_bytes)
    }

    /// A plugin, compiled if it isn't in the cache yet.
    ///
    /// # Errors
    /// [`Error::Digest`], [`Error::Fetch`], [`Error::Compile`],
    /// [`Error::CompileTime`], [`Error::CompileMemory`], [`Error::Misfit`].
    pub async fn plugin(&self, digest: &str, source: impl Into<Source>) -> Result<Plugin, Error> {
        if let Some(plugin) = self.0.plugins.lock().get(digest).and_then(Weak::upgrade) {
            return Ok(Plugin(plugin));
        }
        let component = self.component(digest, &source.into()).await?;
        let inner = Arc::new(plugin::Inner::new(self.clone(), digest, &component)?);
        let mut plugins = self.0.plugins.lock();
        plugins.retain(|_, plugin| plugin.strong_count() > 0);
        plugins.insert(digest.to_owned(), Arc::downgrade(&inner));
        Ok(Plugin(inner))
    }

    /// Loads an artifact into a scoring plugin and keeps the memory as it then
    /// stands as one self-contained component: the model.
    ///
    /// # Errors
    /// [`Error::Load`] with the plugin's own words when it refuses the artifact,
    /// [`Error::Snapshot`] when the component can't be snapshotted, and the
    /// limits of [`CompileLimits`](crate::CompileLimits).
    pub async fn snapshot(&self, runner: &[u8], artifact: &[u8]) -> Result<(Bytes, Signature), Error> {
        self.0.compiler.snapshot(runner, artifact).await
    }

    /// A model, compiled if it isn't in the cache yet. Its code is mapped by the
    /// first call, so a thousand models cost nothing at start.
    ///
    /// # Errors
    /// As [`plugin`](Runtime::plugin).
    pub async fn model(
        &self,
        digest: &str,
        source: impl Into<Source>,
        options: ModelOptions,
    ) -> Result<Model, Error> {
        let source = source.into();
        self.compiled(digest, &source).await?;
        let model = Model::new(self.clone(), digest, source, options);
        self.0.budget.register(model.idle());
        Ok(model)
    }

    /// A features plugin with a fitted state, kept warm like a model. The state
    /// is loaded once here, to learn the columns that come out.
    ///
    /// # Errors
    /// As [`plugin`](Runtime::plugin), and [`Error::Load`] when the plugin
    /// refuses the state.
    pub async fn transformer(
        &self,
        digest: &str,
        source: impl Into<Source>,
        state: Bytes,
        options: ModelOptions,
    ) -> Result<Transformer, Error> {
        let source = source.into();
        self.compiled(digest, &source).await?;
        let transformer = Transformer::new(self.clone(), digest, source, state, options).await?;
        self.0.budget.register(transformer.idle());
        Ok(transformer)
    }

    /// A function that is called with JSON. Nothing is compiled or mapped before
    /// its first call; [`Function::ready`] does it earlier.
    pub fn function(
        &self,
        digest: &str,
        source: impl Into<Source>,
        options: ModelOptions,
        grants: Grants,
    ) -> Function {
        let function = Function::new(self.clone(), digest, source.into(), options, grants);
        self.0.budget.register(function.idle());
        function
    }

    /// A function that is a handler of `wasi:http` and takes bodies of so many
    /// bytes. Nothing is compiled or mapped before its first call;
    /// [`Handler::ready`] does it earlier.
    pub fn handler(
        &self,
        digest: &str,
        source: impl Into<Source>,
        options: ModelOptions,
        max_body_bytes: u64,
        grants: Grants,
    ) -> Handler {
        let handler = Handler::new(self.clone(), digest, source.into(), options, max_body_bytes, grants);
        self.0.budget.register(handler.idle());
        handler
    }

    /// Drops instances that have been idle for as long as their options say, and
    /// the code of those idle for longer. Call it every few seconds. Gives the
    /// number of instances dropped.
    pub fn evict_idle(&self, now: Instant) -> usize {
        self.0.budget.pools().iter().map(|pool| pool.evict_idle(now)).sum()
    }

    /// Makes the instances that are to be warm and aren't. Call it as often.
    pub async fn keep_warm(&self) {
        for pool in self.0.budget.pools() {
            pool.keep_warm().await;
        }
    }

    /// Removes a component's compiled code from the cache, after its last use.
    pub fn forget(&self, digest: &str) {
        self.0.cache.remove(digest);
    }

    /// Makes sure that there is compiled code, without mapping it. Its checksum
    /// is looked at in the background, so that the first call need not.
    async fn compiled(&self, digest: &str, source: &Source) -> Result<(), Error> {
        if !self.0.cache.has(digest) {
            return self.component(digest, source).await.map(drop);
        }
        let (shared, digest) = (Arc::downgrade(&self.0), digest.to_owned());
        self.0.background.in_turn(move || drop(shared.upgrade().map(|shared| shared.cache.verify(&digest))));
        Ok(())
    }

    /// A component's code: mapped from the cache, compiled where it isn't there
    /// or is damaged.
    pub(crate) async fn component(&self, digest: &str, source: &Source) -> Result<Component, Error> {
        let shared = &self.0;
        if let Some(component) = shared.cache.load(&shared.engine, digest) {
            return Ok(component);
        }
        let single = Arc::clone(shared.compiling.lock().entry(digest.to_owned()).or_default());
        let _single = single.lock().await;
        let compiled = self.compile(digest, source).await;
        shared.compiling.lock().remove(digest);
        compiled
    }

    async fn compile(&self, digest: &str, source: &Source) -> Result<Component, Error> {
        let shared = &self.0;
        // Another caller may have compiled it while this one waited.
        if let Some(component) = shared.cache.load(&shared.engine, digest) {
            return Ok(component);
        }
        let bytes = match source {
            Source::Bytes(bytes) => bytes.clone(),
            Source::Fetch(fetch) => fetch.fetch(digest).await.map_err(Error::Fetch)?,
        };
        let found = inspect::digest(&bytes);
        if found != format!("sha256:{}", digest.trim_start_matches("sha256:")) {
            return Err(Error::Digest { expected: digest.to_owned(), found });
        }
        let code = shared.compiler.compile(&bytes).await?;
        shared.cache.store(digest, &code)?;
        let unusable = || Error::Cache {
            path: PathBuf::from(&shared.options.cache_dir),
            error: std::io::Error::other("compiled code can't be read back, or this engine refuses it"),
        };
        shared.cache.load(&shared.engine, digest).ok_or_else(unusable)
    }

    /// Links a component and says what it is.
    pub(crate) fn link(&self, component: &Component) -> Result<Linked, Error> {
        let pre = self
            .0
            .linker
            .instantiate_pre(component)
            .map_err(|error| Error::Compile(format!("its imports can't be linked: {error:#}")))?;
        Ok(Linked { kind: self.kind(component)?, capabilities: self.capabilities(component), pre })
    }

    fn kind(&self, component: &Component) -> Result<Kind, Error> {
        let ty = component.component_type();
        let mut kinds =
            ty.exports(&self.0.engine).filter_map(|(name, _)| inspect::meant(&Name::parse(name)?));
        kinds.next().ok_or_else(|| Error::Compile("it exports no kind of plugin; inspect it first".into()))
    }

    fn capabilities(&self, component: &Component) -> Vec<Capability> {
        let engine = &self.0.engine;
        let ty = component.component_type();
        let imports = ty.imports(engine).filter(|(_, item)| match &item.ty {
            ComponentItem::ComponentInstance(instance) => instance.exports(engine).any(|(_, item)| {
                matches!(item.ty, ComponentItem::ComponentFunc(_) | ComponentItem::Resource(_))
            }),
            _ => true,
        });
        imports.map(|(name, _)| Capability::of(name)).collect()
    }
}

/// A component that is ready to be instantiated.
pub(crate) struct Linked {
    pub(crate) kind: Kind,
    pub(crate) capabilities: Vec<Capability>,
    pub(crate) pre: InstancePre<State>,
}
