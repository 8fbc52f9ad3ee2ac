use std::time::Duration;

use modelyard_catalog::{Index, Record};
use modelyard_clock::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Event, Severity, Subscription, options::Retry, secret::digest};

/// Most attempts that a delivery remembers.
const HISTORY: usize = 50;
/// The longest pause that a receiver may ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// To be sent at `next_at`.
    Pending,
    /// Taken by the receiver.
    Delivered,
    /// Given up: a dead letter.
    Dead,
    /// Its subscription was deleted or disabled before it was sent.
    Cancelled,
}

impl State {
    /// The lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }
}

/// One try to send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Attempt {
    /// When it began, on the platform's clock.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// The HTTP or SMTP status, if the receiver gave one.
    pub status: Option<u16>,
    /// What went wrong; none: nothing.
    pub error: Option<String>,
    /// The webhook-id that was sent.
    pub message_id: String,
}

/// What exactly is being sent: settled before the first attempt of a message, so that every further
/// attempt, also after a restart, sends the same under the same id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Content {
    /// The event that is shown.
    pub event_id: String,
    /// How many events stand behind it.
    pub count: u64,
    /// When the last of them happened.
    pub last_at: Timestamp,
}

/// An event on its way to one subscriber, with the repeats that were folded into it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Delivery {
    /// Made of the first event's and the subscription's id, so that none is made twice.
    pub id: String,
    /// The subscription.
    pub subscription_id: String,
    /// What repeats have in common; none: never folded.
    pub fold: Option<String>,
    /// The first event.
    pub event_id: String,
    /// The latest event that was folded in; the first if none was.
    pub last_event_id: String,
    /// The first event's summary, for lists.
    pub summary: String,
    /// The severity of the first event and so of all.
    pub severity: Severity,
    /// How many events are folded in, the first included.
    pub count: u64,
    /// How many of them the subscriber has been told of.
    pub sent_count: u64,
    /// When the first happened.
    pub first_at: Timestamp,
    /// When the last happened.
    pub last_at: Timestamp,
    /// Until when repeats are folded in, once it has been delivered.
    pub window_ends_at: Timestamp,
    /// Where it stands.
    pub state: State,
    /// When it is due, while pending.
    pub next_at: Timestamp,
    /// Which message of the alert is next or was last: 1 tells the first time, 2 and more tell the count.
    pub round: u32,
    /// What is being sent in this round; none before its first attempt.
    pub content: Option<Content>,
    /// Attempts of this round.
    pub attempts: u32,
    /// The latest attempts of all rounds, oldest first.
    pub history: Vec<Attempt>,
}

impl Record for Delivery {
    const TABLE: &'static str = "notify_delivery";
    const INDEXES: &'static [Index] = &[
        Index::on(&["subscription_id", "state", "next_at"]),
        Index::on(&["state", "next_at"]),
        Index::on(&["fold", "first_at"]),
        Index::on(&["last_at"]),
    ];

    fn id(&self) -> String {
        self.id.clone()
    }
}

impl Record for Event {
    const TABLE: &'static str = "notify_event";
    const INDEXES: &'static [Index] = &[Index::on(&["dispatched"]), Index::on(&["at"])];

    fn id(&self) -> String {
        self.id.clone()
    }
}

/// How one attempt ended, as the channel saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The receiver took it.
    Taken { status: Option<u16> },
    /// It may work later, not before `retry_after`.
    Failed { status: Option<u16>, error: String, retry_after: Option<Duration> },
    /// It will never work.
    Refused { status: Option<u16>, error: String },
    /// The receiver wants no more of this subscription.
    Gone { status: u16 },
}

impl Delivery {
    /// The id of the delivery of this event to this subscription.
    pub(crate) fn id_for(event: &str, subscription: &str) -> String {
        format!("dlv_{}", digest(&[event, subscription]))
    }

    /// What repeats of `event` for `subscription` have in common; none: the event is not folded.
    ///
    /// A more severe event is not a repeat: it is told at once.
    pub(crate) fn fold_for(event: &Event, subscription: &Subscription) -> Option<String> {
        let key = event.fold_key.as_deref()?;
        (subscription.fold_window_seconds > 0)
            .then(|| digest(&[&subscription.id, key, event.severity.name()]))
    }

    /// The first word of an event to a subscriber, due at `now`.
    pub(crate) fn first(event: &Event, subscription: &Subscription, now: Timestamp) -> Self {
        Self {
            id: Self::id_for(&event.id, &subscription.id),
            subscription_id: subscription.id.clone(),
            fold: Self::fold_for(event, subscription),
            event_id: event.id.clone(),
            last_event_id: event.id.clone(),
            summary: event.summary.clone(),
            severity: event.severity,
            count: 1,
            sent_count: 0,
            first_at: event.at,
            last_at: event.at,
            window_ends_at: event.at + subscription.fold_window(),
            state: State::Pending,
            next_at: now,
            round: 1,
            content: None,
            attempts: 0,
            history: Vec::new(),
        }
    }

    /// Counts a repeat in and says whether that was possible; if not, it begins a delivery of its own.
    ///
    /// A repeat of what has not been sent yet needs no message of its own; a
    /// repeat of what has been sent is told, with the count, when the window ends.
    pub(crate) fn fold_in(&mut self, event: &Event) -> bool {
        let open = match self.state {
            State::Pending => true,
            // Inclusive, so that a daily check folds with a window of a day.
            State::Delivered => event.at <= self.window_ends_at,
            State::Dead | State::Cancelled => false,
        };
        if !open {
            return false;
        }
        self.count += 1;
        self.last_at = self.last_at.max(event.at);
        self.last_event_id.clone_from(&event.id);
        if self.state == State::Delivered {
            self.next_round();
        }
        true
    }

    fn next_round(&mut self) {
        self.round += 1;
        self.attempts = 0;
        self.content = None;
        self.state = State::Pending;
        self.next_at = self.window_ends_at;
    }

    /// The id of this round's message: the same at every attempt, so that receivers can drop doubles.
    pub fn message_id(&self) -> String {
        let digest = self.id.trim_start_matches("dlv_");
        match self.round {
            0 | 1 => format!("msg_{digest}"),
            round => format!("msg_{digest}_{round}"),
        }
    }

    /// Settles what this round sends, if that isn't done yet; says whether it was to do.
    pub(crate) fn settle(&mut self) -> bool {
        if self.content.is_some() {
            return false;
        }
        self.content =
            Some(Content { event_id: self.last_event_id.clone(), count: self.count, last_at: self.last_at });
        true
    }

    /// Writes down how an attempt ended and what follows. `chance` in [0, 1) spreads the retries.
    pub(crate) fn record(
        &mut self,
        outcome: &Outcome,
        begun: Timestamp,
        took: Duration,
        window: Duration,
        retry: &Retry,
        chance: f64,
    ) {
        self.attempts += 1;
        let (status, error) = match outcome {
            Outcome::Taken { status } => (*status, None),
            Outcome::Failed { status, error, .. } | Outcome::Refused { status, error } => {
                (*status, Some(error.clone()))
            }
            Outcome::Gone { status } => (Some(*status), Some("the receiver is gone for good".to_owned())),
        };
        self.history.push(Attempt {
            at: begun,
            duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            status,
            error,
            message_id: self.message_id(),
        });
        if self.history.len() > HISTORY {
            self.history.remove(0);
        }
        match outcome {
            Outcome::Taken { .. } => {
                self.sent_count = self.content.as_ref().map_or(self.count, |content| content.count);
                self.state = State::Delivered;
                self.window_ends_at = self.window_ends_at.max(begun + window);
                if self.count > self.sent_count {
                    self.next_round();
                }
            }
            Outcome::Failed { retry_after, .. } if self.attempts < retry.max_attempts => {
                let pause = back_off(retry, self.attempts, chance);
                let asked = retry_after.unwrap_or_default().min(MAX_RETRY_AFTER);
                self.next_at = begun + pause.max(asked).max(Duration::from_millis(1));
            }
            Outcome::Failed { .. } | Outcome::Refused { .. } | Outcome::Gone { .. } => {
                self.state = State::Dead;
            }
        }
    }

    /// Sends the last message again, under the same id, from `now` on.
    pub(crate) fn again(&mut self, now: Timestamp) {
        self.state = State::Pending;
        self.attempts = 0;
        self.next_at = now;
    }
}

/// The pause after failed attempt number `attempt`, spread by ±20 % so that receivers which
/// came back aren't overrun by all at once.
fn back_off(retry: &Retry, attempt: u32, chance: f64) -> Duration {
    let growth = u64::from(retry.factor.max(1)).saturating_pow(attempt.saturating_sub(1));
    let growth = u32::try_from(growth).unwrap_or(u32::MAX);
    let pause = retry.first_delay.saturating_mul(growth).min(retry.max_delay);
    pause.mul_f64(0.8 + 0.4 * chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Channel, Filter};

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn at(hours: u64) -> Timestamp {
        "2013-01-01".parse::<Timestamp>().unwrap() + Duration::from_secs(hours * 3600)
    }

    fn subscription() -> Subscription {
        Subscription {
            id: "sub_1".into(),
            name: "ops".into(),
            channel: Channel::Email { address: "ops@example.com".into() },
            filter: Filter::default(),
            fold_window_seconds: DAY.as_secs(),
            enabled: true,
            disabled_reason: None,
            created_at: at(0),
            created_by: "me".into(),
        }
    }

    fn event(hours: u64) -> Event {
        Event::new(at(hours), "dev.modelyard.monitoring.finding", "monitoring", Severity::Warning, "late")
            .fold_key("psi/dep_delay")
    }

    fn taken(delivery: &mut Delivery, hours: u64) {
        delivery.settle();
        delivery.record(
            &Outcome::Taken { status: Some(200) },
            at(hours),
            Duration::ZERO,
            DAY,
            &Retry::default(),
            0.5,
        );
    }

    #[test]
    fn pauses_grow_and_stay_in_bounds() {
        let retry = Retry {
            max_attempts: 9,
            first_delay: Duration::from_secs(5),
            factor: 4,
            max_delay: Duration::from_secs(300),
        };
        let seconds: Vec<u64> = (1..6).map(|attempt| back_off(&retry, attempt, 0.5).as_secs()).collect();
        assert_eq!(seconds, [5, 20, 80, 300, 300]);
        assert_eq!(back_off(&retry, 1, 0.0), Duration::from_secs(4));
        assert!(back_off(&retry, 1, 1.0) <= Duration::from_secs(6));
        assert!(back_off(&retry, u32::MAX, 1.0) <= Duration::from_secs(360));
    }

    #[test]
    fn repeats_after_the_first_message_wait_for_the_windows_end() {
        let first = event(0);
        let mut delivery = Delivery::first(&first, &subscription(), at(0));
        taken(&mut delivery, 0);
        assert_eq!((delivery.state, delivery.sent_count), (State::Delivered, 1));
        for hour in 1..7 {
            assert!(delivery.fold_in(&event(hour)));
        }
        assert_eq!((delivery.state, delivery.count, delivery.next_at), (State::Pending, 7, at(24)));
        assert_eq!(delivery.round, 2);
        taken(&mut delivery, 24);
        assert_eq!((delivery.state, delivery.sent_count), (State::Delivered, 7));
        assert_eq!(delivery.window_ends_at, at(48));
        assert!(!delivery.clone().fold_in(&event(49)), "a quiet window ends the alert");
        assert!(delivery.fold_in(&event(48)));
    }

    #[test]
    fn repeats_before_the_first_message_go_with_it_or_follow_it() {
        let mut delivery = Delivery::first(&event(0), &subscription(), at(0));
        assert!(delivery.fold_in(&event(1)));
        assert_eq!(delivery.round, 1);
        assert!(delivery.settle());
        assert!(delivery.fold_in(&event(2)));
        assert!(!delivery.settle(), "what is under way stays as it is");
        assert_eq!(delivery.content.as_ref().unwrap().count, 2);
        taken(&mut delivery, 2);
        assert_eq!((delivery.state, delivery.sent_count, delivery.count), (State::Pending, 2, 3));
        assert_eq!((delivery.round, delivery.next_at), (2, at(26)));
    }

    #[test]
    fn a_dead_letter_takes_no_repeats() {
        let mut delivery = Delivery::first(&event(0), &subscription(), at(0));
        let refused = Outcome::Refused { status: Some(550), error: "no such mailbox".into() };
        delivery.record(&refused, at(0), Duration::ZERO, DAY, &Retry::default(), 0.5);
        assert_eq!(delivery.state, State::Dead);
        assert!(!delivery.fold_in(&event(1)));
    }

    #[test]
    fn failures_back_off_heed_the_receiver_and_end() {
        let retry = Retry { max_attempts: 3, ..Retry::default() };
        let mut delivery = Delivery::first(&event(0), &subscription(), at(0));
        let failed = |after: Option<u64>| Outcome::Failed {
            status: Some(503),
            error: "busy".into(),
            retry_after: after.map(|hours| Duration::from_secs(hours * 3600)),
        };
        delivery.record(&failed(None), at(0), Duration::ZERO, DAY, &retry, 0.5);
        assert_eq!(delivery.next_at, at(0) + Duration::from_secs(5));
        delivery.record(&failed(Some(2)), at(1), Duration::ZERO, DAY, &retry, 0.5);
        assert_eq!(delivery.next_at, at(3));
        let id = delivery.message_id();
        delivery.record(&failed(Some(9999)), at(3), Duration::ZERO, DAY, &retry, 0.5);
        assert_eq!((delivery.state, delivery.attempts, delivery.history.len()), (State::Dead, 3, 3));
        delivery.again(at(5));
        assert_eq!((delivery.state, delivery.next_at, delivery.message_id()), (State::Pending, at(5), id));
    }

    #[test]
    fn a_more_severe_event_is_no_repeat() {
        let mut worse = event(1);
        worse.severity = Severity::Critical;
        assert_ne!(
            Delivery::fold_for(&worse, &subscription()),
            Delivery::fold_for(&event(0), &subscription())
        );
        let unfolded = Subscription { fold_window_seconds: 0, ..subscription() };
        assert_eq!(Delivery::fold_for(&event(0), &unfolded), None);
    }
}
