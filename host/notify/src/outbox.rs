//! From events to deliveries.

use modelyard_catalog::{Order, Query, Transaction};
use modelyard_clock::Timestamp;

use crate::{Delivery, Event, Notifier, Result, Subscription, event::check_stage};

/// Events that are read at once.
const BATCH: usize = 200;
/// How often an event is tried whose deliveries others keep changing.
const PATIENCE: u32 = 20;

impl Notifier {
    /// Puts an event into the outbox as part of `transaction`: it is sent if and only if that
    /// transaction is committed. Returns the event's id. Call [`Notifier::wake`] after the
    /// commit to have it sent at once instead of within a second.
    ///
    /// # Errors
    /// [`Error::UnknownStage`](crate::Error::UnknownStage).
    pub fn enqueue(&self, transaction: &mut Transaction, event: Event) -> Result<String> {
        check_stage(&event.stage)?;
        transaction.insert(&event);
        Ok(event.id)
    }

    /// Puts an event into the outbox by itself and wakes the dispatcher.
    pub async fn publish(&self, event: Event) -> Result<String> {
        let mut transaction = self.0.catalog.transaction();
        let id = self.enqueue(&mut transaction, event)?;
        transaction.commit().await?;
        self.wake();
        Ok(id)
    }

    /// Makes deliveries of all events that have none yet; returns how many events there were.
    pub(crate) async fn fan_out(&self, now: Timestamp) -> Result<usize> {
        let _alone = self.0.fanning_out.lock().await;
        let mut done = 0;
        loop {
            let waiting = Query::new().eq("dispatched", false).limit(BATCH);
            let events = self.0.events.find(waiting).await?.items;
            if events.is_empty() {
                return Ok(done);
            }
            let subscriptions = self.0.subscriptions.all(Query::new()).await?;
            let subscriptions: Vec<Subscription> = subscriptions
                .into_iter()
                .map(|stored| stored.subscription)
                .filter(|subscription| subscription.enabled)
                .collect();
            for event in events {
                self.dispatch(event, &subscriptions, now).await?;
                done += 1;
            }
        }
    }

    /// Makes the deliveries of one event and marks it as dispatched, in one transaction.
    async fn dispatch(&self, mut event: Event, subscriptions: &[Subscription], now: Timestamp) -> Result<()> {
        for attempt in 1.. {
            let mut transaction = self.0.catalog.transaction();
            transaction.require::<Event>(&event.id, "dispatched", false);
            let mut due = Vec::new();
            let wants = |subscription: &&Subscription| {
                subscription.filter.matches(&event) && subscription.channel.takes(&event)
            };
            for subscription in subscriptions.iter().filter(wants) {
                let at = self.add(&mut transaction, &event, subscription, now).await?;
                due.push((&subscription.id, at));
            }
            event.dispatched = true;
            transaction.put(&event);
            match transaction.commit().await {
                Ok(()) => {
                    let mut schedule = self.0.schedule();
                    due.into_iter().for_each(|(subscription, at)| schedule.touch(subscription, at));
                    return Ok(());
                }
                // A delivery was sent or changed meanwhile: look at it again.
                Err(error) => match self.0.events.get(&event.id).await? {
                    Some(current) if !current.dispatched && attempt < PATIENCE => event = current,
                    Some(current) if !current.dispatched => return Err(error.into()),
                    _ => return Ok(()),
                },
            }
        }
        Ok(())
    }

    /// Adds the event to the subscription's open alert or begins one; returns when it is due.
    async fn add(
        &self,
        transaction: &mut Transaction,
        event: &Event,
        subscription: &Subscription,
        now: Timestamp,
    ) -> Result<Timestamp> {
        if let Some(fold) = Delivery::fold_for(event, subscription) {
            let latest = Query::new().eq("fold", fold).order("first_at", Order::Desc);
            if let Some(latest) = self.0.deliveries.first(latest).await?
                && let Some((mut delivery, revision)) = self.0.deliveries.get_revision(&latest.id).await?
                && delivery.fold_in(event)
            {
                transaction.require_unchanged::<Delivery>(&delivery.id, revision).put(&delivery);
                return Ok(delivery.next_at);
            }
        }
        let delivery = Delivery::first(event, subscription, now);
        transaction.insert(&delivery);
        Ok(delivery.next_at)
    }
}
