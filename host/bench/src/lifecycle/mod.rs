//! The lifecycle's work beside the same work without the platform, in one
//! process: `make bench`.

mod flights;
mod infer;
mod ingest;
mod sweep;

use std::time::{Duration, Instant};

use anyhow::Result;
use modelyard_clock::Clock;
use modelyard_lifecycle::{Options, Platform};

/// One line of the table.
struct Line {
    what: &'static str,
    ours: Duration,
    beside: Option<(&'static str, Duration)>,
    note: String,
}

/// Measures everything and prints one table.
pub(crate) async fn run() -> Result<()> {
    let data = tempfile::tempdir()?;
    let csv = flights::unpack(data.path())?;
    let mut options = Options::at(data.path().join("modelyard"));
    options.ingestion.roots = vec![data.path().to_owned()];
    let platform = Platform::open(options, Clock::system()).await?;
    let mut lines = vec![ingest::measure(&platform, &csv).await?];
    let (line, best) = sweep::measure(&platform).await?;
    lines.push(line);
    lines.push(infer::measure(&platform, &best).await?);
    println!("\n{:<44} {:>10}   {:<38} {:>8}  note", "work", "seconds", "beside", "ratio");
    for line in lines {
        let (beside, ratio) = match line.beside {
            Some((what, time)) => (
                format!("{what} {:.2} s", time.as_secs_f64()),
                format!("{:.2}", line.ours.as_secs_f64() / time.as_secs_f64()),
            ),
            None => (String::new(), String::new()),
        };
        println!(
            "{:<44} {:>10.2}   {beside:<38} {ratio:>8}  {}",
            line.what,
            line.ours.as_secs_f64(),
            line.note
        );
    }
    Ok(())
}

/// How long something took, with what it gave.
async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let started = Instant::now();
    let value = work.await;
    (value, started.elapsed())
}
