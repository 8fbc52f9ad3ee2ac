//! Ingestion: 336,776 rows of CSV into a dataset version, beside the `csv`
//! crate reading the same records as text and keeping nothing.

use std::{path::Path, time::Instant};

use anyhow::Result;
use modelyard_lifecycle::{Platform, governance::Actor, progress::Progress};
use serde_json::json;

use super::{Line, timed};

pub(crate) async fn measure(platform: &Platform, csv: &Path) -> Result<Line> {
    let source = json!({
        "name": "flights", "plugin": "ingestion-csv", "event_time": "time_hour",
        "parameters": {"url": format!("file://{}", csv.display()), "columns": {"time_hour": "timestamp"}},
    });
    let actor = Actor::local();
    platform.ingestion().put_source(&actor, serde_json::from_value(source)?).await?;
    let (pulled, ours) = timed(platform.ingestion().pull(&actor, "flights", &Progress::default())).await;
    let pulled = pulled?;
    let started = Instant::now();
    let mut record = csv::StringRecord::new();
    let mut reader = csv::Reader::from_path(csv)?;
    let mut rows = 0u64;
    while reader.read_record(&mut record)? {
        rows += 1;
    }
    let beside = started.elapsed();
    anyhow::ensure!(rows == pulled.rows, "{rows} records, {} rows ingested", pulled.rows);
    Ok(Line {
        what: "ingest 336,776 rows of CSV",
        ours,
        beside: Some(("csv crate, text only", beside)),
        note: format!(
            "{:.0} rows/s, typed, checked, stored with statistics",
            rows as f64 / ours.as_secs_f64()
        ),
    })
}
