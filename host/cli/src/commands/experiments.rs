//! `modelyard experiments`.

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::{runs, sweep};
use crate::{
    context::{Context, Limit, Wait},
    document::{Begin, Parameter, Spec, Usage},
    output::Column,
};

const EXPERIMENTS: &[Column] = &[
    ("NAME", "name"),
    ("TASK", "task"),
    ("TARGET", "target"),
    ("TRAINING", "training.plugin"),
    ("DESCRIPTION", "description"),
    ("UPDATED", "updated_at"),
];
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  modelyard experiments put size --dataset penguins --task regression --target body_mass_g --trainer training-gbdt\n  modelyard experiments run size"
)]
pub(crate) struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Create an experiment or change it.
    Put(Box<Put>),
    /// List the experiments.
    List(Limit),
    /// Show an experiment.
    Show {
        /// The experiment.
        name: String,
    },
    /// Train once, as the experiment says.
    Run(Run),
    /// List runs, latest first; or show one.
    Runs {
        /// Show this run.
        run: Option<String>,
        /// Of this experiment only.
        #[arg(long)]
        experiment: Option<String>,
        #[command(flatten)]
        limit: Limit,
    },
    /// Train many times with other parameters and pick the best (also `modelyard sweep`).
    Sweep(sweep::Command),
    /// List sweeps, latest first; or show one.
    Sweeps {
        /// Show this sweep.
        sweep: Option<String>,
        #[command(flatten)]
        limit: Limit,
    },
    /// List a sweep's trials, in the order in which they were proposed.
    Trials {
        /// The sweep.
        sweep: String,
        #[command(flatten)]
        limit: Limit,
    },
}

#[derive(Debug, Args)]
struct Put {
    #[command(flatten)]
    begin: Begin,
    /// What it is for.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// What is learnt: binary_classification, multiclass_classification or regression.
    #[arg(long)]
    task: Option<String>,
    /// The rows: a dataset, flights or flights@12; or give --sql.
    #[arg(long)]
    dataset: Option<String>,
    /// The rows: a SELECT over datasets by name; or give --dataset.
    #[arg(long)]
    sql: Option<String>,
    /// The column that says when a row happened.
    #[arg(long, value_name = "COLUMN")]
    event_time: Option<String>,
    /// Rows at or after this moment.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Rows before this moment.
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// A view joined point in time: weather, or weather:airport=origin where keys are named otherwise; may be repeated.
    #[arg(long = "join", value_name = "VIEW[:KEY=COLUMN,…]")]
    joins: Vec<String>,
    /// The column to predict.
    #[arg(long, value_name = "COLUMN")]
    target: Option<String>,
    /// A column that the model doesn't see; may be repeated.
    #[arg(long, value_name = "COLUMN")]
    ignore: Vec<String>,
    /// The features plugin, fitted on the training rows.
    #[arg(long, value_name = "PLUGIN")]
    features: Option<String>,
    /// A parameter of the features plugin; may be repeated.
    #[arg(long = "features-param", value_name = "NAME=VALUE")]
    features_parameters: Vec<Parameter>,
    /// The training plugin.
    #[arg(long, value_name = "PLUGIN")]
    trainer: Option<String>,
    /// A parameter of the training plugin; may be repeated.
    #[arg(long = "param", value_name = "NAME=VALUE")]
    parameters: Vec<Parameter>,
    /// The evaluation plugin; by default the one for the task.
    #[arg(long, value_name = "PLUGIN")]
    evaluator: Option<String>,
    /// How rows are held out: random, or time for the latest ones.
    #[arg(long, value_name = "HOW")]
    split: Option<String>,
    /// The share held out for validation.
    #[arg(long, value_name = "SHARE")]
    validation: Option<f64>,
    /// The share held out to evaluate on.
    #[arg(long, value_name = "SHARE")]
    test: Option<f64>,
    /// The seed of everything random.
    #[arg(long)]
    seed: Option<u64>,
}

#[derive(Debug, Args)]
struct Run {
    /// The experiment.
    name: String,
    /// A training parameter that replaces the experiment's; may be repeated.
    #[arg(long = "param", value_name = "NAME=VALUE")]
    parameters: Vec<Parameter>,
    /// Rows at or after this moment.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Rows before this moment.
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    #[command(flatten)]
    wait: Wait,
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        const PATH: &[&str] = &["experiments"];
        match self.verb {
            Verb::Put(put) => context.put(PATH, &[], &put.spec()?, "experiment").await,
            Verb::List(limit) => context.list(PATH, &[], limit, EXPERIMENTS).await,
            Verb::Show { name } => context.show(&["experiments", &name], &[]).await,
            Verb::Run(run) => {
                let spec = Spec::default().parameters("parameters", &run.parameters);
                let spec = spec.set("from", run.from).set("to", run.to).done();
                context.post(&["experiments", &run.name, "runs"], Some(&spec), !run.wait.no_wait).await
            }
            Verb::Runs { run: Some(run), .. } => runs::show(context, &run).await,
            Verb::Runs { experiment, limit, .. } => runs::list(context, experiment, limit).await,
            Verb::Sweep(sweep) => sweep.run(context).await,
            Verb::Sweeps { sweep: Some(sweep), .. } => {
                context.show(&["experiments", "sweeps", &sweep], &[]).await
            }
            Verb::Sweeps { limit, .. } => sweep::list(context, limit).await,
            Verb::Trials { sweep, limit } => sweep::trials(context, &sweep, limit).await,
        }
    }
}

impl Put {
    fn spec(&self) -> Result<Value> {
        let joins = self.joins.iter().map(|join| self::join(join)).collect::<Result<Vec<_>>>()?;
        let spec =
            self.begin.spec()?.set("description", self.description.as_ref()).set("task", self.task.as_ref());
        let spec = spec.set("spine.dataset", self.dataset.as_ref()).set("spine.sql", self.sql.as_ref());
        let spec = spec.set("spine.event_time", self.event_time.as_ref());
        let spec = spec.set("spine.from", self.from.as_ref()).set("spine.to", self.to.as_ref());
        let spec =
            spec.list("joins", &joins).set("target", self.target.as_ref()).list("ignore", &self.ignore);
        let spec = spec.set("features.plugin", self.features.as_ref());
        let spec = spec.parameters("features.parameters", &self.features_parameters);
        let spec = spec.set("training.plugin", self.trainer.as_ref());
        let spec = spec.parameters("training.parameters", &self.parameters);
        let spec =
            spec.set("evaluation.plugin", self.evaluator.as_ref()).set("split.by", self.split.as_ref());
        let spec = spec.set("split.validation", self.validation).set("split.test", self.test);
        Ok(spec.set("seed", self.seed).done())
    }
}

/// `weather:airport=origin` as a join.
fn join(text: &str) -> Result<Value> {
    let (view, keys) = text.split_once(':').unwrap_or((text, ""));
    let mut renamed = Map::new();
    for pair in keys.split(',').filter(|pair| !pair.is_empty()) {
        let Some((key, column)) = pair.split_once('=') else {
            bail!(Usage::new(format!("--join {text}: write weather:airport=origin")));
        };
        renamed.insert(key.to_owned(), column.into());
    }
    Ok(json!({"view": view, "keys": renamed}))
}
