//! Sweeps: one preparation, many trainings, as many at once as allowed.

use std::{collections::BTreeMap, sync::Arc};

use futures::{StreamExt, stream};
use modelyard_catalog::{Order, Page, Query, Ref};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};

use super::{Experiments, Run, Status, Strategy, Sweep, SweepSpec};
use crate::{Code, Error, Result, governance::Actor, jobs::Job, progress::Progress};

impl Experiments<'_> {
    /// Starts a sweep: a job whose result is the sweep.
    pub async fn start_sweep(&self, actor: &Actor, spec: SweepSpec) -> Result<(Sweep, Job)> {
        self.get(&spec.experiment).await?;
        let count = combinations(&spec)?.len();
        let sweep = Sweep {
            id: uuid::Uuid::now_v7().to_string(),
            spec,
            status: Status::Running,
            runs: vec![],
            best: None,
            best_value: None,
            created_at: self.0.clock.now(),
            finished_at: None,
            error: None,
        };
        self.0
            .change(actor, "experiments.sweep.created", Ref::of(&sweep))
            .detail(json!({"experiment": sweep.spec.experiment, "runs": count}))
            .insert(&sweep)
            .commit()
            .await?;
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

    async fn sweep_work(&self, actor: &Actor, id: &str, progress: &Progress) -> Result<Sweep> {
        let mut sweep = self.sweep(id).await?;
        let outcome = self.sweep_runs(actor, &mut sweep, progress).await;
        sweep.finished_at = Some(self.0.clock.now());
        sweep.status = match &outcome {
            Ok(()) => Status::Finished,
            Err(error) if error.code == Code::Cancelled => Status::Cancelled,
            Err(_) => Status::Failed,
        };
        sweep.error = outcome.as_ref().err().map(ToString::to_string);
        self.0
            .change(actor, "experiments.sweep.ended", Ref::of(&sweep))
            .detail(json!({"status": sweep.status, "best": sweep.best, "value": sweep.best_value}))
            .put(&sweep)
            .commit()
            .await?;
        outcome.map(|()| sweep)
    }

    async fn sweep_runs(&self, actor: &Actor, sweep: &mut Sweep, progress: &Progress) -> Result<()> {
        let experiment = self.get(&sweep.spec.experiment).await?;
        let mut runs = Vec::new();
        for parameters in combinations(&sweep.spec)? {
            let mut spec = experiment.spec.clone();
            spec.training.parameters =
                crate::plugins::with_defaults(&json!(parameters), spec.training.parameters.clone())?;
            runs.push(self.new_run(actor, spec, Some(sweep.id.clone())));
        }
        sweep.runs = runs.iter().map(|run| run.id.clone()).collect();
        let mut change = self.0.change(actor, "experiments.sweep.runs", Ref::of(sweep)).put(sweep);
        for run in &runs {
            change = change.insert(run);
        }
        change.commit().await?;
        let prepared = Arc::new(self.prepare(actor, &experiment.spec, progress).await?);
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let parallel = sweep.spec.parallel.map_or(cores, |parallel| parallel.max(1) as usize);
        let total = runs.len();
        let mut finished = stream::iter(runs)
            .map(|run| {
                let (platform, actor) = (self.0.clone(), actor.clone());
                let (prepared, progress) = (prepared.clone(), progress.child());
                // A task of its own, so that trainings use several cores.
                tokio::spawn(async move {
                    platform.experiments().sweep_run(&actor, run, &prepared, &progress).await
                })
            })
            .buffer_unordered(parallel);
        let mut done = 0;
        let mut failures = Vec::new();
        while let Some(run) = finished.next().await {
            let run = run??;
            done += 1;
            progress.say(0.1 + 0.9 * done as f64 / total.max(1) as f64, format!("{done} of {total} runs"));
            let value = run
                .metrics
                .iter()
                .rev()
                .find(|metric| metric.name == sweep.spec.metric)
                .map(|metric| metric.value);
            match (run.status, value) {
                (Status::Finished, Some(value)) => {
                    let better = sweep
                        .best_value
                        .is_none_or(|best| if sweep.spec.maximize { value > best } else { value < best });
                    if better {
                        sweep.best = Some(run.id.clone());
                        sweep.best_value = Some(value);
                    }
                }
                (Status::Finished, None) => {
                    let known: Vec<_> = run.metrics.iter().map(|metric| metric.name.clone()).collect();
                    failures.push(format!(
                        "no metric {:?}; the runs have {}",
                        sweep.spec.metric,
                        known.join(", ")
                    ));
                }
                _ => failures.push(run.error.unwrap_or_default()),
            }
        }
        if progress.is_cancelled() {
            return Err(Error::new(Code::Cancelled, "the sweep was cancelled"));
        }
        match (sweep.best.is_some(), failures.into_iter().next()) {
            (false, Some(failure)) => Err(Error::conflict(format!("no run gave the metric: {failure}"))),
            _ => Ok(()),
        }
    }

    async fn sweep_run(
        &self,
        actor: &Actor,
        mut run: Run,
        prepared: &super::prepare::Prepared,
        progress: &Progress,
    ) -> Result<Run> {
        let started = std::time::Instant::now();
        run.status = Status::Running;
        self.0.catalog.table().put(&run).await?;
        let outcome = match progress.is_cancelled() {
            true => Err(Error::new(Code::Cancelled, "the sweep was cancelled")),
            false => self.work_on(&mut run, prepared, progress).await,
        };
        self.ended(actor, run, outcome, started, progress).await.map(|(run, _)| run)
    }
}

/// Every set of parameters that a sweep tries, in a stable order.
fn combinations(spec: &SweepSpec) -> Result<Vec<BTreeMap<String, Value>>> {
    if spec.parameters.is_empty() {
        return Err(Error::field("parameters", "a sweep needs at least one parameter to vary"));
    }
    let sets = match spec.strategy {
        Strategy::Grid => grid(spec)?,
        Strategy::Random => random(spec)?,
    };
    match sets.len() {
        0 => Err(Error::field("parameters", "a parameter has no values to try")),
        count if count > spec.max_runs as usize => Err(Error::field(
            "max_runs",
            format!(
                "the grid has {count} combinations, more than max_runs {}; raise it or use random",
                spec.max_runs
            ),
        )),
        _ => Ok(sets),
    }
}

fn grid(spec: &SweepSpec) -> Result<Vec<BTreeMap<String, Value>>> {
    let mut sets = vec![BTreeMap::new()];
    for (name, values) in &spec.parameters {
        let values = values.as_array().ok_or_else(|| {
            Error::field(format!("parameters.{name}"), "a grid needs a list of values; ranges are for random")
        })?;
        sets = sets
            .iter()
            .flat_map(|set| {
                values.iter().map(move |value| {
                    let mut set: BTreeMap<String, Value> = set.clone();
                    set.insert(name.clone(), value.clone());
                    set
                })
            })
            .take(100_000)
            .collect();
    }
    Ok(sets)
}

fn random(spec: &SweepSpec) -> Result<Vec<BTreeMap<String, Value>>> {
    let mut rng = StdRng::seed_from_u64(spec.seed);
    (0..spec.max_runs)
        .map(|_| {
            spec.parameters
                .iter()
                .map(|(name, values)| Ok((name.clone(), draw(&mut rng, name, values)?)))
                .collect()
        })
        .collect()
}

fn draw(rng: &mut StdRng, name: &str, values: &Value) -> Result<Value> {
    let wrong = || {
        Error::field(
            format!("parameters.{name}"),
            r#"write a list of values or a range {"low": 1, "high": 10, "log": false}"#,
        )
    };
    if let Some(values) = values.as_array() {
        return values.choose(rng).cloned().ok_or_else(wrong);
    }
    let bound = |which: &str| values.get(which).and_then(Value::as_f64).ok_or_else(wrong);
    let (low, high) = (bound("low")?, bound("high")?);
    let log = values.get("log").and_then(Value::as_bool).unwrap_or(false);
    if low.partial_cmp(&high) != Some(std::cmp::Ordering::Less) || (log && low <= 0.0) {
        return Err(wrong());
    }
    let whole = values.get("low").is_some_and(Value::is_i64) && values.get("high").is_some_and(Value::is_i64);
    let value = match log {
        true => (rng.random_range(low.ln()..high.ln())).exp(),
        false => rng.random_range(low..high),
    };
    Ok(if whole { json!(value.round() as i64) } else { json!(value) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(parameters: Value, strategy: Strategy, max_runs: u32) -> SweepSpec {
        SweepSpec {
            experiment: "e".into(),
            parameters: serde_json::from_value(parameters).unwrap(),
            strategy,
            max_runs,
            parallel: None,
            metric: "roc_auc".into(),
            maximize: true,
            seed: 7,
        }
    }

    #[test]
    fn a_grid_is_every_combination() {
        let sets =
            combinations(&spec(json!({"a": [1, 2], "b": [0.1, 0.2, 0.3]}), Strategy::Grid, 64)).unwrap();
        assert_eq!(sets.len(), 6);
        assert!(combinations(&spec(json!({"a": [1, 2]}), Strategy::Grid, 1)).is_err());
        assert!(combinations(&spec(json!({"a": {"low": 1, "high": 2}}), Strategy::Grid, 9)).is_err());
    }

    #[test]
    fn random_draws_lie_in_their_ranges_and_repeat_with_the_seed() {
        let spec = spec(
            json!({"a": {"low": 1, "high": 9}, "b": {"low": 0.001, "high": 1.0, "log": true}}),
            Strategy::Random,
            50,
        );
        let sets = combinations(&spec).unwrap();
        assert_eq!(sets.len(), 50);
        assert_eq!(sets, combinations(&spec).unwrap());
        assert!(
            sets.iter().all(|set| set["a"].is_i64() && (0.001..1.0).contains(&set["b"].as_f64().unwrap()))
        );
        assert!(combinations(&self::spec(json!({"a": {"low": 2, "high": 1}}), Strategy::Random, 3)).is_err());
    }
}
