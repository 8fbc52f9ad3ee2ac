//! Reading a plugin's parameters, with errors that name the field.

use serde::de::DeserializeOwned;

use crate::{Error, Result};

/// Reads parameters from JSON; an empty text counts as `{}`. Give the type
/// `#[serde(default, deny_unknown_fields)]` so that a misspelt name is an error.
/// What can't be read is `invalid-input` with the field as a JSON pointer.
pub fn parameters<T: DeserializeOwned>(json: &str) -> Result<T> {
    let json = if json.trim().is_empty() { "{}" } else { json };
    serde_json::from_str(json).map_err(|error| {
        let text = error.to_string();
        // serde_json ends its messages with the place, which the pointer replaces.
        let message = text.split(" at line ").next().unwrap_or(&text).to_owned();
        if !error.is_data() {
            return Error::invalid(format!("the parameters are not valid JSON: {text}"));
        }
        let mut pointer = pointer_at(json, error.line(), error.column());
        if let Some(missing) = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next())
        {
            pointer.push('/');
            pointer.push_str(missing);
        }
        if pointer.is_empty() { Error::invalid(message) } else { Error::parameter(pointer, message) }
    })
}

/// Where a reader of JSON stands inside an object or an array.
enum Inside {
    Object { key: Option<String>, expects_key: bool },
    Array { index: usize },
}

/// The JSON pointer of the value that is being read at a line and column, both
/// counted from 1. The text is valid JSON up to there.
fn pointer_at(json: &str, line: usize, column: usize) -> String {
    let line_start: usize = json.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let end = (line_start + column).min(json.len());
    let bytes = json.as_bytes().get(..end).unwrap_or_default();
    let mut stack: Vec<Inside> = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'{' => stack.push(Inside::Object { key: None, expects_key: true }),
            b'[' => stack.push(Inside::Array { index: 0 }),
            // The last bracket closes the value at fault itself.
            b'}' | b']' if at < bytes.len() => drop(stack.pop()),
            b'}' if matches!(stack.last(), Some(Inside::Object { .. })) => drop(stack.pop()),
            b':' => {
                if let Some(Inside::Object { expects_key, .. }) = stack.last_mut() {
                    *expects_key = false;
                }
            }
            b',' => match stack.last_mut() {
                Some(Inside::Object { expects_key, .. }) => *expects_key = true,
                Some(Inside::Array { index }) => *index += 1,
                None => {}
            },
            b'"' => {
                let (text, past) = string(bytes, at);
                at = past;
                if let Some(Inside::Object { key, expects_key: true }) = stack.last_mut() {
                    *key = Some(text);
                }
            }
            _ => {}
        }
    }
    let mut pointer = String::new();
    for inside in &stack {
        match inside {
            Inside::Object { key: Some(key), .. } => {
                pointer.push('/');
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
            }
            Inside::Object { key: None, .. } => {}
            Inside::Array { index } => {
                pointer.push('/');
                pointer.push_str(&index.to_string());
            }
        }
    }
    pointer
}

/// The string that begins before `start`, with its escapes as they stand, and
/// where it ends.
fn string(bytes: &[u8], start: usize) -> (String, usize) {
    let mut at = start;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => break,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    let text = bytes.get(start..at.min(bytes.len())).unwrap_or_default();
    (String::from_utf8_lossy(text).into_owned(), at + 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default, deny_unknown_fields)]
    struct P {
        bins: u32,
        columns: Vec<C>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct C {
        name: String,
        bound: Option<f64>,
    }

    fn message(json: &str) -> String {
        parameters::<P>(json).unwrap_err().message()
    }

    #[test]
    fn nothing_means_the_defaults() {
        assert_eq!(parameters::<P>(" ").unwrap(), P::default());
        assert_eq!(parameters::<P>(r#"{"bins": 3}"#).unwrap().bins, 3);
    }

    #[test]
    fn errors_name_the_field() {
        assert_eq!(
            message(r#"{"bin": 3}"#),
            "parameter /bin: unknown field `bin`, expected `bins` or `columns`"
        );
        assert_eq!(message(r#"{"bins": "x"}"#), "parameter /bins: invalid type: string \"x\", expected u32");
        assert_eq!(
            message("{\"columns\": [{\"name\": \"a\"},\n {\"name\": 3}], \"bins\": 1}"),
            "parameter /columns/1/name: invalid type: integer `3`, expected a string"
        );
        assert_eq!(
            message(r#"{"columns": [{"bound": 1}]}"#),
            "parameter /columns/0/name: missing field `name`"
        );
        assert_eq!(
            message(r#"{"bins": 1, "columns": [{"name": "a,]}", "boundary": 2}]}"#),
            "parameter /columns/0/boundary: unknown field `boundary`, expected `name` or `bound`"
        );
    }

    #[test]
    fn what_is_no_json_or_no_object_is_said() {
        assert!(message("{").starts_with("the parameters are not valid JSON"));
        assert!(message("7").contains("invalid type: integer `7`"));
    }
}
