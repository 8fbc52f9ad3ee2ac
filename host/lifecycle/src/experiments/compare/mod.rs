//! Runs side by side: what differs in how they were made and in what they gave,
//! and whether the difference between two is more than chance.
//!
//! - [`records`]: what is asked for and said.
//! - [`rows`]: the predictions of two runs for the same rows.
//! - [`paired`], [`significance`]: metrics of draws, and the tests.

mod paired;
mod records;
mod rows;
mod significance;

use std::collections::{BTreeMap, BTreeSet};

pub use records::{CompareSpec, ComparedRun, Differing, History, Method, Pair, RunComparison, Test};
use rows::Judged;
use serde_json::{Value, json};

use super::{Experiments, Run, Task};
use crate::{Error, Result, evaluation::Evaluation};

/// The most runs that are compared at once.
const MOST_RUNS: usize = 10;
/// The most rows drawn for one pair and metric: some seconds of work.
const MOST_DRAWN: u64 = 1_000_000_000;
/// The most points of a history.
const POINTS: usize = 1_000;

impl Experiments<'_> {
    /// Compares runs.
    pub async fn compare(&self, spec: &CompareSpec) -> Result<RunComparison> {
        check(spec)?;
        let mut all = Vec::with_capacity(spec.runs.len());
        for id in &spec.runs {
            let run = self.run(id).await?;
            let evaluation = match &run.evaluation {
                Some(id) => self.0.catalog.table::<Evaluation>().get(id).await?,
                None => None,
            };
            all.push((run, evaluation));
        }
        let tasks: BTreeSet<&str> =
            all.iter().flat_map(|(run, _)| metrics_of(run.spec.task)).copied().collect();
        if let Some(unknown) = spec.metrics.iter().find(|metric| !tasks.contains(metric.as_str())) {
            let known = Vec::from_iter(tasks).join(", ");
            return Err(Error::field(
                "metric",
                format!("the difference of {unknown:?} can't be tested; of these it can: {known}"),
            ));
        }
        let runs: Vec<&Run> = all.iter().map(|(run, _)| run).collect();
        let mut pairs = Vec::new();
        for (index, left) in all.iter().enumerate() {
            for right in all.iter().skip(index + 1) {
                pairs.push(self.pair(spec, left, right).await?);
            }
        }
        Ok(RunComparison {
            parameters: differing(runs.iter().map(|run| made_from(run)).collect::<Result<_>>()?),
            metrics: differing(runs.iter().map(|run| measured(&run.metrics, false)).collect()),
            histories: histories(&runs),
            slices: differing(all.iter().map(|(_, evaluation)| sliced(evaluation.as_ref())).collect()),
            pairs,
            methods: records::METHODS.to_vec(),
            runs: all.iter().map(|(run, evaluation)| compared(run, evaluation.as_ref())).collect(),
        })
    }

    async fn pair(
        &self,
        spec: &CompareSpec,
        left: &(Run, Option<Evaluation>),
        right: &(Run, Option<Evaluation>),
    ) -> Result<Pair> {
        let mut pair = Pair {
            left: left.0.id.clone(),
            right: right.0.id.clone(),
            reason: None,
            rows: None,
            tests: vec![],
        };
        match self.judged(left, right).await? {
            Err(reason) => pair.reason = Some(reason),
            Ok(judged) => {
                let rows = judged.rows() as u64;
                if rows * u64::from(spec.resamples) > MOST_DRAWN {
                    let most = MOST_DRAWN / rows.max(1);
                    return Err(Error::field(
                        "resamples",
                        format!(
                            "{} draws of {rows} rows take too long; ask for at most {most}",
                            spec.resamples
                        ),
                    ));
                }
                pair.rows = Some(rows);
                let spec = spec.clone();
                pair.tests = tokio::task::spawn_blocking(move || tests(&spec, &judged)).await?;
            }
        }
        Ok(pair)
    }
}

fn check(spec: &CompareSpec) -> Result<()> {
    if !(2..=MOST_RUNS).contains(&spec.runs.len()) {
        let given = spec.runs.len();
        return Err(Error::field("run", format!("{given} runs; name 2 to {MOST_RUNS}: ?run=…&run=…")));
    }
    if let Some(twice) = spec
        .runs
        .iter()
        .enumerate()
        .find(|(at, run)| spec.runs.iter().skip(at + 1).any(|other| other == *run))
    {
        return Err(Error::field("run", format!("{:?} is there twice", twice.1)));
    }
    if !(100..=100_000).contains(&spec.resamples) {
        return Err(Error::field("resamples", format!("{} draws; ask for 100 to 100000", spec.resamples)));
    }
    if !(0.5..1.0).contains(&spec.confidence) {
        return Err(Error::field("confidence", format!("{} is not from 0.5 to below 1", spec.confidence)));
    }
    Ok(())
}

/// The metrics whose difference can be tested, the usual ones first.
fn metrics_of(task: Task) -> &'static [&'static str] {
    match task {
        Task::BinaryClassification => {
            &["roc_auc", "log_loss", "accuracy", "average_precision", "brier", "f1", "precision", "recall"]
        }
        Task::MulticlassClassification => &["accuracy", "log_loss", "brier"],
        Task::Regression => &["rmse", "mae", "mse", "mape", "r2"],
    }
}

/// How many of them are tested if none is asked for.
fn usual(task: Task) -> usize {
    match task {
        Task::BinaryClassification => 3,
        Task::MulticlassClassification | Task::Regression => 2,
    }
}

fn tests(spec: &CompareSpec, judged: &Judged) -> Vec<Test> {
    let known = metrics_of(judged.task);
    let wanted: Vec<&str> = match spec.metrics.as_slice() {
        [] => known.iter().take(usual(judged.task)).copied().collect(),
        wanted => wanted.iter().map(String::as_str).filter(|metric| known.contains(metric)).collect(),
    };
    let (mut left, mut right) = (judged.left.metrics(), judged.right.metrics());
    let mut tests = Vec::new();
    for metric in wanted {
        let (Some(ours), Some(theirs)) = (left.remove(metric), right.remove(metric)) else { continue };
        let measure = |counts: &[u32]| Some((ours.on(counts)?, theirs.on(counts)?));
        let draws = spec.resamples as usize;
        let found = significance::bootstrap(judged.rows(), draws, spec.confidence, spec.seed, measure);
        tests.extend(found.map(|found| Test::PairedBootstrap {
            metric: metric.to_owned(),
            left: found.values.0,
            right: found.values.1,
            difference: found.values.0 - found.values.1,
            low: found.low,
            high: found.high,
            confidence: spec.confidence,
            resamples: found.draws as u32,
            seed: spec.seed,
            significant: found.low > 0.0 || found.high < 0.0,
        }));
    }
    if let (Some(left), Some(right)) = (judged.left.right(), judged.right.right()) {
        let only = |a: &[bool], b: &[bool]| a.iter().zip(b).filter(|(a, b)| **a && !**b).count() as u64;
        let (left_only, right_only) = (only(&left, &right), only(&right, &left));
        let found = significance::mcnemar(left_only, right_only);
        tests.push(Test::Mcnemar {
            left_only,
            right_only,
            statistic: found.statistic,
            p_value: found.p_value,
            exact: found.exact,
            significant: found.p_value < 1.0 - spec.confidence,
        });
    }
    tests
}

fn compared(run: &Run, evaluation: Option<&Evaluation>) -> ComparedRun {
    ComparedRun {
        id: run.id.clone(),
        experiment: run.experiment.clone(),
        sweep: run.sweep.clone(),
        status: run.status,
        task: run.spec.task,
        trainer: run.spec.training.plugin.clone(),
        evaluation: run.evaluation.clone(),
        rows: evaluation.map(|evaluation| evaluation.rows),
    }
}

/// A name, with the slice that it is of.
type Named = (String, Option<String>);

/// What isn't the same everywhere, by name.
fn differing(each: Vec<BTreeMap<Named, Value>>) -> Vec<Differing> {
    let names: BTreeSet<&Named> = each.iter().flat_map(BTreeMap::keys).collect();
    names
        .into_iter()
        .map(|named| Differing {
            name: named.0.clone(),
            slice: named.1.clone(),
            values: each.iter().map(|of| of.get(named).cloned().unwrap_or_default()).collect(),
        })
        .filter(|found| found.values.windows(2).any(|pair| pair.first() != pair.last()))
        .collect()
}

/// Everything that a run was made from, by dotted path.
fn made_from(run: &Run) -> Result<BTreeMap<Named, Value>> {
    let mut found = BTreeMap::new();
    let mut spec = serde_json::to_value(&run.spec)?;
    if let Some(members) = spec.as_object_mut() {
        members.remove("description");
    }
    let made =
        json!({"datasets": run.datasets, "views": run.views, "plugins": run.plugins, "rows": run.rows});
    flatten("", &spec, &mut found);
    flatten("", &made, &mut found);
    Ok(found)
}

fn flatten(path: &str, value: &Value, found: &mut BTreeMap<Named, Value>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flatten(&path, value, found);
            }
        }
        Value::Null => {}
        other => {
            found.insert((path.to_owned(), None), other.clone());
        }
    }
}

/// Metrics by name, with or without those of slices; of two the later.
fn measured(metrics: &[modelyard_runtime::types::Metric], sliced: bool) -> BTreeMap<Named, Value> {
    let wanted = metrics.iter().filter(|metric| metric.slice.is_some() == sliced);
    wanted.map(|metric| ((metric.name.clone(), metric.slice.clone()), json!(metric.value))).collect()
}

fn sliced(evaluation: Option<&Evaluation>) -> BTreeMap<Named, Value> {
    evaluation.map(|evaluation| measured(&evaluation.metrics, true)).unwrap_or_default()
}

fn histories(runs: &[&Run]) -> Vec<History> {
    let names: BTreeSet<&str> = runs.iter().flat_map(|run| &run.history).map(|point| &*point.name).collect();
    let of = |run: &Run, name: &str| {
        let points = run.history.iter().filter(|point| point.name == name);
        thin(points.map(|point| (point.step, point.value)).collect())
    };
    let history =
        |name: &str| History { name: name.to_owned(), runs: runs.iter().map(|run| of(run, name)).collect() };
    names.into_iter().map(history).collect()
}

/// At most [`POINTS`] points evenly chosen, the first and the last among them.
fn thin(points: Vec<(u64, f64)>) -> Vec<(u64, f64)> {
    if points.len() <= POINTS {
        return points;
    }
    let last = points.len() - 1;
    (0..POINTS).filter_map(|at| points.get(at * last / (POINTS - 1)).copied()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn only_what_differs_is_named() {
        let of = |text: &str| {
            let mut found = BTreeMap::new();
            flatten("", &serde_json::from_str(text).unwrap(), &mut found);
            found
        };
        let found = differing(vec![
            of(r#"{"a": 1, "b": {"c": [1], "d": 2}}"#),
            of(r#"{"a": 1, "b": {"c": [1, 2]}}"#),
        ]);
        let told: Vec<_> = found.iter().map(|found| (&*found.name, found.values.clone())).collect();
        assert_eq!(told, [("b.c", vec![json!([1]), json!([1, 2])]), ("b.d", vec![json!(2), Value::Null])]);
    }

    #[test]
    fn long_histories_keep_their_ends() {
        let points: Vec<(u64, f64)> = (0..12_345).map(|step| (step, 0.5)).collect();
        let thinned = thin(points);
        assert_eq!((thinned.len(), thinned[0].0, thinned[POINTS - 1].0), (POINTS, 0, 12_344));
        assert!(thinned.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let fault = |change: &dyn Fn(&mut CompareSpec)| {
            let mut spec = CompareSpec::of(vec!["a".into(), "b".into()]);
            change(&mut spec);
            check(&spec).map_err(|error| error.location.field.unwrap())
        };
        assert_eq!(fault(&|_| {}), Ok(()));
        assert_eq!(fault(&|spec| spec.runs.truncate(1)), Err("run".into()));
        assert_eq!(fault(&|spec| spec.runs.push("a".into())), Err("run".into()));
        assert_eq!(fault(&|spec| spec.resamples = 99), Err("resamples".into()));
        assert_eq!(fault(&|spec| spec.confidence = 1.0), Err("confidence".into()));
        assert_eq!(fault(&|spec| spec.confidence = f64::NAN), Err("confidence".into()));
    }
}
