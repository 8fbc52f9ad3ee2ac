#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
//! From a committed transaction to the receiver: crashes, repeats, filters.

mod common;

use std::time::Duration;

use common::{AT_ONCE, Endpoint, MailServer, finding, july, mail_options, memory, notifier, options};
use modelyard_catalog::{Catalog, Options as CatalogOptions, Record};
use modelyard_clock::Clock;
use modelyard_notify::{
    Change, DeliveryFilter, Event, EventFilter, Filter, NewSubscription, Notifier, Severity, State,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Clone, Serialize, Deserialize)]
struct Finding {
    name: String,
}

impl Record for Finding {
    const TABLE: &'static str = "finding";

    fn id(&self) -> String {
        self.name.clone()
    }
}

async fn subscribe(notifier: &Notifier, name: &str, url: &str) -> String {
    notifier.create(NewSubscription::webhook(name, url), "ana").await.unwrap().subscription.id
}

#[tokio::test]
async fn an_event_is_there_if_and_only_if_its_cause_is() {
    let endpoint = Endpoint::accepting().await;
    let catalog = memory().await;
    let notifier = Notifier::open(catalog.clone(), Clock::simulated(july(0)), options()).await.unwrap();
    subscribe(&notifier, "pager", &endpoint.url).await;
    let cause = Finding { name: "psi".into() };

    let mut dropped = catalog.transaction();
    dropped.insert(&cause);
    notifier.enqueue(&mut dropped, finding(0)).unwrap();
    drop(dropped);
    let mut failing = catalog.transaction();
    failing.require::<Finding>("psi", "name", "psi").insert(&cause);
    notifier.enqueue(&mut failing, finding(0)).unwrap();
    failing.commit().await.unwrap_err();
    notifier.deliver_due(july(0)).await.unwrap();
    assert!(endpoint.received().is_empty());

    let mut committed = catalog.transaction();
    committed.insert(&cause);
    let id = notifier.enqueue(&mut committed, finding(0)).unwrap();
    committed.commit().await.unwrap();
    notifier.deliver_due(july(0)).await.unwrap();
    assert_eq!(endpoint.received()[0].json()["data"]["event_id"], id.as_str());
}

#[tokio::test]
async fn what_was_committed_before_a_crash_is_sent_after_it() {
    let endpoint = Endpoint::accepting().await;
    let directory = tempfile::tempdir().unwrap();
    let store = CatalogOptions::directory(directory.path().join("catalog"));
    let clock = Clock::simulated(july(0));
    {
        let catalog = Catalog::open(&store).await.unwrap();
        let notifier = Notifier::open(catalog, clock.clone(), options()).await.unwrap();
        subscribe(&notifier, "pager", &endpoint.url).await;
        notifier.publish(finding(0)).await.unwrap();
    }
    for _ in 0..2 {
        let catalog = Catalog::open(&store).await.unwrap();
        let notifier = Notifier::open(catalog, clock.clone(), options()).await.unwrap();
        notifier.deliver_due(july(1)).await.unwrap();
        assert_eq!(endpoint.received().len(), 1, "sent once");
    }
}

/// Runs only as the child of the test below: commits a finding with its event and waits to be killed.
#[tokio::test]
#[ignore = "a part of another test"]
async fn commits_a_finding_and_is_killed() {
    let (Ok(directory), Ok(url)) = (std::env::var("CATALOG"), std::env::var("URL")) else { return };
    let catalog = Catalog::open(&CatalogOptions::directory(directory)).await.unwrap();
    let notifier = Notifier::open(catalog.clone(), Clock::simulated(july(0)), options()).await.unwrap();
    subscribe(&notifier, "pager", &url).await;
    let mut transaction = catalog.transaction();
    transaction.insert(&Finding { name: "psi".into() });
    notifier.enqueue(&mut transaction, finding(0)).unwrap();
    transaction.commit().await.unwrap();
    std::fs::write(std::env::var("COMMITTED").unwrap(), "").unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_process_killed_between_finding_and_delivery_loses_nothing() {
    let endpoint = Endpoint::accepting().await;
    let directory = tempfile::tempdir().unwrap();
    let (store, committed) = (directory.path().join("catalog"), directory.path().join("committed"));
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "commits_a_finding_and_is_killed", "--ignored"])
        .env("CATALOG", &store)
        .env("COMMITTED", &committed)
        .env("URL", &endpoint.url)
        .spawn()
        .unwrap();
    for _ in 0..3000 {
        if committed.exists() || child.try_wait().unwrap().is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(committed.exists(), "the child got as far as the commit");
    assert!(endpoint.received().is_empty());

    let catalog = Catalog::open(&CatalogOptions::directory(&store)).await.unwrap();
    assert!(catalog.table::<Finding>().get("psi").await.unwrap().is_some());
    let notifier = Notifier::open(catalog, Clock::simulated(july(1)), options()).await.unwrap();
    assert_eq!(notifier.deliver_due(july(1)).await.unwrap().delivered, 1);
    assert_eq!(notifier.deliver_due(july(2)).await.unwrap().delivered, 0);
    assert_eq!(endpoint.received().len(), 1);
}

#[tokio::test]
async fn a_message_broken_off_by_a_crash_is_sent_again_unchanged() {
    let endpoint =
        Endpoint::start(|number| (200, &[], if number == 1 { Duration::from_secs(60) } else { AT_ONCE }))
            .await;
    let directory = tempfile::tempdir().unwrap();
    let store = CatalogOptions::directory(directory.path().join("catalog"));
    let clock = Clock::simulated(july(0));
    {
        let catalog = Catalog::open(&store).await.unwrap();
        let notifier = Notifier::open(catalog, clock.clone(), options()).await.unwrap();
        subscribe(&notifier, "pager", &endpoint.url).await;
        notifier.publish(finding(0).fold_key("psi")).await.unwrap();
        let sending = tokio::spawn({
            let notifier = notifier.clone();
            async move { notifier.deliver_due(july(0)).await }
        });
        endpoint.wait_for(1).await;
        // The receiver has it; we die before we know, and a repeat comes in between.
        sending.abort();
        assert!(sending.await.unwrap_err().is_cancelled());
        notifier.publish(finding(0).fold_key("psi")).await.unwrap();
    }
    let catalog = Catalog::open(&store).await.unwrap();
    let notifier = Notifier::open(catalog, clock.clone(), options()).await.unwrap();
    assert_eq!(notifier.deliver_due(july(0)).await.unwrap().delivered, 1);
    let requests = endpoint.received();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].header("webhook-id"), requests[1].header("webhook-id"));
    assert_eq!(requests[0].body, requests[1].body);
    // The repeat isn't lost: it is told when the window ends.
    assert_eq!(notifier.deliver_due(july(24)).await.unwrap().delivered, 1);
    let last = endpoint.received().pop().unwrap();
    assert_ne!(last.header("webhook-id"), requests[0].header("webhook-id"));
    assert_eq!(last.json()["data"]["count"], 2);
}

#[tokio::test]
async fn repeats_are_folded_into_one_alert_with_a_count() {
    let endpoint = Endpoint::accepting().await;
    let server = MailServer::start();
    let (notifier, _) = notifier(mail_options(server.port, json!({}))).await;
    subscribe(&notifier, "pager", &endpoint.url).await;
    notifier.create(NewSubscription::email("mail", "ops@example.com"), "ana").await.unwrap();
    for hour in 0..7 {
        notifier.publish(finding(hour).fold_key("psi/dep_delay")).await.unwrap();
        notifier.deliver_due(july(hour)).await.unwrap();
        assert_eq!(endpoint.received().len(), 1, "the first is sent at once, the others wait");
    }
    let mut worse = finding(7).fold_key("psi/dep_delay");
    worse.severity = Severity::Critical;
    notifier.publish(worse).await.unwrap();
    notifier.publish(finding(7).fold_key("psi/arr_delay")).await.unwrap();
    notifier.deliver_due(july(7)).await.unwrap();
    assert_eq!(endpoint.received().len(), 3, "another key and a higher severity are no repeats");

    notifier.deliver_due(july(23)).await.unwrap();
    assert_eq!(endpoint.received().len(), 3);
    notifier.deliver_due(july(24)).await.unwrap();
    notifier.deliver_due(july(25)).await.unwrap();
    let requests = endpoint.received();
    assert_eq!(requests.len(), 4, "told once when the window ends");
    let data = &requests[3].json()["data"];
    assert_eq!(data["count"], 7);
    assert_eq!(data["first_seen"], "2013-07-01T00:00:00.000000Z");
    assert_eq!(data["last_seen"], "2013-07-01T06:00:00.000000Z");
    assert_ne!(requests[3].header("webhook-id"), requests[0].header("webhook-id"));

    let mails = server.mails();
    assert_eq!(mails.len(), 4);
    assert!(mails[3].header("Subject").unwrap().ends_with("(7 times)"));
    assert_eq!(mails[3].header("In-Reply-To"), mails[0].header("Message-ID"));
    assert!(mails[3].parts().0.contains("7 times since 1 July 2013, 00:00 UTC"), "{}", mails[3].parts().0);

    // A quiet window ends the alert; what comes then is new.
    notifier.publish(finding(60).fold_key("psi/dep_delay")).await.unwrap();
    notifier.deliver_due(july(60)).await.unwrap();
    assert_eq!(endpoint.received()[4].json()["data"]["count"], 1);
}

#[tokio::test]
async fn each_subscription_has_its_own_window_and_filter() {
    let (all, critical, rare) =
        (Endpoint::accepting().await, Endpoint::accepting().await, Endpoint::accepting().await);
    let (notifier, _) = notifier(options()).await;
    let mut new = NewSubscription::webhook("all", &all.url);
    new.fold_window_seconds = Some(0);
    notifier.create(new, "ana").await.unwrap();
    let mut new = NewSubscription::webhook("critical", &critical.url);
    new.filter = Filter { severity_at_least: Severity::Critical, ..Filter::default() };
    notifier.create(new, "ana").await.unwrap();
    let mut new = NewSubscription::webhook("rare", &rare.url);
    new.filter = Filter {
        stages: vec!["retirement".into(), "monitoring".into()],
        models: vec!["flights-*".into()],
        kinds: vec!["dev.modelyard.monitoring.*".into()],
        ..Filter::default()
    };
    notifier.create(new, "ana").await.unwrap();
    for hour in 0..3 {
        notifier.publish(finding(hour).fold_key("psi")).await.unwrap();
    }
    notifier.publish(finding(3).model("trains")).await.unwrap();
    let retired =
        Event::new(july(3), "dev.modelyard.retirement.proposed", "retirement", Severity::Critical, "too old");
    notifier.publish(retired).await.unwrap();
    notifier.deliver_due(july(3)).await.unwrap();
    assert_eq!(all.received().len(), 5);
    assert_eq!(critical.received().len(), 1);
    assert_eq!(rare.received().len(), 1);
    assert_eq!(rare.received()[0].json()["data"]["count"], 3, "unsent repeats go with the first");
}

#[tokio::test]
async fn what_is_deleted_or_disabled_gets_nothing_more() {
    let endpoint = Endpoint::start(|_| (500, &[], AT_ONCE)).await;
    let (notifier, _) = notifier(options()).await;
    let deleted = subscribe(&notifier, "deleted", &endpoint.url).await;
    let disabled = subscribe(&notifier, "disabled", &endpoint.url).await;
    notifier.publish(finding(0)).await.unwrap();
    notifier.deliver_due(july(0)).await.unwrap();
    notifier.delete(&deleted).await.unwrap();
    notifier.update(&disabled, Change { enabled: Some(false), ..Change::default() }).await.unwrap();
    notifier.publish(finding(1)).await.unwrap();
    notifier.deliver_due(july(9)).await.unwrap();
    assert_eq!(endpoint.received().len(), 2);
    let deliveries = notifier.deliveries(DeliveryFilter::default()).await.unwrap().items;
    assert!(deliveries.len() == 2 && deliveries.iter().all(|delivery| delivery.state == State::Cancelled));
    assert!(notifier.delete(&deleted).await.is_err());
    assert_eq!(notifier.list().await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_loop_sends_by_itself_retries_and_stops() {
    let endpoint = Endpoint::start(|number| (if number == 1 { 500 } else { 200 }, &[], AT_ONCE)).await;
    let mut options = options();
    options.retry.first_delay = Duration::from_millis(50);
    let catalog = memory().await;
    let notifier = Notifier::open(catalog.clone(), Clock::system(), options).await.unwrap();
    subscribe(&notifier, "pager", &endpoint.url).await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn({
        let notifier = notifier.clone();
        async move { notifier.run(async { drop(stopped.await) }).await }
    });
    // Nobody wakes the dispatcher: it looks by itself.
    let mut transaction = catalog.transaction();
    notifier.enqueue(&mut transaction, finding(0)).unwrap();
    transaction.commit().await.unwrap();
    endpoint.wait_for(2).await;
    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(30), running).await.expect("stops").unwrap();
    let delivery = notifier.deliveries(DeliveryFilter::default()).await.unwrap().items.remove(0);
    assert_eq!((delivery.state, delivery.history.len()), (State::Delivered, 2));
}

#[tokio::test]
async fn two_dispatchers_make_no_delivery_twice() {
    let endpoint = Endpoint::accepting().await;
    let catalog = memory().await;
    let clock = Clock::simulated(july(0));
    let one = Notifier::open(catalog.clone(), clock.clone(), options()).await.unwrap();
    let two = Notifier::open(catalog, clock, options()).await.unwrap();
    subscribe(&one, "pager", &endpoint.url).await;
    for number in 0..20 {
        let event = if number % 2 == 0 { finding(0).fold_key("psi") } else { finding(0) };
        one.publish(event).await.unwrap();
    }
    let (a, b) = tokio::join!(one.deliver_due(july(0)), two.deliver_due(july(0)));
    a.unwrap();
    b.unwrap();
    let deliveries = one.deliveries(DeliveryFilter::default()).await.unwrap().items;
    assert_eq!(deliveries.len(), 11);
    assert_eq!(deliveries.iter().map(|delivery| delivery.count).sum::<u64>(), 20);
}

#[tokio::test]
async fn events_are_listed_and_old_ones_forgotten() {
    let down = Endpoint::start(|_| (500, &[], AT_ONCE)).await;
    let up = Endpoint::accepting().await;
    let (notifier, _) = notifier(options()).await;
    subscribe(&notifier, "up", &up.url).await;
    for hour in 0..3 {
        notifier.publish(finding(hour)).await.unwrap();
    }
    notifier.deliver_due(july(3)).await.unwrap();
    subscribe(&notifier, "down", &down.url).await;
    let waiting = notifier.publish(finding(3)).await.unwrap();
    notifier.deliver_due(july(3)).await.unwrap();
    let events = notifier.events(EventFilter { model: Some("flights-delay".into()), ..Default::default() });
    let events = events.await.unwrap().items;
    assert_eq!(events.len(), 4);
    assert!(events.windows(2).all(|pair| pair[0].at >= pair[1].at));
    assert_eq!(notifier.prune(july(1)).await.unwrap(), 0, "their windows are still open");
    assert_eq!(notifier.prune(july(24 * 30)).await.unwrap(), 7, "three events, four deliveries");
    let left = notifier.events(EventFilter::default()).await.unwrap().items;
    assert_eq!(left.iter().map(|event| &event.id).collect::<Vec<_>>(), [&waiting]);
}
