//! A model: the hot path from tensors to tensors.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use futures::FutureExt;
use serde::{Deserialize, Serialize};
use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};

use crate::bindings::exports::modelyard::lifecycle::scoring;
use crate::budget::Idle;
use crate::call::{self, Cost, Ended};
use crate::check;
use crate::error::{CallError, Fault};
use crate::host::State;
use crate::kind::Kind;
use crate::pool::{Call, Pool, Role, Warm};
use crate::runtime::{Runtime, Source};
use crate::types::{Signature, Tensor};

/// How a deployed model, or a transformer, is kept and what a call may take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelOptions {
    /// Calls that one instance serves; 0 or 1: a fresh instance for each call.
    pub reuse: u32,
    /// Calls that run at one time.
    pub max_concurrency: u32,
    /// Calls that wait; more are answered [`Fault::Busy`].
    pub queue: u32,
    /// Wall-clock time of one call, and of waiting for one.
    pub deadline: Duration,
    /// Sum over an instance's linear memories, in bytes.
    pub memory_bytes: usize,
    /// Bytes that one call may give.
    pub output_bytes: usize,
    /// After this time without a call an instance is dropped.
    pub idle_after: Duration,
    /// After this time without a call the code is unmapped, too.
    pub unmap_after: Duration,
    /// Instances that are kept warm however long they are idle, unless the
    /// host's memory is used up.
    pub warm: u32,
    /// Whether a component that imports WASI may run; see
    /// [`Capability::Wasi`](crate::Capability::Wasi).
    pub wasi: bool,
    /// What the model takes and gives. With it inputs and outputs are checked;
    /// without it only that shapes fit their elements.
    pub signature: Option<Signature>,
}

impl Default for ModelOptions {
    fn default() -> ModelOptions {
        ModelOptions {
            reuse: 10_000,
            max_concurrency: 64,
            queue: 256,
            deadline: Duration::from_secs(10),
            memory_bytes: 1 << 30,
            output_bytes: 64 << 20,
            idle_after: Duration::from_secs(60),
            unmap_after: Duration::from_secs(600),
            warm: 0,
            wasi: false,
            signature: None,
        }
    }
}

/// What one call took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Timings {
    /// Microseconds until the call could run.
    pub queue_us: u64,
    /// Microseconds to make an instance; 0 for a warm one.
    pub instantiate_us: u64,
    /// Microseconds in the model.
    pub compute_us: u64,
    /// Microseconds in which a thread was held, for metering.
    pub cpu_us: u64,
    /// Bytes of linear memory that the instance holds.
    pub memory_bytes: u64,
}

/// What a model holds now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Warm instances between calls.
    pub idle: usize,
    /// Calls that run.
    pub running: usize,
    /// Calls that wait.
    pub waiting: usize,
    /// Linear memory of the idle instances, in bytes.
    pub idle_memory_bytes: u64,
    /// Whether the code is mapped.
    pub mapped: bool,
}

/// A model that can be called. Cheap to clone.
#[derive(Clone)]
pub struct Model(Arc<Pool<Scoring>>);

pub(crate) struct Scoring;

impl Role for Scoring {
    type Indices = scoring::GuestIndices;
    type Guest = scoring::Guest;
    const KIND: Kind = Kind::Scoring;

    fn indices(pre: &InstancePre<State>) -> wasmtime::Result<scoring::GuestIndices> {
        scoring::GuestIndices::new(pre)
    }

    fn guest(
        indices: &scoring::GuestIndices,
        store: &mut Store<State>,
        instance: &Instance,
    ) -> wasmtime::Result<scoring::Guest> {
        indices.load(store, instance)
    }

    // Nothing to prepare: the snapshot holds the loaded model.
}

impl Model {
    pub(crate) fn new(runtime: Runtime, digest: &str, source: Source, options: ModelOptions) -> Model {
        Model(Pool::new(runtime, digest, source, Scoring, options))
    }

    pub(crate) fn idle(&self) -> Weak<dyn Idle> {
        self.0.as_idle()
    }

    /// The component's digest.
    pub fn digest(&self) -> &str {
        self.0.digest()
    }

    /// Its options.
    pub fn options(&self) -> &ModelOptions {
        &self.0.options
    }

    /// Scores a batch.
    ///
    /// # Errors
    /// [`Fault::InvalidInput`] for tensors that the signature doesn't take,
    /// [`Fault::Busy`] when the queue is full, and whatever the model does.
    pub async fn predict(&self, inputs: Vec<Tensor>) -> Result<(Vec<Tensor>, Timings), CallError> {
        let batch = self.check(&inputs)?;
        let start = Instant::now();
        let _permit = self.0.enter().await?;
        let queued = start.elapsed();
        let (warm, instantiate) = self.0.take().await?;
        let predict: Call<Scoring, _> =
            Box::new(move |store, guest| async move { guest.call_predict(store, &inputs).await }.boxed());
        let (mut warm, outcome, cost) = self.0.run(warm, predict).await;
        let outcome = call::settle(&mut warm.store, outcome).and_then(|outputs| self.checked(outputs, batch));
        let timings = timings(queued, instantiate, cost, warm.store.data());
        match outcome {
            Ok(outputs) => {
                self.0.put_back(warm);
                Ok((outputs, timings))
            }
            Err(ended) => Err(failed(&self.0, warm, ended)),
        }
    }

    fn check(&self, inputs: &[Tensor]) -> Result<Option<i64>, CallError> {
        match &self.0.options.signature {
            Some(signature) => check::inputs(signature, inputs).map_err(Fault::InvalidInput)?,
            None => {
                if let Some(message) = inputs.iter().find_map(|input| check::tensor(input).err()) {
                    let input =
                        crate::types::InvalidInput { message, parameter: None, column: None, row: None };
                    return Err(Fault::InvalidInput(input).into());
                }
            }
        }
        Ok(inputs.first().and_then(|input| input.shape.first().copied()))
    }

    fn checked(&self, outputs: Vec<Tensor>, batch: Option<i64>) -> Result<Vec<Tensor>, Ended> {
        let bad = |what: String| Ended::Guest(Fault::BadOutput(what));
        match &self.0.options.signature {
            Some(signature) => check::outputs(signature, &outputs, batch).map_err(bad)?,
            None => outputs.iter().try_for_each(check::tensor).map_err(bad)?,
        }
        Ok(outputs)
    }

    /// Drops instances that have been idle for long enough, and the code of a
    /// model idle for longer; gives the number of instances.
    pub fn evict_idle(&self, now: Instant) -> usize {
        self.0.evict_idle(now)
    }

    /// Makes the instances that are to be warm and aren't.
    pub async fn keep_warm(&self) {
        self.0.keep_warm().await;
    }

    /// What it holds now.
    pub fn stats(&self) -> Stats {
        self.0.stats()
    }
}

pub(crate) fn timings(queued: Duration, instantiate: Duration, cost: Cost, state: &State) -> Timings {
    let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    Timings {
        queue_us: micros(queued),
        instantiate_us: micros(instantiate),
        compute_us: micros(cost.wall),
        cpu_us: micros(cost.busy),
        memory_bytes: state.memory.bytes as u64,
    }
}

/// Ends a failed call: the instance is kept only if the guest itself said no.
pub(crate) fn failed<R: Role>(pool: &Pool<R>, mut warm: Warm<R>, ended: Ended) -> CallError {
    let log = warm.store.data_mut().take_log();
    match ended {
        Ended::Guest(fault) => {
            pool.put_back(warm);
            CallError { fault, log }
        }
        Ended::Broken(fault) => CallError { fault, log },
    }
}
