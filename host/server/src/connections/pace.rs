//! A request's body keeps a pace, so that nobody holds a place by a byte a
//! second.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::Options;
use crate::problem::Problem;

/// How long a body may be waited for: some time, and a second more for every so
/// many bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    time: Duration,
    bytes_per_second: u64,
}

impl From<&Options> for Pace {
    fn from(options: &Options) -> Self {
        let time = Duration::from_secs(options.body_seconds.max(1));
        Self { time, bytes_per_second: options.body_bytes_per_second.max(1) }
    }
}

impl Pace {
    fn allowed(&self, received: u64) -> Duration {
        self.time.saturating_add(Duration::from_secs(received / self.bytes_per_second))
    }
}

/// Whether a request's body keeps its pace.
pub(crate) struct Held {
    pace: Pace,
    /// None for a request without a body.
    late: Option<Arc<AtomicBool>>,
}

impl Pace {
    /// Holds a request's body to its pace.
    pub(crate) fn hold(self, request: Request) -> (Request, Held) {
        if request.body().is_end_stream() {
            return (request, Held { pace: self, late: None });
        }
        let late = Arc::new(AtomicBool::new(false));
        let request = request.map(|body| Body::new(Paced::new(body, self, late.clone())));
        (request, Held { pace: self, late: Some(late) })
    }
}

impl Held {
    /// The answer to the request: 408 if it failed and its body was late.
    pub(crate) fn settle(self, response: Response) -> Response {
        let late = self.late.is_some_and(|late| late.load(Relaxed));
        if !late || response.status().is_success() {
            return response;
        }
        let detail = format!(
            "the request's body did not come in time: it may be waited for {} s, and a second more for every {} \
             bytes that have come",
            self.pace.time.as_secs(),
            self.pace.bytes_per_second
        );
        let mut response = Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", detail).into_response();
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        response
    }
}

/// A body that ends with an error when it is late.
struct Paced {
    body: Body,
    pace: Pace,
    late: Arc<AtomicBool>,
    received: u64,
    /// How long it was waited for so far, without the time in which nobody
    /// wanted more of it.
    waited: Duration,
    /// Since when it is waited for.
    since: Option<Instant>,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Paced {
    fn new(body: Body, pace: Pace, late: Arc<AtomicBool>) -> Self {
        Self { body, pace, late, received: 0, waited: Duration::ZERO, since: None, alarm: None }
    }

    fn is_late(&mut self, context: &mut Context<'_>) -> bool {
        let since = *self.since.get_or_insert_with(Instant::now);
        let deadline = since + self.pace.allowed(self.received).saturating_sub(self.waited);
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if alarm.deadline() != deadline {
            alarm.as_mut().reset(deadline);
        }
        alarm.as_mut().poll(context).is_ready()
    }
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Ready(frame) => {
                if let Some(since) = this.since.take() {
                    this.waited += since.elapsed();
                }
                if let Some(Ok(frame)) = &frame {
                    this.received += frame.data_ref().map_or(0, |data| data.len() as u64);
                }
                Poll::Ready(frame)
            }
            Poll::Pending if this.is_late(context) => {
                this.late.store(true, Relaxed);
                Poll::Ready(Some(Err(axum::Error::new("the body did not come in time"))))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use futures::stream;
    use http_body_util::BodyExt as _;

    use super::*;

    /// A body of pieces, each after so many tenths of a second.
    fn slow(pieces: &'static [(u64, &'static str)]) -> Body {
        Body::from_stream(stream::unfold(pieces.iter(), |mut pieces| async move {
            let (pause, piece) = pieces.next()?;
            tokio::time::sleep(Duration::from_millis(pause * 100)).await;
            Some((Ok::<_, axum::Error>(*piece), pieces))
        }))
    }

    async fn read(pieces: &'static [(u64, &'static str)]) -> Option<Bytes> {
        let late = Arc::new(AtomicBool::new(false));
        let pace = Pace { time: Duration::from_secs(1), bytes_per_second: 10 };
        let read = to_bytes(Body::new(Paced::new(slow(pieces), pace, late.clone())), 1000).await.ok();
        assert_eq!(read.is_none(), late.load(Relaxed));
        read
    }

    #[tokio::test]
    async fn who_keeps_the_pace_may_take_any_time() {
        assert_eq!(read(&[]).await.unwrap(), "");
        assert_eq!(read(&[(5, "a"), (0, "bc")]).await.unwrap(), "abc");
        assert_eq!(read(&[(5, "abcdefghijabcdefghij"), (20, "kl")]).await.unwrap().len(), 22);
        assert_eq!(read(&[(30, "a")]).await, None);
        assert_eq!(read(&[(4, "a"), (4, "b"), (4, "c"), (4, "d")]).await, None);
    }

    #[tokio::test]
    async fn only_waiting_counts() {
        let late = Arc::new(AtomicBool::new(false));
        let pace = Pace { time: Duration::from_secs(1), bytes_per_second: 1000 };
        let mut body = Body::new(Paced::new(slow(&[(1, "a"), (0, "b"), (4, "c")]), pace, late));
        let mut text = String::new();
        while let Some(frame) = body.frame().await {
            text += std::str::from_utf8(frame.unwrap().data_ref().unwrap()).unwrap();
            // Whoever reads takes longer than the client may.
            tokio::time::sleep(Duration::from_millis(1_200)).await;
        }
        assert_eq!(text, "abc");
    }
}
