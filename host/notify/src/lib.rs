//! Subscriptions, the outbox, email and webhooks.
//!
//! What people and programs should know is an [`Event`]. It is put into the
//! outbox by [`Notifier::enqueue`] in the same catalogue transaction as what
//! caused it, so that neither is there without the other. The dispatcher
//! ([`Notifier::run`], or [`Notifier::deliver_due`] for one step) makes one
//! [`Delivery`] of it for each matching [`Subscription`] and sends that by
//! mail or webhook until the receiver took it or the attempts are used up; a
//! dead letter is kept and can be sent again by [`Notifier::redeliver`].
//!
//! ```no_run
//! # use modelyard_catalog::Catalog;
//! # use modelyard_clock::Clock;
//! # use modelyard_notify::{Event, NewSubscription, Notifier, Options, Severity};
//! # async fn example(catalog: Catalog, clock: Clock) -> Result<(), Box<dyn std::error::Error>> {
//! let notifier = Notifier::open(catalog.clone(), clock.clone(), Options::default()).await?;
//! notifier.create(NewSubscription::email("night shift", "ops@example.com"), "ana").await?;
//!
//! let event = Event::new(
//!     clock.now(),
//!     "dev.modelyard.monitoring.finding",
//!     "monitoring",
//!     Severity::Warning,
//!     "dep_delay has drifted: PSI 0.31 is above 0.2",
//! )
//! .model("flights-delay")
//! .fold_key("flights-delay/psi/dep_delay")
//! .details(serde_json::json!({"metric": "psi", "value": 0.31, "threshold": 0.2}));
//! let mut transaction = catalog.transaction();
//! notifier.enqueue(&mut transaction, event)?;
//! transaction.commit().await?;
//! notifier.wake();
//! # Ok(())
//! # }
//! ```
//!
//! # What receivers can rely on
//! - *At least once.* A message keeps its `webhook-id` (and `Message-ID`) and its content through all
//!   attempts, restarts included, so that doubles can be dropped.
//! - *Repeats are folded.* Events with the same fold key and severity become one alert per subscription:
//!   the first is sent at once, the others are counted and told at most once per fold window.
//! - *Signatures.* Webhooks are CloudEvents 1.0 in structured JSON, signed as Standard Webhooks demand;
//!   their `webhook-timestamp` is real time also when the platform's clock is simulated.
//! - *Independence.* Each subscription is served by itself; one that is slow delays no other.
//!
//! Webhooks are not sent to loopback, private, link-local and other non-public addresses unless the
//! configuration allows it. One process per store runs the dispatcher.

mod address;
mod delivery;
mod dispatch;
mod email;
mod error;
mod event;
mod filter;
mod history;
mod message;
mod mlflow;
mod notifier;
mod options;
mod outbox;
mod render;
mod schedule;
mod secret;
mod subscription;
mod webhook;

pub use address::Guard;
pub use delivery::{Attempt, Content, Delivery, State};
pub use dispatch::Report;
pub use error::{Error, Result};
pub use event::{Event, STAGES, Severity};
pub use filter::Filter;
pub use history::{DeliveryFilter, EventFilter};
pub use mlflow::MLFLOW_EVENTS;
pub use notifier::Notifier;
pub use options::{Options, Retry, Smtp, Tls, Webhooks};
pub use secret::Secret;
pub use subscription::{
    Change, Channel, Created, DEFAULT_FOLD_WINDOW_SECONDS, NewSubscription, REDACTED, Subscription,
};
