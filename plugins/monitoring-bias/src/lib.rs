//! Compares outcomes between groups: are some people decided about differently,
//! or wrongly more often?
//!
//! - [`parameters`]: group columns, bounds, the least group size.
//! - [`groups`]: counts outcomes by group.
//! - [`measure`]: rates and the differences between them.
//!
//! Findings are about the current window; the reference's values stand beside
//! them, so that a reader sees whether it was so from the start.

pub mod groups;
pub mod measure;
pub mod parameters;

use std::collections::BTreeMap;

use groups::Outcomes;
use measure::{Range, Rates};
use modelyard_sdk::monitoring::Report;
use modelyard_sdk::prelude::*;
use parameters::Parameters;

/// The plugin.
#[derive(Debug)]
pub struct Bias;

impl Monitoring for Bias {
    fn describe() -> Description {
        Description::new("Compares outcomes between groups").parameters(parameters::SCHEMA).outputs([
            "group_rows, selection_rate, true_positive_rate, false_positive_rate by group (slice column=value)",
            "demographic_parity_difference, disparate_impact by group column (slice: the column)",
            "equal_opportunity_difference, equalized_odds_difference, equalized_odds_ratio by group column, with a truth column",
        ])
    }

    fn check(parameters: &str, reference: &Reader, current: &Reader) -> Result<Report, Error> {
        let parameters = Parameters::read(parameters)?;
        let before = groups::count(&parameters, reference)?;
        let now = groups::count(&parameters, current)?;
        let mut report = Report { metrics: Vec::new(), findings: Vec::new() };
        for ((column, now), before) in parameters.groups.iter().zip(&now).zip(&before) {
            compare(&parameters, column, before, now, &mut report);
        }
        Ok(report)
    }
}

/// A measure with what it was taken on.
struct Measured {
    name: &'static str,
    value: f64,
    /// The groups furthest apart, and the rate in which they are.
    range: Option<(Range, &'static str)>,
}

fn compare(
    parameters: &Parameters,
    column: &str,
    before: &BTreeMap<String, Outcomes>,
    now: &BTreeMap<String, Outcomes>,
    report: &mut Report,
) {
    let rows = now.values().map(|o| o.rows).sum();
    let rates = measure::rates(now);
    for (group, outcomes) in now {
        let metric = Metric::new("group_rows", outcomes.rows as f64, outcomes.rows);
        report.metrics.push(metric.slice(format!("{column}={group}")));
    }
    let named = [
        ("selection_rate", &rates.selection),
        ("true_positive_rate", &rates.true_positive),
        ("false_positive_rate", &rates.false_positive),
    ];
    for (name, rates) in named {
        for rate in rates {
            let metric = Metric::new(name, rate.value, rate.rows).slice(format!("{column}={}", rate.group));
            report.metrics.push(metric);
        }
    }
    let reference = measures(&measure::rates(before), parameters.min_group_rows);
    for measured in measures(&rates, parameters.min_group_rows) {
        report.metrics.push(Metric::new(measured.name, measured.value, rows).slice(column));
        let old = reference.iter().find(|m| m.name == measured.name).map(|m| m.value);
        report.findings.extend(judge(parameters, column, &measured, old));
    }
}

fn measures(rates: &Rates, min_rows: u64) -> Vec<Measured> {
    let mut all = Vec::new();
    let mut push = |name, value: Option<f64>, range: Option<(Range, &'static str)>| {
        if let Some(value) = value {
            all.push(Measured { name, value, range });
        }
    };
    if let Some(range) = measure::range(&rates.selection, min_rows) {
        let why = Some((range.clone(), "selected"));
        push("demographic_parity_difference", Some(range.difference()), why.clone());
        push("disparate_impact", range.ratio(), why);
    }
    let truly = measure::range(&rates.true_positive, min_rows);
    let falsely = measure::range(&rates.false_positive, min_rows);
    if let Some(range) = &truly {
        let why = Some((range.clone(), "rightly selected"));
        push("equal_opportunity_difference", Some(range.difference()), why);
    }
    if let (Some(truly), Some(falsely)) = (truly, falsely) {
        let further = if truly.difference() >= falsely.difference() {
            (truly.clone(), "rightly selected")
        } else {
            (falsely.clone(), "wrongly selected")
        };
        push("equalized_odds_difference", Some(further.0.difference()), Some(further));
        let ratio = truly.ratio().zip(falsely.ratio()).map(|(a, b)| a.min(b));
        push("equalized_odds_ratio", ratio, None);
    }
    all
}

fn judge(parameters: &Parameters, column: &str, measured: &Measured, before: Option<f64>) -> Option<Finding> {
    let bounds = &parameters.bounds;
    let (bound, least) = match measured.name {
        "demographic_parity_difference" => (bounds.demographic_parity_difference?, false),
        "disparate_impact" => (bounds.disparate_impact?, true),
        "equal_opportunity_difference" => (bounds.equal_opportunity_difference?, false),
        "equalized_odds_difference" => (bounds.equalized_odds_difference?, false),
        _ => return None,
    };
    let crossed = if least { measured.value < bound } else { measured.value > bound };
    if !crossed {
        return None;
    }
    let (range, what) = measured.range.as_ref()?;
    let before = before.map_or_else(|| "not known".to_owned(), |v| format!("{v:.3}"));
    let message = format!(
        "{} by {column} is {:.3}, {} {bound}: {} of {} are {what} ({} rows) and {} of {} ({} rows); in the reference it was {before}",
        measured.name,
        measured.value,
        if least { "below" } else { "above" },
        percent(range.low.value),
        range.low.group,
        range.low.rows,
        percent(range.high.value),
        range.high.group,
        range.high.rows,
    );
    let finding = Finding::new(measured.name, measured.value, bound, message);
    Some(finding.subject(column).severity(parameters.severity.into()))
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

modelyard_sdk::export!(monitoring: Bias);
