#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
//! Mails, taken by a real SMTP server.

mod common;

use std::net::TcpListener;

use common::{Certificate, MailServer, finding, july, mail_options, notifier, options};
use modelyard_notify::{Error, NewSubscription, Notifier, State};
use serde_json::json;

async fn subscribe(notifier: &Notifier, address: &str) -> String {
    let made = notifier.create(NewSubscription::email("night shift", address), "ana").await.unwrap();
    assert!(made.secret.is_none());
    made.subscription.id
}

#[tokio::test]
async fn a_mail_has_both_parts_links_and_an_unsubscribe_button_that_works() {
    let server = MailServer::start();
    let (notifier, _) = notifier(mail_options(server.port, json!({}))).await;
    let id = subscribe(&notifier, "ops@example.com").await;
    notifier.publish(finding(0)).await.unwrap();
    let report = notifier.deliver_due(july(0)).await.unwrap();
    assert_eq!((report.events, report.delivered), (1, 1));

    let mails = server.mails();
    assert_eq!(mails.len(), 1);
    let mail = &mails[0];
    assert_eq!(mail.from, "alerts@models.example.com");
    assert_eq!(mail.to, ["ops@example.com"]);
    assert_eq!(mail.header("From").unwrap(), "Modelyard <alerts@models.example.com>");
    assert_eq!(mail.header("To").unwrap(), "ops@example.com");
    assert_eq!(
        mail.header("Subject").unwrap(),
        "[warning] flights-delay: dep_delay has drifted: PSI 0.31 is above 0.2"
    );
    assert!(mail.header("Date").is_some());
    assert_eq!(mail.header("Auto-Submitted").unwrap(), "auto-generated");
    let (text, html) = mail.parts();
    for part in [&text, &html] {
        assert!(part.contains("PSI 0.31") && part.contains("flights-delay"), "{part}");
        assert!(part.contains("https://models.example.com/"), "{part}");
    }
    let delivery = &notifier.deliveries(Default::default()).await.unwrap().items[0];
    assert_eq!(mail.header("Message-ID").unwrap(), format!("<{}@models.example.com>", delivery.message_id()));
    assert_eq!((delivery.state, delivery.history[0].status), (State::Delivered, Some(250)));

    assert_eq!(mail.header("List-Unsubscribe-Post").unwrap(), "List-Unsubscribe=One-Click");
    let link = mail.header("List-Unsubscribe").unwrap();
    let token = link
        .strip_prefix("<https://models.example.com/api/v1/subscriptions/unsubscribe?token=")
        .and_then(|rest| rest.strip_suffix('>'))
        .unwrap_or_else(|| panic!("{link}"));
    assert!(matches!(notifier.unsubscribe("guessed").await, Err(Error::UnknownToken)));
    assert_eq!(notifier.by_token(token).await.unwrap().id, id);
    for _ in 0..2 {
        let ended = notifier.unsubscribe(token).await.unwrap();
        assert!(!ended.enabled && ended.disabled_reason.is_some());
    }
    notifier.publish(finding(1)).await.unwrap();
    notifier.deliver_due(july(1)).await.unwrap();
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test]
async fn nothing_can_be_smuggled_into_the_headers() {
    let server = MailServer::start();
    let (notifier, _) = notifier(mail_options(server.port, json!({}))).await;
    subscribe(&notifier, "ops@example.com").await;
    let evil = "x\r\nBcc: eve@example.com\r\n\r\n<script>alert(1)</script>\u{0}\u{2028}ü";
    let mut event = finding(0).model(evil).version(evil).subject(evil).link(evil);
    event.kind = evil.into();
    event.summary = evil.into();
    event.details = json!({"value": evil, "threshold": evil, evil: evil});
    notifier.publish(event).await.unwrap();
    assert_eq!(notifier.deliver_due(july(0)).await.unwrap().delivered, 1);
    let mail = &server.mails()[0];
    assert_eq!(mail.to, ["ops@example.com"]);
    assert_eq!(mail.header("Bcc"), None);
    let subject = mail.header("Subject").unwrap();
    assert!(subject.starts_with("[warning]") && subject.contains("Bcc: eve@example.com"), "{subject}");
    let (_, html) = mail.parts();
    assert!(!html.contains("<script>"), "{html}");
}

#[tokio::test]
async fn starttls_and_login() {
    let certificate = Certificate::new();
    let server = MailServer::with(TcpListener::bind("127.0.0.1:0").unwrap(), Some(&certificate));
    let login = json!({
        "tls": "starttls", "ca_file": certificate.cert_path, "username": "modelyard", "password": "open sesame",
    });
    let (trusting, _) = notifier(mail_options(server.port, login.clone())).await;
    subscribe(&trusting, "ops@example.com").await;
    trusting.publish(finding(0)).await.unwrap();
    assert_eq!(
        trusting.deliver_due(july(0)).await.unwrap().delivered,
        1,
        "{:?}",
        trusting.dead_letters(1).await
    );
    assert_eq!(server.mails()[0].user.as_deref(), Some("modelyard"));
    assert_eq!(server.logins(), ["modelyard:open sesame"]);

    // An unknown authority gets neither mail nor password.
    let mut stranger = login.clone();
    stranger["ca_file"] = json!(null);
    let (distrusting, _) = notifier(mail_options(server.port, stranger)).await;
    let delivery = first_failure(&distrusting).await;
    assert_eq!(delivery.state, State::Pending);
    assert_eq!((server.mails().len(), server.logins().len()), (1, 1));

    // A wrong password is the operator's to mend: it is tried again.
    let mut wrong = login;
    wrong["password"] = json!("guess");
    let (locked_out, _) = notifier(mail_options(server.port, wrong)).await;
    let delivery = first_failure(&locked_out).await;
    assert_eq!((delivery.state, delivery.history[0].status), (State::Pending, Some(535)));
    assert!(!format!("{:?}{locked_out:?}", delivery).contains("guess"));
}

async fn first_failure(notifier: &Notifier) -> modelyard_notify::Delivery {
    subscribe(notifier, "ops@example.com").await;
    notifier.publish(finding(0)).await.unwrap();
    assert_eq!(notifier.deliver_due(july(0)).await.unwrap().delivered, 0);
    let delivery = notifier.deliveries(Default::default()).await.unwrap().items.remove(0);
    assert!(delivery.history[0].error.is_some());
    delivery
}

#[tokio::test]
async fn tls_from_the_first_byte() {
    let certificate = Certificate::new();
    let server = MailServer::start();
    let port = certificate.in_front_of(server.port).await;
    let (notifier, _) =
        notifier(mail_options(port, json!({"tls": "tls", "ca_file": certificate.cert_path}))).await;
    subscribe(&notifier, "ops@example.com").await;
    notifier.publish(finding(0)).await.unwrap();
    assert_eq!(notifier.deliver_due(july(0)).await.unwrap().delivered, 1);
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test]
async fn a_server_that_offers_no_tls_gets_no_mail_in_the_clear() {
    let server = MailServer::start();
    let (notifier, _) = notifier(mail_options(server.port, json!({"tls": "starttls"}))).await;
    let delivery = first_failure(&notifier).await;
    assert_eq!(delivery.state, State::Pending);
    assert!(server.mails().is_empty());
}

#[tokio::test]
async fn a_mail_server_that_is_down_gets_the_mail_when_it_is_up() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (notifier, _) = notifier(mail_options(port, json!({}))).await;
    let down = first_failure(&notifier).await;
    assert_eq!((down.state, down.attempts), (State::Pending, 1));
    assert!(down.next_at > july(0), "it waits before the next attempt");

    let server = MailServer::with(TcpListener::bind(("127.0.0.1", port)).unwrap(), None);
    assert_eq!(notifier.deliver_due(july(0)).await.unwrap().delivered, 0, "too early");
    assert_eq!(notifier.deliver_due(july(1)).await.unwrap().delivered, 1);
    assert_eq!(server.mails().len(), 1);
    let up = notifier.delivery(&down.id).await.unwrap();
    assert_eq!((up.state, up.history.len()), (State::Delivered, 2));
    assert_eq!(up.history[0].message_id, up.history[1].message_id);
}

#[tokio::test]
async fn a_mailbox_that_does_not_exist_is_a_dead_letter_at_once() {
    let server = MailServer::start();
    let (notifier, _) = notifier(mail_options(server.port, json!({}))).await;
    subscribe(&notifier, "nobody@example.com").await;
    notifier.publish(finding(0)).await.unwrap();
    assert_eq!(notifier.deliver_due(july(0)).await.unwrap().dead, 1);
    let dead = notifier.dead_letters(10).await.unwrap();
    assert_eq!((dead.len(), dead[0].state, dead[0].history[0].status), (1, State::Dead, Some(550)));
}

#[tokio::test]
async fn bad_addresses_are_refused_when_subscribing() {
    let (notifier, _) = notifier(options()).await;
    for address in
        ["", "ops", "ops@", "ops@example.com\r\nBcc: eve@example.com", "a@b.c, d@e.f", "Ops <a@b.c>"]
    {
        let error = notifier.create(NewSubscription::email("x", address), "ana").await.unwrap_err();
        assert!(matches!(error, Error::BadEmail { .. }), "{address}: {error}");
    }
    assert!(notifier.list().await.unwrap().is_empty());
}

#[tokio::test]
async fn without_a_mail_server_the_subscriber_is_warned() {
    let (notifier, _) = notifier(options()).await;
    let made = notifier.create(NewSubscription::email("x", "ops@example.com"), "ana").await.unwrap();
    assert!(made.warnings[0].contains("smtp.host"), "{:?}", made.warnings);
    notifier.publish(finding(0)).await.unwrap();
    assert_eq!(notifier.deliver_due(july(0)).await.unwrap().failed, 1);
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_at_the_start() {
    for (setting, more) in [
        ("smtp.from", json!({"from": "nobody in particular"})),
        ("smtp.host", json!({"host": " "})),
        ("smtp.username", json!({"username": "modelyard"})),
        ("smtp.ca_file", json!({"tls": "tls", "ca_file": "/does/not/exist.pem"})),
    ] {
        let clock = modelyard_clock::Clock::system();
        let opened = Notifier::open(common::memory().await, clock, mail_options(25, more)).await;
        let Err(Error::BadOption { setting: found, .. }) = opened else { panic!("{setting}: {opened:?}") };
        assert_eq!(found, setting);
    }
}
