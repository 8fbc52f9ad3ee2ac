//! The host's side of a call: what a store holds, and the imported functions.

use std::time::Instant;

use wasmtime::component::{Resource, ResourceTable};
use wasmtime::{ResourceLimiter, Result, bail};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use crate::bindings::modelyard::lifecycle::{log, objects, progress, tables, types};
use crate::error::{Fault, Log, LogLine};
use crate::grants::{BatchSource, Grants, Object};
use crate::options::Limits;
use crate::types::{Field, GuestError, Table};

/// Bytes of one log line that are kept.
const LINE: usize = 4096;
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
    pub(crate) fn new(limits: Limits, grants: Grants) -> State {
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles);
        State {
            table,
            wasi: None,
            grants,
            limits,
            deadline: Instant::now() + limits.deadline,
            host_calls: 0,
            log: Log::default(),
            tripped: None,
            memory: Memory { limit: limits.memory_bytes, ..Memory::default() },
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

/// The sum over all linear memories of a store, and its bound.
#[derive(Default)]
pub(crate) struct Memory {
    limit: usize,
    pub(crate) bytes: usize,
    pub(crate) peak: usize,
    /// Whether the guest was refused memory.
    pub(crate) denied: bool,
    granted: usize,
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        let more = desired.saturating_sub(current);
        let total = self.bytes.saturating_add(more);
        if total > self.limit {
            self.denied = true;
            return Ok(false);
        }
        self.granted = more;
        self.bytes = total;
        self.peak = self.peak.max(total);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> Result<()> {
        self.bytes = self.bytes.saturating_sub(std::mem::take(&mut self.granted));
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
            WasiCtxBuilder::new().allow_tcp(false).allow_udp(false).max_random_size(RANDOM).build()
        });
        WasiCtxView { ctx, table: &mut self.table }
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
