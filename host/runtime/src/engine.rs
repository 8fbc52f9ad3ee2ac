//! The engine's configuration, the probe for pooling, and the epoch ticker.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

use parking_lot::Mutex;
use wasmtime::component::Linker;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails,
};

use crate::bindings::modelyard::lifecycle::{log, objects, progress, tables, types};
use crate::error::Error;
use crate::host::State;
use crate::options::Options;

/// How often running guests give way to other work, and how finely deadlines
/// are kept.
pub(crate) const TICK: Duration = Duration::from_millis(2);

/// Ticks without a running guest after which the ticker sleeps.
const IDLE_TICKS: u32 = 250;

/// Part of the compiled code's key: raised when `config` changes in a way that
/// the engine's own compatibility hash doesn't see.
const CONFIG: u32 = 1;

/// Virtual memory kept for one linear memory, and the guard behind it. Both
/// are compiled into the code, so they are the same with and without pooling.
const RESERVATION: u64 = 4 << 30;
const GUARD: u64 = 32 << 20;

/// What decides which components are valid and what their code looks like: the
/// same here and in the compiling child.
pub(crate) fn config() -> Config {
    let mut config = features();
    config.epoch_interruption(true);
    config.memory_reservation(RESERVATION);
    config.memory_guard_size(GUARD);
    config.memory_may_move(false);
    config.memory_init_cow(true);
    // Snapshots may be sparse in places; mapping them is what makes a model
    // start in a millisecond. Not higher: two bytes that far apart in a tiny
    // component become a file of that size.
    config.memory_guaranteed_dense_image_size(64 << 20);
    config
}

/// A configuration without large reservations, for a snapshot inside an
/// address-space limit. Its code is used once and thrown away.
pub(crate) fn frugal_config() -> Config {
    let mut config = features();
    config.memory_reservation(0);
    config.memory_reservation_for_growth(16 << 20);
    config.memory_guard_size(0);
    config.memory_may_move(true);
    config.memory_init_cow(false);
    // Compiled once, run once: compile time counts more than speed.
    config.cranelift_opt_level(wasmtime::OptLevel::None);
    config
}

fn features() -> Config {
    let mut config = Config::new();
    config.wasm_component_model(true);
    // Shared memories, 64-bit memories and GC heaps pass by the memory limit.
    config.wasm_threads(false);
    config.wasm_memory64(false);
    config.wasm_gc(false);
    config.wasm_function_references(false);
    // Only WASI 0.3 needs it, and it costs 50 to 100 times on small calls.
    config.concurrency_support(false);
    config.wasm_backtrace_details(WasmBacktraceDetails::Disable);
    config.coredump_on_trap(true);
    config
}

/// An engine with the pooling allocator, or without it where the address space
/// is too small for it.
pub(crate) fn engine(options: &Options) -> Result<(Engine, bool), Error> {
    let failed = |error: wasmtime::Error| Error::Engine(format!("{error:#}"));
    let mut pooled = config();
    pooled.allocation_strategy(InstanceAllocationStrategy::Pooling(pooling(options)));
    match Engine::new(&pooled) {
        Ok(engine) => Ok((engine, true)),
        Err(error) => {
            tracing::warn!("no pooling allocator, instances are allocated on demand: {error:#}");
            Ok((Engine::new(&config()).map_err(failed)?, false))
        }
    }
}

fn pooling(options: &Options) -> PoolingAllocationConfig {
    let instances = options.max_instances.max(1);
    let mut pooling = PoolingAllocationConfig::default();
    pooling.total_component_instances(instances);
    pooling.total_memories(instances);
    pooling.total_tables(instances.saturating_mul(2));
    pooling.total_core_instances(instances.saturating_mul(4));
    pooling.total_stacks(instances);
    pooling.max_memory_size(options.max_memory_bytes.min(RESERVATION as usize));
    pooling.max_tables_per_module(4);
    // Guests in Python and Go have large function tables.
    pooling.table_elements(100_000);
    pooling.max_core_instance_size(4 << 20);
    pooling.max_component_instance_size(4 << 20);
    pooling.linear_memory_keep_resident(2 << 20);
    pooling.table_keep_resident(512 << 10);
    pooling.pagemap_scan(Enabled::Auto);
    pooling
}

/// Everything that the host can link, every version side by side.
pub(crate) fn linker(engine: &Engine) -> Result<Linker<State>, Error> {
    type Own = wasmtime::component::HasSelf<State>;
    let build = || -> wasmtime::Result<Linker<State>> {
        let mut linker = Linker::<State>::new(engine);
        types::add_to_linker::<State, Own>(&mut linker, |state| state)?;
        log::add_to_linker::<State, Own>(&mut linker, |state| state)?;
        progress::add_to_linker::<State, Own>(&mut linker, |state| state)?;
        objects::add_to_linker::<State, Own>(&mut linker, |state| state)?;
        tables::add_to_linker::<State, Own>(&mut linker, |state| state)?;
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
        wasmtime_wasi_config::add_to_linker(&mut linker, State::config)?;
        Ok(linker)
    };
    build().map_err(|error| Error::Engine(format!("{error:#}")))
}

/// A short name for everything that decides whether compiled code fits.
pub(crate) fn fingerprint(engine: &Engine) -> String {
    let mut hasher = std::hash::DefaultHasher::new();
    CONFIG.hash(&mut hasher);
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// Advances the engine's epoch while guests run, and sleeps while none does.
pub(crate) struct Ticker {
    active: AtomicUsize,
    parked: AtomicBool,
    thread: Mutex<Option<Thread>>,
}

impl Ticker {
    /// Starts the ticker; it ends when the last handle is dropped.
    pub(crate) fn start(engine: &Engine) -> Result<Arc<Ticker>, Error> {
        let ticker = Arc::new(Ticker {
            active: AtomicUsize::new(0),
            parked: AtomicBool::new(false),
            thread: Mutex::new(None),
        });
        let weak = Arc::downgrade(&ticker);
        let engine = engine.weak();
        let handle = thread::Builder::new()
            .name("epochs".into())
            .spawn(move || {
                let mut idle = 0;
                loop {
                    thread::sleep(TICK);
                    let (Some(ticker), Some(engine)) = (weak.upgrade(), engine.upgrade()) else { return };
                    engine.increment_epoch();
                    idle = if ticker.active.load(Ordering::SeqCst) == 0 { idle + 1 } else { 0 };
                    if idle > IDLE_TICKS {
                        ticker.parked.store(true, Ordering::SeqCst);
                        // Looked at again after saying so: whoever came between
                        // has seen the flag and unparks, or is seen here.
                        let sleeps = ticker.active.load(Ordering::SeqCst) == 0;
                        drop((ticker, engine));
                        if sleeps {
                            thread::park_timeout(Duration::from_secs(1));
                        }
                        if let Some(ticker) = weak.upgrade() {
                            ticker.parked.store(false, Ordering::SeqCst);
                        }
                    }
                }
            })
            .map_err(|error| Error::Engine(format!("the epoch thread: {error}")))?;
        *ticker.thread.lock() = Some(handle.thread().clone());
        Ok(ticker)
    }

    /// Keeps the epochs moving until the guard is dropped.
    pub(crate) fn enter(self: &Arc<Ticker>) -> Ticking {
        self.active.fetch_add(1, Ordering::SeqCst);
        if self.parked.load(Ordering::SeqCst)
            && let Some(thread) = self.thread.lock().as_ref()
        {
            thread.unpark();
        }
        Ticking(Arc::clone(self))
    }
}

/// A guest is running.
pub(crate) struct Ticking(Arc<Ticker>);

impl Drop for Ticking {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::SeqCst);
    }
}
