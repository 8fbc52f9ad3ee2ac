//! A function that is called with JSON: the hot path from text to text.

use std::sync::{Arc, Weak};
use std::time::Instant;

use futures::FutureExt;
use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};

use crate::bindings::exports::modelyard::lifecycle::function;
use crate::budget::Idle;
use crate::call::{self, Ended};
use crate::error::{CallError, Error, Fault};
use crate::grants::Grants;
use crate::host::State;
use crate::kind::Kind;
use crate::model::{ModelOptions, Stats, Timings, failed, timings};
use crate::pool::{Call, Pool, Role};
use crate::runtime::{Runtime, Source};

/// A function that is called with JSON. Cheap to clone.
#[derive(Clone)]
pub struct Function(Arc<Pool<Json>>);

pub(crate) struct Json(Grants);

impl Role for Json {
    type Indices = function::GuestIndices;
    type Guest = function::Guest;
    const KIND: Kind = Kind::Function;

    fn indices(pre: &InstancePre<State>) -> wasmtime::Result<function::GuestIndices> {
        function::GuestIndices::new(pre)
    }

    fn guest(
        indices: &function::GuestIndices,
        store: &mut Store<State>,
        instance: &Instance,
    ) -> wasmtime::Result<function::Guest> {
        indices.load(store, instance)
    }

    fn grants(&self, _: &ModelOptions) -> Grants {
        self.0.clone()
    }
}

impl Function {
    pub(crate) fn new(
        runtime: Runtime,
        digest: &str,
        source: Source,
        options: ModelOptions,
        grants: Grants,
    ) -> Function {
        Function(Pool::new(runtime, digest, source, Json(grants), options))
    }

    pub(crate) fn idle(&self) -> Weak<dyn Idle> {
        self.0.as_idle()
    }

    /// Compiles and links it, if that isn't done.
    ///
    /// # Errors
    /// As [`Runtime::plugin`], and [`Error::Kind`].
    pub async fn ready(&self) -> Result<(), Error> {
        self.0.code().await.map(drop)
    }

    /// Answers one request; both are JSON texts.
    ///
    /// # Errors
    /// [`Fault::Busy`] when the queue is full, [`Fault::BadOutput`] for an
    /// answer that is no JSON, and whatever the function does.
    pub async fn call(&self, body: &str) -> Result<(String, Timings), CallError> {
        let start = Instant::now();
        let _permit = self.0.enter().await?;
        let queued = start.elapsed();
        let (warm, instantiate) = self.0.take().await?;
        let body = body.to_owned();
        let answer: Call<Json, _> =
            Box::new(move |store, guest| async move { guest.call_call(store, &body).await }.boxed());
        let (mut warm, outcome, cost) = self.0.run(warm, answer).await;
        let outcome = call::settle(&mut warm.store, outcome).and_then(checked);
        let timings = timings(queued, instantiate, cost, warm.store.data());
        match outcome {
            Ok(answer) => {
                self.0.put_back(warm);
                Ok((answer, timings))
            }
            Err(ended) => Err(failed(&self.0, warm, ended)),
        }
    }

    /// What it holds now.
    pub fn stats(&self) -> Stats {
        self.0.stats()
    }
}

fn checked(answer: String) -> Result<String, Ended> {
    match serde_json::from_str::<serde::de::IgnoredAny>(&answer) {
        Ok(_) => Ok(answer),
        Err(error) => Err(Ended::Guest(Fault::BadOutput(format!("it is not JSON: {error}")))),
    }
}
