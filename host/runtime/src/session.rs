//! Typed calls of a plugin on one instance.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::Store;

use crate::call::{self, Cost, Ended};
use crate::check;
use crate::error::{CallError, Fault, Log};
use crate::grants::BatchSource;
use crate::host::{Lent, State};
use crate::kind::Kind;
use crate::options::Limits;
use crate::plugin::{Guest, Plugin};
use crate::transformer::transformed;
use crate::types::{
    Action, Artifact, Batch, Change, Decision, Description, Documents, Evaluation, Field, GuestError,
    ModelUsage, Monitoring, Ranked, Settings, Signature, Situation, Table, Tensor, Verdict,
};

/// What a session has used so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Usage {
    /// Calls made.
    pub calls: u32,
    /// Wall-clock time in calls.
    pub wall: Duration,
    /// Time in which the calls held a thread; without waiting for sources.
    pub cpu: Duration,
    /// The most linear memory held at one time, in bytes.
    pub memory_peak_bytes: u64,
    /// What was logged in all calls, within the limit of lines.
    pub log: Log,
}

/// A plugin's instance with what was lent to it. After a trap, a panic or a
/// deadline it is over: every further call fails with [`Fault::Ended`].
pub struct Session {
    plugin: Plugin,
    limits: Limits,
    live: Option<Live>,
    ended: String,
    usage: Usage,
    /// The columns that `load` gave, for `transform` to be held to.
    schema: Option<Vec<Field>>,
    _place: OwnedSemaphorePermit,
}

struct Live {
    store: Store<State>,
    guest: Guest,
}

/// Calls a function of one kind's interface. The instance is taken out of the
/// session meanwhile, so that one whose call is dropped half-way is never used
/// again.
macro_rules! call {
    ($self:ident, $kind:ident, [$($lent:ident),*], |$guest:ident, $store:ident| $call:expr) => {{
        $self.is_a(Kind::$kind)?;
        let mut live = $self.take()?;
        $(let $lent = Lent::from_source(&mut live, $lent)?;)*
        let deadline = call::arm(&mut live.store);
        let Live { store, guest: Guest::$kind($guest) } = &mut live else {
            return Err(Fault::Host("a session of another kind".into()).into());
        };
        let ticker = Arc::clone(&$self.plugin.0.runtime.0.ticker);
        let (outcome, cost) = {
            let $store = &mut *store;
            call::run(&ticker, deadline, $call).await
        };
        $(live.store.data_mut().take_back(&$lent);)*
        $self.settle(live, outcome, cost)
    }};
}

impl Lent {
    fn from_source(live: &mut Live, source: Box<dyn BatchSource>) -> Result<Lent, CallError> {
        live.store.data_mut().lend(source).map_err(|error| Fault::Host(format!("{error:#}")).into())
    }
}

impl Session {
    pub(crate) fn new(
        plugin: Plugin,
        limits: Limits,
        store: Store<State>,
        guest: Guest,
        place: OwnedSemaphorePermit,
    ) -> Session {
        Session {
            plugin,
            limits,
            live: Some(Live { store, guest }),
            ended: "a call was given up before its end".into(),
            usage: Usage::default(),
            schema: None,
            _place: place,
        }
    }

    /// What the session has used so far.
    pub fn usage(&self) -> &Usage {
        &self.usage
    }

    /// What the plugin says of itself.
    ///
    /// # Errors
    /// See [`Fault`]; so have all calls below.
    pub async fn describe(&mut self) -> Result<Description, CallError> {
        let mut live = self.take()?;
        let deadline = call::arm(&mut live.store);
        let ticker = Arc::clone(&self.plugin.0.runtime.0.ticker);
        let (outcome, cost) = call::run(&ticker, deadline, live.guest.describe(&mut live.store)).await;
        self.settle(live, outcome.map(|outcome| outcome.map(Ok)), cost)
    }

    /// Ingestion: reads up to `max_rows` rows after `cursor`.
    pub async fn pull(
        &mut self,
        parameters: &str,
        cursor: Option<&str>,
        expected: &[Field],
        max_rows: u32,
    ) -> Result<Batch, CallError> {
        let batch = call!(self, Ingestion, [], |guest, store| {
            guest.call_pull(store, parameters, cursor, expected, max_rows)
        })?;
        let held = check::table(&batch.rows).and_then(|rows| {
            check::schema(&batch.rows, &batch.schema)?;
            match rows > max_rows as usize {
                true => Err(format!("{rows} rows where {max_rows} were asked for")),
                false => Ok(()),
            }
        });
        self.usable(held).map(|()| batch)
    }

    /// Features: learns from training data and gives the fitted state.
    pub async fn fit(&mut self, parameters: &str, data: Box<dyn BatchSource>) -> Result<Vec<u8>, CallError> {
        call!(self, Features, [data], |guest, store| guest.call_fit(store, parameters, data.borrow()))
    }

    /// Features: makes a fitted state the one that [`transform`](Session::transform)
    /// uses, and gives the columns that come out.
    pub async fn load_features(&mut self, state: &[u8]) -> Result<Vec<Field>, CallError> {
        let schema = call!(self, Features, [], |guest, store| guest.call_load(store, state))?;
        self.schema = Some(schema.clone());
        Ok(schema)
    }

    /// Features: transforms rows with the loaded state.
    pub async fn transform(&mut self, rows: &Table) -> Result<Table, CallError> {
        let count = check::table(rows).map_err(|message| {
            Fault::InvalidInput(crate::types::InvalidInput {
                message,
                parameter: None,
                column: None,
                row: None,
            })
        })?;
        let table = call!(self, Features, [], |guest, store| guest.call_transform(store, rows))?;
        let held = match &self.schema {
            Some(schema) => transformed(&table, schema, count),
            None => check::table(&table).map(drop),
        };
        self.usable(held).map(|()| table)
    }

    /// Selection: every column but the target, best first.
    pub async fn rank(
        &mut self,
        parameters: &str,
        data: Box<dyn BatchSource>,
        target: &str,
    ) -> Result<Vec<Ranked>, CallError> {
        call!(self, Selection, [data], |guest, store| guest.call_rank(
            store,
            parameters,
            data.borrow(),
            target
        ))
    }

    /// Training: trains on `data`, and stops early by `validation` where the
    /// parameters say so.
    pub async fn train(
        &mut self,
        settings: &Settings,
        data: Box<dyn BatchSource>,
        validation: Option<Box<dyn BatchSource>>,
    ) -> Result<Artifact, CallError> {
        let artifact = match validation {
            Some(validation) => call!(self, Training, [data, validation], |guest, store| {
                guest.call_train(store, settings, data.borrow(), Some(validation.borrow()))
            }),
            None => call!(self, Training, [data], |guest, store| {
                guest.call_train(store, settings, data.borrow(), None)
            }),
        }?;
        let held = check::artifact(&artifact);
        self.usable(held).map(|()| artifact)
    }

    /// Evaluation: measures predictions against the truth.
    pub async fn evaluate(
        &mut self,
        parameters: &str,
        data: Box<dyn BatchSource>,
    ) -> Result<Evaluation, CallError> {
        let report = call!(self, Evaluation, [data], |guest, store| {
            guest.call_evaluate(store, parameters, data.borrow())
        })?;
        let held = check::evaluation(&report);
        self.usable(held).map(|()| report)
    }

    /// Scoring: makes an artifact the one that [`predict`](Session::predict)
    /// uses. Deployed models are snapshots; see
    /// [`Runtime::snapshot`](crate::Runtime::snapshot).
    pub async fn load_model(&mut self, artifact: &[u8]) -> Result<Signature, CallError> {
        call!(self, Scoring, [], |guest, store| guest.call_load(store, artifact))
    }

    /// Scoring: scores a batch, outside the request path.
    pub async fn predict(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, CallError> {
        let outputs = call!(self, Scoring, [], |guest, store| guest.call_predict(store, inputs))?;
        let held = outputs.iter().try_for_each(check::tensor);
        self.usable(held).map(|()| outputs)
    }

    /// Monitoring: compares a window of current data with a reference.
    pub async fn check(
        &mut self,
        parameters: &str,
        reference: Box<dyn BatchSource>,
        current: Box<dyn BatchSource>,
    ) -> Result<Monitoring, CallError> {
        let report = call!(self, Monitoring, [reference, current], |guest, store| {
            guest.call_check(store, parameters, reference.borrow(), current.borrow())
        })?;
        let held = check::monitoring(&report);
        self.usable(held).map(|()| report)
    }

    /// Feedback: what should be done now.
    pub async fn decide(
        &mut self,
        parameters: &str,
        situation: &Situation,
    ) -> Result<Vec<Action>, CallError> {
        call!(self, Feedback, [], |guest, store| guest.call_decide(store, parameters, situation))
    }

    /// Governance: allow, deny or ask.
    pub async fn review(&mut self, parameters: &str, change: &Change) -> Result<Decision, CallError> {
        call!(self, Governance, [], |guest, store| guest.call_review(store, parameters, change))
    }

    /// Documentation: writes documents from facts, a JSON object.
    pub async fn render(&mut self, parameters: &str, facts: &str) -> Result<Documents, CallError> {
        call!(self, Documentation, [], |guest, store| guest.call_render(store, parameters, facts))
    }

    /// Retirement: keep, warn or retire.
    pub async fn assess(&mut self, parameters: &str, usage: &ModelUsage) -> Result<Verdict, CallError> {
        call!(self, Retirement, [], |guest, store| guest.call_assess(store, parameters, usage))
    }

    fn is_a(&self, kind: Kind) -> Result<(), CallError> {
        let found = self.plugin.kind();
        match found == kind {
            true => Ok(()),
            false => {
                Err(Fault::Unsupported(format!("a {found} plugin can't do what {kind} plugins do")).into())
            }
        }
    }

    fn take(&mut self) -> Result<Live, CallError> {
        self.live.take().ok_or_else(|| Fault::Ended(self.ended.clone()).into())
    }

    fn settle<T>(
        &mut self,
        mut live: Live,
        outcome: Option<wasmtime::Result<Result<T, GuestError>>>,
        cost: Cost,
    ) -> Result<T, CallError> {
        let outcome = call::settle(&mut live.store, outcome);
        let state = live.store.data_mut();
        let log = std::mem::take(&mut state.log);
        self.usage.calls += 1;
        self.usage.wall += cost.wall;
        self.usage.cpu += cost.busy;
        self.usage.memory_peak_bytes = self.usage.memory_peak_bytes.max(state.memory.peak as u64);
        self.keep(&log);
        match outcome {
            Ok(value) => {
                self.live = Some(live);
                Ok(value)
            }
            Err(Ended::Guest(fault)) => {
                self.live = Some(live);
                Err(CallError { fault, log })
            }
            // The store goes, and with it whatever state the guest was left in.
            Err(Ended::Broken(fault)) => {
                self.ended = fault.to_string();
                Err(CallError { fault, log })
            }
        }
    }

    fn keep(&mut self, log: &Log) {
        let room = self.limits.log_lines.saturating_sub(self.usage.log.lines.len());
        self.usage.log.lines.extend(log.lines.iter().take(room).cloned());
        self.usage.log.dropped += log.dropped + log.lines.len().saturating_sub(room) as u64;
    }

    fn usable<T>(&self, held: Result<T, String>) -> Result<T, CallError> {
        held.map_err(|what| CallError { fault: Fault::BadOutput(what), log: self.usage.log.clone() })
    }
}
