//! Asynchronous successive halving: which trials go on.
//!
//! Li, Jamieson, Rostamizadeh, Gonina, Ben-tzur, Hardt, Recht, Talwalkar: *A
//! System for Massively Parallel Hyperparameter Tuning*, MLSys 2020, algorithm 2.
//! Rung k lies at step r·ηᵏ. When a trial comes to a rung its metric is noted
//! there, and it goes on if it is among the best ⌊n/η⌋ of the n trials that have
//! come to the rung so far. Nobody waits for others. Trials here run on at once
//! or end for good, so the first η−1 to come go on only while they lead: at least
//! one is always let through. Of equals the one that was proposed earlier is the
//! better.

/// The rungs and who has come to them.
#[derive(Debug)]
pub(super) struct Rungs {
    eta: u64,
    maximize: bool,
    /// Each rung's step, and trial and metric of those that came.
    rungs: Vec<(u64, Vec<(u64, f64)>)>,
}

/// Why a trial ends early.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stopped {
    /// The rung's step.
    pub(super) step: u64,
    /// The trial's metric there.
    pub(super) value: f64,
    /// Its place among those that had come, from 1.
    pub(super) place: usize,
    /// How many had come.
    pub(super) of: usize,
}

impl Rungs {
    /// Rungs from step `first`, each `eta` times the one before, to `last`.
    pub(super) fn new(first: u64, eta: u64, last: u64, maximize: bool) -> Self {
        let (first, eta) = (first.max(1), eta.max(2));
        let steps = std::iter::successors(Some(first), |step| step.checked_mul(eta));
        let rungs = steps.take_while(|step| *step <= last).map(|step| (step, Vec::new())).collect();
        Self { eta, maximize, rungs }
    }

    /// A trial's metric at a step. Says why it ends, if it does.
    pub(super) fn report(&mut self, trial: u64, step: u64, value: f64) -> Option<Stopped> {
        if value.is_nan() {
            return None;
        }
        let mut stopped = None;
        let (eta, maximize) = (self.eta, self.maximize);
        for (at, came) in &mut self.rungs {
            if *at > step || came.iter().any(|(known, _)| *known == trial) {
                continue;
            }
            came.push((trial, value));
            let place = ranked(came, maximize).position(|(known, _)| known == trial).unwrap_or_default();
            if place >= let_through(came.len(), eta) {
                stopped = Some(Stopped { step: *at, value, place: place + 1, of: came.len() });
            }
        }
        stopped
    }

    /// Steps and metrics of the rungs that a trial came to.
    pub(super) fn noted(&self, trial: u64) -> impl Iterator<Item = (u64, f64)> {
        self.rungs.iter().filter_map(move |(step, came)| {
            came.iter().find(|(known, _)| *known == trial).map(|(_, value)| (*step, *value))
        })
    }

    /// Whether any trial came to a rung.
    pub(super) fn is_used(&self) -> bool {
        self.rungs.iter().any(|(_, came)| !came.is_empty())
    }
}

/// How many of those that have come to a rung go on.
fn let_through(came: usize, eta: u64) -> usize {
    (came / usize::try_from(eta).unwrap_or(usize::MAX)).max(1)
}

/// Those at a rung, the best first.
fn ranked(came: &[(u64, f64)], maximize: bool) -> impl Iterator<Item = (u64, f64)> + use<> {
    let mut sorted = came.to_vec();
    sorted.sort_by(|a, b| {
        let by_value = if maximize { b.1.total_cmp(&a.1) } else { a.1.total_cmp(&b.1) };
        by_value.then(a.0.cmp(&b.0))
    });
    sorted.into_iter()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rungs_lie_eta_apart_up_to_the_last() {
        let rungs = Rungs::new(5, 3, 100, false);
        assert_eq!(rungs.rungs.iter().map(|rung| rung.0).collect::<Vec<_>>(), [5, 15, 45]);
    }

    #[test]
    fn a_trial_that_falls_behind_is_told_where() {
        let mut rungs = Rungs::new(2, 2, 8, true);
        assert_eq!(rungs.report(0, 1, 0.1), None, "no rung yet");
        assert_eq!(rungs.report(0, 2, 0.6), None, "the first leads");
        let stopped = rungs.report(1, 2, 0.5).unwrap();
        assert_eq!(stopped, Stopped { step: 2, value: 0.5, place: 2, of: 2 });
        // A report between rungs counts at the last one passed, and once.
        assert_eq!(rungs.report(0, 5, 0.7), None);
        assert_eq!(rungs.report(0, 6, 0.0), None);
        // Equals: the earlier is the better.
        assert!(rungs.report(2, 2, 0.6).is_some());
        assert_eq!(rungs.report(3, 2, f64::NAN), None);
    }

    proptest! {
        /// Whoever comes last is let through exactly if it is of the best 1/η of all.
        #[test]
        fn exactly_the_top_share_goes_on(
            values in proptest::collection::vec(0_u8..40, 1..60), eta in 2_u64..6, maximize: bool,
        ) {
            let all: Vec<(u64, f64)> = (0..).zip(values.iter().map(|value| f64::from(*value))).collect();
            let top = (all.len() / eta as usize).max(1);
            // A trial's value beats another's, or it is as good and earlier.
            let beats = |a: (u64, f64), b: (u64, f64)| {
                let better = if maximize { a.1 > b.1 } else { a.1 < b.1 };
                better || (a.1 == b.1 && a.0 < b.0)
            };
            let mut through = 0;
            for last in &all {
                let mut rungs = Rungs::new(1, eta, 1, maximize);
                for (trial, value) in all.iter().filter(|other| other.0 != last.0) {
                    rungs.report(*trial, 1, *value);
                }
                let goes_on = rungs.report(last.0, 1, last.1).is_none();
                let before = all.iter().filter(|other| beats(**other, *last)).count();
                prop_assert_eq!(goes_on, before < top);
                through += usize::from(goes_on);
            }
            prop_assert_eq!(through, top);
        }
    }
}
