use std::{sync::Arc, time::Duration};

use modelyard_catalog::{Catalog, Order, Page, Query, Table};
use modelyard_clock::{Clock, Timestamp};

use crate::{Cron, Draft, Due, Error, Firing, Result, Schedule};

/// How the scheduler goes about its work.
#[derive(Clone, Debug)]
pub struct Options {
    /// The name of this process, unique among all that ever used the store.
    pub node: String,
    /// How late a tick may be fired before it counts as missed.
    pub grace: Duration,
    /// How long a process is believed to be alive after its last sign of life.
    pub lease: Duration,
    /// Whether no other process works on the store: what another one left running is dead.
    pub alone: bool,
    /// How often other nodes' new schedules are looked for.
    pub poll: Duration,
    /// How many firings run at once on the system's clock.
    pub concurrency: usize,
}

impl Options {
    /// A minute of grace, 30 seconds of lease, a look every second, 16 firings at once.
    pub fn new(catalog: &Catalog) -> Self {
        Self {
            node: uuid::Uuid::now_v7().to_string(),
            grace: Duration::from_secs(60),
            lease: Duration::from_secs(30),
            alone: !catalog.is_shared(),
            poll: Duration::from_secs(1),
            concurrency: 16,
        }
    }
}

/// Keeps schedules and fires them. A cheap handle.
#[derive(Clone)]
pub struct Scheduler(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) catalog: Catalog,
    pub(crate) clock: Clock,
    pub(crate) options: Options,
    pub(crate) schedules: Table<Schedule>,
    pub(crate) firings: Table<Firing>,
    /// Wakes the loop when a schedule changes.
    pub(crate) changed: tokio::sync::Notify,
}

impl Scheduler {
    /// A scheduler with the usual [`Options`].
    pub fn new(catalog: Catalog, clock: Clock) -> Self {
        let options = Options::new(&catalog);
        Self::with_options(catalog, clock, options)
    }

    /// A scheduler with other options.
    pub fn with_options(catalog: Catalog, clock: Clock, options: Options) -> Self {
        let (schedules, firings) = (catalog.table(), catalog.table());
        let changed = tokio::sync::Notify::new();
        Self(Arc::new(Inner { catalog, clock, options, schedules, firings, changed }))
    }

    /// Makes a schedule; it fires from now on.
    ///
    /// # Errors
    /// [`Error::BadCron`], [`Error::UnknownTimezone`], [`Error::Exists`].
    pub async fn create(&self, draft: Draft) -> Result<Schedule> {
        let now = self.0.clock.now();
        let next = first_tick(&draft.cron, &draft.timezone, now)?;
        let schedule = Schedule {
            id: draft.id.unwrap_or_else(|| uuid::Uuid::now_v7().to_string()),
            name: draft.name,
            cron: draft.cron,
            timezone: draft.timezone,
            missed: draft.missed,
            job: draft.job,
            enabled: true,
            created_at: now,
            next_at: Some(next),
            last_at: None,
        };
        self.0.schedules.insert(&schedule).await?;
        self.0.changed.notify_waiters();
        Ok(schedule)
    }

    /// Replaces what a schedule was made from; its id and history stay. It fires by the new
    /// expression from now on, if it is not paused.
    ///
    /// # Errors
    /// As [`Scheduler::create`], and [`Error::NotFound`].
    pub async fn update(&self, id: &str, draft: Draft) -> Result<Schedule> {
        let next = first_tick(&draft.cron, &draft.timezone, self.0.clock.now())?;
        self.change(id, |schedule| {
            // A changed name or job leaves the ticks that are due as they are.
            if (&schedule.cron, &schedule.timezone) != (&draft.cron, &draft.timezone) {
                schedule.next_at = schedule.enabled.then_some(next);
            }
            schedule.name.clone_from(&draft.name);
            schedule.cron.clone_from(&draft.cron);
            schedule.timezone.clone_from(&draft.timezone);
            schedule.missed = draft.missed;
            schedule.job = draft.job.clone();
        })
        .await
    }

    /// Stops a schedule from firing until it is resumed. What is running goes on.
    pub async fn pause(&self, id: &str) -> Result<Schedule> {
        self.change(id, |schedule| {
            schedule.enabled = false;
            schedule.next_at = None;
        })
        .await
    }

    /// Lets a paused schedule fire again, from now on.
    pub async fn resume(&self, id: &str) -> Result<Schedule> {
        let now = self.0.clock.now();
        let schedule = self.get(id).await?;
        let next = Cron::parse(&schedule.cron, &schedule.timezone)?.next(now);
        self.change(id, |schedule| {
            if !schedule.enabled {
                schedule.enabled = true;
                schedule.next_at = next;
            }
        })
        .await
    }

    async fn change(&self, id: &str, change: impl FnMut(&mut Schedule)) -> Result<Schedule> {
        let schedule = self.0.schedules.update(id, change).await?;
        self.0.changed.notify_waiters();
        Ok(schedule)
    }

    /// Removes a schedule; its history stays. Says whether there was one.
    pub async fn delete(&self, id: &str) -> Result<bool> {
        Ok(self.0.schedules.delete(id).await?)
    }

    /// The schedule with this id.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn get(&self, id: &str) -> Result<Schedule> {
        Ok(self.0.schedules.require(id).await?)
    }

    /// All schedules, ordered by name.
    pub async fn list(&self) -> Result<Vec<Schedule>> {
        Ok(self.0.schedules.all(Query::new().order("name", Order::Asc)).await?)
    }

    /// What came of a schedule's ticks, latest first.
    pub async fn history(&self, schedule: &str, limit: usize, after: Option<String>) -> Result<Page<Firing>> {
        let query = Query::new().eq("schedule", schedule).order("scheduled_at", Order::Desc);
        Ok(self.0.firings.find(query.limit(limit).after(after)).await?)
    }

    /// Removes what is known of firings that ended before this moment; returns how many.
    pub async fn forget(&self, before: Timestamp) -> Result<u64> {
        let mut removed = 0;
        for firing in self.0.firings.all(Query::new().lt("finished_at", before)).await? {
            removed += u64::from(self.0.firings.delete(&firing.id).await?);
        }
        Ok(removed)
    }

    /// The next `n` ticks of an expression from now on.
    ///
    /// # Errors
    /// [`Error::BadCron`], [`Error::UnknownTimezone`].
    pub fn preview(&self, cron: &str, timezone: &str, n: usize) -> Result<Vec<Timestamp>> {
        Ok(Cron::parse(cron, timezone)?.preview(self.0.clock.now(), n))
    }

    /// The ticks of all enabled schedules up to and including `until`, in order of time; at
    /// most 10,000. Nothing is fired.
    pub async fn due(&self, until: Timestamp) -> Result<Vec<Due>> {
        const MOST: usize = 10_000;
        let mut due = Vec::new();
        for schedule in self.0.schedules.all(Query::new().le("next_at", until)).await? {
            let cron = Cron::parse(&schedule.cron, &schedule.timezone)?;
            let ticks = std::iter::successors(schedule.next_at, |tick| cron.next(*tick));
            due.extend(ticks.take_while(|tick| *tick <= until).take(MOST).map(|at| Due {
                at,
                schedule: schedule.id.clone(),
                name: schedule.name.clone(),
            }));
        }
        due.sort_by(|a, b| (a.at, &a.schedule).cmp(&(b.at, &b.schedule)));
        due.truncate(MOST);
        Ok(due)
    }
}

/// The first tick; an expression that has none is refused.
fn first_tick(cron: &str, timezone: &str, now: Timestamp) -> Result<Timestamp> {
    Cron::parse(cron, timezone)?
        .next(now)
        .ok_or_else(|| Error::BadCron { cron: cron.to_owned(), reason: "it never fires".to_owned() })
}
