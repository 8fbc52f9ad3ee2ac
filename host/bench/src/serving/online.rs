//! Single rows over HTTP, against the same models called natively.

use std::path::Path;

use anyhow::Result;
use serde_json::json;
use tokio::process::Command;

use super::{
    Effort,
    control::Platform,
    load::{Round, Target, interleaved, median, ratio},
    models::{Model, Models, requests},
    process::Server,
    table::{Figure, Goal, Line, Table},
    verify,
};

/// At how many connections at a time.
const CONNECTIONS: [usize; 3] = [1, 16, 64];

pub(super) async fn measure(models: &Models, effort: Effort, work: &Path, table: &mut Table) -> Result<()> {
    let all = [models.trees(), models.logistic()?, models.digits()?];
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("native");
    for model in &all {
        command.arg("--model").arg(format!("{}={}", model.name, model.file.display()));
    }
    let native = Server::announced(command, &work.join("native.log")).await?;
    let mut platform = Platform::start(&work.join("data")).await?;
    platform.control.settled().await?;
    for model in &all {
        platform.control.import(model.name, &model.file).await?;
        platform.control.deploy(model.name, model.name, json!({})).await?;
        platform.control.deploy(&fresh(model), model.name, json!({"reuse": 0})).await?;
    }
    for model in &all {
        let target = |name: &str, address| Target {
            name: name.to_owned(),
            address,
            requests: requests(name, &model.bodies).into(),
        };
        let limit = target(model.name, native.address);
        let reused = target(model.name, platform.server.address);
        let fresh = target(&fresh(model), platform.server.address);
        for target in [&limit, &reused, &fresh] {
            verify(target, &model.expected).await?;
        }
        for connections in CONNECTIONS {
            eprintln!("  {} at {connections} connections", model.title);
            let sides = [&limit, &reused, &fresh];
            let rounds = interleaved(&sides, connections, effort.rounds, effort.length).await?;
            if let [limit, reused, fresh] = rounds.as_slice() {
                lines(model, connections, limit, reused, fresh, table);
            }
        }
    }
    platform.stop().await?;
    native.stop().await
}

fn fresh(model: &Model) -> String {
    format!("{}-fresh", model.name)
}

fn lines(
    model: &Model,
    connections: usize,
    limit: &[Round],
    reused: &[Round],
    fresh: &[Round],
    table: &mut Table,
) {
    let trees = model.name == "flights";
    let rate = |rounds: &[Round]| format!("{:.0}/s", median(rounds.iter().map(Round::rate)));
    let micros = |rounds: &[Round], share: f64| {
        median(rounds.iter().map(|round| round.percentile(share).as_secs_f64() * 1e6))
    };
    let latency = |rounds: &[Round]| format!("{:.0} / {:.0} µs", micros(rounds, 0.5), micros(rounds, 0.99));
    let wire = match connections {
        1 => "1 connection".to_owned(),
        more => format!("{more} connections"),
    };
    let mut line = |what: String, ours: String, beside: String, ratio: f64, goal: Option<Goal>| {
        table.lines.push(Line {
            what: format!("{}, {wire}: {what}", model.title),
            ours,
            beside: format!("native {beside}"),
            figure: Figure::Ratio(ratio),
            goal,
        });
    };
    for (name, rounds, goal) in [("reused", reused, 0.85), ("fresh", fresh, 0.4)] {
        let goal = trees.then_some(Goal::AtLeast(goal));
        line(format!("{name}, requests"), rate(rounds), rate(limit), ratio(rounds, limit, Round::rate), goal);
    }
    let p99 = |round: &Round| round.percentile(0.99).as_secs_f64();
    let goal = (trees && connections == 64).then_some(Goal::AtMost(1.5));
    line(
        "reused, p50 / p99; ratio of p99".into(),
        latency(reused),
        latency(limit),
        ratio(reused, limit, p99),
        goal,
    );
    line(
        "fresh, p50 / p99; ratio of p99".into(),
        latency(fresh),
        latency(limit),
        ratio(fresh, limit, p99),
        None,
    );
}
