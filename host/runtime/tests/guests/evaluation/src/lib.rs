//! Measures what its parameters say, of whatever data.

wit_bindgen::generate!({ path: "../../../../../wit", world: "evaluation-plugin" });

use exports::modelyard::lifecycle::evaluation::{Curve, Guest, Reader, Report};
use modelyard::lifecycle::types::{Description, Error, Metric};

struct Measure;

impl Guest for Measure {
    fn describe() -> Description {
        Description {
            summary: "Measures".into(),
            parameters: "{}".into(),
            inputs: Vec::new(),
            outputs: Vec::new(),
        }
    }

    fn evaluate(parameters: String, _: &Reader) -> Result<Report, Error> {
        let value = if parameters == "metric" { f64::NAN } else { 0.5 };
        let y = if parameters == "curve" { f64::NAN } else { 0.5 };
        let metric = Metric { name: "auc".into(), value, slice: None, rows: 1 };
        let curve =
            Curve { name: "roc".into(), x_label: "x".into(), y_label: "y".into(), x: vec![0.0], y: vec![y] };
        Ok(Report { metrics: vec![metric], curves: vec![curve], confusion: None })
    }
}

export!(Measure);
