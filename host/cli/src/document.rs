//! Specifications: read from files, from standard input, or put together from
//! flags.

use std::{
    fmt,
    io::Read,
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::manifest::text::Toml;

/// A command that can't be meant as it was typed; ends the program with 2.
#[derive(Debug)]
pub(crate) struct Usage(String);

impl Usage {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// `NAME` and `--file`: where a specification begins.
#[derive(Debug, Args)]
pub(crate) struct Begin {
    /// The name; may stand in the file instead.
    name: Option<String>,
    /// The whole specification: a .toml or .json file, or - for standard
    /// input. Flags change what stands in it.
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,
}

impl Begin {
    /// The specification so far.
    pub(crate) fn spec(&self) -> Result<Spec> {
        let mut spec = match &self.file {
            Some(file) => match read(file)? {
                spec @ Value::Object(_) => Spec(spec),
                _ => bail!("{}: a specification is a table of fields", file.display()),
            },
            None => Spec::default(),
        };
        if let Some(name) = &self.name {
            spec = spec.set("name", Some(name));
        }
        if spec.get("name").is_none() {
            return Err(Usage::new("give a name, or a --file with one").into());
        }
        Ok(spec)
    }
}

/// A specification as it is put together.
#[derive(Debug, Default)]
pub(crate) struct Spec(Value);

impl Spec {
    /// Sets the field at a dotted path, if there is a value.
    pub(crate) fn set(mut self, path: &str, value: Option<impl Serialize>) -> Self {
        if let Some(value) = value.and_then(|value| serde_json::to_value(value).ok()) {
            place(&mut self.0, &path.split('.').collect::<Vec<_>>(), value);
        }
        self
    }

    /// Sets the field at a path whose names may have dots.
    pub(crate) fn put(mut self, path: &[&str], value: impl Into<Value>) -> Self {
        place(&mut self.0, path, value.into());
        self
    }

    /// Sets a list, unless it is empty.
    pub(crate) fn list<T: Serialize>(self, path: &str, items: &[T]) -> Self {
        let items = (!items.is_empty()).then_some(items);
        self.set(path, items)
    }

    /// Sets parameters one by one.
    pub(crate) fn parameters(mut self, path: &str, parameters: &[Parameter]) -> Self {
        for Parameter { name, value } in parameters {
            let path: Vec<&str> = path.split('.').chain([name.as_str()]).collect();
            place(&mut self.0, &path, value.clone());
        }
        self
    }

    /// A field as it is so far.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The specification.
    pub(crate) fn done(self) -> Value {
        match self.0 {
            Value::Null => Value::Object(Map::new()),
            spec => spec,
        }
    }
}

/// Puts a value at a path; what is no table on the way becomes one.
fn place(at: &mut Value, path: &[&str], value: Value) {
    let Some((name, rest)) = path.split_first() else {
        *at = value;
        return;
    };
    let mut members = match at.take() {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    place(members.entry((*name).to_owned()).or_insert(Value::Null), rest, value);
    *at = Value::Object(members);
}

/// `name=value` on the command line; the value is JSON, or a text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) value: Value,
}

impl FromStr for Parameter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) =
            text.split_once('=').ok_or_else(|| format!("{text:?} has no `=`; write name=value"))?;
        if name.is_empty() {
            return Err(format!("{text:?} has no name before `=`"));
        }
        let mut value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        if let Value::String(text) = &value {
            value = Value::String(absolute(text, Path::new(".")));
        }
        Ok(Self { name: name.to_owned(), value })
    }
}

/// A `file:` URL that begins at a directory (`file://./data/x.csv`) as one that
/// begins at the root; other texts as they are.
pub(crate) fn absolute(text: &str, directory: &Path) -> String {
    let Some(relative) =
        text.strip_prefix("file://").filter(|path| path.starts_with("./") || path.starts_with("../"))
    else {
        return text.to_owned();
    };
    let mut path = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
    for part in relative.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                path.pop();
            }
            part => path.push(part),
        }
    }
    match url::Url::from_file_path(&path) {
        // Patterns are the source's to read.
        Ok(url) => url.to_string().replace("%7B", "{").replace("%7D", "}"),
        Err(()) => text.to_owned(),
    }
}

/// A JSON or TOML file, or `-` for standard input.
pub(crate) fn read(file: &Path) -> Result<Value> {
    let standard = file == Path::new("-");
    let name = if standard { "standard input".to_owned() } else { file.display().to_string() };
    let text = if standard {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("standard input")?;
        text
    } else {
        std::fs::read_to_string(file).with_context(|| name.clone())?
    };
    let directory = file.parent().filter(|_| !standard).unwrap_or(Path::new(""));
    let is_toml = match file.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => true,
        Some("json") => false,
        _ => !text.trim_start().starts_with(['{', '[']),
    };
    if is_toml {
        return Toml::new(&name, &text, directory).value();
    }
    let mut value = serde_json::from_str(&text).with_context(|| name.clone())?;
    each_text(&mut value, &|text| absolute(text, directory));
    Ok(value)
}

/// The JSON that stands on the command line, in `-` standard input, or in `@file`.
pub(crate) fn inline(text: &str) -> Result<Value> {
    if text == "-" {
        return read(Path::new("-"));
    }
    match text.strip_prefix('@') {
        Some(file) => read(Path::new(file)),
        None => serde_json::from_str(text).map_err(|error| {
            Usage::new(format!("{text:?} is no JSON: {error}; write it in quotes, or - or @file")).into()
        }),
    }
}

fn each_text(value: &mut Value, change: &impl Fn(&str) -> String) {
    match value {
        Value::String(text) => *text = change(text),
        Value::Array(items) => items.iter_mut().for_each(|item| each_text(item, change)),
        Value::Object(members) => members.values_mut().for_each(|member| each_text(member, change)),
        _ => {}
    }
}

/// A model's version: `late@3`, `late@champion`, or `late` for the latest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VersionOf {
    pub(crate) model: String,
    pub(crate) version: String,
}

impl FromStr for VersionOf {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (model, version) = text.split_once('@').unwrap_or((text, "latest"));
        if model.is_empty() || version.is_empty() {
            return Err(format!(
                "{text:?} names no version; write late@3, late@champion, or late for the latest"
            ));
        }
        Ok(Self { model: model.to_owned(), version: version.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn flags_make_a_specification() {
        let parameters: Vec<Parameter> = ["depth=6", "rate=0.1", "name=a=b", "on=true", "list=[1,2]"]
            .map(|text| text.parse().unwrap())
            .into();
        let spec = Spec::default()
            .set("training.plugin", Some("gbdt"))
            .parameters("training.parameters", &parameters)
            .set("seed", None::<u64>)
            .list::<String>("ignore", &[])
            .done();
        let wanted = json!({"training": {"plugin": "gbdt",
            "parameters": {"depth": 6, "rate": 0.1, "name": "a=b", "on": true, "list": [1, 2]}}});
        assert_eq!(spec, wanted);
        assert!("depth".parse::<Parameter>().is_err() && "=1".parse::<Parameter>().is_err());
    }

    #[test]
    fn relative_file_urls_become_absolute() {
        let from = |text: &str| absolute(text, Path::new("/srv/yard"));
        assert_eq!(from("file://./data/x.csv"), "file:///srv/yard/data/x.csv");
        assert_eq!(from("file://../x y.csv"), "file:///srv/x%20y.csv");
        assert_eq!(from("file:///data/x.csv"), "file:///data/x.csv");
        assert_eq!(from("https://h/./x"), "https://h/./x");
    }

    #[test]
    fn versions_are_named_with_their_model() {
        let of = |text: &str| text.parse::<VersionOf>().map(|of| (of.model, of.version));
        assert_eq!(of("late@3").unwrap(), ("late".into(), "3".into()));
        assert_eq!(of("late").unwrap(), ("late".into(), "latest".into()));
        assert!(of("@3").is_err() && of("late@").is_err());
    }
}
