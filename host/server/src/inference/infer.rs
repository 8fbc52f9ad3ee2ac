//! Inference: from the body of a request to the body of its answer.

use std::collections::HashSet;

use axum::{
    Extension,
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use modelyard_lifecycle::{
    Code, Error, Platform,
    deployment::{Answer, Request as Asked},
    runtime::types::Tensor,
};
use serde_json::{Map, Value, json};

use super::{
    Most, answer,
    body::{self, Refused},
    parse::{self, Wanted},
};

/// The header that keeps a caller on one route.
const STICKY: &str = "modelyard-sticky";

pub(super) async fn infer(
    State(platform): State<Platform>,
    Path(name): Path<String>,
    Extension(most): Extension<Most>,
    request: Request,
) -> Result<Response, Refused> {
    respond(&platform, &name, None, most, request).await
}

pub(super) async fn version_infer(
    State(platform): State<Platform>,
    Path((name, version)): Path<(String, String)>,
    Extension(most): Extension<Most>,
    request: Request,
) -> Result<Response, Refused> {
    let number = version
        .parse()
        .map_err(|_| Error::new(Code::NotFound, format!("{version:?} is no version number of {name:?}")))?;
    respond(&platform, &name, Some(number), most, request).await
}

async fn respond(
    platform: &Platform,
    name: &str,
    version: Option<u32>,
    most: Most,
    mut request: Request,
) -> Result<Response, Refused> {
    let headers = std::mem::take(request.headers_mut());
    let read = body::read(&headers, request, most.0).await?;
    let Prepared { id, asked, outputs, halves } = prepare(&headers, &read, version)?;
    drop(read);
    let answered = match platform.deployment().infer(name, asked).await {
        Ok(answered) => answered,
        Err(error) => return Err(explained(platform, name, &halves, error).await.into()),
    };
    let about = answer::About {
        model_name: name,
        model_version: answered.version.to_string(),
        id: id.unwrap_or_else(|| answered.prediction_id.to_string()),
        parameters: json!({
            "prediction_id": answered.prediction_id, "model": answered.model,
            "queue_us": answered.spent.queue_us, "instantiate_us": answered.spent.instantiate_us,
            "compute_us": answered.spent.compute_us, "total_us": answered.spent.total_us,
        }),
    };
    let outputs = outputs.of(answered)?;
    let (body, json_length) = answer::body(about, &outputs)?;
    let mut response = body::compressed(&headers, body).await?;
    let media = match json_length {
        Some(length) => {
            response.headers_mut().insert(body::JSON_LENGTH, HeaderValue::from(length));
            "application/octet-stream"
        }
        None => "application/json",
    };
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    Ok(response)
}

/// Says how to bring back a model that was unloaded, and why an input is not of
/// the datatype that was sent.
async fn explained(platform: &Platform, name: &str, halves: &[String], mut error: Error) -> Error {
    if error.location.column.as_ref().is_some_and(|column| halves.contains(column)) {
        error.message.push_str(" (FP16 and BF16 are read as FP32)");
    }
    let gone = error.code == Code::NotFound && !platform.deployment().is_live(name);
    if gone && platform.deployment().get(name).await.is_ok() {
        let message =
            format!("{name:?} is not loaded; POST /v2/repository/models/{name}/load brings it back");
        return Error::new(Code::NotFound, message);
    }
    error
}

/// A request in the lifecycle's words.
struct Prepared {
    id: Option<String>,
    asked: Asked,
    outputs: Outputs,
    /// The inputs that were sent in half precision.
    halves: Vec<String>,
}

fn prepare(headers: &HeaderMap, body: &[u8], version: Option<u32>) -> Result<Prepared, Error> {
    let (json, mut raw) = body::split(headers, body)?;
    let request = parse::request(json)?;
    let mut names = HashSet::with_capacity(request.inputs.len());
    if let Some(twice) = request.inputs.iter().find(|input| !names.insert(input.name())) {
        let mut error = Error::invalid(format!("the input {:?} is there twice", twice.name()));
        error.location.column = Some(twice.name().to_owned());
        return Err(error);
    }
    drop(names);
    let halves = request.inputs.iter().filter(|input| input.is_half());
    let halves = halves.map(|input| input.name().to_owned()).collect();
    let inputs: Vec<Tensor> =
        request.inputs.into_iter().map(|input| input.tensor(&mut raw)).collect::<Result<_, _>>()?;
    if let Some(left) = raw.filter(|raw| !raw.is_empty()) {
        let message = format!(
            "{} bytes follow the last input's raw data: what binary_data_size says adds up to less",
            left.len()
        );
        return Err(Error::field("inputs", message));
    }
    let parameters = request.parameters.unwrap_or_default();
    let text = |name: &str| parameters.get(name).and_then(Value::as_str).map(str::to_owned);
    let sticky = headers.get(STICKY).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let asked = Asked { inputs, sticky: sticky.or_else(|| text("sticky")), entity: text("entity"), version };
    let outputs = Outputs::new(&parameters, request.outputs.unwrap_or_default())?;
    Ok(Prepared { id: request.id, asked, outputs, halves })
}

/// Which outputs are answered, and how.
struct Outputs {
    /// Empty: all.
    wanted: Vec<Wanted>,
    /// Whether outputs that say nothing themselves come raw.
    raw: bool,
}

impl Outputs {
    fn new(parameters: &Map<String, Value>, wanted: Vec<Wanted>) -> Result<Self, Error> {
        let raw = flag(parameters, "binary_data_output")?.unwrap_or(false);
        for output in &wanted {
            let parameters = output.parameters.iter().flatten();
            let foreign = ["classification", "shared_memory_region"];
            if let Some((name, _)) = parameters.into_iter().find(|(name, _)| foreign.contains(&name.as_str()))
            {
                let message = format!("the output {:?} asks for {name}, which is not done here", output.name);
                return Err(Error::field("outputs", message));
            }
            output.raw()?;
        }
        Ok(Self { wanted, raw })
    }

    /// The wanted ones of an answer, in the model's order.
    fn of(&self, answer: Answer) -> Result<Vec<(Tensor, bool)>, Error> {
        let mut outputs = Vec::with_capacity(answer.outputs.len());
        let unknown =
            self.wanted.iter().find(|one| !answer.outputs.iter().any(|output| output.name == one.name));
        if let Some(unknown) = unknown {
            let known: Vec<_> = answer.outputs.iter().map(|output| output.name.as_str()).collect();
            let message =
                format!("no output is named {:?}; the outputs are {}", unknown.name, known.join(", "));
            return Err(Error::field("outputs", message));
        }
        for output in answer.outputs {
            let wanted = self.wanted.iter().find(|one| one.name == output.name);
            let raw = match wanted {
                Some(wanted) => wanted.raw()?.unwrap_or(self.raw),
                None if self.wanted.is_empty() => self.raw,
                None => continue,
            };
            outputs.push((output, raw));
        }
        Ok(outputs)
    }
}

impl Wanted {
    /// Whether it comes raw, if it says so.
    fn raw(&self) -> Result<Option<bool>, Error> {
        self.parameters.as_ref().map_or(Ok(None), |parameters| flag(parameters, "binary_data"))
    }
}

fn flag(parameters: &Map<String, Value>, name: &str) -> Result<Option<bool>, Error> {
    match parameters.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(value)) => Ok(Some(*value)),
        Some(other) => {
            Err(Error::field("parameters", format!("{name} is {other}; true or false is accepted")))
        }
    }
}
