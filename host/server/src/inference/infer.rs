//! Inference over HTTP: from the body of a request to the body of its answer.

use axum::{
    Extension,
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use modelyard_lifecycle::{Error, Platform};

use super::{
    Most, answer,
    body::{self, Refused},
    call::{self, Call, Outputs},
    input, parse,
};

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
    let version = call::version(&name, &version)?;
    respond(&platform, &name, Some(version), most, request).await
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
    let call = read_call(&headers, &read, version)?;
    drop(read);
    let (body, json_length) = call.run(platform, name, |answered| answer::body(name, &answered)).await?;
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

pub(super) fn read_call(headers: &HeaderMap, body: &[u8], version: Option<u32>) -> Result<Call, Error> {
    let (json, mut raw) = body::split(headers, body)?;
    let request = parse::request(json)?;
    input::distinct(request.inputs.iter().map(|input| input.name()))?;
    let halves = call::halves(request.inputs.iter().map(|input| (input.name(), input.datatype())));
    let inputs = request.inputs.into_iter().map(|input| input.tensor(&mut raw)).collect::<Result<_, _>>()?;
    if let Some(left) = raw.filter(|raw| !raw.is_empty()) {
        let message = format!(
            "{} bytes follow the last input's raw data: what binary_data_size says adds up to less",
            left.len()
        );
        return Err(Error::field("inputs", message));
    }
    let parameters = request.parameters.unwrap_or_default();
    let sticky = headers.get(call::STICKY).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Ok(Call {
        id: request.id,
        asked: call::asked(inputs, &parameters, sticky, version),
        outputs: Outputs::new(&parameters, request.outputs.unwrap_or_default(), false)?,
        halves,
    })
}
