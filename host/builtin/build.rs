//! Builds every plugin of `plugins/` and makes a table of the components.
//!
//! All crates are compiled by one call of cargo in a target directory of its own,
//! and only when they or what they are made of changed.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use modelyard_build::{BuildOptions, BuiltComponent, build_all};

fn main() -> Result<()> {
    let here = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let root = here.join("../..").canonicalize().context("finding the workspace")?;
    for input in ["plugins", "sdk/rust", "wit", "Cargo.lock", "Cargo.toml"] {
        println!("cargo::rerun-if-changed={}", root.join(input).display());
    }
    println!("cargo::rerun-if-changed=build.rs");
    for variable in [modelyard_build::toolchain::ROUTE_VARIABLE, modelyard_build::GUEST_DIR_VARIABLE] {
        println!("cargo::rerun-if-env-changed={variable}");
    }

    let crates = plugins(&root.join("plugins"))?;
    match build_all(&crates, &BuildOptions::default()) {
        Ok(built) => write_table(&built),
        Err(error) => {
            // Cargo shows these lines as they are, before the script's own output.
            println!("cargo::error=the built-in plugins could not be built");
            for line in error.to_string().lines() {
                println!("cargo::error={line}");
            }
            std::process::exit(1);
        }
    }
}

/// The crates that export a plugin, sorted by name.
fn plugins(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).with_context(|| directory.display().to_string())? {
        let path = entry?.path();
        let source = std::fs::read_to_string(path.join("src/lib.rs")).unwrap_or_default();
        let exports = source.lines().any(|line| {
            let line = line.trim_start();
            line.starts_with("modelyard_sdk::export!") || line.starts_with("export!")
        });
        if exports && path.join("Cargo.toml").is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn write_table(built: &[BuiltComponent]) -> Result<()> {
    let out = PathBuf::from(variable("OUT_DIR")?);
    let mut table = String::from("static ALL: &[Builtin] = &[\n");
    for component in built {
        let file = out.join(format!("{}.wasm", component.name));
        std::fs::write(&file, &component.bytes).with_context(|| file.display().to_string())?;
        writeln!(
            table,
            "    Builtin {{ name: {:?}, version: {:?}, bytes: include_bytes!({:?}) }},",
            component.name,
            component.version,
            file.display().to_string()
        )?;
    }
    table.push_str("];\n");
    std::fs::write(out.join("table.rs"), table).context("writing the table")
}

fn variable(name: &str) -> Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set: this is cargo's build script"))
}
