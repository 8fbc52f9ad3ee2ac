//! The contract as the host knows it, and how an interface is held to it.

use std::path::Path;
use std::sync::OnceLock;

use semver::Version;
use wit_parser::{
    Function, Handle, InterfaceId, PackageId, Resolve, SourceMap, Type, TypeDefKind, TypeId, WorldItem,
    WorldKey,
};

use crate::kind::Kind;

/// The package that plugins are written against.
pub(crate) const PACKAGE: &str = "modelyard:lifecycle";

/// The contract's files, one per kind and what they share.
const FILES: [(&str, &str); 14] = [
    ("types.wit", include_str!("../../../wit/types.wit")),
    ("host.wit", include_str!("../../../wit/host.wit")),
    ("worlds.wit", include_str!("../../../wit/worlds.wit")),
    ("ingestion.wit", include_str!("../../../wit/ingestion.wit")),
    ("features.wit", include_str!("../../../wit/features.wit")),
    ("training.wit", include_str!("../../../wit/training.wit")),
    ("evaluation.wit", include_str!("../../../wit/evaluation.wit")),
    ("scoring.wit", include_str!("../../../wit/scoring.wit")),
    ("function.wit", include_str!("../../../wit/function.wit")),
    ("monitoring.wit", include_str!("../../../wit/monitoring.wit")),
    ("feedback.wit", include_str!("../../../wit/feedback.wit")),
    ("governance.wit", include_str!("../../../wit/governance.wit")),
    ("documentation.wit", include_str!("../../../wit/documentation.wit")),
    ("retirement.wit", include_str!("../../../wit/retirement.wit")),
];

/// The parsed contract.
pub(crate) struct Contract {
    resolve: Resolve,
    package: PackageId,
    /// Its version.
    pub(crate) version: Version,
}

impl Contract {
    /// The contract that this host was built with.
    pub(crate) fn get() -> Result<&'static Contract, String> {
        static CONTRACT: OnceLock<Result<Contract, String>> = OnceLock::new();
        CONTRACT.get_or_init(Contract::parse).as_ref().map_err(Clone::clone)
    }

    fn parse() -> Result<Contract, String> {
        let mut sources = SourceMap::new();
        for (name, text) in FILES {
            sources.push(Path::new(name), text);
        }
        let group = sources.parse().map_err(|(_, error)| format!("the contract: {error}"))?;
        let mut resolve = Resolve::default();
        let package = resolve.push_group(group).map_err(|error| format!("the contract: {error:#}"))?;
        let version = resolve.packages.get(package).and_then(|package| package.name.version.clone());
        Ok(Contract { resolve, package, version: version.ok_or("the contract has no version")? })
    }

    /// An interface of the contract by its bare name.
    pub(crate) fn interface(&self, name: &str) -> Option<InterfaceId> {
        self.resolve.packages.get(self.package)?.interfaces.get(name).copied()
    }

    /// Names of the interfaces that plugins of a kind may import, types-only
    /// ones included.
    pub(crate) fn imports(&self, kind: Kind) -> Vec<String> {
        let world = format!("{kind}-plugin");
        let Some(world) =
            self.resolve.packages.get(self.package).and_then(|package| package.worlds.get(&world))
        else {
            return Vec::new();
        };
        let Some(world) = self.resolve.worlds.get(*world) else { return Vec::new() };
        world
            .imports
            .keys()
            .filter_map(|key| interface_name(&self.resolve, key))
            .map(|name| name.interface)
            .collect()
    }

    /// Whether a component's interface has the shape of the contract's. An
    /// import may leave functions out; an export has them all.
    ///
    /// # Errors
    /// One sentence that names the function and both shapes.
    pub(crate) fn hold(
        &self,
        name: &str,
        found: &Resolve,
        id: InterfaceId,
        whole: bool,
    ) -> Result<(), String> {
        let Some(ours) = self.interface(name).and_then(|id| self.resolve.interfaces.get(id)) else {
            return Err(format!("is not part of {PACKAGE}@{}", self.version));
        };
        let Some(theirs) = found.interfaces.get(id) else { return Err("can't be read".into()) };
        for (name, function) in &theirs.functions {
            let Some(expected) = ours.functions.get(name) else {
                let functions = ours.functions.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                return Err(format!(
                    "has a function `{name}`, which the contract has not; it has {functions}"
                ));
            };
            let (expected, found) = (signature(&self.resolve, expected), signature(found, function));
            if expected != found {
                let (expected, found) = differing(&expected, &found);
                return Err(format!("has another `{name}`: `{found}` where the contract has `{expected}`"));
            }
        }
        match ours.functions.keys().find(|name| !theirs.functions.contains_key(*name)) {
            Some(missing) if whole => Err(format!("lacks the function `{missing}`")),
            _ => Ok(()),
        }
    }
}

/// An interface's name, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// `modelyard:lifecycle`
    pub(crate) package: String,
    /// `scoring`
    pub(crate) interface: String,
    pub(crate) version: Option<Version>,
}

impl Name {
    /// Takes `package:name/interface@version` apart.
    pub(crate) fn parse(text: &str) -> Option<Name> {
        let (package, rest) = text.split_once('/')?;
        let (interface, version) = match rest.split_once('@') {
            Some((interface, version)) => (interface, Some(Version::parse(version).ok()?)),
            None => (rest, None),
        };
        Some(Name { package: package.into(), interface: interface.into(), version })
    }

    /// Whether a host that has `supported` can serve this version: the same
    /// `0.x` below 1.0, the same major number from there, and a prerelease
    /// nothing but itself.
    pub(crate) fn fits(&self, supported: &Version) -> bool {
        match &self.version {
            None => false,
            Some(version) if !version.pre.is_empty() || !supported.pre.is_empty() => version == supported,
            Some(version) if supported.major == 0 => version.major == 0 && version.minor == supported.minor,
            Some(version) => version.major == supported.major,
        }
    }
}

/// The name of the interface behind a world's key.
pub(crate) fn interface_name(resolve: &Resolve, key: &WorldKey) -> Option<Name> {
    match key {
        WorldKey::Interface(id) => Name::parse(&resolve.id_of(*id)?),
        WorldKey::Name(_) => None,
    }
}

/// The name of a world's item as a person writes it, and its interface.
pub(crate) fn item(resolve: &Resolve, key: &WorldKey, item: &WorldItem) -> (String, Option<InterfaceId>) {
    let name = match key {
        WorldKey::Interface(id) => resolve.id_of(*id).unwrap_or_default(),
        WorldKey::Name(name) => name.clone(),
    };
    match item {
        WorldItem::Interface { id, .. } => (name, Some(*id)),
        _ => (name, None),
    }
}

/// A function's shape with every type spelt out, so that two are the same
/// exactly where their texts are.
fn signature(resolve: &Resolve, function: &Function) -> String {
    let parameters = function
        .params
        .iter()
        .map(|parameter| format!("{}: {}", parameter.name, type_text(resolve, &parameter.ty)))
        .collect::<Vec<_>>()
        .join(", ");
    match &function.result {
        Some(result) => format!("func({parameters}) -> {}", type_text(resolve, result)),
        None => format!("func({parameters})"),
    }
}

fn type_text(resolve: &Resolve, ty: &Type) -> String {
    match ty {
        Type::Bool => "bool".into(),
        Type::U8 => "u8".into(),
        Type::U16 => "u16".into(),
        Type::U32 => "u32".into(),
        Type::U64 => "u64".into(),
        Type::S8 => "s8".into(),
        Type::S16 => "s16".into(),
        Type::S32 => "s32".into(),
        Type::S64 => "s64".into(),
        Type::F32 => "f32".into(),
        Type::F64 => "f64".into(),
        Type::Char => "char".into(),
        Type::String => "string".into(),
        Type::ErrorContext => "error-context".into(),
        Type::Id(id) => defined_text(resolve, *id),
    }
}

fn defined_text(resolve: &Resolve, id: TypeId) -> String {
    let Some(def) = resolve.types.get(id) else { return "?".into() };
    let of = |ty: &Type| type_text(resolve, ty);
    let maybe = |ty: &Option<Type>| ty.as_ref().map_or("_".into(), of);
    let list = |parts: Vec<String>| parts.join(", ");
    match &def.kind {
        TypeDefKind::Type(ty) => of(ty),
        TypeDefKind::Resource => def.name.clone().unwrap_or_default(),
        TypeDefKind::Handle(Handle::Own(id)) => format!("own<{}>", defined_text(resolve, *id)),
        TypeDefKind::Handle(Handle::Borrow(id)) => format!("borrow<{}>", defined_text(resolve, *id)),
        TypeDefKind::Record(record) => {
            let fields = record.fields.iter().map(|field| format!("{}: {}", field.name, of(&field.ty)));
            format!("record {{ {} }}", list(fields.collect()))
        }
        TypeDefKind::Variant(variant) => {
            let cases = variant.cases.iter().map(|case| format!("{}({})", case.name, maybe(&case.ty)));
            format!("variant {{ {} }}", list(cases.collect()))
        }
        TypeDefKind::Enum(cases) => {
            format!("enum {{ {} }}", list(cases.cases.iter().map(|case| case.name.clone()).collect()))
        }
        TypeDefKind::Flags(flags) => {
            format!("flags {{ {} }}", list(flags.flags.iter().map(|flag| flag.name.clone()).collect()))
        }
        TypeDefKind::Tuple(tuple) => format!("tuple<{}>", list(tuple.types.iter().map(of).collect())),
        TypeDefKind::Option(ty) => format!("option<{}>", of(ty)),
        TypeDefKind::Result(result) => format!("result<{}, {}>", maybe(&result.ok), maybe(&result.err)),
        TypeDefKind::List(ty) => format!("list<{}>", of(ty)),
        // The contract has none of these, so a name is enough to differ.
        other => other.as_str().into(),
    }
}

/// The parts of two texts around the first difference, short enough to read.
fn differing(expected: &str, found: &str) -> (String, String) {
    let same = expected.bytes().zip(found.bytes()).take_while(|(a, b)| a == b).count();
    let cut = |text: &str| {
        let from = text.floor_char_boundary(same.saturating_sub(30));
        let to = text.floor_char_boundary((same + 50).min(text.len()));
        let part = text.get(from..to).unwrap_or_default();
        let (before, after) = (if from > 0 { "…" } else { "" }, if to < text.len() { "…" } else { "" });
        format!("{before}{part}{after}")
    };
    (cut(expected), cut(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_world_and_an_interface() {
        let contract = Contract::get().unwrap();
        for kind in Kind::ALL {
            assert!(contract.interface(kind.name()).is_some(), "{kind}");
            assert!(contract.imports(kind).contains(&"types".to_owned()), "{kind}");
        }
        assert!(!contract.imports(Kind::Scoring).contains(&"log".to_owned()));
        assert!(contract.imports(Kind::Ingestion).contains(&"objects".to_owned()));
    }

    #[test]
    fn versions_fit_as_packages_do() {
        let name = |version: &str| Name::parse(&format!("modelyard:lifecycle/scoring@{version}")).unwrap();
        let host = |version: &str| Version::parse(version).unwrap();
        assert!(name("0.1.7").fits(&host("0.1.0")));
        assert!(!name("0.2.0").fits(&host("0.1.0")));
        assert!(!name("1.0.0").fits(&host("0.1.0")));
        assert!(name("1.9.0").fits(&host("1.2.0")));
        assert!(!name("0.1.0-rc.1").fits(&host("0.1.0")));
        assert_eq!(Name::parse("no interface"), None);
    }
}
