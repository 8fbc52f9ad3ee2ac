//! Puts facts into sections that both documents render.

use modelyard_sdk::prelude::Error;
use serde_json::Value;

use crate::facts::{
    ConfusionFact, Data, Evaluation, Facts, Measured, Monitoring, Origin, Ruling, TensorFact, Training,
};
use crate::markdown::paragraphs;

/// Sections that can be gaps, in the card's order.
pub const SECTIONS: [&str; 15] = [
    "description",
    "owner",
    "licence",
    "intended_use",
    "limitations",
    "training",
    "features",
    "data",
    "evaluation",
    "fairness",
    "signature",
    "deployment",
    "monitoring",
    "lineage",
    "governance",
];

/// A part of a section.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// Paragraphs, parted by empty lines.
    Text(String),
    /// Names and values.
    Pairs(Vec<(String, String)>),
    /// A table; the columns from `numbers` on are numbers.
    Table {
        /// Its title.
        title: Option<String>,
        /// Column heads.
        head: Vec<String>,
        /// Cells.
        rows: Vec<Vec<String>>,
        /// Index of the first column of numbers.
        numbers: usize,
    },
    /// Shares from 0 to 1, with their names.
    Bars(Vec<(String, f64)>),
    /// One line each.
    List(Vec<String>),
}

/// A section.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// One of [`SECTIONS`].
    pub id: &'static str,
    /// Its head.
    pub title: &'static str,
    /// Its content; empty: there are no facts for it.
    pub blocks: Vec<Block>,
}

/// Makes every section, empty ones too. Tables are cut after `max_rows` rows.
///
/// # Errors
/// `invalid-input` for a confusion matrix that is not square.
pub fn all(facts: &Facts, max_rows: usize) -> Result<Vec<Section>, Error> {
    let model = facts.model.clone().unwrap_or_default();
    let text = |value: Option<String>| prose(&value.unwrap_or_default());
    let section = |id, title, blocks| Section { id, title, blocks };
    let mut sections = vec![
        section("description", "Description", text(model.description)),
        section("owner", "Owner", text(model.owner)),
        section("licence", "Licence", text(model.licence)),
        section("intended_use", "Intended use", text(model.intended_use)),
        section("limitations", "Limitations", text(model.limitations)),
        section("training", "Training", facts.training.as_ref().map(training).unwrap_or_default()),
        section(
            "features",
            "Features",
            facts.training.as_ref().map(|t| features(t, max_rows)).unwrap_or_default(),
        ),
        section("data", "Data", facts.data.as_ref().map(|d| data(d, max_rows)).unwrap_or_default()),
    ];
    let evaluation = facts.evaluation.as_ref().map(|e| evaluation(e, max_rows)).transpose()?;
    sections.push(section("evaluation", "Evaluation", evaluation.unwrap_or_default()));
    let fairness = facts.fairness.as_ref().and_then(|f| f.metrics.as_deref());
    sections.push(section("fairness", "Fairness", metrics(None, fairness.unwrap_or_default(), max_rows)));
    sections.push(section("signature", "Inputs and outputs", signature(facts)));
    sections.push(section("deployment", "Deployment", deployment(facts)));
    let seen = facts.monitoring.as_ref().map(|m| monitoring(m, max_rows)).unwrap_or_default();
    sections.push(section("monitoring", "Monitoring", seen));
    sections.push(section("lineage", "Lineage", lineage(facts.lineage.as_deref().unwrap_or_default())));
    sections.push(section(
        "governance",
        "Governance",
        governance(facts.governance.as_deref().unwrap_or_default(), max_rows),
    ));
    Ok(sections)
}

/// Paragraphs, and lists where every line of a paragraph begins with a dash.
fn prose(text: &str) -> Vec<Block> {
    let block = |paragraph: String| {
        let items: Option<Vec<String>> =
            paragraph.lines().map(|l| l.trim_start().strip_prefix("- ").map(str::to_owned)).collect();
        items.map_or(Block::Text(paragraph), Block::List)
    };
    paragraphs(text).map(block).collect()
}

/// Pairs that have a value, as a block; nothing for none.
fn pairs(all: Vec<(&str, Option<String>)>) -> Vec<Block> {
    let pairs: Vec<(String, String)> = all
        .into_iter()
        .filter_map(|(name, value)| value.filter(|v| !v.is_empty()).map(|v| (name.to_owned(), v)))
        .collect();
    if pairs.is_empty() { Vec::new() } else { vec![Block::Pairs(pairs)] }
}

fn training(training: &Training) -> Vec<Block> {
    let mut blocks = pairs(vec![
        ("Plugin", training.plugin.clone()),
        ("Plugin digest", training.plugin_digest.clone()),
        ("Rows", training.rows.map(count)),
        ("Seed", training.seed.map(|s| s.to_string())),
        ("Duration", training.duration_s.map(|s| format!("{} s", number(s)))),
    ]);
    let parameters = training.parameters.iter().flatten();
    let rows: Vec<Vec<String>> = parameters.map(|(name, value)| vec![name.clone(), plain(value)]).collect();
    blocks.extend(table(Some("Parameters"), &["parameter", "value"], rows, 2, usize::MAX));
    blocks
}

fn features(training: &Training, max_rows: usize) -> Vec<Block> {
    let mut features = training.features.clone().unwrap_or_default();
    let share = |f: &crate::facts::Feature| f.importance.filter(|v| v.is_finite());
    // Stable: those of equal importance stay in their order.
    features.sort_by(|a, b| share(b).unwrap_or(-1.0).total_cmp(&share(a).unwrap_or(-1.0)));
    let known: Vec<(String, f64)> =
        features.iter().filter_map(|f| Some((f.name.clone(), share(f)?))).take(max_rows).collect();
    let rest: Vec<String> = features.iter().filter(|f| share(f).is_none()).map(|f| f.name.clone()).collect();
    let mut blocks = Vec::new();
    if !known.is_empty() {
        let left = features.len() - rest.len() - known.len();
        blocks.push(Block::Bars(known));
        blocks.extend(more(left));
    }
    if !rest.is_empty() {
        blocks.push(Block::Text(format!("Without a recorded importance: {}.", rest.join(", "))));
    }
    blocks
}

fn data(data: &Data, max_rows: usize) -> Vec<Block> {
    let span = match (&data.from, &data.to) {
        (None, None) => None,
        (from, to) => {
            let end = |t: &Option<String>| t.clone().unwrap_or_else(|| "…".to_owned());
            Some(format!("{} to {}", end(from), end(to)))
        }
    };
    let mut blocks = pairs(vec![
        ("Data set", data.name.clone()),
        ("Version", data.version.as_ref().map(plain)),
        ("Rows", data.rows.map(count)),
        ("Time span", span),
    ]);
    let optional = |value: &Option<Value>| value.as_ref().map(plain).unwrap_or_default();
    let columns = data.columns.iter().flatten();
    let rows: Vec<Vec<String>> = columns
        .map(|c| {
            vec![
                c.name.clone(),
                c.r#type.clone().unwrap_or_default(),
                c.null_share.map(percent).unwrap_or_default(),
                c.mean.map(number).unwrap_or_default(),
                optional(&c.min),
                optional(&c.max),
            ]
        })
        .collect();
    blocks.extend(table(
        Some("Columns"),
        &["column", "type", "nulls", "mean", "min", "max"],
        rows,
        2,
        max_rows,
    ));
    blocks
}

fn evaluation(evaluation: &Evaluation, max_rows: usize) -> Result<Vec<Block>, Error> {
    let listed = evaluation.metrics.clone().unwrap_or_default();
    let (slices, whole): (Vec<Measured>, Vec<Measured>) = listed.into_iter().partition(|m| m.slice.is_some());
    let mut blocks = metrics(None, &whole, usize::MAX);
    blocks.extend(metrics(Some("By slice"), &slices, max_rows));
    if let Some(confusion) = &evaluation.confusion {
        blocks.extend(matrix(confusion)?);
    }
    if blocks.is_empty() {
        return Ok(blocks);
    }
    let mut about = pairs(vec![
        ("Plugin", evaluation.plugin.clone()),
        ("Evaluated on", evaluation.data.clone()),
        ("Rows", evaluation.rows.map(count)),
    ]);
    about.extend(blocks);
    Ok(about)
}

fn matrix(confusion: &ConfusionFact) -> Result<Option<Block>, Error> {
    let classes = confusion.labels.len();
    if classes.checked_mul(classes) != Some(confusion.counts.len()) {
        return Err(Error::parameter(
            "/evaluation/confusion",
            format!("{classes} labels need {classes}² counts, and there are {}", confusion.counts.len()),
        ));
    }
    if classes == 0 {
        return Ok(None);
    }
    let mut head = vec!["truth \\ predicted".to_owned()];
    head.extend(confusion.labels.iter().cloned());
    let row = |(label, counts): (&String, &[u64])| {
        std::iter::once(label.clone()).chain(counts.iter().map(|c| count(*c))).collect()
    };
    let rows = confusion.labels.iter().zip(confusion.counts.chunks(classes)).map(row).collect();
    Ok(Some(Block::Table { title: Some("Confusion matrix".to_owned()), head, rows, numbers: 1 }))
}

fn metrics(title: Option<&str>, metrics: &[Measured], max_rows: usize) -> Vec<Block> {
    let slices = metrics.iter().any(|m| m.slice.is_some());
    let rows = metrics
        .iter()
        .map(|m| {
            let mut row = vec![m.name.clone()];
            row.extend(slices.then(|| m.slice.clone().unwrap_or_else(|| "all".to_owned())));
            row.push(m.value.map_or_else(|| "not defined".to_owned(), number));
            row.push(m.rows.map(count).unwrap_or_default());
            row
        })
        .collect();
    let head: &[&str] =
        if slices { &["metric", "slice", "value", "rows"] } else { &["metric", "value", "rows"] };
    table(title, head, rows, head.len() - 2, max_rows)
}

fn signature(facts: &Facts) -> Vec<Block> {
    let Some(signature) = &facts.signature else { return Vec::new() };
    let row = |t: &TensorFact| {
        let shape: Vec<String> = t.shape.iter().map(ToString::to_string).collect();
        vec![
            t.name.clone(),
            t.datatype.clone().unwrap_or_default(),
            format!("[{}]", shape.join(", ")),
            t.labels.join(", "),
        ]
    };
    let head = ["tensor", "type", "shape", "labels"];
    let mut blocks = Vec::new();
    for (title, tensors) in [("Inputs", &signature.inputs), ("Outputs", &signature.outputs)] {
        blocks.extend(table(Some(title), &head, tensors.iter().map(row).collect(), 4, usize::MAX));
    }
    blocks
}

fn deployment(facts: &Facts) -> Vec<Block> {
    let Some(deployment) = &facts.deployment else { return Vec::new() };
    pairs(vec![
        ("Endpoint", deployment.endpoint.clone()),
        ("State", deployment.state.clone()),
        ("Role", deployment.role.clone()),
        ("Share of calls", deployment.traffic_share.map(percent)),
        ("Since", deployment.since.clone()),
    ])
}

fn monitoring(monitoring: &Monitoring, max_rows: usize) -> Vec<Block> {
    let mut blocks = pairs(vec![("Last checked", monitoring.checked_at.clone())]);
    let rows: Vec<Vec<String>> = monitoring
        .findings
        .iter()
        .map(|f| {
            vec![
                f.severity.clone().unwrap_or_default(),
                f.subject.as_ref().map_or_else(|| f.metric.clone(), |s| format!("{} of {s}", f.metric)),
                f.message.clone().unwrap_or_default(),
                f.at.clone().unwrap_or_default(),
                f.value.map(number).unwrap_or_default(),
                f.threshold.map(number).unwrap_or_default(),
            ]
        })
        .collect();
    if rows.is_empty() && !blocks.is_empty() {
        blocks.push(Block::Text("Nothing was found.".to_owned()));
    }
    blocks.extend(table(
        None,
        &["severity", "measure", "finding", "at", "value", "bound"],
        rows,
        4,
        max_rows,
    ));
    blocks
}

fn lineage(origins: &[Origin]) -> Vec<Block> {
    let row = |o: &Origin| {
        vec![
            o.kind.clone(),
            o.name.clone().unwrap_or_default(),
            o.version.as_ref().map(plain).unwrap_or_default(),
            o.digest.clone().unwrap_or_default(),
        ]
    };
    table(None, &["kind", "name", "version", "digest"], origins.iter().map(row).collect(), 4, usize::MAX)
}

fn governance(rulings: &[Ruling], max_rows: usize) -> Vec<Block> {
    let row = |r: &Ruling| {
        vec![
            r.at.clone().unwrap_or_default(),
            r.action.clone(),
            r.outcome.clone().unwrap_or_default(),
            r.by.clone().unwrap_or_default(),
            r.reasons.join(" "),
        ]
    };
    table(None, &["at", "change", "outcome", "by", "reasons"], rulings.iter().map(row).collect(), 5, max_rows)
}

fn table(
    title: Option<&str>,
    head: &[&str],
    mut rows: Vec<Vec<String>>,
    numbers: usize,
    max_rows: usize,
) -> Vec<Block> {
    if rows.is_empty() {
        return Vec::new();
    }
    let left = rows.len().saturating_sub(max_rows);
    rows.truncate(max_rows);
    let head = head.iter().map(|h| (*h).to_owned()).collect();
    let mut blocks = vec![Block::Table { title: title.map(str::to_owned), head, rows, numbers }];
    blocks.extend(more(left));
    blocks
}

fn more(left: usize) -> Option<Block> {
    (left > 0).then(|| Block::Text(format!("And {} more.", count(left as u64))))
}

/// A JSON value for a reader: texts without quotes, numbers short.
#[must_use]
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(n) if n.is_f64() => n.as_f64().map_or_else(|| n.to_string(), number),
        other => other.to_string(),
    }
}

/// A count with commas between thousands.
#[must_use]
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number with four decimals at most, or an exponent for the small and the
/// large.
#[must_use]
pub fn number(value: f64) -> String {
    if value == 0.0 {
        "0".to_owned()
    } else if (1e-3..1e9).contains(&value.abs()) {
        let text = format!("{value:.4}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        format!("{value:.3e}")
    }
}

/// A share as percent.
#[must_use]
pub fn percent(share: f64) -> String {
    let hundredths = (share * 1e4).round();
    // What no share can be is shown as it is.
    if hundredths.abs() < 1e12 { format!("{} %", number(hundredths / 100.0)) } else { number(share) }
}
