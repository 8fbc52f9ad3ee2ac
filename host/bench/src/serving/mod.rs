//! Serving over HTTP, beside native code and other servers, as one table of
//! ratios from one run.
//!
//! - [`models`] and [`python`] make what is needed; [`process`] and [`control`]
//!   run the servers; [`http`] and [`load`] ask them.
//! - [`online`] and [`others`]: single rows under load; [`functions`]: a handler
//!   of `wasi:http`; [`cold`]: the first answer of a model
//!   that is not loaded; [`many`]: a thousand models; [`batch`]: a million rows.
//! - [`table`] says what came of it.

mod batch;
mod cold;
pub(crate) mod control;
mod functions;
pub(crate) mod http;
pub(crate) mod load;
mod many;
mod models;
mod online;
mod others;
pub(crate) mod process;
pub(crate) mod python;
pub(crate) mod table;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use serde_json::Value;

use self::{http::Connection, load::Target, models::Models, table::Table};

#[derive(Debug, Args)]
pub(crate) struct Serving {
    /// Only these parts.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PART")]
    only: Vec<Part>,
    /// Short rounds and fewer of everything: to see that it runs.
    #[arg(long)]
    quick: bool,
    /// Prints the table as Markdown.
    #[arg(long)]
    markdown: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Single rows against the same model called natively.
    Native,
    /// Single rows against servers in Python.
    Python,
    /// A function against `wasmtime serve`.
    Functions,
    /// A model that is not loaded.
    Cold,
    /// A thousand models.
    Many,
    /// A million rows.
    Batch,
}

/// How much of everything.
#[derive(Clone, Copy)]
struct Effort {
    rounds: usize,
    length: Duration,
    cold_starts: usize,
    models: usize,
    batch_rows: usize,
}

impl Effort {
    const FULL: Self = Self {
        rounds: 5,
        length: Duration::from_secs(2),
        cold_starts: 15,
        models: 1000,
        batch_rows: 1_000_000,
    };
    const QUICK: Self = Self {
        rounds: 3,
        length: Duration::from_millis(500),
        cold_starts: 5,
        models: 60,
        batch_rows: 200_000,
    };
}

impl Serving {
    pub(crate) async fn run(self) -> Result<()> {
        let effort = if self.quick { Effort::QUICK } else { Effort::FULL };
        let models = Models::prepare().await?;
        let mut table = Table::default();
        for part in Part::value_variants() {
            if !self.only.is_empty() && !self.only.contains(part) {
                continue;
            }
            eprintln!("measuring {part:?}");
            let work = tempfile::tempdir()?;
            let work = work.path();
            let measured = match part {
                Part::Native => online::measure(&models, effort, work, &mut table).await,
                Part::Python => others::measure(&models, effort, work, &mut table).await,
                Part::Functions => functions::measure(effort, work, &mut table).await,
                Part::Cold => cold::measure(&models, effort, work, &mut table).await,
                Part::Many => many::measure(&models, effort, work, &mut table).await,
                Part::Batch => batch::measure(&models, effort, work, &mut table).await,
            };
            measured.with_context(|| format!("measuring {part:?}"))?;
        }
        table.note(format!("machine: {}", machine()));
        println!("{}", if self.markdown { table.markdown() } else { table.text() });
        Ok(())
    }
}

/// What it was measured on.
pub(crate) fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field =
        |line: &str| line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name.trim().to_owned());
    let name = info.lines().find_map(field).unwrap_or_else(|| "unknown processor".into());
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib =
        |line: &str| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok();
    let memory = memory.lines().find_map(kib).unwrap_or_default() >> 20;
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').nth(2).unwrap_or("unknown").to_owned();
    format!(
        "{name}, {cores} cores, {memory} GiB, servers and generator share them; load over 15 minutes {load}"
    )
}

/// Asks every request once, and holds the first number of each answer to what
/// the model's own library says.
async fn verify(target: &Target, expected: &[f64]) -> Result<()> {
    let mut connection = Connection::open(target.address).await?;
    for (request, expected) in target.requests.iter().zip(expected) {
        let reply = connection.call(request).await?;
        let said = String::from_utf8_lossy(reply.body);
        ensure!(reply.status == 200, "{}: {} {said}", target.name, reply.status);
        let value: Value = serde_json::from_slice(reply.body)?;
        let found = value.pointer("/outputs/0/data").and_then(first);
        let found = found.with_context(|| format!("{}: no number in {said}", target.name))?;
        let close = (found - expected).abs() <= 1e-5 * expected.abs().max(1e-3);
        ensure!(close, "{} answers {found} and not {expected}", target.name);
    }
    Ok(())
}

fn first(data: &Value) -> Option<f64> {
    match data {
        Value::Array(values) => first(values.first()?),
        value => value.as_f64(),
    }
}
