//! Measures one column, and judges it by its tests.

use modelyard_sdk::prelude::*;

use crate::distances::{self, Counts};
use crate::gather::{Gathered, Values};
use crate::ks;
use crate::parameters::{Kind, Parameters, Test};
use crate::proportions;

/// Reference rows up to which `auto` takes a test's p-value, above which it
/// takes a distance.
pub const SMALL_REFERENCE: u64 = 1000;

/// Distinct values up to which `auto` treats numbers as categories.
pub const FEW_VALUES: usize = 5;

/// Distinct reference values up to which PSI and Jensen–Shannon count by value.
const VALUE_BINS: usize = 20;

/// What a column gave.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Whether a test says that it drifts; none: it could not be judged.
    pub drifted: Option<bool>,
    /// All measures.
    pub metrics: Vec<Metric>,
    /// Bounds that were crossed.
    pub findings: Vec<Finding>,
}

/// Measures a column and runs its tests.
#[must_use]
pub fn column(gathered: &Gathered, parameters: &Parameters) -> Outcome {
    let mut outcome = Outcome::default();
    missing(gathered, parameters, &mut outcome);
    let name = &gathered.plan.name;
    if matches!(gathered.values, Values::TooMany) {
        outcome.findings.push(Finding {
            metric: "distinct_values".to_owned(),
            subject: Some(name.clone()),
            value: (parameters.max_categories + 1) as f64,
            threshold: parameters.max_categories as f64,
            severity: Severity::Info,
            message: format!(
                "{name} has more than {} distinct values and was not compared",
                parameters.max_categories
            ),
        });
        return outcome;
    }
    let (present, now) = gathered.present();
    if present == 0 || now == 0 {
        return outcome;
    }
    let measured = Measured::of(gathered);
    measured.report(gathered, &mut outcome);
    if present.min(now) < parameters.min_rows {
        return outcome;
    }
    let mut drifted = false;
    for test in measured.choose(gathered, parameters.tests_of(name)) {
        let Some((value, p_value)) = measured.value(gathered, test) else { continue };
        let Some(bound) = parameters.bound_of(name, test) else { continue };
        if p_value {
            outcome.metrics.push(metric(&format!("{}_p_value", test.name()), value, name, now));
        }
        let crossed = match test {
            Test::Ks => value <= bound,
            _ if p_value => value < bound,
            _ => value >= bound,
        };
        if crossed {
            drifted = true;
            outcome.findings.push(Finding {
                metric: if p_value { format!("{}_p_value", test.name()) } else { test.name().to_owned() },
                subject: Some(name.clone()),
                value,
                threshold: bound,
                severity: parameters.severity_of(name),
                message: message(name, test, value, bound, now, present),
            });
        }
    }
    outcome.metrics.push(metric("drifted", f64::from(u8::from(drifted)), name, now));
    outcome.drifted = Some(drifted);
    outcome
}

fn message(name: &str, test: Test, value: f64, bound: f64, now: u64, present: u64) -> String {
    let (what, relation) = match test {
        Test::Ks => ("the Kolmogorov–Smirnov p-value", "not above"),
        Test::ChiSquare => ("the chi-square p-value", "below"),
        Test::TwoProportionZ => ("the two-proportion z p-value", "below"),
        Test::Psi => ("the population stability index", "not below"),
        Test::JensenShannon => ("the Jensen–Shannon distance", "not below"),
        Test::Wasserstein => ("the Wasserstein distance", "not below"),
        Test::WassersteinNormed | Test::Auto => ("the normed Wasserstein distance", "not below"),
    };
    format!(
        "{name} drifts: {what} of {now} current rows from {present} reference rows is {}, {relation} {bound}",
        short(value)
    )
}

/// A number for a sentence: four significant digits.
#[must_use]
pub fn short(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 || (1e-3..1e6).contains(&size) {
        let digits = if size == 0.0 { 0 } else { (3 - size.log10().floor() as i32).clamp(0, 8) as usize };
        let text = format!("{value:.digits$}");
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    } else {
        format!("{value:.3e}")
    }
}

fn metric(name: &str, value: f64, column: &str, rows: u64) -> Metric {
    Metric { name: name.to_owned(), value, slice: Some(column.to_owned()), rows }
}

fn missing(gathered: &Gathered, parameters: &Parameters, outcome: &mut Outcome) {
    let share = |missing: u64, rows: u64| if rows == 0 { 0.0 } else { missing as f64 / rows as f64 };
    let before = share(gathered.missing.0, gathered.rows.0);
    let now = share(gathered.missing.1, gathered.rows.1);
    let name = &gathered.plan.name;
    outcome.metrics.push(metric("missing_share", now, name, gathered.rows.1));
    let bound = parameters.missing_bound_of(name);
    if now - before > bound && gathered.rows.1 >= parameters.min_rows {
        outcome.findings.push(Finding {
            metric: "missing_share".to_owned(),
            subject: Some(name.clone()),
            value: now,
            threshold: before + bound,
            severity: parameters.severity_of(name),
            message: format!(
                "{name} has no value in {} of the current rows, against {} of the reference: more than {bound} above it",
                short(now),
                short(before)
            ),
        });
    }
}

/// Both windows of a column with what several measures need.
struct Measured {
    /// Counts by distinct value.
    values: Counts,
    /// Counts by bin, for PSI and Jensen–Shannon.
    bins: Counts,
    ks: Option<f64>,
    wasserstein: Option<f64>,
    normed: Option<f64>,
}

impl Measured {
    fn of(gathered: &Gathered) -> Self {
        let values = gathered.counts();
        let Values::Numeric { reference, current } = &gathered.values else {
            return Self { bins: values.clone(), values, ks: None, wasserstein: None, normed: None };
        };
        let distinct = values.iter().filter(|c| c.0 > 0).count();
        // Whole numbers with gaps are decimals to pandas, whose bins these are.
        let whole = gathered.plan.whole && gathered.missing == (0, 0);
        let bins = if distinct > VALUE_BINS {
            distances::sturges(reference, current, whole)
        } else {
            values.clone()
        };
        let distance = distances::wasserstein(reference, current);
        Self {
            values,
            bins,
            ks: Some(ks::statistic(reference, current)),
            wasserstein: Some(distance),
            normed: Some(distances::wasserstein_normed(distance, reference)),
        }
    }

    /// Every measure that needs no choice, as metrics.
    fn report(&self, gathered: &Gathered, outcome: &mut Outcome) {
        let name = &gathered.plan.name;
        let rows = gathered.present().1;
        let measures = [
            ("psi", distances::psi(&self.bins)),
            ("jensen_shannon", distances::jensen_shannon(&self.bins)),
            ("ks_statistic", self.ks),
            ("wasserstein", self.wasserstein),
            ("wasserstein_normed", self.normed),
        ];
        for (measure, value) in measures {
            if let Some(value) = value.filter(|v| v.is_finite()) {
                outcome.metrics.push(metric(measure, value, name, rows));
            }
        }
    }

    /// The tests to run: `auto` replaced, those that do not fit left out, each
    /// one once.
    fn choose(&self, gathered: &Gathered, tests: &[Test]) -> Vec<Test> {
        let auto = auto(gathered.plan.kind, gathered.present().0, self.values.len());
        let mut chosen = Vec::new();
        for test in tests {
            let test = if *test == Test::Auto { auto } else { *test };
            // z compares two shares: with more values it is chi-square's case.
            let test =
                if test == Test::TwoProportionZ && self.values.len() > 2 { Test::ChiSquare } else { test };
            let fits = !test.is_numeric() || gathered.plan.kind == Kind::Numeric;
            if fits && !chosen.contains(&test) {
                chosen.push(test);
            }
        }
        if chosen.is_empty() {
            chosen.push(auto);
        }
        chosen
    }

    /// A test's value, and whether it is a p-value.
    fn value(&self, gathered: &Gathered, test: Test) -> Option<(f64, bool)> {
        let (n, m) = gathered.present();
        match test {
            Test::Ks => Some((ks::p_value(self.ks?, n as usize, m as usize), true)),
            Test::ChiSquare => Some((proportions::chi_square(&self.values)?.p_value, true)),
            Test::TwoProportionZ => Some((proportions::two_proportions(&self.values)?.p_value, true)),
            Test::Psi => Some((distances::psi(&self.bins)?, false)),
            Test::JensenShannon => Some((distances::jensen_shannon(&self.bins)?, false)),
            Test::Wasserstein => Some((self.wasserstein?, false)),
            Test::WassersteinNormed => Some((self.normed?, false)),
            Test::Auto => None,
        }
    }
}

/// The test that Evidently 0.7 takes by default for a column of this kind, with
/// so many reference values and so many distinct values in both windows.
#[must_use]
pub fn auto(kind: Kind, reference_rows: u64, distinct: usize) -> Test {
    let small = reference_rows <= SMALL_REFERENCE;
    match (kind, small) {
        (Kind::Numeric, true) if distinct > FEW_VALUES => Test::Ks,
        (Kind::Numeric, false) if distinct > FEW_VALUES => Test::WassersteinNormed,
        (_, true) if distinct > 2 => Test::ChiSquare,
        (_, true) => Test::TwoProportionZ,
        (_, false) => Test::JensenShannon,
    }
}
