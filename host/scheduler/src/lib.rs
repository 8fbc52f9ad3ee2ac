//! Cron schedules as durable records, one firing per tick.
//!
//! A [`Schedule`] says when which [`Job`] is to be done; what doing it means is up to a
//! [`Handler`]. Every tick leaves a [`Firing`], whose id is made of the schedule and the tick:
//! inserting it is the lease, so of several nodes on one store exactly one fires each tick.
//!
//! # Cron
//! Five fields are a crontab line (minute, hour, day of month, month, day of week; Sunday is 0
//! or 7; days of month and of week, if both are restricted, are joined by *or*). Six or seven
//! fields are those of the `cron` crate (seconds first, years last; Sunday is 1; *and*).
//! `@hourly`, `@daily`, `@weekly`, `@monthly` and `@yearly` work too.
//!
//! # Daylight saving time
//! As in Vixie cron. A schedule with fixed hours fires once per local day and time: a local
//! time that is skipped fires at the first moment after the gap, one that comes twice fires
//! at its first occurrence. A schedule whose hour field begins with `*` follows elapsed time:
//! skipped local times are left out, doubled ones fire both times.
//!
//! # Missed ticks
//! A tick is missed if it is still unfired a minute after its time: the process was down, or
//! the previous firing of the same schedule took that long (a schedule never overlaps itself).
//! What then happens is the schedule's [`Missed`] policy; what is left out is recorded. A
//! firing that a killed process left running is run again under [`Missed::Once`] and
//! [`Missed::All`], and marked failed under [`Missed::Skip`].
//!
//! # Time
//! On the system's clock [`Scheduler::run`] fires ticks as they come. On a simulated clock
//! [`Scheduler::run_due`] advances the clock from tick to tick. Only the leases of running
//! firings always follow the system's clock: they are about processes.

mod cron;
mod error;
mod firing;
mod run;
mod schedule;
mod scheduler;
mod timezone;

pub use cron::Cron;
pub use error::{Error, Result};
pub use run::Handler;
pub use schedule::{Draft, Due, Firing, Job, Missed, Outcome, Schedule};
pub use scheduler::{Options, Scheduler};
