//! Experiments and runs: put, listed, compared, cancelled, recovered.

use modelyard_catalog::{Order, Page, Query, Ref};
use modelyard_runtime::Kind;
use serde_json::json;

use super::{Experiment, ExperimentSpec, Experiments, Run, Status, Trial};
use crate::{
    Error, Result, governance::Actor, jobs::Job, names, plugins::check_parameters, progress::Progress,
};

/// What stands below `/api/v1/experiments` beside the experiments' names.
const RESERVED: &[&str] = &["compare", "runs", "sweeps"];

impl Experiments<'_> {
    /// Creates an experiment or changes it; runs keep what they were made with.
    pub async fn put(&self, actor: &Actor, spec: ExperimentSpec) -> Result<Experiment> {
        names::check("name", &spec.name)?;
        if RESERVED.contains(&&*spec.name) {
            let reserved = RESERVED.join(", ");
            return Err(Error::field(
                "name",
                format!("an experiment can't have the name of a path: {reserved}"),
            ));
        }
        let split = &spec.split;
        for (field, share) in [("split.validation", split.validation), ("split.test", split.test)] {
            if !(0.0..0.9).contains(&share) {
                return Err(Error::field(
                    field,
                    format!("{share} is no share; write a number from 0 to below 0.9"),
                ));
            }
        }
        let plugins = self.0.plugins();
        let training = plugins.of_kind("training.plugin", &spec.training.plugin, Kind::Training).await?;
        check_parameters("training.parameters", &training, &spec.training.parameters, false)?;
        if let Some(features) = &spec.features {
            let plugin = plugins.of_kind("features.plugin", &features.plugin, Kind::Features).await?;
            check_parameters("features.parameters", &plugin, &features.parameters, false)?;
        }
        if let Some(evaluation) = &spec.evaluation {
            let plugin = plugins.of_kind("evaluation.plugin", &evaluation.plugin, Kind::Evaluation).await?;
            check_parameters("evaluation.parameters", &plugin, &evaluation.parameters, true)?;
        }
        for join in &spec.joins {
            self.0.features().view(&join.view).await?;
        }
        let now = self.0.clock.now();
        let before = self.0.catalog.table::<Experiment>().get(&spec.name).await?;
        if let Some(before) = &before
            && before.spec == spec
        {
            return Ok(before.clone());
        }
        let created_at = before.map_or(now, |before| before.created_at);
        let experiment = Experiment { spec, created_at, updated_at: now };
        self.0
            .change(actor, "experiments.experiment.put", Ref::of(&experiment))
            .put(&experiment)
            .commit()
            .await?;
        Ok(experiment)
    }

    /// An experiment.
    pub async fn get(&self, name: &str) -> Result<Experiment> {
        self.0
            .catalog
            .table::<Experiment>()
            .get(name)
            .await?
            .ok_or_else(|| Error::not_found("experiment", name))
    }

    /// The experiments, by name.
    pub async fn list(&self, limit: usize, after: Option<String>) -> Result<Page<Experiment>> {
        Ok(self
            .0
            .catalog
            .table()
            .find(Query::new().order("name", Order::Asc).limit(limit).after(after))
            .await?)
    }

    /// A run, with its live metrics while it is trained.
    pub async fn run(&self, id: &str) -> Result<Run> {
        let run = self.0.catalog.table::<Run>().get(id).await?;
        let mut run = run.ok_or_else(|| Error::not_found("run", id))?;
        if let Some(points) = self.0.trainings.points(id) {
            run.history = points;
        }
        Ok(run)
    }

    /// Runs, latest first, of one experiment or all.
    pub async fn runs(
        &self,
        experiment: Option<&str>,
        limit: usize,
        after: Option<String>,
    ) -> Result<Page<Run>> {
        let mut query = Query::new().order("created_at", Order::Desc).limit(limit).after(after);
        if let Some(experiment) = experiment {
            self.get(experiment).await?;
            query = query.eq("experiment", experiment);
        }
        Ok(self.0.catalog.table().find(query).await?)
    }

    /// Trains an experiment as it stands, with changes to the training
    /// parameters and the spine's bounds: a job whose result is the run.
    pub async fn start(&self, actor: &Actor, spec: ExperimentSpec) -> Result<(Run, Job)> {
        let run = self.new_run(actor, spec, None);
        self.0
            .change(actor, "experiments.run.created", Ref::of(&run))
            .detail(json!({"experiment": run.experiment}))
            .insert(&run)
            .commit()
            .await?;
        let (actor, id) = (actor.clone(), run.id.clone());
        let job = self
            .0
            .jobs()
            .start(
                &actor.name.clone(),
                "experiments.train",
                &id.clone(),
                move |platform, progress| async move {
                    let run = platform.experiments().train(&actor, &id, &progress).await?;
                    Ok(serde_json::to_value(run)?)
                },
            )
            .await?;
        Ok((run, job))
    }

    pub(super) fn new_run(&self, actor: &Actor, spec: ExperimentSpec, sweep: Option<String>) -> Run {
        Run {
            id: uuid::Uuid::now_v7().to_string(),
            experiment: spec.name.clone(),
            sweep,
            spec,
            status: Status::Pending,
            error: None,
            training_set: None,
            datasets: vec![],
            views: vec![],
            plugins: Default::default(),
            rows: Default::default(),
            features: None,
            artifact: None,
            component: None,
            columns: Default::default(),
            runner: None,
            signature: None,
            inputs: None,
            metrics: vec![],
            history: vec![],
            evaluation: None,
            importance: vec![],
            seconds: None,
            memory_bytes: None,
            created_by: actor.name.clone(),
            created_at: self.0.clock.now(),
            finished_at: None,
            log: vec![],
        }
    }

    /// Trains a run and records how it ended.
    pub async fn train(&self, actor: &Actor, id: &str, progress: &Progress) -> Result<Run> {
        let mut run = self.run(id).await?;
        run.status = Status::Running;
        self.0.catalog.table().put(&run).await?;
        let started = std::time::Instant::now();
        let shown = self.0.trainings.show(id, progress);
        let followed = self.0.tracked().follow(&run, None);
        followed.watch("", progress);
        let outcome = self.work(actor, &mut run, progress).await;
        run.seconds = Some(started.elapsed().as_secs_f64());
        run.history = progress.seen().points;
        let (run, outcome) = self.ended(actor, run, outcome, None).await?;
        followed.end(&run, None).await;
        drop(shown);
        outcome.map(|()| run)
    }

    /// Records how a run ended, with the trial of a sweep that it was.
    pub(super) async fn ended(
        &self,
        actor: &Actor,
        mut run: Run,
        outcome: Result<()>,
        trial: Option<&Trial>,
    ) -> Result<(Run, Result<()>)> {
        run.finished_at = Some(self.0.clock.now());
        match &outcome {
            Ok(()) => run.status = Status::Finished,
            Err(error) => {
                run.status =
                    if error.code == crate::Code::Cancelled { Status::Cancelled } else { Status::Failed };
                run.error = Some(error.message.clone());
                run.log.extend(error.details.iter().cloned());
            }
        }
        let mut change = self
            .0
            .change(actor, "experiments.run.ended", Ref::of(&run))
            .detail(json!({"status": run.status, "error": run.error}));
        if let Some(set) = &run.training_set {
            change = change.from_edge("trained-on", Ref::new("training_set", set));
        }
        for plugin in run.plugins.values() {
            change = change.from_edge("made-by", Ref::new("component", plugin.to_string()));
        }
        if let Some(trial) = trial {
            change = change.put(trial);
        }
        change.put(&run).commit().await?;
        Ok((run, outcome))
    }

    /// Marks the runs that a killed process left under way.
    pub(crate) async fn recover(&self) -> Result<()> {
        let table = self.0.catalog.table::<Run>();
        let under_way = Query::new().any_of("status", [Status::Running, Status::Pending]);
        let mut left = Vec::new();
        for run in table.all(under_way).await? {
            let now = self.0.clock.now();
            let failed = table
                .update(&run.id, |run| {
                    run.status = Status::Failed;
                    run.error = Some("interrupted: the server stopped while it ran; start it again".into());
                    run.finished_at = Some(now);
                })
                .await?;
            left.push(failed);
        }
        self.recover_sweeps().await?;
        let tracked = self.0.tracked();
        for run in left {
            tracked.run_ended(&run, tracked.trial_of(&run).await?.as_ref()).await;
        }
        tracked.recover().await
    }
}
