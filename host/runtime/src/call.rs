//! One guarded call: its deadline, and what its failure means.
//!
//! A guest gives way to the executor at every tick of the epoch
//! ([`TICK`](crate::engine::TICK)), so that a long computation blocks an async
//! worker for 2 ms at a time and no longer, while a short one (most predictions
//! take microseconds) never leaves the thread that decoded the request: no
//! hand-over to a blocking pool, no copy. A long one moves to other threads
//! ([`background`](crate::background)). The epoch callback is also where the
//! deadline is kept while guest code runs; a host call that hangs is cut by the
//! timer around the whole call.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::component::ResourceTableError;
use wasmtime::{Engine, Store, StoreContextMut, Trap, UpdateDeadline, WasmBacktrace, WasmCoreDump};

use crate::budget::Budget;
use crate::child::RETRY;
use crate::engine::{TICK, Ticker};
use crate::error::Fault;
use crate::grants::Grants;
use crate::host::State;
use crate::options::Limits;
use crate::types::GuestError;

/// Frames of a guest's stack that are kept.
const FRAMES: usize = 64;
/// What a guest leaves in its memory before the text of a panic; the text's
/// length follows as a little-endian u32. See `sdk/rust/src/panic.rs`.
const PANIC_MARKER: &[u8; 16] = b"\x7fmodelyard-panic";
/// Bytes of a panic's text that are read.
const PANIC_TEXT: usize = 4096;

/// A store with its limits in place.
pub(crate) fn store(engine: &Engine, budget: &Arc<Budget>, limits: Limits, grants: Grants) -> Store<State> {
    let mut store = Store::new(engine, State::new(Arc::clone(budget), limits, grants));
    store.limiter(|state| &mut state.memory);
    store.set_hostcall_fuel(limits.output_bytes);
    store.set_max_component_handles(limits.handles);
    store.epoch_deadline_callback(at_epoch);
    store.set_epoch_deadline(1);
    store
}

fn at_epoch(mut context: StoreContextMut<'_, State>) -> wasmtime::Result<UpdateDeadline> {
    let state = context.data_mut();
    if Instant::now() < state.deadline {
        return Ok(UpdateDeadline::Yield(1));
    }
    state.tripped = Some(Fault::Deadline(state.limits().deadline));
    Ok(UpdateDeadline::Interrupt)
}

/// What a call cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    pub(crate) wall: Duration,
    /// Time in which the call held a thread.
    pub(crate) busy: Duration,
}

/// Readies a store for a call. The future of the call goes to [`run`].
pub(crate) fn arm(store: &mut Store<State>) -> Instant {
    store.data_mut().arm();
    store.set_epoch_deadline(1);
    store.data().deadline
}

/// Runs a call until its end or its deadline.
pub(crate) async fn run<T>(
    ticker: &Arc<Ticker>,
    deadline: Instant,
    call: impl Future<Output = wasmtime::Result<T>>,
) -> (Option<wasmtime::Result<T>>, Cost) {
    let _ticking = ticker.enter();
    let start = Instant::now();
    let mut busy = Duration::ZERO;
    let mut call = pin!(call);
    let timed = poll_fn(|context| {
        let start = Instant::now();
        let poll = call.as_mut().poll(context);
        busy += start.elapsed();
        poll
    });
    // The epoch callback comes first where guest code runs; it has the stack.
    let last = tokio::time::Instant::from_std(deadline + 4 * TICK);
    let outcome = tokio::time::timeout_at(last, timed).await.ok();
    (outcome, Cost { wall: start.elapsed(), busy })
}

/// The meaning of a call's end.
///
/// `Ended::Guest` leaves the instance usable; after `Ended::Broken` its store
/// must be thrown away.
pub(crate) enum Ended {
    Guest(Fault),
    Broken(Fault),
}

impl Ended {
    pub(crate) fn fault(self) -> Fault {
        match self {
            Ended::Guest(fault) | Ended::Broken(fault) => fault,
        }
    }
}

/// Turns the outcome of [`run`] into a value or a fault.
pub(crate) fn settle<T>(
    store: &mut Store<State>,
    outcome: Option<wasmtime::Result<Result<T, GuestError>>>,
) -> Result<T, Ended> {
    match outcome {
        Some(Ok(Ok(value))) => Ok(value),
        Some(Ok(Err(error))) => Err(Ended::Guest(error.into())),
        Some(Err(error)) => Err(Ended::Broken(fault(store, &error))),
        None => Err(Ended::Broken(Fault::Deadline(store.data().limits().deadline))),
    }
}

/// What an error of the engine means to the caller.
pub(crate) fn fault(store: &mut Store<State>, error: &wasmtime::Error) -> Fault {
    let limits = *store.data().limits();
    if let Some(tripped) = store.data_mut().tripped.take() {
        return tripped;
    }
    let crowded = store.data().memory.crowded;
    if crowded || error.downcast_ref::<wasmtime::PoolConcurrencyLimitError>().is_some() {
        return Fault::Busy { retry_after: RETRY };
    }
    // These two are private types of the engine: known by their text alone,
    // which a test holds on to.
    let text = format!("{error:#}");
    if text.contains("fuel allocated for hostcalls") {
        return Fault::OutputTooLarge(limits.output_bytes);
    }
    let full = error.downcast_ref::<ResourceTableError>();
    if text.contains("handle limit exceeded") || matches!(full, Some(ResourceTableError::Full)) {
        return Fault::TooManyHandles(limits.handles);
    }
    let backtrace = backtrace(error);
    let panic = error.downcast_ref::<WasmCoreDump>().and_then(|dump| panic_text(store, dump));
    let starved = store.data().memory.denied;
    match panic {
        Some(message) if !starved || !message.contains("alloc") => Fault::Panicked { message, backtrace },
        _ if starved => Fault::OutOfMemory(limits.memory_bytes),
        _ => match error.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) => Fault::Deadline(limits.deadline),
            Some(trap) => Fault::Trapped { message: trap.to_string(), backtrace },
            None => Fault::Trapped { message: format!("{:#}", error.root_cause()), backtrace },
        },
    }
}

fn backtrace(error: &wasmtime::Error) -> String {
    let frames = match (error.downcast_ref::<WasmBacktrace>(), error.downcast_ref::<WasmCoreDump>()) {
        (Some(backtrace), _) => backtrace.frames(),
        (None, Some(dump)) => dump.frames(),
        (None, None) => return String::new(),
    };
    let mut lines = Vec::new();
    for frame in frames.iter().take(FRAMES) {
        let name = match frame.symbols().iter().find_map(|symbol| symbol.name()).or_else(|| frame.func_name())
        {
            Some(name) => format!("{:#}", rustc_demangle::demangle(name)),
            None => format!("function {}", frame.func_index()),
        };
        match frame.module_offset() {
            Some(offset) => lines.push(format!("{name} at {offset:#x}")),
            None => lines.push(name),
        }
    }
    if frames.len() > FRAMES {
        lines.push(format!("… {} more", frames.len() - FRAMES));
    }
    lines.join("\n")
}

/// The text of a panic that the guest left in one of its memories.
fn panic_text(store: &Store<State>, dump: &WasmCoreDump) -> Option<String> {
    dump.memories().iter().find_map(|memory| marked(memory.data(store)))
}

/// The text behind the first marker that has one.
fn marked(memory: &[u8]) -> Option<String> {
    // The guest keeps it at a multiple of 4. A copy that its compiler made, or a
    // buffer that holds no message yet, is passed over.
    memory.chunks_exact(4).enumerate().filter(|(_, word)| PANIC_MARKER.starts_with(word)).find_map(
        |(index, _)| {
            let rest = memory.get(index * 4..)?.strip_prefix(PANIC_MARKER)?;
            let (length, text) = rest.split_first_chunk::<4>()?;
            let length = u32::from_le_bytes(*length) as usize;
            let text = std::str::from_utf8(text.get(..length.min(PANIC_TEXT + 1))?).ok()?;
            (1..=PANIC_TEXT).contains(&length).then(|| text.to_owned())
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panic_texts_are_found() {
        let mut memory = vec![0; 64];
        assert_eq!(marked(&memory), None);
        memory.extend(PANIC_MARKER);
        memory.extend(0u32.to_le_bytes());
        memory.extend([0; 12]);
        assert_eq!(marked(&memory), None, "a marker without a text");
        memory.extend(PANIC_MARKER);
        memory.extend([0xff; 16]);
        assert_eq!(marked(&memory), None, "a stray marker");
        memory.extend(PANIC_MARKER);
        memory.extend(5u32.to_le_bytes());
        memory.extend(b"oh no and more");
        assert_eq!(marked(&memory).as_deref(), Some("oh no"));
    }
}
