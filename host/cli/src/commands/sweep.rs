//! `modelyard sweep`, which is `modelyard experiments sweep` too.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use serde_json::{Map, Value, json};

use crate::{
    context::{Context, Limit, Wait},
    document::{self, Parameter, Spec, Usage},
    output::{Column, cell},
};

const SWEEPS: &[Column] = &[
    ("SWEEP", "id"),
    ("EXPERIMENT", "spec.experiment"),
    ("STATUS", "status"),
    ("METRIC", "spec.metric"),
    ("BEST RUN", "best"),
    ("BEST VALUE", "best_value"),
    ("CREATED", "created_at"),
];
const TRIALS: &[Column] = &[
    ("TRIAL", "number"),
    ("STATUS", "status"),
    ("VALUE", "value"),
    ("TRAINING", "trainer"),
    ("FEATURES", "feature_set"),
    ("PARAMETERS", "parameters"),
    ("SECONDS", "seconds"),
    ("RUN", "run"),
    ("ERROR", "error"),
];

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  modelyard sweep size --grid max_depth=3,5,7 --grid learning_rate=0.1,0.3 --metric rmse --minimize\n  modelyard sweep size --strategy tpe --range learning_rate=0.01:0.5:log --range max_leaves=4:64 \\\n    --metric rmse --minimize --max-runs 40 --stop-early validation_rmse --first-step 5\n  modelyard sweep --resume 0198c0de-0000-7000-8000-000000000000\n\nTraining plugins and feature sets to compare stand in a --file, as `trainers` and `feature_sets`."
)]
pub(crate) struct Command {
    /// The experiment; may stand in the file instead.
    experiment: Option<String>,
    /// The whole specification: a .toml or .json file, or - for standard input.
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,
    /// A training parameter and the values to try; may be repeated.
    #[arg(long, value_name = "NAME=VALUE,…")]
    grid: Vec<String>,
    /// A training parameter and the range to draw from; may be repeated.
    #[arg(long, value_name = "NAME=LOW:HIGH[:log]")]
    range: Vec<String>,
    /// grid: every combination; random: so many drawn with the seed; tpe: drawn where the best lie.
    #[arg(long)]
    strategy: Option<String>,
    /// The most runs.
    #[arg(long, value_name = "N")]
    max_runs: Option<u32>,
    /// The most runs at once.
    #[arg(long, value_name = "N")]
    parallel: Option<u32>,
    /// The metric that decides.
    #[arg(long)]
    metric: Option<String>,
    /// Less is better.
    #[arg(long)]
    minimize: bool,
    /// The seed of random and tpe.
    #[arg(long)]
    seed: Option<u64>,
    /// Stop trials that fall behind in this live metric, of which less is better.
    #[arg(long, value_name = "METRIC")]
    stop_early: Option<String>,
    /// Of the metric of --stop-early more is better.
    #[arg(long, requires = "stop_early")]
    more_is_better: bool,
    /// Of so many trials one goes on.
    #[arg(long, value_name = "N", requires = "stop_early")]
    eta: Option<u32>,
    /// The step at which trials are first compared.
    #[arg(long, value_name = "STEP", requires = "stop_early")]
    first_step: Option<u64>,
    /// Cross-validate by time on so many folds.
    #[arg(long, value_name = "N")]
    folds: Option<u32>,
    /// Go on with a sweep that failed or was cancelled.
    #[arg(long, value_name = "SWEEP", conflicts_with_all = ["experiment", "file", "metric"])]
    resume: Option<String>,
    #[command(flatten)]
    wait: Wait,
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let wait = !self.wait.no_wait;
        let result = match &self.resume {
            Some(sweep) => context.perform(&["experiments", "sweeps", sweep, "resume"], None, wait).await?,
            None => context.perform(&["experiments", "sweeps"], Some(&self.spec()?), wait).await?,
        };
        let ended = result.get("id").and_then(Value::as_str).filter(|_| wait && !context.output.is_json());
        let Some(sweep) = ended else { return context.output.value(&result) };
        trials(context, sweep, Limit { limit: 0 }).await?;
        for note in result.get("notes").and_then(Value::as_array).into_iter().flatten() {
            context.output.say(&cell(Some(note)))?;
        }
        let text = |name: &str| cell(result.get(name));
        let metric = cell(result.pointer("/spec/metric"));
        let (best, value) = (text("best"), text("best_value"));
        context.output.say(&format!("the best run of sweep {sweep} is {best}: {metric} {value}"))
    }

    fn spec(&self) -> Result<Value> {
        let mut spec = Spec::default();
        if let Some(file) = &self.file {
            let Value::Object(members) = document::read(file)? else {
                bail!("{}: a specification is a table of fields", file.display());
            };
            for (name, value) in members {
                spec = spec.put(&[&*name], value);
            }
        } else if self.experiment.is_none() {
            bail!(Usage::new("give an experiment, or a --file with one, or a sweep to --resume"));
        }
        let grid = self.grid.iter().map(|text| values(text));
        let varied = grid.chain(self.range.iter().map(|text| range(text))).collect::<Result<Vec<_>>>()?;
        let spec = spec.set("experiment", self.experiment.as_ref()).parameters("parameters", &varied);
        let spec = spec.set("strategy", self.strategy.as_ref()).set("max_runs", self.max_runs);
        let spec = spec.set("parallel", self.parallel).set("metric", self.metric.as_ref());
        let spec = spec.set("halving.metric", self.stop_early.as_ref()).set("halving.eta", self.eta);
        let spec = spec.set("halving.maximize", self.more_is_better.then_some(true));
        let spec = spec.set("halving.first_step", self.first_step).set("folds.count", self.folds);
        Ok(spec.set("maximize", self.minimize.then_some(false)).set("seed", self.seed).done())
    }
}

/// A text as JSON, or as itself.
fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// `max_depth=3,5,7`
fn values(text: &str) -> Result<Parameter> {
    let Some((name, values)) = text.split_once('=') else {
        bail!(Usage::new(format!("--grid {text}: write max_depth=3,5,7")));
    };
    Ok(Parameter { name: name.to_owned(), value: Value::Array(values.split(',').map(value).collect()) })
}

/// `learning_rate=0.01:0.5:log`
fn range(text: &str) -> Result<Parameter> {
    let wrong =
        || Usage::new(format!("--range {text}: write learning_rate=0.01:0.5 or learning_rate=0.01:0.5:log"));
    let (name, ends) = text.split_once('=').ok_or_else(wrong)?;
    let mut ends = ends.split(':');
    let mut number = || ends.next().map(value).filter(Value::is_number).ok_or_else(wrong);
    let mut range = Map::from_iter([("low".to_owned(), number()?), ("high".to_owned(), number()?)]);
    match (ends.next(), ends.next()) {
        (None, _) => {}
        (Some("log"), None) => drop(range.insert("log".to_owned(), json!(true))),
        _ => bail!(wrong()),
    }
    Ok(Parameter { name: name.to_owned(), value: Value::Object(range) })
}

/// Prints sweeps, latest first.
pub(crate) async fn list(context: &Context, limit: Limit) -> Result<()> {
    context.list(&["experiments", "sweeps"], &[], limit, SWEEPS).await
}

/// Prints a sweep's trials.
pub(crate) async fn trials(context: &Context, sweep: &str, limit: Limit) -> Result<()> {
    context.list(&["experiments", "sweeps", sweep, "trials"], &[], limit, TRIALS).await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn values_and_ranges_are_read() {
        let of = |parameter: Result<Parameter>| parameter.map(|parameter| parameter.value).ok();
        assert_eq!(of(values("a=1,0.5,x")), Some(json!([1, 0.5, "x"])));
        assert_eq!(of(range("a=1:8")), Some(json!({"low": 1, "high": 8})));
        assert_eq!(of(range("a=1e-3:0.5:log")), Some(json!({"low": 0.001, "high": 0.5, "log": true})));
        for wrong in ["a", "a=1", "a=1:x", "a=1:2:lin", "a=1:2:log:3"] {
            assert_eq!(of(range(wrong)), None, "{wrong}");
        }
    }
}
