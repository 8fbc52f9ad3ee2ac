//! From deliveries to receivers.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use modelyard_catalog::{Order, Query};
use modelyard_clock::Timestamp;
use serde::Serialize;
use tokio::task::JoinSet;
use utoipa::ToSchema;

use crate::{
    Channel, Delivery, Error, Notifier, Result, State, delivery::Outcome, message::Message,
    subscription::Stored,
};

/// How often the outbox is looked at when nobody wakes the dispatcher.
const POLL: Duration = Duration::from_secs(1);
/// How long messages under way may take when the dispatcher is stopped; they are sent again at the next start.
const FAREWELL: Duration = Duration::from_secs(5);
/// Deliveries of one subscription that are read at once.
const BATCH: usize = 50;

/// What one step of the dispatcher did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Report {
    /// Events of which deliveries were made.
    pub events: usize,
    /// Messages that were taken.
    pub delivered: usize,
    /// Attempts that failed and will be repeated.
    pub failed: usize,
    /// Deliveries that were given up.
    pub dead: usize,
}

impl Report {
    fn add(&mut self, other: Self) {
        self.events += other.events;
        self.delivered += other.delivered;
        self.failed += other.failed;
        self.dead += other.dead;
    }
}

type Workers = JoinSet<Result<Report>>;

impl Notifier {
    /// Has the dispatcher look at the outbox now. To be called after a transaction with events was committed.
    pub fn wake(&self) {
        self.0.woken.notify_one();
    }

    /// Sends what is due, as the platform's clock goes, until `shutdown` is ready. Failures are
    /// logged and retried; nothing ends the loop but `shutdown`.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut workers = Workers::new();
        let stop = Arc::new(AtomicBool::new(false));
        loop {
            if let Err(error) = self.step(self.0.clock.now(), &mut workers, &stop).await {
                tracing::warn!(%error, "the outbox can't be read; trying again");
            }
            while let Some(done) = workers.try_join_next() {
                log(done);
            }
            tokio::select! {
                () = &mut shutdown => break,
                () = self.0.woken.notified() => {}
                () = tokio::time::sleep(self.pause()) => {}
            }
        }
        stop.store(true, Ordering::Relaxed);
        let farewell = async {
            while let Some(done) = workers.join_next().await {
                log(done);
            }
        };
        if tokio::time::timeout(FAREWELL, farewell).await.is_err() {
            tracing::info!("messages under way were broken off; they are sent again at the next start");
        }
    }

    fn pause(&self) -> Duration {
        let earliest = self.0.schedule().earliest();
        match earliest {
            // A simulated clock moves when it likes: it has to be looked at.
            Some(at) if !self.0.clock.is_simulated() => {
                at.since(self.0.clock.now()).clamp(Duration::from_millis(5), POLL)
            }
            _ => POLL.min(Duration::from_millis(if self.0.clock.is_simulated() { 100 } else { 1000 })),
        }
    }

    /// One step: sends everything that is due at `now` and waits until each message was taken or
    /// failed. For tests and for whoever drives a simulated clock; works beside [`Notifier::run`] too.
    pub async fn deliver_due(&self, now: Timestamp) -> Result<Report> {
        let mut workers = Workers::new();
        let events = self.step(now, &mut workers, &Arc::default()).await?;
        let mut report = Report { events, ..Report::default() };
        while let Some(done) = workers.join_next().await {
            report.add(done.unwrap_or(Ok(Report::default()))?);
        }
        Ok(report)
    }

    /// Makes deliveries of new events and sets a worker on each subscription that is due and idle.
    async fn step(&self, now: Timestamp, workers: &mut Workers, stop: &Arc<AtomicBool>) -> Result<usize> {
        let events = self.fan_out(now).await?;
        if self.0.schedule().is_stale() {
            self.refresh().await?;
        }
        let due = self.0.schedule().take_due(now);
        for subscription in due {
            let (notifier, stop) = (self.clone(), stop.clone());
            workers.spawn(async move { notifier.serve(&subscription, now, &stop).await });
        }
        Ok(events)
    }

    /// Asks the catalogue when each subscription is due: at start, and now and then.
    async fn refresh(&self) -> Result<()> {
        for stored in self.0.subscriptions.all(Query::new()).await? {
            let id = &stored.subscription.id;
            if let Some(at) = self.next_due(id).await? {
                self.0.schedule().touch(id, at);
            }
        }
        self.0.schedule().refreshed();
        Ok(())
    }

    fn pending(subscription: &str) -> Query {
        Query::new()
            .eq("subscription_id", subscription)
            .eq("state", State::Pending)
            .order("next_at", Order::Asc)
    }

    async fn next_due(&self, subscription: &str) -> Result<Option<Timestamp>> {
        let next = self.0.deliveries.first(Self::pending(subscription)).await?;
        Ok(next.map(|delivery| delivery.next_at))
    }

    /// Sends what one subscription is due, one after the other.
    async fn serve(&self, subscription: &str, now: Timestamp, stop: &AtomicBool) -> Result<Report> {
        let result = self.serve_all(subscription, now, stop).await;
        let next = self.next_due(subscription).await;
        let later = now.max(self.0.clock.now()) + POLL;
        // If the catalogue fails, we don't know; then we look again soon.
        let next = if result.is_err() { Some(later) } else { next.unwrap_or(Some(later)) };
        self.0.schedule().done(subscription, next, now);
        self.wake();
        result
    }

    async fn serve_all(&self, subscription: &str, now: Timestamp, stop: &AtomicBool) -> Result<Report> {
        let mut report = Report::default();
        loop {
            let due = Self::pending(subscription).le("next_at", now).limit(BATCH);
            let due = self.0.deliveries.find(due).await?.items;
            if due.is_empty() {
                return Ok(report);
            }
            for delivery in due {
                if stop.load(Ordering::Relaxed) {
                    return Ok(report);
                }
                match self.attempt(&delivery.id, now, false).await? {
                    Some(Outcome::Taken { .. }) => report.delivered += 1,
                    Some(_) => match self.0.deliveries.get(&delivery.id).await?.map(|done| done.state) {
                        Some(State::Pending) => report.failed += 1,
                        _ => report.dead += 1,
                    },
                    None => {}
                }
            }
        }
    }

    /// Tries to send a delivery once and writes down how it went; none: there was nothing to send any more.
    /// With `force` neither the delivery's state nor the subscription's is heeded.
    pub(crate) async fn attempt(&self, id: &str, now: Timestamp, force: bool) -> Result<Option<Outcome>> {
        let Some(mut delivery) = self.0.deliveries.get(id).await? else { return Ok(None) };
        if delivery.state != State::Pending && !force {
            return Ok(None);
        }
        let stored = match self.0.subscriptions.get(&delivery.subscription_id).await? {
            Some(stored) if stored.subscription.enabled || force => stored,
            _ => {
                self.cancel(id).await?;
                return Ok(None);
            }
        };
        if delivery.content.is_none() {
            delivery = self
                .0
                .deliveries
                .update(id, |delivery| {
                    delivery.settle();
                })
                .await?;
        }
        let begun = now.max(self.0.clock.now());
        let watch = Instant::now();
        let outcome = self.send(&delivery, &stored).await?;
        let took = watch.elapsed();
        let chance = rand::random::<f64>();
        let window = stored.subscription.fold_window();
        let retry = &self.0.options.retry;
        let done = self.0.deliveries.update(id, |delivery| {
            delivery.record(&outcome, begun, took, window, retry, chance);
        });
        let done = done.await?;
        note(&done, &outcome);
        if matches!(outcome, Outcome::Gone { .. }) {
            self.disable(&delivery.subscription_id, "the receiver answered 410 Gone").await?;
        }
        Ok(Some(outcome))
    }

    async fn send(&self, delivery: &Delivery, stored: &Stored) -> Result<Outcome> {
        let subscription = &stored.subscription;
        let refused = |error: &str| Ok(Outcome::Refused { status: None, error: error.to_owned() });
        let Some(content) = &delivery.content else { return refused("there is nothing to send") };
        let Some(event) = self.0.events.get(&content.event_id).await? else {
            return refused("the event has been removed");
        };
        let message = Message::new(delivery, content, event, subscription, self.0.options.public_url.clone());
        Ok(match &subscription.channel {
            Channel::Email { address } => match &self.0.email {
                Some(sender) => sender.send(&message, address, &stored.unsubscribe_token).await,
                None => Outcome::Failed {
                    status: None,
                    error: "no mail server is configured: set smtp.host and smtp.from".to_owned(),
                    retry_after: None,
                },
            },
            Channel::Webhook { url, headers } => {
                let secrets = stored.signing(self.0.clock.now());
                self.0.webhook.send(&message, url, headers, secrets).await
            }
            Channel::Mlflow { url, .. } => {
                let secret = stored.signing(self.0.clock.now()).next();
                self.0.webhook.send_mlflow(&message, url, secret).await
            }
        })
    }
}

fn note(delivery: &Delivery, outcome: &Outcome) {
    let (id, subscription) = (&delivery.id, &delivery.subscription_id);
    match outcome {
        Outcome::Taken { .. } => tracing::debug!(delivery = %id, %subscription, "delivered"),
        Outcome::Failed { error, .. } | Outcome::Refused { error, .. } => {
            let state = delivery.state.name();
            tracing::warn!(delivery = %id, %subscription, %error, state, "not delivered");
        }
        Outcome::Gone { .. } => {
            tracing::warn!(delivery = %id, %subscription, "the receiver is gone; the subscription is disabled");
        }
    }
}

fn log(done: Result<Result<Report>, tokio::task::JoinError>) {
    let error: Option<Box<dyn std::error::Error>> = match done {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(Box::<Error>::new(error)),
        Err(error) => Some(error.into()),
    };
    if let Some(error) = error {
        tracing::warn!(%error, "deliveries were broken off; trying again");
    }
}
