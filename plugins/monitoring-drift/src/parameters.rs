//! What the caller may say.

use std::collections::BTreeMap;

use modelyard_sdk::prelude::*;
use serde::Deserialize;

/// The JSON Schema of [`Parameters`].
pub const SCHEMA: &str = r##"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "columns": {"type": "array", "items": {"type": "string"}, "uniqueItems": true, "default": [],
      "description": "Columns to compare; empty: every column but timestamps."},
    "ignore": {"type": "array", "items": {"type": "string"}, "uniqueItems": true, "default": [],
      "description": "Columns to leave out: keys, identifiers."},
    "tests": {"type": "array", "items": {"$ref": "#/$defs/test"}, "minItems": 1, "default": ["auto"],
      "description": "Tests of every column; those that do not fit a column's kind are left out for it."},
    "bounds": {"$ref": "#/$defs/bounds", "description": "Bounds of every column."},
    "per_column": {"type": "object", "default": {}, "additionalProperties": {
      "type": "object", "additionalProperties": false, "properties": {
        "kind": {"enum": ["numeric", "categorical"], "description": "How to read the column; by default its type."},
        "tests": {"type": "array", "items": {"$ref": "#/$defs/test"}, "minItems": 1},
        "bounds": {"$ref": "#/$defs/bounds"},
        "severity": {"$ref": "#/$defs/severity"}}}},
    "drift_share": {"type": "number", "exclusiveMinimum": 0, "maximum": 1, "default": 0.5,
      "description": "The data set drifts when at least this share of the compared columns does."},
    "severity": {"$ref": "#/$defs/severity", "default": "warning", "description": "Of a column's findings."},
    "dataset_severity": {"$ref": "#/$defs/severity", "default": "critical"},
    "min_rows": {"type": "integer", "minimum": 1, "default": 30,
      "description": "A column with fewer values than this on a side is measured, not judged."},
    "max_categories": {"type": "integer", "minimum": 2, "maximum": 10000000, "default": 100000,
      "description": "A column with more distinct texts is not compared."},
    "memory_mb": {"type": "integer", "minimum": 1, "maximum": 3000, "default": 256,
      "description": "Numeric values held at once; more columns than fit are read in several passes."}
  },
  "$defs": {
    "severity": {"enum": ["info", "warning", "critical"]},
    "test": {"enum": ["auto", "ks", "psi", "jensen_shannon", "wasserstein", "wasserstein_normed", "chi_square", "two_proportion_z"]},
    "bounds": {"type": "object", "additionalProperties": false, "properties": {
      "ks": {"type": "number", "exclusiveMinimum": 0, "maximum": 1, "default": 0.05, "description": "p-value; drift at or below it."},
      "chi_square": {"type": "number", "exclusiveMinimum": 0, "maximum": 1, "default": 0.05, "description": "p-value; drift below it."},
      "two_proportion_z": {"type": "number", "exclusiveMinimum": 0, "maximum": 1, "default": 0.05, "description": "p-value; drift below it."},
      "psi": {"type": "number", "exclusiveMinimum": 0, "default": 0.1, "description": "Drift at or above it."},
      "jensen_shannon": {"type": "number", "exclusiveMinimum": 0, "default": 0.1, "description": "Drift at or above it."},
      "wasserstein": {"type": "number", "exclusiveMinimum": 0, "description": "In the column's unit; drift at or above it. Needed with the test wasserstein."},
      "wasserstein_normed": {"type": "number", "exclusiveMinimum": 0, "default": 0.1, "description": "In standard deviations of the reference; drift at or above it."},
      "missing_share": {"type": "number", "minimum": 0, "maximum": 1, "default": 0.05, "description": "How far the share of missing values may rise above the reference's."}}}
  }
}"##;

/// A way to tell two windows of a column apart.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// Evidently's default for the reference's rows and the distinct values.
    Auto,
    /// Two-sample Kolmogorov–Smirnov, by p-value.
    Ks,
    /// Population stability index.
    Psi,
    /// Jensen–Shannon distance.
    JensenShannon,
    /// First Wasserstein distance, in the column's unit.
    Wasserstein,
    /// First Wasserstein distance, in standard deviations of the reference.
    WassersteinNormed,
    /// Pearson's chi-square, by p-value.
    ChiSquare,
    /// Two-proportion z, by p-value; chi-square where there are more than two
    /// values.
    TwoProportionZ,
}

impl Test {
    /// Whether it needs numbers.
    #[must_use]
    pub fn is_numeric(self) -> bool {
        matches!(self, Self::Ks | Self::Wasserstein | Self::WassersteinNormed)
    }

    /// Its name in the parameters.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Ks => "ks",
            Self::Psi => "psi",
            Self::JensenShannon => "jensen_shannon",
            Self::Wasserstein => "wasserstein",
            Self::WassersteinNormed => "wasserstein_normed",
            Self::ChiSquare => "chi_square",
            Self::TwoProportionZ => "two_proportion_z",
        }
    }

    /// The bound where neither the column nor the whole gives one.
    #[must_use]
    pub fn default_bound(self) -> Option<f64> {
        match self {
            Self::Ks | Self::ChiSquare | Self::TwoProportionZ => Some(0.05),
            Self::Psi | Self::JensenShannon | Self::WassersteinNormed => Some(0.1),
            Self::Auto | Self::Wasserstein => None,
        }
    }
}

/// How a column is read.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Numbers on a scale.
    Numeric,
    /// Names, codes, true and false.
    Categorical,
}

/// Bounds by test; see [`SCHEMA`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bounds {
    ks: Option<f64>,
    chi_square: Option<f64>,
    two_proportion_z: Option<f64>,
    psi: Option<f64>,
    jensen_shannon: Option<f64>,
    wasserstein: Option<f64>,
    wasserstein_normed: Option<f64>,
    missing_share: Option<f64>,
}

impl Bounds {
    fn of(&self, test: Test) -> Option<f64> {
        match test {
            Test::Auto => None,
            Test::Ks => self.ks,
            Test::Psi => self.psi,
            Test::JensenShannon => self.jensen_shannon,
            Test::Wasserstein => self.wasserstein,
            Test::WassersteinNormed => self.wasserstein_normed,
            Test::ChiSquare => self.chi_square,
            Test::TwoProportionZ => self.two_proportion_z,
        }
    }

    fn check(&self, pointer: &str) -> Result<(), Error> {
        let (p, distance) = (1.0, f64::MAX);
        let all = [
            ("ks", self.ks, p),
            ("chi_square", self.chi_square, p),
            ("two_proportion_z", self.two_proportion_z, p),
            ("psi", self.psi, distance),
            ("jensen_shannon", self.jensen_shannon, distance),
            ("wasserstein", self.wasserstein, distance),
            ("wasserstein_normed", self.wasserstein_normed, distance),
        ];
        for (name, value, most) in all {
            if let Some(value) = value.filter(|v| !(*v > 0.0 && *v <= most)) {
                let range = if most == p { "above 0 and at most 1" } else { "above 0" };
                return Err(Error::parameter(
                    format!("{pointer}/{name}"),
                    format!("a bound of {value}: it must be {range}"),
                ));
            }
        }
        if let Some(value) = self.missing_share.filter(|v| !(0.0..=1.0).contains(v)) {
            return Err(Error::parameter(
                format!("{pointer}/missing_share"),
                format!("a bound of {value}: it must be from 0 to 1"),
            ));
        }
        Ok(())
    }
}

/// What one column has of its own.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PerColumn {
    /// How to read it; by default its type decides.
    pub kind: Option<Kind>,
    /// Its tests, in place of those of every column.
    pub tests: Option<Vec<Test>>,
    /// Its bounds, before those of every column.
    pub bounds: Bounds,
    /// The severity of its findings.
    pub severity: Option<Level>,
}

/// [`Severity`] as the parameters write it.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Good to know.
    Info,
    /// Somebody should look.
    Warning,
    /// Somebody must act.
    Critical,
}

impl From<Level> for Severity {
    fn from(level: Level) -> Self {
        match level {
            Level::Info => Self::Info,
            Level::Warning => Self::Warning,
            Level::Critical => Self::Critical,
        }
    }
}

/// The parameters of a check; see [`SCHEMA`] for what each one means.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Parameters {
    pub columns: Vec<String>,
    pub ignore: Vec<String>,
    pub tests: Vec<Test>,
    pub bounds: Bounds,
    pub per_column: BTreeMap<String, PerColumn>,
    pub drift_share: f64,
    pub severity: Level,
    pub dataset_severity: Level,
    pub min_rows: u64,
    pub max_categories: usize,
    pub memory_mb: usize,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            columns: Vec::new(),
            ignore: Vec::new(),
            tests: vec![Test::Auto],
            bounds: Bounds::default(),
            per_column: BTreeMap::new(),
            drift_share: 0.5,
            severity: Level::Warning,
            dataset_severity: Level::Critical,
            min_rows: 30,
            max_categories: 100_000,
            memory_mb: 256,
        }
    }
}

impl Parameters {
    /// Reads and checks the JSON text.
    ///
    /// # Errors
    /// `invalid-input` with the parameter's pointer.
    pub fn read(text: &str) -> Result<Self, Error> {
        let read: Self = parameters(text)?;
        read.bounds.check("/bounds")?;
        if !(read.drift_share > 0.0 && read.drift_share <= 1.0) {
            let message = format!("a share of {}: it must be above 0 and at most 1", read.drift_share);
            return Err(Error::parameter("/drift_share", message));
        }
        let least = [
            ("/min_rows", read.min_rows, 1),
            ("/max_categories", read.max_categories as u64, 2),
            ("/memory_mb", read.memory_mb as u64, 1),
        ];
        for (pointer, value, least) in least {
            if value < least {
                return Err(Error::parameter(pointer, format!("{value} is too small: at least {least}")));
            }
        }
        check_tests(&read.tests, "/tests", &read.bounds, &Bounds::default())?;
        for (name, column) in &read.per_column {
            let pointer = format!("/per_column/{}", name.replace('~', "~0").replace('/', "~1"));
            column.bounds.check(&format!("{pointer}/bounds"))?;
            if let Some(tests) = &column.tests {
                check_tests(tests, &format!("{pointer}/tests"), &column.bounds, &read.bounds)?;
            }
        }
        Ok(read)
    }

    /// The tests that the column was given: its own or everyone's.
    #[must_use]
    pub fn tests_of(&self, column: &str) -> &[Test] {
        self.per_column.get(column).and_then(|c| c.tests.as_deref()).unwrap_or(&self.tests)
    }

    /// The bound of a test on a column; none for [`Test::Auto`].
    #[must_use]
    pub fn bound_of(&self, column: &str, test: Test) -> Option<f64> {
        let own = self.per_column.get(column).and_then(|c| c.bounds.of(test));
        own.or_else(|| self.bounds.of(test)).or_else(|| test.default_bound())
    }

    /// How far the share of missing values may rise, as a share.
    #[must_use]
    pub fn missing_bound_of(&self, column: &str) -> f64 {
        let own = self.per_column.get(column).and_then(|c| c.bounds.missing_share);
        own.or(self.bounds.missing_share).unwrap_or(0.05)
    }

    /// The severity of a column's findings.
    #[must_use]
    pub fn severity_of(&self, column: &str) -> Severity {
        self.per_column.get(column).and_then(|c| c.severity).unwrap_or(self.severity).into()
    }
}

fn check_tests(tests: &[Test], pointer: &str, own: &Bounds, all: &Bounds) -> Result<(), Error> {
    if tests.is_empty() {
        return Err(Error::parameter(pointer, "no test: name at least one, such as \"auto\""));
    }
    let bound = own.wasserstein.or(all.wasserstein);
    if tests.contains(&Test::Wasserstein) && bound.is_none() {
        let message = "wasserstein is in the column's own unit and has no default bound: give bounds.wasserstein, or use wasserstein_normed";
        return Err(Error::parameter(pointer, message));
    }
    Ok(())
}
