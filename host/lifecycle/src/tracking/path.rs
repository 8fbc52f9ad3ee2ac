//! The path of an artifact, as clients send it, made safe.

use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// The longest path, in bytes; a file system takes no longer one.
const LONGEST: usize = 2048;
/// The longest name of a file or directory, in bytes.
const LONGEST_NAME: usize = 255;

/// A path below the root of the artifacts that leads nowhere else: its parts are
/// plain names. Empty: the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArtifactPath(Vec<String>);

impl ArtifactPath {
    /// Checks a path.
    ///
    /// # Errors
    /// [`Code::InvalidInput`](crate::Code::InvalidInput) for one that is absolute, leads up, or
    /// can't be a file's, also after its escapes are taken out as often as there are any.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = || Error::field("path", "Invalid path");
        let mut decoded = text.to_owned();
        loop {
            if leads_out(&decoded) {
                return Err(bad());
            }
            match unescaped(&decoded) {
                Some(next) if next != decoded => decoded = next,
                Some(_) => break,
                None => return Err(bad()),
            }
        }
        let parts: Vec<String> =
            text.split('/').filter(|part| !part.is_empty() && *part != ".").map(str::to_owned).collect();
        if text.len() > LONGEST || parts.iter().any(|part| part.len() > LONGEST_NAME) {
            return Err(bad());
        }
        Ok(Self(parts))
    }

    /// The path below this one.
    pub fn join(&self, below: &Self) -> Self {
        Self(self.0.iter().chain(&below.0).cloned().collect())
    }

    /// Whether it is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The last of its names; none: it is the root.
    pub fn name(&self) -> Option<&str> {
        self.0.last().map(String::as_str)
    }

    /// The file below a directory.
    pub(super) fn below(&self, root: &Path) -> PathBuf {
        self.0.iter().fold(root.to_owned(), |path, part| path.join(part))
    }
}

impl std::fmt::Display for ArtifactPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.join("/"))
    }
}

fn leads_out(path: &str) -> bool {
    let drive = matches!(path.as_bytes(), [letter, b':', b'/' | b'\\', ..] if letter.is_ascii_alphabetic());
    path.starts_with('/')
        || path.starts_with("\\\\")
        || drive
        || path.starts_with("file:")
        || path.contains('#')
        || path.chars().any(char::is_control)
        || path.split(['/', '\\']).any(|part| part == "..")
}

/// A text with its percent escapes taken out once; none: it is no text then.
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let hex =
            after.get(..2).filter(|_| *byte == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        match hex.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(escaped) => {
                bytes.push(escaped);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_paths_are_taken() {
        for (text, path) in [
            ("", ""),
            ("a", "a"),
            ("0/run/artifacts/model//MLmodel", "0/run/artifacts/model/MLmodel"),
            ("./a/./b/", "a/b"),
            ("größe/100%/a b..c", "größe/100%/a b..c"),
            ("a%20b", "a%20b"),
        ] {
            assert_eq!(ArtifactPath::parse(text).unwrap().to_string(), path, "{text}");
        }
    }

    #[test]
    fn what_leads_out_is_refused() {
        for text in [
            "..",
            "a/../b",
            "/etc/passwd",
            "a/..%2f..%2fb",
            "%2e%2e/a",
            "%252e%252e/a",
            "%2fetc/passwd",
            "a\\..\\b",
            "C:\\windows",
            "C:/windows",
            "\\\\host\\share",
            "file:///etc/passwd",
            "a#b",
            "a%00b",
            "a\nb",
            "%ff",
            &"x".repeat(256),
            &"x/".repeat(1100),
        ] {
            assert!(ArtifactPath::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn joined_it_stays_below() {
        let path = ArtifactPath::parse("0/run").unwrap().join(&ArtifactPath::parse("model").unwrap());
        assert_eq!(path.below(Path::new("/data")), Path::new("/data/0/run/model"));
        assert_eq!(path.name(), Some("model"));
        assert!(ArtifactPath::default().is_root());
    }
}
