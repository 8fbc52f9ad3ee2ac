use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    task::JoinHandle,
};

use crate::{Blobs, Digest, Error, Result, local::Temporary};

/// How much is gathered before it is handed to the disk.
const CHUNK: usize = 1 << 20;

/// Writes a blob piece by piece, however large, in constant memory. The blob appears with
/// [`Writer::finish`]; a writer that is dropped before leaves nothing.
pub struct Writer {
    blobs: Blobs,
    buffer: Vec<u8>,
    state: State,
}

enum State {
    Idle(Temporary),
    Writing(JoinHandle<(Temporary, Vec<u8>, Result<()>)>),
    /// After an error; nothing is left of the blob.
    Failed,
}

impl Writer {
    pub(crate) fn new(blobs: Blobs, temporary: Temporary) -> Self {
        Self { blobs, buffer: Vec::new(), state: State::Idle(temporary) }
    }

    /// Appends these bytes.
    ///
    /// # Errors
    /// [`Error::Full`]; the writer can't be used after an error.
    pub async fn write(&mut self, chunk: impl AsRef<[u8]>) -> Result<()> {
        self.write_all(chunk.as_ref()).await.map_err(from_io)
    }

    /// Makes the blob visible and durable; returns its digest and length in bytes.
    pub async fn finish(mut self) -> Result<(Digest, u64)> {
        std::future::poll_fn(|cx| self.poll_drain(cx)).await.map_err(from_io)?;
        match std::mem::replace(&mut self.state, State::Failed) {
            State::Idle(temporary) => self.blobs.keep(temporary).await,
            State::Writing(_) | State::Failed => Err(failed()),
        }
    }

    /// Waits for the write under way.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.state {
            State::Idle(_) => Poll::Ready(Ok(())),
            State::Failed => Poll::Ready(Err(failed().into_io())),
            State::Writing(task) => {
                let (state, result) = match ready!(Pin::new(task).poll(cx)) {
                    Ok((temporary, mut buffer, Ok(()))) => {
                        // The emptied allocation is used again, unless the next piece has begun.
                        if self.buffer.is_empty() {
                            buffer.clear();
                            self.buffer = buffer;
                        }
                        (State::Idle(temporary), Ok(()))
                    }
                    Ok((_, _, Err(error))) => (State::Failed, Err(error.into_io())),
                    Err(error) => (State::Failed, Err(io::Error::other(error))),
                };
                self.state = state;
                Poll::Ready(result)
            }
        }
    }

    /// Hands what was gathered to the disk.
    fn start(&mut self) {
        let bytes = std::mem::take(&mut self.buffer);
        self.state = match std::mem::replace(&mut self.state, State::Failed) {
            State::Idle(mut temporary) => State::Writing(tokio::task::spawn_blocking(move || {
                let result = temporary.write(&bytes);
                (temporary, bytes, result)
            })),
            other => other,
        };
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_idle(cx))?;
        if !self.buffer.is_empty() {
            self.start();
        }
        self.poll_idle(cx)
    }
}

use std::future::Future as _;

impl AsyncWrite for Writer {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.buffer.len() >= CHUNK {
            ready!(self.poll_idle(cx))?;
            self.start();
        } else if matches!(self.state, State::Failed) {
            return Poll::Ready(Err(failed().into_io()));
        }
        let room = CHUNK - self.buffer.len().min(CHUNK - 1);
        let taken = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        self.buffer.extend_from_slice(taken);
        Poll::Ready(Ok(taken.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_drain(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_drain(cx)
    }
}

fn failed() -> Error {
    Error::Store("the blob can't be written on after an error".to_owned())
}

/// Back from `std::io`, through which errors pass on their way out of a poll function.
fn from_io(error: io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => error,
        Err(error) => Error::io(std::path::Path::new("a blob in the making"), error),
    }
}
