//! New plugin crates that build and pass their own test.

use std::path::{Path, PathBuf};

use crate::embedded::{SDK, TEMPLATES};
use crate::{Error, Result};

/// The kinds of plugin that there are templates for, in the order of a model's
/// life.
pub const KINDS: [&str; 12] = [
    "ingestion",
    "features",
    "selection",
    "training",
    "evaluation",
    "scoring",
    "function",
    "monitoring",
    "feedback",
    "governance",
    "documentation",
    "retirement",
];

/// Where a new crate gets the SDK from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SdkSource {
    /// The SDK's sources, as this program was built with, are written to the new
    /// crate's `vendor/modelyard`, so that it builds anywhere.
    Embedded,
    /// A source tree's `sdk/rust`, as an absolute path.
    Path(PathBuf),
}

/// Writes a new plugin crate to `dir`, which must not exist or be empty, and gives
/// the files written. `name` becomes the crate's: lower-case letters, digits and
/// single hyphens, beginning with a letter.
pub fn create(dir: &Path, name: &str, kind: &str, sdk: &SdkSource) -> Result<Vec<PathBuf>> {
    if !KINDS.contains(&kind) {
        return Err(Error::Template(format!(
            "{kind:?} is no kind of plugin; the kinds are {}",
            KINDS.join(", ")
        )));
    }
    check_name(name)?;
    if std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) || dir.is_file() {
        return Err(Error::Template(format!(
            "{} is there already and not empty; choose another directory",
            dir.display()
        )));
    }
    let sdk_path = match sdk {
        SdkSource::Embedded => "vendor/modelyard/sdk/rust".to_owned(),
        SdkSource::Path(path) => path.display().to_string(),
    };
    let fill = |text: &str| {
        text.replace("{{name}}", name)
            .replace("{{kind}}", kind)
            .replace("{{Type}}", &type_name(name))
            .replace("{{sdk}}", &sdk_path.replace('\\', "/"))
    };
    let mut written = Vec::new();
    for (path, text) in TEMPLATES {
        let (folder, file) = path.split_once('/').unwrap_or(("", path));
        // Cargo would take a file of that name below our own crate for a package.
        let target = match (folder, file) {
            ("any", "Cargo.toml.in") => "Cargo.toml",
            ("any", "gitignore.in") => ".gitignore",
            ("any", "README.md.in") => "README.md",
            (folder, "lib.rs.in") if folder == kind => "src/lib.rs",
            _ => continue,
        };
        write(dir.join(target), &fill(text), &mut written)?;
    }
    if *sdk == SdkSource::Embedded {
        for (path, text) in SDK {
            write(dir.join("vendor/modelyard").join(path), text, &mut written)?;
        }
    }
    Ok(written)
}

fn check_name(name: &str) -> Result<()> {
    let letters = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let begins = name.starts_with(|first: char| first.is_ascii_lowercase());
    if !letters || !begins || name.ends_with('-') || name.contains("--") || name.len() > 64 {
        return Err(Error::Template(format!(
            "{name:?} can't be a plugin's name; it takes lower-case letters, digits and single hyphens, begins \
             with a letter and has at most 64 characters: scoring-house-price"
        )));
    }
    // Names that cargo refuses or that hide a crate the plugin needs.
    if ["test", "core", "std", "alloc", "proc-macro", "modelyard-sdk", "serde", "serde-json"].contains(&name)
    {
        return Err(Error::Template(format!("{name:?} is taken; choose another name")));
    }
    Ok(())
}

/// `scoring-house-price` as `ScoringHousePrice`.
fn type_name(name: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters
            .next()
            .map(|first| first.to_ascii_uppercase().to_string() + letters.as_str())
            .unwrap_or_default()
    };
    name.split('-').map(capital).collect()
}

fn write(path: PathBuf, text: &str, written: &mut Vec<PathBuf>) -> Result<()> {
    let fail = || Error::io(path.display().to_string());
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(fail())?;
    }
    std::fs::write(&path, text).map_err(fail())?;
    written.push(path);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn names_and_places_are_checked() {
        let directory = Scratch::new();
        let dir = directory.path();
        for name in ["", "A", "a_b", "-a", "a-", "a--b", "1a", "../x", "std", &"a".repeat(65)] {
            let error = create(&dir.join("new"), name, "scoring", &SdkSource::Embedded).unwrap_err();
            assert!(matches!(error, Error::Template(_)), "{name}");
        }
        let error = create(&dir.join("new"), "a", "model", &SdkSource::Embedded).unwrap_err();
        assert!(error.to_string().contains("the kinds are ingestion, features"), "{error}");
        std::fs::write(dir.join("file"), "").unwrap();
        assert!(create(dir, "a", "scoring", &SdkSource::Embedded).is_err());
        assert!(create(&dir.join("file"), "a", "scoring", &SdkSource::Embedded).is_err());
        assert!(!dir.join("new").exists());
    }

    #[test]
    fn every_kind_has_a_template_and_nothing_is_left_to_fill() {
        for kind in KINDS {
            let directory = Scratch::new();
            let dir = directory.path().join("new");
            let written = create(&dir, "my-own-2", kind, &SdkSource::Embedded).unwrap();
            for file in ["Cargo.toml", ".gitignore", "README.md", "src/lib.rs"] {
                let text = std::fs::read_to_string(dir.join(file)).unwrap();
                assert!(!text.contains("{{"), "{kind}: {file}");
            }
            let plugin = std::fs::read_to_string(dir.join("src/lib.rs")).unwrap();
            assert!(plugin.contains(&format!("export!({kind}: MyOwn2)")), "{kind}");
            assert!(written.contains(&dir.join("vendor/modelyard/sdk/rust/src/lib.rs")));
            assert!(written.contains(&dir.join("vendor/modelyard/wit/scoring.wit")));
        }
    }
}
