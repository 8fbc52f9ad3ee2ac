//! `modelyard subscription`.

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::{
    context::{Context, Limit},
    document::{Parameter, Spec},
    output::{Column, cell},
};

const SUBSCRIPTIONS: &[Column] = &[
    ("NAME", "name"),
    ("ID", "id"),
    ("CHANNEL", "channel"),
    ("FILTER", "filter"),
    ("ENABLED", "enabled"),
    ("WHY NOT", "disabled_reason"),
];
const DELIVERIES: &[Column] = &[
    ("ID", "id"),
    ("SUBSCRIPTION", "subscription_id"),
    ("STATE", "state"),
    ("SEVERITY", "severity"),
    ("SUMMARY", "summary"),
    ("COUNT", "count"),
    ("ATTEMPTS", "attempts"),
    ("FIRST", "first_at"),
    ("NEXT", "next_at"),
];
const EVENTS: &[Column] = &[
    ("AT", "at"),
    ("SEVERITY", "severity"),
    ("STAGE", "stage"),
    ("MODEL", "model"),
    ("VERSION", "version"),
    ("KIND", "kind"),
    ("SUMMARY", "summary"),
];

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  modelyard subscription add webhook ops https://example.com/hook --stage monitoring --severity warning"
)]
pub(crate) struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Subscribe somebody by mail, or a program by webhook.
    #[command(subcommand)]
    Add(Add),
    /// List the subscriptions.
    List(Limit),
    /// Send a test and say how it went.
    Test {
        /// The subscription, by name or id.
        subscription: String,
    },
    /// Remove a subscription; what was still to be sent is cancelled.
    Delete {
        /// The subscription, by name or id.
        subscription: String,
    },
    /// Give a webhook another signing secret; the old one signs beside it for a while.
    RotateSecret {
        /// The subscription, by name or id.
        subscription: String,
    },
    /// List deliveries with their attempts, latest first.
    Deliveries {
        /// In this state only: pending, delivered, dead or cancelled.
        #[arg(long)]
        status: Option<String>,
        #[command(flatten)]
        limit: Limit,
    },
    /// List the deliveries that were given up.
    Dead(Limit),
    /// Send a delivery again, under the id it had.
    Redeliver {
        /// The delivery.
        id: String,
    },
    /// List what happened, latest first.
    Events {
        /// Of this stage only.
        #[arg(long)]
        stage: Option<String>,
        /// About this model only.
        #[arg(long)]
        model: Option<String>,
        /// Of this severity only.
        #[arg(long)]
        severity: Option<String>,
        #[command(flatten)]
        limit: Limit,
    },
}

#[derive(Debug, Subcommand)]
enum Add {
    /// By mail.
    Email {
        /// A name for it.
        name: String,
        /// The recipient.
        address: String,
        #[command(flatten)]
        of: Of,
    },
    /// By a signed CloudEvent; the signing secret is shown once.
    Webhook {
        /// A name for it.
        name: String,
        /// Where it is posted to.
        url: String,
        /// A further header; may be repeated.
        #[arg(long = "header", value_name = "NAME=VALUE")]
        headers: Vec<Parameter>,
        #[command(flatten)]
        of: Of,
    },
}

#[derive(Debug, Args)]
struct Of {
    /// Of this stage only; may be repeated.
    #[arg(long = "stage")]
    stages: Vec<String>,
    /// About models of this name only, * is any text; may be repeated.
    #[arg(long = "model")]
    models: Vec<String>,
    /// Events of this type only, * is any text; may be repeated.
    #[arg(long = "kind", value_name = "TYPE")]
    kinds: Vec<String>,
    /// At least so severe: info, warning or critical.
    #[arg(long)]
    severity: Option<String>,
    /// Seconds during which repeats are counted instead of sent; a day if left out.
    #[arg(long, value_name = "SECONDS")]
    fold_window_seconds: Option<u64>,
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self.verb {
            Verb::Add(add) => add.run(context).await,
            Verb::List(limit) => context.list(&["subscriptions"], &[], limit, SUBSCRIPTIONS).await,
            Verb::Test { subscription } => {
                let id = id(context, &subscription).await?;
                context.post(&["subscriptions", &id, "test"], None, false).await
            }
            Verb::Delete { subscription } => {
                let id = id(context, &subscription).await?;
                context.delete(&["subscriptions", &id], &format!("subscription {subscription} is gone")).await
            }
            Verb::RotateSecret { subscription } => {
                let id = id(context, &subscription).await?;
                let rotated = context.perform(&["subscriptions", &id, "rotate-secret"], None, false).await?;
                eprintln!("it is shown only now:");
                context.output.done(&rotated, &cell(rotated.get("secret")))
            }
            Verb::Deliveries { status, limit } => {
                context.list(&["deliveries"], &[("status", status)], limit, DELIVERIES).await
            }
            Verb::Dead(limit) => context.list(&["deliveries", "dead"], &[], limit, DELIVERIES).await,
            Verb::Redeliver { id } => context.post(&["deliveries", &id, "redeliver"], None, false).await,
            Verb::Events { stage, model, severity, limit } => {
                let query = [("stage", stage), ("model", model), ("severity", severity)];
                context.list(&["events"], &query, limit, EVENTS).await
            }
        }
    }
}

/// The id of a subscription that is named by id or name.
async fn id(context: &Context, name: &str) -> Result<String> {
    let all = context.client.list(&["subscriptions"], &[], 0).await?;
    let text = |one: &Value, field: &str| one.get(field).and_then(Value::as_str).map(str::to_owned);
    let found = all.iter().find(|one| [text(one, "id"), text(one, "name")].contains(&Some(name.to_owned())));
    found.and_then(|one| text(one, "id")).with_context(|| format!("no subscription is named {name:?}"))
}

impl Add {
    async fn run(self, context: &Context) -> Result<()> {
        let (name, channel, of) = match self {
            Add::Email { name, address, of } => (name, json!({"type": "email", "address": address}), of),
            Add::Webhook { name, url, headers, of } => {
                let mut channel = json!({"type": "webhook", "url": url});
                if let (Value::Object(channel), false) = (&mut channel, headers.is_empty()) {
                    let header = |header: Parameter| (header.name, Value::String(cell(Some(&header.value))));
                    channel
                        .insert("headers".into(), Value::Object(headers.into_iter().map(header).collect()));
                }
                (name, channel, of)
            }
        };
        let spec = Spec::default().set("name", Some(&name)).set("channel", Some(channel));
        let spec = spec.list("filter.stages", &of.stages).list("filter.models", &of.models);
        let spec = spec.list("filter.kinds", &of.kinds).set("filter.severity_at_least", of.severity);
        let spec = spec.set("fold_window_seconds", of.fold_window_seconds).done();
        let created = context.perform(&["subscriptions"], Some(&spec), false).await?;
        for warning in created.get("warnings").and_then(Value::as_array).into_iter().flatten() {
            eprintln!("warning: {}", cell(Some(warning)));
        }
        let mut told = format!("subscription {name} is in place");
        if let Some(secret) = created.get("secret").and_then(Value::as_str) {
            told.push_str(&format!("\nsigning secret, shown only now: {secret}"));
        }
        context.output.done(&created, &told)
    }
}
