//! What a component is, before anything of it is stored, compiled or run.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use wasmparser::{Encoding, Parser, Payload, Validator, WasmFeatures};
use wit_component::{ComponentEncoder, DecodedWasm};
use wit_parser::{InterfaceId, Resolve, World};

use crate::contract::{Contract, Name, PACKAGE, item};
use crate::error::{Direction, Error, Misfit};
use crate::kind::{Capability, Kind, Protocol};

/// Packages that the host grants to every plugin, without files or network.
const WASI: [&str; 6] =
    ["wasi:cli", "wasi:clocks", "wasi:filesystem", "wasi:io", "wasi:random", "wasi:sockets"];
/// Packages that the host grants to functions only.
const WASI_OF_FUNCTIONS: [&str; 2] = ["wasi:config", "wasi:http"];
/// What a function exports that is a handler of `wasi:http`.
const HANDLER: (&str, &str) = ("wasi:http", "incoming-handler");

/// What a component is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inspection {
    /// The kind of plugin.
    pub kind: Kind,
    /// How it is called, if it is a function.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// The version of the contract that it was built against: `0.1.0`, or
    /// `wasi:http@0.2.6` for a handler of that.
    pub contract_version: String,
    /// The name in its metadata.
    pub name: Option<String>,
    /// The version in its metadata.
    pub version: Option<String>,
    /// The description in its metadata.
    pub description: Option<String>,
    /// The licence in its metadata, an SPDX expression.
    pub licence: Option<String>,
    /// Names of all its exports.
    pub exports: Vec<String>,
    /// What it needs from outside the sandbox, sorted.
    pub capabilities: Vec<Capability>,
    /// Whether it needs nothing: then the same input always gives the same
    /// output and nothing leaves it.
    pub pure: bool,
    /// The component; encoded if a core module with metadata was given.
    #[serde(skip)]
    pub component: Bytes,
    /// The SHA-256 of `component`: `sha256:<64 hexadecimal digits>`.
    pub digest: String,
}

/// The name of bytes: `sha256:` and their SHA-256 in lower-case hexadecimal.
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// Validates an upload in full. Nothing of it is compiled or run.
pub(crate) fn inspect(bytes: &[u8], cap: usize) -> Result<Inspection, Error> {
    if bytes.len() > cap {
        return Err(Error::TooLarge { bytes: bytes.len(), cap });
    }
    // The decoders are meant to refuse bad bytes; one that panics on them must
    // not take the host's worker along.
    let inspected = catch_unwind(AssertUnwindSafe(|| inspect_within(bytes, cap)));
    inspected.unwrap_or_else(|_| Err(Error::Invalid("the component can't be decoded".into())))
}

fn inspect_within(bytes: &[u8], cap: usize) -> Result<Inspection, Error> {
    if !bytes.starts_with(b"\0asm") {
        return Err(Error::NotWasm { found: guess(bytes) });
    }
    validate(bytes)?;
    let component = match encoding(bytes) {
        Some(Encoding::Module) => Bytes::from(encode(bytes)?),
        _ => Bytes::copy_from_slice(bytes),
    };
    if component.len() > cap {
        return Err(Error::TooLarge { bytes: component.len(), cap });
    }
    let decoded = wit_component::decode(&component).map_err(|error| Error::Invalid(format!("{error:#}")))?;
    let (resolve, world) = match &decoded {
        DecodedWasm::Component(resolve, world) => (resolve, resolve.worlds.get(*world)),
        DecodedWasm::WitPackage(..) => {
            return Err(Error::Invalid("this is a WIT package, an interface without code".into()));
        }
    };
    let world = world.ok_or_else(|| Error::Invalid("the component has no world".into()))?;
    let fitted = fit(resolve, world)?;
    let metadata = metadata(&component, bytes);
    Ok(Inspection {
        kind: fitted.found.kind,
        protocol: fitted.found.protocol,
        contract_version: fitted.found.version,
        name: metadata.name,
        version: metadata.version,
        description: metadata.description,
        licence: metadata.licence,
        exports: fitted.exports,
        pure: fitted.capabilities.is_empty(),
        capabilities: fitted.capabilities,
        digest: digest(&component),
        component,
    })
}

/// What bytes that are no WebAssembly look like.
fn guess(bytes: &[u8]) -> String {
    let head = bytes.get(..bytes.len().min(512)).unwrap_or_default();
    // A character may be cut at the end of the head.
    let text = match std::str::from_utf8(head) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() => {
            head.get(..error.valid_up_to()).and_then(|head| std::str::from_utf8(head).ok())
        }
        Err(_) => None,
    };
    match (bytes, text) {
        ([], _) => "an empty file".into(),
        ([0x7f, b'E', b'L', b'F', ..], _) => "a native program (ELF)".into(),
        ([b'P', b'K', 3, 4, ..], _) => "a ZIP archive".into(),
        ([0x1f, 0x8b, ..], _) => "a gzip file".into(),
        (_, Some(text)) if !text.contains('\0') => {
            let line: String = text.lines().next().unwrap_or_default().chars().take(40).collect();
            format!("a text file (`{line}`)")
        }
        _ => "data of another format".into(),
    }
}

fn validate(bytes: &[u8]) -> Result<(), Error> {
    let features = WasmFeatures::default()
        - WasmFeatures::THREADS
        - WasmFeatures::MEMORY64
        - WasmFeatures::GC
        - WasmFeatures::FUNCTION_REFERENCES
        - WasmFeatures::CM_ASYNC;
    match Validator::new_with_features(features).validate_all(bytes) {
        Ok(_) => Ok(()),
        Err(error) => {
            let at = error.offset();
            let cut = error.message().contains("unexpected end") || at as usize >= bytes.len();
            let what = if cut { "the file is cut off: " } else { "" };
            Err(Error::Invalid(format!("{what}{} (at byte {at} of {})", error.message(), bytes.len())))
        }
    }
}

fn encoding(bytes: &[u8]) -> Option<Encoding> {
    match Parser::new(0).parse_all(bytes).next() {
        Some(Ok(Payload::Version { encoding, .. })) => Some(encoding),
        _ => None,
    }
}

/// Makes a component of a core module that carries component metadata.
fn encode(module: &[u8]) -> Result<Vec<u8>, Error> {
    let described = Parser::new(0).parse_all(module).any(|payload| match payload {
        Ok(Payload::CustomSection(section)) => section.name().starts_with("component-type"),
        _ => false,
    });
    if !described {
        return Err(Error::NoMetadata);
    }
    let mut encoder = ComponentEncoder::default();
    encoder.validate(true).module(module).and_then(|encoder| encoder.encode()).map_err(|error| {
        Error::Invalid(format!("the core module can't be encoded as a component: {error:#}"))
    })
}

/// What an export makes a component.
#[derive(Clone)]
struct Found {
    kind: Kind,
    protocol: Option<Protocol>,
    version: String,
}

struct Fitted {
    found: Found,
    exports: Vec<String>,
    capabilities: Vec<Capability>,
}

/// Holds a component's world to the contract.
fn fit(resolve: &Resolve, world: &World) -> Result<Fitted, Error> {
    let contract = Contract::get().map_err(Error::Engine)?;
    let mut misfits = Vec::new();
    let exports: Vec<_> = world.exports.iter().map(|(key, value)| item(resolve, key, value)).collect();
    let mut kinds = Vec::new();
    for (name, id) in &exports {
        match export(contract, resolve, name, *id) {
            Ok(Some(found)) => kinds.push((name.as_str(), found)),
            Ok(None) => {}
            Err(misfit) => misfits.push(misfit),
        }
    }
    if let ([(first, _), (second, _), ..], true) = (kinds.as_slice(), misfits.is_empty()) {
        misfits.push(Misfit {
            direction: Direction::Export,
            name: (*second).to_owned(),
            reason: format!("comes on top of `{first}`; a plugin is of one kind"),
            nearest: None,
        });
    }
    // A kind that doesn't fit still says which imports would.
    let meant = exports.iter().find_map(|(name, _)| meant(&Name::parse(name)?));
    let found = kinds.first().map(|(_, found)| found.clone());
    let mut capabilities = Vec::new();
    for (key, value) in &world.imports {
        let (name, id) = item(resolve, key, value);
        match import(contract, resolve, &name, id, meant) {
            Ok(Some(capability)) => capabilities.push(capability),
            Ok(None) => {}
            Err(misfit) => misfits.push(misfit),
        }
    }
    let found = match found {
        Some(found) if misfits.is_empty() => found,
        None if misfits.is_empty() => return Err(Error::Misfit(vec![no_kind(contract, &exports)])),
        _ => return Err(Error::Misfit(misfits)),
    };
    capabilities.sort();
    let exports = exports.into_iter().map(|(name, _)| name).collect();
    Ok(Fitted { found, exports, capabilities })
}

/// The kind that an interface stands for, whether it fits or not.
pub(crate) fn meant(name: &Name) -> Option<Kind> {
    match (name.package.as_str(), name.interface.as_str()) {
        HANDLER => Some(Kind::Function),
        (PACKAGE, interface) => interface.parse().ok(),
        _ => None,
    }
}

fn no_kind(contract: &Contract, exports: &[(String, Option<InterfaceId>)]) -> Misfit {
    let name = exports.first().map_or("(none)".into(), |(name, _)| name.clone());
    let kinds = Kind::ALL.map(Kind::name).join(", ");
    Misfit {
        direction: Direction::Export,
        nearest: nearest(contract, &name),
        name,
        reason: format!(
            "is no kind of plugin; needed is one of {PACKAGE}@{}: {kinds}; or wasi:http/incoming-handler@0.2",
            contract.version
        ),
    }
}

/// What an export makes a component; none for what the host ignores.
fn export(
    contract: &Contract,
    resolve: &Resolve,
    text: &str,
    id: Option<InterfaceId>,
) -> Result<Option<Found>, Misfit> {
    let misfit = |reason: String| Misfit {
        direction: Direction::Export,
        name: text.to_owned(),
        reason,
        nearest: nearest(contract, text),
    };
    let (Some(name), Some(id)) = (Name::parse(text), id) else { return Ok(None) };
    if (name.package.as_str(), name.interface.as_str()) == HANDLER {
        return match &name.version {
            Some(version) if of_wasi(version) => Ok(Some(Found {
                kind: Kind::Function,
                protocol: Some(Protocol::Http),
                version: format!("{}@{version}", name.package),
            })),
            _ => Err(misfit("is not of WASI 0.2, which is what the host has".into())),
        };
    }
    if name.package != PACKAGE {
        return Ok(None);
    }
    let Ok(kind) = name.interface.parse::<Kind>() else {
        return Err(misfit(format!(
            "is no kind of plugin; the kinds are {}",
            Kind::ALL.map(Kind::name).join(", ")
        )));
    };
    if !name.fits(&contract.version) {
        return Err(misfit(unsupported(&name)));
    }
    contract.hold(&name.interface, resolve, id, true).map_err(misfit)?;
    let protocol = (kind == Kind::Function).then_some(Protocol::Json);
    Ok(name.version.map(|version| Found { kind, protocol, version: version.to_string() }))
}

/// Whether it is a version of WASI that the host has.
fn of_wasi(version: &semver::Version) -> bool {
    version.major == 0 && version.minor == 2
}

fn unsupported(name: &Name) -> String {
    match &name.version {
        Some(version) => format!("has the version {version}, which this host does not support"),
        None => "has no version".into(),
    }
}

/// The capability that an import is; none for types.
fn import(
    contract: &Contract,
    resolve: &Resolve,
    text: &str,
    id: Option<InterfaceId>,
    kind: Option<Kind>,
) -> Result<Option<Capability>, Misfit> {
    let misfit = |reason: String| Misfit {
        direction: Direction::Import,
        name: text.to_owned(),
        reason,
        nearest: nearest(contract, text),
    };
    let (Some(name), Some(id)) = (Name::parse(text), id) else {
        return Err(misfit("is not of an interface that the host has".into()));
    };
    // An interface of types only grants nothing, wherever it is from.
    let empty = resolve.interfaces.get(id).is_some_and(|interface| interface.functions.is_empty());
    let of_functions = WASI_OF_FUNCTIONS.contains(&name.package.as_str());
    if of_functions || WASI.contains(&name.package.as_str()) {
        let reason = match (&name.version, kind) {
            (Some(version), _) if !of_wasi(version) => {
                "is not of WASI 0.2, which is what the host has".to_owned()
            }
            (None, _) => "has no version; the host has WASI 0.2".to_owned(),
            (Some(_), Some(kind)) if of_functions && !empty && kind != Kind::Function => {
                format!("is not granted to {kind} plugins, only to functions")
            }
            _ => return Ok((!empty).then(|| Capability::Wasi(text.to_owned()))),
        };
        let (direction, name) = (Direction::Import, text.to_owned());
        return Err(Misfit { direction, name, reason, nearest: None });
    }
    if name.package != PACKAGE {
        return match empty {
            true => Ok(None),
            false => Err(misfit("is not an interface that the host has".into())),
        };
    }
    if !name.fits(&contract.version) {
        return Err(misfit(unsupported(&name)));
    }
    contract.hold(&name.interface, resolve, id, false).map_err(misfit)?;
    if empty && name.interface == "types" {
        return Ok(None);
    }
    if let Some(kind) = kind
        && !contract.imports(kind).contains(&name.interface)
    {
        return Err(Misfit {
            direction: Direction::Import,
            name: text.to_owned(),
            reason: format!("is not granted to {kind} plugins; they may import {}", allowed(contract, kind)),
            nearest: None,
        });
    }
    Ok(Some(Capability::of(text)))
}

fn allowed(contract: &Contract, kind: Kind) -> String {
    let imports: Vec<_> = contract.imports(kind).into_iter().filter(|name| name != "types").collect();
    match imports.is_empty() {
        true => "nothing".into(),
        false => imports.join(", "),
    }
}

/// The nearest interface that the host supports: the same one in its own
/// version, or the one whose name differs least.
fn nearest(contract: &Contract, text: &str) -> Option<String> {
    let wanted = Name::parse(text).map_or_else(|| text.to_owned(), |name| name.interface);
    let ours = Kind::ALL.map(Kind::name).into_iter().chain(["log", "progress", "objects", "tables", "types"]);
    let (distance, name) = ours.map(|name| (distance(&wanted, name), name)).min()?;
    (distance * 2 <= wanted.len()).then(|| format!("{PACKAGE}/{name}@{}", contract.version))
}

/// Levenshtein distance of two short names.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().take(64).enumerate() {
        let mut next = vec![i + 1];
        for ((right, above), diagonal) in b.iter().zip(row.iter().skip(1)).zip(&row) {
            let before = next.last().copied().unwrap_or(0);
            next.push((diagonal + usize::from(left != *right)).min(above + 1).min(before + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[derive(Default)]
struct Metadata {
    name: Option<String>,
    version: Option<String>,
    description: Option<String>,
    licence: Option<String>,
}

/// Name, version, description and licence, from the component or else from the
/// core module that it was made of.
fn metadata(component: &[u8], original: &[u8]) -> Metadata {
    let read = |bytes: &[u8]| match wasm_metadata::Payload::from_binary(bytes) {
        Ok(payload) => {
            let metadata = payload.metadata();
            Metadata {
                name: metadata.name.clone(),
                version: metadata.version.as_ref().map(ToString::to_string),
                description: metadata.description.as_ref().map(ToString::to_string),
                licence: metadata.licenses.as_ref().map(ToString::to_string),
            }
        }
        Err(_) => Metadata::default(),
    };
    let (outer, inner) = (read(component), read(original));
    Metadata {
        name: outer.name.or(inner.name),
        version: outer.version.or(inner.version),
        description: outer.description.or(inner.description),
        licence: outer.licence.or(inner.licence),
    }
}
