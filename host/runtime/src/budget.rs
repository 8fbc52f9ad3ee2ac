//! What all instances of the host may hold together: places and memory.
//!
//! Both are given by whoever has them idle longest when they run out, across
//! all pools, so that a thousand models share what a few dozen of them use.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::child::RETRY;
use crate::error::Error;

/// What the host asks of every pool of warm instances.
pub(crate) trait Idle: Send + Sync {
    /// Drops what has been idle for long enough; gives the number of instances.
    fn evict_idle(&self, now: Instant) -> usize;
    /// Since when its longest idle instance is idle.
    fn idle_since(&self) -> Option<Instant>;
    /// Drops the instance that has been idle longest; whether there was one.
    fn give_up_one(&self) -> bool;
    /// Makes the instances that are to be warm and aren't.
    fn keep_warm(&self) -> BoxFuture<'_, ()>;
}

/// The host's places for instances and its memory for them.
pub(crate) struct Budget {
    /// The pooling allocator's places, so that it is never full.
    places: Arc<Semaphore>,
    max_instances: u32,
    /// Bytes of linear memory, over all instances.
    memory: u64,
    held: AtomicU64,
    pools: Mutex<Vec<Weak<dyn Idle>>>,
}

impl Budget {
    pub(crate) fn new(max_instances: u32, memory: u64) -> Arc<Budget> {
        Arc::new(Budget {
            places: Arc::new(Semaphore::new(max_instances.max(1) as usize)),
            max_instances,
            memory,
            held: AtomicU64::new(0),
            pools: Mutex::default(),
        })
    }

    pub(crate) fn register(&self, pool: Weak<dyn Idle>) {
        let mut pools = self.pools.lock();
        pools.retain(|pool| pool.strong_count() > 0);
        pools.push(pool);
    }

    pub(crate) fn pools(&self) -> Vec<Arc<dyn Idle>> {
        self.pools.lock().iter().filter_map(Weak::upgrade).collect()
    }

    pub(crate) fn free_places(&self) -> usize {
        self.places.available_permits()
    }

    /// Bytes that instances hold now.
    pub(crate) fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// A place for an instance, taken from an idle one if all are taken.
    pub(crate) fn place(&self) -> Result<OwnedSemaphorePermit, Error> {
        loop {
            if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
                return Ok(place);
            }
            if !self.evict_least_recent() {
                return Err(Error::Busy { limit: self.max_instances, retry_after: RETRY });
            }
        }
    }

    /// A place for an instance, waited for.
    pub(crate) async fn place_within(&self, wait: Duration) -> Result<OwnedSemaphorePermit, Error> {
        if let Ok(place) = self.place() {
            return Ok(place);
        }
        match tokio::time::timeout(wait, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(Error::Busy { limit: self.max_instances, retry_after: RETRY }),
        }
    }

    /// Takes memory, from idle instances if there is too little; whether there
    /// is enough then.
    pub(crate) fn take(&self, bytes: u64) -> bool {
        let held = self.held.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if held <= self.memory {
            return true;
        }
        while self.held() > self.memory {
            if !self.evict_least_recent() {
                self.give(bytes);
                return false;
            }
        }
        true
    }

    pub(crate) fn give(&self, bytes: u64) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Drops the instance that has been idle longest, whichever pool it is in.
    fn evict_least_recent(&self) -> bool {
        loop {
            let pools = self.pools();
            let idle = pools.iter().filter_map(|pool| Some((pool.idle_since()?, pool)));
            let Some((_, pool)) = idle.min_by_key(|(since, _)| *since) else { return false };
            // Not there any more if a call took it meanwhile: there are others.
            if pool.give_up_one() {
                return true;
            }
        }
    }
}

/// Half of the machine's memory.
pub(crate) fn half_of_memory() -> u64 {
    let info = rustix::system::sysinfo();
    let total = (info.totalram as u64).saturating_mul(u64::from(info.mem_unit.max(1)));
    (total / 2).max(1 << 30)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pool of instances of ten bytes each.
    struct Instances {
        budget: Weak<Budget>,
        idle: Mutex<Vec<Instant>>,
    }

    impl Idle for Instances {
        fn evict_idle(&self, _now: Instant) -> usize {
            0
        }

        fn idle_since(&self) -> Option<Instant> {
            self.idle.lock().first().copied()
        }

        fn give_up_one(&self) -> bool {
            let mut idle = self.idle.lock();
            if idle.is_empty() {
                return false;
            }
            idle.remove(0);
            self.budget.upgrade().unwrap().give(10);
            true
        }

        fn keep_warm(&self) -> BoxFuture<'_, ()> {
            Box::pin(async {})
        }
    }

    fn pool(budget: &Arc<Budget>, ages: &[u64]) -> Arc<Instances> {
        let now = Instant::now();
        let idle = ages.iter().map(|age| now - Duration::from_secs(*age)).collect();
        let pool = Arc::new(Instances { budget: Arc::downgrade(budget), idle: Mutex::new(idle) });
        let weak: Weak<Instances> = Arc::downgrade(&pool);
        budget.register(weak);
        assert!(budget.take(10 * ages.len() as u64));
        pool
    }

    #[test]
    fn whoever_is_idle_longest_gives_its_memory() {
        let budget = Budget::new(8, 50);
        let (old, new) = (pool(&budget, &[100, 1]), pool(&budget, &[50, 2]));
        assert_eq!(budget.held(), 40);
        assert!(budget.take(10), "what is free is taken first");
        assert_eq!((old.idle.lock().len(), new.idle.lock().len()), (2, 2));
        assert!(budget.take(20));
        assert_eq!((old.idle.lock().len(), new.idle.lock().len()), (1, 1), "100 s and 50 s");
        assert!(!budget.take(60), "more than there can be");
        assert_eq!((old.idle.lock().len(), new.idle.lock().len()), (0, 0));
        assert_eq!(budget.held(), 30, "what was refused is not held");
        assert!(budget.take(20));
        assert!(!budget.take(1), "nobody is idle");
    }

    #[test]
    fn a_machine_has_memory() {
        assert!(half_of_memory() >= 1 << 30);
    }
}
