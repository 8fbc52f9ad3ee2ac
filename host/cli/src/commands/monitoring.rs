//! `modelyard monitoring`.

use anyhow::Result;
use clap::{Args, Subcommand};

use super::When;
use crate::{
    context::{Context, Limit, Wait},
    document::{Begin, Parameter},
    output::Column,
};

const MONITORS: &[Column] = &[
    ("NAME", "name"),
    ("DEPLOYMENT", "deployment"),
    ("PLUGIN", "plugin"),
    ("WATCHES", "watch"),
    ("DAYS", "window_days"),
    ("SCHEDULE", "schedule"),
    ("CHECKED", "checked_at"),
];
const CHECKS: &[Column] = &[
    ("AT", "at"),
    ("MONITOR", "monitor"),
    ("MODEL", "model"),
    ("VERSION", "version"),
    ("ROWS", "rows"),
    ("FINDINGS", "findings"),
    ("SKIPPED", "skipped"),
];
const FINDINGS: &[Column] = &[
    ("AT", "at"),
    ("SEVERITY", "severity"),
    ("MODEL", "model"),
    ("VERSION", "version"),
    ("METRIC", "metric"),
    ("SUBJECT", "subject"),
    ("VALUE", "value"),
    ("BOUND", "threshold"),
    ("MESSAGE", "message"),
];

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  modelyard monitoring monitor put late-drift --deployment late --plugin monitoring-drift --watch inputs --schedule '0 6 * * 1'"
)]
pub(crate) struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Monitors: watches over deployments.
    #[command(subcommand)]
    Monitor(Monitor),
    /// Check now.
    Check {
        /// The monitor.
        name: String,
        #[command(flatten)]
        wait: Wait,
    },
    /// List checks, latest first.
    Checks {
        /// Of this monitor only.
        #[arg(long)]
        monitor: Option<String>,
        #[command(flatten)]
        limit: Limit,
    },
    /// List findings, latest first.
    Findings {
        /// About this model only.
        #[arg(long)]
        model: Option<String>,
        #[command(flatten)]
        limit: Limit,
    },
    /// Show how the host and its deployments are.
    Health,
}

#[derive(Debug, Subcommand)]
enum Monitor {
    /// Create a monitor or change it.
    Put(Put),
    /// List the monitors.
    List(Limit),
    /// Show a monitor.
    Show {
        /// The monitor.
        name: String,
    },
    /// Remove a monitor; its checks and findings stay.
    Delete {
        /// The monitor.
        name: String,
    },
}

#[derive(Debug, Args)]
struct Put {
    #[command(flatten)]
    begin: Begin,
    /// The deployment.
    #[arg(long)]
    deployment: Option<String>,
    /// The monitoring plugin.
    #[arg(long)]
    plugin: Option<String>,
    /// A parameter of the plugin; may be repeated.
    #[arg(long = "param", value_name = "NAME=VALUE")]
    parameters: Vec<Parameter>,
    /// What it compares: inputs (needs no labels) or labels.
    #[arg(long, value_name = "WHAT")]
    watch: Option<String>,
    /// The window's length in days, counted back from the check.
    #[arg(long, value_name = "DAYS")]
    window_days: Option<u32>,
    /// Days that labels need to arrive.
    #[arg(long, value_name = "DAYS")]
    delay_days: Option<u32>,
    /// Fewer rows than this are not judged.
    #[arg(long, value_name = "N")]
    min_rows: Option<u64>,
    #[command(flatten)]
    when: When,
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self.verb {
            Verb::Monitor(verb) => monitor(context, verb).await,
            Verb::Check { name, wait } => {
                context.post(&["monitoring", "monitors", &name, "check"], None, !wait.no_wait).await
            }
            Verb::Checks { monitor, limit } => {
                context.list(&["monitoring", "checks"], &[("monitor", monitor)], limit, CHECKS).await
            }
            Verb::Findings { model, limit } => {
                context.list(&["monitoring", "findings"], &[("model", model)], limit, FINDINGS).await
            }
            Verb::Health => context.show(&["monitoring", "health"], &[]).await,
        }
    }
}

async fn monitor(context: &Context, verb: Monitor) -> Result<()> {
    const PATH: &[&str] = &["monitoring", "monitors"];
    match verb {
        Monitor::Put(put) => {
            let spec = put.begin.spec()?.set("deployment", put.deployment).set("plugin", put.plugin);
            let spec = spec.parameters("parameters", &put.parameters).set("watch", put.watch);
            let spec = spec.set("window_days", put.window_days).set("delay_days", put.delay_days);
            let spec = put.when.put(spec.set("min_rows", put.min_rows)).done();
            context.put(PATH, &[], &spec, "monitor").await
        }
        Monitor::List(limit) => context.list(PATH, &[], limit, MONITORS).await,
        Monitor::Show { name } => context.show(&["monitoring", "monitors", &name], &[]).await,
        Monitor::Delete { name } => {
            context.delete(&["monitoring", "monitors", &name], &format!("monitor {name} is gone")).await
        }
    }
}
