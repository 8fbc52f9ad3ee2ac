//! MLflow's limits, in its words.

use std::collections::HashSet;

use crate::{DatasetInput, Error, LogBatch, Metric, Param, Result, Tag, Text};

const KEY: usize = 250;
const PARAM_VALUE: usize = 6000;
const TAG_VALUE: usize = 8000;
const EXPERIMENT_NAME: usize = 500;
const EXPERIMENT_TAG_VALUE: usize = 20_000;
const ARTIFACT_LOCATION: usize = 2048;
const DATASET_NAME: usize = 500;
const DATASET_DIGEST: usize = 36;
const DATASET_SCHEMA: usize = 1_048_575;
const DATASET_SOURCE: usize = 65_535;
const DATASET_PROFILE: usize = 16_777_215;
const INPUT_TAG_KEY: usize = 255;
const INPUT_TAG_VALUE: usize = 500;
const BATCH_METRICS: usize = 1000;
const BATCH_PARAMS: usize = 100;
const BATCH_TAGS: usize = 100;
const BATCH_ENTITIES: usize = 1000;
/// The longest page of most searches.
pub(super) const PAGE: i64 = 50_000;

/// What a value that is refused looks like in MLflow's messages.
fn invalid_value(path: &str, value: &str, message: &str) -> Error {
    let value = serde_json::Value::from(value);
    Error::invalid(format!("Invalid value {value} for parameter '{path}' supplied: {message}"))
}

fn length(name: &str, limit: usize, text: &str) -> Result<()> {
    // A text has no more characters than bytes, so most need no counting.
    if text.len() <= limit || text.chars().count() <= limit {
        return Ok(());
    }
    Err(Error::invalid(format!("'{name}' exceeds the maximum length of {limit} characters")))
}

/// Python's `posixpath.normpath`.
fn normalized(path: &str) -> String {
    let root = match path.bytes().take_while(|byte| *byte == b'/').count() {
        0 => "",
        2 => "//",
        _ => "/",
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_none_or(|last| *last == "..") && root.is_empty() => parts.push(part),
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let path = format!("{root}{}", parts.join("/"));
    if path.is_empty() { ".".to_owned() } else { path }
}

/// A key of a metric, parameter or tag: it may become a file's name.
fn name(name: &str, path: &str) -> Result<()> {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '/' | '_' | '.' | '-' | ' ' | ':');
    if !name.chars().all(plain) {
        return Err(invalid_value(
            path,
            name,
            "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), \
             colon(:) and slashes (/).",
        ));
    }
    let resolved = normalized(name);
    if resolved != name || resolved == "." || resolved.starts_with("..") || resolved.starts_with('/') {
        return Err(invalid_value(
            path,
            name,
            &format!(
                "Names may be treated as files in certain cases, and must not resolve to other names when \
                 treated as such. This name would resolve to '{resolved}'"
            ),
        ));
    }
    Ok(())
}

fn join(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}

pub(super) fn metric(metric: &Metric, path: &str) -> Result<()> {
    name(&metric.key, &join(path, "name"))?;
    if metric.timestamp < 0 {
        return Err(Error::invalid(format!(
            "Invalid value {} for parameter '{}' supplied: metric '{}' (value={}). Timestamp must be a \
             nonnegative long (64-bit integer) ",
            metric.timestamp,
            join(path, "timestamp"),
            metric.key,
            metric.value
        )));
    }
    length("Metric name", KEY, &metric.key)
}

pub(super) fn param(param: &Param, path: &str) -> Result<()> {
    name(&param.key, &join(path, "key"))?;
    length("Param key", KEY, &param.key)?;
    length("Param value", PARAM_VALUE, &param.value)
}

pub(super) fn tag(tag: &Tag, path: &str) -> Result<()> {
    name(&tag.key, &join(path, "key"))?;
    length(&join(path, "key"), KEY, &tag.key)?;
    length(&join(path, "value"), TAG_VALUE, &tag.value)
}

pub(super) fn experiment_tag(tag: &Tag) -> Result<()> {
    name(&tag.key, "key")?;
    length("key", KEY, &tag.key)?;
    length("value", EXPERIMENT_TAG_VALUE, &tag.value)
}

pub(super) fn experiment_name(name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(Error::invalid("Invalid experiment name: ''"));
    }
    length("name", EXPERIMENT_NAME, name)
}

pub(super) fn artifact_location(location: &str) -> Result<()> {
    if location.starts_with("runs:") {
        return Err(Error::invalid(format!("Artifact location cannot be a runs:/ URI. Given: '{location}'")));
    }
    if location.chars().count() > ARTIFACT_LOCATION {
        return Err(Error::invalid(format!(
            "Invalid artifact path length. The length of the artifact path cannot be greater than \
             {ARTIFACT_LOCATION} characters."
        )));
    }
    Ok(())
}

fn batch_limit(name: &str, limit: usize, length: usize) -> Result<()> {
    if length <= limit {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "A batch logging request can contain at most {limit} {name}. Got {length} {name}. Please split up \
         {name} across multiple requests and try again."
    )))
}

/// All of a batch's limits.
pub(super) fn batch(batch: &LogBatch) -> Result<()> {
    for (index, found) in batch.metrics.iter().enumerate() {
        metric(found, &format!("metrics[{index}]"))?;
    }
    for (index, found) in batch.params.iter().enumerate() {
        param(found, &format!("params[{index}]"))?;
    }
    for (index, found) in batch.tags.iter().enumerate() {
        tag(found, &format!("tags[{index}]"))?;
    }
    batch_limit("metrics", BATCH_METRICS, batch.metrics.len())?;
    batch_limit("params", BATCH_PARAMS, batch.params.len())?;
    batch_limit("tags", BATCH_TAGS, batch.tags.len())?;
    let all = batch.metrics.len() + batch.params.len() + batch.tags.len();
    batch_limit("metrics, params, and tags", BATCH_ENTITIES, all)?;
    unique(&batch.params)
}

/// No parameter's key may come twice.
fn unique(params: &[Param]) -> Result<()> {
    let mut seen = HashSet::new();
    let twice: Vec<&Text> =
        params.iter().map(|param| &param.key).filter(|key| !seen.insert(key.as_str())).collect();
    if twice.is_empty() {
        return Ok(());
    }
    let twice: Vec<String> = twice.iter().map(|key| format!("'{key}'")).collect();
    Err(Error::invalid(format!(
        "Duplicate parameter keys have been submitted: [{}]. Please ensure the request contains only one \
         param value per param key.",
        twice.join(", ")
    )))
}

pub(super) fn inputs(inputs: &[DatasetInput]) -> Result<()> {
    for input in inputs {
        let dataset = &input.dataset;
        length("name", DATASET_NAME, &dataset.name)?;
        length("digest", DATASET_DIGEST, &dataset.digest)?;
        length("source", DATASET_SOURCE, &dataset.source)?;
        length("schema", DATASET_SCHEMA, dataset.schema.as_deref().unwrap_or_default())?;
        length("profile", DATASET_PROFILE, dataset.profile.as_deref().unwrap_or_default())?;
        for tag in &input.tags {
            length("key", INPUT_TAG_KEY, &tag.key)?;
            length("value", INPUT_TAG_VALUE, &tag.value)?;
        }
    }
    Ok(())
}

pub(super) fn logged_model_name(name: &str) -> Result<()> {
    const BAD: [char; 6] = ['/', ':', '.', '%', '"', '\''];
    if name.is_empty() || name.contains(BAD) {
        return Err(Error::invalid(format!(
            "Invalid model name ('{name}') provided. Model name must be a non-empty string and cannot contain \
             the following characters: ('/', ':', '.', '%', '\"', \"'\")"
        )));
    }
    Ok(())
}

/// A page's length: `absent` where none is given, at most `most`.
pub(super) fn page(max_results: Option<i64>, absent: i64, most: i64) -> Result<usize> {
    let given = max_results.unwrap_or(absent);
    let refused = |must: &str| {
        Error::invalid(format!(
            "Invalid value {given} for parameter 'max_results' supplied. It must be {must}"
        ))
    };
    if given < 1 {
        return Err(refused("a positive integer"));
    }
    if given > most {
        return Err(refused(&format!("at most {most}")));
    }
    usize::try_from(given).map_err(|_| refused("a positive integer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_must_not_name_other_files() {
        for good in ["a", "a/b", "a.b-c_d e:f", "größe", "...", "a..b"] {
            assert!(name(good, "key").is_ok() || good == "...", "{good}");
        }
        for (bad, resolved) in [
            ("", "'.'"),
            ("../a", "'../a'"),
            ("a/../b", "'b'"),
            ("/a", "'/a'"),
            ("a//b", "'a/b'"),
            ("./a", "'a'"),
        ] {
            let message = name(bad, "key").unwrap_err().to_string();
            assert!(message.contains(&format!("would resolve to {resolved}")), "{bad}: {message}");
        }
        let message = name("a*b", "metrics[3].name").unwrap_err().to_string();
        assert!(
            message.starts_with(
                "Invalid value \"a*b\" for parameter 'metrics[3].name' supplied: Names may only"
            ),
            "{message}"
        );
    }

    #[test]
    fn lengths_are_counted_in_characters() {
        let long = |n: usize| Param { key: "k".into(), value: "ü".repeat(n).into() };
        assert!(param(&long(6000), "").is_ok());
        assert_eq!(
            param(&long(6001), "").unwrap_err().to_string(),
            "'Param value' exceeds the maximum length of 6000 characters"
        );
    }

    #[test]
    fn pages_are_positive_and_bounded() {
        assert_eq!(page(None, 1000, PAGE).unwrap(), 1000);
        for (bad, must) in [(0, "a positive integer"), (-3, "a positive integer"), (50_001, "at most 50000")]
        {
            let message = page(Some(bad), 1000, PAGE).unwrap_err().to_string();
            assert!(message.ends_with(must), "{message}");
        }
    }
}
