//! Finds what its parameters say, in whatever data.

wit_bindgen::generate!({ path: "../../../../../wit", world: "monitoring-plugin" });

use exports::modelyard::lifecycle::monitoring::{Guest, Reader, Report};
use modelyard::lifecycle::types::{Description, Error, Finding, Metric, Severity};

struct Find;

impl Guest for Find {
    fn describe() -> Description {
        Description {
            summary: "Finds".into(),
            parameters: "{}".into(),
            inputs: Vec::new(),
            outputs: Vec::new(),
        }
    }

    fn check(parameters: String, _: &Reader, _: &Reader) -> Result<Report, Error> {
        let number = |wrong: &str| if parameters == wrong { f64::NAN } else { 0.5 };
        let finding = Finding {
            metric: "psi".into(),
            subject: None,
            value: number("finding"),
            threshold: 0.2,
            severity: Severity::Warning,
            message: "x has drifted".into(),
        };
        Ok(Report {
            metrics: vec![Metric { name: "psi".into(), value: number("metric"), slice: None, rows: 1 }],
            findings: vec![finding],
        })
    }
}

export!(Find);
