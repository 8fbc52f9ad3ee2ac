use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use chrono::Utc;
use tokio::sync::watch;

use crate::Timestamp;

/// Why a clock can't be moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The clock is the system's.
    NotSimulated,
    /// The moment lies before the clock's present.
    Backwards { now: Timestamp, to: Timestamp },
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotSimulated => write!(
                f,
                "the clock is the system's and can't be moved; start the server with a simulated clock"
            ),
            Self::Backwards { now, to } => {
                write!(f, "the clock stands at {now} and can't go back to {to}")
            }
        }
    }
}

impl std::error::Error for Error {}

/// What the time is. A cheap handle: clones show the same time.
#[derive(Clone, Debug)]
pub struct Clock(Option<Arc<Simulated>>);

#[derive(Debug)]
struct Simulated {
    now: AtomicI64,
    moved: watch::Sender<()>,
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that stands at `start` until it is advanced.
    pub fn simulated(start: Timestamp) -> Self {
        Self(Some(Arc::new(Simulated { now: AtomicI64::new(start.micros()), moved: watch::channel(()).0 })))
    }

    /// Whether the clock is simulated.
    pub fn is_simulated(&self) -> bool {
        self.0.is_some()
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            None => Utc::now().into(),
            Some(simulated) => Timestamp::from_micros(simulated.now.load(Ordering::Acquire)),
        }
    }

    /// Moves a simulated clock forward to `to`.
    pub fn advance_to(&self, to: Timestamp) -> Result<(), Error> {
        let simulated = self.0.as_ref().ok_or(Error::NotSimulated)?;
        let before = simulated.now.fetch_max(to.micros(), Ordering::AcqRel);
        if before > to.micros() {
            return Err(Error::Backwards { now: Timestamp::from_micros(before), to });
        }
        simulated.moved.send_replace(());
        Ok(())
    }

    /// Waits until the clock shows `until` or later.
    pub async fn sleep_until(&self, until: Timestamp) {
        match &self.0 {
            None => tokio::time::sleep(until.since(self.now())).await,
            Some(simulated) => {
                let mut moved = simulated.moved.subscribe();
                while self.now() < until {
                    if moved.changed().await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Waits for `duration` on this clock.
    pub async fn sleep(&self, duration: Duration) {
        self.sleep_until(self.now() + duration).await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_simulated_clock_moves_only_when_told_and_only_forward() {
        let start: Timestamp = "2013-01-01".parse().unwrap();
        let clock = Clock::simulated(start);
        assert_eq!(clock.now(), start);
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until(start + Duration::from_secs(60)).await }
        });
        clock.advance_to(start + Duration::from_secs(59)).unwrap();
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance_to(start + Duration::from_secs(60)).unwrap();
        sleeper.await.unwrap();
        assert!(matches!(clock.advance_to(start), Err(Error::Backwards { .. })));
        assert_eq!(Clock::system().advance_to(start), Err(Error::NotSimulated));
    }
}
