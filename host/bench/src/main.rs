//! Side-by-side benchmarks: what the platform takes for a piece of work, beside
//! what the same work takes without it, in one run on one machine. Absolute
//! times mean little on a noisy machine; the ratio is the figure to keep.
//!
//! - [`lifecycle`]: ingestion, a sweep and predictions in one process (`make bench`);
//! - [`serving`]: everything over HTTP, against other servers (`make bench-serving`);
//! - [`tracking`]: experiment tracking over MLflow's protocol, against MLflow's server
//!   (`make bench-tracking`);
//! - [`native`]: the model called natively in a server of its own, which is the
//!   limit that [`serving`] measures against.

mod lifecycle;
mod native;
mod serving;
mod tracking;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "modelyard-bench", about = "Side-by-side benchmarks")]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Ingestion, a sweep and predictions in one process; what runs by default.
    Lifecycle,
    /// Serving over HTTP, beside native code and other servers.
    Serving(serving::Serving),
    /// Experiment tracking, beside MLflow's server.
    Tracking(tracking::Tracking),
    /// Serves model files natively: the limit of what serving can reach.
    Native(native::Native),
}

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match Cli::parse().command.unwrap_or(Command::Lifecycle) {
        Command::Lifecycle => runtime?.block_on(lifecycle::run()),
        Command::Native(native) => runtime?.block_on(native.run()),
        // One thread, so that the generator takes as little as it can from what it measures.
        Command::Serving(serving) => {
            tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(serving.run())
        }
        Command::Tracking(tracking) => {
            tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(tracking.run())
        }
    }
}
