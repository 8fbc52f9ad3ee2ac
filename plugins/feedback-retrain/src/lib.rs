//! Turns findings and labels into retraining and a challenger.
//!
//! The rules, in this order (parameters in [`parameters`]):
//!
//! 1. *Promote.* With `promote`: when the challenger's metric (marked by
//!    `challenger_slice`) beats the champion's by at least `min_gain`, strictly,
//!    both on at least `min_rows` rows, ask to promote it. Nothing is retrained
//!    in the same step: the promoted version answers the findings.
//! 2. *Retrain.* When at least `min_findings` findings of a severity of
//!    `retrain_on` or above (of `metrics`, where given) are there, or the last
//!    retraining is `retrain_every_days` ago, and at least `min_labels` labels
//!    have come since the version was trained, and the last retraining is at
//!    least `cool_down_days` ago.
//! 3. *Notify.* When a finding asked for a retraining that rule 2's labels or
//!    cool-down forbid, say so and why. Otherwise, when there are findings of a
//!    severity of `notify_on` or above and nothing was done about them, tell
//!    them.

pub mod parameters;

use modelyard_sdk::prelude::*;
use parameters::{Level, Parameters, Promotion};

/// The plugin.
#[derive(Debug)]
pub struct RetrainOnFindings;

impl Feedback for RetrainOnFindings {
    fn describe() -> Description {
        Description::new("Turns findings and labels into retraining and a challenger")
            .parameters(parameters::SCHEMA)
            .outputs(["retrain, promote or notify, each with its reason; nothing when all is well"])
    }

    fn decide(parameters: &str, situation: Situation) -> Result<Vec<Action>, Error> {
        let parameters = Parameters::read(parameters)?;
        if let Some(reason) = parameters.promote.as_ref().and_then(|p| promotion(p, &situation)) {
            return Ok(vec![Action::Promote(reason)]);
        }
        let wanted = wanted(&parameters, &situation);
        let forbidden = forbidden(&parameters, &situation);
        Ok(match (wanted, forbidden) {
            (Some(reason), None) => vec![Action::Retrain(Retrain {
                reason,
                window_days: parameters.window_days,
                propose_challenger: parameters.propose_challenger,
            })],
            (Some(reason), Some(why)) if parameters.notify_on.is_some() => {
                vec![Action::Notify(format!("{reason}; not retrained: {why}"))]
            }
            _ => notice(&parameters, &situation).into_iter().collect(),
        })
    }
}

/// Why the challenger should be promoted, where it should.
fn promotion(promotion: &Promotion, situation: &Situation) -> Option<String> {
    let metric = |slice: Option<&str>| {
        situation.metrics.iter().find(|m| {
            m.name == promotion.metric
                && m.slice.as_deref() == slice
                && m.rows >= promotion.min_rows
                && m.value.is_finite()
        })
    };
    let champion = metric(None)?;
    let challenger = metric(Some(&promotion.challenger_slice))?;
    let gain = if promotion.higher_is_better() {
        challenger.value - champion.value
    } else {
        champion.value - challenger.value
    };
    (gain > 0.0 && gain >= promotion.min_gain).then(|| {
        format!(
            "the challenger of {} has a {} of {:.4} on {} rows against the champion's {:.4} on {}: better by {gain:.4}, at least {} is asked",
            situation.model,
            promotion.metric,
            challenger.value,
            challenger.rows,
            champion.value,
            champion.rows,
            promotion.min_gain
        )
    })
}

/// Why a retraining is wanted, where one is.
fn wanted(parameters: &Parameters, situation: &Situation) -> Option<String> {
    let counts = |f: &&Finding| {
        Level::from(f.severity) >= parameters.retrain_on
            && (parameters.metrics.is_empty() || parameters.metrics.contains(&f.metric))
    };
    let findings: Vec<&Finding> = situation.findings.iter().filter(counts).collect();
    let name = format!("{} version {}", situation.model, situation.version);
    if findings.len() >= parameters.min_findings
        && let Some(last) = findings.last()
    {
        return Some(match findings.len() {
            1 => format!("{name}: {}", last.message),
            n => format!("{name}: {n} findings, the latest: {}", last.message),
        });
    }
    let every = parameters.retrain_every_days?;
    let days = situation.days_since_retrained?;
    (days >= every)
        .then(|| format!("{name} was last retrained {days:.1} days ago, and is due every {every} days"))
}

/// What stands in the way of a retraining.
fn forbidden(parameters: &Parameters, situation: &Situation) -> Option<String> {
    if let Some(days) = situation.days_since_retrained.filter(|d| *d < parameters.cool_down_days) {
        return Some(format!(
            "the last retraining was {days:.1} days ago, and {} days must lie between two",
            parameters.cool_down_days
        ));
    }
    (situation.labels < parameters.min_labels).then(|| {
        format!(
            "{} labels have come since the version was trained, and {} are needed",
            situation.labels, parameters.min_labels
        )
    })
}

/// The findings that are worth telling, as one notice.
fn notice(parameters: &Parameters, situation: &Situation) -> Option<Action> {
    let least = parameters.notify_on?;
    let findings: Vec<&Finding> =
        situation.findings.iter().filter(|f| Level::from(f.severity) >= least).collect();
    let worst = findings.iter().rev().max_by_key(|f| Level::from(f.severity))?;
    let more = match findings.len() - 1 {
        0 => String::new(),
        1 => " (and one more finding)".to_owned(),
        n => format!(" (and {n} more findings)"),
    };
    Some(Action::Notify(format!(
        "{} version {}: {}{more}",
        situation.model, situation.version, worst.message
    )))
}

modelyard_sdk::export!(feedback: RetrainOnFindings);

#[cfg(test)]
mod tests;
