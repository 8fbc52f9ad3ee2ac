//! Spans in JSON: as OTLP has it on the way in, where ids are hexadecimal, and as
//! protobuf has it on the way out, where they are base64.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use super::{
    super::request::integer,
    messages::{
        Any, AnyValue, Array, Event, ExportRequest, KeyValue, Link, Pairs, ResourceSpans, ScopeSpans, Span,
        Status,
    },
};

/// The most levels of a value within values.
const DEEPEST: usize = 32;

/// A span as protobuf's JSON has it.
pub(super) fn written(span: &Span) -> Value {
    let mut members = Map::new();
    let mut put = |name: &str, value: Value, there: bool| {
        if there {
            members.insert(name.to_owned(), value);
        }
    };
    let id = |bytes: &[u8]| json!(STANDARD.encode(bytes));
    put("trace_id", id(&span.trace_id), true);
    put("span_id", id(&span.span_id), true);
    put("trace_state", json!(span.trace_state), !span.trace_state.is_empty());
    put("parent_span_id", id(&span.parent_span_id), !span.parent_span_id.is_empty());
    put("flags", json!(span.flags), span.flags != 0);
    put("name", json!(span.name), true);
    put("kind", json!(span.kind), span.kind != 0);
    put("start_time_unix_nano", json!(span.start_time_unix_nano), true);
    put("end_time_unix_nano", json!(span.end_time_unix_nano), span.end_time_unix_nano != 0);
    put("attributes", pairs(&span.attributes), !span.attributes.is_empty());
    let events = span.events.iter().map(|event| {
        json!({"time_unix_nano": event.time_unix_nano, "name": event.name, "attributes": pairs(&event.attributes)})
    });
    put("events", events.collect(), !span.events.is_empty());
    let links = span.links.iter().map(|link| {
        json!({"trace_id": id(&link.trace_id), "span_id": id(&link.span_id), "trace_state": link.trace_state,
            "attributes": pairs(&link.attributes)})
    });
    put("links", links.collect(), !span.links.is_empty());
    if let Some(status) = &span.status {
        put("status", json!({"message": status.message, "code": status.code}), true);
    }
    Value::Object(members)
}

fn pairs(pairs: &[KeyValue]) -> Value {
    let pair = |pair: &KeyValue| match &pair.value {
        Some(value) => json!({"key": pair.key, "value": any(value)}),
        None => json!({"key": pair.key}),
    };
    pairs.iter().map(pair).collect()
}

fn any(value: &AnyValue) -> Value {
    match &value.value {
        None => json!({}),
        Some(Any::Text(text)) => json!({"string_value": text}),
        Some(Any::Bool(value)) => json!({"bool_value": value}),
        Some(Any::Int(value)) => json!({"int_value": value}),
        Some(Any::Double(value)) => json!({"double_value": double(*value)}),
        Some(Any::Bytes(bytes)) => json!({"bytes_value": STANDARD.encode(bytes)}),
        Some(Any::Array(array)) => {
            json!({"array_value": {"values": array.values.iter().map(any).collect::<Vec<_>>()}})
        }
        Some(Any::Pairs(list)) => json!({"kvlist_value": {"values": pairs(&list.values)}}),
    }
}

fn double(value: f64) -> Value {
    match value {
        value if value.is_finite() => json!(value),
        value if value.is_nan() => json!("NaN"),
        value if value > 0.0 => json!("Infinity"),
        _ => json!("-Infinity"),
    }
}

/// A request as OTLP's JSON has it; none if it isn't one.
pub(super) fn read(body: &[u8]) -> Option<ExportRequest> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let resource_spans = list(&value, "resourceSpans", |resource| {
        let scope_spans =
            list(resource, "scopeSpans", |scope| Some(ScopeSpans { spans: list(scope, "spans", span)? }))?;
        Some(ResourceSpans { scope_spans })
    })?;
    Some(ExportRequest { resource_spans })
}

fn list<T>(value: &Value, name: &str, read: impl Fn(&Value) -> Option<T>) -> Option<Vec<T>> {
    match value.as_object()?.get(name) {
        None | Some(Value::Null) => Some(vec![]),
        Some(Value::Array(values)) => values.iter().map(read).collect(),
        Some(_) => None,
    }
}

fn span(value: &Value) -> Option<Span> {
    let status = value.get("status").and_then(Value::as_object).map(|status| Status {
        message: status.get("message").and_then(Value::as_str).unwrap_or_default().to_owned(),
        code: status.get("code").and_then(code).unwrap_or_default(),
    });
    Some(Span {
        trace_id: id(value, "traceId")?,
        span_id: id(value, "spanId")?,
        trace_state: text(value, "traceState"),
        parent_span_id: id(value, "parentSpanId")?,
        name: text(value, "name"),
        kind: value
            .get("kind")
            .and_then(integer)
            .and_then(|kind| i32::try_from(kind).ok())
            .unwrap_or_default(),
        start_time_unix_nano: nanos(value, "startTimeUnixNano")?,
        end_time_unix_nano: nanos(value, "endTimeUnixNano")?,
        attributes: list(value, "attributes", |pair| key_value(pair, 0))?,
        events: list(value, "events", |event| {
            Some(Event {
                time_unix_nano: nanos(event, "timeUnixNano")?,
                name: text(event, "name"),
                attributes: list(event, "attributes", |pair| key_value(pair, 0))?,
            })
        })?,
        links: list(value, "links", |link| {
            Some(Link {
                trace_id: id(link, "traceId")?,
                span_id: id(link, "spanId")?,
                trace_state: text(link, "traceState"),
                attributes: list(link, "attributes", |pair| key_value(pair, 0))?,
            })
        })?,
        status,
        ..Span::default()
    })
}

fn code(value: &Value) -> Option<i32> {
    match value.as_str() {
        Some("STATUS_CODE_OK") => Some(1),
        Some("STATUS_CODE_ERROR") => Some(2),
        _ => integer(value).and_then(|code| i32::try_from(code).ok()),
    }
}

fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// An id in hexadecimal digits; empty if there is none.
fn id(value: &Value, name: &str) -> Option<Vec<u8>> {
    hex::decode(text(value, name)).ok()
}

fn nanos(value: &Value, name: &str) -> Option<u64> {
    match value.get(name) {
        None | Some(Value::Null) => Some(0),
        Some(Value::String(text)) => text.parse().ok(),
        Some(other) => other.as_u64(),
    }
}

fn key_value(value: &Value, depth: usize) -> Option<KeyValue> {
    let any = value.get("value").filter(|value| !value.is_null());
    Some(KeyValue {
        key: text(value, "key"),
        value: match any {
            Some(any) => Some(any_value(any, depth)?),
            None => None,
        },
    })
}

fn any_value(value: &Value, depth: usize) -> Option<AnyValue> {
    if depth > DEEPEST {
        return None;
    }
    let Some((name, value)) = value.as_object()?.iter().next() else { return Some(AnyValue::default()) };
    let any = match name.as_str() {
        "stringValue" => Any::Text(value.as_str()?.to_owned()),
        "boolValue" => Any::Bool(value.as_bool()?),
        "intValue" => Any::Int(integer(value)?),
        "doubleValue" => Any::Double(match value.as_str() {
            Some(word) => word.parse().ok()?,
            None => value.as_f64()?,
        }),
        "bytesValue" => Any::Bytes(STANDARD.decode(value.as_str()?).ok()?),
        "arrayValue" => {
            Any::Array(Array { values: list(value, "values", |value| any_value(value, depth + 1))? })
        }
        "kvlistValue" => {
            Any::Pairs(Pairs { values: list(value, "values", |pair| key_value(pair, depth + 1))? })
        }
        _ => return None,
    };
    Some(AnyValue { value: Some(any) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_otlp_and_written_as_protobuf_has_them() {
        let sent = json!({"resourceSpans": [{"scopeSpans": [{"spans": [{
            "traceId": "0102030405060708090a0b0c0d0e0f10", "spanId": "0102030405060708", "name": "ask",
            "startTimeUnixNano": "1700000000000000001", "endTimeUnixNano": 1_700_000_000_000_000_002_u64,
            "status": {"code": 2, "message": "no"},
            "attributes": [{"key": "a", "value": {"stringValue": "x"}}, {"key": "b", "value": {"intValue": "7"}},
                {"key": "c", "value": {"arrayValue": {"values": [{"boolValue": true}]}}}],
            "events": [{"name": "e", "timeUnixNano": "5"}]}]}]}]});
        let read = read(sent.to_string().as_bytes()).unwrap();
        let span = &read.resource_spans[0].scope_spans[0].spans[0];
        let written = written(span);
        assert_eq!(written["trace_id"], "AQIDBAUGBwgJCgsMDQ4PEA==");
        assert_eq!(written["end_time_unix_nano"], 1_700_000_000_000_000_002_u64);
        assert_eq!(written["attributes"][1]["value"], json!({"int_value": 7}));
        assert_eq!(written["attributes"][2]["value"]["array_value"]["values"], json!([{"bool_value": true}]));
        assert_eq!(written["status"], json!({"message": "no", "code": 2}));
        assert!(written.get("parent_span_id").is_none());
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let deep = format!("{}{}", r#"{"arrayValue":{"values":["#.repeat(40), "]}}".repeat(40));
        for body in [
            "",
            "[]",
            r#"{"resourceSpans": 1}"#,
            r#"{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "xyz"}]}]}]}"#,
            r#"{"resourceSpans": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": "soon"}]}]}]}"#,
            &format!(
                r#"{{"resourceSpans": [{{"scopeSpans": [{{"spans": [{{"attributes": [{{"key": "k", "value": {deep}}}]}}]}}]}}]}}"#
            ),
        ] {
            assert!(read(body.as_bytes()).is_none(), "{body}");
        }
    }
}
