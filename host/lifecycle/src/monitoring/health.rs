//! How the host and the models stand: processor, memory, latency, errors.

use serde::Serialize;
use utoipa::ToSchema;

use super::Monitoring;
use crate::deployment::EndpointStats;

/// The host's and the models' resources.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Health {
    /// Resident memory of this process, in bytes.
    pub resident_bytes: u64,
    /// Processor seconds that this process has used.
    pub cpu_seconds: f64,
    /// Load average of the machine over one minute.
    pub load_1m: f64,
    /// Places for instances that are free.
    pub free_instances: u64,
    /// Linear memory that all instances hold, in bytes.
    pub instance_memory_bytes: u64,
    /// Whether the pooling allocator is in use.
    pub pooling: bool,
    /// Every live deployment.
    pub deployments: Vec<EndpointStats>,
}

impl Monitoring<'_> {
    /// How things stand now.
    pub fn health(&self) -> Health {
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let (resident_bytes, cpu_seconds) = process();
        Health {
            resident_bytes,
            cpu_seconds,
            load_1m: load.split(' ').next().and_then(|value| value.parse().ok()).unwrap_or(0.0),
            free_instances: self.0.runtime.free_instances() as u64,
            instance_memory_bytes: self.0.runtime.held_bytes(),
            pooling: self.0.runtime.pooling(),
            deployments: self.0.deployment().stats(),
        }
    }
}

/// Resident bytes and processor seconds, from `/proc/self` (proc(5)); zero
/// where there is no such thing.
fn process() -> (u64, f64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|value| value.trim().split(' ').next()?.parse::<u64>().ok())
        .unwrap_or(0)
        * 1024;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The process's name stands in parentheses and may hold spaces.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|value| value.parse::<u64>().ok()).unwrap_or(0);
    // utime and stime are fields 14 and 15, in ticks of 1/100 s on Linux.
    (resident, (ticks(11) + ticks(12)) as f64 / 100.0)
}
