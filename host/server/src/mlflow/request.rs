//! What a request says, read as protobuf's JSON is: numbers may be texts, names
//! may be in camel case, what is unknown is ignored, and null is as good as left
//! out. What a GET says stands in its query.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request, rejection::BytesRejection},
    http::{Method, StatusCode, header},
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::error::{Error, Result};

/// What is added to every complaint about a field, as MLflow does.
const SEE: &str = " See the API docs for more information about request parameters.";

/// The fields of a request.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields(Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let query = request.uri().query().unwrap_or_default();
        if matches!(*request.method(), Method::GET | Method::HEAD) && !query.is_empty() {
            return Ok(Self::of_query(query));
        }
        let body = body(request, state).await?;
        Self::of_json(&body)
    }
}

/// The body of a request that is JSON, or nothing.
pub(super) async fn body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes> {
    let told = matches!(*request.method(), Method::POST | Method::PUT);
    let media = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if told {
        let media = media.ok_or_else(|| Error::invalid("Bad Request. Content-Type header is missing."))?;
        let plain = media.split(';').next().unwrap_or_default().trim();
        if !plain.eq_ignore_ascii_case("application/json") {
            return Err(Error::invalid("Bad Request. Content-Type must be one of ['application/json']."));
        }
    }
    Bytes::from_request(request, state).await.map_err(|rejection: BytesRejection| {
        let said = rejection.body_text();
        match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => modelyard_lifecycle::Error::new(
                modelyard_lifecycle::Code::TooLarge,
                format!("the request is too large: {said}"),
            )
            .into(),
            _ => Error::bad_request(format!("the request's body can't be read: {said}")),
        }
    })
}

impl Fields {
    /// The fields of a query; one that is there more than once is a list.
    pub(super) fn of_query(query: &str) -> Self {
        let mut fields = Map::new();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let value = Value::String(value.into_owned());
            match fields.get_mut(name.as_ref()) {
                None => {
                    fields.insert(name.into_owned(), value);
                }
                Some(Value::Array(values)) => values.push(value),
                Some(first) => *first = Value::Array(vec![first.take(), value]),
            }
        }
        Self(fields)
    }

    /// The fields of a JSON object; of none if there is nothing.
    pub(super) fn of_json(body: &[u8]) -> Result<Self> {
        if body.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        let no_json = |error| Error::bad_request(format!("the request's body is no JSON: {error}"));
        let mut value: Value = serde_json::from_slice(body).map_err(no_json)?;
        // Old clients send JSON in a JSON text.
        if let Value::String(text) = &value {
            value = serde_json::from_str(text).map_err(no_json)?;
        }
        match value {
            Value::Object(fields) => Ok(Self(fields)),
            Value::Null => Ok(Self::default()),
            other => {
                Err(Error::bad_request(format!("the request's body is {}, not an object", kind(&other))))
            }
        }
    }

    /// A field as it stands, by its name or that in camel case.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        let found = self.0.get(name).or_else(|| self.0.get(camel(name).as_str()));
        found.filter(|value| !value.is_null())
    }

    /// Refuses a field that is there by both its names.
    fn one<'a>(&'a self, name: &str) -> Result<Option<&'a Value>> {
        let other = camel(name);
        if other != name && self.0.contains_key(name) && self.0.contains_key(&other) {
            return Err(Error::invalid(format!(
                "Request specifies both '{name}' and '{other}'; provide only one of them."
            )));
        }
        Ok(self.get(name))
    }

    /// A text, also an empty one.
    pub(super) fn maybe(&self, name: &str) -> Result<Option<&str>> {
        match self.one(name)? {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong(name, other)),
        }
    }

    /// A text; empty if there is none.
    pub(super) fn text(&self, name: &str) -> Result<&str> {
        Ok(self.maybe(name)?.unwrap_or_default())
    }

    /// A text that isn't empty; none if there is none.
    pub(super) fn filled(&self, name: &str) -> Result<Option<&str>> {
        Ok(self.maybe(name)?.filter(|text| !text.is_empty()))
    }

    /// A text that must be there.
    pub(super) fn required(&self, name: &str) -> Result<&str> {
        self.filled(name)?.ok_or_else(|| missing(name))
    }

    /// The run's id, which has an older name as well.
    pub(super) fn run_id(&self) -> Result<&str> {
        match self.filled("run_id")? {
            Some(id) => Ok(id),
            None => self.filled("run_uuid")?.ok_or_else(|| missing("run_id")),
        }
    }

    /// A whole number.
    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>> {
        match self.one(name)? {
            None => Ok(None),
            Some(value) => integer(value).map(Some).ok_or_else(|| wrong(name, value)),
        }
    }

    /// Yes or no.
    pub(super) fn boolean(&self, name: &str) -> Result<Option<bool>> {
        match self.one(name)? {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(Value::String(text)) => {
                Err(Error::invalid(format!("Invalid boolean value: {text}, must be 'true' or 'false'.")))
            }
            Some(other) => Err(wrong(name, other)),
        }
    }

    /// A list of texts; empty if there is none. Of a query, one text is a list.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>> {
        let item = |value: &Value| value.as_str().map(str::to_owned);
        let Some(value) = self.one(name)? else { return Ok(vec![]) };
        let texts = match value {
            Value::String(text) => Some(vec![text.clone()]),
            Value::Array(values) => values.iter().map(item).collect(),
            _ => None,
        };
        texts.ok_or_else(|| wrong(name, value))
    }

    /// A list of records; empty if there is none.
    pub(super) fn records<T: DeserializeOwned>(&self, name: &str) -> Result<Vec<T>> {
        let Some(value) = self.one(name)? else { return Ok(vec![]) };
        let Value::Array(values) = value else { return Err(wrong(name, value)) };
        values.iter().enumerate().map(|(at, value)| record(&format!("{name}[{at}]"), value)).collect()
    }

    /// Tags, or what has a key and a value as they have; each needs its key.
    pub(super) fn pairs(&self, name: &str) -> Result<Vec<(String, String)>> {
        let Some(value) = self.one(name)? else { return Ok(vec![]) };
        let Value::Array(values) = value else { return Err(wrong(name, value)) };
        let pair = |(at, value): (usize, &Value)| {
            let Value::Object(fields) = value else { return Err(wrong(&format!("{name}[{at}]"), value)) };
            let fields = Self(fields.clone());
            let key = fields.filled("key")?.ok_or_else(|| missing(&format!("{name}[{at}].key")))?;
            Ok((key.to_owned(), fields.text("value")?.to_owned()))
        };
        values.iter().enumerate().map(pair).collect()
    }

    /// A record.
    pub(super) fn object(&self, name: &str) -> Result<Option<Self>> {
        match self.one(name)? {
            None => Ok(None),
            Some(Value::Object(fields)) => Ok(Some(Self(fields.clone()))),
            Some(other) => Err(wrong(name, other)),
        }
    }

    /// A list of records, each to be read by its fields.
    pub(super) fn objects(&self, name: &str) -> Result<Vec<Self>> {
        let Some(value) = self.one(name)? else { return Ok(vec![]) };
        let Value::Array(values) = value else { return Err(wrong(name, value)) };
        let object = |(at, value): (usize, &Value)| match value {
            Value::Object(fields) => Ok(Self(fields.clone())),
            other => Err(wrong(&format!("{name}[{at}]"), other)),
        };
        values.iter().enumerate().map(object).collect()
    }

    /// All of it.
    pub(super) fn into_map(self) -> Map<String, Value> {
        self.0
    }

    /// How many results a page has; at most `most`.
    pub(super) fn page(&self, default: i64, most: i64) -> Result<i64> {
        let wanted = self.integer("max_results")?.unwrap_or(default);
        if wanted > most {
            let value = self.get("max_results").unwrap_or(&Value::Null);
            return Err(wrong("max_results", value));
        }
        if wanted < 1 {
            return Err(Error::invalid(format!(
                "Invalid value {wanted} for parameter 'max_results' supplied. It must be a positive integer, at most \
                 {most}.{SEE}"
            )));
        }
        Ok(wanted)
    }
}

/// A record of a list, with what is wrong with it named.
fn record<T: DeserializeOwned>(name: &str, value: &Value) -> Result<T> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let said = error.into_inner().to_string();
        if let Some(field) = said.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
            return missing(&format!("{name}.{field}"));
        }
        let place = if path == "." { name.to_owned() } else { format!("{name}.{path}") };
        let at = path.split('.').try_fold(value, |value, part| value.get(part)).unwrap_or(value);
        Error::invalid(format!("Invalid value {at} for parameter '{place}' supplied: {said}.{SEE}"))
    })
}

/// A whole number as protobuf's JSON has it.
pub(super) fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| {
            let float = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 9.0e18)?;
            Some(float as i64)
        }),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// The complaint about a field that isn't there.
pub(super) fn missing(name: &str) -> Error {
    Error::invalid(format!("Missing value for required parameter '{name}'.{SEE}"))
}

/// The complaint about a field of the wrong type or beyond its limits.
pub(super) fn wrong(name: &str, value: &Value) -> Error {
    let hint = kind(value);
    Error::invalid(format!(
        "Invalid value {value} for parameter '{name}' supplied:  Hint: Value was of type '{hint}'.{SEE}"
    ))
}

/// What Python calls a value's type.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}

/// A name in camel case.
fn camel(name: &str) -> String {
    let mut upper = false;
    let mut out = String::with_capacity(name.len());
    for character in name.chars() {
        match character {
            '_' => upper = true,
            other if upper => {
                out.extend(other.to_uppercase());
                upper = false;
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(json: &str) -> Fields {
        Fields::of_json(json.as_bytes()).unwrap()
    }

    fn said<T: std::fmt::Debug>(result: Result<T>) -> String {
        format!("{:?}", result.unwrap_err())
    }

    #[test]
    fn fields_are_read_leniently() {
        let read = fields(r#"{"start_time": "12", "step": 3.0, "runId": "r", "filter": null, "x": 1}"#);
        assert_eq!(read.integer("start_time").unwrap(), Some(12));
        assert_eq!(read.integer("step").unwrap(), Some(3));
        assert_eq!(read.run_id().unwrap(), "r");
        assert_eq!(read.text("filter").unwrap(), "");
        assert_eq!(fields(r#""{\"run_uuid\": \"r\"}""#).run_id().unwrap(), "r");
        assert!(fields("").get("a").is_none());
        let read = Fields::of_query("run_ids=a&run_ids=b&stages=c&flag=True&max_results=7&name=a%20b");
        assert_eq!(read.texts("run_ids").unwrap(), ["a", "b"]);
        assert_eq!(read.texts("stages").unwrap(), ["c"]);
        assert_eq!(read.boolean("flag").unwrap(), Some(true));
        assert_eq!((read.page(5, 10).unwrap(), read.text("name").unwrap()), (7, "a b"));
    }

    #[test]
    fn what_is_wrong_is_said_in_mlflows_words() {
        let read = fields(
            r#"{"name": 123, "start_time": "soon", "both_names": 1, "bothNames": 1, "tags": [{"value": "v"}]}"#,
        );
        assert!(said(read.required("name")).contains(
            "Invalid value 123 for parameter 'name' supplied:  Hint: Value was of type 'int'. See the API docs"
        ));
        assert!(said(read.integer("start_time")).contains("of type 'str'"));
        assert!(said(read.required("source")).contains("Missing value for required parameter 'source'. See"));
        assert!(said(read.integer("both_names")).contains("both 'both_names' and 'bothNames'"));
        assert!(said(read.pairs("tags")).contains("'tags[0].key'"));
        assert!(said(Fields::of_json(b"[1]")).contains("list"));
        assert!(said(Fields::of_json(b"{")).contains("no JSON"));
        for page in ["-1", "0", "11", "99999999999999999999"] {
            assert!(Fields::of_query(&format!("max_results={page}")).page(5, 10).is_err(), "{page}");
        }
    }
}
