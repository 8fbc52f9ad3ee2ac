//! `modelyard deployment`.

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::infer;
use crate::{
    context::{Context, Limit},
    document::{Begin, Spec},
    output::{Column, cell},
};

const DEPLOYMENTS: &[Column] = &[
    ("NAME", "name"),
    ("MODEL", "model"),
    ("ROUTES", "routes"),
    ("STATUS", "status"),
    ("REVISION", "revision"),
    ("UPDATED", "updated_at"),
];
const REVISIONS: &[Column] = &[
    ("REVISION", "revision"),
    ("MODEL", "model"),
    ("ROUTES", "spec.routes"),
    ("FROM", "from"),
    ("TO", "to"),
    ("BY", "by"),
    ("REASON", "reason"),
];

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  modelyard deployment put late --model late --route champion=95 --route challenger=5\n  modelyard deployment infer late '{\"distance\": 1400, \"carrier\": \"UA\"}'"
)]
pub(crate) struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Put a model behind an endpoint, or change which versions answer.
    Put(Put),
    /// List the deployments.
    List(Limit),
    /// Show a deployment.
    Show {
        /// The deployment.
        name: String,
    },
    /// Go back to an earlier revision.
    Rollback {
        /// The deployment.
        name: String,
        /// To this one; the one before if left out.
        #[arg(long, value_name = "N")]
        revision: Option<u32>,
    },
    /// Take a deployment off; its history stays.
    Stop {
        /// The deployment.
        name: String,
    },
    /// List what served, latest first.
    Revisions {
        /// The deployment.
        name: String,
        #[command(flatten)]
        limit: Limit,
    },
    /// Show what was answered, the latest first, with labels known now.
    Predictions {
        /// The deployment.
        name: String,
        /// Only of this version.
        #[arg(long, value_name = "N")]
        model_version: Option<u32>,
        /// The first moment that is in, as 2013-07-01T00:00:00Z.
        #[arg(long, value_name = "TIME")]
        from: Option<String>,
        /// The first moment that is out.
        #[arg(long, value_name = "TIME")]
        to: Option<String>,
        /// The most rows to show, up to 10,000.
        #[arg(long, default_value_t = 100, value_name = "N")]
        limit: usize,
    },
    /// Propose a version for all traffic: policies decide.
    Promote {
        /// The deployment.
        name: String,
        /// The version: a number, an alias or latest.
        model_version: String,
        /// Why.
        #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
        reason: String,
    },
    /// Ask a deployment for predictions.
    #[command(
        after_help = "Examples:\n  modelyard deployment infer late '{\"distance\": 1400, \"carrier\": \"UA\"}'\n  modelyard deployment infer late @rows.json --output json"
    )]
    Infer(infer::Infer),
}

#[derive(Debug, Args)]
struct Put {
    #[command(flatten)]
    begin: Begin,
    /// The model.
    #[arg(long)]
    model: Option<String>,
    /// A version (a number or an alias) and its weight, 100 if left out; may be repeated.
    #[arg(long = "route", value_name = "VERSION[=WEIGHT]", value_parser = route)]
    routes: Vec<Value>,
    /// A version that is called beside, its answer only recorded.
    #[arg(long, value_name = "VERSION")]
    shadow: Option<String>,
    /// Calls at once.
    #[arg(long, value_name = "N")]
    concurrency: Option<u32>,
    /// The longest that one call may take, in milliseconds.
    #[arg(long, value_name = "MS")]
    deadline_ms: Option<u64>,
    /// The most memory of one instance, in bytes.
    #[arg(long, value_name = "BYTES")]
    memory_bytes: Option<u64>,
    /// One sentence for the history.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

fn route(text: &str) -> Result<Value, String> {
    let (version, weight) = match text.split_once('=') {
        Some((version, weight)) => {
            let weight: u32 =
                weight.parse().map_err(|_| format!("{weight:?} is no weight; write champion=95"))?;
            (version, weight)
        }
        None => (text, 100),
    };
    if version.is_empty() {
        return Err("a route names a version: champion=95".into());
    }
    Ok(json!({"version": version, "weight": weight}))
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self.verb {
            Verb::Put(put) => put.run(context).await,
            Verb::List(limit) => context.list(&["deployment"], &[], limit, DEPLOYMENTS).await,
            Verb::Show { name } => context.show(&["deployment", &name], &[]).await,
            Verb::Rollback { name, revision } => {
                let body = Spec::default().set("revision", revision).done();
                let answer = context.perform(&["deployment", &name, "rollback"], Some(&body), false).await?;
                let told = format!("{name} serves {} again", cell(answer.get("routes")));
                context.output.done(&answer, &told)
            }
            Verb::Stop { name } => {
                context.delete(&["deployment", &name], &format!("{name} is stopped")).await
            }
            Verb::Revisions { name, limit } => {
                context.list(&["deployment", &name, "revisions"], &[], limit, REVISIONS).await
            }
            Verb::Predictions { name, model_version, from, to, limit } => {
                let query = [
                    ("version", model_version.map(|version| version.to_string())),
                    ("from", from),
                    ("to", to),
                    ("limit", Some(limit.to_string())),
                ];
                let answer = context.client.get(&["deployment", &name, "predictions"], &query).await?;
                context.output.answered(&answer)
            }
            Verb::Promote { name, model_version, reason } => {
                let body = json!({"version": model_version, "reason": reason});
                let answer = context.perform(&["deployment", &name, "promote"], Some(&body), true).await?;
                context.output.done(&answer, &cell(answer.get("outcome")))
            }
            Verb::Infer(ask) => ask.run(context).await,
        }
    }
}

impl Put {
    async fn run(self, context: &Context) -> Result<()> {
        let spec = self.begin.spec()?.set("model", self.model).list("routes", &self.routes);
        let spec = spec.set("shadow", self.shadow).set("limits.concurrency", self.concurrency);
        let spec =
            spec.set("limits.deadline_ms", self.deadline_ms).set("limits.memory_bytes", self.memory_bytes);
        context.put(&["deployment"], &[("reason", self.reason)], &spec.done(), "deployment").await
    }
}
