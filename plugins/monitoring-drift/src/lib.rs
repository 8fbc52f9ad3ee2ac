//! Compares two windows of data column by column: has the world changed since
//! the reference was taken?
//!
//! - [`parameters`]: columns, tests, bounds and severities.
//! - [`gather`]: reads the tables with bounded memory.
//! - [`compare`]: measures a column and judges it; the choice of `auto`.
//! - [`ks`], [`distances`], [`proportions`]: the statistics.
//! - [`special`]: tail probabilities.
//!
//! Definitions and defaults are Evidently's (0.7) and SciPy's. Null, NaN and
//! infinite values are missing: they are measured as a share of their own and
//! left out of everything else.

pub mod compare;
pub mod distances;
pub mod gather;
pub mod ks;
pub mod parameters;
pub mod proportions;
pub mod special;

use modelyard_sdk::monitoring::Report;
use modelyard_sdk::prelude::*;
use parameters::Parameters;

/// The plugin.
#[derive(Debug)]
pub struct Drift;

impl Monitoring for Drift {
    fn describe() -> Description {
        let outputs = [
            "missing_share by column: null, NaN or infinite values among the current rows",
            "psi, jensen_shannon by column: distances of the binned shares",
            "ks_statistic, wasserstein, wasserstein_normed by numeric column",
            "ks_p_value, chi_square_p_value, two_proportion_z_p_value by column, where the test was chosen",
            "drifted by column: 1 when one of its tests crossed its bound, else 0",
            "compared_columns, drifted_columns, drift_share: the whole table",
        ];
        Description {
            summary: "Compares two windows of data column by column".to_owned(),
            parameters: parameters::SCHEMA.to_owned(),
            inputs: Vec::new(),
            outputs: outputs.map(str::to_owned).to_vec(),
        }
    }

    fn check(parameters: &str, reference: &Reader, current: &Reader) -> Result<Report, Error> {
        let parameters = Parameters::read(parameters)?;
        let plans = gather::plan(&parameters, reference, current)?;
        if plans.is_empty() {
            return Err(Error::parameter("/columns", "no column is left to compare"));
        }
        if reference.rows() == 0 {
            return Err(Error::invalid("the reference has no rows: there is nothing to compare with"));
        }
        let mut report = Report { metrics: Vec::new(), findings: Vec::new() };
        let (mut compared, mut drifted, mut done) = (0_u64, Vec::new(), 0_usize);
        gather::each(&plans, &parameters, reference, current, |gathered| {
            let outcome = compare::column(&gathered, &parameters);
            compared += u64::from(outcome.drifted.is_some());
            if outcome.drifted == Some(true) {
                drifted.push(gathered.plan.name.clone());
            }
            report.metrics.extend(outcome.metrics);
            report.findings.extend(outcome.findings);
            done += 1;
            progress::report(done as f64 / plans.len() as f64, &gathered.plan.name);
            Ok(())
        })?;
        verdict(&parameters, compared, &drifted, current.rows(), &mut report);
        Ok(report)
    }
}

/// Adds the verdict on the whole table: a finding when the share of drifted
/// columns among those compared is not below `drift_share`.
fn verdict(parameters: &Parameters, compared: u64, drifted: &[String], rows: u64, report: &mut Report) {
    let count = drifted.len() as f64;
    let share = if compared == 0 { 0.0 } else { count / compared as f64 };
    let whole = [("compared_columns", compared as f64), ("drifted_columns", count), ("drift_share", share)];
    for (name, value) in whole {
        report.metrics.push(Metric { name: name.to_owned(), value, slice: None, rows });
    }
    if rows < parameters.min_rows {
        report.findings.push(Finding {
            metric: "rows".to_owned(),
            subject: None,
            value: rows as f64,
            threshold: parameters.min_rows as f64,
            severity: Severity::Info,
            message: format!(
                "the current window has {rows} rows, too few to judge: at least {} are needed",
                parameters.min_rows
            ),
        });
    } else if compared > 0 && share >= parameters.drift_share {
        report.findings.push(Finding {
            metric: "drift_share".to_owned(),
            subject: None,
            value: share,
            threshold: parameters.drift_share,
            severity: parameters.dataset_severity.into(),
            message: format!(
                "the data set drifts: {} of {compared} columns do ({}), a share of {} where {} is the bound",
                drifted.len(),
                drifted.join(", "),
                compare::short(share),
                parameters.drift_share
            ),
        });
    }
}

modelyard_sdk::export!(monitoring: Drift);
