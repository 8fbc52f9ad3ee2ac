//! Whom alerts go to: a webhook receiver and a mail server.

use std::{
    io,
    net::{IpAddr, TcpListener},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, StatusCode},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use mailin_embedded::{Handler, Response as Reply, response};
use sha2::Sha256;

/// A call of a webhook.
#[derive(Clone, Debug)]
pub struct Received {
    headers: HeaderMap,
    body: String,
}

impl Received {
    pub fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    /// Whether the sender holds the secret, by the Standard Webhooks specification.
    pub fn signed(&self, secret: &str) -> bool {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        let (id, at) = (self.header("webhook-id"), self.header("webhook-timestamp"));
        mac.update(format!("{id}.{at}.{}", self.body).as_bytes());
        let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        self.header("webhook-signature").split(' ').any(|signature| signature == expected)
    }
}

/// A webhook receiver that answers 500 as often as it is told, then 204.
#[derive(Clone, Default)]
pub struct Hook(Arc<Mutex<Vec<Received>>>);

impl Hook {
    pub async fn start(port: u16, failures: usize) -> Self {
        let this = Self::default();
        let calls = this.0.clone();
        let app = Router::new().fallback(move |headers: HeaderMap, body: Bytes| {
            let mut calls = calls.lock().unwrap();
            calls.push(Received { headers, body: String::from_utf8(body.to_vec()).unwrap() });
            let failed = calls.len() <= failures;
            drop(calls);
            async move { if failed { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::NO_CONTENT } }
        });
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        this
    }

    pub fn received(&self) -> Vec<Received> {
        self.0.lock().unwrap().clone()
    }
}

/// A mail server that keeps what it gets.
#[derive(Clone, Default)]
pub struct Mailbox {
    mails: Arc<Mutex<Vec<Vec<u8>>>>,
    current: Vec<u8>,
}

impl Mailbox {
    pub fn start(port: u16) -> Self {
        let this = Self::default();
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let mut server = mailin_embedded::Server::new(this.clone());
        server.with_name("mail.test").with_tcp_listener(listener);
        std::thread::spawn(move || drop(server.serve()));
        this
    }

    /// The subjects of what came.
    pub fn subjects(&self) -> Vec<String> {
        use mailparse::MailHeaderMap;
        let subject =
            |mail: &Vec<u8>| mailparse::parse_mail(mail).unwrap().headers.get_first_value("Subject").unwrap();
        self.mails.lock().unwrap().iter().map(subject).collect()
    }
}

impl Handler for Mailbox {
    fn mail(&mut self, _: IpAddr, _: &str, _: &str) -> Reply {
        response::OK
    }

    fn rcpt(&mut self, _: &str) -> Reply {
        response::OK
    }

    fn data_start(&mut self, _: &str, _: &str, _: bool, _: &[String]) -> Reply {
        self.current.clear();
        response::OK
    }

    fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.current.extend_from_slice(bytes);
        Ok(())
    }

    fn data_end(&mut self) -> Reply {
        self.mails.lock().unwrap().push(self.current.clone());
        response::OK
    }
}
