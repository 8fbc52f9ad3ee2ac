//! Searches of runs: beside MLflow, and how they grow.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{
    Effort,
    client::{Client, call, millis},
    compare, seed,
    servers::Server,
};
use crate::serving::{
    load::median,
    table::{Figure, Goal, Line, Table},
};

/// Milliseconds that a search over ten thousand runs may take.
const SEARCH: f64 = 30.0;
/// How much longer a search may take with a hundred times the runs.
const GROWTH: f64 = 2.0;
/// Searches of which the median is taken.
const SEARCHES: usize = 15;

pub(super) async fn measure(
    ours: &Server,
    others: &[Server],
    effort: Effort,
    table: &mut Table,
) -> Result<()> {
    let runs = effort.searched;
    eprintln!("measuring searches over {runs} runs");
    let mine = search(ours, runs).await?;
    let what = format!("search {runs} runs × {} metrics, filter and order, 1000 found", seed::METRICS);
    table.lines.push(Line {
        what: what.clone(),
        ours: format!("{mine:.1} ms"),
        beside: String::new(),
        figure: Figure::Milliseconds(mine),
        goal: Some(Goal::AtMost(SEARCH)),
    });
    for other in others {
        let theirs = search(other, runs).await?;
        table.lines.push(compare(&what, mine, other, theirs));
    }
    Ok(())
}

async fn search(server: &Server, runs: usize) -> Result<f64> {
    let experiment = seed::fill(server, "searched", runs).await?;
    let query = json!({
        "experiment_ids": [experiment],
        "filter": "metrics.metric_3 > 0.5",
        "order_by": ["metrics.metric_7 DESC"],
        "max_results": 1000,
    });
    let mut client = Client::open(server).await?;
    let answer = client.ask("runs/search", &query).await?;
    let found = answer.get("runs").and_then(Value::as_array).context("no runs")?;
    // About half of the runs have it.
    let expected = 1000.min(runs * 2 / 5);
    ensure!(found.len() >= expected, "{}: {} runs found", server.name, found.len());
    time(&mut client, &query, if server.name == "modelyard" { SEARCHES } else { 5 }).await
}

async fn time(client: &mut Client, query: &Value, times: usize) -> Result<f64> {
    let request = call("runs/search", query);
    client.timed(&request).await?;
    let mut taken = Vec::with_capacity(times);
    for _ in 0..times {
        taken.push(millis(client.timed(&request).await?));
    }
    Ok(median(taken))
}

/// First pages of a hundred over few runs and over many.
pub(super) async fn growth(ours: &Server, effort: Effort, table: &mut Table) -> Result<()> {
    eprintln!("measuring growth");
    let few = seed::fill(ours, "few", seed::FEW).await?;
    let many = seed::fill(ours, "many", effort.grown).await?;
    let mut client = Client::open(ours).await?;
    for (what, filter, order) in [
        ("default order", "", None),
        ("a parameter's value", "params.param_3 = '5'", None),
        ("order by a metric", "", Some("metrics.metric_7 DESC")),
        ("filter and order by metrics", "metrics.metric_3 > 0.5", Some("metrics.metric_7 DESC")),
    ] {
        let query = |experiment: &str| {
            json!({
                "experiment_ids": [experiment], "filter": filter, "max_results": 100,
                "order_by": order.into_iter().collect::<Vec<_>>(),
            })
        };
        let small = time(&mut client, &query(&few), 4 * SEARCHES).await?;
        let large = time(&mut client, &query(&many), 4 * SEARCHES).await?;
        table.lines.push(Line {
            what: format!("growth of a search, {what}: {} to {} runs", seed::FEW, effort.grown),
            ours: format!("{small:.2} to {large:.2} ms"),
            beside: String::new(),
            figure: Figure::Ratio(large / small),
            goal: Some(Goal::AtMost(GROWTH)),
        });
    }
    Ok(())
}
