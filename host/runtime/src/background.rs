//! Threads for what takes long, so that what is quick is not held up.
//!
//! A call begins on the thread that decoded its request. One that is still busy
//! after [`LONG`] moves to threads which the system runs when the others leave
//! it time: it goes on as before, and takes the whole machine if that is idle.
//! So a guest that hangs, or scores a million rows, hinders no neighbour.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;

use crate::engine::TICK;
use crate::error::Error;

/// Time on a thread after which a call counts as long. A guest gives way every
/// [`TICK`], so it is told at the second.
const LONG: Duration = TICK.saturating_add(TICK.saturating_sub(Duration::from_micros(500)));
/// How far the threads stand back, from 0 to 19.
const NICENESS: i32 = 10;

/// The threads. They end with this.
pub(crate) struct Background {
    runtime: Option<tokio::runtime::Runtime>,
    handle: Handle,
    /// Held by what reads files.
    turn: Arc<Semaphore>,
}

impl Background {
    pub(crate) fn start() -> Result<Background, Error> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .thread_name("background")
            .on_thread_start(|| {
                // Where that isn't allowed, the threads are as any other.
                let _ = rustix::process::nice(NICENESS);
            })
            .enable_all()
            .build()
            .map_err(|error| Error::Engine(format!("the background threads: {error}")))?;
        let handle = runtime.handle().clone();
        Ok(Background { runtime: Some(runtime), handle, turn: Arc::new(Semaphore::new(1)) })
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Does work that reads files, one piece of it after another, on a thread
    /// that may block.
    pub(crate) fn in_turn(&self, work: impl FnOnce() + Send + 'static) {
        let turn = self.turn.clone();
        self.handle.spawn(async move {
            let _turn = turn.acquire().await;
            // If it panicked, that was told.
            let _ = tokio::task::spawn_blocking(work).await;
        });
    }

    /// Runs a call to its end: here, or on the background's threads once it
    /// turns out to be long. Dropping the future ends the call either way.
    pub(crate) async fn run<T: Send + 'static>(&self, call: impl Future<Output = T> + Send + 'static) -> T {
        let mut call = Box::pin(call);
        let mut busy = Duration::ZERO;
        let here = poll_fn(|context| {
            let start = Instant::now();
            if let Poll::Ready(value) = call.as_mut().poll(context) {
                return Poll::Ready(Some(value));
            }
            busy += start.elapsed();
            if busy < LONG { Poll::Pending } else { Poll::Ready(None) }
        });
        if let Some(value) = here.await {
            return value;
        }
        match AbortOnDropHandle::new(self.handle.spawn(call)).await {
            Ok(value) => value,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The process is ending, and with it whoever waits.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Whoever drops this may be a task, which must not wait.
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn thread() -> String {
        std::thread::current().name().unwrap_or_default().to_owned()
    }

    async fn spin(for_ms: u64) {
        let until = Instant::now() + Duration::from_millis(for_ms);
        while Instant::now() < until {
            let slice = Instant::now();
            while slice.elapsed() < TICK {
                std::hint::spin_loop();
            }
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn what_is_quick_stays_and_what_is_long_moves() {
        let background = Background::start().unwrap();
        let quick = background.run(async { thread() }).await;
        assert_eq!(quick, thread());
        let long = background.run(async {
            spin(20).await;
            thread()
        });
        assert_eq!(long.await, "background");
        // Waiting is not being busy.
        let waited = background.run(async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            thread()
        });
        assert_eq!(waited.await, thread());
    }

    #[tokio::test]
    async fn who_gives_up_ends_the_call_wherever_it_is() {
        struct Told(Arc<AtomicBool>);
        impl Drop for Told {
            fn drop(&mut self) {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        let background = Background::start().unwrap();
        let ended = Arc::new(AtomicBool::new(false));
        let told = Told(ended.clone());
        let call = background.run(async move {
            spin(60_000).await;
            drop(told);
        });
        assert!(tokio::time::timeout(Duration::from_millis(50), call).await.is_err());
        while !ended.load(Ordering::SeqCst) {
            tokio::time::sleep(TICK).await;
        }
    }
}
