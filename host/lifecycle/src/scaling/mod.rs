//! Scaling: idle models give their memory back; what deployments use is
//! metered by day and priced.

mod records;

pub use records::{Prices, Usage};

use std::{
    future::Future,
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use modelyard_catalog::{Order, Query};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Platform, Result};

/// How often counters are written to the usage records, and idle instances dropped.
const EVERY: Duration = Duration::from_secs(5);

/// How often records that are no longer kept are deleted.
const PRUNE_EVERY: Duration = Duration::from_secs(3_600);

/// Scaling of a platform.
pub struct Scaling<'p>(pub(crate) &'p Platform);

/// A deployment's usage over a range of days, with its price.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Bill {
    /// The deployment.
    pub deployment: String,
    /// The first day.
    pub from: String,
    /// The last day.
    pub to: String,
    /// The days, oldest first.
    pub days: Vec<Usage>,
    /// Calls answered.
    pub calls: u64,
    /// Seconds of computing.
    pub cpu_seconds: f64,
    /// Gibibyte-hours of instance memory.
    pub memory_gib_hours: f64,
    /// What it costs.
    pub cost: f64,
    /// The price list's currency.
    pub currency: String,
}

impl Scaling<'_> {
    /// Every few seconds until `shutdown`: writes usage, drops idle instances,
    /// makes those that are to be warm;
    /// every hour: deletes records that are no longer kept.
    pub(crate) async fn upkeep(&self, shutdown: impl Future<Output = ()>) {
        tokio::pin!(shutdown);
        let mut pruned = Instant::now();
        loop {
            let round = async {
                self.0.runtime.keep_warm().await;
                tokio::time::sleep(EVERY).await;
            };
            tokio::select! {
                () = &mut shutdown => break,
                () = round => {}
            }
            self.0.runtime.evict_idle(Instant::now());
            if pruned.elapsed() >= PRUNE_EVERY {
                pruned = Instant::now();
                if let Err(error) = self.0.catalog.prune(self.0.clock.now()).await {
                    tracing::error!(%error, "old records could not be deleted");
                }
            }
            if let Err(error) = self.write_usage().await {
                tracing::error!(%error, "usage could not be written");
            }
        }
        if let Err(error) = self.write_usage().await {
            tracing::error!(%error, "usage could not be written");
        }
    }

    /// Adds what was counted since the last time to today's usage.
    pub async fn write_usage(&self) -> Result<()> {
        let day = self.0.clock.now().to_utc().format("%Y-%m-%d").to_string();
        let endpoints = self.0.endpoints.all();
        let endpoints = endpoints.iter().map(|endpoint| (endpoint.spec.name.clone(), &endpoint.meter));
        let mounts = self.0.mounts.all();
        let mounts = mounts.iter().map(|mount| (format!("functions/{}", mount.function.name), &mount.meter));
        for (deployment, meter) in endpoints.chain(mounts) {
            let since = Usage {
                deployment,
                day: day.clone(),
                calls: meter.calls.swap(0, Relaxed),
                errors: meter.errors.swap(0, Relaxed),
                rejected: meter.rejected.swap(0, Relaxed),
                rows: meter.rows.swap(0, Relaxed),
                cpu_us: meter.cpu_us.swap(0, Relaxed),
                latency_us: meter.latency_us.swap(0, Relaxed),
                memory_byte_seconds: meter.memory_byte_us.swap(0, Relaxed) as f64 / 1e6,
            };
            if since.calls == 0 && since.rejected == 0 {
                continue;
            }
            let table = self.0.catalog.table::<Usage>();
            let id = format!("{}@{}", since.deployment, since.day);
            match table.get(&id).await? {
                None => table.put(&since).await?,
                Some(_) => {
                    table
                        .update(&id, |usage| {
                            usage.calls += since.calls;
                            usage.errors += since.errors;
                            usage.rejected += since.rejected;
                            usage.rows += since.rows;
                            usage.cpu_us += since.cpu_us;
                            usage.latency_us += since.latency_us;
                            usage.memory_byte_seconds += since.memory_byte_seconds;
                        })
                        .await?;
                }
            }
        }
        Ok(())
    }

    /// Usage from one day to another (`2013-04-01`), both included, by deployment.
    pub async fn usage(
        &self,
        deployment: Option<&str>,
        from: Option<&str>,
        to: Option<&str>,
    ) -> Result<Vec<Bill>> {
        self.write_usage().await?;
        let mut query = Query::new().order("day", Order::Asc);
        if let Some(deployment) = deployment {
            query = query.eq("deployment", deployment);
        }
        if let Some(from) = from {
            query = query.ge("day", from);
        }
        if let Some(to) = to {
            query = query.le("day", to);
        }
        let days: Vec<Usage> = self.0.catalog.table().all(query).await?;
        let mut by_deployment = std::collections::BTreeMap::<String, Vec<Usage>>::new();
        for day in days {
            by_deployment.entry(day.deployment.clone()).or_default().push(day);
        }
        Ok(by_deployment
            .into_iter()
            .map(|(deployment, days)| bill(&self.0.options.prices, deployment, days))
            .collect())
    }
}

fn bill(prices: &Prices, deployment: String, days: Vec<Usage>) -> Bill {
    let calls: u64 = days.iter().map(|day| day.calls).sum();
    let cpu_seconds = days.iter().map(|day| day.cpu_us).sum::<u64>() as f64 / 1e6;
    let byte_seconds: f64 = days.iter().map(|day| day.memory_byte_seconds).sum();
    let memory_gib_hours = byte_seconds / f64::from(1 << 30) / 3_600.0;
    let cost = calls as f64 / 1e6 * prices.per_million_calls
        + cpu_seconds / 3_600.0 * prices.per_cpu_hour
        + memory_gib_hours * prices.per_gib_hour;
    Bill {
        deployment,
        from: days.first().map(|day| day.day.clone()).unwrap_or_default(),
        to: days.last().map(|day| day.day.clone()).unwrap_or_default(),
        days,
        calls,
        cpu_seconds,
        memory_gib_hours,
        cost,
        currency: prices.currency.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bill_is_calls_computing_and_memory() {
        let prices =
            Prices { currency: "EUR".into(), per_million_calls: 2.0, per_cpu_hour: 3.0, per_gib_hour: 5.0 };
        let day = Usage {
            calls: 1_000_000,
            cpu_us: 3_600_000_000,
            memory_byte_seconds: f64::from(1 << 30) * 3_600.0,
            ..Usage::default()
        };
        let bill = bill(&prices, "late".into(), vec![day]);
        assert!((bill.cost - 10.0).abs() < 1e-9, "{}", bill.cost);
    }
}
