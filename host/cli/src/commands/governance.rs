//! `modelyard governance`, and `modelyard audit`.

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::{
    context::{Context, Limit},
    document::{Begin, Parameter, Spec, VersionOf},
    output::{Column, cell},
};

const POLICIES: &[Column] = &[
    ("NAME", "name"),
    ("PLUGIN", "plugin"),
    ("MODELS", "models"),
    ("ACTIONS", "actions"),
    ("PARAMETERS", "parameters"),
];
const REVIEWS: &[Column] = &[
    ("REVIEW", "id"),
    ("ACTION", "action"),
    ("MODEL", "model"),
    ("VERSION", "version"),
    ("OUTCOME", "outcome"),
    ("ASKED BY", "actor"),
    ("DECIDED BY", "decided_by"),
    ("AT", "at"),
    ("REASONS", "reasons"),
];
const AUDIT: &[Column] = &[
    ("NUMBER", "sequence"),
    ("AT", "at"),
    ("WHO", "actor"),
    ("DID", "action"),
    ("TO", "subject"),
    ("DETAIL", "detail"),
];
const TOKENS: &[Column] =
    &[("NAME", "name"), ("ROLE", "role"), ("CREATED", "created_at"), ("EXPIRES", "expires_at")];
const RECEIPTS: &[Column] = &[
    ("RECEIPT", "id"),
    ("COLUMN", "column"),
    ("DATASETS", "datasets"),
    ("PREDICTIONS", "predictions"),
    ("ONLINE", "online"),
    ("TRAINED", "trained_versions"),
    ("AT", "at"),
];

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  modelyard governance token create ci --role developer")]
pub(crate) struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Policies: asked before a change.
    #[command(subcommand)]
    Policy(Policy),
    /// List reviews, latest first.
    Reviews {
        /// With this outcome only: allowed, denied, pending, approved or rejected.
        #[arg(long)]
        outcome: Option<String>,
        #[command(flatten)]
        limit: Limit,
    },
    /// Ask the policies about a change without making it.
    Review {
        /// The version: late@3, late@champion, or late for the latest.
        version: VersionOf,
        /// deploy, promote or retire.
        #[arg(long, default_value = "deploy")]
        action: String,
    },
    /// Agree to a change that waits for a person.
    Approve(Decision),
    /// Refuse a change that waits for a person.
    Reject(Decision),
    /// The audit trail.
    Audit(Audit),
    /// Erase a data subject everywhere, and get a receipt.
    Erase {
        /// The column that names the subject.
        column: String,
        /// The subject: JSON or a text.
        value: String,
    },
    /// List the receipts of erasures; or show one.
    Erasures {
        /// Show this receipt.
        id: Option<String>,
        #[command(flatten)]
        limit: Limit,
    },
    /// Access tokens.
    #[command(subcommand)]
    Token(Token),
}

#[derive(Debug, Subcommand)]
enum Policy {
    /// Create a policy or change it.
    #[command(
        after_help = "Example:\n  modelyard governance policy put gate --model late --action deploy --param min_metrics='{\"roc_auc\": 0.7}'"
    )]
    Put(Put),
    /// List the policies.
    List(Limit),
    /// Show a policy.
    Show {
        /// The policy.
        name: String,
    },
    /// Remove a policy.
    Delete {
        /// The policy.
        name: String,
    },
}

#[derive(Debug, Args)]
struct Put {
    #[command(flatten)]
    begin: Begin,
    /// The governance plugin; governance-promotion if left out.
    #[arg(long)]
    plugin: Option<String>,
    /// A parameter of the plugin; may be repeated.
    #[arg(long = "param", value_name = "NAME=VALUE")]
    parameters: Vec<Parameter>,
    /// A model that it is about; may be repeated; all if left out.
    #[arg(long = "model")]
    models: Vec<String>,
    /// A change that it is about: deploy, promote or retire; may be repeated; all if left out.
    #[arg(long = "action")]
    actions: Vec<String>,
}

#[derive(Debug, Args)]
struct Decision {
    /// The review.
    id: String,
    /// Why.
    #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
    comment: String,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  modelyard audit verify")]
pub(crate) struct Audit {
    #[command(subcommand)]
    verb: AuditVerb,
}

#[derive(Debug, Subcommand)]
enum AuditVerb {
    /// List what was done, latest first.
    List {
        /// About this record only: model_version:late@3.
        #[arg(long)]
        subject: Option<String>,
        #[command(flatten)]
        limit: Limit,
    },
    /// Recompute the chain of hashes; a changed or missing line is an error.
    Verify,
}

#[derive(Debug, Subcommand)]
enum Token {
    /// Make a token; its secret is shown once.
    Create {
        /// Whose or what it is.
        name: String,
        /// What it may do: viewer, developer, operator or admin.
        #[arg(long)]
        role: String,
        /// When it stops working.
        #[arg(long, value_name = "TIME")]
        expires_at: Option<String>,
    },
    /// List the tokens, without their secrets.
    List(Limit),
    /// Make a token stop working.
    Revoke {
        /// The token.
        name: String,
    },
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self.verb {
            Verb::Policy(verb) => policy(context, verb).await,
            Verb::Reviews { outcome, limit } => {
                context.list(&["governance", "reviews"], &[("outcome", outcome)], limit, REVIEWS).await
            }
            Verb::Review { version: VersionOf { model, version }, action } => {
                let ask = json!({"action": action, "model": model, "version": version});
                context.post(&["governance", "reviews"], Some(&ask), false).await
            }
            Verb::Approve(decision) => decision.send(context, true).await,
            Verb::Reject(decision) => decision.send(context, false).await,
            Verb::Audit(audit) => audit.run(context).await,
            Verb::Erase { column, value } => {
                let value = serde_json::from_str(&value).unwrap_or(Value::String(value));
                let ask = json!({"column": column, "value": value});
                context.post(&["governance", "erasures"], Some(&ask), true).await
            }
            Verb::Erasures { id: Some(id), .. } => context.show(&["governance", "erasures", &id], &[]).await,
            Verb::Erasures { limit, .. } => {
                context.list(&["governance", "erasures"], &[], limit, RECEIPTS).await
            }
            Verb::Token(verb) => token(context, verb).await,
        }
    }
}

async fn policy(context: &Context, verb: Policy) -> Result<()> {
    const PATH: &[&str] = &["governance", "policies"];
    match verb {
        Policy::Put(put) => {
            let spec = put.begin.spec()?.set("plugin", put.plugin).parameters("parameters", &put.parameters);
            let spec = spec.list("models", &put.models).list("actions", &put.actions).done();
            context.put(PATH, &[], &spec, "policy").await
        }
        Policy::List(limit) => context.list(PATH, &[], limit, POLICIES).await,
        Policy::Show { name } => context.show(&["governance", "policies", &name], &[]).await,
        Policy::Delete { name } => {
            context.delete(&["governance", "policies", &name], &format!("policy {name} is gone")).await
        }
    }
}

impl Decision {
    async fn send(&self, context: &Context, approve: bool) -> Result<()> {
        let body = json!({"approve": approve, "comment": self.comment});
        let path = ["governance", "reviews", &self.id, "decide"];
        context.act(&path, &body, if approve { "approved" } else { "rejected" }).await
    }
}

impl Audit {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self.verb {
            AuditVerb::List { subject, limit } => {
                context.list(&["governance", "audit"], &[("subject", subject)], limit, AUDIT).await
            }
            AuditVerb::Verify => {
                let verified = context.client.get(&["governance", "audit", "verify"], &[]).await?;
                let (entries, head) = (cell(verified.get("entries")), cell(verified.get("head")));
                if verified.get("intact") == Some(&Value::Bool(true)) {
                    return context
                        .output
                        .done(&verified, &format!("intact: {entries} entries, head {head}"));
                }
                if context.output.is_json() {
                    context.output.json(&verified)?;
                }
                let faults = verified.get("faults").and_then(Value::as_array).into_iter().flatten();
                let faults: Vec<_> = faults.map(|fault| format!("\n  - {}", cell(Some(fault)))).collect();
                bail!("the audit trail is not intact:{}", faults.concat())
            }
        }
    }
}

async fn token(context: &Context, verb: Token) -> Result<()> {
    match verb {
        Token::Create { name, role, expires_at } => {
            let spec =
                Spec::default().set("name", Some(name)).set("role", Some(role)).set("expires_at", expires_at);
            let created = context.perform(&["governance", "tokens"], Some(&spec.done()), false).await?;
            // The token alone on standard output: `export MODELYARD_TOKEN=$(…)`.
            eprintln!("it is shown only now, and from now on calls need a token:");
            context.output.done(&created, &cell(created.get("token")))
        }
        Token::List(limit) => context.list(&["governance", "tokens"], &[], limit, TOKENS).await,
        Token::Revoke { name } => {
            context.delete(&["governance", "tokens", &name], &format!("token {name} is revoked")).await
        }
    }
}
