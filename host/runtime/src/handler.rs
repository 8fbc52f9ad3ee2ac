//! A function that is a handler of `wasi:http`: the hot path from request to
//! response, both streamed.
//!
//! A guest runs where its request is handled, and an answer that is there when
//! it returns goes out without a second task. One that has set its response and
//! goes on to write the body becomes a task of its own, which ends with whoever
//! reads the body.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use tokio::sync::oneshot;
use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre, Resource};
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::exports::wasi::http::incoming_handler;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};
use wasmtime_wasi_http::p2::types::{HostIncomingRequest, HostResponseOutparam};

use crate::answer::{Answer, Limited};
use crate::budget::Idle;
use crate::call;
use crate::error::{CallError, Error, Fault};
use crate::grants::Grants;
use crate::host::State;
use crate::kind::Kind;
use crate::model::{ModelOptions, Stats, Timings, timings};
use crate::outbound::Body;
use crate::pool::{Pool, Role, Warm};
use crate::runtime::{Runtime, Source};

const UNFINISHED: &str = "it returned without finishing the body";

/// A function that is a handler of `wasi:http`. Cheap to clone.
#[derive(Clone)]
pub struct Handler {
    pool: Arc<Pool<Incoming>>,
    max_body_bytes: u64,
}

/// How a call ended. For a call whose caller left, the fault is
/// [`Fault::Cancelled`] and only the processor time is known.
#[derive(Debug)]
pub struct Ending {
    /// What it took.
    pub timings: Timings,
    /// Why it failed, if it did.
    pub error: Option<CallError>,
}

pub(crate) struct Incoming(Grants);

impl Role for Incoming {
    type Indices = incoming_handler::GuestIndices;
    type Guest = incoming_handler::Guest;
    const KIND: Kind = Kind::Function;

    fn indices(pre: &InstancePre<State>) -> wasmtime::Result<incoming_handler::GuestIndices> {
        incoming_handler::GuestIndices::new(pre)
    }

    fn guest(
        indices: &incoming_handler::GuestIndices,
        store: &mut Store<State>,
        instance: &Instance,
    ) -> wasmtime::Result<incoming_handler::Guest> {
        indices.load(store, instance)
    }

    fn grants(&self, _: &ModelOptions) -> Grants {
        self.0.clone()
    }
}

type Head = Result<Response<Body>, ErrorCode>;

impl Handler {
    pub(crate) fn new(
        runtime: Runtime,
        digest: &str,
        source: Source,
        options: ModelOptions,
        max_body_bytes: u64,
        grants: Grants,
    ) -> Handler {
        Handler { pool: Pool::new(runtime, digest, source, Incoming(grants), options), max_body_bytes }
    }

    pub(crate) fn idle(&self) -> Weak<dyn Idle> {
        self.pool.as_idle()
    }

    /// Compiles and links it, if that isn't done.
    ///
    /// # Errors
    /// As [`Runtime::plugin`], and [`Error::Kind`].
    pub async fn ready(&self) -> Result<(), Error> {
        self.pool.code().await.map(drop)
    }

    /// What it holds now.
    pub fn stats(&self) -> Stats {
        self.pool.stats()
    }

    /// Answers one request as soon as the guest sets a response; its body comes
    /// as the guest writes it. Dropping the future, or a body that is not at its
    /// end, ends the guest. `done` is called when the guest has ended, which may
    /// be long after the response.
    ///
    /// The guest sees the request's path and query as they are, and every header
    /// but those of the connection.
    ///
    /// # Errors
    /// [`Fault::Busy`] when the queue is full, [`Fault::InputTooLarge`],
    /// [`Fault::BadOutput`] when the guest answers with an error or not at all,
    /// and whatever else it does before it answers.
    pub async fn handle<B>(
        &self,
        request: Request<B>,
        done: impl FnOnce(&Ending) + Send + Unpin + 'static,
    ) -> Result<Response<Answer>, CallError>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: fmt::Display,
    {
        if http_body::Body::size_hint(request.body()).lower() > self.max_body_bytes {
            return Err(Fault::InputTooLarge(self.max_body_bytes).into());
        }
        let wants_body = request.method() != Method::HEAD;
        let exceeded = Arc::new(AtomicBool::new(false));
        let limited = |body| Limited::new(body, self.max_body_bytes, Arc::clone(&exceeded)).boxed_unsync();
        let request = request.map(limited);
        let (set_head, mut head) = oneshot::channel();
        let (set_end, end) = oneshot::channel();
        let pool = Arc::clone(&self.pool);
        let shared = Arc::clone(&pool.runtime.0);
        let served = async move { serve(&pool, request, set_head, set_end).await };
        let mut call = Call {
            guest: async move { shared.background.run(served).await }.boxed(),
            busy: Duration::ZERO,
            done: Some(done),
        };
        let mut set = None;
        let ended = tokio::select! {
            biased;
            ending = &mut call => Some(ending),
            told = &mut head => {
                set = told.ok();
                None
            }
        };
        let (ended, running) = match (ended, set.is_some()) {
            (Some(ending), _) => (Some(ending), None),
            // Dropped without a response: none can come any more.
            (None, false) => (Some(call.await), None),
            (None, true) => (None, Some(tokio::spawn(call.map(drop)))),
        };
        let failed = |fault: Fault| match exceeded.load(Ordering::Relaxed) {
            true => Err(Fault::InputTooLarge(self.max_body_bytes).into()),
            false => Err(CallError::from(fault)),
        };
        if let Some(Ending { error: Some(error), .. }) = ended {
            // Even if there was a response: nothing of it has been sent.
            return failed(error.fault).map_err(|told| CallError { log: error.log, ..told });
        }
        match set.or_else(|| head.try_recv().ok()) {
            Some(Ok(response)) => Ok(answer(response, wants_body, end, running)),
            Some(Err(code)) => failed(Fault::BadOutput(format!("it answered with the error {code:?}"))),
            None => failed(Fault::BadOutput("it returned without a response".into())),
        }
    }
}

/// A response on its way out.
fn answer(
    response: Response<Body>,
    wants_body: bool,
    end: oneshot::Receiver<Result<(), String>>,
    running: Option<tokio::task::JoinHandle<()>>,
) -> Response<Answer> {
    let (head, body) = response.into_parts();
    let bodiless = head.status.is_informational()
        || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if !wants_body || bodiless {
        // Nobody reads it, which is no reason to fail for a guest that writes it.
        if running.is_some() {
            tokio::spawn(body.collect().map(drop));
        }
        return Response::from_parts(head, Answer::unasked());
    }
    let length = head.headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()).and_then(|value| value.parse().ok());
    Response::from_parts(head, Answer::new(body, length, end, running))
}

/// Runs the guest for one request, to its end.
async fn serve(
    pool: &Pool<Incoming>,
    request: Request<Body>,
    set_head: oneshot::Sender<Head>,
    set_end: oneshot::Sender<Result<(), String>>,
) -> Ending {
    let start = Instant::now();
    let mut spent = Timings::default();
    let early = |error: CallError, timings: Timings| Ending { timings, error: Some(error) };
    let _permit = match pool.enter().await {
        Ok(permit) => permit,
        Err(error) => return early(error, spent),
    };
    let queued = start.elapsed();
    let (mut warm, instantiate) = match pool.take().await {
        Ok(taken) => taken,
        Err(error) => return early(error, spent),
    };
    let deadline = call::arm(&mut warm.store);
    let Warm { store, guest, .. } = &mut warm;
    let (request, response) = match lend(store, request, set_head) {
        Ok(lent) => lent,
        Err(error) => return early(Fault::Host(format!("{error:#}")).into(), spent),
    };
    let ticker = &pool.runtime.0.ticker;
    let (outcome, cost) =
        call::run(ticker, deadline, guest.call_handle(&mut *store, request, response)).await;
    let fault = match outcome {
        // Else the body would end with the store, as if it were whole.
        Some(Ok(())) if store.data_mut().has_open_body() => Some(Fault::BadOutput(UNFINISHED.into())),
        Some(Ok(())) => None,
        Some(Err(error)) => Some(call::fault(store, &error)),
        None => Some(Fault::Deadline(store.data().limits().deadline)),
    };
    spent = timings(queued, instantiate, cost, store.data());
    // Told before the store goes, which would end the body as if it were whole.
    let Some(fault) = fault else {
        let _ = set_end.send(Ok(()));
        pool.put_back(warm);
        return Ending { timings: spent, error: None };
    };
    let _ = set_end.send(Err(fault.to_string()));
    let log = store.data_mut().take_log();
    Ending { timings: spent, error: Some(CallError { fault, log }) }
}

/// Puts a request into a store, and the place for its response.
fn lend(
    store: &mut Store<State>,
    mut request: Request<Body>,
    set_head: oneshot::Sender<Head>,
) -> wasmtime::Result<(Resource<HostIncomingRequest>, Resource<HostResponseOutparam>)> {
    if request.uri().authority().is_none() && !request.headers().contains_key(header::HOST) {
        // HTTP/1.0 has none, and the interface needs one.
        request.headers_mut().insert(header::HOST, header::HeaderValue::from_static("localhost"));
    }
    let mut http = store.data_mut().http();
    let request = http.new_incoming_request(Scheme::Http, request)?;
    Ok((request, http.new_response_outparam(set_head)?))
}

/// A guest at work, and who is told of its end.
struct Call<D: FnOnce(&Ending)> {
    guest: BoxFuture<'static, Ending>,
    busy: Duration,
    done: Option<D>,
}

impl<D: FnOnce(&Ending) + Unpin> Future for Call<D> {
    type Output = Ending;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Ending> {
        let start = Instant::now();
        let polled = self.guest.as_mut().poll(context);
        self.busy += start.elapsed();
        if let Poll::Ready(ending) = &polled
            && let Some(done) = self.done.take()
        {
            done(ending);
        }
        polled
    }
}

impl<D: FnOnce(&Ending)> Drop for Call<D> {
    fn drop(&mut self) {
        if let Some(done) = self.done.take() {
            let cpu_us = u64::try_from(self.busy.as_micros()).unwrap_or(u64::MAX);
            let timings = Timings { cpu_us, compute_us: cpu_us, ..Timings::default() };
            done(&Ending { timings, error: Some(Fault::Cancelled.into()) });
        }
    }
}
