use std::path::{Path, PathBuf};

use modelyard_catalog as catalog;
use modelyard_runtime as runtime;
use serde::{Deserialize, Serialize};

use crate::{Error, Result, hosts::Host, scaling::Prices};

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
    /// What functions may reach.
    pub functions: Functions,
    /// What all instances may hold together.
    pub instances: Instances,
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
            functions: Functions::default(),
            instances: Instances::default(),
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

    /// Whether what can't be seen when it is read can be meant.
    pub(crate) fn check(&self) -> Result<()> {
        for host in &self.functions.private_hosts {
            host.parse::<Host>().map_err(|message| Error::field("functions.private_hosts", message))?;
        }
        Ok(())
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

/// What functions may reach beyond the hosts of their records.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Functions {
    /// Hosts (`localhost:8080`) at private, loopback and link-local addresses
    /// that a function may call if its record names them; no others are called.
    pub private_hosts: Vec<String>,
}

/// What all instances of models, functions and plugins may hold together. When
/// it is used up, the instance that is idle longest gives its own; when none is
/// idle, calls are answered 503.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Instances {
    /// Instances alive at one time.
    pub max: u32,
    /// Bytes of linear memory; by default half of the machine's memory.
    pub memory_bytes: Option<u64>,
}

impl Default for Instances {
    fn default() -> Self {
        Self { max: 1_000, memory_bytes: None }
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
