//! Schedules: which stage a cron schedule's job belongs to, and the simulated
//! clock's way through them.
//!
//! A job's kind is `<stage>.<verb>`, its target the name of the source, view,
//! monitor or rule. The schedule that belongs to a record (its `schedule`
//! field) has the id `<kind>/<target>` and follows the record.

use std::{future::Future, sync::Arc};

use async_trait::async_trait;
use modelyard_catalog::Ref;
use modelyard_clock::Timestamp;
use modelyard_scheduler::{
    Cron, Draft, Error as ScheduleError, Firing, Handler, Job, Missed, Outcome, Schedule,
};
use serde_json::Value;

use crate::{
    Error, Platform, Result, feedback::Rule, governance::Actor, monitoring::Monitor, progress::Progress,
    records::Scheduled, retirement::RetirementRule,
};

/// The kinds of job that a schedule may have.
pub const JOBS: [&str; 6] = [
    "ingestion.pull",
    "features.materialize",
    "experiments.train",
    Monitor::JOB,
    Rule::JOB,
    RetirementRule::JOB,
];

/// The schedule that a record asks for, checked before the record is written.
pub(crate) struct Wanted {
    id: String,
    draft: Option<Draft>,
}

impl Wanted {
    pub(crate) fn of(kind: &str, target: &str, cron: Option<&str>, timezone: Option<&str>) -> Result<Self> {
        let id = format!("{kind}/{target}");
        let Some(cron) = cron else {
            return Ok(Self { id, draft: None });
        };
        let timezone = timezone.unwrap_or("UTC").to_owned();
        Cron::parse(cron, &timezone).map_err(|error| {
            let field =
                if matches!(error, ScheduleError::UnknownTimezone { .. }) { "timezone" } else { "schedule" };
            Error::field(field, error.to_string())
        })?;
        let draft = Draft {
            id: Some(id.clone()),
            name: id.clone(),
            cron: cron.to_owned(),
            timezone,
            missed: Missed::Once,
            job: Job { kind: kind.to_owned(), target: target.to_owned(), parameters: Value::Null },
        };
        Ok(Self { id, draft: Some(draft) })
    }
}

impl Platform {
    /// Brings a record's schedule to what the record asks for.
    pub(crate) async fn want(&self, wanted: Wanted) -> Result<()> {
        let current = self.find_schedule(&wanted.id).await?;
        match (wanted.draft, current) {
            (None, None) => {}
            (None, Some(_)) => {
                self.scheduler.delete(&wanted.id).await?;
            }
            (Some(draft), None) => {
                self.scheduler.create(draft).await?;
            }
            (Some(draft), Some(current)) => {
                if current.cron != draft.cron || current.timezone != draft.timezone {
                    self.scheduler.update(&wanted.id, draft).await?;
                }
            }
        }
        Ok(())
    }

    /// Removes a record's schedule.
    pub(crate) async fn unwant(&self, kind: &str, target: &str) -> Result<()> {
        self.scheduler.delete(&format!("{kind}/{target}")).await?;
        Ok(())
    }

    async fn find_schedule(&self, id: &str) -> Result<Option<Schedule>> {
        match self.scheduler.get(id).await {
            Ok(schedule) => Ok(Some(schedule)),
            Err(ScheduleError::NotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes a schedule of its own, or changes the one with its id.
    pub async fn put_schedule(&self, actor: &Actor, draft: Draft) -> Result<Schedule> {
        if !JOBS.contains(&draft.job.kind.as_str()) {
            return Err(Error::field(
                "job.kind",
                format!(
                    "{:?} is no job that can be scheduled; there are {}",
                    draft.job.kind,
                    JOBS.join(", ")
                ),
            ));
        }
        let known = match &draft.id {
            Some(id) => self.find_schedule(id).await?,
            None => None,
        };
        let schedule = match known {
            Some(known) => self.scheduler.update(&known.id, draft).await?,
            None => self.scheduler.create(draft).await?,
        };
        self.change(actor, "schedule.put", Ref::of(&schedule)).commit().await?;
        Ok(schedule)
    }

    /// Fires schedules as they come due, until `shutdown`.
    pub(crate) async fn run_schedules(&self, shutdown: impl Future<Output = ()> + Send) {
        let handler: Arc<dyn Handler> = Arc::new(Stages(self.clone()));
        if let Err(error) = self.scheduler.run(handler, shutdown).await {
            tracing::error!(%error, "the scheduler ended");
        }
    }

    /// Moves a simulated clock to `to`, firing everything that is due on the
    /// way, each at its moment, and delivering what it tells.
    pub async fn advance(&self, to: Timestamp) -> Result<Vec<Firing>> {
        if !self.clock.is_simulated() {
            return Err(modelyard_clock::Error::NotSimulated.into());
        }
        if to < self.clock.now() {
            return Err(modelyard_clock::Error::Backwards { now: self.clock.now(), to }.into());
        }
        let fired = self.scheduler.run_due(to, &Stages(self.clone())).await?;
        self.notifier.deliver_due(self.clock.now()).await?;
        Ok(fired)
    }
}

/// Does the jobs of schedules.
struct Stages(Platform);

#[async_trait]
impl Handler for Stages {
    async fn fire(&self, firing: &Firing, job: &Job) -> Result<String, String> {
        debug_assert_eq!(firing.outcome, Outcome::Running);
        self.dispatch(job).await.map_err(|error| error.to_string())
    }
}

impl Stages {
    async fn dispatch(&self, job: &Job) -> Result<String> {
        let (platform, actor, target) = (self.0.clone(), Actor::system(), job.target.clone());
        let progress = Progress::default();
        match job.kind.as_str() {
            "ingestion.pull" => {
                let pulled = platform.ingestion().pull(&actor, &target, &progress).await?;
                Ok(format!("{} rows, {} rejected", pulled.rows, pulled.rejected))
            }
            "features.materialize" => {
                let done = platform.features().materialize(&actor, &target, &progress).await?;
                Ok(format!("{} rows", done.rows))
            }
            "experiments.train" => {
                let experiment = platform.experiments().get(&target).await?;
                let (run, job) = platform.experiments().start(&actor, experiment.spec).await?;
                platform.jobs().wait(&job.id).await?;
                Ok(format!("run {}", run.id))
            }
            Monitor::JOB => self.run::<Monitor>(&target).await,
            Rule::JOB => self.run::<Rule>(&target).await,
            RetirementRule::JOB => self.run::<RetirementRule>(&target).await,
            other => Err(Error::invalid(format!("no stage does {other:?}"))),
        }
    }

    async fn run<R: Scheduled>(&self, target: &str) -> Result<String> {
        let done = R::run(&self.0, &Actor::system(), target, &Progress::default()).await?;
        Ok(R::told(&done))
    }
}
