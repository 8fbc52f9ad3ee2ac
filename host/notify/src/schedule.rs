use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use modelyard_clock::Timestamp;

/// How long what we believe to be due is trusted before the catalogue is asked again.
const TRUST: Duration = Duration::from_secs(60);

/// When each subscription has something to send: what the dispatcher looks at instead of the catalogue.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    next: HashMap<String, Timestamp>,
    busy: HashSet<String>,
    /// Busy ones for which something became due since they began.
    touched: HashSet<String>,
    read_at: Option<Instant>,
}

impl Schedule {
    /// Whether the catalogue should be asked what is due.
    pub(crate) fn is_stale(&self) -> bool {
        self.read_at.is_none_or(|at| at.elapsed() > TRUST)
    }

    /// Notes that the catalogue has been asked.
    pub(crate) fn refreshed(&mut self) {
        self.read_at = Some(Instant::now());
    }

    /// Notes that the subscription has something to send at `at`.
    pub(crate) fn touch(&mut self, subscription: &str, at: Timestamp) {
        if self.busy.contains(subscription) {
            self.touched.insert(subscription.to_owned());
        }
        let next = self.next.entry(subscription.to_owned()).or_insert(at);
        *next = at.min(*next);
    }

    /// The subscriptions that are due and idle; they are busy from now on.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Vec<String> {
        let due: Vec<String> = self
            .next
            .iter()
            .filter(|(subscription, at)| **at <= now && !self.busy.contains(*subscription))
            .map(|(subscription, _)| subscription.clone())
            .collect();
        self.busy.extend(due.iter().cloned());
        due
    }

    /// Notes that the subscription is idle again and has its next message at `next`.
    pub(crate) fn done(&mut self, subscription: &str, next: Option<Timestamp>, now: Timestamp) {
        self.busy.remove(subscription);
        let touched = self.touched.remove(subscription);
        match if touched { Some(now) } else { next } {
            Some(at) => self.next.insert(subscription.to_owned(), at),
            None => self.next.remove(subscription),
        };
    }

    /// When the next idle subscription is due.
    pub(crate) fn earliest(&self) -> Option<Timestamp> {
        self.next.iter().filter(|(id, _)| !self.busy.contains(*id)).map(|(_, at)| *at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_busy_subscription_is_taken_once_and_nothing_is_forgotten() {
        let mut schedule = Schedule::default();
        assert!(schedule.is_stale());
        schedule.touch("a", at(5));
        schedule.touch("a", at(9));
        assert!(schedule.take_due(at(4)).is_empty());
        assert_eq!(schedule.take_due(at(5)), ["a"]);
        assert!(schedule.take_due(at(9)).is_empty());
        schedule.touch("a", at(6));
        schedule.done("a", None, at(7));
        assert_eq!(schedule.earliest(), Some(at(7)));
        assert_eq!(schedule.take_due(at(7)), ["a"]);
        schedule.done("a", Some(at(20)), at(8));
        assert_eq!(schedule.earliest(), Some(at(20)));
        schedule.done("a", None, at(8));
        assert_eq!(schedule.earliest(), None);
    }
}
