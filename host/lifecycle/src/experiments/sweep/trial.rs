//! One trial: its folds, its run, and what ends it.

use std::{collections::BTreeSet, sync::Arc};

use modelyard_runtime::types::Metric;
use parking_lot::Mutex;

use super::{
    super::{Run, Status, prepare::Prepared},
    RungValue, SweepSpec, Trial, TrialStatus,
    halving::{Rungs, Stopped},
};
use crate::{Code, Error, Platform, Result, governance::Actor, progress::Progress, tracking::Followed};

/// The rows of one feature set.
pub(super) struct Data {
    /// Training, validation and test rows.
    pub(super) whole: Prepared,
    /// The same for each fold, without test rows.
    pub(super) folds: Vec<Prepared>,
}

/// What the trials of a sweep share.
pub(super) struct Bench {
    platform: Platform,
    actor: Actor,
    spec: SweepSpec,
    data: Vec<Data>,
    /// Cancelled when the sweep is, or when it can't go on.
    pub(super) progress: Progress,
    live: Arc<Mutex<Live>>,
}

/// What live metrics have shown so far.
struct Live {
    rungs: Rungs,
    /// The metrics that were reported, and whether the one was among them.
    seen: BTreeSet<String>,
}

impl Bench {
    pub(super) fn new(
        platform: Platform,
        actor: Actor,
        spec: SweepSpec,
        data: Vec<Data>,
        progress: &Progress,
    ) -> Self {
        let rungs = match &spec.halving {
            Some(halving) => {
                Rungs::new(halving.first_step, u64::from(halving.eta), halving.last_step, halving.maximize)
            }
            None => Rungs::new(1, 2, 0, false),
        };
        let live = Arc::new(Mutex::new(Live { rungs, seen: BTreeSet::new() }));
        Self { platform, actor, spec, data, progress: progress.child(), live }
    }

    /// Notes what settled trials had come to.
    pub(super) fn restore(&self, trials: &[Trial]) {
        let mut live = self.live.lock();
        for trial in trials.iter().filter(|trial| trial.status.is_settled()) {
            for rung in &trial.rungs {
                live.rungs.report(trial.number, rung.step, rung.value);
            }
        }
    }

    /// What should be known of the sweep.
    pub(super) fn notes(&self) -> Vec<String> {
        let Some(halving) = &self.spec.halving else { return vec![] };
        let live = self.live.lock();
        if live.rungs.is_used() {
            return vec![];
        }
        let seen: Vec<&str> = live.seen.iter().map(String::as_str).collect();
        let known = if seen.is_empty() { "none".to_owned() } else { seen.join(", ") };
        let why = if live.seen.contains(&halving.metric) {
            format!("no trial came to step {} with the live metric {:?}", halving.first_step, halving.metric)
        } else {
            format!("no training reported the live metric {:?}; reported were {known}", halving.metric)
        };
        vec![format!("nothing was stopped early: {why}")]
    }

    /// Runs a trial and records how it ended.
    ///
    /// # Errors
    /// That it can't be recorded; how the trial itself ends stands in it.
    pub(super) async fn run(&self, mut trial: Trial, mut run: Run, set: usize) -> Result<Trial> {
        let started = std::time::Instant::now();
        run.status = Status::Running;
        self.platform.catalog.table().put(&run).await?;
        let stopped = Arc::new(Mutex::new(None));
        let mut progress = self.watched(trial.number, &stopped);
        let shown = self.platform.trainings.show(&run.id, &progress);
        let followed = self.platform.tracked().follow(&run, Some(&trial));
        let mut outcome = match self.data.get(set) {
            Some(data) => self.work(&mut trial, &mut run, data, &mut progress, &followed).await,
            None => Err(Error::internal("a trial of no feature set")),
        };
        if let (Err(error), Some(stopped)) = (&outcome, *stopped.lock())
            && error.code == Code::Cancelled
            && !self.progress.is_cancelled()
        {
            trial.status = TrialStatus::Stopped;
            outcome = Err(Error::new(Code::Cancelled, self.why(stopped)));
        }
        run.history = progress.seen().points;
        run.seconds = Some(started.elapsed().as_secs_f64());
        trial.seconds = run.seconds;
        trial.rungs = self.live.lock().rungs.of(trial.number).collect();
        settle(&mut trial, &outcome);
        let (run, _) = self.platform.experiments().ended(&self.actor, run, outcome, Some(&trial)).await?;
        followed.end(&run, Some(&trial)).await;
        drop(shown);
        Ok(trial)
    }

    /// Folds first: what falls behind there is not trained in full.
    async fn work(
        &self,
        trial: &mut Trial,
        run: &mut Run,
        data: &Data,
        progress: &mut Progress,
        followed: &Followed,
    ) -> Result<()> {
        let experiments = self.platform.experiments();
        let go_on = |progress: &Progress| match progress.is_cancelled() {
            true => Err(Error::new(Code::Cancelled, "the sweep was cancelled")),
            false => Ok(()),
        };
        let mut rows = 0;
        for (index, fold) in data.folds.iter().enumerate() {
            // Rungs compare trials on the same rows, those of the first fold.
            if index > 0 {
                *progress = self.progress.child();
            }
            go_on(progress)?;
            followed.watch(&format!("fold-{}/", index + 1), progress);
            let metrics = experiments.measure_fold(run, fold, progress).await?;
            let metric = self.decisive(&metrics)?;
            trial.folds.push(metric.value);
            rows += metric.rows;
            go_on(progress)?;
        }
        if !data.folds.is_empty() {
            *progress = self.progress.child();
        }
        go_on(progress)?;
        let _shown = self.platform.trainings.show(&run.id, progress);
        followed.watch("", progress);
        experiments.work_on(run, &data.whole, progress).await?;
        trial.value = Some(match trial.folds.as_slice() {
            [] => self.decisive(&run.metrics)?.value,
            folds => {
                let (mean, deviation) = spread(folds);
                let named = |what: &str, value| Metric {
                    name: format!("cv_{}{what}", self.spec.metric),
                    value,
                    slice: None,
                    rows,
                };
                run.metrics.extend([named("_mean", mean), named("_std", deviation)]);
                mean
            }
        });
        Ok(())
    }

    /// The metric that decides.
    fn decisive<'a>(&self, metrics: &'a [Metric]) -> Result<&'a Metric> {
        let name = &self.spec.metric;
        let whole = metrics.iter().rev().filter(|metric| metric.slice.is_none());
        match whole.clone().find(|metric| metric.name == *name) {
            Some(metric) if metric.value.is_finite() => Ok(metric),
            Some(metric) => Err(Error::conflict(format!("the metric {name:?} is {}", metric.value))),
            None => {
                let known: BTreeSet<&str> = whole.map(|metric| &*metric.name).collect();
                let known = Vec::from_iter(known).join(", ");
                Err(Error::conflict(format!("no metric {name:?}; the runs have {known}")))
            }
        }
    }

    /// Progress of a trial that stops it where it falls behind.
    fn watched(&self, number: u64, stopped: &Arc<Mutex<Option<Stopped>>>) -> Progress {
        let Some(halving) = self.spec.halving.clone() else { return self.progress.child() };
        let (live, stopped) = (self.live.clone(), stopped.clone());
        self.progress.watched(Box::new(move |name, step, value| {
            let mut live = live.lock();
            if live.seen.len() < 100 && !live.seen.contains(name) {
                live.seen.insert(name.to_owned());
            }
            let stop = if name == halving.metric { live.rungs.report(number, step, value) } else { None };
            if stop.is_some() {
                *stopped.lock() = stop;
            }
            stop.is_some()
        }))
    }

    fn why(&self, Stopped { step, value, place, of }: Stopped) -> String {
        let (metric, eta) =
            self.spec.halving.as_ref().map_or(("", 0), |halving| (&*halving.metric, halving.eta));
        format!(
            "stopped early at step {step}: its {metric} of {value} was number {place} of {of}; one in {eta} goes on"
        )
    }
}

/// How a trial's outcome stands in its record.
fn settle(trial: &mut Trial, outcome: &Result<()>) {
    trial.error = outcome.as_ref().err().map(|error| error.message.clone());
    trial.status = match outcome {
        Ok(()) => TrialStatus::Finished,
        Err(_) if trial.status == TrialStatus::Stopped => TrialStatus::Stopped,
        Err(error) if error.code == Code::Cancelled => TrialStatus::Interrupted,
        Err(_) => TrialStatus::Failed,
    };
}

/// Mean and standard deviation (of a sample, n − 1; 0 of a single value).
fn spread(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, if n > 1.0 { (squares / (n - 1.0)).sqrt() } else { 0.0 })
}

impl Rungs {
    /// What a trial showed at the rungs that it came to.
    fn of(&self, trial: u64) -> impl Iterator<Item = RungValue> {
        self.noted(trial).map(|(step, value)| RungValue { step, value })
    }
}
