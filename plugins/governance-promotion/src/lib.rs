//! Checks a version against the promotion policy.
//!
//! For the changes that `actions` names, every rule is checked and every reason
//! told: metric bounds (whole and slices), fairness bounds, not worse than the
//! champion, lineage, model card, imports ([`parameters`]). A change that breaks
//! a rule is denied. One that breaks none is asked about when the model's risk
//! is above `ask_above`, when `ask_for` names the change, or when the system
//! asks and `ask_when_system` is set; otherwise it is allowed.

pub mod parameters;

use modelyard_sdk::prelude::*;
use parameters::{Bound, Parameters};

/// The plugin.
#[derive(Debug)]
pub struct Promotion;

impl Governance for Promotion {
    fn describe() -> Description {
        Description::new("Checks a version against the promotion policy")
            .parameters(parameters::SCHEMA)
            .outputs(["allow, deny or ask, with every reason in one sentence"])
    }

    fn review(parameters: &str, change: Change) -> Result<Decision, Error> {
        let parameters = Parameters::read(parameters)?;
        let mut denied = Vec::new();
        if parameters.actions.contains(&change.action) {
            for bound in &parameters.metrics {
                metric(bound, &change.metrics, bound.required.unwrap_or(!bound.is_pattern()), &mut denied);
            }
            for bound in &parameters.bias {
                metric(bound, &change.metrics, bound.required.unwrap_or(false), &mut denied);
            }
            champion(&parameters, &change, &mut denied);
            provenance(&parameters, &change, &mut denied);
        }
        if !denied.is_empty() {
            return Ok(Decision::Deny(denied));
        }
        let asked = questions(&parameters, &change);
        Ok(if asked.is_empty() { Decision::Allow } else { Decision::Ask(asked) })
    }
}

fn metric(bound: &Bound, metrics: &[Metric], required: bool, denied: &mut Vec<String>) {
    let meant = |m: &&Metric| m.name == bound.metric && bound.covers(m.slice.as_deref());
    let mut found = false;
    for metric in metrics.iter().filter(meant) {
        if metric.slice.is_some() && metric.rows < bound.min_rows {
            continue;
        }
        found = true;
        let name = named(&metric.name, metric.slice.as_deref());
        if metric.value.is_nan() {
            denied.push(format!("{name} is not a number."));
            continue;
        }
        if let Some(min) = bound.min.filter(|min| metric.value < *min) {
            denied.push(format!(
                "{name} is {} over {} rows, below the least of {min}.",
                number(metric.value),
                metric.rows
            ));
        }
        if let Some(max) = bound.max.filter(|max| metric.value > *max) {
            denied.push(format!(
                "{name} is {} over {} rows, above the most of {max}.",
                number(metric.value),
                metric.rows
            ));
        }
    }
    if !found && required {
        let range = match (bound.min, bound.max) {
            (Some(min), Some(max)) => format!("at least {min} and at most {max}"),
            (Some(min), None) => format!("at least {min}"),
            (_, max) => format!("at most {}", max.unwrap_or_default()),
        };
        denied.push(format!(
            "{} was not measured, and {range} is required.",
            named(&bound.metric, bound.slice.as_deref())
        ));
    }
}

fn champion(parameters: &Parameters, change: &Change, denied: &mut Vec<String>) {
    if change.champion_metrics.is_empty() {
        return;
    }
    let whole = |metrics: &[Metric], name: &str| {
        metrics.iter().find(|m| m.name == name && m.slice.is_none()).map(|m| m.value)
    };
    for (name, bound) in &parameters.not_worse_than_champion {
        let Some(champion) = whole(&change.champion_metrics, name).filter(|v| !v.is_nan()) else {
            denied.push(format!(
                "The champion's {name} was not measured, so that nothing can be held against it."
            ));
            continue;
        };
        let Some(value) = whole(&change.metrics, name).filter(|v| !v.is_nan()) else {
            denied.push(format!("{name} was not measured, and the champion has {}.", number(champion)));
            continue;
        };
        let worse = if parameters.higher_is_better(name) { champion - value } else { value - champion };
        if worse > *bound {
            denied.push(format!(
                "{name} is {}, worse than the champion's {} by {}, and {bound} is the most.",
                number(value),
                number(champion),
                number(worse)
            ));
        }
    }
}

fn provenance(parameters: &Parameters, change: &Change, denied: &mut Vec<String>) {
    for needed in parameters.lineage.iter().filter(|l| !change.lineage.contains(l)) {
        denied.push(format!("The lineage lacks the {needed} that the version comes from."));
    }
    if let Some(card) = &parameters.card {
        for gap in change.card_gaps.iter().filter(|gap| !card.allowed_gaps.contains(gap)) {
            denied.push(format!("The model card has no content for {gap}."));
        }
    }
    if let Some(allowed) = &parameters.imports {
        for import in change.imports.iter().filter(|i| !allowed.contains(i)) {
            let rule = match allowed.as_slice() {
                [] => "none is allowed".to_owned(),
                some => format!("only {} is allowed", some.join(", ")),
            };
            denied.push(format!("The model imports {import}, and {rule}."));
        }
    }
}

fn questions(parameters: &Parameters, change: &Change) -> Vec<String> {
    let mut asked = Vec::new();
    let name = format!("{} version {}", change.model, change.version);
    if parameters.risk > parameters.ask_above {
        asked.push(format!(
            "The risk of {} is {}, and above {} a person must agree.",
            change.model,
            parameters.risk.name(),
            parameters.ask_above.name()
        ));
    }
    if parameters.ask_for.contains(&change.action) {
        asked.push(format!("To {} {name} a person must agree.", change.action));
    }
    if parameters.ask_when_system && change.actor == "system" {
        asked.push(format!("The system itself asks to {} {name}, and a person must agree.", change.action));
    }
    asked
}

fn named(metric: &str, slice: Option<&str>) -> String {
    slice.map_or_else(|| metric.to_owned(), |slice| format!("{metric} on {slice}"))
}

/// At most six decimals.
fn number(value: f64) -> String {
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

modelyard_sdk::export!(governance: Promotion);

#[cfg(test)]
mod tests;
