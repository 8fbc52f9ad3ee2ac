#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
//! Webhooks, taken by a real HTTP server.

mod common;

use std::time::{Duration, Instant};

use base64::{Engine, engine::general_purpose::STANDARD};
use common::{AT_ONCE, Endpoint, Received, finding, july, memory, notifier, options};
use hmac::{Hmac, Mac};
use modelyard_clock::Clock;
use modelyard_notify::{
    Change, Channel, Error, Filter, NewSubscription, Notifier, REDACTED, Secret, Severity, State,
};
use serde_json::json;
use sha2::Sha256;

async fn subscribe(notifier: &Notifier, name: &str, url: &str) -> (String, Secret) {
    let made = notifier.create(NewSubscription::webhook(name, url), "ana").await.unwrap();
    (made.subscription.id, made.secret.unwrap())
}

/// What a receiver does by the Standard Webhooks specification.
fn verify(request: &Received, secret: &Secret) -> bool {
    let key = STANDARD.decode(secret.reveal().strip_prefix("whsec_").unwrap()).unwrap();
    let timestamp = request.header("webhook-timestamp");
    let age = chrono::Utc::now().timestamp() - timestamp.parse::<i64>().unwrap();
    assert!((0..60).contains(&age), "the timestamp must be real time, not the simulated clock's");
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{}.{timestamp}.{}", request.header("webhook-id"), request.body).as_bytes());
    let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    request.header("webhook-signature").split(' ').any(|signature| signature == expected)
}

#[tokio::test]
async fn a_signed_cloud_event_arrives() {
    let endpoint = Endpoint::accepting().await;
    let (notifier, _) = notifier(options()).await;
    let mut new = NewSubscription::webhook("pager", &endpoint.url);
    new.channel = Channel::Webhook {
        url: endpoint.url.clone(),
        headers: [("Authorization".into(), "Bearer t".into())].into(),
    };
    let made = notifier.create(new, "ana").await.unwrap();
    let secret = made.secret.unwrap();
    assert!(
        matches!(&made.subscription.channel, Channel::Webhook { headers, .. } if headers["authorization"] == REDACTED)
    );
    let shown = serde_json::to_string(&notifier.list().await.unwrap()).unwrap();
    assert!(!shown.contains("whsec_") && !shown.contains("Bearer"), "{shown}");

    let event = finding(6);
    notifier.publish(event.clone()).await.unwrap();
    assert_eq!(notifier.deliver_due(july(6)).await.unwrap().delivered, 1);
    let request = &endpoint.received()[0];
    assert!(verify(request, &secret));
    assert!(!verify(request, &Secret::new(format!("whsec_{}", STANDARD.encode([7; 32])))));
    assert_eq!(request.header("authorization"), "Bearer t");
    assert!(request.header("content-type").starts_with("application/cloudevents+json"));
    let body = request.json();
    assert_eq!(body["specversion"], "1.0");
    assert_eq!(body["id"], request.header("webhook-id"));
    assert_eq!(body["source"], "https://models.example.com");
    assert_eq!(body["type"], "dev.modelyard.monitoring.finding");
    assert_eq!(body["subject"], "dep_delay");
    assert_eq!(body["time"], "2013-07-01T06:00:00.000000Z");
    let data = &body["data"];
    assert_eq!(data["event_id"], event.id.as_str());
    assert_eq!((&data["model"], &data["version"]), (&json!("flights-delay"), &json!("3")));
    assert_eq!((&data["severity"], &data["count"]), (&json!("warning"), &json!(1)));
    assert_eq!(data["details"]["value"], 0.31);
    assert_eq!(data["link"], "https://models.example.com/monitoring");
}

#[tokio::test]
async fn a_receiver_that_fails_once_gets_the_same_message_again() {
    let endpoint = Endpoint::start(|number| (if number == 1 { 500 } else { 200 }, &[], AT_ONCE)).await;
    let (notifier, _) = notifier(options()).await;
    let (_, secret) = subscribe(&notifier, "pager", &endpoint.url).await;
    notifier.publish(finding(0)).await.unwrap();
    let report = notifier.deliver_due(july(0)).await.unwrap();
    assert_eq!((report.delivered, report.failed), (0, 1));
    assert_eq!(notifier.deliver_due(july(0)).await.unwrap().delivered, 0, "it waits first");
    assert_eq!(notifier.deliver_due(july(1)).await.unwrap().delivered, 1);
    let requests = endpoint.received();
    assert_eq!(requests.len(), 2);
    assert!(requests.iter().all(|request| verify(request, &secret)));
    assert_eq!(requests[0].header("webhook-id"), requests[1].header("webhook-id"));
    assert_eq!(requests[0].body, requests[1].body);
    let delivery = notifier.deliveries(Default::default()).await.unwrap().items.remove(0);
    let statuses: Vec<_> = delivery.history.iter().map(|attempt| attempt.status).collect();
    assert_eq!((delivery.state, statuses), (State::Delivered, vec![Some(500), Some(200)]));
    let error = delivery.history[0].error.as_deref().unwrap();
    assert!(error.contains("500") && error.contains("said the receiver"), "{error}");
    assert_eq!(notifier.deliver_due(july(99)).await.unwrap(), Default::default(), "and never again");
}

#[tokio::test]
async fn a_receiver_may_ask_for_patience() {
    let endpoint = Endpoint::start(|_| (503, &[("retry-after", "7200")], AT_ONCE)).await;
    let (notifier, _) = notifier(options()).await;
    subscribe(&notifier, "pager", &endpoint.url).await;
    notifier.publish(finding(0)).await.unwrap();
    notifier.deliver_due(july(0)).await.unwrap();
    let delivery = notifier.deliveries(Default::default()).await.unwrap().items.remove(0);
    assert_eq!(delivery.next_at, july(2));
}

#[tokio::test]
async fn a_dead_letter_is_kept_and_can_be_sent_again() {
    let endpoint = Endpoint::start(|number| (if number <= 3 { 500 } else { 200 }, &[], AT_ONCE)).await;
    let (notifier, clock) = notifier(options()).await;
    subscribe(&notifier, "pager", &endpoint.url).await;
    notifier.publish(finding(0)).await.unwrap();
    for hour in [0, 1, 2, 3, 4] {
        notifier.deliver_due(july(hour)).await.unwrap();
    }
    assert_eq!(endpoint.received().len(), 3, "three attempts are the limit here");
    let dead = notifier.dead_letters(10).await.unwrap().remove(0);
    assert_eq!((dead.state, dead.attempts), (State::Dead, 3));

    clock.advance_to(july(5)).unwrap();
    assert!(matches!(notifier.redeliver("dlv_unknown").await, Err(Error::UnknownDelivery(_))));
    assert_eq!(notifier.redeliver(&dead.id).await.unwrap().state, State::Pending);
    assert_eq!(notifier.deliver_due(july(5)).await.unwrap().delivered, 1);
    let requests = endpoint.received();
    assert_eq!(requests[0].header("webhook-id"), requests[3].header("webhook-id"));
    assert_eq!(requests[0].body, requests[3].body);
    assert!(notifier.dead_letters(10).await.unwrap().is_empty());
}

#[tokio::test]
async fn gone_means_gone() {
    let endpoint = Endpoint::start(|_| (410, &[], AT_ONCE)).await;
    let (notifier, _) = notifier(options()).await;
    let (id, _) = subscribe(&notifier, "pager", &endpoint.url).await;
    for hour in 0..3 {
        notifier.publish(finding(0)).await.unwrap();
        notifier.deliver_due(july(hour)).await.unwrap();
    }
    assert_eq!(endpoint.received().len(), 1);
    let ended = notifier.get(&id).await.unwrap();
    assert!(!ended.enabled && ended.disabled_reason.unwrap().contains("410"));
    let enabled = notifier.update(&id, Change { enabled: Some(true), ..Change::default() }).await.unwrap();
    assert!(enabled.enabled && enabled.disabled_reason.is_none());
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let endpoint = Endpoint::start(|_| (307, &[("location", "/elsewhere")], AT_ONCE)).await;
    let (notifier, _) = notifier(options()).await;
    subscribe(&notifier, "pager", &endpoint.url).await;
    notifier.publish(finding(0)).await.unwrap();
    assert_eq!(notifier.deliver_due(july(0)).await.unwrap().failed, 1);
    assert_eq!(endpoint.received().len(), 1);
    let delivery = notifier.deliveries(Default::default()).await.unwrap().items.remove(0);
    assert!(delivery.history[0].error.as_deref().unwrap().contains("redirects are not followed"));
}

#[tokio::test]
async fn a_slow_receiver_times_out_and_delays_nobody_else() {
    let slow = Endpoint::start(|_| (200, &[], Duration::from_secs(60))).await;
    let fast = Endpoint::accepting().await;
    let mut options = options();
    options.webhooks.timeout = Duration::from_secs(3);
    let notifier = Notifier::open(memory().await, Clock::system(), options).await.unwrap();
    let (slow_id, _) = subscribe(&notifier, "a slow one", &slow.url).await;
    subscribe(&notifier, "b fast one", &fast.url).await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn({
        let notifier = notifier.clone();
        async move { notifier.run(async { drop(stopped.await) }).await }
    });
    let started = Instant::now();
    for _ in 0..5 {
        notifier.publish(finding(0)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    fast.wait_for(5).await;
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    assert_eq!(slow.received().len(), 1, "the slow one is still at its first");

    let timed_out = loop {
        let filter =
            modelyard_notify::DeliveryFilter { subscription_id: Some(slow_id.clone()), ..Default::default() };
        let deliveries = notifier.deliveries(filter).await.unwrap().items;
        if let Some(attempt) = deliveries.iter().find_map(|delivery| delivery.history.first()) {
            break attempt.clone();
        }
        assert!(started.elapsed() < Duration::from_secs(20), "no time-out was recorded");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(timed_out.error.unwrap().contains("no answer within 3s"));
    assert!((2500..8000).contains(&timed_out.duration_ms), "{}", timed_out.duration_ms);
    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(30), running).await.expect("stops in time").unwrap();
}

#[tokio::test]
async fn private_addresses_are_refused_when_subscribing_and_when_calling() {
    let endpoint = Endpoint::accepting().await;
    let catalog = memory().await;
    let clock = Clock::simulated(july(0));
    let mut strict = options();
    strict.webhooks.allow_private = false;
    let guarded = Notifier::open(catalog.clone(), clock.clone(), strict).await.unwrap();
    let port = endpoint.url.rsplit(':').next().unwrap().to_owned();
    for host in
        ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "169.254.169.254", "[fd00::1]"]
    {
        let new = NewSubscription::webhook("inside", format!("http://{host}:{port}"));
        let error = guarded.create(new, "eve").await.unwrap_err();
        assert!(matches!(error, Error::PrivateAddress { .. }), "{host}: {error}");
    }
    // Subscribed while it was allowed, called when it no longer is.
    let open = Notifier::open(catalog, clock, options()).await.unwrap();
    let (id, _) = subscribe(&open, "inside", &endpoint.url).await;
    guarded.publish(finding(0)).await.unwrap();
    assert_eq!(guarded.deliver_due(july(0)).await.unwrap().dead, 1);
    assert!(endpoint.received().is_empty());
    let dead = guarded.dead_letters(1).await.unwrap().remove(0);
    assert!(dead.history[0].error.as_deref().unwrap().contains("loopback"), "{dead:?}");
    let change = Change {
        channel: Some(Channel::Webhook { url: "http://127.0.0.1/".into(), headers: Default::default() }),
        ..Change::default()
    };
    assert!(matches!(guarded.update(&id, change).await, Err(Error::PrivateAddress { .. })));
}

#[tokio::test]
async fn a_rotated_secret_signs_beside_the_old_one_for_a_day() {
    let endpoint = Endpoint::accepting().await;
    let (notifier, clock) = notifier(options()).await;
    let (id, old) = subscribe(&notifier, "pager", &endpoint.url).await;
    let new = notifier.rotate_secret(&id).await.unwrap();
    assert_ne!(old, new);
    notifier.publish(finding(0)).await.unwrap();
    notifier.deliver_due(july(0)).await.unwrap();
    clock.advance_to(july(25)).unwrap();
    notifier.publish(finding(25)).await.unwrap();
    notifier.deliver_due(july(25)).await.unwrap();
    let requests = endpoint.received();
    assert!(verify(&requests[0], &old) && verify(&requests[0], &new));
    assert!(!verify(&requests[1], &old) && verify(&requests[1], &new));
    let mail = notifier.create(NewSubscription::email("mail", "a@example.com"), "ana").await.unwrap();
    let error = notifier.rotate_secret(&mail.subscription.id).await.unwrap_err();
    assert!(matches!(error, Error::NotAWebhook(_)));
}

#[tokio::test]
async fn a_test_event_goes_out_whatever_the_filter() {
    let good = Endpoint::accepting().await;
    let bad = Endpoint::start(|_| (500, &[], AT_ONCE)).await;
    let (notifier, _) = notifier(options()).await;
    let mut new = NewSubscription::webhook("picky", &good.url);
    new.filter.severity_at_least = Severity::Critical;
    new.enabled = Some(false);
    let picky = notifier.create(new, "ana").await.unwrap().subscription.id;
    let delivery = notifier.test(&picky).await.unwrap();
    assert_eq!((delivery.state, delivery.history[0].status), (State::Delivered, Some(204)));
    assert_eq!(good.received()[0].json()["type"], "dev.modelyard.test");
    let (broken, _) = subscribe(&notifier, "broken", &bad.url).await;
    let delivery = notifier.test(&broken).await.unwrap();
    assert_eq!((delivery.state, delivery.history[0].status), (State::Cancelled, Some(500)));
    notifier.deliver_due(july(99)).await.unwrap();
    assert_eq!((good.received().len(), bad.received().len()), (1, 1), "a test is tried once");
    assert!(matches!(notifier.test("sub_unknown").await, Err(Error::UnknownSubscription(_))));
}

#[tokio::test]
async fn bad_subscriptions_are_refused() {
    let (notifier, _) = notifier(options()).await;
    let good = || NewSubscription::webhook("pager", "https://hooks.example.com/a");
    let refuse = async |new: NewSubscription| notifier.create(new, "ana").await.unwrap_err();
    let error = refuse(NewSubscription { name: "a\nb".into(), ..good() }).await;
    assert!(matches!(error, Error::BadName { .. }));
    let error = refuse(NewSubscription::webhook("pager", "ftp://example.com")).await;
    assert!(matches!(error, Error::BadUrl { .. }));
    let filter = Filter { stages: vec!["montoring".into()], ..Filter::default() };
    let error = refuse(NewSubscription { filter, ..good() }).await;
    assert!(error.to_string().contains("monitoring") && error.to_string().contains("retirement"), "{error}");
    let error = refuse(NewSubscription { secret: Some(Secret::new("hush")), ..good() }).await;
    assert!(matches!(error, Error::BadSecret(_)));
    let error = refuse(NewSubscription { fold_window_seconds: Some(u64::MAX), ..good() }).await;
    assert!(matches!(error, Error::BadFoldWindow(_)));
    let mut mail = NewSubscription::email("mail", "a@example.com");
    mail.secret = Some(Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
    assert!(matches!(refuse(mail).await, Error::BadSecret(_)));

    let first = notifier.create(good(), "ana").await.unwrap().subscription;
    assert!(matches!(refuse(good()).await, Error::DuplicateName(name) if name == "pager"));
    let other = notifier.create(NewSubscription { name: "other".into(), ..good() }, "ana").await.unwrap();
    let change = Change { name: Some("pager".into()), ..Change::default() };
    let error = notifier.update(&other.subscription.id, change).await.unwrap_err();
    assert!(matches!(error, Error::DuplicateName(_)), "{error}");
    let change =
        Change { channel: Some(Channel::Email { address: "a@example.com".into() }), ..Change::default() };
    assert!(matches!(notifier.update(&first.id, change).await, Err(Error::OtherChannel(_))));
    let event = modelyard_notify::Event::new(july(0), "k", "montoring", Severity::Info, "s");
    assert!(matches!(notifier.publish(event).await, Err(Error::UnknownStage(_))));
    let unknown = serde_json::from_value::<NewSubscription>(json!({
        "name": "x", "channel": {"type": "webhook", "url": "https://e.com"}, "stages": ["monitoring"]
    }));
    assert!(unknown.is_err(), "a misspelt field must not be ignored");
}
