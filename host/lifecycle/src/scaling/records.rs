//! What scaling records: usage by deployment and day, and its price.

use modelyard_catalog::{Index, Record};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What one deployment or function used on one day (UTC).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    /// The deployment; `functions/{name}` for a function.
    pub deployment: String,
    /// The day: `2013-04-01`.
    pub day: String,
    /// Calls answered.
    pub calls: u64,
    /// Calls that failed.
    pub errors: u64,
    /// Calls turned away for want of room.
    pub rejected: u64,
    /// Rows scored.
    pub rows: u64,
    /// Microseconds of computing.
    pub cpu_us: u64,
    /// Microseconds from request to reply, summed.
    pub latency_us: u64,
    /// Byte-seconds of instance memory.
    pub memory_byte_seconds: f64,
}

impl Record for Usage {
    const TABLE: &'static str = "usage";
    const INDEXES: &'static [Index] = &[Index::on(&["deployment", "day"]), Index::on(&["day"])];
    fn id(&self) -> String {
        format!("{}@{}", self.deployment, self.day)
    }
}

/// What things cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Prices {
    /// The currency's code.
    pub currency: String,
    /// For a million calls.
    pub per_million_calls: f64,
    /// For an hour of computing.
    pub per_cpu_hour: f64,
    /// For a gibibyte of instance memory for an hour.
    pub per_gib_hour: f64,
}

impl Default for Prices {
    fn default() -> Self {
        Self { currency: "EUR".into(), per_million_calls: 0.2, per_cpu_hour: 0.05, per_gib_hour: 0.006 }
    }
}
