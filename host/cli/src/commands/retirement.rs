//! `modelyard retirement`.

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::json;

use super::When;
use crate::{
    context::{Context, Limit},
    document::{Begin, Parameter, VersionOf},
    output::Column,
};

const RULES: &[Column] = &[
    ("NAME", "name"),
    ("MODELS", "models"),
    ("PLUGIN", "plugin"),
    ("REACH", "reach"),
    ("SCHEDULE", "schedule"),
];
const ASSESSMENTS: &[Column] = &[
    ("AT", "at"),
    ("RULE", "rule"),
    ("MODEL", "model"),
    ("VERSION", "version"),
    ("VERDICT", "verdict"),
    ("OUTCOME", "outcome"),
    ("REASONS", "reasons"),
];

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  modelyard retirement archive late@1 --reason 'replaced by version 2'")]
pub(crate) struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Rules: when versions should go.
    #[command(subcommand)]
    Rule(Rule),
    /// Let a rule judge all versions now.
    Assess {
        /// The rule.
        name: String,
    },
    /// Retire a version: kept, not deployable until it is restored.
    Archive {
        /// The version: late@3, or late for the latest.
        version: VersionOf,
        /// Why.
        #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
        reason: String,
    },
    /// Bring an archived version back.
    Restore {
        /// The version: late@3.
        version: VersionOf,
    },
    /// List what rules said, latest first.
    Assessments {
        /// About this model only.
        #[arg(long)]
        model: Option<String>,
        #[command(flatten)]
        limit: Limit,
    },
}

#[derive(Debug, Subcommand)]
enum Rule {
    /// Create a rule or change it.
    #[command(
        after_help = "Example:\n  modelyard retirement rule put stale --param unused_days=30 --reach propose --schedule '0 5 1 * *'"
    )]
    Put(Put),
    /// List the rules.
    List(Limit),
    /// Show a rule.
    Show {
        /// The rule.
        name: String,
    },
    /// Remove a rule.
    Delete {
        /// The rule.
        name: String,
    },
}

#[derive(Debug, Args)]
struct Put {
    #[command(flatten)]
    begin: Begin,
    /// A model that it is about; may be repeated; all if left out.
    #[arg(long = "model")]
    models: Vec<String>,
    /// The retirement plugin; retirement-rules if left out.
    #[arg(long)]
    plugin: Option<String>,
    /// A parameter of the plugin; may be repeated.
    #[arg(long = "param", value_name = "NAME=VALUE")]
    parameters: Vec<Parameter>,
    /// How far it goes by itself: warn, propose or archive.
    #[arg(long)]
    reach: Option<String>,
    #[command(flatten)]
    when: When,
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self.verb {
            Verb::Rule(verb) => rule(context, verb).await,
            Verb::Assess { name } => {
                context.post(&["retirement", "rules", &name, "assess"], None, true).await
            }
            Verb::Archive { version: VersionOf { model, version }, reason } => {
                let body = json!({"model": model, "version": version, "reason": reason});
                context
                    .act(&["retirement", "archive"], &body, &format!("{model}@{version} is archived"))
                    .await
            }
            Verb::Restore { version: VersionOf { model, version } } => {
                let body = json!({"model": model, "version": version});
                context
                    .act(&["retirement", "restore"], &body, &format!("{model}@{version} is restored"))
                    .await
            }
            Verb::Assessments { model, limit } => {
                context.list(&["retirement", "assessments"], &[("model", model)], limit, ASSESSMENTS).await
            }
        }
    }
}

async fn rule(context: &Context, verb: Rule) -> Result<()> {
    const PATH: &[&str] = &["retirement", "rules"];
    match verb {
        Rule::Put(put) => {
            let spec = put.begin.spec()?.list("models", &put.models).set("plugin", put.plugin);
            let spec = spec.parameters("parameters", &put.parameters).set("reach", put.reach);
            context.put(PATH, &[], &put.when.put(spec).done(), "rule").await
        }
        Rule::List(limit) => context.list(PATH, &[], limit, RULES).await,
        Rule::Show { name } => context.show(&["retirement", "rules", &name], &[]).await,
        Rule::Delete { name } => {
            context.delete(&["retirement", "rules", &name], &format!("rule {name} is gone")).await
        }
    }
}
