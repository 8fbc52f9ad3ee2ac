//! `modelyard scaling`.

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::{
    context::{Context, Limit},
    output::Column,
};

const BILLS: &[Column] = &[
    ("DEPLOYMENT", "deployment"),
    ("FROM", "from"),
    ("TO", "to"),
    ("CALLS", "calls"),
    ("CPU SECONDS", "cpu_seconds"),
    ("GIB HOURS", "memory_gib_hours"),
    ("COST", "cost"),
    ("CURRENCY", "currency"),
];

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  modelyard scaling usage --deployment late --from 2013-04-01")]
pub(crate) struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show what deployments used and what that costs.
    Usage {
        /// Of this deployment only.
        #[arg(long)]
        deployment: Option<String>,
        /// From this day on: 2013-04-01.
        #[arg(long, value_name = "DAY")]
        from: Option<String>,
        /// Up to this day, included.
        #[arg(long, value_name = "DAY")]
        to: Option<String>,
    },
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let Verb::Usage { deployment, from, to } = self.verb;
        let query = [("deployment", deployment), ("from", from), ("to", to)];
        context.list(&["scaling", "usage"], &query, Limit { limit: 0 }, BILLS).await
    }
}
