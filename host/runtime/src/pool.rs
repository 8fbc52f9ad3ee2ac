//! Warm instances of one component: taken for a call, put back after it.
//!
//! A call on a warm instance takes one short lock of its own pool and nothing
//! that another model shares.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use parking_lot::{Mutex, RwLock};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};

use crate::budget::Idle;
use crate::call::{self, Cost};
use crate::child::RETRY;
use crate::error::{CallError, Error, Fault};
use crate::grants::Grants;
use crate::host::State;
use crate::kind::{Capability, Kind};
use crate::model::{ModelOptions, Stats};
use crate::options::Limits;
use crate::runtime::{Runtime, Source};

/// What a pooled component does: which interface it exports and what happens to
/// a fresh instance before its first call.
pub(crate) trait Role: Send + Sync + 'static {
    type Indices: Send + Sync + 'static;
    type Guest: Send + Sync + 'static;
    const KIND: Kind;

    fn indices(pre: &InstancePre<State>) -> wasmtime::Result<Self::Indices>;
    fn guest(
        indices: &Self::Indices,
        store: &mut Store<State>,
        instance: &Instance,
    ) -> wasmtime::Result<Self::Guest>;
    /// What is lent to an instance for as long as it lives.
    fn grants(&self, options: &ModelOptions) -> Grants {
        Grants { wasi: options.wasi, ..Grants::none() }
    }
    fn prepare<'a>(
        &'a self,
        _runtime: &'a Runtime,
        _store: &'a mut Store<State>,
        _guest: &'a Self::Guest,
    ) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }
}

/// A component's code, ready to be instantiated.
pub(crate) struct Code<R: Role> {
    pre: InstancePre<State>,
    indices: R::Indices,
}

/// An instance between calls or in one.
pub(crate) struct Warm<R: Role> {
    pub(crate) store: Store<State>,
    pub(crate) guest: R::Guest,
    calls: u32,
    since: Instant,
    _place: OwnedSemaphorePermit,
}

/// Warm instances of one component.
pub(crate) struct Pool<R: Role> {
    pub(crate) runtime: Runtime,
    pub(crate) role: R,
    pub(crate) options: ModelOptions,
    digest: String,
    source: Source,
    code: RwLock<Option<Arc<Code<R>>>>,
    /// The instance used last is on top, so that the others grow idle.
    idle: Mutex<Vec<Warm<R>>>,
    running: Semaphore,
    waiting: AtomicUsize,
    /// Microseconds from `start` to the end of the last call.
    last: AtomicU64,
    start: Instant,
}

/// A call of an instance's guest.
pub(crate) type Call<R, T> = Box<
    dyn for<'a> FnOnce(&'a mut Store<State>, &'a <R as Role>::Guest) -> BoxFuture<'a, wasmtime::Result<T>>
        + Send,
>;

/// A place in the queue, given up on drop.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<R: Role> Pool<R> {
    pub(crate) fn new(
        runtime: Runtime,
        digest: &str,
        source: Source,
        role: R,
        options: ModelOptions,
    ) -> Arc<Pool<R>> {
        Arc::new(Pool {
            runtime,
            role,
            digest: digest.to_owned(),
            source,
            code: RwLock::new(None),
            idle: Mutex::default(),
            running: Semaphore::new(options.max_concurrency.max(1) as usize),
            waiting: AtomicUsize::new(0),
            last: AtomicU64::new(0),
            start: Instant::now(),
            options,
        })
    }

    pub(crate) fn as_idle(self: &Arc<Pool<R>>) -> Weak<dyn Idle> {
        let pool: Weak<Pool<R>> = Arc::downgrade(self);
        pool
    }

    pub(crate) fn digest(&self) -> &str {
        &self.digest
    }

    /// Waits for leave to run, at most as long as a call may take.
    pub(crate) async fn enter(&self) -> Result<SemaphorePermit<'_>, CallError> {
        if let Ok(permit) = self.running.try_acquire() {
            return Ok(permit);
        }
        let ahead = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        if ahead >= self.options.queue as usize {
            return Err(Fault::Busy { retry_after: RETRY }.into());
        }
        match tokio::time::timeout(self.options.deadline, self.running.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(Fault::Busy { retry_after: RETRY }.into()),
        }
    }

    /// A warm instance, or a fresh one and the time it took to make.
    pub(crate) async fn take(&self) -> Result<(Warm<R>, Duration), CallError> {
        if let Some(warm) = self.idle.lock().pop() {
            return Ok((warm, Duration::ZERO));
        }
        let start = Instant::now();
        // Boxed, or a call on a warm instance would carry its state with it.
        let warm = Box::pin(self.fresh()).await?;
        Ok((warm, start.elapsed()))
    }

    async fn fresh(&self) -> Result<Warm<R>, CallError> {
        let code = self.code().await?;
        let shared = &self.runtime.0;
        let place = shared.budget.place()?;
        let mut store = call::store(
            &shared.engine,
            &shared.budget,
            self.options.limits(),
            self.role.grants(&self.options),
        );
        let deadline = call::arm(&mut store);
        let (instance, _) = call::run(&shared.ticker, deadline, code.pre.instantiate_async(&mut store)).await;
        let instance = match instance {
            Some(Ok(instance)) => instance,
            Some(Err(error)) => {
                let fault = call::fault(&mut store, &error);
                return Err(CallError { fault, log: store.data_mut().take_log() });
            }
            None => return Err(Fault::Deadline(self.options.deadline).into()),
        };
        let guest = R::guest(&code.indices, &mut store, &instance)
            .map_err(|error| Fault::Host(format!("the component does not fit: {error:#}")))?;
        if let Err(fault) = self.role.prepare(&self.runtime, &mut store, &guest).await {
            return Err(CallError { fault, log: store.data_mut().take_log() });
        }
        Ok(Warm { store, guest, calls: 0, since: Instant::now(), _place: place })
    }

    /// Runs a call until its end or its deadline, in the background once it turns
    /// out to be long.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        mut warm: Warm<R>,
        call: Call<R, T>,
    ) -> (Warm<R>, Option<wasmtime::Result<T>>, Cost) {
        let shared = &self.runtime.0;
        let ticker = Arc::clone(&shared.ticker);
        let run = async move {
            let deadline = call::arm(&mut warm.store);
            let (outcome, cost) = call::run(&ticker, deadline, call(&mut warm.store, &warm.guest)).await;
            (warm, outcome, cost)
        };
        shared.background.run(run).await
    }

    /// Puts an instance back that may be used again.
    pub(crate) fn put_back(&self, mut warm: Warm<R>) {
        let now = Instant::now();
        let micros = now.duration_since(self.start).as_micros();
        self.last.store(u64::try_from(micros).unwrap_or(u64::MAX), Ordering::Relaxed);
        warm.calls = warm.calls.saturating_add(1);
        if warm.calls < self.options.reuse {
            warm.since = now;
            self.idle.lock().push(warm);
        }
    }

    /// The code, mapped if it isn't.
    pub(crate) async fn code(&self) -> Result<Arc<Code<R>>, Error> {
        if let Some(code) = self.code.read().as_ref() {
            return Ok(Arc::clone(code));
        }
        let component = self.runtime.component(&self.digest, &self.source).await?;
        let linked = self.runtime.link(&component)?;
        if linked.kind != R::KIND {
            return Err(Error::Kind { expected: R::KIND, found: linked.kind });
        }
        let refused = linked.capabilities.into_iter().find(|capability| match capability {
            Capability::Wasi(_) => !self.options.wasi,
            // The others do nothing here: no progress is looked at, no object
            // can be opened, and nobody passes a table.
            _ => false,
        });
        if let Some(refused) = refused {
            return Err(Error::NotGranted(refused));
        }
        let indices = R::indices(&linked.pre).map_err(|error| Error::Compile(format!("{error:#}")))?;
        let code = Arc::new(Code { pre: linked.pre, indices });
        *self.code.write() = Some(Arc::clone(&code));
        Ok(code)
    }

    pub(crate) fn stats(&self) -> Stats {
        let idle = self.idle.lock();
        let permits = self.running.available_permits();
        Stats {
            idle: idle.len(),
            running: (self.options.max_concurrency.max(1) as usize).saturating_sub(permits),
            waiting: self.waiting.load(Ordering::Relaxed),
            idle_memory_bytes: idle.iter().map(|warm| warm.store.data().memory.bytes as u64).sum(),
            mapped: self.code.read().is_some(),
        }
    }
}

impl<R: Role> Idle for Pool<R> {
    fn evict_idle(&self, now: Instant) -> usize {
        let dropped: Vec<Warm<R>> = {
            let mut idle = self.idle.lock();
            // The oldest come first, so what is to stay is at the end.
            let spare = idle.len().saturating_sub(self.options.warm as usize);
            let stale =
                |warm: &mut Warm<R>| now.saturating_duration_since(warm.since) >= self.options.idle_after;
            idle.extract_if(..spare, stale).collect()
        };
        let last = self.start + Duration::from_micros(self.last.load(Ordering::Relaxed));
        if now.saturating_duration_since(last) >= self.options.unmap_after && self.idle.lock().is_empty() {
            self.code.write().take();
        }
        dropped.len()
    }

    fn idle_since(&self) -> Option<Instant> {
        self.idle.lock().first().map(|warm| warm.since)
    }

    fn give_up_one(&self) -> bool {
        let mut idle = self.idle.lock();
        if idle.is_empty() {
            return false;
        }
        let oldest = idle.remove(0);
        drop(idle);
        drop(oldest);
        true
    }

    fn keep_warm(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let there = |pool: &Pool<R>| {
                let most = pool.options.max_concurrency.max(1) as usize;
                pool.idle.lock().len() + most.saturating_sub(pool.running.available_permits())
            };
            while there(self) < self.options.warm as usize {
                match self.fresh().await {
                    Ok(warm) => self.idle.lock().push(warm),
                    Err(error) => {
                        tracing::warn!(component = self.digest, "an instance can't be kept warm: {error}");
                        break;
                    }
                }
            }
        })
    }
}

impl ModelOptions {
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            deadline: self.deadline,
            memory_bytes: self.memory_bytes,
            output_bytes: self.output_bytes,
            ..Limits::small()
        }
    }
}
