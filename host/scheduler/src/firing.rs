//! Claiming a tick and seeing it through.

use std::collections::HashSet;

use futures::FutureExt;
use modelyard_catalog::{Error as CatalogError, Order, Query, Revision};
use modelyard_clock::Timestamp;

use crate::{Cron, Error, Firing, Handler, Job, Missed, Outcome, Result, Schedule, Scheduler};

/// A tick that this process is to fire.
pub(crate) struct Claimed {
    pub(crate) firing: Firing,
    pub(crate) job: Job,
}

impl Scheduler {
    /// Claims the earliest due tick of a schedule that is not in `busy`. On a simulated clock
    /// the clock is advanced to it first.
    pub(crate) async fn claim(&self, until: Timestamp, busy: &HashSet<String>) -> Result<Option<Claimed>> {
        loop {
            let Some((schedule, revision)) = self.earliest(until, busy).await? else { return Ok(None) };
            let Some(tick) = schedule.next_at else { return Ok(None) };
            if self.0.clock.is_simulated() && tick > self.0.clock.now() {
                self.0.clock.advance_to(tick)?;
            }
            let cron = Cron::parse(&schedule.cron, &schedule.timezone)?;
            let claimed = match self.missed(&schedule, &cron, tick) {
                Some((last, count, next)) => {
                    self.leave_out(&schedule, revision, (tick, last, count), next).await.map(|()| None)
                }
                None => self.take(&schedule, revision, tick, cron.next(tick)).await.map(Some),
            };
            match claimed {
                Ok(Some(claimed)) => return Ok(Some(claimed)),
                Ok(None) => {}
                // Another node was faster, or somebody changed the schedule: look again.
                Err(Error::Exists(_)) => self.pass_over(&schedule, revision, cron.next(tick)).await?,
                Err(Error::Catalog(CatalogError::Precondition { .. })) => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn earliest(
        &self,
        until: Timestamp,
        busy: &HashSet<String>,
    ) -> Result<Option<(Schedule, Revision)>> {
        let mut query = Query::new().le("next_at", until).order("next_at", Order::Asc);
        query = query.limit(busy.len() + 1);
        let page = self.0.schedules.find(query).await?;
        for schedule in page.items.into_iter().filter(|schedule| !busy.contains(&schedule.id)) {
            if let Some((schedule, revision)) = self.0.schedules.get_revision(&schedule.id).await?
                && schedule.next_at.is_some_and(|next| next <= until)
            {
                return Ok(Some((schedule, revision)));
            }
        }
        Ok(None)
    }

    /// The last of the missed ticks that are to be left out, how many they are, and the tick
    /// behind them; `None` if `tick` is to be fired.
    fn missed(
        &self,
        schedule: &Schedule,
        cron: &Cron,
        tick: Timestamp,
    ) -> Option<(Timestamp, usize, Option<Timestamp>)> {
        let limit = self.0.clock.now() - self.0.options.grace;
        let keep = schedule.missed.keep();
        // Only the last `keep + 1` are held, however many there are.
        let mut held = std::collections::VecDeque::new();
        let mut left_out = None;
        let mut count = 0;
        let mut next = Some(tick);
        while let Some(at) = next.filter(|at| *at < limit) {
            held.push_back(at);
            if held.len() > keep {
                left_out = held.pop_front();
                count += 1;
            }
            next = cron.next(at);
        }
        let last = left_out?;
        Some((last, count, held.front().copied().or(next)))
    }

    /// Records missed ticks that are not fired and moves on to the one behind them.
    async fn leave_out(
        &self,
        schedule: &Schedule,
        revision: Revision,
        (first, last, count): (Timestamp, Timestamp, usize),
        next: Option<Timestamp>,
    ) -> Result<()> {
        let mut firing = self.new_firing(schedule, last);
        firing.outcome = Outcome::Skipped;
        firing.finished_at = Some(firing.started_at);
        firing.message = match count {
            1 => "missed; left out".to_owned(),
            n => format!("{n} ticks from {first} to {last} were missed; left out"),
        };
        self.commit(schedule, revision, &firing, next, schedule.last_at).await
    }

    async fn take(
        &self,
        schedule: &Schedule,
        revision: Revision,
        tick: Timestamp,
        next: Option<Timestamp>,
    ) -> Result<Claimed> {
        let firing = self.new_firing(schedule, tick);
        self.commit(schedule, revision, &firing, next, Some(tick)).await?;
        Ok(Claimed { firing, job: schedule.job.clone() })
    }

    /// The unique firing and the moved schedule, together.
    async fn commit(
        &self,
        schedule: &Schedule,
        revision: Revision,
        firing: &Firing,
        next_at: Option<Timestamp>,
        last_at: Option<Timestamp>,
    ) -> Result<()> {
        let mut transaction = self.0.catalog.transaction();
        transaction.require_unchanged::<Schedule>(&schedule.id, revision);
        transaction.insert(firing);
        transaction.put(&Schedule { next_at, last_at, ..schedule.clone() });
        Ok(transaction.commit().await?)
    }

    /// Moves a schedule past a tick that has a firing: it was deleted and made anew, or its
    /// expression was changed back.
    async fn pass_over(
        &self,
        schedule: &Schedule,
        revision: Revision,
        next_at: Option<Timestamp>,
    ) -> Result<()> {
        let mut transaction = self.0.catalog.transaction();
        transaction.require_unchanged::<Schedule>(&schedule.id, revision);
        transaction.put(&Schedule { next_at, ..schedule.clone() });
        match transaction.commit().await {
            Ok(()) | Err(CatalogError::Precondition { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn new_firing(&self, schedule: &Schedule, tick: Timestamp) -> Firing {
        Firing {
            id: Firing::key(&schedule.id, tick),
            schedule: schedule.id.clone(),
            scheduled_at: tick,
            started_at: self.0.clock.now(),
            finished_at: None,
            outcome: Outcome::Running,
            message: String::new(),
            attempt: 1,
            node: self.0.options.node.clone(),
            lease_until: self.lease_end(),
        }
    }

    fn lease_end(&self) -> Timestamp {
        Timestamp::from(chrono::Utc::now()) + self.0.options.lease
    }

    /// Runs the job, renewing the lease meanwhile, and records how it ended.
    pub(crate) async fn see_through(&self, claimed: Claimed, handler: &dyn Handler) -> Result<Firing> {
        let Claimed { firing, job } = claimed;
        let work = std::panic::AssertUnwindSafe(handler.fire(&firing, &job)).catch_unwind();
        let result = {
            tokio::pin!(work);
            loop {
                tokio::select! {
                    result = &mut work => break result,
                    () = tokio::time::sleep(self.0.options.lease / 3) => self.renew(&firing).await,
                }
            }
        };
        let (outcome, message) = match result {
            Ok(Ok(message)) => (Outcome::Ok, message),
            Ok(Err(message)) => (Outcome::Failed, message),
            Err(panic) => (Outcome::Failed, format!("the job panicked: {}", panic_text(panic.as_ref()))),
        };
        let now = self.0.clock.now();
        let ended = self.0.firings.update(&firing.id, |stored| {
            // A node that was given up for dead must not end the firing of its successor.
            if stored.node == firing.node && stored.attempt == firing.attempt {
                stored.outcome = outcome;
                stored.message.clone_from(&message);
                stored.finished_at = Some(now);
            }
        });
        Ok(ended.await?)
    }

    async fn renew(&self, firing: &Firing) {
        let lease_until = self.lease_end();
        let renewed = self.0.firings.update(&firing.id, |stored| {
            if stored.node == firing.node {
                stored.lease_until = lease_until;
            }
        });
        if let Err(error) = renewed.await {
            tracing::warn!(%error, firing = firing.id, "the lease of a running firing could not be renewed");
        }
    }

    /// Takes over what processes that are gone left running: claimed again, or marked failed,
    /// by the schedule's policy.
    pub(crate) async fn orphans(&self) -> Result<Vec<Claimed>> {
        let wall = Timestamp::from(chrono::Utc::now());
        let mut taken = Vec::new();
        for firing in self.0.firings.all(Query::new().eq("outcome", Outcome::Running)).await? {
            let mine = firing.node == self.0.options.node;
            if mine || !(self.0.options.alone || firing.lease_until < wall) {
                continue;
            }
            let schedule = self.0.schedules.get(&firing.schedule).await?;
            let again = schedule.filter(|schedule| schedule.missed != Missed::Skip);
            if let Some(claimed) = self.take_over(&firing, again).await? {
                taken.push(claimed);
            }
        }
        taken.sort_by_key(|claimed| claimed.firing.scheduled_at);
        Ok(taken)
    }

    async fn take_over(&self, orphan: &Firing, again: Option<Schedule>) -> Result<Option<Claimed>> {
        let now = self.0.clock.now();
        let mut taken = false;
        let firing = self
            .0
            .firings
            .update(&orphan.id, |stored| {
                taken = stored.outcome == Outcome::Running && stored.node == orphan.node;
                if !taken {
                    return;
                }
                if again.is_some() {
                    stored.node.clone_from(&self.0.options.node);
                    stored.attempt += 1;
                    stored.started_at = now;
                    stored.lease_until = self.lease_end();
                } else {
                    stored.outcome = Outcome::Failed;
                    stored.finished_at = Some(now);
                    "the process that ran it is gone".clone_into(&mut stored.message);
                }
            })
            .await?;
        Ok(again.filter(|_| taken).map(|schedule| Claimed { firing, job: schedule.job }))
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
}
