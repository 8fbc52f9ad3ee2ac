//! Experiment tracking over MLflow's protocol: the same requests to our server and to
//! `mlflow server` 3.17.2, in one run, as one table of ratios.
//!
//! - [`servers`] starts them; [`client`] says what is sent; [`seed`] fills them with runs.
//! - [`writes`]: single writes, large batches, sixteen writers; [`searches`]: ten thousand runs, and
//!   how searches grow with the number of runs; [`artifacts`]: a large file there and back.

mod artifacts;
mod client;
mod searches;
mod seed;
mod servers;
mod writes;

use anyhow::Result;
use clap::Args;

use self::servers::Server;
use crate::serving::table::{Figure, Goal, Line, Table};

#[derive(Debug, Args)]
pub(crate) struct Tracking {
    /// Fewer runs, rounds and bytes: to see that it runs.
    #[arg(long)]
    quick: bool,
    /// Leaves out MLflow's default store: only SQLite by name.
    #[arg(long)]
    sqlite_only: bool,
    /// Prints the table as Markdown.
    #[arg(long)]
    markdown: bool,
}

/// How much of everything.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    /// Rounds in which the servers take turns.
    rounds: usize,
    /// Calls of each sort in a round.
    calls: usize,
    /// Runs that are searched beside MLflow.
    searched: usize,
    /// Runs of the larger set for growth; the smaller has a thousand.
    grown: usize,
    /// Bytes of the artifact.
    artifact: usize,
    /// Batches that each of sixteen writers sends.
    batches: usize,
}

impl Effort {
    const FULL: Self =
        Self { rounds: 5, calls: 40, searched: 10_000, grown: 100_000, artifact: 256 << 20, batches: 40 };
    const QUICK: Self =
        Self { rounds: 3, calls: 10, searched: 1_000, grown: 10_000, artifact: 32 << 20, batches: 5 };
}

/// The ratio that every operation should reach.
const FASTER: f64 = 10.0;

impl Tracking {
    pub(crate) async fn run(self) -> Result<()> {
        let effort = if self.quick { Effort::QUICK } else { Effort::FULL };
        let work = tempfile::tempdir()?;
        let ours = Server::ours(work.path()).await?;
        let mut others = vec![Server::mlflow(work.path(), Some("sqlite")).await?];
        if !self.sqlite_only {
            others.push(Server::mlflow(work.path(), None).await?);
        }
        let mut table = Table::default();
        memory("memory after the start", &ours, &others, &mut table)?;
        writes::measure(&ours, &others, effort, &mut table).await?;
        artifacts::measure(&ours, &others, effort, &mut table).await?;
        searches::measure(&ours, &others, effort, &mut table).await?;
        let what = format!("memory with {} searched runs", effort.searched);
        memory(&what, &ours, &others, &mut table)?;
        searches::growth(&ours, effort, &mut table).await?;
        table.note(format!(
            "our memory with {} runs of {} metrics more: {:.0} MB",
            effort.grown + seed::FEW,
            seed::METRICS,
            ours.memory()? / 1e6
        ));
        table.note(
            "times are medians of one connection's calls over rounds in which the servers take turns; a \
             ratio is theirs over ours; memory is the proportional share of all of a server's processes",
        );
        table.note("MLflow's default store is SQLite in its working directory");
        table.note(format!("machine: {}", crate::serving::machine()));
        ours.stop().await?;
        for other in others {
            other.stop().await?;
        }
        println!("{}", if self.markdown { table.markdown() } else { table.text() });
        Ok(())
    }
}

fn memory(what: &str, ours: &Server, others: &[Server], table: &mut Table) -> Result<()> {
    let mine = ours.memory()?;
    for other in others {
        let theirs = other.memory()?;
        table.lines.push(Line {
            what: what.to_owned(),
            ours: format!("{:.0} MB", mine / 1e6),
            beside: format!("{} {:.0} MB", other.name, theirs / 1e6),
            figure: Figure::Ratio(theirs / mine),
            goal: Some(Goal::AtLeast(FASTER)),
        });
    }
    Ok(())
}

/// A line that compares times in milliseconds.
fn compare(what: &str, mine: f64, other: &Server, theirs: f64) -> Line {
    Line {
        what: what.to_owned(),
        ours: format!("{mine:.2} ms"),
        beside: format!("{} {theirs:.1} ms", other.name),
        figure: Figure::Ratio(theirs / mine),
        goal: Some(Goal::AtLeast(FASTER)),
    }
}
