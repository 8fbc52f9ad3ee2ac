//! Round after round, each a tree against what the ones before got wrong.

// Rows and classes run over lengths that were checked when the data was read.
#![allow(clippy::indexing_slicing)]

use modelyard_sdk::learn::gbdt::Model;
use modelyard_sdk::{Error, Metric, Result, progress};

use crate::dataset::{Dataset, Feature, Prepared};
use crate::grow::{Grower, Grown};
use crate::metrics;
use crate::objective::{Objective, weighted_median};
use crate::params::{self, Parameters};
use crate::rng::Rng;

/// The most memory in bytes that histograms may take.
const MAX_MEMORY: usize = 1 << 30;

/// A model and what is known of it.
#[derive(Debug)]
pub struct Outcome {
    /// The model, of the best round where it stopped early.
    pub model: Model,
    /// Metrics of the training and validation data.
    pub metrics: Vec<Metric>,
    /// Columns with their share of the splits' gain, the greatest first.
    pub importance: Vec<(String, f64)>,
}

/// Trains on prepared data.
pub fn train(prepared: Prepared, parameters: &Parameters, seed: u64) -> Result<Outcome> {
    let Prepared { features, head, train, validation } = prepared;
    let objective = Objective::of(head.task, head.classes.len(), parameters.loss);
    let base = objective.base(&train);
    let mut run = Run {
        features: &features,
        task: head.task,
        objective,
        parameters,
        scores: spread(&base, train.target.len()),
        held_out: validation.as_ref().map(|data| spread(&base, data.target.len())),
        train: &train,
        validation: validation.as_ref(),
        gains: vec![0.0; features.len()],
        rng: Rng::new(seed),
        best: None,
    };
    let mut grower = Grower::new(&features, &train.bins, parameters);
    if grower.memory() > MAX_MEMORY {
        let message = format!(
            "histograms would take up to {} MiB, {} are the most: lower `max_leaves` or `max_bins`, or `ignore` columns",
            grower.memory() >> 20,
            MAX_MEMORY >> 20
        );
        return Err(Error::parameter("/max_leaves", message));
    }
    let mut trees = Vec::new();
    let rounds = u64::from(parameters.rounds);
    for round in 1..=rounds {
        let grown = run.round(&mut grower)?;
        let stuck = grown.iter().all(Grown::is_leaf);
        trees.extend(grown.iter().map(|tree| tree.tree(&features)));
        let stop = run.follow(round)?;
        let last = stop || stuck || round == rounds;
        if last || round.is_multiple_of(u64::from(parameters.report_every)) {
            run.report(round, rounds);
        }
        // Without drawing lots the next round would find nothing either.
        let lots = parameters.bagging_fraction < 1.0 || parameters.feature_fraction < 1.0;
        if stop || (stuck && !lots) {
            break;
        }
    }
    if let Some(best) = run.best.take() {
        trees.truncate(best.round as usize * base.len());
        run.scores = best.scores;
        run.held_out = Some(best.held_out);
    }
    let (metrics, importance) = (run.summary(trees.len() / base.len()), run.importance());
    let inputs = features.into_iter().map(|feature| feature.input).collect();
    Ok(Outcome { model: Model { head, inputs, base, trees }, metrics, importance })
}

fn spread(base: &[f64], rows: usize) -> Vec<f64> {
    base.iter().flat_map(|score| std::iter::repeat_n(*score, rows)).collect()
}

struct Run<'a> {
    features: &'a [Feature],
    task: modelyard_sdk::learn::Task,
    objective: Objective,
    parameters: &'a Parameters,
    train: &'a Dataset,
    validation: Option<&'a Dataset>,
    /// Raw scores of the training rows, class after class.
    scores: Vec<f64>,
    /// Those of the validation rows.
    held_out: Option<Vec<f64>>,
    gains: Vec<f64>,
    rng: Rng,
    best: Option<Best>,
}

/// The best round so far, where early stopping follows it.
struct Best {
    round: u64,
    value: f64,
    scores: Vec<f64>,
    held_out: Vec<f64>,
}

impl Run<'_> {
    /// Grows a tree per score and adds them to the scores.
    fn round(&mut self, grower: &mut Grower<'_>) -> Result<Vec<Grown>> {
        let rows = self.train.target.len();
        let mut derivatives = vec![[0.0; 2]; self.scores.len()];
        self.objective.derive(self.train, &self.scores, &mut derivatives);
        let share =
            |fraction: f64, all: usize| ((fraction * all as f64).round() as usize).clamp(1, all.max(1));
        let bagged = self.parameters.bagging_fraction < 1.0;
        let sample: Vec<u32> = if bagged {
            let count = share(self.parameters.bagging_fraction, rows);
            self.rng.choose(rows, count).map(|row| row as u32).collect()
        } else {
            (0..rows as u32).collect()
        };
        let mut grown = Vec::with_capacity(self.objective.scores());
        for class in 0..self.objective.scores() {
            let count = share(self.parameters.feature_fraction, self.features.len());
            let mut usable = vec![count == self.features.len(); self.features.len()];
            if count < self.features.len() {
                self.rng.choose(self.features.len(), count).for_each(|feature| usable[feature] = true);
            }
            let part = class * rows..(class + 1) * rows;
            let mut tree =
                grower.grow(sample.clone(), &derivatives[part.clone()], &usable, &mut self.gains)?;
            if self.objective == Objective::Absolute {
                self.renew(&mut tree);
            }
            let scores = &mut self.scores[part];
            if bagged {
                add(&tree, self.train, scores);
            } else {
                for (rows, value) in tree.leaves() {
                    rows.iter().for_each(|row| scores[*row as usize] += value);
                }
            }
            if let (Some(data), Some(scores)) = (self.validation, self.held_out.as_mut()) {
                let rows = data.target.len();
                add(&tree, data, &mut scores[class * rows..(class + 1) * rows]);
            }
            grown.push(tree);
        }
        Ok(grown)
    }

    /// Of the absolute error the best answer is the median of what is left.
    fn renew(&self, tree: &mut Grown) {
        let weight = |row: usize| self.train.weights.as_ref().map_or(1.0, |weights| weights[row]);
        let left = |row: &u32| {
            let row = *row as usize;
            (self.train.target[row] - self.scores[row], weight(row))
        };
        tree.renew(|rows| self.parameters.learning_rate * weighted_median(rows.iter().map(left).collect()));
    }

    /// Follows the validation metric; true when it is time to stop.
    fn follow(&mut self, round: u64) -> Result<bool> {
        let patience = u64::from(self.parameters.early_stopping_rounds);
        let (Some(data), Some(held_out)) = (self.validation, &self.held_out) else { return Ok(false) };
        if patience == 0 {
            return Ok(false);
        }
        let metric = self.parameters.followed(self.task);
        let Some(value) = metrics::measure(metric, held_out, data) else {
            let message = format!(
                "{} is not defined on the validation data: it has one class only, no weight, or the scores ran away",
                metric.name()
            );
            return Err(Error::parameter("/metric", message));
        };
        let better =
            |best: &Best| if metric == params::Metric::Auc { value > best.value } else { value < best.value };
        match &mut self.best {
            Some(best) if better(best) => {
                best.round = round;
                best.value = value;
                best.scores.clone_from(&self.scores);
                best.held_out.clone_from(held_out);
            }
            Some(best) => return Ok(round - best.round >= patience),
            None => {
                let (scores, held_out) = (self.scores.clone(), held_out.clone());
                self.best = Some(Best { round, value, scores, held_out });
            }
        }
        Ok(false)
    }

    /// Live progress.
    fn report(&self, round: u64, rounds: u64) {
        let mut message = format!("round {round} of {rounds}");
        for (part, metric, value, _) in self.measured(1) {
            progress::metric(format!("{part}_{metric}"), round, value);
            message.push_str(&format!(", {part} {metric} {value:.5}"));
        }
        progress::report(round as f64 / rounds as f64, message);
    }

    /// Metrics as they stand: of the training data the first `most`.
    fn measured(&self, most: usize) -> Vec<(&'static str, &'static str, f64, u64)> {
        let all = metrics::reported(self.task);
        let mut measured = Vec::new();
        let mut add = |part, metrics: &[params::Metric], scores: &[f64], data: &Dataset| {
            for metric in metrics {
                if let Some(value) = metrics::measure(*metric, scores, data) {
                    measured.push((part, metric.name(), value, data.target.len() as u64));
                }
            }
        };
        add("train", all.get(..most).unwrap_or(all), &self.scores, self.train);
        if let (Some(data), Some(scores)) = (self.validation, &self.held_out) {
            add("validation", all, scores, data);
        }
        measured
    }

    /// Metrics at the end.
    fn summary(&self, rounds: usize) -> Vec<Metric> {
        let named = |(part, metric, value, rows)| Metric::new(format!("{part}_{metric}"), value, rows);
        let mut metrics: Vec<Metric> = self.measured(usize::MAX).into_iter().map(named).collect();
        metrics.push(Metric::new("rounds", rounds as f64, self.train.target.len() as u64));
        metrics
    }

    fn importance(&self) -> Vec<(String, f64)> {
        let total: f64 = self.gains.iter().sum();
        if total <= 0.0 {
            return Vec::new();
        }
        let share = |(feature, gain): (&Feature, &f64)| (feature.input.name.clone(), gain / total);
        let mut importance: Vec<(String, f64)> = self.features.iter().zip(&self.gains).map(share).collect();
        importance.sort_by(|a, b| b.1.total_cmp(&a.1));
        importance
    }
}

fn add(tree: &Grown, data: &Dataset, scores: &mut [f64]) {
    for (row, score) in scores.iter_mut().enumerate() {
        *score += tree.answer(data.bins.row(row));
    }
}
