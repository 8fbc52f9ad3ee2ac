//! Modelyard in one binary: the server, and the command line that speaks to it.
//!
//! * [`cli`] is what can be typed; each noun is a file of [`commands`].
//! * [`client`], [`jobs`], [`document`] and [`output`] are what the nouns share:
//!   a call, long work, a specification, a printed answer.
//! * [`config`] and [`commands::serve`] put the services together.
//! * [`manifest`] is `plan` and `apply`.

mod cli;
mod client;
mod commands;
mod config;
mod context;
mod document;
mod jobs;
mod manifest;
mod offline;
mod output;
mod telemetry;

use std::process::ExitCode;

use clap::Parser;

/// The command under which the server starts this binary again to compile
/// components apart from itself.
pub(crate) const WORKER: &str = "__worker";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    // The worker limits its own memory: nothing else may have been started.
    if arguments.next().as_deref() == Some(WORKER) {
        return modelyard_runtime::worker_main(arguments);
    }
    let cli = cli::Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: no threads could be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(cli.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(if error.is::<document::Usage>() { 2 } else { 1 })
        }
    }
}
