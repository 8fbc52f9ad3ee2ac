//! What a deployment's calls took, counted without a lock.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use modelyard_runtime::Timings;
use serde::Serialize;
use utoipa::ToSchema;

/// Upper bounds of the buckets of a [`Distribution`], in microseconds; the
/// last bucket has none.
pub const BOUNDS_US: [u64; 12] =
    [50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 500_000, 2_000_000];

/// Calls by how long something took, since the process began.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Distribution {
    /// Microseconds, summed.
    pub sum_us: u64,
    /// Calls up to each of [`BOUNDS_US`] and above the one before, and above all.
    pub buckets: [u64; 13],
}

/// A [`Distribution`] that is being counted.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    sum_us: AtomicU64,
    buckets: [AtomicU64; 13],
}

impl Histogram {
    pub(crate) fn record(&self, us: u64) {
        self.sum_us.fetch_add(us, Relaxed);
        let bucket = BOUNDS_US.iter().position(|bound| us <= *bound).unwrap_or(BOUNDS_US.len());
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn read(&self) -> Distribution {
        Distribution {
            sum_us: self.sum_us.load(Relaxed),
            buckets: self.buckets.each_ref().map(|bucket| bucket.load(Relaxed)),
        }
    }
}

/// Microseconds of a duration.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Counters of one deployment: since the process began, and since they were
/// last written to its usage.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    pub(crate) total_calls: AtomicU64,
    pub(crate) total_errors: AtomicU64,
    pub(crate) total: Histogram,
    pub(crate) queue: Histogram,
    pub(crate) instantiate: Histogram,
    pub(crate) compute: Histogram,
    pub(crate) encode: Histogram,
    pub(crate) calls: AtomicU64,
    pub(crate) errors: AtomicU64,
    pub(crate) rejected: AtomicU64,
    pub(crate) rows: AtomicU64,
    pub(crate) cpu_us: AtomicU64,
    pub(crate) latency_us: AtomicU64,
    pub(crate) memory_byte_us: AtomicU64,
}

impl Meter {
    pub(crate) fn answered(&self, rows: u64, total_us: u64, timings: &Timings) {
        self.total.record(total_us);
        self.queue.record(timings.queue_us);
        self.instantiate.record(timings.instantiate_us);
        self.compute.record(timings.compute_us);
        self.rows.fetch_add(rows, Relaxed);
        self.called(total_us, timings);
    }

    /// A call that came to no answer, with what it used nevertheless.
    pub(crate) fn called(&self, total_us: u64, timings: &Timings) {
        self.total_calls.fetch_add(1, Relaxed);
        self.calls.fetch_add(1, Relaxed);
        self.latency_us.fetch_add(total_us, Relaxed);
        self.cpu_us.fetch_add(timings.cpu_us, Relaxed);
        self.memory_byte_us.fetch_add(timings.memory_bytes.saturating_mul(total_us), Relaxed);
    }

    pub(crate) fn failed(&self) {
        self.total_calls.fetch_add(1, Relaxed);
        self.calls.fetch_add(1, Relaxed);
        self.erred();
    }

    /// A call that was counted has failed.
    pub(crate) fn erred(&self) {
        self.total_errors.fetch_add(1, Relaxed);
        self.errors.fetch_add(1, Relaxed);
    }

    pub(crate) fn rejected(&self) {
        self.rejected.fetch_add(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_counts_in_the_first_bucket_that_holds_it() {
        let histogram = Histogram::default();
        for us in [0, 50, 51, 2_000_000, 2_000_001] {
            histogram.record(us);
        }
        let read = histogram.read();
        assert_eq!(read.sum_us, 4_000_102);
        assert_eq!(read.buckets, [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
    }
}
