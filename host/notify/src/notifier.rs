use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use modelyard_catalog::{Catalog, Query, Table};
use modelyard_clock::Clock;
use tokio::sync::Notify;

use crate::{
    Change, Channel, Created, DEFAULT_FOLD_WINDOW_SECONDS, Delivery, Error, Event, NewSubscription, Options,
    Result, Secret, Severity, State, Subscription,
    address::Guard,
    email,
    schedule::Schedule,
    subscription::{SigningSecret, Stored, check_channel, check_name},
    webhook,
};

/// The longest fold window, in seconds: a year.
const MAX_FOLD_WINDOW: u64 = 366 * 24 * 3600;

/// Subscriptions, outbox and dispatcher. A cheap handle.
#[derive(Clone)]
pub struct Notifier(pub(crate) Arc<Inner>);

impl std::fmt::Debug for Notifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Notifier").field(&self.0.options).finish()
    }
}

pub(crate) struct Inner {
    pub(crate) catalog: Catalog,
    pub(crate) clock: Clock,
    pub(crate) options: Options,
    pub(crate) guard: Guard,
    pub(crate) email: Option<email::Sender>,
    pub(crate) webhook: webhook::Sender,
    pub(crate) subscriptions: Table<Stored>,
    pub(crate) deliveries: Table<Delivery>,
    pub(crate) events: Table<Event>,
    schedule: Mutex<Schedule>,
    /// Held while events are turned into deliveries, so that two dispatchers of one process don't collide.
    pub(crate) fanning_out: tokio::sync::Mutex<()>,
    pub(crate) woken: Notify,
}

impl Inner {
    pub(crate) fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Notifier {
    /// Defines the tables and prepares mail and webhooks. Sends nothing: that is [`Notifier::run`].
    ///
    /// # Errors
    /// [`Error::BadOption`] for a setting that can't work.
    pub async fn open(catalog: Catalog, clock: Clock, options: Options) -> Result<Self> {
        let guard = Guard::system(options.webhooks.allow_private);
        if options.retry.max_attempts == 0 {
            let reason = "there must be at least one attempt".to_owned();
            return Err(Error::BadOption { setting: "retry.max_attempts", reason });
        }
        if options.public_url.as_ref().is_some_and(url::Url::cannot_be_a_base) {
            let reason = "it is not an http or https address".to_owned();
            return Err(Error::BadOption { setting: "public_url", reason });
        }
        catalog.define::<Stored>().await?;
        catalog.define::<Delivery>().await?;
        catalog.define::<Event>().await?;
        Ok(Self(Arc::new(Inner {
            email: options.smtp.as_ref().map(email::Sender::new).transpose()?,
            webhook: webhook::Sender::new(&options.webhooks, guard.clone())?,
            subscriptions: catalog.table(),
            deliveries: catalog.table(),
            events: catalog.table(),
            schedule: Mutex::default(),
            fanning_out: tokio::sync::Mutex::default(),
            woken: Notify::new(),
            catalog,
            clock,
            options,
            guard,
        })))
    }

    /// Makes a subscription. The answer holds a webhook's secret, which is not shown again.
    ///
    /// # Errors
    /// [`Error::BadName`], [`Error::DuplicateName`], [`Error::BadEmail`], [`Error::BadUrl`],
    /// [`Error::PrivateAddress`], [`Error::BadHeader`], [`Error::BadSecret`], [`Error::UnknownStage`],
    /// [`Error::BadPattern`], [`Error::BadFoldWindow`].
    pub async fn create(&self, new: NewSubscription, created_by: &str) -> Result<Created> {
        let name = check_name(&new.name)?;
        new.filter.check()?;
        let fold_window_seconds = new.fold_window_seconds.unwrap_or(DEFAULT_FOLD_WINDOW_SECONDS);
        check_fold_window(fold_window_seconds)?;
        let channel = check_channel(new.channel, None, &self.0.guard).await?;
        let secret = match (&channel, new.secret) {
            (Channel::Webhook { .. }, Some(secret)) => {
                secret.key()?;
                Some(secret)
            }
            (Channel::Webhook { .. }, None) => Some(Secret::generate()),
            // MLflow's receivers choose any text, or none.
            (Channel::Mlflow { .. }, secret) => secret,
            (Channel::Email { .. }, Some(_)) => {
                return Err(Error::BadSecret("email has no signing secret"));
            }
            (Channel::Email { .. }, None) => None,
        };
        let warnings = self.warnings(&channel);
        let stored = Stored {
            subscription: Subscription {
                id: format!("sub_{}", uuid::Uuid::now_v7().simple()),
                name: name.clone(),
                channel,
                filter: new.filter,
                fold_window_seconds,
                enabled: new.enabled.unwrap_or(true),
                disabled_reason: None,
                created_at: self.0.clock.now(),
                created_by: created_by.to_owned(),
            },
            secrets: secret
                .iter()
                .map(|secret| SigningSecret { secret: secret.clone(), until: None })
                .collect(),
            unsubscribe_token: Secret::token(),
        };
        self.0.subscriptions.insert(&stored).await.map_err(|error| taken(error, name))?;
        Ok(Created { subscription: stored.shown(), secret, warnings })
    }

    fn warnings(&self, channel: &Channel) -> Vec<String> {
        match channel {
            Channel::Email { .. } if self.0.email.is_none() => {
                vec![
                    "no mail server is configured: set smtp.host and smtp.from, or nothing will be sent"
                        .into(),
                ]
            }
            Channel::Email { .. } if self.0.options.public_url.is_none() => {
                vec![
                    "public_url is not configured: mails will have no links and no unsubscribe button".into(),
                ]
            }
            Channel::Webhook { url, .. } | Channel::Mlflow { url, .. } if url.starts_with("http:") => {
                vec!["the webhook is called without encryption: anyone on the way can read it".into()]
            }
            _ => Vec::new(),
        }
    }

    /// All subscriptions, by name.
    pub async fn list(&self) -> Result<Vec<Subscription>> {
        let mut all: Vec<Subscription> =
            self.0.subscriptions.all(Query::new()).await?.iter().map(Stored::shown).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// One subscription; [`Error::UnknownSubscription`] if there is none.
    pub async fn get(&self, id: &str) -> Result<Subscription> {
        Ok(self.stored(id).await?.shown())
    }

    async fn stored(&self, id: &str) -> Result<Stored> {
        self.0.subscriptions.get(id).await?.ok_or_else(|| Error::UnknownSubscription(id.to_owned()))
    }

    /// Changes a subscription; the errors are those of [`Notifier::create`], [`Error::UnknownSubscription`]
    /// and [`Error::OtherChannel`].
    pub async fn update(&self, id: &str, change: Change) -> Result<Subscription> {
        let before = self.stored(id).await?.subscription.channel;
        let name = change.name.as_deref().map(check_name).transpose()?;
        if let Some(filter) = &change.filter {
            filter.check()?;
        }
        change.fold_window_seconds.map_or(Ok(()), check_fold_window)?;
        let channel = match change.channel {
            Some(channel) if std::mem::discriminant(&channel) != std::mem::discriminant(&before) => {
                return Err(Error::OtherChannel(id.to_owned()));
            }
            Some(channel) => Some(check_channel(channel, Some(&before), &self.0.guard).await?),
            None => None,
        };
        let stored = self.0.subscriptions.update(id, |stored| {
            let subscription = &mut stored.subscription;
            set(&mut subscription.name, name.as_ref());
            set(&mut subscription.channel, channel.as_ref());
            set(&mut subscription.filter, change.filter.as_ref());
            set(&mut subscription.fold_window_seconds, change.fold_window_seconds.as_ref());
            if let Some(enabled) = change.enabled {
                subscription.enabled = enabled;
                subscription.disabled_reason = None;
            }
        });
        let stored = stored.await.map_err(|error| match error {
            error if error.is_not_found() => Error::UnknownSubscription(id.to_owned()),
            error => taken(error, name.clone().unwrap_or_default()),
        })?;
        if !stored.subscription.enabled {
            self.cancel_pending(id).await?;
        }
        Ok(stored.shown())
    }

    /// Removes a subscription; what was still to be sent to it is cancelled.
    pub async fn delete(&self, id: &str) -> Result<()> {
        if !self.0.subscriptions.delete(id).await? {
            return Err(Error::UnknownSubscription(id.to_owned()));
        }
        self.cancel_pending(id).await
    }

    /// Gives a webhook another secret, which is not shown again. The old one signs beside it for
    /// `webhooks.rotation_seconds`, so that the receiver can change over without a gap.
    pub async fn rotate_secret(&self, id: &str) -> Result<Secret> {
        if !matches!(self.stored(id).await?.subscription.channel, Channel::Webhook { .. }) {
            return Err(Error::NotAWebhook(id.to_owned()));
        }
        let secret = Secret::generate();
        let now = self.0.clock.now();
        let until = now + self.0.options.webhooks.rotation;
        self.0.subscriptions.update(id, |stored| stored.rotate(secret.clone(), now, until)).await?;
        Ok(secret)
    }

    /// Lets a webhook of MLflow be signed with another text, or with none.
    pub async fn set_secret(&self, id: &str, secret: Option<Secret>) -> Result<()> {
        if !matches!(self.stored(id).await?.subscription.channel, Channel::Mlflow { .. }) {
            return Err(Error::NotAWebhook(id.to_owned()));
        }
        let secrets: Vec<SigningSecret> =
            secret.into_iter().map(|secret| SigningSecret { secret, until: None }).collect();
        self.0.subscriptions.update(id, |stored| stored.secrets.clone_from(&secrets)).await?;
        Ok(())
    }

    /// Sends a test event to one subscriber, whatever its filter, and returns how that went.
    /// It is tried once, also if the subscription is disabled.
    pub async fn test(&self, id: &str) -> Result<Delivery> {
        self.test_as(id, None).await
    }

    /// As [`Notifier::test`]; a webhook of MLflow gets an example of the event of this name,
    /// or of its first.
    pub async fn test_as(&self, id: &str, name: Option<&str>) -> Result<Delivery> {
        let subscription = self.stored(id).await?.subscription;
        let now = self.0.clock.now();
        let summary =
            format!("This is a test of the subscription {:?}; nothing has happened", subscription.name);
        let mut event = Event::new(now, "dev.modelyard.test", "monitoring", Severity::Info, summary);
        if let Channel::Mlflow { events, .. } = &subscription.channel {
            let name = name.map(str::to_owned).or_else(|| events.first().cloned());
            event = event.details(serde_json::json!({"mlflow": name}));
        }
        event.dispatched = true;
        let mut delivery = Delivery::first(&event, &subscription, now);
        // Not pending, so that the dispatcher leaves it alone.
        delivery.state = State::Cancelled;
        let mut transaction = self.0.catalog.transaction();
        transaction.insert(&event).insert(&delivery);
        transaction.commit().await?;
        self.attempt(&delivery.id, now, true).await?;
        let done = self.0.deliveries.update(&delivery.id, |delivery| {
            if delivery.state != State::Delivered {
                delivery.state = State::Cancelled;
            }
        });
        Ok(done.await?)
    }

    /// The subscription whose unsubscribe link holds `token`; [`Error::UnknownToken`] if there is none.
    pub async fn by_token(&self, token: &str) -> Result<Subscription> {
        Ok(self.stored_by_token(token).await?.shown())
    }

    async fn stored_by_token(&self, token: &str) -> Result<Stored> {
        let found = self.0.subscriptions.first(Query::new().eq("unsubscribe_token", token)).await?;
        found.ok_or(Error::UnknownToken)
    }

    /// Ends the subscription whose unsubscribe link holds `token`; doing it twice is no error.
    pub async fn unsubscribe(&self, token: &str) -> Result<Subscription> {
        let id = self.stored_by_token(token).await?.subscription.id;
        self.disable(&id, "unsubscribed by the link in a mail").await?;
        self.get(&id).await
    }

    /// Turns a subscription off and says why.
    pub(crate) async fn disable(&self, id: &str, reason: &str) -> Result<()> {
        let done = self.0.subscriptions.update(id, |stored| {
            if stored.subscription.enabled {
                stored.subscription.enabled = false;
                stored.subscription.disabled_reason = Some(reason.to_owned());
            }
        });
        match done.await {
            Err(error) if !error.is_not_found() => return Err(error.into()),
            _ => {}
        }
        self.cancel_pending(id).await
    }

    async fn cancel_pending(&self, subscription: &str) -> Result<()> {
        let pending = Query::new().eq("subscription_id", subscription).eq("state", State::Pending);
        for delivery in self.0.deliveries.all(pending).await? {
            self.cancel(&delivery.id).await?;
        }
        Ok(())
    }

    pub(crate) async fn cancel(&self, delivery: &str) -> Result<()> {
        let cancelled = self.0.deliveries.update(delivery, |delivery| {
            if delivery.state == State::Pending {
                // What was told already stays told: only a reminder of it is left out.
                let told = delivery.sent_count > 0;
                delivery.state = if told { State::Delivered } else { State::Cancelled };
            }
        });
        cancelled.await?;
        Ok(())
    }
}

fn set<T: Clone>(target: &mut T, value: Option<&T>) {
    if let Some(value) = value {
        target.clone_from(value);
    }
}

fn check_fold_window(seconds: u64) -> Result<()> {
    if seconds <= MAX_FOLD_WINDOW { Ok(()) } else { Err(Error::BadFoldWindow(seconds)) }
}

fn taken(error: modelyard_catalog::Error, name: String) -> Error {
    if error.is_exists() { Error::DuplicateName(name) } else { error.into() }
}
