//! The hot path: a request to a function, answered and metered.

use std::{fmt, sync::Arc, time::Instant};

use bytes::Bytes;
use modelyard_runtime::{Answer, CallError, Ending, Fault, Protocol, Timings};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Functions,
    mount::{Guest, Mount},
};
use crate::{
    Code, Error, Result,
    deployment::{Distribution, Meter},
};

/// What a function holds now and has done since the process began.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FunctionStats {
    /// The function.
    pub function: String,
    /// Instances between calls.
    pub idle: u64,
    /// Calls that run.
    pub running: u64,
    /// Calls that wait.
    pub waiting: u64,
    /// Calls.
    pub calls: u64,
    /// Calls that failed.
    pub errors: u64,
    /// Answered calls, from request to the guest's end.
    pub total: Distribution,
    /// How long they waited for a place.
    pub queue: Distribution,
    /// How long their instances took to make; 0 for warm ones.
    pub instantiate: Distribution,
    /// How long they were in the guest.
    pub compute: Distribution,
}

impl Functions<'_> {
    fn mount(&self, name: &str) -> Result<Arc<Mount>> {
        self.0.mounts.get(name).ok_or_else(|| Error::not_found("function", name))
    }

    /// How a function is called.
    pub fn protocol(&self, name: &str) -> Result<Protocol> {
        Ok(self.mount(name)?.guest.protocol())
    }

    /// Whether a function is there and anybody may call it.
    pub fn is_public(&self, name: &str) -> bool {
        self.0.mounts.get(name).is_some_and(|mount| mount.function.public)
    }

    /// Calls a function with JSON; both are JSON texts.
    pub async fn call(&self, name: &str, body: &str) -> Result<String> {
        let mount = self.mount(name)?;
        let Guest::Json(function) = &mount.guest else {
            return Err(Error::new(
                Code::Unsupported,
                format!("{name:?} is a handler of wasi:http; call it at /functions/{name}"),
            ));
        };
        let most = mount.function.max_body_bytes;
        if body.len() as u64 > most {
            return Err(CallError::from(Fault::InputTooLarge(most)).into());
        }
        let started = Instant::now();
        let outcome = function.call(body).await;
        let error = outcome.as_ref().err();
        count(&mount.meter, started, outcome.as_ref().map_or(&Timings::default(), |(_, spent)| spent), error);
        Ok(outcome?.0)
    }

    /// Hands a request to a handler of `wasi:http`. The answer's body comes as
    /// the guest writes it; dropping it ends the guest.
    pub async fn handle<B>(&self, name: &str, request: http::Request<B>) -> Result<http::Response<Answer>>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: fmt::Display,
    {
        let mount = self.mount(name)?;
        let Guest::Http(handler) = &mount.guest else {
            return Err(Error::new(Code::Unsupported, format!("{name:?} takes JSON by POST")));
        };
        let started = Instant::now();
        let meter = Arc::clone(&mount.meter);
        let done = move |ending: &Ending| count(&meter, started, &ending.timings, ending.error.as_ref());
        let answer = handler.handle(request, done).await;
        if let Err(CallError { fault: Fault::BadOutput(_), .. }) = &answer {
            // The guest ended well and is counted; its answer was none.
            mount.meter.erred();
        }
        Ok(answer?)
    }

    /// What every function holds and has done.
    pub fn stats(&self) -> Vec<FunctionStats> {
        use std::sync::atomic::Ordering::Relaxed;
        let stats = |mount: Arc<Mount>| {
            let held = match &mount.guest {
                Guest::Json(function) => function.stats(),
                Guest::Http(handler) => handler.stats(),
            };
            FunctionStats {
                function: mount.function.name.clone(),
                idle: held.idle as u64,
                running: held.running as u64,
                waiting: held.waiting as u64,
                calls: mount.meter.total_calls.load(Relaxed),
                errors: mount.meter.total_errors.load(Relaxed),
                total: mount.meter.total.read(),
                queue: mount.meter.queue.read(),
                instantiate: mount.meter.instantiate.read(),
                compute: mount.meter.compute.read(),
            }
        };
        let mut all: Vec<_> = self.0.mounts.all().into_iter().map(stats).collect();
        all.sort_by(|a, b| a.function.cmp(&b.function));
        all
    }
}

/// Meters a call by how it ended.
fn count(meter: &Meter, started: Instant, timings: &Timings, error: Option<&CallError>) {
    let total_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    match error.map(|error| &error.fault) {
        None => meter.answered(0, total_us, timings),
        Some(Fault::Busy { .. }) => meter.rejected(),
        // The caller's own mistakes, and those who left, say nothing about the function.
        Some(Fault::InvalidInput(_) | Fault::Unsupported(_) | Fault::Cancelled) => {
            meter.called(total_us, timings);
        }
        Some(_) => {
            meter.called(total_us, timings);
            meter.erred();
        }
    }
}
