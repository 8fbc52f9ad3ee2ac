//! Adaptive batching: calls that would have to wait go together.
//!
//! A call that finds a free core runs at once and alone; none is held back to
//! wait for company. One that comes while every core computes for the same
//! version queues up; when a core comes free, the first in the queue takes those
//! that fit beside it and all run as one call, each getting its own rows of the
//! answer. Whether that is quicker per row than running alone is measured all
//! the time: while it isn't, calls run as they come, and now and then a few go
//! together to see whether that has changed.

use std::{
    collections::VecDeque,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use modelyard_runtime::{
    Timings,
    types::{Signature, Tensor},
};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};

use super::predictor::Predicted;
use crate::{Code, Error, Result, tensors};

/// Rows that go together at most.
const MOST_ROWS: usize = 64;
/// Rows of a call above which it goes alone.
const SMALL: usize = 8;
/// Of this many calls that find no core free…
const ROUND: u64 = 512;
/// …so many may go together although that was slower.
const PROBES: u64 = 32;

/// What answers calls, alone or together.
pub(super) trait Score: Clone + Send + Sync + 'static {
    fn score(&self, inputs: Vec<Tensor>) -> impl Future<Output = Result<Predicted>> + Send;
}

/// Merges calls of one version.
pub(super) struct Batcher<S> {
    scorer: S,
    /// One for each core.
    cores: Semaphore,
    queue: Mutex<VecDeque<Waiting>>,
    /// Calls that wait; more are answered [`Code::Busy`].
    longest: usize,
    /// The longest that a call waits.
    patience: Duration,
    gain: Arc<Gain>,
    next: AtomicU64,
}

/// A call in the queue.
struct Waiting {
    ticket: u64,
    rows: usize,
    inputs: Vec<Tensor>,
    since: Instant,
    reply: oneshot::Sender<Result<Predicted>>,
}

/// Whether every dimension that a caller gives is a number of rows, so that
/// calls can be put one below the other.
pub(super) fn is_by_row(signature: &Signature) -> bool {
    let mut specs = signature.inputs.iter().chain(&signature.outputs);
    specs.all(|spec| spec.shape.first() == Some(&-1) && spec.shape.iter().skip(1).all(|size| *size >= 0))
}

impl<S: Score> Batcher<S> {
    pub(super) fn new(scorer: S, cores: usize, longest: usize, patience: Duration) -> Self {
        Self {
            scorer,
            cores: Semaphore::new(cores.max(1)),
            queue: Mutex::default(),
            longest,
            patience,
            gain: Arc::default(),
            next: AtomicU64::new(0),
        }
    }

    /// Answers one call.
    pub(super) async fn call(&self, inputs: Vec<Tensor>, rows: usize) -> Result<Predicted> {
        if rows > SMALL {
            return self.scorer.score(inputs).await;
        }
        match self.cores.try_acquire() {
            Ok(core) => self.alone(core, inputs, rows).await,
            Err(_) if self.gain.is_worth_it() => Box::pin(self.together(inputs, rows)).await,
            Err(_) => self.scorer.score(inputs).await,
        }
    }

    async fn alone(&self, _core: SemaphorePermit<'_>, inputs: Vec<Tensor>, rows: usize) -> Result<Predicted> {
        let predicted = self.scorer.score(inputs).await?;
        self.gain.alone.record(&predicted.timings, rows);
        Ok(predicted)
    }

    /// Waits for a core, or for somebody who has one.
    async fn together(&self, inputs: Vec<Tensor>, rows: usize) -> Result<Predicted> {
        let (reply, answer) = oneshot::channel();
        let ticket = self.next.fetch_add(1, Relaxed);
        {
            let mut queue = self.queue.lock();
            queue.retain(|waiting| !waiting.reply.is_closed());
            if queue.len() >= self.longest {
                return Err(busy());
            }
            queue.push_back(Waiting { ticket, rows, inputs, since: Instant::now(), reply });
        }
        let mut answer = std::pin::pin!(answer);
        let waited = tokio::time::timeout(self.patience, async {
            tokio::select! {
                biased;
                answered = &mut answer => Turn::Answered(answered),
                core = self.cores.acquire() => Turn::Core(core.ok()),
            }
        });
        let answered = match waited.await {
            Err(_) => return Err(busy()),
            Ok(Turn::Answered(answered)) => answered,
            Ok(Turn::Core(core)) => match self.company(ticket) {
                Some((first, others)) => return self.lead(core, first, others).await,
                // Somebody has taken the call along meanwhile.
                None => {
                    drop(core);
                    answer.await
                }
            },
        };
        answered.unwrap_or_else(|_| Err(lost()))
    }

    /// The call with this ticket and those of the queue that fit beside it.
    fn company(&self, ticket: u64) -> Option<(Waiting, Vec<Waiting>)> {
        let mut queue = self.queue.lock();
        let at = queue.iter().position(|waiting| waiting.ticket == ticket)?;
        let first = queue.remove(at)?;
        let mut rows = first.rows;
        let (mut others, mut left) = (Vec::new(), VecDeque::with_capacity(queue.len()));
        for waiting in queue.drain(..) {
            if waiting.reply.is_closed() {
                continue;
            }
            if rows + waiting.rows <= MOST_ROWS && tensors::fit_together(&first.inputs, &waiting.inputs) {
                rows += waiting.rows;
                others.push(waiting);
            } else {
                left.push_back(waiting);
            }
        }
        *queue = left;
        Some((first, others))
    }

    /// Runs a call and its company; answers the others and gives its own answer.
    async fn lead(
        &self,
        _core: Option<SemaphorePermit<'_>>,
        first: Waiting,
        others: Vec<Waiting>,
    ) -> Result<Predicted> {
        let waited = first.since.elapsed();
        if others.is_empty() {
            let mut predicted = self.scorer.score(first.inputs).await?;
            self.gain.alone.record(&predicted.timings, first.rows);
            predicted.timings.queue_us += micros(waited);
            return Ok(predicted);
        }
        let (scorer, gain) = (self.scorer.clone(), self.gain.clone());
        // On its own feet: the others are answered even if this caller leaves.
        let (mine, own) = oneshot::channel();
        let first = Waiting { reply: mine, ..first };
        let batch = std::iter::once(first).chain(others).collect();
        tokio::spawn(run(scorer, gain, batch));
        own.await.unwrap_or_else(|_| Err(lost()))
    }
}

enum Turn<'a> {
    Answered(Result<Result<Predicted>, oneshot::error::RecvError>),
    Core(Option<SemaphorePermit<'a>>),
}

/// Runs calls as one and answers each. Where that fails by somebody's fault,
/// each runs alone, so that only whose fault it was gets to know it.
async fn run<S: Score>(scorer: S, gain: Arc<Gain>, batch: Vec<Waiting>) {
    let started = Instant::now();
    let sizes: Vec<usize> = batch.iter().map(|one| one.rows).collect();
    let merged = tensors::merge(batch.iter().map(|one| one.inputs.as_slice()));
    match scorer.score(merged).await {
        Ok(predicted) => match tensors::split(predicted.outputs, &sizes) {
            Some(outputs) => {
                gain.together.record(&predicted.timings, sizes.iter().sum());
                for (one, outputs) in batch.into_iter().zip(outputs) {
                    let waited = started.saturating_duration_since(one.since);
                    let timings = Timings {
                        queue_us: predicted.timings.queue_us + micros(waited),
                        cpu_us: predicted.timings.cpu_us / sizes.len() as u64,
                        memory_bytes: predicted.timings.memory_bytes / sizes.len() as u64,
                        ..predicted.timings
                    };
                    let _ = one.reply.send(Ok(Predicted { outputs, timings }));
                }
            }
            None => each(scorer, batch).await,
        },
        Err(error) if matches!(error.code, Code::Busy | Code::Deadline) => {
            for one in batch {
                let _ = one.reply.send(Err(error.clone()));
            }
        }
        Err(_) => each(scorer, batch).await,
    }
}

async fn each<S: Score>(scorer: S, batch: Vec<Waiting>) {
    for one in batch {
        let answer = scorer.score(one.inputs).await;
        let _ = one.reply.send(answer);
    }
}

fn busy() -> Error {
    let mut error = Error::new(Code::Busy, "no core came free in time; try again");
    error.retry_after = Some(Duration::from_secs(1));
    error
}

fn lost() -> Error {
    Error::internal("a batch ended without an answer")
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// What a row takes alone and together.
#[derive(Default)]
struct Gain {
    alone: Mean,
    together: Mean,
    asked: AtomicU64,
}

impl Gain {
    /// Whether calls should go together now.
    fn is_worth_it(&self) -> bool {
        let probe = self.asked.fetch_add(1, Relaxed) % ROUND < PROBES;
        match (self.alone.read(), self.together.read()) {
            (Some(alone), Some(together)) => probe || together < alone * 0.9,
            _ => true,
        }
    }
}

/// A moving mean of microseconds per row. Written without a lock: a lost update
/// costs nothing.
#[derive(Default)]
struct Mean(AtomicU64);

impl Mean {
    const WEIGHT: f64 = 0.1;

    fn read(&self) -> Option<f64> {
        match self.0.load(Relaxed) {
            0 => None,
            bits => Some(f64::from_bits(bits)),
        }
    }

    fn record(&self, timings: &Timings, rows: usize) {
        // The time that a thread was held: others that run beside don't count.
        let value = timings.cpu_us.max(1) as f64 / rows.max(1) as f64;
        let mean = self.read().map_or(value, |mean| mean + Self::WEIGHT * (value - mean));
        self.0.store(mean.to_bits(), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use modelyard_runtime::types::TensorData;

    use super::*;

    /// Doubles its input in two milliseconds. It says that a call took `call`
    /// and each row `row` microseconds of computing.
    #[derive(Clone)]
    struct Doubling {
        call: u64,
        row: u64,
        calls: Arc<AtomicUsize>,
        largest: Arc<AtomicUsize>,
    }

    impl Doubling {
        fn new(call: u64, row: u64) -> Self {
            Self { call, row, calls: Arc::default(), largest: Arc::default() }
        }
    }

    impl Score for Doubling {
        async fn score(&self, mut inputs: Vec<Tensor>) -> Result<Predicted> {
            let tensor = inputs.remove(0);
            let TensorData::Fp64(values) = tensor.data else { unreachable!() };
            self.calls.fetch_add(1, Relaxed);
            self.largest.fetch_max(values.len(), Relaxed);
            let cpu_us = self.call + self.row * values.len() as u64;
            tokio::time::sleep(Duration::from_millis(2)).await;
            if values.iter().any(|value| value.is_nan()) {
                return Err(Error::invalid("NaN"));
            }
            let data = TensorData::Fp64(values.iter().map(|value| value * 2.0).collect());
            let outputs = vec![Tensor { data, ..tensor }];
            Ok(Predicted { outputs, timings: Timings { cpu_us, ..Timings::default() } })
        }
    }

    fn rows(values: &[f64]) -> Vec<Tensor> {
        let data = TensorData::Fp64(values.to_vec());
        vec![Tensor { name: "x".into(), shape: vec![values.len() as i64], data }]
    }

    fn batcher(scorer: &Doubling) -> Arc<Batcher<Doubling>> {
        Arc::new(Batcher::new(scorer.clone(), 2, 1000, Duration::from_secs(10)))
    }

    /// Many calls at once; every one gets its own rows.
    async fn all(batcher: &Arc<Batcher<Doubling>>, calls: usize) {
        let one = |at: usize| {
            let batcher = batcher.clone();
            tokio::spawn(async move {
                let values: Vec<f64> = (0..=at % 3).map(|row| (at * 10 + row) as f64).collect();
                let predicted = batcher.call(rows(&values), values.len()).await.unwrap();
                assert_eq!(predicted.outputs, rows(&values.iter().map(|v| v * 2.0).collect::<Vec<_>>()));
            })
        };
        let started: Vec<_> = (0..calls).map(one).collect();
        for call in started {
            call.await.unwrap();
        }
    }

    #[tokio::test]
    async fn calls_that_wait_go_together() {
        let scorer = Doubling::new(10_000, 1);
        let batcher = batcher(&scorer);
        all(&batcher, 100).await;
        assert!(scorer.calls.load(Relaxed) < 20, "{}", scorer.calls.load(Relaxed));
        assert!(scorer.largest.load(Relaxed) <= MOST_ROWS);
    }

    #[tokio::test]
    async fn calls_that_need_not_wait_go_alone() {
        let scorer = Doubling::new(10_000, 1);
        let batcher = batcher(&scorer);
        for _ in 0..10 {
            all(&batcher, 2).await;
        }
        assert_eq!(scorer.calls.load(Relaxed), 20);
    }

    #[tokio::test]
    async fn calls_that_gain_nothing_go_alone() {
        let scorer = Doubling::new(0, 10_000);
        let batcher = batcher(&scorer);
        let calls = 20 * ROUND as usize;
        for _ in 0..calls / 64 {
            all(&batcher, 64).await;
        }
        let alone = scorer.calls.load(Relaxed) as f64 / calls as f64;
        assert!(alone > 0.9, "{alone}");
    }

    #[tokio::test]
    async fn what_is_wrong_with_one_call_is_told_to_it_alone() {
        let batcher = batcher(&Doubling::new(10_000, 1));
        let call = |value: f64| {
            let batcher = batcher.clone();
            tokio::spawn(async move { batcher.call(rows(&[value]), 1).await })
        };
        let calls: Vec<_> = (0..20).map(|at| call(if at == 10 { f64::NAN } else { f64::from(at) })).collect();
        for (at, answer) in calls.into_iter().enumerate() {
            match answer.await.unwrap() {
                Ok(predicted) => assert_eq!(predicted.outputs, rows(&[at as f64 * 2.0])),
                Err(error) => assert_eq!((at, error.message.as_str()), (10, "NaN")),
            }
        }
    }

    #[tokio::test]
    async fn who_leaves_takes_nobody_along() {
        let batcher = batcher(&Doubling::new(10_000, 1));
        let call = |value: f64| {
            let batcher = batcher.clone();
            tokio::spawn(async move { batcher.call(rows(&[value]), 1).await })
        };
        let calls: Vec<_> = (0..20).map(|at| call(f64::from(at))).collect();
        tokio::time::sleep(Duration::from_millis(1)).await;
        // One that waits, and, when the cores come free, whoever leads.
        calls[5].abort();
        tokio::time::sleep(Duration::from_millis(2)).await;
        calls[2].abort();
        for (at, answer) in calls.into_iter().enumerate() {
            match answer.await {
                Ok(answer) => assert_eq!(answer.unwrap().outputs, rows(&[at as f64 * 2.0])),
                Err(error) => assert!(error.is_cancelled() && (at == 5 || at == 2), "{at}: {error}"),
            }
        }
    }

    #[tokio::test]
    async fn a_full_queue_says_so() {
        let scorer = Doubling::new(10_000, 1);
        let batcher = Arc::new(Batcher::new(scorer, 1, 3, Duration::from_secs(10)));
        let call = || {
            let batcher = batcher.clone();
            tokio::spawn(async move { batcher.call(rows(&[1.0]), 1).await.map(drop) })
        };
        let calls: Vec<_> = (0..6).map(|_| call()).collect();
        let mut refused = 0;
        for answer in calls {
            if let Err(error) = answer.await.unwrap() {
                assert!(error.code == Code::Busy && error.retry_after.is_some(), "{error:?}");
                refused += 1;
            }
        }
        assert_eq!(refused, 2);
    }
}
