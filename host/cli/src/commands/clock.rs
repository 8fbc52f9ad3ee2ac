//! `modelyard clock`.

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use modelyard_clock::Timestamp;
use serde_json::{Value, json};

use crate::{
    context::Context,
    document::Usage,
    output::{Column, cell},
};

const FIRINGS: &[Column] =
    &[("TICK", "scheduled_at"), ("SCHEDULE", "schedule"), ("OUTCOME", "outcome"), ("MESSAGE", "message")];

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  modelyard serve --simulated-clock 2013-01-01 &\n  modelyard clock advance 2013-02-01"
)]
pub(crate) struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show what the time is.
    Show,
    /// Move a simulated clock, doing everything that falls due on the way.
    Advance {
        /// To this moment: 2013-02-01, an RFC 3339 time, or +7d, +12h, +30m from now.
        to: String,
    },
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self.verb {
            Verb::Show => context.show(&["clock"], &[]).await,
            Verb::Advance { to } => {
                let to = match to.strip_prefix('+') {
                    Some(by) => later(context, by).await?,
                    None => to.parse::<Timestamp>().map_err(|error| Usage::new(error.to_string()))?,
                };
                let body = json!({"to": to});
                let moved = context.perform(&["clock", "advance"], Some(&body), true).await?;
                if context.output.is_json() {
                    return context.output.json(&moved);
                }
                let firings = moved.get("firings").and_then(Value::as_array).cloned().unwrap_or_default();
                context.output.table(&firings, FIRINGS)?;
                context.output.say(&format!("it is {}; {} fired", cell(moved.get("now")), firings.len()))
            }
        }
    }
}

async fn later(context: &Context, by: &str) -> Result<Timestamp> {
    let wrong = || Usage::new(format!("+{by} is no length of time; write +7d, +12h or +30m"));
    let split = by.len().checked_sub(1).and_then(|split| by.split_at_checked(split));
    let (number, unit) = split.ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "d" => 86_400,
        "h" => 3_600,
        "m" => 60,
        "s" => 1,
        _ => return Err(wrong().into()),
    };
    let clock = context.client.get(&["clock"], &[]).await?;
    let now: Timestamp =
        clock.get("now").and_then(Value::as_str).context("the server says no time")?.parse()?;
    Ok(now + std::time::Duration::from_secs(number.saturating_mul(seconds)))
}
