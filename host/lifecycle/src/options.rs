use std::path::{Path, PathBuf};

use modelyard_catalog as catalog;
use modelyard_runtime as runtime;
use serde::{Deserialize, Serialize};

use crate::scaling::Prices;

/// What an operator sets: the `[...]` sections of the server's configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// The catalogue's URL; by default embedded below `data_dir`.
    pub catalog: Option<catalog::Options>,
    /// The prediction log's commit interval in milliseconds; 0: committed
    /// before the reply.
    pub commit_interval_ms: u64,
    /// What sources may be read.
    pub ingestion: Ingestion,
    /// What a plugin may use in one call.
    pub plugins: PluginLimits,
    /// What subscribers are told by.
    pub notify: modelyard_notify::Options,
    /// What usage costs.
    pub prices: Prices,
    /// Where untrusted components are compiled: set by the binary.
    #[serde(skip)]
    pub worker: runtime::Worker,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("data"),
            catalog: None,
            commit_interval_ms: 10,
            ingestion: Ingestion::default(),
            plugins: PluginLimits::default(),
            notify: modelyard_notify::Options::default(),
            prices: Prices::default(),
            worker: runtime::Worker::InProcess,
        }
    }
}

impl Options {
    /// Defaults, everything below `data_dir`.
    pub fn at(data_dir: impl AsRef<Path>) -> Self {
        Self { data_dir: data_dir.as_ref().to_owned(), ..Self::default() }
    }

    /// The catalogue's options, embedded unless said otherwise.
    pub fn catalog(&self) -> catalog::Options {
        self.catalog.clone().unwrap_or_else(|| catalog::Options::directory(self.data_dir.join("catalog")))
    }
}

/// What sources may be read. Nothing is, unless it stands here.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ingestion {
    /// Directories below which `file://` URLs may be read.
    pub roots: Vec<PathBuf>,
    /// Hosts (`example.com` or `example.com:8080`) that http and https URLs
    /// may name.
    pub hosts: Vec<String>,
    /// The most bytes of one object.
    pub max_bytes: u64,
    /// Seconds that an http source may take to answer or between two pieces.
    pub timeout_seconds: u64,
    /// Rows asked of a plugin at once.
    pub batch_rows: u32,
}

impl Default for Ingestion {
    fn default() -> Self {
        Self { roots: vec![], hosts: vec![], max_bytes: 8 << 30, timeout_seconds: 30, batch_rows: 65_536 }
    }
}

/// What a plugin may use in one call outside the request path.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PluginLimits {
    /// Seconds for one call.
    pub deadline_seconds: u64,
    /// Seconds for one training.
    pub training_seconds: u64,
    /// Bytes of memory.
    pub memory_bytes: usize,
}

impl Default for PluginLimits {
    fn default() -> Self {
        Self { deadline_seconds: 120, training_seconds: 3_600, memory_bytes: 2 << 30 }
    }
}
