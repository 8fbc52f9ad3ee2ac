//! One file per noun.

pub(crate) mod clock;
pub(crate) mod deployment;
pub(crate) mod documentation;
pub(crate) mod evaluation;
pub(crate) mod experiments;
pub(crate) mod features;
pub(crate) mod feedback;
pub(crate) mod function;
pub(crate) mod governance;
pub(crate) mod infer;
pub(crate) mod ingestion;
pub(crate) mod job;
pub(crate) mod model;
pub(crate) mod monitoring;
pub(crate) mod plugin;
pub(crate) mod registry;
pub(crate) mod retirement;
pub(crate) mod runs;
pub(crate) mod scaling;
pub(crate) mod schedule;
pub(crate) mod serve;
pub(crate) mod subscription;
pub(crate) mod sweep;

use clap::Args;

use crate::document::Spec;

/// When something is done by itself.
#[derive(Debug, Args)]
pub(crate) struct When {
    /// A cron expression: when it is done by itself.
    #[arg(long, value_name = "CRON")]
    schedule: Option<String>,
    /// The schedule's IANA time zone; UTC if left out.
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
}

impl When {
    fn put(&self, spec: Spec) -> Spec {
        spec.set("schedule", self.schedule.as_ref()).set("timezone", self.timezone.as_ref())
    }
}
