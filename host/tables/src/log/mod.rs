//! Append logs with group commit: callers hand over encoded frames, one thread
//! writes what has gathered and syncs once for all of them.
//!
//! A log is a directory of segments, `<sequence>.log`: a header of eight bytes,
//! then frames of `length u32 | CRC-32 of the payload u32 | payload`, little
//! endian. Only the last segment is written to. A write that fails (a full
//! disk, above all) is cut off again, so that a segment never holds half a
//! frame in its middle; only a crash can leave a torn tail, which is cut at
//! the next open.

pub(crate) mod codec;
mod replay;
mod segment;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex, RwLock};
use tokio::sync::oneshot;

use segment::sync_dir;
pub(crate) use segment::{Entry, Segment, remove_temporary, replace};

use crate::{Error, Result};

/// The largest payload of one frame.
pub(crate) const MAX_FRAME: usize = 256 << 20;
/// Frames of callers that don't wait may gather up to this many bytes while the
/// disk refuses them.
const MAX_PENDING: usize = 256 << 20;

type Done = oneshot::Sender<Result<()>>;

/// One frame on its way to the disk. `M` is what the reader's index keeps of it.
struct Frame<M> {
    bytes: Vec<u8>,
    meta: M,
    done: Option<Done>,
}

struct Pending<M> {
    frames: Vec<Frame<M>>,
    bytes: usize,
    /// Those who wait for everything before them.
    flushes: Vec<Done>,
    closed: bool,
}

struct Shared<M> {
    dir: PathBuf,
    pending: Mutex<Pending<M>>,
    wake: Condvar,
    /// Held by whoever changes files: the commit thread, a rotation, a rewrite.
    writing: Mutex<()>,
    segments: RwLock<Vec<Arc<Segment<M>>>>,
    interval: Duration,
}

/// An append log. Dropping it commits what is pending.
pub(crate) struct Log<M> {
    shared: Arc<Shared<M>>,
    thread: Option<JoinHandle<()>>,
}

impl<M: Clone + Send + Sync + 'static> Log<M> {
    /// Opens the log in `dir`, made if missing. Segments up to `through` are no
    /// longer needed and deleted. `read` is given every frame of the others,
    /// oldest first, and gives what the index keeps of it.
    pub(crate) fn open(
        dir: &Path,
        interval: Duration,
        through: u64,
        mut read: impl FnMut(&[u8]) -> Result<M>,
    ) -> Result<Self> {
        fs::create_dir_all(dir).map_err(Error::at(dir))?;
        let mut segments = replay::open(dir, through, &mut read)?;
        if segments.is_empty() {
            segments.push(Arc::new(Segment::create(dir, through + 1)?));
        }
        let shared = Arc::new(Shared {
            dir: dir.to_owned(),
            pending: Mutex::new(Pending { frames: Vec::new(), bytes: 0, flushes: Vec::new(), closed: false }),
            wake: Condvar::new(),
            writing: Mutex::new(()),
            segments: RwLock::new(segments),
            interval,
        });
        let thread = std::thread::Builder::new()
            .name("tables-commit".into())
            .spawn({
                let shared = shared.clone();
                move || shared.run()
            })
            .map_err(Error::at(dir))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Hands a payload over without waiting. An error means it was not taken.
    pub(crate) fn append(&self, payload: &[u8], meta: M) -> Result<()> {
        self.push(payload, meta, None)
    }

    /// Hands a payload over; the receiver is told when it is on the disk, or
    /// that it isn't and won't be.
    pub(crate) fn append_durable(&self, payload: &[u8], meta: M) -> Result<oneshot::Receiver<Result<()>>> {
        let (done, committed) = oneshot::channel();
        self.push(payload, meta, Some(done))?;
        Ok(committed)
    }

    fn push(&self, payload: &[u8], meta: M, done: Option<Done>) -> Result<()> {
        if payload.len() > MAX_FRAME {
            return Err(Error::invalid(format!(
                "{} bytes in one write; at most {MAX_FRAME} are accepted: send fewer rows at once",
                payload.len()
            )));
        }
        let bytes = segment::frame(payload);
        let mut pending = self.shared.pending.lock();
        if pending.closed {
            return Err(Error::Closed);
        }
        if pending.bytes + bytes.len() > MAX_PENDING + MAX_FRAME {
            return Err(Error::Full(self.shared.dir.display().to_string()));
        }
        let first = pending.frames.is_empty();
        pending.bytes += bytes.len();
        pending.frames.push(Frame { bytes, meta, done });
        drop(pending);
        // The first one begins a group; the thread need not wake for the others.
        if first {
            self.shared.wake.notify_one();
        }
        Ok(())
    }

    /// The receiver is told when everything handed over before is on the disk.
    pub(crate) fn flush(&self) -> Result<oneshot::Receiver<Result<()>>> {
        let (done, committed) = oneshot::channel();
        let mut pending = self.shared.pending.lock();
        if pending.closed {
            return Err(Error::Closed);
        }
        pending.flushes.push(done);
        drop(pending);
        self.shared.wake.notify_one();
        Ok(committed)
    }

    /// The segments, oldest first; the last is being written to.
    pub(crate) fn segments(&self) -> Vec<Arc<Segment<M>>> {
        self.shared.segments.read().clone()
    }

    /// Length and age of the segment that is being written to.
    pub(crate) fn current(&self) -> (u64, Duration) {
        let segments = self.shared.segments.read();
        segments.last().map_or((0, Duration::ZERO), |last| (last.payload(), last.created.elapsed()))
    }

    /// Starts a new segment; blocking.
    pub(crate) fn rotate(&self) -> Result<()> {
        let _writing = self.shared.writing.lock();
        let next = self.shared.segments.read().last().map_or(1, |last| last.sequence + 1);
        let segment = Segment::create(&self.shared.dir, next)?;
        self.shared.segments.write().push(Arc::new(segment));
        Ok(())
    }

    /// Forgets segments up to a sequence number and deletes their files; who
    /// holds one can still read it. Blocking.
    pub(crate) fn remove(&self, through: u64) -> Result<()> {
        let _writing = self.shared.writing.lock();
        let mut gone = Vec::new();
        self.shared.segments.write().retain(|segment| {
            let keep = segment.sequence > through;
            if !keep {
                gone.push(segment.path.clone());
            }
            keep
        });
        for path in gone {
            fs::remove_file(&path).map_err(Error::at(&path))?;
        }
        sync_dir(&self.shared.dir)
    }

    /// Replaces the whole log by one segment of the given payloads, atomically.
    /// Frames that are pending go behind them. Blocking; `fill` is called while
    /// nothing is committed.
    pub(crate) fn rewrite(
        &self,
        fill: impl FnOnce(&mut dyn FnMut(&[u8], M) -> Result<()>) -> Result<()>,
    ) -> Result<()> {
        let _writing = self.shared.writing.lock();
        let next = self.shared.segments.read().last().map_or(1, |last| last.sequence + 1);
        let segment = Segment::rewritten(&self.shared.dir, next, fill)?;
        let old = std::mem::replace(&mut *self.shared.segments.write(), vec![Arc::new(segment)]);
        for segment in old {
            fs::remove_file(&segment.path).map_err(Error::at(&segment.path))?;
        }
        sync_dir(&self.shared.dir)
    }

    /// Bytes of payload in all segments.
    pub(crate) fn bytes(&self) -> u64 {
        self.shared.segments.read().iter().map(|segment| segment.payload()).sum()
    }
}

impl<M> Drop for Log<M> {
    fn drop(&mut self) {
        self.shared.pending.lock().closed = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been reported already.
            let _ = thread.join();
        }
    }
}

impl<M: Clone> Shared<M> {
    /// The commit thread.
    fn run(&self) {
        loop {
            let mut pending = self.pending.lock();
            while pending.frames.is_empty() && pending.flushes.is_empty() && !pending.closed {
                self.wake.wait(&mut pending);
            }
            // Let a group gather, unless somebody asks to hurry.
            let until = Instant::now() + self.interval;
            while pending.flushes.is_empty() && !pending.closed {
                if self.interval.is_zero() || self.wake.wait_until(&mut pending, until).timed_out() {
                    break;
                }
            }
            let frames = std::mem::take(&mut pending.frames);
            let flushes = std::mem::take(&mut pending.flushes);
            let closed = pending.closed;
            drop(pending);
            let result = self.commit(frames);
            if let Err(error) = &result {
                tracing::error!(log = %self.dir.display(), %error, "a commit failed");
                std::thread::sleep(Duration::from_millis(if closed { 0 } else { 50 }));
            }
            for flush in flushes {
                let _ = flush.send(result.clone());
            }
            if closed {
                return;
            }
        }
    }

    /// Writes and syncs a group. On failure those who wait are told and their
    /// frames dropped; the others' go back to the front of the queue.
    fn commit(&self, frames: Vec<Frame<M>>) -> Result<()> {
        if frames.is_empty() {
            return Ok(());
        }
        let writing = self.writing.lock();
        let segment = self.segments.read().last().cloned().ok_or(Error::Closed)?;
        let bytes: usize = frames.iter().map(|frame| frame.bytes.len()).sum();
        let result = segment.append(frames.iter().map(|frame| (frame.bytes.as_slice(), &frame.meta)));
        drop(writing);
        let mut pending = self.pending.lock();
        pending.bytes = pending.bytes.saturating_sub(bytes);
        let mut again = Vec::new();
        for mut frame in frames {
            if let Some(done) = frame.done.take() {
                // Who no longer waits doesn't need to be told.
                let _ = done.send(result.clone());
            } else if result.is_err() {
                pending.bytes += frame.bytes.len();
                again.push(frame);
            }
        }
        if !again.is_empty() {
            again.append(&mut pending.frames);
            pending.frames = again;
        }
        result
    }
}

/// Waits for a commit.
pub(crate) async fn committed(done: oneshot::Receiver<Result<()>>) -> Result<()> {
    done.await.unwrap_or(Err(Error::Closed))
}
