//! Builds real crates: needs a compiler for the guest target.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../src/scratch.rs"]
mod scratch;

use scratch::Scratch;
use std::path::{Path, PathBuf};
use std::process::Command;

use modelyard_build::component::{self, Metadata};
use modelyard_build::template::{self, KINDS, SdkSource};
use modelyard_build::{BuildOptions, Error, build, build_all};

const PACKAGE: &str = "modelyard:lifecycle";

fn here() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn new_crate(dir: &Path, kind: &str, sdk: &SdkSource) -> PathBuf {
    let dir = dir.join(kind);
    template::create(&dir, &format!("{kind}-new"), kind, sdk).unwrap();
    dir
}

#[test]
fn a_scoring_plugin_is_pure_and_carries_its_metadata() {
    let built = build(&BuildOptions::new(here().join("tests/fixtures/half"))).unwrap();
    assert_eq!((built.name.as_str(), built.version.as_str()), ("scoring-half", "1.2.3"));
    assert_eq!(std::fs::read(&built.path).unwrap(), built.bytes);
    let summary = component::summary(&built.bytes).unwrap();
    assert_eq!(
        summary.metadata,
        Metadata {
            name: Some("scoring-half".into()),
            version: Some("1.2.3".into()),
            description: Some("Halves a number".into()),
            license: Some("Apache-2.0".into()),
        }
    );
    let exports: Vec<&str> = summary.exports.iter().map(|item| item.name.as_str()).collect();
    assert_eq!(exports, [format!("{PACKAGE}/scoring@0.1.0")]);
    assert_eq!(summary.exports[0].functions, ["describe", "load", "predict"]);
    assert_eq!(summary.capabilities().collect::<Vec<_>>(), [""; 0]);
    let imports: Vec<&str> = summary.imports.iter().map(|item| item.name.as_str()).collect();
    assert_eq!(imports, [format!("{PACKAGE}/types@0.1.0")]);
    // The marker by which a host finds a panic's message is in the data.
    assert!(built.bytes.windows(16).any(|bytes| bytes == b"\x7fmodelyard-panic"));
}

#[test]
fn every_template_passes_its_test_and_builds_as_its_kind() {
    let directory = Scratch::new();
    let sdk = SdkSource::Path(here().join("../rust").canonicalize().unwrap());
    let crates: Vec<PathBuf> = KINDS.iter().map(|kind| new_crate(directory.path(), kind, &sdk)).collect();
    let native = modelyard_build::default_target_dir().join("templates");
    for dir in &crates {
        let tested = cargo_test(dir, &native);
        assert!(tested.status.success(), "{}: {}", dir.display(), String::from_utf8_lossy(&tested.stderr));
        let said = String::from_utf8_lossy(&tested.stdout);
        assert!(said.contains("1 passed"), "{}: {said}", dir.display());
    }
    let built = build_all(&crates, &BuildOptions::default()).unwrap();
    for (component, kind) in built.iter().zip(KINDS) {
        let summary = component::summary(&component.bytes).unwrap();
        let exports: Vec<String> = summary.exports.iter().map(|item| item.name.clone()).collect();
        assert_eq!(exports, [format!("{PACKAGE}/{kind}@0.1.0")]);
        for name in summary.capabilities() {
            let expected = ["log", "progress", "objects", "tables"];
            assert!(expected.iter().any(|e| name == format!("{PACKAGE}/{e}@0.1.0")), "{kind} imports {name}");
        }
    }
}

#[test]
fn an_embedded_sdk_needs_no_source_tree() {
    let directory = Scratch::new();
    let dir = new_crate(directory.path(), "function", &SdkSource::Embedded);
    let built = build(&BuildOptions::new(&dir)).unwrap();
    let summary = component::summary(&built.bytes).unwrap();
    assert_eq!(summary.exports[0].name, format!("{PACKAGE}/function@0.1.0"));
    assert_eq!(summary.capabilities().collect::<Vec<_>>(), [format!("{PACKAGE}/log@0.1.0")]);
}

#[test]
fn a_crate_that_is_no_plugin_is_refused_with_the_reason() {
    let directory = Scratch::new();
    let dir = directory.path();
    assert!(matches!(build(&BuildOptions::new(dir.join("nowhere"))), Err(Error::NoCrate(_))));

    let write = |file: &str, text: &str| std::fs::write(dir.join(file), text).unwrap();
    std::fs::create_dir(dir.join("src")).unwrap();
    write("src/lib.rs", "#[unsafe(no_mangle)] pub extern \"C\" fn f() {}");
    write("Cargo.toml", "[package]\nname = \"plain\"\nedition = \"2024\"\n[workspace]\n");
    assert!(matches!(build(&BuildOptions::new(dir)), Err(Error::NoLibrary { .. })));

    write(
        "Cargo.toml",
        "[package]\nname = \"plain\"\nedition = \"2024\"\n[workspace]\n[lib]\ncrate-type = [\"cdylib\"]\n",
    );
    let error = build(&BuildOptions::new(dir)).unwrap_err().to_string();
    assert!(error.contains("plain: ") && error.contains("modelyard_sdk::export!"), "{error}");

    write("src/lib.rs", "pub fn f() -> u8 { missing }");
    let error = build(&BuildOptions::new(dir)).unwrap_err().to_string();
    assert!(error.contains("cannot find value `missing`") && error.contains("src/lib.rs:1"), "{error}");

    write("Cargo.toml", "[package\n");
    assert!(matches!(build(&BuildOptions::new(dir)), Err(Error::Cargo { action: "metadata", .. })));
}

/// Runs a crate's own tests as its author would: none of our settings count.
fn cargo_test(dir: &Path, target: &Path) -> std::process::Output {
    let mut cargo = Command::new(env!("CARGO"));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG") || text.starts_with("CARGO_MANIFEST") || text.contains("RUSTFLAGS") {
            cargo.env_remove(&name);
        }
    }
    cargo.args(["test", "--lib", "--target-dir"]).arg(target).current_dir(dir).output().unwrap()
}
