//! `modelyard runs`: what experiments gave, and how it compares.

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::Value;

use crate::{
    context::{Context, Limit},
    output::{Column, cell},
};

const RUNS: &[Column] = &[
    ("RUN", "id"),
    ("EXPERIMENT", "experiment"),
    ("STATUS", "status"),
    ("METRICS", "metrics"),
    ("SECONDS", "seconds"),
    ("CREATED", "created_at"),
    ("ERROR", "error"),
];

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  modelyard runs compare 0198c0de-0000-7000-8000-000000000000 0198c0de-0000-7000-8000-000000000001 --metric roc_auc"
)]
pub(crate) struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List runs, latest first.
    List {
        /// Of this experiment only.
        #[arg(long)]
        experiment: Option<String>,
        #[command(flatten)]
        limit: Limit,
    },
    /// Show a run.
    Show {
        /// The run.
        run: String,
    },
    /// Show where runs differ, and whether by more than chance.
    Compare(Compare),
}

#[derive(Debug, Args)]
struct Compare {
    /// The runs, two to ten.
    #[arg(required = true, num_args = 2..=10, value_name = "RUN")]
    runs: Vec<String>,
    /// A metric whose difference is tested; may be repeated.
    #[arg(long = "metric", value_name = "METRIC")]
    metrics: Vec<String>,
    /// Draws of a bootstrap.
    #[arg(long, value_name = "N")]
    resamples: Option<u32>,
    /// The share of intervals that cover the true difference.
    #[arg(long, value_name = "SHARE")]
    confidence: Option<f64>,
    /// The seed of the draws.
    #[arg(long)]
    seed: Option<u64>,
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self.verb {
            Verb::List { experiment, limit } => list(context, experiment, limit).await,
            Verb::Show { run } => show(context, &run).await,
            Verb::Compare(compare) => compare.run(context).await,
        }
    }
}

/// Prints runs, latest first.
pub(crate) async fn list(context: &Context, experiment: Option<String>, limit: Limit) -> Result<()> {
    context.list(&["experiments", "runs"], &[("experiment", experiment)], limit, RUNS).await
}

/// Prints a run.
pub(crate) async fn show(context: &Context, run: &str) -> Result<()> {
    context.show(&["experiments", "runs", run], &[]).await
}

impl Compare {
    async fn run(self, context: &Context) -> Result<()> {
        let runs = self.runs.iter().map(|run| ("run", Some(run.clone())));
        let metrics = self.metrics.iter().map(|metric| ("metric", Some(metric.clone())));
        let rest = [
            ("resamples", self.resamples.map(|number| number.to_string())),
            ("confidence", self.confidence.map(|number| number.to_string())),
            ("seed", self.seed.map(|number| number.to_string())),
        ];
        let query: Vec<_> = runs.chain(metrics).chain(rest).collect();
        let found = context.client.get(&["experiments", "compare"], &query).await?;
        if context.output.is_json() {
            return context.output.json(&found);
        }
        print(context, &found)
    }
}

/// The lists of a comparison.
fn items<'a>(found: &'a Value, name: &str) -> Vec<&'a Value> {
    found.get(name).and_then(Value::as_array).map(|items| items.iter().collect()).unwrap_or_default()
}

fn print(context: &Context, found: &Value) -> Result<()> {
    // Runs are called by letters where there is a column for each.
    let letters: Vec<String> = ('A'..='Z').take(items(found, "runs").len()).map(String::from).collect();
    let head = |first: &[&str]| first.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let runs = items(found, "runs");
    let row = |(letter, run): (&String, &&Value)| {
        let field = |name: &str| cell(run.get(name));
        vec![
            letter.clone(),
            field("id"),
            field("experiment"),
            field("trainer"),
            field("status"),
            field("rows"),
        ]
    };
    let rows = letters.iter().zip(&runs).map(row).collect();
    context.output.rows(head(&["", "RUN", "EXPERIMENT", "TRAINING", "STATUS", "TEST ROWS"]), rows)?;
    for (heading, list) in [("PARAMETER", "parameters"), ("METRIC", "metrics"), ("METRIC OF SLICE", "slices")]
    {
        let differing = items(found, list);
        if differing.is_empty() {
            continue;
        }
        let row = |of: &&Value| {
            let slice = of.get("slice").map(|slice| format!("[{}]", cell(Some(slice)))).unwrap_or_default();
            let name = format!("{}{slice}", cell(of.get("name")));
            [name].into_iter().chain(items(of, "values").into_iter().map(|value| cell(Some(value)))).collect()
        };
        context.output.say("")?;
        let headings = head(&[heading]).into_iter().chain(letters.iter().cloned()).collect();
        context.output.rows(headings, differing.iter().map(row).collect())?;
    }
    let letter = |id: &str| {
        let place = runs.iter().position(|run| cell(run.get("id")) == id);
        place.and_then(|place| letters.get(place)).cloned().unwrap_or_default()
    };
    let mut rows = Vec::new();
    for pair in items(found, "pairs") {
        let name = |side: &str| letter(&cell(pair.get(side)));
        let names = format!("{} − {}", name("left"), name("right"));
        match pair.get("reason").filter(|reason| !reason.is_null()) {
            Some(reason) => rows.push(vec![names, String::new(), cell(Some(reason))]),
            None => rows.extend(items(pair, "tests").into_iter().map(|test| tested(&names, test))),
        }
    }
    context.output.say("")?;
    context.output.rows(head(&["DIFFERENCE", "OF", "RESULT"]), rows)
}

/// One test as a row: the pair, what was tested, what came of it.
fn tested(pair: &str, test: &Value) -> Vec<String> {
    let field = |name: &str| cell(test.get(name));
    let significant = match test.get("significant") {
        Some(Value::Bool(true)) => "significant",
        _ => "not significant",
    };
    let (what, result) = if field("method") == "mcnemar" {
        let by = if test.get("exact") == Some(&Value::Bool(true)) { "exact" } else { "chi-squared" };
        let counts = format!("{} : {}", field("left_only"), field("right_only"));
        ("right answers".to_owned(), format!("McNemar ({by}) {counts}, p = {}", field("p_value")))
    } else {
        let interval = format!("[{}, {}]", field("low"), field("high"));
        let draws = format!("paired bootstrap of {} draws, seed {}", field("resamples"), field("seed"));
        (
            field("metric"),
            format!("{} in {interval} at {} ({draws})", field("difference"), field("confidence")),
        )
    };
    vec![pair.to_owned(), what, format!("{result}: {significant}")]
}
