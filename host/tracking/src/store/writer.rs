//! The one thread that writes.
//!
//! Commands queue up while the disk is busy. The thread runs all that are waiting, each as one
//! atomic batch of rows, makes them durable together, and only then answers them: one trip to the
//! disk for however many writers there are.

use std::{
    sync::{Arc, mpsc},
    thread,
};

use tokio::sync::oneshot;

use super::Core;
use crate::{Error, Result};

/// Commands answered with one trip to the disk, at most.
const GROUP: usize = 1024;

/// A command that is run, then answered.
trait Command: Send {
    fn run(&mut self, core: &Core);
    fn answer(self: Box<Self>, durable: &Result<()>);
}

struct Write<T, F> {
    work: Option<F>,
    result: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T: Send, F: FnOnce(&Core) -> Result<T> + Send> Command for Write<T, F> {
    fn run(&mut self, core: &Core) {
        self.result = self.work.take().map(|work| work(core));
    }

    fn answer(self: Box<Self>, durable: &Result<()>) {
        let result = match (self.result, durable) {
            (Some(Ok(_)), Err(error)) => Err(error.clone()),
            (Some(result), _) => result,
            (None, _) => Err(stopped()),
        };
        // The caller may have gone; what it asked for is done all the same.
        let _ = self.reply.send(result);
    }
}

fn stopped() -> Error {
    Error::internal("the tracking store has stopped")
}

/// The handle that commands go through; the thread ends when it is dropped.
pub(super) struct Writer {
    commands: Option<mpsc::Sender<Box<dyn Command>>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(core: Arc<Core>) -> Result<Self> {
        let (commands, waiting) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("tracking-writer".to_owned())
            .spawn(move || serve(&core, &waiting))
            .map_err(|cause| Error::internal(format!("can't start the tracking store's writer: {cause}")))?;
        Ok(Self { commands: Some(commands), thread: Some(thread) })
    }

    /// Runs `work` on the writer's thread and waits until what it wrote is durable.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Core) -> Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let command: Box<dyn Command> = Box::new(Write { work: Some(work), result: None, reply });
        self.commands.as_ref().ok_or_else(stopped)?.send(command).map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the tracking store's writer panicked");
        }
    }
}

fn serve(core: &Core, waiting: &mpsc::Receiver<Box<dyn Command>>) {
    while let Ok(first) = waiting.recv() {
        let mut group = vec![first];
        group.extend(waiting.try_iter().take(GROUP - 1));
        for command in &mut group {
            command.run(core);
        }
        let durable = core.disk.persist();
        if let Err(error) = &durable {
            tracing::error!(%error, "a write to the tracking store is not durable");
        }
        for command in group {
            command.answer(&durable);
        }
    }
}
