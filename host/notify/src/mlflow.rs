//! Webhooks as MLflow calls them: its events, its body, its headers, signed by
//! its scheme with whatever text the receiver chose as a secret.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac as _};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::{Map, Value, json};
use sha2::Sha256;

use crate::{Error, Event, Result, Secret, message::Message};

/// The events that receivers can ask for, with an example of what each tells.
pub const MLFLOW_EVENTS: [&str; 15] = [
    "registered_model.created",
    "model_version.created",
    "model_version_tag.set",
    "model_version_tag.deleted",
    "model_version_alias.created",
    "model_version_alias.deleted",
    "prompt.created",
    "prompt_version.created",
    "prompt_tag.set",
    "prompt_tag.deleted",
    "prompt_version_tag.set",
    "prompt_version_tag.deleted",
    "prompt_alias.created",
    "prompt_alias.deleted",
    "budget_policy.exceeded",
];

/// The kind of an event that says nothing but that a webhook works.
const TEST: &str = "dev.modelyard.test";

/// What an event of the platform is to MLflow: its name, and what it tells; none:
/// MLflow has no word for it.
pub(crate) fn translated(event: &Event) -> Option<(String, Value)> {
    let details = &event.details;
    if event.kind == TEST {
        let name = details.get("mlflow")?.as_str()?;
        return Some((name.to_owned(), example(name)));
    }
    let prompt = details.get("prompt").and_then(Value::as_bool).unwrap_or_default();
    let (entity, action) = match event.kind.strip_prefix("dev.modelyard.registry.")? {
        "model.created" => ("registered_model", "created"),
        "version.created" => ("model_version", "created"),
        "version.tag.set" => ("model_version_tag", "set"),
        "version.tag.deleted" => ("model_version_tag", "deleted"),
        "alias.changed" if details.get("version").is_none_or(Value::is_null) => {
            ("model_version_alias", "deleted")
        }
        "alias.changed" => ("model_version_alias", "created"),
        _ => return None,
    };
    let entity = match (prompt, entity) {
        (false, entity) => entity,
        (true, "registered_model") => "prompt",
        (true, "model_version") => "prompt_version",
        (true, "model_version_tag") => "prompt_version_tag",
        (true, _) => "prompt_alias",
    };
    Some((format!("{entity}.{action}"), told(event, entity, action)))
}

fn told(event: &Event, entity: &str, action: &str) -> Value {
    let detail = |name: &str| event.details.get(name).cloned().unwrap_or_default();
    let mut data = Map::new();
    data.insert("name".into(), json!(event.model));
    match (entity, action) {
        ("registered_model" | "prompt", _) => {
            data.insert("tags".into(), object(detail("tags")));
            data.insert("description".into(), detail("description"));
        }
        ("model_version" | "prompt_version", _) => {
            data.insert("version".into(), json!(event.version));
            data.insert("source".into(), detail("source"));
            let run = Some(detail("run_id")).filter(|run| !run.is_null()).unwrap_or_else(|| detail("run"));
            data.insert("run_id".into(), run);
            data.insert("tags".into(), object(detail("tags")));
            data.insert("description".into(), detail("description"));
        }
        ("model_version_tag" | "prompt_version_tag", _) => {
            data.insert("version".into(), json!(event.version));
            data.insert("key".into(), detail("key"));
            if action == "set" {
                data.insert("value".into(), detail("value"));
            }
        }
        _ => {
            data.insert("alias".into(), detail("alias"));
            if action == "created" {
                let version = detail("version");
                data.insert("version".into(), json!(version.as_u64().map(|number| number.to_string())));
            }
        }
    }
    Value::Object(data)
}

/// A map, empty if there is none.
fn object(value: Value) -> Value {
    if value.is_object() { value } else { json!({}) }
}

/// What an event of this name tells, for a test.
fn example(name: &str) -> Value {
    let (entity, action) = name.split_once('.').unwrap_or((name, ""));
    let mut data = json!({"name": "example_model"});
    let more = match (entity, action) {
        ("registered_model" | "prompt", _) => {
            json!({"tags": {"example_key": "example_value"}, "description": "An example registered model"})
        }
        ("model_version" | "prompt_version", _) => json!({
            "version": "1", "source": "models:/123", "run_id": "abcd1234abcd5678",
            "tags": {"example_key": "example_value"}, "description": "An example model version"
        }),
        ("prompt_tag", "set") => json!({"key": "example_key", "value": "example_value"}),
        ("prompt_tag", _) => json!({"key": "example_key"}),
        (_, "set") => json!({"version": "1", "key": "example_key", "value": "example_value"}),
        ("model_version_tag" | "prompt_version_tag", _) => json!({"version": "1", "key": "example_key"}),
        (_, "created") => json!({"alias": "example_alias", "version": "1"}),
        _ => json!({"alias": "example_alias"}),
    };
    if let (Value::Object(data), Value::Object(more)) = (&mut data, more) {
        data.extend(more);
    }
    data
}

/// The body of a message; none: MLflow has no word for its event.
pub(crate) fn body(message: &Message) -> Option<String> {
    let (name, data) = translated(&message.event)?;
    let (entity, action) = name.split_once('.')?;
    let at = message.event.at.to_utc().to_rfc3339();
    Some(json!({"entity": entity, "action": action, "timestamp": at, "data": data}).to_string())
}

/// The headers of a message at `seconds` since 1970.
pub(crate) fn headers(id: &str, seconds: i64, body: &str, secret: Option<&Secret>) -> Result<HeaderMap> {
    let bad =
        |_| Error::BadHeader { name: "x-mlflow-delivery-id".into(), reason: "HTTP doesn't allow it".into() };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("x-mlflow-delivery-id", HeaderValue::try_from(id).map_err(bad)?);
    headers.insert("x-mlflow-timestamp", HeaderValue::from(seconds));
    if let Some(secret) = secret {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes())
            .map_err(|_| Error::BadSecret("it can't be used as a key"))?;
        mac.update(format!("{id}.{seconds}.{body}").as_bytes());
        let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        headers.insert("x-mlflow-signature", HeaderValue::try_from(signature).map_err(bad)?);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Severity;

    fn event(kind: &str, details: Value) -> Event {
        Event::new(Default::default(), format!("dev.modelyard.{kind}"), "registry", Severity::Info, "s")
            .model("m")
            .version("2")
            .details(details)
    }

    #[test]
    fn events_of_the_registry_have_mlflows_names() {
        let name = |kind: &str, details| translated(&event(kind, details)).map(|(name, _)| name);
        assert_eq!(name("registry.model.created", json!({})).unwrap(), "registered_model.created");
        assert_eq!(
            name("registry.version.created", json!({"prompt": true})).unwrap(),
            "prompt_version.created"
        );
        assert_eq!(
            name("registry.alias.changed", json!({"version": 2})).unwrap(),
            "model_version_alias.created"
        );
        assert_eq!(
            name("registry.alias.changed", json!({"version": null})).unwrap(),
            "model_version_alias.deleted"
        );
        assert_eq!(name("monitoring.finding", json!({})), None);
        let (_, data) =
            translated(&event("registry.alias.changed", json!({"alias": "a", "version": 2}))).unwrap();
        assert_eq!(data, json!({"name": "m", "alias": "a", "version": "2"}));
        for name in MLFLOW_EVENTS {
            assert!(example(name).get("name").is_some(), "{name}");
        }
    }

    /// Computed with `mlflow.webhooks.delivery._generate_hmac_signature`.
    #[test]
    fn the_signature_is_mlflows() {
        let secret = Secret::new("my secret");
        let headers = headers("id-1", 1_700_000_000, r#"{"a": 1}"#, Some(&secret)).unwrap();
        assert_eq!(headers["x-mlflow-signature"], "v1,bV76MIAqZu/4sxb9kLEgOeoW0vjhxdQYUU+WU+RFfIM=");
        assert!(!super::headers("id-1", 1, "{}", None).unwrap().contains_key("x-mlflow-signature"));
    }
}
