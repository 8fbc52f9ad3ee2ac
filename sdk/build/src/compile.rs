//! From plugin crates to components, through one cargo call per workspace.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;

use crate::component::{self, Metadata};
use crate::{Error, Result, command, toolchain};

/// The profile that plugins are compiled with. It is given on the command line,
/// so that a crate outside any workspace of ours gets the same.
const PROFILE: [&str; 6] = [
    "profile.guest.inherits=\"release\"",
    "profile.guest.opt-level=3",
    "profile.guest.lto=true",
    "profile.guest.codegen-units=1",
    "profile.guest.panic=\"abort\"",
    "profile.guest.strip=\"debuginfo\"",
];

/// How to build.
#[derive(Clone, Debug, Default)]
pub struct BuildOptions {
    /// The plugin crate's directory. [`build_all`] takes its own list.
    pub crate_dir: PathBuf,
    /// Where the guest's build files go; none: [`default_target_dir`].
    pub target_dir: Option<PathBuf>,
    /// Refuse to change the crate's `Cargo.lock`.
    pub locked: bool,
    /// Use no network.
    pub offline: bool,
    /// Let cargo's progress through to standard error, for a person who waits.
    /// Otherwise it is kept for the error.
    pub show_progress: bool,
}

impl BuildOptions {
    /// Builds the crate in a directory, with everything else as it is by default.
    pub fn new(crate_dir: impl Into<PathBuf>) -> BuildOptions {
        BuildOptions { crate_dir: crate_dir.into(), ..BuildOptions::default() }
    }
}

/// A component and where it comes from.
#[derive(Clone, Debug)]
pub struct BuiltComponent {
    /// The crate's name.
    pub name: String,
    /// The crate's version.
    pub version: String,
    /// Where the component was written: `<target dir>/components/<name>.wasm`.
    pub path: PathBuf,
    /// The component.
    pub bytes: Vec<u8>,
}

/// Names the directory for the guest's build files.
pub const GUEST_DIR_VARIABLE: &str = "MODELYARD_GUEST_DIR";

/// Where the guest's build files go unless the options say otherwise:
/// `$MODELYARD_GUEST_DIR`, else `~/.cache/modelyard/guest`. It is never the outer
/// build's own directory, whose lock a nested cargo would wait for, and all host
/// builds of a user (check, test, release) share it.
pub fn default_target_dir() -> PathBuf {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(directory) = variable(GUEST_DIR_VARIABLE) {
        return directory;
    }
    let cache = variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")));
    match cache {
        Some(cache) => cache.join("modelyard/guest"),
        None => variable("CARGO_TARGET_DIR").unwrap_or_else(std::env::temp_dir).join("guest"),
    }
}

/// Compiles one plugin crate and encodes it as a component.
pub fn build(options: &BuildOptions) -> Result<BuiltComponent> {
    let mut built = build_all(std::slice::from_ref(&options.crate_dir), options)?;
    built.pop().ok_or_else(|| Error::NoCrate(options.crate_dir.clone()))
}

/// Compiles many plugin crates, those of one workspace in one call of cargo, and
/// encodes them, in the order given.
pub fn build_all(crates: &[PathBuf], options: &BuildOptions) -> Result<Vec<BuiltComponent>> {
    let target_dir = absolute(&options.target_dir.clone().unwrap_or_else(default_target_dir))?;
    let mut packages = Vec::new();
    for directory in crates {
        let manifest = directory.join("Cargo.toml");
        let manifest = manifest.canonicalize().map_err(|_| Error::NoCrate(directory.clone()))?;
        if !packages.iter().any(|package: &Package| package.manifest_path == manifest) {
            packages.extend(workspace(&manifest)?);
        }
        let package = packages.iter().find(|package| package.manifest_path == manifest);
        if !package.ok_or_else(|| Error::NoCrate(directory.clone()))?.has_library() {
            let name = package.map(|package| package.name.clone()).unwrap_or_default();
            return Err(Error::NoLibrary { name });
        }
    }
    let wanted = |directory: &PathBuf| {
        let manifest = directory.join("Cargo.toml").canonicalize().ok()?;
        packages.iter().find(|package| package.manifest_path == manifest)
    };
    let wanted: Vec<&Package> = crates.iter().filter_map(wanted).collect();
    let mut modules = HashMap::new();
    let mut roots: Vec<&PathBuf> = wanted.iter().map(|package| &package.workspace_root).collect();
    roots.sort();
    roots.dedup();
    for root in roots {
        let members: Vec<&Package> =
            wanted.iter().filter(|package| &package.workspace_root == root).copied().collect();
        modules.extend(compile(root, &members, &target_dir, options)?);
    }
    wanted.into_iter().map(|package| finish(package, &modules, &target_dir)).collect()
}

/// What `cargo metadata` says of one package.
#[derive(Clone, Debug, Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    description: Option<String>,
    license: Option<String>,
    manifest_path: PathBuf,
    targets: Vec<Target>,
    #[serde(skip)]
    workspace_root: PathBuf,
}

#[derive(Clone, Debug, Deserialize)]
struct Target {
    crate_types: Vec<String>,
}

impl Package {
    fn has_library(&self) -> bool {
        self.targets.iter().any(|target| target.crate_types.iter().any(|kind| kind == "cdylib"))
    }
}

/// The packages of the workspace that a manifest belongs to.
fn workspace(manifest: &Path) -> Result<Vec<Package>> {
    #[derive(Deserialize)]
    struct Workspace {
        packages: Vec<Package>,
        workspace_root: PathBuf,
    }
    let directory = manifest.parent().unwrap_or(manifest);
    let mut cargo = command::clean(command::cargo(), directory);
    let output = command::run(
        cargo.args(["metadata", "--no-deps", "--format-version=1", "--manifest-path"]).arg(manifest),
    )?;
    let failed = |output: String| Error::Cargo { action: "metadata", output };
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let workspace: Workspace =
        serde_json::from_slice(&output.stdout).map_err(|error| failed(error.to_string()))?;
    let mut packages = workspace.packages;
    for package in &mut packages {
        package.workspace_root.clone_from(&workspace.workspace_root);
        package.manifest_path = package
            .manifest_path
            .canonicalize()
            .map_err(Error::io(package.manifest_path.display().to_string()))?;
    }
    Ok(packages)
}

/// Compiles packages of one workspace; the core modules' paths by package id.
fn compile(
    root: &Path,
    packages: &[&Package],
    target_dir: &Path,
    options: &BuildOptions,
) -> Result<HashMap<String, PathBuf>> {
    let toolchain = toolchain::find(root, target_dir)?;
    let mut cargo = command::clean(command::cargo(), root);
    cargo.args(["build", "--lib", "--message-format=json-render-diagnostics", "--profile=guest"]);
    for setting in PROFILE {
        cargo.args(["--config", setting]);
    }
    toolchain.apply(&mut cargo);
    cargo.arg("--target-dir").arg(target_dir);
    for package in packages {
        cargo.args(["--package", &package.id]);
    }
    if options.locked {
        cargo.arg("--locked");
    }
    if options.offline {
        cargo.arg("--offline");
    }
    if options.show_progress {
        cargo.stderr(Stdio::inherit());
    }
    let output = command::run(&mut cargo)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let output = if options.show_progress { "see above".to_owned() } else { diagnostics(&said) };
        return Err(Error::Cargo { action: "build", output });
    }
    Ok(artifacts(&String::from_utf8_lossy(&output.stdout)))
}

/// Cargo's messages without the lines of its progress.
fn diagnostics(said: &str) -> String {
    const PROGRESS: [&str; 8] = [
        "Compiling ",
        "Fresh ",
        "Downloading ",
        "Downloaded ",
        "Locking ",
        "Updating ",
        "Adding ",
        "Blocking ",
    ];
    let kept: Vec<&str> = said
        .lines()
        .filter(|line| !PROGRESS.iter().any(|progress| line.trim_start().starts_with(progress)))
        .collect();
    kept.join("\n").trim().to_owned()
}

/// The `.wasm` files that cargo's messages name, by package id.
fn artifacts(messages: &str) -> HashMap<String, PathBuf> {
    #[derive(Deserialize)]
    struct Message {
        reason: String,
        package_id: Option<String>,
        #[serde(default)]
        filenames: Vec<PathBuf>,
    }
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .filter(|message| message.reason == "compiler-artifact")
        .filter_map(|message| {
            let is_wasm = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "wasm");
            Some((message.package_id?, message.filenames.into_iter().find(is_wasm)?))
        })
        .collect()
}

/// Encodes a core module, adds the crate's metadata, and writes the component.
fn finish(
    package: &Package,
    modules: &HashMap<String, PathBuf>,
    target_dir: &Path,
) -> Result<BuiltComponent> {
    let no_library = || Error::NoLibrary { name: package.name.clone() };
    let module = modules.get(&package.id).ok_or_else(no_library)?;
    let module = std::fs::read(module).map_err(Error::io(module.display().to_string()))?;
    let in_package = |error: Error| match error {
        Error::NoMetadata | Error::Encode(_) => Error::Encode(format!("{}: {error}", package.name)),
        other => other,
    };
    let component = component::encode(&module).map_err(in_package)?;
    let metadata = Metadata {
        name: Some(package.name.clone()),
        version: Some(package.version.clone()),
        description: package.description.clone(),
        license: package.license.clone(),
    };
    let bytes = component::add_metadata(&component, &metadata).map_err(in_package)?;
    let path = target_dir.join("components").join(format!("{}.wasm", package.name));
    write(&path, &bytes)?;
    Ok(BuiltComponent { name: package.name.clone(), version: package.version.clone(), path, bytes })
}

/// Writes a file whole or not at all, and leaves one with the same content be.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if std::fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let fail = || Error::io(path.display().to_string());
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(fail())?;
    }
    let part = path.with_extension(format!("{}.part", std::process::id()));
    std::fs::write(&part, bytes).map_err(fail())?;
    std::fs::rename(&part, path).map_err(fail())
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(Error::io(path.display().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_modules_of_packages_are_found() {
        let messages = r#"{"reason":"compiler-artifact","package_id":"a#1","filenames":["/t/a.rlib","/t/a.wasm"]}
{"reason":"compiler-artifact","package_id":"b#1","filenames":["/t/b.rlib"]}
not json
{"reason":"build-finished","success":true}"#;
        let found = artifacts(messages);
        assert_eq!(found.len(), 1);
        assert_eq!(found.get("a#1"), Some(&PathBuf::from("/t/a.wasm")));
    }

    #[test]
    fn errors_come_without_the_progress() {
        let said =
            "   Compiling a v1\nerror[E0425]: cannot find value `x`\n --> src/lib.rs:1:1\n    Updating index";
        assert_eq!(diagnostics(said), "error[E0425]: cannot find value `x`\n --> src/lib.rs:1:1");
    }
}
