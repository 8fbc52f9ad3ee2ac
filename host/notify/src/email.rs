use std::time::Duration;

use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport, Message as Mail, Tokio1Executor,
    message::{
        Mailbox, MultiPart,
        header::{Header, HeaderName, HeaderValue},
    },
    transport::smtp::{
        PoolConfig,
        authentication::Credentials,
        client::{Certificate, Tls as LettreTls, TlsParameters},
    },
};
use tokio::sync::Semaphore;

use crate::{
    Error, Result, Secret,
    delivery::Outcome,
    message::{Message, one_line},
    options::{Smtp, Tls},
    render::Renderer,
    subscription::check_email,
};

/// Mails that are handed to the server at the same time.
const CONNECTIONS: usize = 8;

/// Sends mails through one server.
pub(crate) struct Sender {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    renderer: Renderer,
    timeout: Duration,
    permits: Semaphore,
}

impl Sender {
    pub(crate) fn new(options: &Smtp) -> Result<Self> {
        let bad = |setting, reason: String| Error::BadOption { setting, reason };
        let from: Mailbox = options.from.parse().map_err(|error| {
            bad("smtp.from", format!("{:?}: {error}; write Modelyard <alerts@example.com>", options.from))
        })?;
        if options.host.trim().is_empty() {
            return Err(bad("smtp.host", "it is empty".into()));
        }
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(options.host.clone())
            .port(options.port())
            .timeout(Some(options.timeout))
            .tls(tls(options)?)
            .pool_config(
                PoolConfig::new().max_size(CONNECTIONS as u32).idle_timeout(Duration::from_secs(20)),
            );
        match (&options.username, &options.password) {
            (Some(user), Some(password)) => {
                let credentials = Credentials::new(user.clone(), password.reveal().to_owned());
                builder = builder.credentials(credentials);
            }
            (None, None) => {}
            _ => {
                return Err(bad("smtp.username", "user name and password are needed both or neither".into()));
            }
        }
        Ok(Self {
            transport: builder.build(),
            from,
            renderer: Renderer::new()?,
            timeout: options.timeout,
            permits: Semaphore::new(CONNECTIONS),
        })
    }

    /// One attempt.
    pub(crate) async fn send(&self, message: &Message, address: &str, token: &Secret) -> Outcome {
        let mail = match self.compose(message, address, token) {
            Ok(mail) => mail,
            Err(error) => return Outcome::Refused { status: None, error: error.to_string() },
        };
        let Ok(_permit) = self.permits.acquire().await else {
            return failed(None, "the server is stopping".into());
        };
        // lettre's time-out is per command; a server that trickles must not hold us for ever.
        match tokio::time::timeout(self.timeout, self.transport.send(mail)).await {
            Ok(Ok(response)) => Outcome::Taken { status: Some(response.code().into()) },
            Ok(Err(error)) => judge(&error, self.timeout),
            Err(_) => failed(None, format!("the mail server didn't take it within {:?}", self.timeout)),
        }
    }

    fn compose(&self, message: &Message, address: &str, token: &Secret) -> Result<Mail> {
        let fault = |error: &dyn std::fmt::Display| Error::Compose(error.to_string());
        let to: Address = check_email(address)?;
        let domain = self.from.email.domain();
        let unsubscribe = message.page("api/v1/subscriptions/unsubscribe").map(|mut url| {
            url.query_pairs_mut().append_pair("token", token.reveal());
            url.to_string()
        });
        let rendered = self.renderer.render(message, unsubscribe.as_deref())?;
        let mut builder = Mail::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(one_line(&rendered.subject, 180))
            .date_now()
            .message_id(Some(format!("<{}@{domain}>", message.id)))
            .header(AutoSubmitted);
        if message.is_reminder() {
            let first = format!("<{}@{domain}>", message.first_id);
            builder = builder.in_reply_to(first.clone()).references(first);
        }
        if let Some(url) = unsubscribe {
            builder = builder.header(ListUnsubscribe(url)).header(ListUnsubscribePost);
        }
        builder
            .multipart(MultiPart::alternative_plain_html(rendered.text, rendered.html))
            .map_err(|error| fault(&error))
    }
}

fn tls(options: &Smtp) -> Result<LettreTls> {
    if options.tls == Tls::None {
        return Ok(LettreTls::None);
    }
    let bad = |setting, reason: String| Error::BadOption { setting, reason };
    let mut parameters = TlsParameters::builder(options.host.clone());
    if let Some(path) = &options.ca_file {
        let unreadable =
            |error: &dyn std::fmt::Display| bad("smtp.ca_file", format!("{}: {error}", path.display()));
        let pem = std::fs::read(path).map_err(|error| unreadable(&error))?;
        let certificate = Certificate::from_pem(&pem).map_err(|error| unreadable(&error))?;
        parameters = parameters.add_root_certificate(certificate);
    }
    let parameters = parameters.build().map_err(|error| bad("smtp.tls", error.to_string()))?;
    Ok(match options.tls {
        Tls::Tls => LettreTls::Wrapper(parameters),
        _ => LettreTls::Required(parameters),
    })
}

fn failed(status: Option<u16>, error: String) -> Outcome {
    Outcome::Failed { status, error: one_line(&error, 500), retry_after: None }
}

fn judge(error: &lettre::transport::smtp::Error, timeout: Duration) -> Outcome {
    let status = error.status().map(u16::from);
    if error.is_timeout() {
        return failed(status, format!("the mail server didn't answer within {timeout:?}"));
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    match status {
        // 530 to 539 are about our login, which an operator can mend; the rest of 5xx about this mail.
        Some(500..=529 | 540..=599) => Outcome::Refused { status, error: one_line(&text, 500) },
        _ => failed(status, text),
    }
}

/// `List-Unsubscribe` (RFC 2369): written as it is, since a folded or encoded address is no address.
#[derive(Clone)]
struct ListUnsubscribe(String);

impl Header for ListUnsubscribe {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("List-Unsubscribe")
    }

    fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self(text.trim_matches(['<', '>']).to_owned()))
    }

    fn display(&self) -> HeaderValue {
        // The text comes from `Url`, which leaves no spaces, brackets, controls or non-ASCII unescaped.
        let value = format!("<{}>", self.0);
        HeaderValue::dangerous_new_pre_encoded(Self::name(), value.clone(), value)
    }
}

/// `List-Unsubscribe-Post` (RFC 8058): a click is enough.
#[derive(Clone)]
struct ListUnsubscribePost;

impl Header for ListUnsubscribePost {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("List-Unsubscribe-Post")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "List-Unsubscribe=One-Click".to_owned())
    }
}

/// `Auto-Submitted` (RFC 3834): keeps out-of-office answers away.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}
