//! Learns nothing, and says of it what its parameters say.

wit_bindgen::generate!({ path: "../../../../../wit", world: "training-plugin" });

use exports::modelyard::lifecycle::training::{Artifact, Guest, Reader, Settings};
use modelyard::lifecycle::types::{Description, Error, Metric, Signature};

struct Train;

impl Guest for Train {
    fn describe() -> Description {
        Description {
            summary: "Learns nothing".into(),
            parameters: "{}".into(),
            inputs: Vec::new(),
            outputs: Vec::new(),
        }
    }

    fn train(settings: Settings, _: &Reader, _: Option<&Reader>) -> Result<Artifact, Error> {
        let number = |wrong: &str| if settings.parameters == wrong { f64::NAN } else { 0.5 };
        Ok(Artifact {
            bytes: Vec::new(),
            format: "none".into(),
            runner: "none".into(),
            signature: Signature { inputs: Vec::new(), outputs: Vec::new() },
            metrics: vec![Metric { name: "loss".into(), value: number("metric"), slice: None, rows: 1 }],
            importance: vec![("x".into(), number("importance"))],
        })
    }
}

export!(Train);
