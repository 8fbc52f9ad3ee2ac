//! What was sent, what wasn't, and sending it again.

use std::collections::HashSet;

use modelyard_catalog::{Order, Page, Query};
use modelyard_clock::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Delivery, Error, Event, Notifier, Result, Severity, State};

/// Most records on a page.
const MOST: usize = 500;

/// Which deliveries to list.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DeliveryFilter {
    /// Of this subscription only.
    pub subscription_id: Option<String>,
    /// In this state only.
    pub state: Option<State>,
    /// Most on a page, up to 500; 50 if left out.
    pub limit: Option<usize>,
    /// The `next` of the page before.
    pub after: Option<String>,
}

/// Which events to list.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EventFilter {
    /// Of this stage only.
    pub stage: Option<String>,
    /// About this model only.
    pub model: Option<String>,
    /// Of this severity only.
    pub severity: Option<Severity>,
    /// Most on a page, up to 500; 50 if left out.
    pub limit: Option<usize>,
    /// The `next` of the page before.
    pub after: Option<String>,
}

impl Notifier {
    /// Deliveries, the latest first, dead letters and their attempts included.
    pub async fn deliveries(&self, filter: DeliveryFilter) -> Result<Page<Delivery>> {
        let mut query = Query::new()
            .order("last_at", Order::Desc)
            .limit(filter.limit.unwrap_or(50).clamp(1, MOST))
            .after(filter.after);
        if let Some(subscription) = filter.subscription_id {
            query = query.eq("subscription_id", subscription);
        }
        if let Some(state) = filter.state {
            query = query.eq("state", state);
        }
        Ok(self.0.deliveries.find(query).await?)
    }

    /// One delivery; [`Error::UnknownDelivery`] if there is none.
    pub async fn delivery(&self, id: &str) -> Result<Delivery> {
        self.0.deliveries.get(id).await?.ok_or_else(|| Error::UnknownDelivery(id.to_owned()))
    }

    /// Deliveries that were given up, the latest first.
    pub async fn dead_letters(&self, limit: usize) -> Result<Vec<Delivery>> {
        let filter = DeliveryFilter { state: Some(State::Dead), limit: Some(limit), ..Default::default() };
        Ok(self.deliveries(filter).await?.items)
    }

    /// Sends a delivery again, from the next step of the dispatcher on, with fresh attempts and
    /// under the id it had: a receiver that has it already can drop it.
    pub async fn redeliver(&self, id: &str) -> Result<Delivery> {
        let now = self.0.clock.now();
        let again = self.0.deliveries.update(id, |delivery| delivery.again(now)).await;
        let delivery = again.map_err(|error| match error {
            error if error.is_not_found() => Error::UnknownDelivery(id.to_owned()),
            error => error.into(),
        })?;
        self.0.schedule().touch(&delivery.subscription_id, now);
        self.wake();
        Ok(delivery)
    }

    /// Events, the latest first.
    pub async fn events(&self, filter: EventFilter) -> Result<Page<Event>> {
        let mut query = Query::new()
            .order("at", Order::Desc)
            .limit(filter.limit.unwrap_or(50).clamp(1, MOST))
            .after(filter.after);
        if let Some(stage) = filter.stage {
            query = query.eq("stage", stage);
        }
        if let Some(model) = filter.model {
            query = query.eq("model", model);
        }
        if let Some(severity) = filter.severity {
            query = query.eq("severity", severity);
        }
        Ok(self.0.events.find(query).await?)
    }

    /// Forgets events and deliveries that ended before `before`; returns how many records went.
    /// What is still to be sent stays, however old.
    pub async fn prune(&self, before: Timestamp) -> Result<u64> {
        let mut gone = 0;
        let ended = [State::Delivered, State::Dead, State::Cancelled];
        let old = Query::new().any_of("state", ended).lt("last_at", before).lt("window_ends_at", before);
        for delivery in self.0.deliveries.all(old).await? {
            gone += u64::from(self.0.deliveries.delete(&delivery.id).await?);
        }
        let kept: HashSet<String> = self
            .0
            .deliveries
            .all(Query::new())
            .await?
            .into_iter()
            .flat_map(|delivery| {
                let content = delivery.content.map(|content| content.event_id);
                [Some(delivery.event_id), Some(delivery.last_event_id), content]
            })
            .flatten()
            .collect();
        let old = Query::new().eq("dispatched", true).lt("at", before);
        for event in self.0.events.all(old).await?.into_iter().filter(|event| !kept.contains(&event.id)) {
            gone += u64::from(self.0.events.delete(&event.id).await?);
        }
        Ok(gone)
    }
}
