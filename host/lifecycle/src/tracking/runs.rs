//! Runs and sweeps that are trained here are runs of the tracking store, too,
//! while they are trained and after, so that clients of its protocol find them.
//!
//! The native record is what counts: it is written first, and what can't be
//! written here fails no training. What a killed process left behind is brought
//! to what the native records say when the store is opened again
//! ([`Tracking::recover`]).

use std::{collections::HashSet, sync::Arc, time::Duration};

use modelyard_catalog::Query;
use modelyard_tracking::{
    Code, CreateExperiment, CreateRun, Dataset, DatasetInput, LifecycleStage, LogBatch, LogInputs, Metric,
    Param, Run as Shown, RunStatus, Search, SearchRuns, Tag, Text, UpdateRun, ViewType,
};
use parking_lot::Mutex;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::{sync::Notify, task::JoinHandle};

use super::{
    Tracking,
    native::{self, End, Sheet},
};
use crate::{
    Error, Platform, Result,
    experiments::{Run, Sweep, Trial},
    progress::Progress,
};

/// How often live metrics are written.
const EVERY: Duration = Duration::from_millis(500);
/// Points written at once; the store takes a thousand of everything.
const POINTS: usize = 800;
/// Parameters written at once.
const PARAMS: usize = 100;
/// The longest page of a search.
const PAGE: i64 = 50_000;
/// Characters of a data set's digest, of at most 36.
const DIGEST: usize = 32;

impl Tracking<'_> {
    /// Shows a run that begins, or begins again, until it is ended.
    pub(crate) fn follow(&self, run: &Run, trial: Option<&Trial>) -> Followed {
        let follower = Follower {
            platform: self.0.clone(),
            sheet: Sheet::of_run(run, trial),
            arriving: Mutex::default(),
            stop: Notify::new(),
        };
        let follower = Arc::new(follower);
        let task = tokio::spawn(follow(follower.clone()));
        Followed { follower, task }
    }

    /// Shows a sweep that begins, or begins again.
    pub(crate) async fn sweep_began(&self, sweep: &Sweep) {
        let begun = self.open(&Sheet::of_sweep(sweep)).await;
        warn(begun.map(drop), &sweep.id);
    }

    /// Shows how a sweep ended, if it has.
    pub(crate) async fn sweep_ended(&self, sweep: &Sweep) {
        let Some(end) = End::of_sweep(sweep) else { return };
        let step = i64::try_from(sweep.runs.len()).unwrap_or(i64::MAX);
        let closed = self.close(&Sheet::of_sweep(sweep), end, &[], step).await;
        warn(closed, &sweep.id);
    }

    /// Shows how a run ended, if it has.
    pub(crate) async fn run_ended(&self, run: &Run, trial: Option<&Trial>) {
        let Some(end) = End::of_run(run, trial) else { return };
        let closed = self.close(&Sheet::of_run(run, trial), end, &run.datasets, 0).await;
        warn(closed, &run.id);
    }

    /// Brings what is shown as under way to what the native records say: a
    /// process that was killed has left it so.
    pub(crate) async fn recover(&self) -> Result<()> {
        let search = Search { max_results: Some(PAGE), ..Search::default() };
        let experiments = self.0.tracking.search_experiments(&search, ViewType::ActiveOnly)?.items;
        let (name, here) = native::SOURCE;
        let search = SearchRuns {
            experiment_ids: experiments.into_iter().map(|experiment| experiment.experiment_id).collect(),
            filter: format!("attributes.status = 'RUNNING' AND tags.`{name}` = '{here}'"),
            max_results: Some(PAGE),
            ..SearchRuns::default()
        };
        for shown in self.0.tracking.search_runs(&search)?.items {
            let value = |key: &str| shown.data.tags.iter().find(|tag| tag.key == key).map(|tag| &tag.value);
            if let Some(id) = value(native::RUN) {
                if let Some(run) = self.0.catalog.table::<Run>().get(id).await? {
                    let trial = self.trial_of(&run).await?;
                    self.run_ended(&run, trial.as_ref()).await;
                }
            } else if let Some(id) = value(native::SWEEP)
                && let Some(sweep) = self.0.catalog.table::<Sweep>().get(id).await?
            {
                self.sweep_ended(&sweep).await;
            }
        }
        Ok(())
    }

    /// The trial that a run is.
    pub(crate) async fn trial_of(&self, run: &Run) -> Result<Option<Trial>> {
        let Some(sweep) = &run.sweep else { return Ok(None) };
        Ok(self.0.catalog.table().first(Query::new().eq("sweep", sweep).eq("run", &run.id)).await?)
    }

    /// A run of the store, if it is there.
    fn shown(&self, id: &str) -> Result<Option<Shown>> {
        match self.0.tracking.run(id) {
            Ok(run) => Ok(Some(run)),
            Err(error) if error.code() == Code::ResourceDoesNotExist => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Begins a run in the store, or opens it again; gives it as it was before,
    /// if it was there.
    async fn open(&self, sheet: &Sheet) -> Result<Option<Shown>> {
        let store = &self.0.tracking;
        let before = self.shown(&sheet.id)?;
        match &before {
            Some(run) => {
                if run.info.status != RunStatus::Running {
                    store.reopen_run(&sheet.id).await?;
                }
                if run.data.tags.iter().any(|tag| tag.key == native::ERROR) {
                    store.delete_tag(&sheet.id, native::ERROR).await?;
                }
            }
            None => {
                let new = CreateRun {
                    experiment_id: self.experiment(&sheet.experiment).await?,
                    run_id: Some(sheet.id.clone()),
                    user_id: sheet.user.clone(),
                    start_time: Some(sheet.start),
                    run_name: Some(sheet.name.clone()),
                    tags: sheet.tags.clone(),
                };
                store.create_run(new).await?;
            }
        }
        self.log(&sheet.id, &[], &sheet.params, sheet.tags.clone()).await?;
        Ok(before)
    }

    /// The id of the experiment of this name, made if it isn't there.
    async fn experiment(&self, name: &str) -> Result<String> {
        let store = &self.0.tracking;
        if store.experiment_by_name(name).is_err() {
            let new = CreateExperiment { name: name.to_owned(), ..CreateExperiment::default() };
            match store.create_experiment(new).await {
                Ok(made) => return Ok(made.experiment_id),
                // Somebody else made it meanwhile.
                Err(error) if error.code() == Code::ResourceAlreadyExists => {}
                Err(error) => return Err(error.into()),
            }
        }
        let found = store.experiment_by_name(name)?;
        match found.lifecycle_stage {
            LifecycleStage::Active => Ok(found.experiment_id),
            // Whoever deleted it doesn't want to see its runs, old or new.
            LifecycleStage::Deleted => Err(Error::conflict(format!(
                "the experiment {name:?} was deleted in the tracking store; its runs are shown there when it is restored"
            ))),
        }
    }

    /// Writes how a run ended. What is there already isn't written twice, so it
    /// may be done again.
    async fn close(&self, sheet: &Sheet, end: End, datasets: &[String], step: i64) -> Result<()> {
        let store = &self.0.tracking;
        let before = match self.shown(&sheet.id)? {
            Some(run) => run,
            None => {
                self.open(sheet).await?;
                store.run(&sheet.id)?
            }
        };
        let mut metrics = Vec::new();
        for (key, value) in end.metrics {
            // What was a live metric ends where that ended.
            let live = before.data.metrics.iter().find(|metric| metric.key == key);
            let step = live.map_or(step, |live| step.max(live.step));
            let known = match live {
                Some(_) => store.metric_history(&sheet.id, &key, None, None)?.items,
                None => vec![],
            };
            if !known.iter().any(|point| point.step == step && point.value == value) {
                metrics.push(native::metric(key, value, self.now(), step));
            }
        }
        let mut inputs = Vec::new();
        for reference in datasets {
            inputs.push(self.input(reference).await);
        }
        if !inputs.is_empty() {
            store.log_inputs(&sheet.id, LogInputs { datasets: inputs, models: vec![] }).await?;
        }
        // The parameters again: a process may have been killed before it wrote them.
        self.log(&sheet.id, &metrics, &sheet.params, end.tags).await?;
        let change = UpdateRun { status: Some(end.status), end_time: end.at, run_name: None };
        store.update_run(&sheet.id, change).await?;
        Ok(())
    }

    /// A dataset version that a run was trained on. Its digest is one over its files.
    async fn input(&self, reference: &str) -> DatasetInput {
        let (name, version) = reference.split_once('@').unwrap_or((reference, ""));
        let digest = match self.0.ingestion().resolve(reference).await {
            Ok(found) => {
                let mut hash = Sha256::new();
                found.files.iter().for_each(|file| hash.update(file.hex()));
                hex::encode(hash.finalize()).chars().take(DIGEST).collect()
            }
            // It was there when the run began.
            Err(_) => version.chars().take(DIGEST).collect(),
        };
        DatasetInput {
            tags: vec![Tag::new("mlflow.data.context", "training")],
            dataset: Dataset {
                name: name.to_owned(),
                digest,
                source_type: native::SOURCE.1.to_owned(),
                source: json!({"dataset": reference}).to_string(),
                schema: None,
                profile: None,
            },
        }
    }

    /// Writes to a run in as few batches as the store takes.
    async fn log(&self, id: &str, metrics: &[Metric], params: &[Param], tags: Vec<Tag>) -> Result<()> {
        let (mut metrics, mut params, mut tags) = (metrics.chunks(POINTS), params.chunks(PARAMS), Some(tags));
        loop {
            let batch = LogBatch {
                metrics: metrics.next().unwrap_or_default().to_vec(),
                params: params.next().unwrap_or_default().to_vec(),
                tags: tags.take().unwrap_or_default(),
            };
            if batch.metrics.is_empty() && batch.params.is_empty() && batch.tags.is_empty() {
                return Ok(());
            }
            self.0.tracking.log_batch(id, batch).await?;
        }
    }

    /// Metrics and steps that a run has.
    fn steps(&self, run: &Shown) -> Result<HashSet<(Text, i64)>> {
        let mut steps = HashSet::new();
        for metric in &run.data.metrics {
            let history = self.0.tracking.metric_history(&run.info.run_id, &metric.key, None, None)?;
            steps.extend(history.items.into_iter().map(|point| (point.key, point.step)));
        }
        Ok(steps)
    }

    /// Milliseconds since 1970.
    fn now(&self) -> i64 {
        self.0.clock.now().micros() / 1000
    }
}

/// A run that is shown while it is trained. Dropped without an end, it stays as
/// under way until the records are looked at again.
pub(crate) struct Followed {
    follower: Arc<Follower>,
    task: JoinHandle<()>,
}

impl Followed {
    /// Shows the live metrics of this work from now on, under names that begin
    /// with `prefix`; what was watched before is over.
    pub(crate) fn watch(&self, prefix: &str, progress: &Progress) {
        let source = Source { prefix: prefix.to_owned(), progress: progress.clone(), written: 0 };
        self.follower.arriving.lock().push(source);
    }

    /// Shows the rest, and how the run ended.
    pub(crate) async fn end(mut self, run: &Run, trial: Option<&Trial>) {
        self.follower.stop.notify_one();
        // Not ended from outside: whether a write that is under way is done would not be known.
        if let Err(error) = (&mut self.task).await {
            tracing::warn!(%error, run = run.id, "the live metrics' writer ended early");
        }
        self.follower.platform.tracked().run_ended(run, trial).await;
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What is shared with the task that writes live metrics.
struct Follower {
    platform: Platform,
    sheet: Sheet,
    /// Work that began since the task last looked.
    arriving: Mutex<Vec<Source>>,
    stop: Notify,
}

/// Work whose live metrics are written.
struct Source {
    prefix: String,
    progress: Progress,
    /// How many of its points are written.
    written: usize,
}

/// Writes live metrics until it is told to stop; then what is left.
async fn follow(follower: Arc<Follower>) {
    let (mut sources, mut known, mut told) = (Vec::new(), None, false);
    loop {
        let stopped = tokio::select! {
            () = follower.stop.notified() => true,
            () = tokio::time::sleep(if known.is_none() && !told { Duration::ZERO } else { EVERY }) => false,
        };
        let written = follower.write(&mut sources, &mut known).await;
        if !told {
            told = written.is_err();
            warn(written, &follower.sheet.id);
        }
        if stopped {
            return;
        }
    }
}

impl Follower {
    /// Writes the points that came since. `known` are steps that an earlier
    /// attempt at the same run wrote; none: the run isn't begun yet.
    async fn write(&self, sources: &mut Vec<Source>, known: &mut Option<HashSet<(Text, i64)>>) -> Result<()> {
        let tracked = self.platform.tracked();
        let known = match known {
            Some(known) => known,
            None => {
                let before = tracked.open(&self.sheet).await?;
                known.insert(before.map(|before| tracked.steps(&before)).transpose()?.unwrap_or_default())
            }
        };
        sources.append(&mut self.arriving.lock());
        for source in sources.iter_mut() {
            loop {
                let points = source.progress.points(source.written, POINTS);
                if points.is_empty() {
                    break;
                }
                let metrics = points.iter().map(|point| native::point(&source.prefix, point, tracked.now()));
                let new: Vec<Metric> =
                    metrics.filter(|metric| !known.contains(&(metric.key.clone(), metric.step))).collect();
                tracked.log(&self.sheet.id, &new, &[], vec![]).await?;
                source.written += points.len();
            }
        }
        // All but the last are over.
        sources.drain(..sources.len().saturating_sub(1));
        Ok(())
    }
}

/// Says what couldn't be written; the training goes on without it.
fn warn(written: Result<()>, id: &str) {
    if let Err(error) = written {
        tracing::warn!(%error, run = id, "not written to the tracking store");
    }
}
