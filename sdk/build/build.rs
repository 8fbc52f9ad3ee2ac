//! Embeds the plugin templates and the SDK's sources, so that an installed binary
//! needs no source tree.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let here = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let root = here.join("../..").canonicalize()?;
    let mut table = String::new();

    table.push_str("pub(crate) const SDK: &[(&str, &str)] = &[\n");
    for directory in ["sdk/rust/src", "wit"] {
        for file in files(&root.join(directory))? {
            let name = file.strip_prefix(&root)?.display().to_string();
            writeln!(table, "    ({name:?}, include_str!({:?})),", file.display().to_string())?;
        }
        println!("cargo::rerun-if-changed={}", root.join(directory).display());
    }
    writeln!(table, "    (\"sdk/rust/Cargo.toml\", {:?}),\n];", manifest(&root)?)?;
    println!("cargo::rerun-if-changed={}", root.join("Cargo.toml").display());
    println!("cargo::rerun-if-changed={}", root.join("sdk/rust/Cargo.toml").display());

    let templates = here.join("templates");
    table.push_str("pub(crate) const TEMPLATES: &[(&str, &str)] = &[\n");
    for file in files(&templates)? {
        let name = file.strip_prefix(&templates)?.display().to_string();
        writeln!(table, "    ({name:?}, include_str!({:?})),", file.display().to_string())?;
    }
    table.push_str("];\n");
    println!("cargo::rerun-if-changed={}", templates.display());
    println!("cargo::rerun-if-changed=build.rs");

    std::fs::write(PathBuf::from(std::env::var("OUT_DIR")?).join("embedded.rs"), table)?;
    Ok(())
}

/// Every file below a directory, sorted.
fn files(directory: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut found = Vec::new();
    let mut entries: Vec<PathBuf> = std::fs::read_dir(directory)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    entries.sort();
    for entry in entries {
        if entry.is_dir() { found.extend(files(&entry)?) } else { found.push(entry) }
    }
    Ok(found)
}

/// The SDK's manifest as it stands alone: what it inherits from the workspace is
/// written out.
fn manifest(root: &Path) -> Result<String, Box<dyn Error>> {
    let workspace: toml::Table = std::fs::read_to_string(root.join("Cargo.toml"))?.parse()?;
    let sdk: toml::Table = std::fs::read_to_string(root.join("sdk/rust/Cargo.toml"))?.parse()?;
    let section = |table: &toml::Table, path: &[&str]| -> Result<toml::Table, String> {
        path.iter().try_fold(table.clone(), |table, key| {
            table
                .get(*key)
                .and_then(|value| value.as_table().cloned())
                .ok_or(format!("no {path:?} in a manifest"))
        })
    };
    let package = section(&workspace, &["workspace", "package"])?;
    let shared = section(&workspace, &["workspace", "dependencies"])?;

    let mut own = section(&sdk, &["package"])?;
    for (key, value) in &mut own {
        if value.is_table() {
            *value = package.get(key).ok_or(format!("the workspace has no package.{key}"))?.clone();
        }
    }
    let mut dependencies = section(&sdk, &["dependencies"])?;
    for (name, value) in &mut dependencies {
        *value = shared.get(name).ok_or(format!("the workspace has no dependency {name}"))?.clone();
    }
    let mut alone = toml::Table::new();
    alone.insert("package".into(), own.into());
    alone.insert("dependencies".into(), dependencies.into());
    Ok(toml::to_string(&alone)?)
}
