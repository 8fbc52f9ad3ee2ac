use std::{fmt, path::Path};

use serde::{Deserialize, Serialize};

/// Where the catalogue is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// `surrealkv://<directory>` (embedded), `mem://` (lost at exit) or `ws://<host>:<port>` (shared).
    /// A directory store is opened with `sync=every` unless the URL says otherwise.
    pub url: String,
    /// SurrealDB's namespace.
    pub namespace: String,
    /// SurrealDB's database within the namespace.
    pub database: String,
    /// Who signs in; needed by shared stores only.
    pub credentials: Option<Credentials>,
}

/// A user of a shared store.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// The user's name.
    pub username: String,
    /// The user's password; never shown in logs.
    pub password: String,
    /// Where the user is defined.
    #[serde(default)]
    pub level: Level,
}

/// Where a user of a shared store is defined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// `DEFINE USER … ON ROOT`.
    #[default]
    Root,
    /// `DEFINE USER … ON NAMESPACE`; the namespace must exist.
    Namespace,
    /// `DEFINE USER … ON DATABASE`; namespace and database must exist.
    Database,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("username", &self.username)
            .field("password", &"…")
            .field("level", &self.level)
            .finish()
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::directory("data/catalog")
    }
}

impl Options {
    /// A store that lives in memory and is gone when its last handle is.
    pub fn memory() -> Self {
        Self::at("mem://".to_owned())
    }

    /// A durable embedded store in this directory, which is created.
    pub fn directory(path: impl AsRef<Path>) -> Self {
        Self::at(format!("surrealkv://{}", path.as_ref().display()))
    }

    fn at(url: String) -> Self {
        Self { url, namespace: "modelyard".to_owned(), database: "modelyard".to_owned(), credentials: None }
    }
}
