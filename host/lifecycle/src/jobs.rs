//! Long work: started, watched, waited for, cancelled. A job's record outlives
//! the process; one that a killed process left behind is marked as such.

use std::{collections::HashMap, future::Future};

use modelyard_catalog::{Index, Order, Page, Query, Record};
use modelyard_clock::Timestamp;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;
use utoipa::ToSchema;

use crate::{
    Code, Error, Platform, Result,
    experiments::{Point, Status},
    progress::Progress,
};

/// One piece of long work.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// Its id (UUID v7).
    pub id: String,
    /// What it does: `ingestion.pull`, `experiments.train` …
    pub kind: String,
    /// What it is about: the source's, run's or monitor's name.
    pub subject: String,
    /// How far it is.
    pub status: Status,
    /// From 0 to 1.
    pub fraction: f64,
    /// What it is doing.
    pub message: String,
    /// What it gave.
    #[schema(value_type = Object)]
    pub result: Option<Value>,
    /// Why it failed.
    pub error: Option<String>,
    /// Live metrics while it runs.
    #[serde(default)]
    pub points: Vec<Point>,
    /// Who started it.
    pub created_by: String,
    /// When it was started.
    pub created_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

impl Record for Job {
    const TABLE: &'static str = "job";
    const INDEXES: &'static [Index] =
        &[Index::on(&["created_at"]), Index::on(&["kind", "created_at"]), Index::on(&["status"])];
    fn id(&self) -> String {
        self.id.clone()
    }
}

/// Jobs under way in this process.
#[derive(Default)]
pub(crate) struct Jobs(Mutex<HashMap<String, Live>>);

struct Live {
    progress: Progress,
    done: watch::Receiver<Option<Result<Value>>>,
}

/// Jobs of a platform.
pub struct JobsOf<'p>(pub(crate) &'p Platform);

impl JobsOf<'_> {
    /// Starts work and gives its job at once.
    pub async fn start<F, W>(&self, by: &str, kind: &str, subject: &str, work: F) -> Result<Job>
    where
        F: FnOnce(Platform, Progress) -> W,
        W: Future<Output = Result<Value>> + Send + 'static,
    {
        let platform = self.0.clone();
        let job = Job {
            id: uuid::Uuid::now_v7().to_string(),
            kind: kind.to_owned(),
            subject: subject.to_owned(),
            status: Status::Running,
            fraction: 0.0,
            message: String::new(),
            result: None,
            error: None,
            points: vec![],
            created_by: by.to_owned(),
            created_at: platform.clock.now(),
            finished_at: None,
        };
        platform.catalog.table::<Job>().insert(&job).await?;
        let progress = Progress::default();
        let (done, watching) = watch::channel(None);
        platform.jobs.0.lock().insert(job.id.clone(), Live { progress: progress.clone(), done: watching });
        let future = work(platform.clone(), progress.clone());
        let id = job.id.clone();
        let background = platform.runtime.background().clone();
        // Where it takes no time from what is served.
        background.clone().spawn(async move {
            // A panic in the work must not leave the job running for ever.
            let outcome = background.spawn(future).await.unwrap_or_else(|error| Err(error.into()));
            finish(&platform, &id, &progress, &outcome).await;
            done.send_replace(Some(outcome));
            platform.jobs.0.lock().remove(&id);
        });
        Ok(job)
    }

    /// Starts work and waits for what it gives.
    pub async fn run<F, W>(&self, by: &str, kind: &str, subject: &str, work: F) -> Result<Value>
    where
        F: FnOnce(Platform, Progress) -> W,
        W: Future<Output = Result<Value>> + Send + 'static,
    {
        let job = self.start(by, kind, subject, work).await?;
        self.wait(&job.id).await
    }

    /// Waits for a job's end and gives what it gave.
    pub async fn wait(&self, id: &str) -> Result<Value> {
        let watching = self.0.jobs.0.lock().get(id).map(|live| live.done.clone());
        if let Some(mut watching) = watching
            && let Ok(outcome) = watching.wait_for(Option::is_some).await
        {
            return outcome.clone().unwrap_or_else(|| Err(Error::internal("the job ended without a result")));
        }
        let job = self.get(id).await?;
        match job.status {
            Status::Finished => Ok(job.result.unwrap_or(Value::Null)),
            Status::Cancelled => Err(Error::new(Code::Cancelled, "the job was cancelled")),
            _ => {
                Err(Error::new(Code::Conflict, job.error.unwrap_or_else(|| "the job did not finish".into())))
            }
        }
    }

    /// A job, with its live progress while it runs.
    pub async fn get(&self, id: &str) -> Result<Job> {
        let table = self.0.catalog.table::<Job>();
        let mut job = table.get(id).await?.ok_or_else(|| Error::not_found("job", id))?;
        self.show(&mut job);
        Ok(job)
    }

    /// The latest jobs, of one kind or all.
    pub async fn list(&self, kind: Option<&str>, limit: usize, after: Option<String>) -> Result<Page<Job>> {
        let mut query = Query::new().order("created_at", Order::Desc).limit(limit).after(after);
        if let Some(kind) = kind {
            query = query.eq("kind", kind);
        }
        let mut page = self.0.catalog.table::<Job>().find(query).await?;
        page.items.iter_mut().for_each(|job| self.show(job));
        Ok(page)
    }

    fn show(&self, job: &mut Job) {
        if let Some(live) = self.0.jobs.0.lock().get(&job.id) {
            let seen = live.progress.seen();
            job.fraction = seen.fraction;
            job.message = seen.message;
            job.points = seen.points;
        }
    }

    /// Asks a job to stop; it ends soon, as cancelled.
    pub async fn cancel(&self, id: &str) -> Result<Job> {
        match self.0.jobs.0.lock().get(id) {
            Some(live) => live.progress.cancel(),
            None => return Err(Error::conflict(format!("the job {id} is not running"))),
        }
        self.get(id).await
    }

    /// Marks what a killed process left running.
    pub(crate) async fn recover(&self) -> Result<()> {
        let table = self.0.catalog.table::<Job>();
        for job in table.all(Query::new().eq("status", Status::Running)).await? {
            let now = self.0.clock.now();
            table
                .update(&job.id, |job| {
                    job.status = Status::Failed;
                    job.error = Some("interrupted: the server stopped while it ran; start it again".into());
                    job.finished_at = Some(now);
                })
                .await?;
        }
        self.0.experiments().recover().await
    }

    /// Waits until nothing runs, at most half a minute; then asks to stop.
    pub(crate) async fn drain(&self) {
        for second in 0..40 {
            let running: Vec<Progress> =
                self.0.jobs.0.lock().values().map(|live| live.progress.clone()).collect();
            if running.is_empty() {
                return;
            }
            if second >= 5 {
                running.iter().for_each(Progress::interrupt);
            }
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        }
    }
}

async fn finish(platform: &Platform, id: &str, progress: &Progress, outcome: &Result<Value>) {
    let now = platform.clock.now();
    let seen = progress.seen();
    let written = platform
        .catalog
        .table::<Job>()
        .update(id, |job| {
            job.finished_at = Some(now);
            job.message.clone_from(&seen.message);
            job.fraction = seen.fraction;
            match outcome {
                Ok(value) => {
                    job.status = Status::Finished;
                    job.fraction = 1.0;
                    job.result = Some(value.clone());
                }
                Err(error) => {
                    job.status =
                        if error.code == Code::Cancelled { Status::Cancelled } else { Status::Failed };
                    job.error = Some(error.to_string());
                }
            }
        })
        .await;
    if let Err(error) = written {
        tracing::error!(%error, job = id, "a job's end could not be recorded");
    }
}
