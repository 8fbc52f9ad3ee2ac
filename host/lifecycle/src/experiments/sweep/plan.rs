//! From what a sweep is asked for to a space of places, and from a place to the
//! experiment that is run there.

use std::collections::BTreeMap;

use rand::{SeedableRng, rngs::StdRng};
use serde_json::{Map, Value, json};

use super::{
    check::{check, domain},
    records::{FeatureSet, Strategy, SweepSpec, Trial, TrialStatus},
    space::{Dimension, Domain, Place, Space},
    tpe,
};
use crate::{Error, Result, experiments::ExperimentSpec, plugins::with_defaults};

/// The most combinations that are counted out.
const COUNTED: usize = 100_000;

/// What a dimension varies.
enum What {
    Trainer,
    FeatureSet,
    /// A parameter, with its values if they are a list.
    Parameter(String, Option<Vec<Value>>),
}

/// A sweep that was understood.
pub(super) struct Plan {
    spec: SweepSpec,
    experiment: ExperimentSpec,
    space: Space,
    what: Vec<What>,
    /// All places, of a sweep that tries all.
    grid: Option<Vec<Place>>,
}

impl Plan {
    /// Reads a sweep of an experiment.
    pub(super) fn new(spec: &SweepSpec, experiment: &ExperimentSpec) -> Result<Self> {
        check(spec, experiment)?;
        let mut plan = Self {
            spec: spec.clone(),
            experiment: experiment.clone(),
            space: Space::default(),
            what: Vec::new(),
            grid: None,
        };
        if !spec.trainers.is_empty() {
            plan.add(What::Trainer, Domain::Category(spec.trainers.len()), None);
        }
        if !spec.feature_sets.is_empty() {
            plan.add(What::FeatureSet, Domain::Category(spec.feature_sets.len()), None);
        }
        plan.vary("parameters", &spec.parameters, None)?;
        for (index, trainer) in spec.trainers.iter().enumerate() {
            plan.vary(&format!("trainers[{index}].search"), &trainer.search, Some((0, index)))?;
        }
        if plan.what.is_empty() {
            return Err(Error::field(
                "parameters",
                "a sweep needs at least one parameter to vary, or trainers or feature_sets to compare",
            ));
        }
        if spec.strategy == Strategy::Grid {
            plan.grid = Some(plan.every()?);
        }
        Ok(plan)
    }

    fn add(&mut self, what: What, domain: Domain, when: Option<(usize, usize)>) {
        self.what.push(what);
        self.space.dimensions.push(Dimension { domain, when });
    }

    fn vary(
        &mut self,
        field: &str,
        parameters: &BTreeMap<String, Value>,
        when: Option<(usize, usize)>,
    ) -> Result<()> {
        for (name, values) in parameters {
            let field = format!("{field}.{name}");
            let (domain, list) = domain(&field, values)?;
            if self.spec.strategy == Strategy::Grid && list.is_none() {
                return Err(Error::field(
                    field,
                    "a grid needs a list of values; ranges are for random and tpe",
                ));
            }
            self.add(What::Parameter(name.clone(), list), domain, when);
        }
        Ok(())
    }

    fn every(&self) -> Result<Vec<Place>> {
        let most = self.spec.max_runs as usize;
        self.space.grid(most).ok_or_else(|| {
            let count = self
                .space
                .grid(COUNTED)
                .map_or_else(|| format!("over {COUNTED}"), |all| all.len().to_string());
            let message = format!(
                "the grid has {count} combinations, more than max_runs {most}; raise it or use random or tpe"
            );
            Error::field("max_runs", message)
        })
    }

    /// How many trials there are at most.
    pub(super) fn count(&self) -> usize {
        self.grid.as_ref().map_or(self.spec.max_runs as usize, Vec::len)
    }

    /// The feature sets, at least one.
    pub(super) fn feature_sets(&self) -> Vec<ExperimentSpec> {
        match self.spec.feature_sets.as_slice() {
            [] => vec![self.experiment.clone()],
            sets => sets.iter().map(|set| with_features(&self.experiment, set)).collect(),
        }
    }

    /// The next place to try after these trials; none when the sweep is through.
    /// It depends on the seed and the trials alone.
    pub(super) fn next(&self, trials: &[Trial]) -> Option<Place> {
        if trials.len() >= self.count() {
            return None;
        }
        if let Some(grid) = &self.grid {
            return grid.get(trials.len()).cloned();
        }
        if self.spec.strategy == Strategy::Random {
            return Some(self.space.draw(&mut self.rng(trials.len(), 0)));
        }
        let ranked = ranked(trials, &self.spec);
        let options = self.spec.tpe.unwrap_or_default();
        let options = tpe::Options {
            startup: options.startup as usize,
            candidates: options.candidates as usize,
            gamma: options.gamma,
        };
        // What was tried already would give the same again.
        let tried = |place: &Place| trials.iter().any(|trial| trial.place == *place);
        let proposed = (0..ATTEMPTS)
            .map(|attempt| tpe::propose(&self.space, &ranked, options, &mut self.rng(trials.len(), attempt)))
            .find(|place| !tried(place));
        proposed.or_else(|| self.space.grid(COUNTED)?.into_iter().find(|place| !tried(place)))
    }

    /// The generator of one trial's proposal.
    fn rng(&self, number: usize, attempt: u64) -> StdRng {
        let number = number as u64 * ATTEMPTS + attempt;
        // Neighbouring numbers get far-apart seeds: multiples of 2⁶⁴ over the golden ratio.
        StdRng::seed_from_u64(self.spec.seed ^ number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// A trial at a place.
    pub(super) fn trial(&self, sweep: &str, number: u64, run: &str, place: Place) -> Trial {
        let feature_set =
            self.chosen(&place, &What::FeatureSet).and_then(|at| self.spec.feature_sets.get(at));
        let trainer = self.chosen(&place, &What::Trainer).and_then(|at| self.spec.trainers.get(at));
        Trial {
            sweep: sweep.to_owned(),
            number,
            run: run.to_owned(),
            trainer: trainer.map_or(&*self.experiment.training.plugin, |trainer| trainer.name()).to_owned(),
            feature_set: feature_set.map(|set| set.name.clone()),
            parameters: self.parameters(&place).collect(),
            place,
            status: TrialStatus::Running,
            value: None,
            folds: vec![],
            rungs: vec![],
            seconds: None,
            error: None,
        }
    }

    /// The experiment at a place.
    pub(super) fn experiment(&self, place: &Place) -> Result<ExperimentSpec> {
        let mut spec = self.experiment.clone();
        if let Some(set) = self.chosen(place, &What::FeatureSet).and_then(|at| self.spec.feature_sets.get(at))
        {
            spec = with_features(&spec, set);
        }
        if let Some(trainer) = self.chosen(place, &What::Trainer).and_then(|at| self.spec.trainers.get(at)) {
            spec.training.plugin.clone_from(&trainer.plugin);
            spec.training.parameters = trainer.parameters.clone();
        }
        let parameters: Map<String, Value> = self.parameters(place).collect();
        spec.training.parameters = with_defaults(&Value::Object(parameters), spec.training.parameters)?;
        Ok(spec)
    }

    /// Which feature set a place has.
    pub(super) fn feature_set(&self, place: &Place) -> usize {
        self.chosen(place, &What::FeatureSet).unwrap_or_default()
    }

    fn chosen(&self, place: &Place, wanted: &What) -> Option<usize> {
        let same = |what: &What| std::mem::discriminant(what) == std::mem::discriminant(wanted);
        let (_, value) = self.what.iter().zip(place).find(|(what, _)| same(what))?;
        value.map(|value| value as usize)
    }

    /// The values of the parameters that are there.
    fn parameters<'a>(&'a self, place: &'a Place) -> impl Iterator<Item = (String, Value)> + 'a {
        let dimensions = self.what.iter().zip(&self.space.dimensions).zip(place);
        dimensions.filter_map(|((what, dimension), value)| match (what, value) {
            (What::Parameter(name, Some(list)), Some(at)) => {
                Some((name.clone(), list.get(*at as usize).cloned().unwrap_or_default()))
            }
            (What::Parameter(name, None), Some(value)) => {
                let whole = matches!(dimension.domain, Domain::Whole { .. });
                Some((name.clone(), if whole { json!(*value as i64) } else { json!(value) }))
            }
            _ => None,
        })
    }

    /// Places that show every value of every list and both ends of every range,
    /// so that what a plugin won't take is seen before anything is run. The field
    /// that each is about comes with it.
    pub(super) fn samples(&self) -> Vec<(String, Place)> {
        let mut samples = Vec::new();
        let trainers = self.spec.trainers.len().max(1);
        for trainer in 0..trainers {
            let mut first = Place::new();
            for (what, dimension) in self.what.iter().zip(&self.space.dimensions) {
                let value = match what {
                    What::Trainer => trainer as f64,
                    _ => ends(&dimension.domain).first().copied().unwrap_or_default(),
                };
                let there = Space::is_there(dimension, &first);
                first.push(there.then_some(value));
            }
            let at = if self.spec.trainers.is_empty() {
                "parameters".to_owned()
            } else {
                format!("trainers[{trainer}].search")
            };
            samples.push((at.clone(), first.clone()));
            for (index, (what, dimension)) in self.what.iter().zip(&self.space.dimensions).enumerate() {
                if !matches!(what, What::Parameter(..)) || first.get(index).copied().flatten().is_none() {
                    continue;
                }
                for value in ends(&dimension.domain).into_iter().skip(1) {
                    let mut place = first.clone();
                    if let Some(slot) = place.get_mut(index) {
                        *slot = Some(value);
                    }
                    samples.push((at.clone(), place));
                }
            }
        }
        samples
    }
}

/// How often a proposal is made anew because it was tried already.
const ATTEMPTS: u64 = 16;

/// Every choice, or both ends of a range.
fn ends(domain: &Domain) -> Vec<f64> {
    match domain {
        Domain::Category(choices) => (0..*choices).map(|choice| choice as f64).collect(),
        Domain::Float { low, high, .. } => vec![*low, *high],
        Domain::Whole { low, high, .. } => vec![*low as f64, *high as f64],
    }
}

fn with_features(experiment: &ExperimentSpec, set: &FeatureSet) -> ExperimentSpec {
    let mut spec = experiment.clone();
    if let Some(features) = &set.features {
        spec.features.clone_from(features);
    }
    if let Some(joins) = &set.joins {
        spec.joins.clone_from(joins);
    }
    if let Some(ignore) = &set.ignore {
        spec.ignore.clone_from(ignore);
    }
    spec
}

/// Whether a value is better than another.
fn better(spec: &SweepSpec, a: f64, b: f64) -> std::cmp::Ordering {
    if spec.maximize { b.total_cmp(&a) } else { a.total_cmp(&b) }
}

/// The best of the finished trials; of equals the one that was proposed first,
/// whichever ended first.
pub(super) fn best<'a>(trials: &'a [Trial], spec: &SweepSpec) -> Option<(&'a Trial, f64)> {
    let finished = trials.iter().filter(|trial| trial.status == TrialStatus::Finished);
    finished
        .filter_map(|trial| Some((trial, trial.value?)))
        .min_by(|a, b| better(spec, a.1, b.1).then(a.0.number.cmp(&b.0.number)))
}

/// The places of the settled trials, the best first: the finished by their
/// value, then the stopped by how far they came and how they stood there, then
/// the failed.
fn ranked(trials: &[Trial], spec: &SweepSpec) -> Vec<Place> {
    let live = |a: f64, b: f64| match spec.halving.as_ref().is_some_and(|halving| halving.maximize) {
        true => b.total_cmp(&a),
        false => a.total_cmp(&b),
    };
    let class = |trial: &Trial| match trial.status {
        TrialStatus::Finished => 0,
        TrialStatus::Stopped => 1,
        _ => 2,
    };
    let mut settled: Vec<&Trial> = trials.iter().filter(|trial| trial.status.is_settled()).collect();
    settled.sort_by(|a, b| {
        let standing = match (a.value, b.value, a.rungs.last(), b.rungs.last()) {
            _ if class(a) != class(b) => class(a).cmp(&class(b)),
            (Some(a), Some(b), ..) => better(spec, a, b),
            (_, _, Some(a), Some(b)) => b.step.cmp(&a.step).then(live(a.value, b.value)),
            _ => std::cmp::Ordering::Equal,
        };
        standing.then(a.number.cmp(&b.number))
    });
    settled.into_iter().map(|trial| trial.place.clone()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn plan(change: Value) -> Result<Plan> {
        let mut spec = json!({"experiment": "e", "metric": "roc_auc", "seed": 7});
        for (name, value) in change.as_object().unwrap() {
            spec[name] = value.clone();
        }
        let experiment = json!({"name": "e", "task": "regression", "spine": {"dataset": "d"}, "target": "y",
            "training": {"plugin": "training-gbdt", "parameters": {"rounds": 5}}});
        Plan::new(&serde_json::from_value(spec).unwrap(), &serde_json::from_value(experiment).unwrap())
    }

    /// Every place that a plan proposes, as trials of this value.
    fn all(plan: &Plan, value: impl Fn(&Trial) -> f64) -> Vec<Trial> {
        let mut trials = Vec::new();
        while let Some(place) = plan.next(&trials) {
            let mut trial = plan.trial("s", trials.len() as u64, "r", place);
            trial.status = TrialStatus::Finished;
            trial.value = Some(value(&trial));
            trials.push(trial);
        }
        trials
    }

    #[test]
    fn a_grid_is_every_combination() {
        let two = json!({"a": [1, 2], "b": [0.1, 0.2, 0.3]});
        let trials = all(&plan(json!({"parameters": two})).unwrap(), |_| 0.0);
        let tried: Vec<String> = trials.iter().map(|trial| json!(trial.parameters).to_string()).collect();
        assert_eq!(tried.len(), 6);
        assert_eq!((&*tried[0], &*tried[5]), (r#"{"a":1,"b":0.1}"#, r#"{"a":2,"b":0.3}"#));
        let error = plan(json!({"parameters": two, "max_runs": 5})).err().unwrap();
        assert!(error.message.contains("6 combinations"), "{error}");
    }

    #[test]
    fn draws_lie_in_their_ranges_and_repeat_with_the_seed() {
        let ranges = json!({"a": {"low": 1, "high": 9}, "b": {"low": 0.001, "high": 1.0, "log": true}});
        for strategy in ["random", "tpe"] {
            let plan = plan(json!({"parameters": ranges, "strategy": strategy, "max_runs": 40})).unwrap();
            let of = |trial: &Trial| trial.parameters["b"].as_f64().unwrap();
            let trials = all(&plan, of);
            assert_eq!(trials.len(), 40);
            for trial in &trials {
                assert!((1..=9).contains(&trial.parameters["a"].as_i64().unwrap()));
                assert!((0.001..=1.0).contains(&of(trial)));
            }
            let places = |trials: Vec<Trial>| trials.into_iter().map(|trial| trial.place).collect::<Vec<_>>();
            assert_eq!(places(trials), places(all(&plan, of)));
        }
    }

    #[test]
    fn a_search_ends_when_there_is_nothing_new() {
        let few = plan(json!({"parameters": {"a": [1, 2, 3], "b": [1, 2]}, "strategy": "tpe"})).unwrap();
        assert_eq!(all(&few, |trial| trial.place[0].unwrap()).len(), 6);
    }

    #[test]
    fn of_equals_the_earlier_is_the_best() {
        let grid = plan(json!({"parameters": {"a": [1, 2, 3, 4]}})).unwrap();
        let mut trials = all(&grid, |trial| if trial.number == 0 { 0.1 } else { 0.5 });
        assert_eq!(best(&trials, &grid.spec).map(|(trial, _)| trial.number), Some(1));
        // Whichever ended first.
        trials.reverse();
        assert_eq!(best(&trials, &grid.spec).map(|(trial, _)| trial.number), Some(1));
        trials[2].status = TrialStatus::Stopped;
        assert_eq!(best(&trials, &grid.spec).map(|(trial, _)| trial.number), Some(2));
    }

    #[test]
    fn the_stopped_rank_behind_the_finished_by_how_far_they_came() {
        let grid = plan(json!({"parameters": {"a": [0, 1, 2, 3, 4]},
            "halving": {"metric": "loss"}}))
        .unwrap();
        let mut trials = all(&grid, |trial| trial.number as f64);
        for (at, step, value) in [(1, 3, 0.1), (3, 9, 0.3), (4, 9, 0.2)] {
            trials[at].status = TrialStatus::Stopped;
            trials[at].value = None;
            trials[at].rungs = vec![super::super::RungValue { step, value }];
        }
        trials[0].status = TrialStatus::Failed;
        let order: Vec<f64> = ranked(&trials, &grid.spec).iter().map(|place| place[0].unwrap()).collect();
        assert_eq!(order, [2.0, 4.0, 3.0, 1.0, 0.0]);
    }
}
