//! The host's side of a call: what a store holds, and the imported functions.

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use wasmtime::component::{Resource, ResourceTable};
use wasmtime::{ResourceLimiter, Result, bail};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_config::{WasiConfig, WasiConfigVariables};
use wasmtime_wasi_http::p2::body::HostOutgoingBody;
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::bindings::modelyard::lifecycle::{log, objects, progress, tables, types};
use crate::budget::Budget;
use crate::error::{Fault, Log, LogLine};
use crate::grants::{BatchSource, Grants, Object};
use crate::options::Limits;
use crate::outbound::Hooks;
use crate::output::Printed;
use crate::types::{Field, GuestError, Table};

/// Bytes of one log line that are kept.
pub(crate) const LINE: usize = 4096;
/// Elements of one table: about 16 MB of host memory.
const TABLE_ELEMENTS: usize = 1_000_000;
/// Bytes that one call of `wasi:random` gives.
const RANDOM: u64 = 64 << 10;

/// An object that a guest holds open.
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct OpenObject(Box<dyn Object>);

/// A table that a guest is reading.
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct OpenReader {
    source: Box<dyn BatchSource>,
    schema: Vec<Field>,
    rows: u64,
}

/// What belongs to one store.
pub(crate) struct State {
    table: ResourceTable,
    wasi: Option<WasiCtx>,
    http: WasiHttpCtx,
    hooks: Hooks,
    printed: Option<Printed>,
    grants: Grants,
    limits: Limits,
    /// When the call under way must be over.
    pub(crate) deadline: Instant,
    host_calls: u64,
    pub(crate) log: Log,
    /// Why the host stopped the guest, where it did.
    pub(crate) tripped: Option<Fault>,
    pub(crate) memory: Memory,
}

impl State {
    pub(crate) fn new(budget: Arc<Budget>, limits: Limits, grants: Grants) -> State {
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles);
        State {
            table,
            wasi: None,
            http: WasiHttpCtx::new(),
            hooks: Hooks::new(grants.outbound.clone()),
            printed: None,
            grants,
            limits,
            deadline: Instant::now() + limits.deadline,
            host_calls: 0,
            log: Log::default(),
            tripped: None,
            memory: Memory::new(budget, limits.memory_bytes),
        }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Begins a call: its own deadline, host calls and log.
    pub(crate) fn arm(&mut self) {
        self.deadline = Instant::now() + self.limits.deadline;
        self.host_calls = 0;
        self.tripped = None;
        self.log = Log::default();
        if let Some(printed) = &self.printed {
            printed.arm(self.limits.log_lines);
        }
    }

    /// The call's log, for whoever is told that it failed: what was logged, and
    /// what was printed last.
    pub(crate) fn take_log(&mut self) -> Log {
        let mut log = std::mem::take(&mut self.log);
        if let Some(printed) = &self.printed {
            log.lines.extend(printed.last());
        }
        log
    }

    /// Whether the guest still holds a body of a response, not finished.
    pub(crate) fn has_open_body(&mut self) -> bool {
        self.table.iter_mut().any(|entry| entry.is::<HostOutgoingBody>())
    }

    /// What `wasi:config/store` gives.
    pub(crate) fn config(&mut self) -> WasiConfig<'_> {
        static NOTHING: LazyLock<WasiConfigVariables> = LazyLock::new(WasiConfigVariables::new);
        WasiConfig::from(self.grants.environment.as_ref().map_or(&*NOTHING, |granted| &granted.config))
    }

    /// Lends a table to the guest for one call.
    pub(crate) fn lend(&mut self, source: Box<dyn BatchSource>) -> Result<Lent> {
        let reader = OpenReader { schema: source.schema(), rows: source.rows(), source };
        Ok(Lent(self.table.push(reader)?.rep()))
    }

    /// Takes a lent table back.
    pub(crate) fn take_back(&mut self, lent: &Lent) {
        // Already gone only if the guest could delete it, which a borrow can't.
        let _ = self.table.delete(Resource::<OpenReader>::new_own(lent.0));
    }

    fn trip<T>(&mut self, fault: Fault) -> Result<T> {
        let message = fault.to_string();
        self.tripped = Some(fault);
        bail!(message)
    }

    fn host_call(&mut self) -> Result<()> {
        self.host_calls += 1;
        match self.host_calls > self.limits.host_calls {
            true => self.trip(Fault::TooManyHostCalls(self.limits.host_calls)),
            false => Ok(()),
        }
    }

    fn note(&mut self, level: log::Level, mut message: String) {
        if self.log.lines.len() >= self.limits.log_lines {
            self.log.dropped += 1;
            return;
        }
        if message.len() > LINE {
            let cut = (0..=LINE).rev().find(|&at| message.is_char_boundary(at)).unwrap_or(0);
            message.truncate(cut);
            message.shrink_to_fit();
        }
        if let Some(output) = &self.grants.output {
            output.line(level, &message);
        }
        self.log.lines.push(LogLine { level, message });
    }
}

/// A table lent to a guest, to be taken back after the call.
pub(crate) struct Lent(u32);

impl Lent {
    pub(crate) fn borrow(&self) -> Resource<OpenReader> {
        Resource::new_borrow(self.0)
    }
}

/// The sum over all linear memories of a store, its bound, and the host's.
pub(crate) struct Memory {
    budget: Arc<Budget>,
    limit: usize,
    pub(crate) bytes: usize,
    pub(crate) peak: usize,
    /// Whether the guest was refused memory that its own bound doesn't allow.
    pub(crate) denied: bool,
    /// Whether it was refused memory that the host doesn't have.
    pub(crate) crowded: bool,
    granted: usize,
}

impl Memory {
    fn new(budget: Arc<Budget>, limit: usize) -> Memory {
        Memory { budget, limit, bytes: 0, peak: 0, denied: false, crowded: false, granted: 0 }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.budget.give(self.bytes as u64);
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        self.granted = 0;
        if maximum.is_some_and(|maximum| desired > maximum) {
            self.denied = true;
            return Ok(false);
        }
        let more = desired.saturating_sub(current);
        let total = self.bytes.saturating_add(more);
        if total > self.limit {
            self.denied = true;
            return Ok(false);
        }
        if more > 0 && !self.budget.take(more as u64) {
            self.crowded = true;
            return Ok(false);
        }
        self.granted = more;
        self.bytes = total;
        self.peak = self.peak.max(total);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> Result<()> {
        let granted = std::mem::take(&mut self.granted);
        self.budget.give(granted as u64);
        self.bytes = self.bytes.saturating_sub(granted);
        self.denied = true;
        Ok(())
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        Ok(desired <= TABLE_ELEMENTS)
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let ctx = self.wasi.get_or_insert_with(|| {
            let mut ctx = WasiCtxBuilder::new();
            ctx.allow_tcp(false).allow_udp(false).max_random_size(RANDOM);
            if let Some(environment) = &self.grants.environment {
                ctx.envs(&environment.variables);
            }
            if let Some(output) = &self.grants.output {
                let printed = Printed::new(Arc::clone(output), self.limits.log_lines);
                ctx.stdout(printed.stream(log::Level::Info)).stderr(printed.stream(log::Level::Warn));
                self.printed = Some(printed);
            }
            ctx.build()
        });
        WasiCtxView { ctx, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.hooks, table: &mut self.table, ctx: &mut self.http }
    }
}

impl types::Host for State {}

impl log::Host for State {
    fn log(&mut self, level: log::Level, message: String) -> Result<()> {
        self.host_call()?;
        if self.grants.log {
            self.note(level, message);
        }
        Ok(())
    }
}

impl progress::Host for State {
    fn report(&mut self, fraction: f64, message: String) -> Result<()> {
        self.host_call()?;
        if let Some(progress) = &self.grants.progress {
            progress.report(fraction, &message);
        }
        Ok(())
    }

    fn metric(&mut self, name: String, step: u64, value: f64) -> Result<()> {
        self.host_call()?;
        if let Some(progress) = &self.grants.progress {
            progress.metric(&name, step, value);
        }
        Ok(())
    }

    fn cancelled(&mut self) -> Result<bool> {
        self.host_call()?;
        Ok(self.grants.progress.as_ref().is_some_and(|progress| progress.cancelled()))
    }
}

impl objects::Host for State {
    async fn open(&mut self, request: objects::Request) -> Result<Result<Resource<OpenObject>, GuestError>> {
        self.host_call()?;
        let Some(objects) = self.grants.objects.clone() else {
            return Ok(Err(GuestError::Unsupported("no objects were granted".into())));
        };
        match objects.open(&request.url, &request.headers).await {
            Ok(object) => match self.table.push(OpenObject(object)) {
                Ok(handle) => Ok(Ok(handle)),
                Err(_) => self.trip(Fault::TooManyHandles(self.limits.handles)),
            },
            Err(error) => Ok(Err(error)),
        }
    }
}

impl objects::HostObject for State {
    fn size(&mut self, object: Resource<OpenObject>) -> Result<u64> {
        self.host_call()?;
        Ok(self.table.get(&object)?.0.size())
    }

    fn version(&mut self, object: Resource<OpenObject>) -> Result<String> {
        self.host_call()?;
        Ok(self.table.get(&object)?.0.version())
    }

    fn header(&mut self, object: Resource<OpenObject>, name: String) -> Result<Option<String>> {
        self.host_call()?;
        Ok(self.table.get(&object)?.0.header(&name))
    }

    async fn read(
        &mut self,
        object: Resource<OpenObject>,
        offset: u64,
        length: u32,
    ) -> Result<Result<Vec<u8>, GuestError>> {
        self.host_call()?;
        let object = self.table.get_mut(&object)?;
        let mut bytes = object.0.read(offset, length).await;
        if let Ok(bytes) = &mut bytes {
            // A source that gives more than was asked for can't overrun a guest
            // that trusts the contract.
            bytes.truncate(length as usize);
        }
        Ok(bytes)
    }

    fn drop(&mut self, object: Resource<OpenObject>) -> Result<()> {
        self.table.delete(object)?;
        Ok(())
    }
}

impl tables::Host for State {}

impl tables::HostReader for State {
    fn schema(&mut self, reader: Resource<OpenReader>) -> Result<Vec<Field>> {
        self.host_call()?;
        Ok(self.table.get(&reader)?.schema.clone())
    }

    fn rows(&mut self, reader: Resource<OpenReader>) -> Result<u64> {
        self.host_call()?;
        Ok(self.table.get(&reader)?.rows)
    }

    async fn next(
        &mut self,
        reader: Resource<OpenReader>,
        max_rows: u32,
    ) -> Result<Result<Option<Table>, GuestError>> {
        self.host_call()?;
        let reader = self.table.get_mut(&reader)?;
        let batch = reader.source.next(max_rows).await.and_then(|batch| match batch {
            Some(batch) => held(batch, &reader.schema, max_rows).map(Some),
            None => Ok(None),
        });
        Ok(batch.map_err(GuestError::Internal))
    }

    async fn rewind(&mut self, reader: Resource<OpenReader>) -> Result<Result<(), GuestError>> {
        self.host_call()?;
        Ok(self.table.get_mut(&reader)?.source.rewind().await.map_err(GuestError::Internal))
    }

    fn drop(&mut self, reader: Resource<OpenReader>) -> Result<()> {
        self.table.delete(reader)?;
        Ok(())
    }
}

/// A batch that keeps its source's promises.
fn held(batch: Table, schema: &[Field], max_rows: u32) -> Result<Table, String> {
    let rows = crate::check::table(&batch).map_err(|fault| format!("the table's source: {fault}"))?;
    crate::check::schema(&batch, schema).map_err(|fault| format!("the table's source: {fault}"))?;
    if rows > max_rows as usize {
        return Err(format!("the table's source gave {rows} rows where {max_rows} were asked for"));
    }
    Ok(batch)
}
