//! Judges by age, traffic, performance and policy whether a version should
//! retire.
//!
//! Each rule has a threshold that warns and one that retires ([`parameters`]).
//! If any rule says retire, the verdict is to retire, with the reasons of those
//! rules; else, if any warns, to warn, with theirs; else to keep.
//!
//! | rule | reads | applies |
//! |---|---|---|
//! | age | days since it was registered | always |
//! | idle | days since the last call, or since it was registered | past `grace_days` |
//! | calls | calls in the last 30 days | past `grace_days`, while it is deployed |
//! | performance | realised metrics, on `min_rows` rows | where the metric is there |
//! | superseded | days since a later version took its alias | while nothing routes to it |
//! | expiry | days left until the policy's date | where there is one |

pub mod parameters;

use modelyard_sdk::prelude::*;
use parameters::{Parameters, Performance, Steps};

/// The plugin.
#[derive(Debug)]
pub struct Rules;

impl Retirement for Rules {
    fn describe() -> Description {
        Description::new("Judges by age, traffic, performance and policy whether a version should retire")
            .parameters(parameters::SCHEMA)
            .outputs(["keep, warn or retire, with every reason in one sentence"])
    }

    fn assess(parameters: &str, usage: Usage) -> Result<Verdict, Error> {
        let parameters = Parameters::read(parameters)?;
        let mut reasons = Reasons::default();
        age(&parameters, &usage, &mut reasons);
        traffic(&parameters, &usage, &mut reasons);
        for rule in &parameters.performance {
            performance(rule, &usage, &mut reasons);
        }
        policy(&parameters, &usage, &mut reasons);
        Ok(reasons.verdict())
    }
}

#[derive(Default)]
struct Reasons {
    warn: Vec<String>,
    retire: Vec<String>,
}

impl Reasons {
    /// Applies the two thresholds: the stricter one that holds gets the reason,
    /// which `why` words with its bound.
    fn add(
        &mut self,
        warn: Option<f64>,
        retire: Option<f64>,
        holds: impl Fn(f64) -> bool,
        why: impl Fn(f64) -> String,
    ) {
        if let Some(bound) = retire.filter(|b| holds(*b)) {
            self.retire.push(why(bound));
        } else if let Some(bound) = warn.filter(|b| holds(*b)) {
            self.warn.push(why(bound));
        }
    }

    fn verdict(self) -> Verdict {
        if !self.retire.is_empty() {
            Verdict::Retire(self.retire)
        } else if !self.warn.is_empty() {
            Verdict::Warn(self.warn)
        } else {
            Verdict::Keep
        }
    }
}

fn name(usage: &Usage) -> String {
    format!("{} version {}", usage.model, usage.version)
}

fn age(parameters: &Parameters, usage: &Usage, reasons: &mut Reasons) {
    let Some(Steps { warn, retire }) = parameters.age_days else { return };
    reasons.add(
        warn,
        retire,
        |bound| usage.age_days >= bound,
        |bound| format!("{} is {:.0} days old, and {bound} days is the bound.", name(usage), usage.age_days),
    );
}

fn traffic(parameters: &Parameters, usage: &Usage, reasons: &mut Reasons) {
    if usage.age_days < parameters.grace_days {
        return;
    }
    if let Some(Steps { warn, retire }) = parameters.idle_days {
        let idle = usage.days_since_last_call.unwrap_or(usage.age_days);
        reasons.add(warn, retire, |bound| idle >= bound, |bound| match usage.days_since_last_call {
            Some(days) => {
                format!("{} was last called {days:.0} days ago, and {bound} days is the bound.", name(usage))
            }
            None => format!(
                "{} was never called in the {idle:.0} days since it was registered, and {bound} days is the bound.",
                name(usage)
            ),
        });
    }
    if let (Some(Steps { warn, retire }), true) = (parameters.calls_30d, usage.deployed) {
        let calls = usage.calls_30d as f64;
        reasons.add(
            warn,
            retire,
            |bound| calls < bound,
            |bound| {
                format!("{} was called {calls} times in the last 30 days, fewer than {bound}.", name(usage))
            },
        );
    }
}

fn performance(rule: &Performance, usage: &Usage, reasons: &mut Reasons) {
    let found = usage.metrics.iter().find(|m| m.name == rule.metric && m.slice == rule.slice);
    let Some(metric) = found.filter(|m| m.rows >= rule.min_rows && m.value.is_finite()) else { return };
    let of = metric.slice.as_ref().map_or_else(String::new, |slice| format!(" on {slice}"));
    let why = |bound: f64, side: &str| {
        format!(
            "{} of {}{of} is {:.4} over {} rows, {side} {bound}.",
            metric.name,
            name(usage),
            metric.value,
            metric.rows
        )
    };
    reasons.add(rule.warn_below, rule.retire_below, |b| metric.value < b, |b| why(b, "below"));
    reasons.add(rule.warn_above, rule.retire_above, |b| metric.value > b, |b| why(b, "above"));
}

fn policy(parameters: &Parameters, usage: &Usage, reasons: &mut Reasons) {
    if let (Some(Steps { warn, retire }), Some(days), false) =
        (parameters.superseded_days, usage.days_since_superseded, usage.deployed)
    {
        reasons.add(warn, retire, |bound| days >= bound, |bound| {
            format!(
                "{} was superseded {days:.0} days ago and nothing routes to it, and {bound} days is the bound.",
                name(usage)
            )
        });
    }
    if let (Some(Steps { warn, retire }), Some(days)) = (parameters.expiry_days, usage.days_to_expiry) {
        reasons.add(
            warn,
            retire,
            |bound| days <= bound,
            |bound| {
                if days <= 0.0 {
                    format!("{} passed its expiry date {:.0} days ago.", name(usage), -days)
                } else {
                    format!("{} expires in {days:.0} days, and {bound} days is the bound.", name(usage))
                }
            },
        );
    }
}

modelyard_sdk::export!(retirement: Rules);

#[cfg(test)]
mod tests;
