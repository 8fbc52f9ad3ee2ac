//! What the server says of itself while it runs: lines on standard error, and
//! spans to a collector by OTLP.

use std::{io::IsTerminal, time::Duration};

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use modelyard_lifecycle::SPANS;
use opentelemetry::{global, trace::TracerProvider as _};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{Resource, propagation::TraceContextPropagator, trace::SdkTracerProvider};
use tokio::runtime::Handle;
use tracing_subscriber::{
    EnvFilter, Layer as _, filter::Targets, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};
use url::Url;

use crate::document::Usage;

/// How long the last spans may take to be sent.
const LAST: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Sends the last spans when it is dropped.
pub(crate) struct Telemetry(Option<SdkTracerProvider>);

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(provider) = &self.0
            && let Err(error) = provider.shutdown_with_timeout(LAST)
        {
            tracing::warn!("the last spans could not be sent: {error}");
        }
    }
}

/// Begins the log, and the sending of spans if a collector is named.
pub(crate) fn begin(format: LogFormat, collector: Option<&str>) -> Result<Telemetry> {
    let filter = match std::env::var(EnvFilter::DEFAULT_ENV) {
        Ok(directives) if !directives.is_empty() => {
            EnvFilter::try_new(&directives).map_err(|error| Usage::new(format!("RUST_LOG: {error}")))?
        }
        _ => EnvFilter::new("warn,modelyard=info"),
    };
    let lines = fmt::layer().with_ansi(std::io::stderr().is_terminal()).with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    let provider = collector.map(exporting).transpose()?;
    let spans = provider.as_ref().map(|provider| {
        let tracer = provider.tracer("modelyard");
        // Only spans that are made for a collector, whatever RUST_LOG says of lines.
        let ours = Targets::new().with_target(SPANS, tracing::Level::DEBUG);
        tracing_opentelemetry::layer().with_tracer(tracer).with_filter(ours)
    });
    tracing_subscriber::registry().with(lines.with_filter(filter)).with(spans).init();
    Ok(Telemetry(provider))
}

/// Batches spans and sends them to a collector's `/v1/traces`. Sampling and
/// further headers are as OpenTelemetry's environment variables say.
fn exporting(collector: &str) -> Result<SdkTracerProvider> {
    let wrong = |why: String| {
        Usage::new(format!("--otlp {collector}: {why}; write the collector's address: http://localhost:4318"))
    };
    let url = Url::parse(collector).map_err(|error| wrong(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong(format!("{} is not spoken, OTLP over HTTP is", url.scheme())).into());
    }
    let client = OnRuntime { client: reqwest::Client::new(), runtime: Handle::current() };
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_endpoint(format!("{}/v1/traces", collector.trim_end_matches('/')))
        .build()
        .context("spans can't be sent")?;
    let service = Resource::builder().with_service_name("modelyard").build();
    global::set_text_map_propagator(TraceContextPropagator::new());
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(service).build())
}

/// The batches are sent from a thread of their own, the client needs the
/// runtime's.
#[derive(Debug)]
struct OnRuntime {
    client: reqwest::Client,
    runtime: Handle,
}

#[async_trait::async_trait]
impl HttpClient for OnRuntime {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        self.runtime.spawn(async move { client.send_bytes(request).await }).await?
    }
}
