//! The models that are served and the rows that they are asked about.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    http::request,
    python::{self, Environment},
};

/// Everything that `python/models.py` made, and the ONNX models of the tests.
pub(crate) struct Models {
    directory: PathBuf,
    flights: Rows,
}

/// A model with rows that it is asked about one by one.
pub(crate) struct Model {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) file: PathBuf,
    /// Bodies of requests.
    pub(crate) bodies: Vec<Vec<u8>>,
    /// The first number of the answer to each.
    pub(crate) expected: Vec<f64>,
}

/// Rows of flights and what LightGBM makes of them.
#[derive(Deserialize)]
pub(crate) struct Rows {
    pub(crate) names: Vec<String>,
    pub(crate) rows: Vec<Vec<f64>>,
    pub(crate) probabilities: Vec<f64>,
}

/// A request's tensor as the tests of the ONNX plugin keep it.
#[derive(Deserialize)]
struct Kept {
    name: String,
    #[serde(rename = "type")]
    datatype: String,
    shape: Vec<usize>,
    data: Vec<f64>,
}

#[derive(Deserialize)]
struct Case {
    inputs: Vec<Kept>,
    outputs: Vec<Kept>,
}

impl Models {
    /// Trains what isn't there yet.
    pub(crate) async fn prepare() -> Result<Self> {
        let directory = python::cache()?.join("models");
        let script = python::scripts().join("models.py");
        let text = std::fs::read_to_string(&script)?;
        let made = directory.join("made-from.py");
        if !std::fs::read_to_string(&made).is_ok_and(|known| known == text) {
            eprintln!("training models into {}", directory.display());
            let data =
                Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/flights/data/flights.csv.gz");
            let mut command = Environment::named("models").await?.command("python");
            // Training may use every core.
            command.env_remove("OMP_NUM_THREADS");
            python::run(command.arg(&script).arg(data).arg(&directory)).await?;
            std::fs::write(&made, text)?;
        }
        let rows = std::fs::read(directory.join("rows.json"))?;
        Ok(Self { flights: serde_json::from_slice(&rows)?, directory })
    }

    /// A file that was made.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub(crate) fn flights(&self) -> &Rows {
        &self.flights
    }

    /// LightGBM's 200 trees on the flights of 2013.
    pub(crate) fn trees(&self) -> Model {
        Model {
            name: "flights",
            title: "LightGBM, 200 trees",
            file: self.path("flights.txt"),
            bodies: self.flights.columns(),
            expected: self.flights.probabilities.clone(),
        }
    }

    /// scikit-learn's logistic regression behind a scaler, through ONNX.
    pub(crate) fn logistic(&self) -> Result<Model> {
        kept("logistic", "logistic regression", "cancer-logistic")
    }

    /// A small convolutional network on scikit-learn's digits, through ONNX.
    pub(crate) fn digits(&self) -> Result<Model> {
        kept("digits", "CNN on digits", "digits-cnn")
    }
}

impl Rows {
    /// Each row as one tensor for each column, as an imported LightGBM model
    /// takes them.
    fn columns(&self) -> Vec<Vec<u8>> {
        let bodies = self.rows.iter().map(|row| {
            let tensor = |(name, value): (&String, &f64)| json!({"name": name, "shape": [1], "datatype": "FP64", "data": [value]});
            json!({"inputs": self.names.iter().zip(row).map(tensor).collect::<Vec<_>>()})
        });
        bodies.map(|body| body.to_string().into_bytes()).collect()
    }

    /// Each row as one tensor of all columns, as Python's servers take them: to
    /// them it is the faster way.
    pub(crate) fn matrices(&self) -> Vec<Vec<u8>> {
        let bodies = self.rows.iter().map(|row| {
            json!({"inputs": [{"name": "x", "shape": [1, row.len()], "datatype": "FP64", "data": row}]})
        });
        bodies.map(|body| body.to_string().into_bytes()).collect()
    }
}

/// A model from the tests of the ONNX plugin, with ONNX Runtime's answers.
fn kept(name: &'static str, title: &'static str, file: &str) -> Result<Model> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/scoring-onnx/tests/data");
    let path = directory.join(file).with_extension("json");
    let text = std::fs::read(&path).with_context(|| path.display().to_string())?;
    let case: Case = serde_json::from_slice(&text)?;
    let rows = case.inputs.first().and_then(|input| input.shape.first().copied()).unwrap_or_default();
    let bodies = (0..rows).map(|row| {
        let inputs: Vec<Value> = case.inputs.iter().map(|input| input.row(row)).collect();
        json!({"inputs": inputs}).to_string().into_bytes()
    });
    let output = case.outputs.first().context("the model has no outputs")?;
    let width = output.data.len() / rows.max(1);
    let expected = output.data.iter().step_by(width.max(1)).copied();
    let file = directory.join(file).with_extension("onnx");
    Ok(Model { name, title, file, bodies: bodies.collect(), expected: expected.collect() })
}

impl Kept {
    fn row(&self, row: usize) -> Value {
        let width = self.shape.iter().skip(1).product::<usize>();
        let mut shape = self.shape.clone();
        if let Some(first) = shape.first_mut() {
            *first = 1;
        }
        let data = self.data.get(row * width..(row + 1) * width).unwrap_or_default();
        json!({"name": self.name, "shape": shape, "datatype": self.datatype, "data": data})
    }
}

/// The requests to a model behind the Open Inference Protocol.
pub(crate) fn requests(name: &str, bodies: &[Vec<u8>]) -> Vec<Bytes> {
    let path = format!("/v2/models/{name}/infer");
    bodies.iter().map(|body| request("POST", &path, &[("content-type", "application/json")], body)).collect()
}
