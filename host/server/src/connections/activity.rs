//! What a connection is doing.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, Bytes, HttpBody},
    http::{Request, Response},
};
use http_body::{Frame, SizeHint};
use tower::Service;

/// The requests of a connection.
pub(super) struct Activity {
    since: Instant,
    /// Requests that came.
    asked: AtomicU64,
    /// Requests that are being answered.
    open: AtomicUsize,
    /// When the last one was answered, in milliseconds from the beginning.
    answered: AtomicU64,
}

impl Default for Activity {
    fn default() -> Self {
        Self {
            since: Instant::now(),
            asked: AtomicU64::new(0),
            open: AtomicUsize::new(0),
            answered: AtomicU64::new(0),
        }
    }
}

impl Activity {
    /// Whether a request came.
    pub(super) fn has_begun(&self) -> bool {
        self.asked.load(Relaxed) > 0
    }

    /// For how long it has had nothing to do; none while it has.
    pub(super) fn idle(&self) -> Option<Duration> {
        if self.open.load(Relaxed) > 0 {
            return None;
        }
        Some(self.since.elapsed().saturating_sub(Duration::from_millis(self.answered.load(Relaxed))))
    }

    fn ask(self: &Arc<Self>) -> Asked {
        self.asked.fetch_add(1, Relaxed);
        self.open.fetch_add(1, Relaxed);
        Asked(self.clone())
    }
}

/// A request that is being answered.
struct Asked(Arc<Activity>);

impl Drop for Asked {
    fn drop(&mut self) {
        let now = u64::try_from(self.0.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.answered.store(now, Relaxed);
        self.0.open.fetch_sub(1, Relaxed);
    }
}

/// Answers by a router and notes it.
#[derive(Clone)]
pub(super) struct Observed {
    router: Router,
    activity: Arc<Activity>,
}

impl Observed {
    pub(super) fn new(router: Router, activity: Arc<Activity>) -> Self {
        Self { router, activity }
    }
}

impl<B> Service<Request<B>> for Observed
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request<B>>::poll_ready(&mut self.router, context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let asked = self.activity.ask();
        let answer = self.router.call(request);
        Box::pin(async move {
            let response = answer.await?;
            // An answer that is there as a whole is written without delay; one
            // that is still being made keeps its connection.
            Ok(match response.body().size_hint().exact() {
                Some(_) => response,
                None => response.map(|body| Body::new(Answering { body, _asked: asked })),
            })
        })
    }
}

/// The body of an answer on its way.
struct Answering {
    body: Body,
    _asked: Asked,
}

impl HttpBody for Answering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
