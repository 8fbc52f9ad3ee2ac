//! `modelyard feedback`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::When;
use crate::{
    context::{Context, Limit, Wait},
    document::{self, Begin, Parameter, Spec, Usage},
    output::{Column, cell},
};

const RULES: &[Column] = &[
    ("NAME", "name"),
    ("DEPLOYMENT", "deployment"),
    ("PLUGIN", "plugin"),
    ("SCHEDULE", "schedule"),
    ("RETRAINED", "retrained_at"),
];
const ACTIONS: &[Column] = &[
    ("AT", "at"),
    ("RULE", "rule"),
    ("DEPLOYMENT", "deployment"),
    ("ACTION", "action"),
    ("REASON", "reason"),
    ("OUTCOME", "outcome"),
];
/// Labels in one request.
const AT_ONCE: usize = 10_000;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  modelyard feedback label 0198c0de-0000-7000-8000-000000000000 true")]
pub(crate) struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Say what was true of a prediction.
    Label {
        /// The prediction.
        #[arg(required_unless_present = "file", requires = "label")]
        prediction: Option<String>,
        /// What was true: JSON or a text.
        label: Option<String>,
        /// When it became known; now if left out.
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
        /// A JSON file with a list of {prediction_id, label, at}, or - for standard input.
        #[arg(long, short, value_name = "FILE", conflicts_with_all = ["prediction", "at"])]
        file: Option<PathBuf>,
    },
    /// Rules: what is done about findings.
    #[command(subcommand)]
    Rule(Rule),
    /// Let a rule decide now.
    Decide {
        /// The rule.
        name: String,
        #[command(flatten)]
        wait: Wait,
    },
    /// List what rules had done, latest first.
    Actions {
        /// About this deployment only.
        #[arg(long)]
        deployment: Option<String>,
        #[command(flatten)]
        limit: Limit,
    },
}

#[derive(Debug, Subcommand)]
enum Rule {
    /// Create a rule or change it.
    #[command(
        after_help = "Example:\n  modelyard feedback rule put late-retrain --deployment late --schedule '0 7 * * 1'"
    )]
    Put(Put),
    /// List the rules.
    List(Limit),
    /// Show a rule.
    Show {
        /// The rule.
        name: String,
    },
    /// Remove a rule; what it did stays on record.
    Delete {
        /// The rule.
        name: String,
    },
}

#[derive(Debug, Args)]
struct Put {
    #[command(flatten)]
    begin: Begin,
    /// The deployment.
    #[arg(long)]
    deployment: Option<String>,
    /// The feedback plugin; feedback-retrain if left out.
    #[arg(long)]
    plugin: Option<String>,
    /// A parameter of the plugin; may be repeated.
    #[arg(long = "param", value_name = "NAME=VALUE")]
    parameters: Vec<Parameter>,
    #[command(flatten)]
    when: When,
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self.verb {
            Verb::Label { prediction, label: text, at, file } => {
                label(context, prediction, text, at, file).await
            }
            Verb::Rule(verb) => rule(context, verb).await,
            Verb::Decide { name, wait } => {
                context.post(&["feedback", "rules", &name, "decide"], None, !wait.no_wait).await
            }
            Verb::Actions { deployment, limit } => {
                context.list(&["feedback", "actions"], &[("deployment", deployment)], limit, ACTIONS).await
            }
        }
    }
}

async fn label(
    context: &Context,
    prediction: Option<String>,
    label: Option<String>,
    at: Option<String>,
    file: Option<PathBuf>,
) -> Result<()> {
    let labels = match file {
        Some(file) => match document::read(&file)? {
            Value::Array(labels) => labels,
            Value::Object(mut whole) => match whole.remove("labels") {
                Some(Value::Array(labels)) => labels,
                _ => bail!(Usage::new(format!("{}: there is no list of labels", file.display()))),
            },
            _ => bail!(Usage::new(format!("{}: there is no list of labels", file.display()))),
        },
        None => {
            let text = label.unwrap_or_default();
            let label = serde_json::from_str(&text).unwrap_or(Value::String(text));
            let one = Spec::default().set("prediction_id", prediction).set("label", Some(label));
            vec![one.set("at", at).done()]
        }
    };
    let mut sums = [0, 0, 0];
    let mut unknown = Vec::new();
    for labels in labels.chunks(AT_ONCE) {
        let taken = context.perform(&["feedback", "labels"], Some(&json!({"labels": labels})), false).await?;
        for (sum, name) in sums.iter_mut().zip(["added", "replaced", "unchanged"]) {
            *sum += taken.get(name).and_then(Value::as_u64).unwrap_or_default();
        }
        unknown.extend(taken.get("unknown").and_then(Value::as_array).cloned().unwrap_or_default());
    }
    let [added, replaced, unchanged] = sums;
    let all = json!({"added": added, "replaced": replaced, "unchanged": unchanged, "unknown": unknown});
    let mut told = format!("{added} added, {replaced} replaced, {unchanged} unchanged");
    if !unknown.is_empty() {
        told.push_str(&format!("; {} name no prediction: {}", unknown.len(), cell(all.get("unknown"))));
    }
    context.output.done(&all, &told)
}

async fn rule(context: &Context, verb: Rule) -> Result<()> {
    const PATH: &[&str] = &["feedback", "rules"];
    match verb {
        Rule::Put(put) => {
            let spec = put.begin.spec()?.set("deployment", put.deployment).set("plugin", put.plugin);
            let spec = put.when.put(spec.parameters("parameters", &put.parameters)).done();
            context.put(PATH, &[], &spec, "rule").await
        }
        Rule::List(limit) => context.list(PATH, &[], limit, RULES).await,
        Rule::Show { name } => context.show(&["feedback", "rules", &name], &[]).await,
        Rule::Delete { name } => {
            context.delete(&["feedback", "rules", &name], &format!("rule {name} is gone")).await
        }
    }
}
