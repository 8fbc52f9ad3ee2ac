//! `modelyard documentation`.

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::{context::Context, document::VersionOf, output::print};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  modelyard documentation show late@champion README.md > CARD.md")]
pub(crate) struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List a version's documents, and what they lack.
    Card {
        /// The version: late@3, late@champion, or late for the latest.
        version: VersionOf,
    },
    /// Print one document.
    Show {
        /// The version: late@3, late@champion, or late for the latest.
        version: VersionOf,
        /// The document's name.
        #[arg(default_value = "README.md")]
        document: String,
    },
    /// Show the recorded facts that the documents are made from.
    Facts {
        /// The version: late@3, late@champion, or late for the latest.
        version: VersionOf,
    },
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self.verb {
            Verb::Card { version: VersionOf { model, version } } => {
                context.show(&["documentation", &model, &version], &[]).await
            }
            Verb::Show { version: VersionOf { model, version }, document } => {
                print(&context.client.text(&["documentation", &model, &version, &document]).await?)
            }
            Verb::Facts { version: VersionOf { model, version } } => {
                let facts = context.client.get(&["documentation", &model, &version, "facts"], &[]).await?;
                context.output.json(&facts)
            }
        }
    }
}
