//! `modelyard job`.

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::{
    context::{Context, Limit},
    jobs,
    output::Column,
};

const JOBS: &[Column] = &[
    ("JOB", "id"),
    ("KIND", "kind"),
    ("SUBJECT", "subject"),
    ("STATUS", "status"),
    ("DONE", "fraction"),
    ("CREATED", "created_at"),
    ("ERROR", "error"),
];

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  modelyard job list --kind experiments.train")]
pub(crate) struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List jobs, latest first.
    List {
        /// Of this kind only: experiments.train …
        #[arg(long)]
        kind: Option<String>,
        #[command(flatten)]
        limit: Limit,
    },
    /// Show a job with its progress.
    Show {
        /// The job.
        id: String,
    },
    /// Wait for a job's end; one that failed is an error.
    Wait {
        /// The job.
        id: String,
    },
    /// Ask a job to stop.
    Cancel {
        /// The job.
        id: String,
    },
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self.verb {
            Verb::List { kind, limit } => context.list(&["jobs"], &[("kind", kind)], limit, JOBS).await,
            Verb::Show { id } => context.show(&["jobs", &id], &[]).await,
            Verb::Wait { id } => {
                let job = jobs::follow(&context.client, &id).await?;
                context.output.value(&job)
            }
            Verb::Cancel { id } => {
                context.act(&["jobs", &id, "cancel"], &json!({}), &format!("job {id} is asked to stop")).await
            }
        }
    }
}
