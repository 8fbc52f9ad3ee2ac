//! `modelyard evaluation`.

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::{
    context::{Context, Limit},
    document::{Parameter, Spec, VersionOf},
    output::Column,
};

const COLUMNS: &[Column] = &[
    ("EVALUATION", "id"),
    ("SUBJECT", "subject"),
    ("DATA", "data"),
    ("ROWS", "rows"),
    ("METRICS", "metrics"),
    ("CREATED", "created_at"),
];

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  modelyard evaluation run late@champion --dataset flights --target late")]
pub(crate) struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List evaluations, latest first.
    List {
        /// Of this only: run:<id> or model:<name>@<version>.
        #[arg(long)]
        subject: Option<String>,
        #[command(flatten)]
        limit: Limit,
    },
    /// Show an evaluation with its metrics and curves.
    Show {
        /// The evaluation.
        id: String,
    },
    /// Hold a version to a dataset.
    Run {
        /// The version: late@3, late@champion, or late for the latest.
        version: VersionOf,
        /// The dataset, flights or flights@12, with the model's inputs and the target.
        #[arg(long)]
        dataset: String,
        /// The column that is true.
        #[arg(long, value_name = "COLUMN")]
        target: String,
        /// The evaluation plugin; by default the one for the model's task.
        #[arg(long, value_name = "PLUGIN")]
        evaluator: Option<String>,
        /// A parameter of the evaluation plugin; may be repeated.
        #[arg(long = "param", value_name = "NAME=VALUE", requires = "evaluator")]
        parameters: Vec<Parameter>,
    },
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self.verb {
            Verb::List { subject, limit } => {
                context.list(&["evaluation"], &[("subject", subject)], limit, COLUMNS).await
            }
            Verb::Show { id } => context.show(&["evaluation", &id], &[]).await,
            Verb::Run { version, dataset, target, evaluator, parameters } => {
                let ask =
                    Spec::default().set("model", Some(version.model)).set("version", Some(version.version));
                let ask = ask.set("dataset", Some(dataset)).set("target", Some(target));
                let ask = ask
                    .set("evaluator.plugin", evaluator)
                    .parameters("evaluator.parameters", &parameters)
                    .done();
                context.post(&["evaluation"], Some(&ask), true).await
            }
        }
    }
}
