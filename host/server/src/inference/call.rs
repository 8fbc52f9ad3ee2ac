//! An inference, whichever way it came: what is asked in the lifecycle's words,
//! and what is answered.

use std::time::Instant;

use modelyard_lifecycle::{
    Code, Error, Platform,
    deployment::{Answer, Request, Spent},
    runtime::types::Tensor,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

/// The header or metadata that keeps a caller on one route.
pub(super) const STICKY: &str = "modelyard-sticky";

/// What is asked.
pub(super) struct Call {
    /// The request's own name.
    pub(super) id: Option<String>,
    pub(super) asked: Request,
    pub(super) outputs: Outputs,
    /// The inputs that were sent in half precision.
    pub(super) halves: Vec<String>,
}

/// What is told of a call beside its outputs.
#[derive(Debug, Default, Serialize)]
pub(super) struct Told {
    pub(super) prediction_id: Uuid,
    pub(super) model: String,
    #[serde(flatten)]
    pub(super) spent: Spent,
}

impl Told {
    fn of(answer: &Answer) -> Self {
        Self { prediction_id: answer.prediction_id, model: answer.model.clone(), spent: answer.spent }
    }
}

/// What is answered.
pub(super) struct Answered {
    pub(super) id: String,
    pub(super) version: String,
    pub(super) told: Told,
    /// Each with whether it is wanted raw.
    pub(super) outputs: Vec<(Tensor, bool)>,
}

impl Call {
    /// Has the deployment answer, and `encode` write the answer out.
    pub(super) async fn run<T>(
        self,
        platform: &Platform,
        name: &str,
        encode: impl FnOnce(Answered) -> Result<T, Error>,
    ) -> Result<T, Error> {
        // Boxed: every future around it would hold it, and is moved on its way.
        let answer = match Box::pin(platform.deployment().infer(name, self.asked)).await {
            Ok(answer) => answer,
            Err(error) => return Err(Box::pin(explained(platform, name, &self.halves, error)).await),
        };
        let started = Instant::now();
        let encoded = encode(Answered::new(self.id, &self.outputs, answer)?)?;
        platform.deployment().encoded(name, started.elapsed());
        Ok(encoded)
    }
}

impl Answered {
    pub(super) fn new(id: Option<String>, outputs: &Outputs, answer: Answer) -> Result<Self, Error> {
        Ok(Self {
            id: id.unwrap_or_else(|| answer.prediction_id.to_string()),
            version: answer.version.to_string(),
            told: Told::of(&answer),
            outputs: outputs.of(answer)?,
        })
    }
}

/// The request for the lifecycle. What a caller says by [`STICKY`] counts more
/// than the parameter.
pub(super) fn asked(
    inputs: Vec<Tensor>,
    parameters: &Map<String, Value>,
    sticky: Option<String>,
    version: Option<u32>,
) -> Request {
    let text = |name: &str| parameters.get(name).and_then(Value::as_str).map(str::to_owned);
    Request { inputs, sticky: sticky.or_else(|| text("sticky")), entity: text("entity"), version }
}

/// The number that names a version of a deployment.
pub(super) fn version(name: &str, version: &str) -> Result<u32, Error> {
    version
        .parse()
        .map_err(|_| Error::new(Code::NotFound, format!("{version:?} is no version number of {name:?}")))
}

/// Of inputs with their datatypes, those in half precision.
pub(super) fn halves<'a>(inputs: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let half = |datatype: &str| matches!(datatype, "FP16" | "BF16");
    inputs.filter(|(_, datatype)| half(datatype)).map(|(name, _)| name.to_owned()).collect()
}

/// Says how to bring back a model that was unloaded, and why an input is not of
/// the datatype that was sent.
async fn explained(platform: &Platform, name: &str, halves: &[String], mut error: Error) -> Error {
    if error.location.column.as_ref().is_some_and(|column| halves.contains(column)) {
        error.message.push_str(" (FP16 and BF16 are read as FP32)");
    }
    let gone = error.code == Code::NotFound && !platform.deployment().is_live(name);
    if gone && platform.deployment().get(name).await.is_ok() {
        let message = format!(
            "{name:?} is not loaded; POST /v2/repository/models/{name}/load, or RepositoryModelLoad over gRPC, \
             brings it back"
        );
        return Error::new(Code::NotFound, message);
    }
    error
}

/// An output that is asked for.
#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    pub(super) name: String,
    #[serde(default)]
    pub(super) parameters: Option<Map<String, Value>>,
}

/// Which outputs are answered, and how.
#[derive(Debug)]
pub(super) struct Outputs {
    /// By name, and whether each comes raw. Empty: all.
    wanted: Vec<(String, bool)>,
    /// Whether all come raw, if none is named.
    raw: bool,
}

impl Outputs {
    /// `raw` is whether they come so if neither the request nor they say how.
    ///
    /// # Errors
    /// `InvalidInput` for what would change the answer's meaning.
    pub(super) fn new(
        parameters: &Map<String, Value>,
        wanted: Vec<Wanted>,
        raw: bool,
    ) -> Result<Self, Error> {
        let raw = flag(parameters, "binary_data_output")?.unwrap_or(raw);
        let way = |output: Wanted| {
            let parameters = output.parameters.unwrap_or_default();
            let foreign = ["classification", "shared_memory_region"];
            if let Some(name) = parameters.keys().find(|name| foreign.contains(&name.as_str())) {
                let message = format!("the output {:?} asks for {name}, which is not done here", output.name);
                return Err(Error::field("outputs", message));
            }
            Ok((output.name, flag(&parameters, "binary_data")?.unwrap_or(raw)))
        };
        Ok(Self { wanted: wanted.into_iter().map(way).collect::<Result<_, _>>()?, raw })
    }

    /// Over gRPC all outputs come raw, or none.
    ///
    /// # Errors
    /// `InvalidInput` if they are asked for differently.
    pub(super) fn alike(&self) -> Result<(), Error> {
        let Some((first, raw)) = self.wanted.first() else { return Ok(()) };
        let Some((other, _)) = self.wanted.iter().find(|(_, way)| way != raw) else { return Ok(()) };
        let message = format!(
            "binary_data differs between the outputs {first:?} and {other:?}: over gRPC all come raw, or none"
        );
        Err(Error::field("outputs", message))
    }

    /// The wanted ones of an answer, in the model's order.
    fn of(&self, answer: Answer) -> Result<Vec<(Tensor, bool)>, Error> {
        let known = |name: &str| answer.outputs.iter().any(|output| output.name == name);
        if let Some((unknown, _)) = self.wanted.iter().find(|(name, _)| !known(name)) {
            let known: Vec<_> = answer.outputs.iter().map(|output| output.name.as_str()).collect();
            let message = format!("no output is named {unknown:?}; the outputs are {}", known.join(", "));
            return Err(Error::field("outputs", message));
        }
        if self.wanted.is_empty() {
            return Ok(answer.outputs.into_iter().map(|output| (output, self.raw)).collect());
        }
        let wanted = |output: Tensor| {
            let (_, raw) = self.wanted.iter().find(|(name, _)| *name == output.name)?;
            Some((output, *raw))
        };
        Ok(answer.outputs.into_iter().filter_map(wanted).collect())
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
