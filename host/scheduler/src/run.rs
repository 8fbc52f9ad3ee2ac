use std::{collections::HashSet, future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use modelyard_catalog::{Order, Query};
use modelyard_clock::Timestamp;
use tokio::task::JoinSet;

use crate::{Firing, Job, Result, Scheduler, firing::Claimed};

/// Does jobs.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Does the job of one tick and says what came of it, or why it failed. It is called at
    /// most once at a time per schedule, and again for the same firing (`attempt` tells) if the
    /// process died in it.
    async fn fire(&self, firing: &Firing, job: &Job) -> Result<String, String>;
}

impl Scheduler {
    /// Fires everything that is due up to and including `until`, one after the other in order
    /// of time, and returns what came of it. A simulated clock is advanced to each tick before
    /// it is fired, and at last to `until`. What a killed process left running comes first.
    ///
    /// # Errors
    /// A failed job is no error; its firing says so.
    pub async fn run_due(&self, until: Timestamp, handler: &dyn Handler) -> Result<Vec<Firing>> {
        let mut fired = Vec::new();
        for orphan in self.orphans().await? {
            fired.push(self.see_through(orphan, handler).await?);
        }
        let nobody = HashSet::new();
        while let Some(claimed) = self.claim(until, &nobody).await? {
            fired.push(self.see_through(claimed, handler).await?);
        }
        if self.0.clock.is_simulated() && self.0.clock.now() < until {
            self.0.clock.advance_to(until)?;
        }
        Ok(fired)
    }

    /// Fires ticks of the system's clock as they come, schedules side by side, until `shutdown`
    /// completes; then waits for what is running. On a simulated clock, which whoever advances
    /// it drives through [`Scheduler::run_due`], it only waits for `shutdown`.
    pub async fn run(
        &self,
        handler: Arc<dyn Handler>,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<()> {
        tokio::pin!(shutdown);
        if self.0.clock.is_simulated() {
            shutdown.await;
            return Ok(());
        }
        let mut running =
            Running { scheduler: self.clone(), handler, tasks: JoinSet::new(), busy: HashSet::new() };
        loop {
            let pause = match running.start_due().await {
                Ok(()) => self.pause_until_next(&running.busy).await.unwrap_or(self.0.options.poll),
                Err(error) => {
                    tracing::error!(%error, "the scheduler could not look for due schedules; it tries again");
                    self.0.options.poll
                }
            };
            tokio::select! {
                () = &mut shutdown => break,
                () = self.0.changed.notified() => {}
                Some(ended) = running.tasks.join_next() => running.end(ended),
                () = tokio::time::sleep(pause) => {}
            }
        }
        while let Some(ended) = running.tasks.join_next().await {
            running.end(ended);
        }
        Ok(())
    }

    /// How long nothing is due, at most until the next look at what other nodes did.
    async fn pause_until_next(&self, busy: &HashSet<String>) -> Result<Duration> {
        let query = Query::new().ne("next_at", None::<Timestamp>).order("next_at", Order::Asc);
        let page = self.0.schedules.find(query.limit(busy.len() + 1)).await?;
        let next = page.items.iter().find(|schedule| !busy.contains(&schedule.id)).and_then(|s| s.next_at);
        let poll = self.0.options.poll;
        Ok(next.map_or(poll, |next| next.since(self.0.clock.now()).min(poll)))
    }
}

/// The firings of the loop.
struct Running {
    scheduler: Scheduler,
    handler: Arc<dyn Handler>,
    tasks: JoinSet<(String, Result<Firing>)>,
    /// Schedules that have a firing running.
    busy: HashSet<String>,
}

impl Running {
    async fn start_due(&mut self) -> Result<()> {
        for orphan in self.scheduler.orphans().await? {
            self.start(orphan);
        }
        while self.tasks.len() < self.scheduler.0.options.concurrency {
            let now = self.scheduler.0.clock.now();
            match self.scheduler.claim(now, &self.busy).await? {
                Some(claimed) => self.start(claimed),
                None => break,
            }
        }
        Ok(())
    }

    fn start(&mut self, claimed: Claimed) {
        let (scheduler, handler) = (self.scheduler.clone(), self.handler.clone());
        let schedule = claimed.firing.schedule.clone();
        self.busy.insert(schedule.clone());
        self.tasks.spawn(async move { (schedule, scheduler.see_through(claimed, handler.as_ref()).await) });
    }

    fn end(&mut self, ended: Result<(String, Result<Firing>), tokio::task::JoinError>) {
        match ended {
            Ok((schedule, result)) => {
                self.busy.remove(&schedule);
                if let Err(error) = result {
                    tracing::error!(%error, schedule, "the end of a firing could not be recorded");
                }
            }
            // Panics of handlers are caught before; a task that is cut off leaves its lease to expire.
            Err(error) => tracing::error!(%error, "a firing was cut off"),
        }
    }
}
