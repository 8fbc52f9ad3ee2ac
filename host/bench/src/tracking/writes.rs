//! Writes: one at a time, in large batches, and from sixteen writers at once.

use std::time::Instant;

use anyhow::{Result, ensure};
use bytes::Bytes;
use serde_json::json;

use super::{
    Effort, FASTER,
    client::{Client, call, metric, millis},
    compare,
    servers::Server,
};
use crate::serving::{
    load::median,
    table::{Figure, Goal, Line, Table},
};

/// Writers at once.
const WRITERS: usize = 16;
/// Metrics in the large batch.
const LARGE: usize = 500;
/// Metrics in a batch of the sixteen writers.
const SMALL: usize = 100;

/// A sort of write: what it is called, and its request for the nth call on a run.
type Sort = (&'static str, fn(&str, &str, usize) -> Bytes);

const SORTS: [Sort; 4] = [
    ("create run", |experiment, _, n| {
        call("runs/create", &json!({ "experiment_id": experiment, "start_time": n }))
    }),
    ("log_metric", |_, run, n| {
        let point = json!({ "run_id": run, "key": "loss", "value": 0.5, "timestamp": 1, "step": n });
        call("runs/log-metric", &point)
    }),
    ("log_param", |_, run, n| {
        call("runs/log-parameter", &json!({ "run_id": run, "key": format!("p{n}"), "value": "v" }))
    }),
    ("log_batch of 500 metrics", |_, run, n| {
        let metrics: Vec<_> = (0..LARGE).map(|key| metric(key, 0.5, n)).collect();
        call("runs/log-batch", &json!({ "run_id": run, "metrics": metrics }))
    }),
];

pub(super) async fn measure(
    ours: &Server,
    others: &[Server],
    effort: Effort,
    table: &mut Table,
) -> Result<()> {
    let servers: Vec<&Server> = std::iter::once(ours).chain(others).collect();
    let mut targets = Vec::new();
    for server in &servers {
        let mut client = Client::open(server).await?;
        let experiment = client.experiment("writes").await?;
        let run = client.run(&experiment, 0).await?;
        targets.push((client, experiment, run));
    }
    for (what, request) in SORTS {
        eprintln!("measuring {what}");
        let mut times = vec![Vec::new(); targets.len()];
        for round in 0..=effort.rounds {
            for ((client, experiment, run), times) in targets.iter_mut().zip(&mut times) {
                let mut taken = Vec::with_capacity(effort.calls);
                for call in 0..effort.calls {
                    let request = request(experiment, run, round * effort.calls + call);
                    taken.push(millis(client.timed(&request).await?));
                }
                // The first round warms up.
                if round > 0 {
                    times.push(median(taken));
                }
            }
        }
        let medians: Vec<f64> = times.into_iter().map(median).collect();
        if let [mine, theirs @ ..] = medians.as_slice() {
            table.lines.extend(
                others.iter().zip(theirs).map(|(other, theirs)| compare(what, *mine, other, *theirs)),
            );
        }
    }
    many(ours, others, effort, table).await
}

/// Sixteen writers at once: batches per second, and how many failed.
async fn many(ours: &Server, others: &[Server], effort: Effort, table: &mut Table) -> Result<()> {
    eprintln!("measuring {WRITERS} writers");
    let (mine, failed) = crowd(ours, effort).await?;
    ensure!(failed == 0, "{failed} of our batches failed with {WRITERS} writers");
    for other in others {
        let (theirs, failed) = crowd(other, effort).await?;
        table.lines.push(Line {
            what: format!("{WRITERS} writers, batches of {SMALL} metrics"),
            ours: format!("{mine:.0}/s, 0 errors"),
            beside: format!("{} {theirs:.1}/s, {failed} errors", other.name),
            figure: Figure::Ratio(mine / theirs),
            goal: Some(Goal::AtLeast(FASTER)),
        });
    }
    Ok(())
}

async fn crowd(server: &Server, effort: Effort) -> Result<(f64, usize)> {
    let mut client = Client::open(server).await?;
    let experiment = client.experiment("crowd").await?;
    let mut writers = Vec::new();
    for _ in 0..WRITERS {
        let run = client.run(&experiment, 0).await?;
        let mut client = Client::open(server).await?;
        writers.push(async move {
            let mut failed = 0;
            for step in 0..effort.batches {
                let metrics: Vec<_> = (0..SMALL).map(|key| metric(key, 0.5, step)).collect();
                let request = call("runs/log-batch", &json!({ "run_id": run, "metrics": metrics }));
                failed += usize::from(client.timed(&request).await.is_err());
            }
            failed
        });
    }
    let started = Instant::now();
    let failed: usize = futures::future::join_all(writers).await.into_iter().sum();
    let sent = WRITERS * effort.batches;
    Ok(((sent - failed) as f64 / started.elapsed().as_secs_f64(), failed))
}
