//! Holds realised metrics of a window against those of a reference, once the
//! labels have come: has the model decayed, has the concept drifted?
//!
//! - [`parameters`]: columns, bounds, confidence.
//! - [`window`]: reads labelled predictions.
//! - [`measure`]: metrics with their standard errors.
//!
//! A finding needs three things: enough labelled rows on both sides, a
//! worsening past its bound, and a worsening that chance does not explain: the
//! difference divided by √(se² + se²) of both windows past the normal quantile
//! of `confidence`. So a small window does not alarm.

pub mod measure;
pub mod parameters;
pub mod window;

use measure::{Estimate, Gap};
use modelyard_sdk::monitoring::Report;
use modelyard_sdk::prelude::*;
use parameters::{Bound, Parameters};
use window::Window;

/// The plugin.
#[derive(Debug)]
pub struct Performance;

impl Monitoring for Performance {
    fn describe() -> Description {
        Description::new("Compares realised metrics with a reference").parameters(parameters::SCHEMA).outputs([
            "roc_auc, log_loss, brier, accuracy, f1 (binary), accuracy (multiclass), rmse, mae, r2 (regression)",
            "the same of the reference, with the slice window=reference",
            "<metric>_standard_error of the current window",
            "mean_prediction, mean_truth, calibration_gap: predicted minus observed",
            "labelled_share: rows whose label has come; unscored_rows: labels without a prediction",
        ])
    }

    fn check(parameters: &str, reference: &Reader, current: &Reader) -> Result<Report, Error> {
        let parameters = Parameters::read(parameters)?;
        let before = window::read(&parameters, reference)?;
        let now = window::read(&parameters, current)?;
        let mut check =
            Check { parameters: &parameters, report: Report { metrics: Vec::new(), findings: Vec::new() } };
        check.run(&before, &now);
        Ok(check.report)
    }
}

const REFERENCE: &str = "window=reference";

struct Check<'a> {
    parameters: &'a Parameters,
    report: Report,
}

impl Check<'_> {
    fn run(&mut self, before: &Window, now: &Window) {
        let share = if now.rows == 0 { 0.0 } else { now.labelled as f64 / now.rows as f64 };
        self.report.metrics.push(Metric::new("labelled_share", share, now.rows));
        self.report.metrics.push(Metric::new("unscored_rows", now.unscored as f64, now.rows));
        let enough = self.enough(before, now);
        let old = measure::metrics(before, self.parameters.threshold);
        for estimate in measure::metrics(now, self.parameters.threshold) {
            let reference = old.iter().find(|e| e.name == estimate.name);
            self.report.metrics.push(Metric::new(estimate.name, estimate.value, now.labelled));
            let error = format!("{}_standard_error", estimate.name);
            self.report.metrics.push(Metric::new(error, estimate.error, now.labelled));
            if let Some(reference) = reference {
                let metric = Metric::new(estimate.name, reference.value, before.labelled);
                self.report.metrics.push(metric.slice(REFERENCE));
            }
            if enough {
                self.judge(&estimate, reference, now.labelled);
            }
        }
        self.gap(measure::gap(before), measure::gap(now), now.labelled, enough);
    }

    /// Whether both windows have the rows to be judged; an info finding if not.
    fn enough(&mut self, before: &Window, now: &Window) -> bool {
        let least = self.parameters.min_rows;
        let short =
            [("reference", before), ("current window", now)].into_iter().find(|(_, w)| w.labelled < least);
        let Some((name, window)) = short else { return true };
        let message = format!(
            "the {name} has {} labelled rows of {}, too few to judge: at least {least} are needed",
            window.labelled, window.rows
        );
        let finding = Finding::new("labelled_rows", window.labelled as f64, least as f64, message);
        self.report.findings.push(finding.severity(Severity::Info));
        false
    }

    fn judge(&mut self, now: &Estimate, before: Option<&Estimate>, rows: u64) {
        let Some(bound) = self.parameters.metrics.get(now.name) else { return };
        let sign = if now.higher_is_better { 1.0 } else { -1.0 };
        let z = measure::normal_quantile(self.parameters.confidence);
        if let Some(limit) = bound.limit.filter(|limit| sign * (limit - now.value) > z * now.error) {
            let message = format!(
                "{} of {rows} labelled rows is {}, worse than the limit of {limit} (standard error {})",
                now.name,
                short(now.value),
                short(now.error)
            );
            self.find(now.name, now.value, limit, bound.severity, message);
            return;
        }
        let Some(before) = before else { return };
        let worse = sign * (before.value - now.value);
        let Some(allowed) = allowed(bound, before.value) else { return };
        let error = now.error.hypot(before.error);
        if worse > allowed && worse > z * error {
            let threshold = before.value - sign * allowed;
            let message = format!(
                "{} of {rows} labelled rows is {} against {} in the reference: {} worse where {} is the bound (standard error {})",
                now.name,
                short(now.value),
                short(before.value),
                short(worse),
                short(allowed),
                short(error)
            );
            self.find(now.name, now.value, threshold, bound.severity, message);
        }
    }

    fn gap(&mut self, before: Option<Gap>, now: Option<Gap>, rows: u64, enough: bool) {
        let Some(now) = now else { return };
        for (name, value) in [
            ("mean_prediction", now.predicted),
            ("mean_truth", now.observed),
            ("calibration_gap", now.value()),
        ] {
            self.report.metrics.push(Metric::new(name, value, rows));
        }
        let (Some(before), Some(bound), true) = (before, self.parameters.calibration_shift, enough) else {
            return;
        };
        let unit = if self.parameters.task == parameters::Task::Regression { before.spread } else { 1.0 };
        let (shift, bound) = (now.value() - before.value(), bound * unit);
        // Two-sided: half of the doubt on either side.
        let z = measure::normal_quantile(1.0 - (1.0 - self.parameters.confidence) / 2.0);
        if shift.abs() > bound && shift.abs() > z * now.error.hypot(before.error) {
            let message = format!(
                "the concept drifts: of {rows} labelled rows {} is predicted on average and {} observed, a gap of {} against {} in the reference",
                short(now.predicted),
                short(now.observed),
                short(now.value()),
                short(before.value())
            );
            let threshold = before.value() + bound.copysign(shift);
            self.find("calibration_gap", now.value(), threshold, None, message);
        }
    }

    fn find(
        &mut self,
        name: &str,
        value: f64,
        bound: f64,
        severity: Option<parameters::Level>,
        message: String,
    ) {
        let severity = severity.unwrap_or(self.parameters.severity).into();
        self.report.findings.push(Finding::new(name, value, bound, message).severity(severity));
    }
}

/// The worsening that the bound allows: the smaller one of its two, where it
/// has both.
fn allowed(bound: &Bound, reference: f64) -> Option<f64> {
    let relative = bound.max_relative_drop.map(|r| r * reference.abs());
    match (bound.max_drop, relative) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// A number for a sentence: four decimals, or an exponent for the small and the
/// large.
fn short(value: f64) -> String {
    if value == 0.0 || (1e-3..1e6).contains(&value.abs()) {
        let text = format!("{value:.4}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        format!("{value:.3e}")
    }
}

modelyard_sdk::export!(monitoring: Performance);
