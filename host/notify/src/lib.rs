//! Subscriptions, the outbox, email and webhooks.
