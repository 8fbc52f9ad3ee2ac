//! Core modules to components, and what a component says of itself.

use wasm_metadata::{AddMetadata, AddMetadataField, Payload};
use wasmparser::{Encoding, Parser};
use wit_component::{ComponentEncoder, DecodedWasm};
use wit_parser::{Resolve, WorldItem, WorldKey};

use crate::{Error, Result};

/// Encodes a core module that carries component metadata (a `component-type`
/// section, as `wit-bindgen` writes it) as a validated component.
pub fn encode(module: &[u8]) -> Result<Vec<u8>> {
    if is_component(module)? {
        return Err(Error::AlreadyComponent);
    }
    if !has_metadata(module)? {
        return Err(Error::NoMetadata);
    }
    ComponentEncoder::default()
        .module(module)
        .and_then(|encoder| encoder.validate(true).encode())
        .map_err(|error| Error::Encode(format!("{error:#}")))
}

/// Whether bytes begin as a component rather than as a core module.
pub fn is_component(wasm: &[u8]) -> Result<bool> {
    match Parser::new(0).parse_all(wasm).next() {
        Some(Ok(wasmparser::Payload::Version { encoding, .. })) => Ok(encoding == Encoding::Component),
        Some(Err(error)) => Err(Error::NotWasm(error.to_string())),
        _ => Err(Error::NotWasm("it does not begin with a version".to_owned())),
    }
}

fn has_metadata(module: &[u8]) -> Result<bool> {
    for payload in Parser::new(0).parse_all(module) {
        if let wasmparser::Payload::CustomSection(section) =
            payload.map_err(|error| Error::NotWasm(error.to_string()))?
            && section.name().starts_with("component-type")
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What a component's metadata say about where it comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The crate's name.
    pub name: Option<String>,
    /// The crate's version.
    pub version: Option<String>,
    /// The crate's description, one line.
    pub description: Option<String>,
    /// An SPDX licence expression.
    pub license: Option<String>,
}

/// Writes metadata into a component. A licence that is no SPDX expression is an
/// error.
pub fn add_metadata(component: &[u8], metadata: &Metadata) -> Result<Vec<u8>> {
    let fail = |error: &dyn std::fmt::Display| Error::Encode(format!("metadata: {error:#}"));
    let mut add = AddMetadata::default();
    if let Some(name) = &metadata.name {
        add.name = AddMetadataField::Set(name.clone());
    }
    if let Some(version) = &metadata.version {
        add.version = AddMetadataField::Set(wasm_metadata::Version::new(version.clone()));
    }
    if let Some(description) = &metadata.description {
        add.description = AddMetadataField::Set(wasm_metadata::Description::new(description.clone()));
    }
    if let Some(license) = &metadata.license {
        let license = wasm_metadata::Licenses::new(license).map_err(|error| fail(&error))?;
        add.licenses = AddMetadataField::Set(license);
    }
    add.processed_by = vec![("modelyard-build".to_owned(), env!("CARGO_PKG_VERSION").to_owned())];
    add.to_wasm(component).map_err(|error| fail(&error))
}

/// What a component says of itself without being run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Where it comes from.
    pub metadata: Metadata,
    /// What it exports, by full name: `modelyard:lifecycle/scoring@0.1.0`.
    pub exports: Vec<Item>,
    /// What it imports. An interface without functions holds types only and
    /// grants nothing.
    pub imports: Vec<Item>,
}

/// An import or an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The interface's full name, or the function's.
    pub name: String,
    /// The functions in it; a function's own name where it stands alone.
    pub functions: Vec<String>,
}

impl Summary {
    /// The names of the imports that have functions: the capabilities that the
    /// component needs. None: it is pure.
    pub fn capabilities(&self) -> impl Iterator<Item = &str> {
        self.imports.iter().filter(|item| !item.functions.is_empty()).map(|item| item.name.as_str())
    }
}

/// Reads what a component exports, imports and says of itself.
pub fn summary(component: &[u8]) -> Result<Summary> {
    if !is_component(component)? {
        return Err(Error::NotWasm("it is a core module, not a component".to_owned()));
    }
    let not_wasm = |error: &dyn std::fmt::Display| Error::NotWasm(format!("{error:#}"));
    let (resolve, world) = match wit_component::decode(component).map_err(|error| not_wasm(&error))? {
        DecodedWasm::Component(resolve, world) => (resolve, world),
        DecodedWasm::WitPackage(..) => {
            return Err(Error::NotWasm("it is an encoded WIT package, not a component".to_owned()));
        }
    };
    let payload = Payload::from_binary(component).map_err(|error| not_wasm(&error))?;
    let found = payload.metadata();
    let world = resolve.worlds.get(world).ok_or_else(|| Error::NotWasm("it has no world".to_owned()))?;
    let items = |items: &wit_parser::IndexMap<WorldKey, WorldItem>| {
        items.iter().filter_map(|(key, item)| self::item(&resolve, key, item)).collect()
    };
    Ok(Summary {
        metadata: Metadata {
            name: found.name.clone(),
            version: found.version.as_ref().map(ToString::to_string),
            description: found.description.as_ref().map(ToString::to_string),
            license: found.licenses.as_ref().map(ToString::to_string),
        },
        exports: items(&world.exports),
        imports: items(&world.imports),
    })
}

fn item(resolve: &Resolve, key: &WorldKey, item: &WorldItem) -> Option<Item> {
    let name = resolve.name_world_key(key);
    match item {
        WorldItem::Interface { id, .. } => {
            let functions = resolve.interfaces.get(*id)?.functions.keys().cloned().collect();
            Some(Item { name, functions })
        }
        WorldItem::Function(function) => Some(Item { name, functions: vec![function.name.clone()] }),
        WorldItem::Type { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const EMPTY_MODULE: &[u8] = b"\0asm\x01\0\0\0";
    const EMPTY_COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

    #[test]
    fn what_is_no_module_with_metadata_is_refused_with_the_reason() {
        assert!(matches!(encode(EMPTY_MODULE), Err(Error::NoMetadata)));
        assert!(encode(EMPTY_MODULE).unwrap_err().to_string().contains("modelyard_sdk::export!"));
        assert!(matches!(encode(EMPTY_COMPONENT), Err(Error::AlreadyComponent)));
        assert!(matches!(encode(b"a text file"), Err(Error::NotWasm(_))));
        assert!(matches!(encode(b""), Err(Error::NotWasm(_))));
        assert!(matches!(encode(b"\0asm\x01\0\0\0\x0a\xff"), Err(Error::NotWasm(_))));
        assert!(matches!(summary(EMPTY_MODULE), Err(Error::NotWasm(_))));
        assert!(matches!(summary(b"\0asm\x0d\0\x01\0\x00\x7f"), Err(Error::NotWasm(_))));
    }

    #[test]
    fn metadata_are_read_back() {
        let metadata = Metadata {
            name: Some("scoring-half".into()),
            version: Some("1.2.3".into()),
            description: Some("Halves a number".into()),
            license: Some("Apache-2.0".into()),
        };
        let component = add_metadata(EMPTY_COMPONENT, &metadata).unwrap();
        let summary = summary(&component).unwrap();
        assert_eq!(summary.metadata, metadata);
        assert_eq!((summary.exports.len(), summary.imports.len()), (0, 0));
        let wrong = Metadata { license: Some("my own".into()), ..Metadata::default() };
        assert!(matches!(add_metadata(EMPTY_COMPONENT, &wrong), Err(Error::Encode(_))));
    }
}
