//! Bodies on their way in and out of a guest.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::outbound::{Body, HttpError};

/// A request's body up to a length.
pub(crate) struct Limited<B> {
    body: Pin<Box<B>>,
    limit: u64,
    left: u64,
    exceeded: Arc<AtomicBool>,
}

impl<B> Limited<B> {
    /// A body that fails after `limit` bytes and says so in `exceeded`.
    pub(crate) fn new(body: B, limit: u64, exceeded: Arc<AtomicBool>) -> Limited<B> {
        Limited { body: Box::pin(body), limit, left: limit, exceeded }
    }
}

impl<B> http_body::Body for Limited<B>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: fmt::Display,
{
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let frame = match std::task::ready!(self.body.as_mut().poll_frame(context)) {
            None => return Poll::Ready(None),
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                return Poll::Ready(Some(Err(HttpError::InternalError(Some(error.to_string())))));
            }
        };
        let length = frame.data_ref().map_or(0, |bytes| bytes.len() as u64);
        match self.left.checked_sub(length) {
            Some(left) => {
                self.left = left;
                Poll::Ready(Some(Ok(frame)))
            }
            None => {
                self.exceeded.store(true, Ordering::Relaxed);
                Poll::Ready(Some(Err(HttpError::HttpRequestBodySize(Some(self.limit)))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Why a response's body broke off.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the function's answer broke off: {0}")]
pub struct Broken(String);

/// A response's body, as the guest writes it. Dropped before its end, it ends
/// the guest.
pub struct Answer {
    body: Option<Body>,
    /// Bytes that are missing, where the guest said how many there will be.
    left: Option<u64>,
    end: End,
    running: Option<JoinHandle<()>>,
}

/// Whether the guest has ended, and how.
enum End {
    Open(oneshot::Receiver<Result<(), String>>),
    Told(Result<(), String>),
}

impl End {
    /// How the guest ended, if it has.
    fn now(&mut self) -> Option<Result<(), String>> {
        if let End::Open(end) = self {
            match end.try_recv() {
                Ok(told) => *self = End::Told(told),
                Err(oneshot::error::TryRecvError::Empty) => return None,
                Err(oneshot::error::TryRecvError::Closed) => *self = End::Told(Err("it was stopped".into())),
            }
        }
        match self {
            End::Told(told) => Some(told.clone()),
            End::Open(_) => None,
        }
    }

    /// Waits for the guest's end.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<(), String>> {
        if let End::Open(end) = self {
            let told = std::task::ready!(Pin::new(end).poll(context));
            *self = End::Told(told.unwrap_or_else(|_| Err("it was stopped".into())));
        }
        match self {
            End::Told(told) => Poll::Ready(told.clone()),
            End::Open(_) => Poll::Pending,
        }
    }
}

impl Answer {
    pub(crate) fn new(
        body: Body,
        length: Option<u64>,
        end: oneshot::Receiver<Result<(), String>>,
        running: Option<JoinHandle<()>>,
    ) -> Answer {
        match body.is_end_stream() || length == Some(0) {
            // Nobody asks for a body that has no bytes; the guest may go on.
            true => Answer { body: None, left: Some(0), end: End::Told(Ok(())), running: None },
            false => Answer { body: Some(body), left: length, end: End::Open(end), running },
        }
    }

    /// The body of an answer that can't have one, whatever its length would be.
    pub(crate) fn unasked() -> Answer {
        Answer { body: None, left: None, end: End::Told(Ok(())), running: None }
    }

    /// The body is over: what the guest does now is its own affair.
    fn over(&mut self) {
        self.body = None;
        self.running = None;
    }

    fn broken(&mut self, why: String) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        self.over();
        Poll::Ready(Some(Err(Broken(why))))
    }

    /// What a frame of the body, or its end, means.
    fn passed(
        &mut self,
        frame: Option<Result<Frame<Bytes>, HttpError>>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match frame {
            Some(Ok(frame)) => {
                if let (Some(left), Some(bytes)) = (&mut self.left, frame.data_ref()) {
                    *left = left.saturating_sub(bytes.len() as u64);
                    if *left == 0 {
                        // The connection asks for no more.
                        self.running = None;
                    }
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => self.broken(error.to_string()),
            // A trap ends the body, too: then it is not whole.
            None => match self.end.now() {
                Some(Err(why)) => self.broken(why),
                _ => {
                    self.over();
                    Poll::Ready(None)
                }
            },
        }
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = self.get_mut();
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        if let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(context) {
            return this.passed(frame);
        }
        let told = std::task::ready!(this.end.poll(context));
        // What it wrote last may have come between.
        match Pin::new(body).poll_frame(context) {
            Poll::Ready(frame) => this.passed(frame),
            Poll::Pending => this.broken(match told {
                Ok(()) => "it returned without finishing the body".into(),
                Err(why) => why,
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.body, self.left) {
            (_, Some(left)) => SizeHint::with_exact(left),
            (Some(body), None) => body.size_hint(),
            (None, None) => SizeHint::default(),
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.abort();
        }
    }
}
