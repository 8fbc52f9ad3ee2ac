//! Real receivers for the tests: an SMTP server and a webhook endpoint.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    dead_code,
    unreachable_pub
)]

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use mailin_embedded::{AuthMechanism, Handler, Response as Reply, Server, SslConfig, response};
use modelyard_catalog::{Catalog, Options as CatalogOptions};
use modelyard_clock::{Clock, Timestamp};
use modelyard_notify::{Event, Notifier, Options, Retry, Severity, Webhooks};
use serde_json::{Value, json};

/// Options that may call this machine and retry soon.
pub fn options() -> Options {
    Options {
        public_url: Some("https://models.example.com".parse().unwrap()),
        smtp: None,
        webhooks: Webhooks { allow_private: true, timeout: Duration::from_secs(5), ..Webhooks::default() },
        retry: Retry { max_attempts: 3, ..Retry::default() },
    }
}

/// Options with a mail server.
pub fn mail_options(port: u16, more: Value) -> Options {
    let mut smtp = json!({
        "host": "localhost", "port": port, "tls": "none", "timeout_seconds": 5,
        "from": "Modelyard <alerts@models.example.com>",
    });
    for (name, value) in more.as_object().unwrap() {
        smtp[name] = value.clone();
    }
    let mut options = options();
    options.smtp = Some(serde_json::from_value(smtp).unwrap());
    options
}

pub async fn memory() -> Catalog {
    Catalog::open(&CatalogOptions::memory()).await.unwrap()
}

/// Midnight of 1 July 2013 and some hours.
pub fn july(hours: u64) -> Timestamp {
    "2013-07-01".parse::<Timestamp>().unwrap() + Duration::from_secs(hours * 3600)
}

pub async fn notifier(options: Options) -> (Notifier, Clock) {
    let clock = Clock::simulated(july(0));
    (Notifier::open(memory().await, clock.clone(), options).await.unwrap(), clock)
}

/// A finding of drift, `hours` after midnight of 1 July 2013.
pub fn finding(hours: u64) -> Event {
    Event::new(
        july(hours),
        "dev.modelyard.monitoring.finding",
        "monitoring",
        Severity::Warning,
        "dep_delay has drifted: PSI 0.31 is above 0.2",
    )
    .model("flights-delay")
    .version("3")
    .subject("dep_delay")
    .details(json!({"metric": "psi", "value": 0.31, "threshold": 0.2}))
}

/// A request that the webhook endpoint got.
#[derive(Clone, Debug)]
pub struct Received {
    pub headers: HeaderMap,
    pub body: String,
}

impl Received {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name}")).to_str().unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A webhook endpoint that remembers what it got.
#[derive(Clone)]
pub struct Endpoint {
    pub url: String,
    received: Arc<Mutex<Vec<Received>>>,
}

/// What the endpoint answers, after how long, by the number of the request (from 1).
pub type Script = fn(usize) -> (u16, &'static [(&'static str, &'static str)], Duration);

pub const AT_ONCE: Duration = Duration::ZERO;

impl Endpoint {
    pub async fn accepting() -> Self {
        Self::start(|_| (204, &[], AT_ONCE)).await
    }

    pub async fn start(script: Script) -> Self {
        let received = Arc::new(Mutex::new(Vec::new()));
        let shared = received.clone();
        let app = Router::new().fallback(move |headers: HeaderMap, body: Bytes| {
            let shared: Arc<Mutex<Vec<Received>>> = shared.clone();
            async move {
                let number = {
                    let mut received = shared.lock().unwrap();
                    received.push(Received { headers, body: String::from_utf8(body.to_vec()).unwrap() });
                    received.len()
                };
                let (status, headers, pause) = script(number);
                tokio::time::sleep(pause).await;
                let mut response = Response::builder().status(StatusCode::from_u16(status).unwrap());
                for (name, value) in headers {
                    response = response.header(*name, *value);
                }
                response.body(axum::body::Body::from("said the receiver")).unwrap()
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, received }
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    pub async fn wait_for(&self, count: usize) -> Vec<Received> {
        for _ in 0..500 {
            if self.received().len() >= count {
                return self.received();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} of {count} requests came", self.received().len());
    }
}

/// A mail that the SMTP server took.
#[derive(Clone, Debug, Default)]
pub struct Mail {
    pub from: String,
    pub to: Vec<String>,
    pub user: Option<String>,
    pub data: Vec<u8>,
}

impl Mail {
    /// The value of a header; there must be one of it at most.
    pub fn header(&self, name: &str) -> Option<String> {
        use mailparse::MailHeaderMap;
        let parsed = mailparse::parse_mail(&self.data).unwrap();
        let values = parsed.headers.get_all_values(name);
        assert!(values.len() < 2, "{name}: {values:?}");
        values.into_iter().next()
    }

    /// The text and the HTML part.
    pub fn parts(&self) -> (String, String) {
        let parsed = mailparse::parse_mail(&self.data).unwrap();
        assert_eq!(parsed.ctype.mimetype, "multipart/alternative");
        let types: Vec<_> = parsed.subparts.iter().map(|part| part.ctype.mimetype.clone()).collect();
        assert_eq!(types, ["text/plain", "text/html"]);
        (parsed.subparts[0].get_body().unwrap(), parsed.subparts[1].get_body().unwrap())
    }
}

/// An SMTP server that remembers what it took; `nobody@…` is refused.
#[derive(Clone)]
pub struct MailServer {
    pub port: u16,
    mails: Arc<Mutex<Vec<Mail>>>,
    logins: Arc<Mutex<Vec<String>>>,
    current: Mail,
}

impl MailServer {
    pub fn start() -> Self {
        Self::with(TcpListener::bind("127.0.0.1:0").unwrap(), None)
    }

    /// A server on this socket; with certificate and key it demands STARTTLS and a login.
    pub fn with(listener: TcpListener, tls: Option<&Certificate>) -> Self {
        let port = listener.local_addr().unwrap().port();
        let this = Self { port, mails: Arc::default(), logins: Arc::default(), current: Mail::default() };
        let mut server = Server::new(this.clone());
        server.with_name("mail.test").with_tcp_listener(listener);
        if let Some(certificate) = tls {
            let config = SslConfig::SelfSigned {
                cert_path: certificate.cert_path.clone(),
                key_path: certificate.key_path.clone(),
            };
            server.with_ssl(config).unwrap().with_auth(AuthMechanism::Plain);
        }
        std::thread::spawn(move || drop(server.serve()));
        this
    }

    pub fn mails(&self) -> Vec<Mail> {
        self.mails.lock().unwrap().clone()
    }

    /// `user:password` of every login that was tried.
    pub fn logins(&self) -> Vec<String> {
        self.logins.lock().unwrap().clone()
    }
}

impl Handler for MailServer {
    fn mail(&mut self, _ip: IpAddr, _domain: &str, from: &str) -> Reply {
        self.current.from = from.to_owned();
        response::OK
    }

    fn rcpt(&mut self, to: &str) -> Reply {
        if to.contains("nobody@") { response::NO_MAILBOX } else { response::OK }
    }

    fn data_start(&mut self, _domain: &str, from: &str, _is8bit: bool, to: &[String]) -> Reply {
        self.current.from = from.to_owned();
        self.current.to = to.to_vec();
        self.current.data.clear();
        response::OK
    }

    fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.current.data.extend_from_slice(bytes);
        Ok(())
    }

    fn data_end(&mut self) -> Reply {
        self.mails.lock().unwrap().push(self.current.clone());
        response::OK
    }

    fn auth_plain(&mut self, _authorization: &str, user: &str, password: &str) -> Reply {
        self.logins.lock().unwrap().push(format!("{user}:{password}"));
        if (user, password) == ("modelyard", "open sesame") {
            self.current.user = Some(user.to_owned());
            response::AUTH_OK
        } else {
            response::INVALID_CREDENTIALS
        }
    }
}

/// A self-signed certificate for `localhost`.
pub struct Certificate {
    pub cert_path: String,
    pub key_path: String,
    pub cert_pem: String,
    pub key_pem: String,
    _directory: tempfile::TempDir,
}

impl Certificate {
    pub fn new() -> Self {
        // Several providers may be compiled in; the test's server takes the process's default.
        let provider = tokio_rustls::rustls::crypto::aws_lc_rs::default_provider();
        let _ = provider.install_default();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).display().to_string();
        let (cert_path, key_path) = (path("cert.pem"), path("key.pem"));
        let (cert_pem, key_pem) = (made.cert.pem(), made.signing_key.serialize_pem());
        std::fs::write(&cert_path, &cert_pem).unwrap();
        std::fs::write(&key_path, &key_pem).unwrap();
        Self { cert_path, key_path, cert_pem, key_pem, _directory: directory }
    }

    /// Puts TLS in front of a server; returns the port.
    pub async fn in_front_of(&self, port: u16) -> u16 {
        use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
        let cert = CertificateDer::from_pem_slice(self.cert_pem.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes()).unwrap();
        let config = tokio_rustls::rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![cert], key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let front = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let mut encrypted = acceptor.accept(stream).await?;
                    let inner = SocketAddr::from(([127, 0, 0, 1], port));
                    let mut plain = tokio::net::TcpStream::connect(inner).await?;
                    tokio::io::copy_bidirectional(&mut encrypted, &mut plain).await
                });
            }
        });
        front
    }
}
