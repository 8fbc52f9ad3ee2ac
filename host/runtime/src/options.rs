//! What an operator sets once, and what a caller sets per call.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Options of a [`Runtime`](crate::Runtime), set once by the operator.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// A private directory for compiled code. Created with mode 0700; whoever
    /// can write to it can run native code in this process.
    pub cache_dir: PathBuf,
    /// The largest component that is taken, in bytes.
    pub max_component_bytes: usize,
    /// Instances alive at one time, warm ones included.
    pub max_instances: u32,
    /// Linear memory of all instances together, in bytes; by default half of
    /// the machine's. When it is used up, whoever is idle longest gives its own.
    pub memory_budget_bytes: Option<u64>,
    /// Where untrusted components are compiled.
    pub worker: Worker,
    /// What one compilation or snapshot may take.
    pub compile: CompileLimits,
    /// The largest linear memory that an instance may have, in bytes; at most
    /// 4 GiB. Limits per call are below it.
    pub max_memory_bytes: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            cache_dir: PathBuf::from("cache"),
            max_component_bytes: 64 << 20,
            max_instances: 1000,
            memory_budget_bytes: None,
            worker: Worker::default(),
            compile: CompileLimits::default(),
            max_memory_bytes: 4 << 30,
        }
    }
}

/// Where untrusted components are compiled and snapshotted.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Worker {
    /// A child process: a program and the arguments that make it call
    /// [`worker_main`](crate::worker_main) with what follows them. It is killed
    /// when its time is over and can't take more memory than it is given.
    Process(PathBuf, Vec<String>),
    /// This process, without either limit: for trusted components only.
    #[default]
    InProcess,
}

/// What one compilation or snapshot may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CompileLimits {
    /// Address space of the child, in bytes.
    pub memory_bytes: u64,
    /// Wall-clock time in milliseconds.
    pub time_ms: u64,
    /// Children at one time.
    pub parallel: usize,
}

impl Default for CompileLimits {
    fn default() -> CompileLimits {
        CompileLimits { memory_bytes: 3 << 30, time_ms: 120_000, parallel: 2 }
    }
}

impl CompileLimits {
    /// The wall-clock limit.
    pub fn time(&self) -> Duration {
        Duration::from_millis(self.time_ms)
    }
}

/// What one call of a plugin may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Wall-clock time of one call, host calls included.
    pub deadline: Duration,
    /// Sum over all linear memories, in bytes.
    pub memory_bytes: usize,
    /// Calls of imported functions during one call.
    pub host_calls: u64,
    /// Bytes that one call, or one host call, may hand to the host.
    pub output_bytes: usize,
    /// Log lines kept for one call; more are counted and dropped.
    pub log_lines: usize,
    /// Resource handles alive at one time.
    pub handles: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            deadline: Duration::from_secs(60),
            memory_bytes: 1 << 30,
            host_calls: 10_000_000,
            output_bytes: 256 << 20,
            log_lines: 1000,
            handles: 1000,
        }
    }
}

impl Limits {
    /// Limits for a short call on the request path: 10 s, 256 MiB of memory,
    /// 64 MiB of output.
    pub fn small() -> Limits {
        Limits {
            deadline: Duration::from_secs(10),
            memory_bytes: 256 << 20,
            output_bytes: 64 << 20,
            host_calls: 100_000,
            ..Limits::default()
        }
    }
}
