//! A mail server that keeps what it takes.

use std::{
    io,
    net::{IpAddr, TcpListener},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context, Result};
use mailin_embedded::{Handler, Response, Server, response};
use mailparse::MailHeaderMap;

/// A mail as a person sees it.
#[derive(Clone, Debug)]
pub(crate) struct Mail {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) subject: String,
    pub(crate) text: String,
    /// Whether it has an HTML part and a way to unsubscribe by one click.
    pub(crate) html: bool,
    pub(crate) unsubscribe: Option<String>,
}

/// Mails and the server that takes them.
#[derive(Clone, Debug)]
pub(crate) struct Inbox {
    port: u16,
    raw: Arc<Mutex<Vec<Vec<u8>>>>,
    current: Vec<u8>,
}

impl Inbox {
    /// Listens on a free port of this machine.
    pub(crate) fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("the mail receiver can't listen")?;
        let port = listener.local_addr()?.port();
        let inbox = Self { port, raw: Arc::default(), current: Vec::new() };
        let mut server = Server::new(inbox.clone());
        server.with_name("localhost").with_tcp_listener(listener);
        std::thread::Builder::new().name("mail".into()).spawn(move || {
            if let Err(error) = server.serve() {
                eprintln!("the mail receiver ended: {error}");
            }
        })?;
        Ok(inbox)
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// How many mails came.
    pub(crate) fn count(&self) -> usize {
        self.raw.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The mails, as they came.
    pub(crate) fn mails(&self) -> Result<Vec<Mail>> {
        let raw = self.raw.lock().unwrap_or_else(PoisonError::into_inner).clone();
        raw.iter().map(|raw| read(raw)).collect()
    }
}

fn read(raw: &[u8]) -> Result<Mail> {
    let mail = mailparse::parse_mail(raw).context("a mail can't be read")?;
    let header = |name: &str| mail.headers.get_first_value(name);
    let part = |kind: &str| mail.parts().find(|part| part.ctype.mimetype == kind);
    Ok(Mail {
        from: header("From").unwrap_or_default(),
        to: header("To").unwrap_or_default(),
        subject: header("Subject").unwrap_or_default(),
        text: part("text/plain").map(mailparse::ParsedMail::get_body).transpose()?.unwrap_or_default(),
        html: part("text/html").is_some(),
        unsubscribe: header("List-Unsubscribe"),
    })
}

impl Handler for Inbox {
    fn data_start(&mut self, _domain: &str, _from: &str, _is8bit: bool, _to: &[String]) -> Response {
        self.current.clear();
        response::OK
    }

    fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.current.extend_from_slice(bytes);
        Ok(())
    }

    fn data_end(&mut self) -> Response {
        self.raw.lock().unwrap_or_else(PoisonError::into_inner).push(std::mem::take(&mut self.current));
        response::OK
    }

    fn rcpt(&mut self, _to: &str) -> Response {
        response::OK
    }

    fn mail(&mut self, _ip: IpAddr, _domain: &str, _from: &str) -> Response {
        response::OK
    }
}
