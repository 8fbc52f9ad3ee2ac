//! What functions send: to the hosts of their records, and into private networks
//! only where the operator says so.

use std::{
    error::Error as StdError,
    io,
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use futures::stream::try_unfold;
use http_body_util::{BodyExt, StreamBody};
use modelyard_notify as notify;
use modelyard_runtime::{Body, HttpError, RequestOptions};
use url::Url;

use super::Function;
use crate::{Error, Platform, Result, hosts, hosts::Host};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a server may take to answer, or between two pieces, if the guest
/// doesn't say; its own deadline mostly comes first.
const ANSWER: Duration = Duration::from_secs(600);

/// The clients of a platform, made when the first function may call somebody.
#[derive(Clone, Default)]
pub(crate) struct Clients(Arc<OnceLock<Both>>);

#[derive(Clone)]
struct Both {
    guard: notify::Guard,
    public: reqwest::Client,
    private: reqwest::Client,
}

impl Both {
    fn new() -> reqwest::Result<Self> {
        let set = |builder: reqwest::ClientBuilder| builder.connect_timeout(CONNECT).no_gzip();
        let guard = notify::Guard::system(false);
        Ok(Self { public: guard.client(set)?, private: notify::Guard::system(true).client(set)?, guard })
    }
}

impl Clients {
    fn get(&self) -> Result<Both> {
        if let Some(clients) = self.0.get() {
            return Ok(clients.clone());
        }
        let made = Both::new()
            .map_err(|error| Error::internal(format!("the HTTP client can't be made: {error}")))?;
        Ok(self.0.get_or_init(|| made).clone())
    }
}

/// What one function may send.
pub(crate) struct Outbound {
    function: String,
    hosts: Vec<Host>,
    /// Those that may lead into private networks.
    private: Vec<Host>,
    clients: Both,
}

impl Outbound {
    pub(crate) fn new(platform: &Platform, function: &Function) -> Result<Self> {
        Ok(Self {
            function: function.name.clone(),
            // Those that can't be read were refused when the record was put.
            hosts: hosts::read(&function.hosts),
            private: hosts::read(&platform.options.functions.private_hosts),
            clients: platform.clients.get()?,
        })
    }

    /// The client that may go there.
    fn client(&self, url: &Url) -> Result<&reqwest::Client, HttpError> {
        let denied = |why: &str| {
            let host = url.host_str().unwrap_or_default();
            tracing::debug!(target: "modelyard::function", function = self.function, host, "{why}");
        };
        if !self.hosts.iter().any(|host| host.has(url)) {
            denied("a request was denied: the host is not among the function's");
            return Err(HttpError::HttpRequestDenied);
        }
        if self.private.iter().any(|host| host.has(url)) {
            return Ok(&self.clients.private);
        }
        if self.clients.guard.check_literal(url).is_err() {
            denied("a request was denied: the address is private; see [functions] private_hosts");
            return Err(HttpError::DestinationIpProhibited);
        }
        Ok(&self.clients.public)
    }
}

#[async_trait]
impl modelyard_runtime::Outbound for Outbound {
    async fn send(
        &self,
        request: http::Request<Body>,
        options: RequestOptions,
    ) -> Result<http::Response<Body>, HttpError> {
        let (head, body) = request.into_parts();
        let url = Url::parse(&head.uri.to_string()).map_err(|_| HttpError::HttpRequestUriInvalid)?;
        let client = self.client(&url)?;
        let mut request = reqwest::Request::new(head.method, url);
        *request.headers_mut() = head.headers;
        if !http_body::Body::is_end_stream(&body) {
            *request.body_mut() = Some(reqwest::Body::wrap_stream(body.into_data_stream()));
        }
        let connect = options.connect_timeout.unwrap_or(CONNECT).min(CONNECT);
        let wait = connect.saturating_add(options.first_byte_timeout.unwrap_or(ANSWER));
        let response = match tokio::time::timeout(wait, client.execute(request)).await {
            Ok(sent) => sent.map_err(|error| failure(&error))?,
            Err(_) => return Err(HttpError::ConnectionReadTimeout),
        };
        let between = options.between_bytes_timeout.unwrap_or(ANSWER);
        let response: http::Response<reqwest::Body> = response.into();
        Ok(response.map(|body| timed(body, between)))
    }
}

/// A body that fails when its next piece takes too long.
fn timed(body: reqwest::Body, wait: Duration) -> Body {
    let frames = try_unfold(body, move |mut body| async move {
        match tokio::time::timeout(wait, body.frame()).await {
            Err(_) => Err(HttpError::ConnectionReadTimeout),
            Ok(None) => Ok(None),
            Ok(Some(Ok(frame))) => Ok(Some((frame, body))),
            Ok(Some(Err(error))) => Err(failure(&error)),
        }
    });
    StreamBody::new(frames).boxed_unsync()
}

/// What a guest is told of a failed request.
fn failure(error: &reqwest::Error) -> HttpError {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        if inner.is::<notify::Error>() {
            return HttpError::DestinationIpProhibited;
        }
        if inner
            .downcast_ref()
            .is_some_and(|error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused)
        {
            return HttpError::ConnectionRefused;
        }
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    match error.is_timeout() {
        true => HttpError::ConnectionTimeout,
        false => HttpError::InternalError(Some(text)),
    }
}
