//! Cold starts: the process runs, the model is on the disk and not loaded.
//!
//! Each time the server is started anew and answers for another, small model, so
//! that what only the first call of a process pays is paid; then comes the first
//! call of the model that is measured.

use std::{path::Path, time::Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{
    Effort,
    control::Platform,
    http::Connection,
    load::median,
    models::{Models, requests},
    table::{Figure, Goal, Line, Table},
};

/// The sizes of the model files, in megabytes.
const SIZES: [u32; 3] = [1, 16, 64];
const SMALL: &str = "small";

/// What one first answer took, in milliseconds.
struct First {
    whole: f64,
    instantiate: f64,
    compute: f64,
    second: f64,
}

pub(super) async fn measure(models: &Models, effort: Effort, work: &Path, table: &mut Table) -> Result<()> {
    let data = work.join("data");
    let mut platform = Platform::start(&data).await?;
    platform.control.settled().await?;
    platform.control.import(SMALL, &models.trees().file).await?;
    platform.control.deploy(SMALL, SMALL, json!({})).await?;
    let mut kept = Vec::new();
    for size in SIZES {
        let file = models.path(&format!("cold-{size}.txt"));
        let name = format!("cold-{size}");
        let bytes = std::fs::metadata(&file).with_context(|| file.display().to_string())?.len();
        eprintln!("  importing {:.1} MB", bytes as f64 / 1e6);
        match platform.control.import(&name, &file).await {
            Ok(_) => platform.control.deploy(&name, &name, json!({})).await?,
            Err(error) => {
                table.note(format!("cold start of {size} MB was not measured: {error:#}"));
                continue;
            }
        }
        kept.push((size, name, bytes));
    }
    platform.stop().await?;
    let bodies = models.trees().bodies;
    let body = bodies.first().context("there are no rows")?;
    let warm = requests(SMALL, std::slice::from_ref(body));
    let mut firsts: Vec<Vec<First>> = kept.iter().map(|_| Vec::new()).collect();
    for _ in 0..effort.cold_starts {
        let platform = Platform::start(&data).await?;
        let mut connection = Connection::open(platform.server.address).await?;
        for request in warm.iter().cycle().take(100) {
            timed(&mut connection, request).await?;
        }
        for ((_, name, _), firsts) in kept.iter().zip(&mut firsts) {
            let asked = requests(name, std::slice::from_ref(body));
            let request = asked.first().context("there is no request")?;
            let (whole, said) = timed(&mut connection, request).await?;
            let (second, _) = timed(&mut connection, request).await?;
            let part = |name: &str| {
                let micros = said.pointer(&format!("/parameters/{name}")).and_then(Value::as_f64);
                micros.map(|micros| micros / 1e3).with_context(|| format!("no {name} in {said}"))
            };
            firsts.push(First {
                whole,
                instantiate: part("instantiate_us")?,
                compute: part("compute_us")?,
                second,
            });
        }
        platform.stop().await?;
    }
    for ((size, _, bytes), firsts) in kept.iter().zip(&firsts) {
        let of = |part: fn(&First) -> f64| median(firsts.iter().map(part));
        table.lines.push(Line {
            what: format!("cold start, {:.1} MB of model, first answer", *bytes as f64 / 1e6),
            ours: format!(
                "{:.2} ms: {:.2} mapped and instantiated, {:.2} computed",
                of(|first| first.whole),
                of(|first| first.instantiate),
                of(|first| first.compute)
            ),
            beside: format!("its second answer {:.2} ms", of(|first| first.second)),
            figure: Figure::Milliseconds(of(|first| first.whole)),
            goal: (*size == 16).then_some(Goal::AtMost(3.0)),
        });
    }
    Ok(())
}

/// One call: milliseconds, and the answer.
async fn timed(connection: &mut Connection, request: &[u8]) -> Result<(f64, Value)> {
    let started = Instant::now();
    let reply = connection.call(request).await?;
    let took = started.elapsed().as_secs_f64() * 1e3;
    ensure!(reply.status == 200, "{} {}", reply.status, String::from_utf8_lossy(reply.body));
    Ok((took, serde_json::from_slice(reply.body)?))
}
