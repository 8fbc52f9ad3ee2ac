use std::num::NonZeroU32;

use modelyard_catalog::{Index, Kept, Record};
use modelyard_clock::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// What is done at a tick. The scheduler hands it to the handler and doesn't look inside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = ScheduledJob)]
pub struct Job {
    /// What kind of work it is, for example `monitoring`.
    pub kind: String,
    /// What it is done to, for example a deployment's name.
    #[serde(default)]
    pub target: String,
    /// How it is done.
    #[serde(default)]
    pub parameters: Value,
}

/// What happens to ticks that were missed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Missed {
    /// They are left out.
    Skip,
    /// The last of them is fired.
    #[default]
    Once,
    /// The last `max` of them are fired, oldest first.
    All {
        /// How many at most.
        #[schema(value_type = u32, minimum = 1)]
        max: NonZeroU32,
    },
}

impl Missed {
    /// How many missed ticks are fired.
    pub(crate) fn keep(self) -> usize {
        match self {
            Self::Skip => 0,
            Self::Once => 1,
            Self::All { max } => usize::try_from(max.get()).unwrap_or(usize::MAX),
        }
    }
}

/// What a schedule is made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    /// The schedule's id; made up if absent.
    #[serde(default)]
    pub id: Option<String>,
    /// Its name, for people.
    pub name: String,
    /// When it fires; see the crate's documentation.
    pub cron: String,
    /// The IANA time zone that `cron` is read in; empty: UTC.
    #[serde(default)]
    pub timezone: String,
    /// What happens to missed ticks.
    #[serde(default)]
    pub missed: Missed,
    /// What is done at a tick.
    pub job: Job,
}

/// A durable schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Schedule {
    /// Its identity.
    pub id: String,
    /// Its name, for people.
    pub name: String,
    /// When it fires.
    pub cron: String,
    /// The IANA time zone that `cron` is read in.
    pub timezone: String,
    /// What happens to missed ticks.
    pub missed: Missed,
    /// What is done at a tick.
    pub job: Job,
    /// Whether it fires; paused schedules don't, and their ticks don't count as missed.
    pub enabled: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// The next tick; absent if it is paused or has none left.
    pub next_at: Option<Timestamp>,
    /// The last tick that was fired.
    pub last_at: Option<Timestamp>,
}

impl Record for Schedule {
    const TABLE: &'static str = "schedule";
    const INDEXES: &'static [Index] = &[Index::on(&["next_at"]), Index::on(&["name"])];

    fn id(&self) -> String {
        self.id.clone()
    }
}

/// How a firing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = FiringOutcome)]
pub enum Outcome {
    /// It has not ended.
    Running,
    /// The job was done.
    Ok,
    /// The job failed, or the process died.
    Failed,
    /// The tick was missed and left out.
    Skipped,
}

/// What came of one tick.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Firing {
    /// `<schedule>@<tick>`, so there is one per tick.
    pub id: String,
    /// The schedule's id.
    pub schedule: String,
    /// The tick.
    pub scheduled_at: Timestamp,
    /// When it was begun; of a run after a crash, the last time.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// How it ended.
    pub outcome: Outcome,
    /// What the handler had to say, or why it was left out.
    pub message: String,
    /// How often it was begun.
    pub attempt: u32,
    /// The process that runs it.
    pub node: String,
    /// Until when that process is believed to be alive, by the system's clock.
    pub lease_until: Timestamp,
}

impl Firing {
    pub(crate) fn key(schedule: &str, tick: Timestamp) -> String {
        format!("{schedule}@{tick}")
    }
}

impl Record for Firing {
    const TABLE: &'static str = "firing";
    const INDEXES: &'static [Index] =
        &[Index::on(&["schedule", "scheduled_at"]), Index::on(&["outcome"]), Index::on(&["scheduled_at"])];
    const KEPT: Option<Kept> = Some(Kept { from: "scheduled_at", days: 400 });

    fn id(&self) -> String {
        self.id.clone()
    }
}

/// A tick to come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Due {
    /// The tick.
    pub at: Timestamp,
    /// The schedule's id.
    pub schedule: String,
    /// The schedule's name.
    pub name: String,
}
