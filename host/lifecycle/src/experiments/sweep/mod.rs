//! Sweeps: many trainings of one experiment, as many at once as allowed.
//!
//! - [`records`]: what is asked for and what is kept.
//! - [`check`], [`space`], [`plan`]: what may be asked for, what can be varied, and
//!   the experiment at a place.
//! - [`tpe`]: where to look next. [`halving`]: who goes on. [`folds`]:
//!   cross-validation by time. Each is an algorithm of its own.
//! - [`trial`]: one combination, tried. [`resume`]: what was broken off.
//!
//! Every trial is a run and a record of its own, written when it is proposed and
//! again, together with its run, when it ends: a killed process loses the trials
//! under way and nothing else, and a sweep that goes on runs only those again.

mod check;
mod folds;
mod halving;
mod plan;
mod records;
mod resume;
mod space;
mod tpe;
mod trial;

use std::{collections::VecDeque, sync::Arc};

pub(super) use folds::{Fold, expanding};
use futures::{StreamExt, stream::FuturesUnordered};
use modelyard_catalog::{Order, Page, Query, Ref};
use modelyard_runtime::Kind;
use plan::Plan;
pub use records::{
    FeatureSet, FoldsSpec, HalvingSpec, RungValue, Strategy, Sweep, SweepSpec, TpeSpec, TrainerChoice, Trial,
    TrialStatus,
};
use serde_json::json;
use trial::{Bench, Data};

use super::{ExperimentSpec, Experiments, Run, Status};
use crate::{
    Code, Error, Result, features::TrainingSet, governance::Actor, jobs::Job, plugins::check_parameters,
    progress::Progress,
};

impl Experiments<'_> {
    /// Starts a sweep: a job whose result is the sweep.
    pub async fn start_sweep(&self, actor: &Actor, spec: SweepSpec) -> Result<(Sweep, Job)> {
        if spec.experiment.is_empty() {
            return Err(Error::field("experiment", "name the experiment that the sweep is of"));
        }
        let experiment = self.get(&spec.experiment).await?.spec;
        let plan = Plan::new(&spec, &experiment)?;
        self.check_samples(&plan).await?;
        for (index, set) in plan.feature_sets().iter().enumerate() {
            if let Some(features) = &set.features {
                let field = |what: &str| format!("feature_sets[{index}].features.{what}");
                let plugins = self.0.plugins();
                let plugin = plugins.of_kind(&field("plugin"), &features.plugin, Kind::Features).await?;
                check_parameters(&field("parameters"), &plugin, &features.parameters, false)?;
            }
            for join in &set.joins {
                self.0.features().view(&join.view).await?;
            }
        }
        let sweep = Sweep {
            id: uuid::Uuid::now_v7().to_string(),
            spec,
            experiment: Some(experiment),
            training_sets: vec![],
            status: Status::Running,
            runs: vec![],
            best: None,
            best_value: None,
            created_at: self.0.clock.now(),
            finished_at: None,
            error: None,
            notes: vec![],
            created_by: actor.name.clone(),
            restarts: vec![],
        };
        self.0
            .change(actor, "experiments.sweep.created", Ref::of(&sweep))
            .detail(json!({"experiment": sweep.spec.experiment, "runs": plan.count()}))
            .insert(&sweep)
            .commit()
            .await?;
        self.begin_sweep(actor, sweep).await
    }

    async fn begin_sweep(&self, actor: &Actor, sweep: Sweep) -> Result<(Sweep, Job)> {
        let (actor, id) = (actor.clone(), sweep.id.clone());
        let job = self
            .0
            .jobs()
            .start(
                &actor.name.clone(),
                "experiments.sweep",
                &id.clone(),
                move |platform, progress| async move {
                    let sweep = platform.experiments().sweep_work(&actor, &id, &progress).await?;
                    Ok(serde_json::to_value(sweep)?)
                },
            )
            .await?;
        Ok((sweep, job))
    }

    /// A sweep.
    pub async fn sweep(&self, id: &str) -> Result<Sweep> {
        self.0.catalog.table::<Sweep>().get(id).await?.ok_or_else(|| Error::not_found("sweep", id))
    }

    /// Sweeps, latest first.
    pub async fn sweeps(&self, limit: usize, after: Option<String>) -> Result<Page<Sweep>> {
        let query = Query::new().order("created_at", Order::Desc).limit(limit).after(after);
        Ok(self.0.catalog.table().find(query).await?)
    }

    /// A sweep's trials, in the order in which they were proposed.
    pub async fn trials(&self, sweep: &str, limit: usize, after: Option<String>) -> Result<Page<Trial>> {
        self.sweep(sweep).await?;
        let query = Query::new().eq("sweep", sweep).order("number", Order::Asc).limit(limit).after(after);
        Ok(self.0.catalog.table().find(query).await?)
    }

    /// Holds every value that a sweep may try to the plugins' own schemas.
    async fn check_samples(&self, plan: &Plan) -> Result<()> {
        for (field, place) in plan.samples() {
            let training = plan.experiment(&place)?.training;
            let at = field.trim_end_matches(".search");
            let plugin =
                self.0.plugins().of_kind(&format!("{at}.plugin"), &training.plugin, Kind::Training).await?;
            check_parameters(&field, &plugin, &training.parameters, false)?;
        }
        Ok(())
    }

    async fn sweep_work(&self, actor: &Actor, id: &str, progress: &Progress) -> Result<Sweep> {
        let mut sweep = self.sweep(id).await?;
        // Before its trials, which name it as their parent.
        self.0.tracked().sweep_began(&sweep).await;
        let outcome = self.sweep_trials(actor, &mut sweep, progress).await;
        sweep.finished_at = Some(self.0.clock.now());
        sweep.status = match &outcome {
            Ok(()) => Status::Finished,
            // It goes on when the platform runs again.
            Err(error) if error.code == Code::Cancelled && progress.is_interrupted() => Status::Pending,
            Err(error) if error.code == Code::Cancelled => Status::Cancelled,
            Err(_) => Status::Failed,
        };
        sweep.error = outcome.as_ref().err().map(ToString::to_string);
        if sweep.status == Status::Pending {
            (sweep.finished_at, sweep.error) = (None, None);
        }
        self.0
            .change(actor, "experiments.sweep.ended", Ref::of(&sweep))
            .detail(json!({"status": sweep.status, "best": sweep.best, "value": sweep.best_value}))
            .put(&sweep)
            .commit()
            .await?;
        self.0.tracked().sweep_ended(&sweep).await;
        outcome.map(|()| sweep)
    }

    async fn sweep_trials(&self, actor: &Actor, sweep: &mut Sweep, progress: &Progress) -> Result<()> {
        let experiment =
            sweep.experiment.clone().ok_or_else(|| Error::internal("a sweep of no experiment"))?;
        let plan = Plan::new(&sweep.spec, &experiment)?;
        let of_sweep = Query::new().eq("sweep", &sweep.id).order("number", Order::Asc);
        let mut trials = self.0.catalog.table::<Trial>().all(of_sweep).await?;
        let data = self.data(actor, sweep, &plan, progress).await?;
        let bench = Arc::new(Bench::new(self.0.clone(), actor.clone(), sweep.spec.clone(), data, progress));
        bench.restore(&trials);
        let again =
            (0..trials.len()).filter(|at| trials.get(*at).is_some_and(|trial| !trial.status.is_settled()));
        let mut again: VecDeque<usize> = again.collect();
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let parallel = sweep.spec.parallel.map_or(cores, |parallel| parallel.max(1) as usize);
        let mut running = FuturesUnordered::new();
        let mut failure = None;
        loop {
            while running.len() < parallel && !bench.progress.is_cancelled() {
                let begun = match again.pop_front().and_then(|at| trials.get_mut(at)) {
                    Some(trial) => Some(self.begin_again(actor, sweep, &plan, trial).await),
                    None => self.begin_next(actor, sweep, &plan, &mut trials).await.transpose(),
                };
                match begun {
                    None => break,
                    // A task of its own, so that trainings use several cores.
                    Some(Ok((trial, run))) => {
                        let (bench, set) = (bench.clone(), plan.feature_set(&trial.place));
                        running.push(tokio::spawn(async move { bench.run(trial, run, set).await }));
                    }
                    Some(Err(error)) => {
                        bench.progress.cancel();
                        failure = Some(error);
                    }
                }
            }
            let Some(ended) = running.next().await else { break };
            match ended.map_err(Error::from).and_then(|ended| ended) {
                Ok(trial) => note(sweep, &mut trials, trial, &plan, progress),
                // What is under way is stopped and waited for.
                Err(error) => {
                    bench.progress.cancel();
                    failure = failure.or(Some(error));
                }
            }
        }
        lead(sweep, &trials);
        if let Some(failure) = failure {
            return Err(failure);
        }
        sweep.notes = bench.notes();
        concluded(sweep, &trials, progress)
    }

    /// Proposes the next trial, if there is one, and keeps it with its run.
    async fn begin_next(
        &self,
        actor: &Actor,
        sweep: &mut Sweep,
        plan: &Plan,
        trials: &mut Vec<Trial>,
    ) -> Result<Option<(Trial, Run)>> {
        let Some(place) = plan.next(trials) else { return Ok(None) };
        let run = self.new_run(actor, plan.experiment(&place)?, Some(sweep.id.clone()));
        let trial = plan.trial(&sweep.id, trials.len() as u64, &run.id, place);
        sweep.runs.push(run.id.clone());
        self.0
            .change(actor, "experiments.sweep.trial", Ref::of(&run))
            .detail(json!({"sweep": sweep.id, "number": trial.number, "parameters": trial.parameters}))
            .insert(&run)
            .insert(&trial)
            .put(sweep)
            .commit()
            .await?;
        trials.push(trial.clone());
        Ok(Some((trial, run)))
    }

    /// Makes an interrupted trial as if it had only been proposed.
    async fn begin_again(
        &self,
        actor: &Actor,
        sweep: &Sweep,
        plan: &Plan,
        trial: &mut Trial,
    ) -> Result<(Trial, Run)> {
        let spec = plan.experiment(&trial.place)?;
        let run = Run { id: trial.run.clone(), ..self.new_run(actor, spec, Some(sweep.id.clone())) };
        *trial = plan.trial(&sweep.id, trial.number, &run.id, trial.place.clone());
        self.0
            .change(actor, "experiments.sweep.trial", Ref::of(&run))
            .detail(json!({"sweep": sweep.id, "number": trial.number, "again": true}))
            .put(&run)
            .put(trial)
            .commit()
            .await?;
        Ok((trial.clone(), run))
    }

    /// The rows of each feature set, those of a sweep that is resumed as they were.
    async fn data(
        &self,
        actor: &Actor,
        sweep: &mut Sweep,
        plan: &Plan,
        progress: &Progress,
    ) -> Result<Vec<Data>> {
        let specs = plan.feature_sets();
        if sweep.training_sets.len() != specs.len() {
            progress.say(0.0, "joining");
            let mut ids = Vec::new();
            for spec in &specs {
                ids.push(self.0.features().training_set(actor, &spec.spine, &spec.joins).await?.id);
            }
            sweep.training_sets = ids;
            self.0.catalog.table().put(sweep).await?;
        }
        let mut data = Vec::new();
        for (spec, id) in specs.iter().zip(&sweep.training_sets) {
            let set = self.0.catalog.table::<TrainingSet>().get(id).await?;
            let set = set.ok_or_else(|| Error::not_found("training set", id))?;
            data.push(self.data_of(sweep, spec, set, progress).await?);
        }
        Ok(data)
    }

    async fn data_of(
        &self,
        sweep: &Sweep,
        spec: &ExperimentSpec,
        set: TrainingSet,
        progress: &Progress,
    ) -> Result<Data> {
        let mut folds = Vec::new();
        if let Some(wanted) = &sweep.spec.folds {
            for fold in self.folds(spec, &set, wanted).await? {
                folds.push(self.prepare_set(spec, set.clone(), Some(fold), progress).await?);
            }
        }
        let whole = self.prepare_set(spec, set, None, progress).await?;
        Ok(Data { whole, folds })
    }
}

/// Takes in a trial that ended.
fn note(sweep: &mut Sweep, trials: &mut [Trial], trial: Trial, plan: &Plan, progress: &Progress) {
    if let Some(slot) = trials.get_mut(trial.number as usize) {
        *slot = trial;
    }
    let done = trials.iter().filter(|trial| trial.status.is_settled()).count();
    let total = plan.count();
    progress.say(0.1 + 0.9 * done as f64 / total.max(1) as f64, format!("{done} of {total} runs"));
    lead(sweep, trials);
}

/// Notes which trial is the best so far.
fn lead(sweep: &mut Sweep, trials: &[Trial]) {
    let best = plan::best(trials, &sweep.spec);
    sweep.best = best.map(|(trial, _)| trial.run.clone());
    sweep.best_value = best.map(|(_, value)| value);
}

/// How a sweep ends whose trials are through.
fn concluded(sweep: &Sweep, trials: &[Trial], progress: &Progress) -> Result<()> {
    if progress.is_cancelled() {
        return Err(Error::new(Code::Cancelled, "the sweep was cancelled; it can be resumed"));
    }
    let failure = trials.iter().find_map(|trial| trial.error.as_ref());
    match (sweep.best.is_some(), failure) {
        (false, Some(failure)) => Err(Error::conflict(format!("no run gave the metric: {failure}"))),
        _ => Ok(()),
    }
}
