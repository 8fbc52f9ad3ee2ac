//! Many models deployed, each trained on rows of its own, so that none shares
//! its component with another.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::{
    Effort,
    control::{Control, Platform},
    http::Connection,
    load::median,
    models::{Models, requests},
    table::{Figure, Goal, Line, Table},
};

const FEW: usize = 10;
/// Models that are asked, spread over all.
const ASKED: usize = 50;

/// What a host is like after it was started.
struct Host {
    started_in: f64,
    /// Megabytes, and of them what is no file's.
    resident: f64,
    anonymous: f64,
}

/// Milliseconds of the first and of the second call of a model.
struct Calls {
    first: f64,
    second: f64,
    resident: f64,
}

pub(super) async fn measure(models: &Models, effort: Effort, work: &Path, table: &mut Table) -> Result<()> {
    let data = work.join("data");
    let mut platform = Platform::start(&data).await?;
    platform.control.settled().await?;
    platform.stop().await?;
    let (empty, _) = started(&data, &[], &[]).await?;
    deploy(models, &data, 0..FEW).await?;
    let bodies = models.trees().bodies;
    let body = bodies.first().context("there are no rows")?;
    let names: Vec<String> = (0..FEW).map(name).collect();
    let (few, few_calls) = started(&data, body, &names).await?;
    let (took, all) = (Instant::now(), effort.models);
    deploy(models, &data, FEW..all).await?;
    let each = took.elapsed().as_secs_f64() / (all - FEW) as f64;
    let names: Vec<String> = (0..ASKED).map(|at| name(at * (all - 1) / (ASKED - 1))).collect();
    let (many, calls) = started(&data, body, &names).await?;
    let beside = |few: String| format!("{FEW} models {few}");
    let mut line = |what: &str, ours: String, beside: String, figure: Figure, goal: Option<Goal>| {
        table.lines.push(Line { what: format!("{all} models deployed: {what}"), ours, beside, figure, goal });
    };
    line(
        "start of the process",
        format!("{:.2} s", many.started_in),
        format!("empty {:.2} s, {}", empty.started_in, beside(format!("{:.2} s", few.started_in))),
        Figure::Seconds(many.started_in),
        Some(Goal::AtMost(2.0)),
    );
    line(
        "resident memory over an empty host",
        format!("{:.0} MB ({:.0} anonymous)", many.resident, many.anonymous),
        format!("empty {:.0} MB, {}", empty.resident, beside(format!("{:.0} MB", few.resident))),
        Figure::Megabytes(many.resident - empty.resident),
        Some(Goal::AtMost(300.0)),
    );
    line(
        &format!("memory over an empty host when {ASKED} have answered"),
        format!("{:.0} MB", calls.resident),
        beside(format!("{:.0} MB", few_calls.resident)),
        Figure::Megabytes(calls.resident - empty.resident),
        None,
    );
    line(
        "first answer of one of them",
        format!("{:.2} ms", calls.first),
        beside(format!("{:.2} ms", few_calls.first)),
        Figure::Milliseconds(calls.first),
        None,
    );
    line(
        "its second answer",
        format!("{:.2} ms", calls.second),
        beside(format!("{:.2} ms", few_calls.second)),
        Figure::Milliseconds(calls.second),
        None,
    );
    table.note(format!("{all} models: each imported, snapshotted, compiled and deployed in {each:.2} s"));
    Ok(())
}

fn name(number: usize) -> String {
    format!("many-{number:04}")
}

/// Imports and deploys models, two at a time.
async fn deploy(models: &Models, data: &Path, numbers: std::ops::Range<usize>) -> Result<()> {
    let platform = Platform::start(data).await?;
    let (mut one, mut other) = (platform.control().await?, platform.control().await?);
    let (mut first, mut second) = (numbers.clone().step_by(2), numbers.skip(1).step_by(2));
    let put = async |control: &mut Control, numbers: &mut dyn Iterator<Item = usize>| -> Result<()> {
        for number in numbers {
            let name = name(number);
            control.import(&name, &models.path(&format!("many/{number:04}.txt"))).await?;
            control.deploy(&name, &name, json!({})).await?;
            if number % 100 == 99 {
                eprintln!("  {} models", number + 1);
            }
        }
        Ok(())
    };
    tokio::try_join!(put(&mut one, &mut first), put(&mut other, &mut second))?;
    platform.stop().await
}

/// Starts a host, sees what it holds at rest, and asks the named models twice.
async fn started(data: &Path, body: &[u8], names: &[String]) -> Result<(Host, Calls)> {
    let platform = Platform::start(data).await?;
    // What the start alone needed is given back, or is part of it.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let (resident, anonymous) = platform.server.resident()?;
    let host = Host {
        started_in: platform.server.started_in.as_secs_f64(),
        resident: megabytes(resident),
        anonymous: megabytes(anonymous),
    };
    let mut connection = Connection::open(platform.server.address).await?;
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for name in names {
        let asked = requests(name, &[body.to_vec()]);
        let request = asked.first().context("there is no request")?;
        for times in [&mut first, &mut second] {
            let started = Instant::now();
            let reply = connection.call(request).await?;
            times.push(started.elapsed().as_secs_f64() * 1e3);
            ensure!(reply.status == 200, "{} {}", reply.status, String::from_utf8_lossy(reply.body));
        }
    }
    let (resident, _) = platform.server.resident()?;
    platform.stop().await?;
    Ok((host, Calls { first: median(first), second: median(second), resident: megabytes(resident) }))
}
