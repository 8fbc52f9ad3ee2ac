//! Long work, watched from outside.

use std::time::Duration;

use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use crate::client::Client;

/// The id of the job that an answer speaks of.
pub(crate) fn id(answer: &Value) -> Option<&str> {
    let job = answer.get("job")?;
    job.as_str().or_else(|| job.get("id")?.as_str())
}

/// Waits for a job's end and gives its record. On a terminal a bar shows how
/// far it is. A job that failed is an error.
pub(crate) async fn follow(client: &Client, id: &str) -> Result<Value> {
    // Hidden by itself when standard error is no terminal.
    let bar = ProgressBar::new(1000);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent}% {elapsed} {msg}") {
        bar.set_style(style);
    }
    let mut pause = Duration::from_millis(50);
    loop {
        let job = client.get(&["jobs", id], &[]).await?;
        let text = |name: &str| job.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let status = text("status");
        if matches!(status.as_str(), "pending" | "running") {
            let fraction = job.get("fraction").and_then(Value::as_f64).unwrap_or_default();
            bar.set_position((fraction.clamp(0.0, 1.0) * 1000.0) as u64);
            bar.set_message(text("message"));
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(500));
            continue;
        }
        bar.finish_and_clear();
        if status != "finished" {
            bail!("{} {} was {status}: {}", text("kind"), text("subject"), text("error"));
        }
        return Ok(job);
    }
}
