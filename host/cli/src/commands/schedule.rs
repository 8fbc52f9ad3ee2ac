//! `modelyard schedule`.

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::{
    context::{Context, Limit},
    document::{Begin, Parameter, Spec},
    output::Column,
};

const SCHEDULES: &[Column] = &[
    ("ID", "id"),
    ("CRON", "cron"),
    ("ZONE", "timezone"),
    ("JOB", "job.kind"),
    ("TARGET", "job.target"),
    ("ENABLED", "enabled"),
    ("NEXT", "next_at"),
    ("LAST", "last_at"),
];
const FIRINGS: &[Column] = &[
    ("TICK", "scheduled_at"),
    ("BEGUN", "started_at"),
    ("ENDED", "finished_at"),
    ("OUTCOME", "outcome"),
    ("ATTEMPT", "attempt"),
    ("MESSAGE", "message"),
];

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  modelyard schedule put nightly --cron '0 3 * * *' --timezone Europe/Berlin --job ingestion.pull --target flights"
)]
pub(crate) struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Create a schedule or change it.
    Put(Put),
    /// List the schedules.
    List(Limit),
    /// Stop a schedule from firing until it is resumed.
    Pause {
        /// The schedule's id.
        id: String,
    },
    /// Let a paused schedule fire again.
    Resume {
        /// The schedule's id.
        id: String,
    },
    /// Remove a schedule; its history stays.
    Delete {
        /// The schedule's id.
        id: String,
    },
    /// List what came of a schedule's moments, latest first.
    History {
        /// The schedule's id.
        id: String,
        #[command(flatten)]
        limit: Limit,
    },
    /// Show when an expression would fire.
    Preview {
        /// Five or six fields, or @daily and the like.
        cron: String,
        /// The IANA time zone; UTC if left out.
        #[arg(long, value_name = "ZONE")]
        timezone: Option<String>,
        /// How many moments.
        #[arg(long, default_value_t = 5, value_name = "N")]
        count: usize,
    },
}

#[derive(Debug, Args)]
struct Put {
    #[command(flatten)]
    begin: Begin,
    /// Five or six fields, or @daily and the like.
    #[arg(long)]
    cron: Option<String>,
    /// The IANA time zone; UTC if left out.
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// What is done: ingestion.pull, features.materialize, experiments.train,
    /// monitoring.check, feedback.decide or retirement.assess.
    #[arg(long, value_name = "KIND")]
    job: Option<String>,
    /// What it is done to: the source, view, experiment, monitor or rule.
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// A parameter of the job; may be repeated.
    #[arg(long = "param", value_name = "NAME=VALUE")]
    parameters: Vec<Parameter>,
    /// What happens to ticks that were missed: skip or once.
    #[arg(long)]
    missed: Option<String>,
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        const PATH: &[&str] = &["schedules"];
        match self.verb {
            Verb::Put(put) => {
                let spec = put.begin.spec()?;
                let name = spec.get("name").cloned();
                // The same name is the same schedule.
                let spec = if spec.get("id").is_none() { spec.set("id", name) } else { spec };
                let spec = spec.set("cron", put.cron).set("timezone", put.timezone).set("missed", put.missed);
                let spec = spec.set("job.kind", put.job).set("job.target", put.target);
                let spec = spec.parameters("job.parameters", &put.parameters).done();
                context.put(PATH, &[], &spec, "schedule").await
            }
            Verb::List(limit) => context.list(PATH, &[], limit, SCHEDULES).await,
            Verb::Pause { id } => {
                let body = Spec::default().done();
                context.act(&["schedules", &id, "pause"], &body, &format!("schedule {id} is paused")).await
            }
            Verb::Resume { id } => {
                let body = Spec::default().done();
                context.act(&["schedules", &id, "resume"], &body, &format!("schedule {id} fires again")).await
            }
            Verb::Delete { id } => {
                context.delete(&["schedules", &id], &format!("schedule {id} is gone")).await
            }
            Verb::History { id, limit } => {
                context.list(&["schedules", &id, "history"], &[], limit, FIRINGS).await
            }
            Verb::Preview { cron, timezone, count } => {
                let ask = Spec::default()
                    .set("cron", Some(cron))
                    .set("timezone", timezone)
                    .set("count", Some(count));
                let ticks = context.perform(&["schedules", "preview"], Some(&ask.done()), false).await?;
                match ticks.get("next") {
                    Some(next) if !context.output.is_json() => context.output.value(next),
                    _ => context.output.value(&ticks),
                }
            }
        }
    }
}
