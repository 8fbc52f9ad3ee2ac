//! The limit: model files scored natively behind the Open Inference Protocol.
//!
//! A minimal axum server: one router, one handler, typed serde structs, and the
//! code of the scoring plugins compiled for this machine. It checks what it must
//! to answer and nothing else: no sandbox, no limits, no routing, no prediction
//! log, no authentication. Whatever the platform does besides is what it costs.

use std::{borrow::Cow, cell::RefCell, net::SocketAddr, path::PathBuf, str::FromStr, sync::Arc};

use anyhow::{Context, Result, bail};
use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use clap::Args;
use modelyard_sdk::prelude::{Scoring, Tensor, TensorData};
use scoring_lightgbm::plugin::LightGbm;
use scoring_onnx::plugin::Onnx;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{SeqAccess, Visitor},
};
use tokio::net::TcpListener;

#[derive(Debug, Args)]
pub(crate) struct Native {
    /// The address; port 0 takes any that is free.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// A model: NAME=FILE, where FILE ends with .txt (LightGBM) or .onnx.
    #[arg(long = "model", value_name = "NAME=FILE", required = true)]
    models: Vec<Named>,
}

#[derive(Clone, Debug)]
struct Named {
    name: String,
    file: PathBuf,
}

impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, file) = text.split_once('=').ok_or("write NAME=FILE")?;
        Ok(Self { name: name.to_owned(), file: file.into() })
    }
}

/// A model's file. Every thread loads its own, as every instance of the sandbox
/// has its own: nothing is shared between threads.
struct Model {
    name: String,
    onnx: bool,
    file: Vec<u8>,
}

enum Scorer {
    Trees(LightGbm),
    Graph(Onnx),
}

thread_local!(static LOADED: RefCell<Vec<Option<Scorer>>> = const { RefCell::new(Vec::new()) });

impl Native {
    pub(crate) async fn run(self) -> Result<()> {
        let mut models = Vec::new();
        for Named { name, file } in self.models {
            let onnx = match file.extension().and_then(|extension| extension.to_str()) {
                Some("onnx") => true,
                Some("txt") => false,
                _ => bail!("{} ends with neither .txt nor .onnx", file.display()),
            };
            let file = std::fs::read(&file).with_context(|| file.display().to_string())?;
            let model = Model { name, onnx, file };
            model.load().map_err(|error| anyhow::anyhow!("{}: {}", model.name, error.message()))?;
            models.push(model);
        }
        let router =
            Router::new().route("/v2/models/{name}/infer", post(infer)).with_state(Arc::from(models));
        let listener = TcpListener::bind(self.listen).await?;
        println!("listening on http://{}", listener.local_addr()?);
        axum::serve(listener, router).await?;
        Ok(())
    }
}

type Models = Arc<[Model]>;
type Answer<T> = Result<T, (StatusCode, String)>;

impl Model {
    fn load(&self) -> Result<Scorer, modelyard_sdk::Error> {
        Ok(match self.onnx {
            true => Scorer::Graph(Onnx::load(&self.file)?),
            false => Scorer::Trees(LightGbm::load(&self.file)?),
        })
    }
}

async fn infer(State(models): State<Models>, Path(name): Path<String>, body: Bytes) -> Answer<Response> {
    let wrong = |message: String| (StatusCode::BAD_REQUEST, message);
    let request: Request<'_> = serde_json::from_slice(&body)
        .map_err(|error| wrong(format!("the request can't be read: {error}")))?;
    let at = models.iter().position(|model| model.name == name);
    let (at, model) = at
        .and_then(|at| Some((at, models.get(at)?)))
        .ok_or((StatusCode::NOT_FOUND, format!("there is no model {name:?}")))?;
    let inputs =
        request.inputs.into_iter().map(Input::tensor).collect::<Result<Vec<_>, _>>().map_err(wrong)?;
    let outputs = predict(at, model, &inputs).map_err(|error| wrong(error.message()))?;
    let outputs = outputs.iter().map(|tensor| Output {
        name: &tensor.name,
        shape: &tensor.shape,
        datatype: tensor.data.datatype().name(),
        data: Elements(&tensor.data),
    });
    let answer = Outputs { model_name: &name, model_version: "1", outputs: outputs.collect() };
    let body = serde_json::to_vec(&answer)
        .map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// Scores with this thread's copy of the model.
fn predict(at: usize, model: &Model, inputs: &[Tensor]) -> Result<Vec<Tensor>, modelyard_sdk::Error> {
    LOADED.with_borrow_mut(|loaded| {
        if loaded.len() <= at {
            loaded.resize_with(at + 1, || None);
        }
        let Some(place) = loaded.get_mut(at) else { return Err(modelyard_sdk::Error::internal("no place")) };
        let scorer = match place {
            Some(scorer) => scorer,
            None => place.insert(model.load()?),
        };
        match scorer {
            Scorer::Trees(model) => model.predict(inputs),
            Scorer::Graph(model) => model.predict(inputs),
        }
    })
}

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    inputs: Vec<Input<'a>>,
}

#[derive(Deserialize)]
struct Input<'a> {
    name: String,
    shape: Vec<i64>,
    #[serde(borrow)]
    datatype: Cow<'a, str>,
    data: Data,
}

impl Input<'_> {
    fn tensor(self) -> Result<Tensor, String> {
        let Self { name, shape, datatype, data } = self;
        let data = match (&*datatype, data) {
            ("FP64", Data::Numbers(values)) => TensorData::Fp64(values),
            ("FP32", Data::Numbers(values)) => {
                TensorData::Fp32(values.into_iter().map(|value| value as f32).collect())
            }
            ("BYTES", Data::Texts(values)) => TensorData::Bytes(values),
            (datatype, _) => return Err(format!("the input {name:?} is no {datatype} that is read here")),
        };
        let tensor = Tensor { name, shape, data };
        tensor.check().map_err(|error| error.message())?;
        Ok(tensor)
    }
}

/// A flat list of numbers or of texts.
enum Data {
    Numbers(Vec<f64>),
    Texts(Vec<Vec<u8>>),
}

enum Element {
    Number(f64),
    Text(String),
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Data;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a flat list of numbers or of texts")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Data, A::Error> {
                let (mut numbers, mut texts) = (Vec::new(), Vec::new());
                while let Some(element) = seq.next_element()? {
                    match element {
                        Element::Number(number) => numbers.push(number),
                        Element::Text(text) => texts.push(text.into_bytes()),
                    }
                }
                Ok(if texts.is_empty() { Data::Numbers(numbers) } else { Data::Texts(texts) })
            }
        }
        deserializer.deserialize_seq(List)
    }
}

impl<'de> Deserialize<'de> for Element {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct One;
        impl Visitor<'_> for One {
            type Value = Element;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number, a text or null")
            }

            fn visit_unit<E>(self) -> Result<Element, E> {
                Ok(Element::Number(f64::NAN))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Element, E> {
                Ok(Element::Number(value))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Element, E> {
                Ok(Element::Number(value as f64))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Element, E> {
                Ok(Element::Number(value as f64))
            }

            fn visit_str<E>(self, value: &str) -> Result<Element, E> {
                Ok(Element::Text(value.to_owned()))
            }
        }
        deserializer.deserialize_any(One)
    }
}

#[derive(Serialize)]
struct Outputs<'a> {
    model_name: &'a str,
    model_version: &'a str,
    outputs: Vec<Output<'a>>,
}

#[derive(Serialize)]
struct Output<'a> {
    name: &'a str,
    shape: &'a [i64],
    datatype: &'static str,
    data: Elements<'a>,
}

struct Elements<'a>(&'a TensorData);

impl Serialize for Elements<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            TensorData::Fp64(values) => values.serialize(serializer),
            TensorData::Fp32(values) => values.serialize(serializer),
            TensorData::Int64(values) => values.serialize(serializer),
            TensorData::Bytes(values) => {
                serializer.collect_seq(values.iter().map(|text| String::from_utf8_lossy(text)))
            }
            other => {
                Err(serde::ser::Error::custom(format!("{} is not written here", other.datatype().name())))
            }
        }
    }
}
