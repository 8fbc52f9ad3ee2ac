//! The entries of a declarative file, checked.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use toml::de::DeValue;

use super::{
    kinds::Kind,
    text::{self, Toml},
};

/// One thing that the server has to have.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    /// What is sent.
    pub(crate) spec: Value,
    /// What is compared: the specification with every default filled in.
    pub(crate) whole: Value,
    /// A plugin's component.
    pub(crate) component: Option<Vec<u8>>,
}

/// The entries of a file in the order in which they are applied.
pub(crate) fn read(file: &Path) -> Result<Vec<Entry>> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).with_context(|| name.clone())?;
    let directory = file.parent().unwrap_or(Path::new(""));
    let toml = Toml::new(&name, &text, directory);
    parse(&toml, directory)
}

fn parse<'t>(toml: &Toml<'t>, directory: &Path) -> Result<Vec<Entry>> {
    let mut entries: Vec<Entry> = Vec::new();
    for (key, tables) in toml.table()?.into_inner() {
        let span = key.span();
        let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.name() == key.get_ref().as_ref()) else {
            let known: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
            let message = format!("unknown table `{}`; there are {}", key.get_ref(), known.join(", "));
            return Err(toml.error(Some(span), &message));
        };
        let (at, DeValue::Array(tables)) = (tables.span(), tables.into_inner()) else {
            return Err(toml.error(Some(span), &format!("write [[{}]], once for each", kind.name())));
        };
        for table in tables {
            let span = table.span();
            let sent =
                text::json(table.get_ref()).map_err(|message| toml.error(Some(at.clone()), &message))?;
            let whole = kind.check(toml, table)?;
            let entry = entry(kind, sent, whole, directory)
                .map_err(|error| toml.error(Some(span.clone()), &format!("{error:#}")))?;
            if entries.iter().any(|other| other.kind == kind && other.name == entry.name) {
                return Err(
                    toml.error(Some(span), &format!("{} {} stands here twice", kind.name(), entry.name))
                );
            }
            entries.push(entry);
        }
    }
    let place = |entry: &Entry| Kind::ALL.iter().position(|kind| *kind == entry.kind);
    entries.sort_by_key(place);
    Ok(entries)
}

fn entry(kind: Kind, mut spec: Value, mut whole: Value, directory: &Path) -> Result<Entry> {
    let mut component = None;
    match kind {
        Kind::Plugin => {
            let file = whole.get("file").and_then(Value::as_str).unwrap_or_default();
            let inspection = crate::offline::inspect_file(&directory.join(file))?;
            let name =
                whole.get("name").and_then(Value::as_str).map(str::to_owned).or(inspection.name.clone());
            let name = name.context("the component states no name; write `name = \"…\"`")?;
            whole = json!({"name": name, "digest": inspection.digest});
            component = Some(inspection.component.to_vec());
        }
        // The server sets it; it is no part of what is asked for.
        Kind::Function => {
            if let Value::Object(members) = &mut whole {
                members.remove("created_at");
            }
        }
        // A schedule is changed by its id; the name serves where none is given.
        Kind::Schedule => {
            for value in [&mut spec, &mut whole] {
                if let Value::Object(members) = value {
                    let name = members.get("name").cloned().unwrap_or_default();
                    if members.get("id").is_none_or(Value::is_null) {
                        members.insert("id".into(), name);
                    }
                }
            }
        }
        _ => {}
    }
    let named = if kind == Kind::Schedule { "id" } else { "name" };
    let name = whole.get(named).and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(Entry { kind, name, spec, whole, component })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn parse(text: &str) -> Result<Vec<Entry>> {
        super::parse(&Toml::new("yard.toml", text, Path::new("/srv")), Path::new("/srv"))
    }

    #[test]
    fn entries_come_in_the_order_of_their_needs() {
        let text = "[[model]]\nname = 'm'\n[[source]]\nname = 's'\nplugin = 'ingestion-csv'\n\
            parameters = { url = 'file://./x.csv' }\n[[schedule]]\nname = 'n'\ncron = '0 3 * * *'\njob = { kind = 'ingestion.pull', target = 's' }";
        let entries = parse(text).unwrap();
        let names: Vec<_> = entries.iter().map(|entry| (entry.kind.name(), entry.name.as_str())).collect();
        assert_eq!(names, [("source", "s"), ("model", "m"), ("schedule", "n")]);
        assert_eq!(entries[0].spec["parameters"]["url"], "file:///srv/x.csv");
        assert_eq!(entries[0].whole["schema_policy"], "refuse");
        assert!(entries[0].spec.get("schema_policy").is_none());
        assert_eq!(entries[2].spec["id"], "n");
    }

    #[test]
    fn faults_say_their_line() {
        let wrong = |text: &str| parse(text).unwrap_err().to_string();
        let told = wrong("[[source]]\nname = 's'\nplugin = 'p'\nplugins = 3");
        assert!(told.starts_with("yard.toml:4:1: unknown field `plugins`"), "{told}");
        assert!(
            wrong("[[sources]]\nname = 's'")
                .starts_with("yard.toml:1:3: unknown table `sources`; there are plugin")
        );
        assert!(wrong("[model]\nname = 'm'").contains("write [[model]]"));
        let told = wrong("[[model]]\nname = 'm'\n[[model]]\nname = 'm'");
        assert!(told.starts_with("yard.toml:3:") && told.contains("model m stands here twice"), "{told}");
        let told = wrong("[[subscription]]\nname = 'x'\nchannel = { type = 'fax', to = 1 }");
        assert!(told.starts_with("yard.toml:"), "{told}");
        assert!(wrong("[[plugin]]\nfile = 'no-such.wasm'").contains("no-such.wasm"));
    }
}
