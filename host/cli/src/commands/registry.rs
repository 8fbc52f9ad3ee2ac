//! `modelyard registry`.

use anyhow::Result;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::json;

use super::model;
use crate::{
    context::{Context, Limit},
    document::VersionOf,
    output::Column,
};

const VERSIONS: &[Column] = &[
    ("VERSION", "version"),
    ("STATUS", "status"),
    ("TASK", "task"),
    ("METRICS", "metrics"),
    ("RUN", "run"),
    ("FILE", "imported.file"),
    ("CREATED", "created_at"),
];
const CHANGES: &[Column] = &[
    ("AT", "at"),
    ("ALIAS", "alias"),
    ("VERSION", "version"),
    ("BEFORE", "previous"),
    ("BY", "by"),
    ("REASON", "reason"),
];
const EDGES: &[Column] =
    &[("FROM", "from.id"), ("IS", "kind"), ("TO", "to.id"), ("OF TYPE", "to.table"), ("AT", "at")];

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  modelyard registry register late 0198c0de-0000-7000-8000-000000000000\n  modelyard registry alias set late@1 champion --reason 'first model'"
)]
pub(crate) struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Models: names for versions.
    #[command(subcommand)]
    Model(model::Verb),
    /// Make a run's model the next version.
    Register {
        /// The model.
        model: String,
        /// The finished run's id.
        run: String,
    },
    /// List a model's versions, latest first.
    Versions {
        /// The model.
        model: String,
        #[command(flatten)]
        limit: Limit,
    },
    /// Show a version with everything that it came from.
    Show {
        /// The version: late@3, late@champion, or late for the latest.
        version: VersionOf,
    },
    /// Show what is different between two versions of a model.
    Compare {
        /// The model.
        model: String,
        /// The first: a number, an alias or latest.
        left: String,
        /// The second.
        right: String,
    },
    /// Aliases: names that move from version to version.
    #[command(subcommand)]
    Alias(Alias),
    /// Show what a version was made from, edge by edge.
    Lineage {
        /// The version: late@3, late@champion, or late for the latest.
        version: VersionOf,
    },
    /// Show which version a deployment served at a moment.
    Served {
        /// The deployment.
        deployment: String,
        /// When; now if left out.
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
enum Alias {
    /// Let an alias name a version; champion is rolled out where the model is deployed.
    Set {
        /// The version: late@3, or late for the latest.
        version: VersionOf,
        /// The alias: champion, challenger …
        alias: String,
        /// Why.
        #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
        reason: String,
    },
    /// Show the version that an alias names, or named at a moment.
    Show {
        /// The model.
        model: String,
        /// The alias.
        alias: String,
        /// When; now if left out.
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
    },
    /// Remove an alias.
    Remove {
        /// The model.
        model: String,
        /// The alias.
        alias: String,
    },
    /// Let an alias name the version that it named before.
    Revert {
        /// The model.
        model: String,
        /// The alias.
        alias: String,
    },
    /// List an alias' changes, latest first.
    History {
        /// The model.
        model: String,
        /// The alias.
        alias: String,
        #[command(flatten)]
        limit: Limit,
    },
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self.verb {
            Verb::Model(verb) => verb.run(context).await,
            Verb::Register { model, run } => {
                let path = ["registry", "models", &model, "versions"];
                let version = context.perform(&path, Some(&json!({"run": run})), false).await?;
                let number = crate::output::cell(version.get("version"));
                context.output.done(&version, &format!("{model}@{number} is registered"))
            }
            Verb::Versions { model, limit } => {
                context.list(&["registry", "models", &model, "versions"], &[], limit, VERSIONS).await
            }
            Verb::Show { version: VersionOf { model, version } } => {
                context.show(&["registry", "models", &model, "versions", &version], &[]).await
            }
            Verb::Compare { model, left, right } => {
                let query = [("left", Some(left)), ("right", Some(right))];
                let comparison =
                    context.client.get(&["registry", "models", &model, "compare"], &query).await?;
                match comparison.get("differences") {
                    Some(differences) if !context.output.is_json() => context.output.value(differences),
                    _ => context.output.value(&comparison),
                }
            }
            Verb::Alias(verb) => alias(context, verb).await,
            Verb::Lineage { version: VersionOf { model, version } } => {
                let path = ["registry", "models", &model, "versions", &version, "lineage"];
                context.list(&path, &[], Limit { limit: 0 }, EDGES).await
            }
            Verb::Served { deployment, at } => {
                context.show(&["deployment", &deployment, "served"], &[("at", at)]).await
            }
        }
    }
}

async fn alias(context: &Context, verb: Alias) -> Result<()> {
    match verb {
        Alias::Set { version: VersionOf { model, version }, alias, reason } => {
            let path = ["registry", "models", &model, "aliases", &alias];
            let body = json!({"version": version, "reason": reason});
            let answer = context.client.send(Method::PUT, &path, &[], Some(&body)).await?;
            context.output.done(&answer.body, &format!("{model}@{alias} is version {version}"))
        }
        Alias::Show { model, alias, at } => {
            context.show(&["registry", "models", &model, "aliases", &alias], &[("at", at)]).await
        }
        Alias::Remove { model, alias } => {
            let path = ["registry", "models", &model, "aliases", &alias];
            context.delete(&path, &format!("{model}@{alias} is gone")).await
        }
        Alias::Revert { model, alias } => {
            let path = ["registry", "models", &model, "aliases", &alias, "revert"];
            let answer = context.perform(&path, None, false).await?;
            let version = crate::output::cell(answer.get("aliases").and_then(|aliases| aliases.get(&alias)));
            context.output.done(&answer, &format!("{model}@{alias} is version {version} again"))
        }
        Alias::History { model, alias, limit } => {
            context
                .list(&["registry", "models", &model, "aliases", &alias, "history"], &[], limit, CHANGES)
                .await
        }
    }
}
