//! What a guest prints, cut into lines.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::error::LogLine;
use crate::grants::Output;
use crate::host::LINE;
use crate::types::Level;

/// Lines that are kept for whoever is told that the call failed.
const LAST: usize = 20;
/// Bytes that a guest may print at once.
const PIECE: usize = 64 << 10;

/// What one instance prints to both of its streams.
#[derive(Clone)]
pub(crate) struct Printed(Arc<Mutex<Lines>>);

struct Lines {
    output: Arc<dyn Output>,
    /// Lines that may still be printed in this call.
    left: usize,
    dropped: u64,
    last: VecDeque<LogLine>,
}

impl Printed {
    pub(crate) fn new(output: Arc<dyn Output>, lines: usize) -> Printed {
        Printed(Arc::new(Mutex::new(Lines { output, left: lines, dropped: 0, last: VecDeque::new() })))
    }

    /// Begins a call: its own lines.
    pub(crate) fn arm(&self, lines: usize) {
        let mut printed = self.0.lock();
        printed.tell_dropped();
        printed.left = lines;
        printed.last.clear();
    }

    /// The lines printed last.
    pub(crate) fn last(&self) -> Vec<LogLine> {
        self.0.lock().last.drain(..).collect()
    }

    /// A stream whose lines have a level.
    pub(crate) fn stream(&self, level: Level) -> Stream {
        Stream(Arc::new(Mutex::new(Open { printed: self.clone(), level, line: Vec::new() })))
    }
}

impl Lines {
    fn line(&mut self, level: Level, bytes: &[u8]) {
        if self.left == 0 {
            self.dropped += 1;
            return;
        }
        self.left -= 1;
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim_end_matches('\r');
        self.output.line(level, text);
        if self.last.len() == LAST {
            self.last.pop_front();
        }
        self.last.push_back(LogLine { level, message: text.to_owned() });
    }

    fn tell_dropped(&mut self) {
        match std::mem::take(&mut self.dropped) {
            0 => {}
            dropped => self.output.line(Level::Warn, &format!("… {dropped} more lines were dropped")),
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.tell_dropped();
    }
}

/// The line that is being printed.
struct Open {
    printed: Printed,
    level: Level,
    line: Vec<u8>,
}

impl Open {
    fn write(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ended) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            // What is over the longest line is cut off.
            let room = LINE.saturating_sub(self.line.len()).min(text.len());
            self.line.extend_from_slice(text.get(..room).unwrap_or_default());
            if ended {
                self.end();
            }
        }
    }

    fn end(&mut self) {
        self.printed.0.lock().line(self.level, &self.line);
        self.line.clear();
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.line.is_empty() {
            self.end();
        }
    }
}

/// Standard output or standard error.
#[derive(Clone)]
pub(crate) struct Stream(Arc<Mutex<Open>>);

impl IsTerminal for Stream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stream {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

#[async_trait::async_trait]
impl Pollable for Stream {
    async fn ready(&mut self) {}
}

impl OutputStream for Stream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.0.lock().write(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PIECE)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.lock().write(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Kept(Mutex<Vec<String>>);

    impl Output for Kept {
        fn line(&self, level: Level, line: &str) {
            self.0.lock().push(format!("{level:?} {line}"));
        }
    }

    #[test]
    fn pieces_become_lines_and_no_more_than_allowed() {
        let kept = Arc::new(Kept::default());
        let printed = Printed::new(Arc::clone(&kept) as _, 3);
        let (mut out, mut err) = (printed.stream(Level::Info), printed.stream(Level::Warn));
        out.write(Bytes::from_static(b"one\r\ntw")).unwrap();
        err.write(Bytes::from_static(b"oh\n")).unwrap();
        out.write(Bytes::from_static(b"o\nthree\nfour\n")).unwrap();
        assert_eq!(*kept.0.lock(), ["Level::Info one", "Level::Warn oh", "Level::Info two"]);
        let last: Vec<String> = printed.last().into_iter().map(|line| line.message).collect();
        assert_eq!(last, ["one", "oh", "two"]);

        printed.arm(3);
        out.write(Bytes::from(vec![b'x'; 2 * LINE])).unwrap();
        out.write(Bytes::from_static(b"\nno end")).unwrap();
        drop((out, err, printed));
        let lines = kept.0.lock();
        assert_eq!(lines[3], "Level::Warn … 2 more lines were dropped");
        assert_eq!(lines[4].len(), "Level::Info ".len() + LINE);
        assert_eq!(lines[5], "Level::Info no end");
    }
}
