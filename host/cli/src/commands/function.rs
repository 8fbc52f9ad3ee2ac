//! `modelyard function`.

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::{
    context::{Context, Limit},
    document::{self, Begin},
    output::Column,
};

const COLUMNS: &[Column] = &[
    ("NAME", "name"),
    ("PLUGIN", "plugin"),
    ("DEADLINE MS", "deadline_ms"),
    ("MEMORY BYTES", "memory_bytes"),
    ("CREATED", "created_at"),
];

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  modelyard function call hello '{\"name\": \"Ada\"}'")]
pub(crate) struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the functions that have a name of their own.
    List(Limit),
    /// Give a function plugin a name and limits.
    Put(Put),
    /// Call a function, or a function plugin by its own name.
    Call {
        /// The function.
        name: String,
        /// The input: JSON, @file, or - for standard input.
        #[arg(default_value = "{}", value_name = "JSON")]
        input: String,
    },
    /// Remove a name; its plugin stays.
    Delete {
        /// The function.
        name: String,
    },
}

#[derive(Debug, Args)]
struct Put {
    #[command(flatten)]
    begin: Begin,
    /// The function plugin.
    #[arg(long)]
    plugin: Option<String>,
    /// The longest that one call may take, in milliseconds.
    #[arg(long, value_name = "MS")]
    deadline_ms: Option<u64>,
    /// The most memory, in bytes.
    #[arg(long, value_name = "BYTES")]
    memory_bytes: Option<u64>,
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self.verb {
            Verb::List(limit) => context.list(&["functions"], &[], limit, COLUMNS).await,
            Verb::Put(put) => {
                let spec = put.begin.spec()?.set("plugin", put.plugin);
                let spec =
                    spec.set("deadline_ms", put.deadline_ms).set("memory_bytes", put.memory_bytes).done();
                context.put(&["functions"], &[], &spec, "function").await
            }
            Verb::Call { name, input } => {
                let answer =
                    context.perform(&["functions", &name], Some(&document::inline(&input)?), false).await?;
                context.output.json(&answer)
            }
            Verb::Delete { name } => {
                context.delete(&["functions", &name], &format!("function {name} is gone")).await
            }
        }
    }
}
