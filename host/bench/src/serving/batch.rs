//! A million rows through the binary extension, against LightGBM's own library
//! on one thread.

use std::{path::Path, time::Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    Effort,
    control::Platform,
    http::{Connection, request},
    load::median,
    models::Models,
    python::{self, Environment, scripts},
    table::{Figure, Goal, Line, Table},
};

/// Rows in one request: as many as a deployment takes by default.
const AT_ONCE: usize = 100_000;
const NAME: &str = "flights";

/// What all rows took, in seconds.
struct Pass {
    whole: f64,
    compute: f64,
    sum: f64,
}

pub(super) async fn measure(models: &Models, effort: Effort, work: &Path, table: &mut Table) -> Result<()> {
    let rows = effort.batch_rows;
    let data = std::fs::read(models.path("batch.f64"))?;
    let names = &models.flights().names;
    let whole: Vec<&[u8]> = data.chunks_exact(8 * names.len()).take(rows).collect();
    ensure!(whole.len() == rows, "batch.f64 has {} rows, and {rows} are needed", whole.len());
    let mut bodies = Vec::new();
    for part in whole.chunks(AT_ONCE) {
        bodies.push(raw(names, part));
    }
    let model = models.trees();
    let mut platform = Platform::start(&work.join("data")).await?;
    platform.control.settled().await?;
    platform.control.import(NAME, &model.file).await?;
    platform.control.deploy(NAME, NAME, json!({"deadline_ms": 60_000, "memory_bytes": 1u64 << 30})).await?;
    let environment = Environment::named("models").await?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let passes = effort.rounds.min(3);
    for pass in 0..=passes {
        let mine = score(&platform, &bodies).await?;
        let mut command = environment.command("python");
        command.arg(scripts().join("batch.py")).arg(&model.file);
        command.arg(models.path("batch.f64")).arg(rows.to_string());
        let said = python::run(&mut command).await?;
        let other: Value = serde_json::from_str(&said)?;
        let number = |name: &str| other.get(name).and_then(Value::as_f64).context("batch.py said nothing");
        let (seconds, sum) = (number("seconds")?, number("sum")?);
        ensure!((mine.sum - sum).abs() <= 1e-6 * sum, "the sums differ: {} and {sum}", mine.sum);
        // The first only warms.
        if pass > 0 {
            ours.push(mine);
            theirs.push(seconds);
        }
    }
    platform.stop().await?;
    let rate = |seconds: f64| format!("{:.0} rows/s", rows as f64 / seconds);
    let whole = median(ours.iter().map(|pass| pass.whole));
    let compute = median(ours.iter().map(|pass| pass.compute));
    let beside = format!("LightGBM, one thread: {}", rate(median(theirs.iter().copied())));
    let ratio =
        |of: fn(&Pass) -> f64| median(ours.iter().zip(&theirs).map(|(ours, theirs)| theirs / of(ours)));
    table.lines.push(Line {
        what: format!("batch of {rows} rows over HTTP, {AT_ONCE} in a request"),
        ours: rate(whole),
        beside: beside.clone(),
        figure: Figure::Ratio(ratio(|pass| pass.whole)),
        goal: Some(Goal::AtLeast(0.7)),
    });
    table.lines.push(Line {
        what: "of that, in the model".into(),
        ours: rate(compute),
        beside,
        figure: Figure::Ratio(ratio(|pass| pass.compute)),
        goal: None,
    });
    Ok(())
}

/// A request with its columns as raw data.
fn raw(names: &[String], rows: &[&[u8]]) -> Bytes {
    let size = 8 * rows.len();
    let input = |name: &String| json!({"name": name, "shape": [rows.len()], "datatype": "FP64", "parameters": {"binary_data_size": size}});
    let inputs: Vec<Value> = names.iter().map(input).collect();
    let json = json!({"parameters": {"binary_data_output": true}, "inputs": inputs}).to_string();
    let length = json.len().to_string();
    let mut body = json.into_bytes();
    for column in 0..names.len() {
        for row in rows {
            body.extend_from_slice(row.get(8 * column..8 * (column + 1)).unwrap_or_default());
        }
    }
    let headers =
        [("content-type", "application/octet-stream"), ("inference-header-content-length", &length)];
    request("POST", &format!("/v2/models/{NAME}/infer"), &headers, &body)
}

/// Has all rows scored, one request after another.
async fn score(platform: &Platform, requests: &[Bytes]) -> Result<Pass> {
    let mut connection = Connection::open(platform.server.address).await?;
    let mut pass = Pass { whole: 0.0, compute: 0.0, sum: 0.0 };
    for request in requests {
        let started = Instant::now();
        let reply = connection.call(request).await?;
        pass.whole += started.elapsed().as_secs_f64();
        ensure!(reply.status == 200, "{} {}", reply.status, String::from_utf8_lossy(reply.body));
        let length =
            reply.header("inference-header-content-length").and_then(|text| text.parse::<usize>().ok());
        let length = length.context("the answer has no raw data")?;
        let (json, data) = reply.body.split_at_checked(length).context("the answer is too short")?;
        let json: Value = serde_json::from_slice(json)?;
        let micros = json.pointer("/parameters/compute_us").and_then(Value::as_f64);
        pass.compute += micros.context("the answer has no compute_us")? / 1e6;
        let size = json.pointer("/outputs/0/parameters/binary_data_size").and_then(Value::as_u64);
        let size = size.context("the first output is not raw")? as usize;
        let values = data.get(..size).unwrap_or_default().chunks_exact(8);
        pass.sum += values.filter_map(|value| value.try_into().ok()).map(f64::from_le_bytes).sum::<f64>();
    }
    Ok(pass)
}
