//! `modelyard serve`: the one place where the services are put together.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use modelyard_clock::{Clock, Timestamp};
use modelyard_lifecycle::Platform;
use modelyard_runtime::Worker;
use modelyard_server::Listeners;
use tokio::{signal::unix, sync::watch};

use crate::{
    WORKER,
    config::{self, Config},
    document::Usage,
    output::print,
    telemetry::{self, LogFormat},
};

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  modelyard serve --data ./data --ingest-root ./examples\n\nPrints `listening on http://…` when it is ready, and `listening on grpc://…` below it if --grpc is given; RUST_LOG says what it logs."
)]
pub(crate) struct Serve {
    /// The address; port 0 takes any that is free. By default 127.0.0.1:8080.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Speak the Open Inference Protocol over gRPC too, at this address: 127.0.0.1:8001; port 0 takes any that is free.
    #[arg(long, value_name = "ADDRESS")]
    grpc: Option<SocketAddr>,
    /// Where everything is kept; by default ./data.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A TOML file: [server], [ingestion], [notify] … Flags count more.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Let time stand still here until `modelyard clock advance` moves it.
    #[arg(long, value_name = "TIME")]
    simulated_clock: Option<Timestamp>,
    /// A directory below which file: URLs may be read; may be repeated.
    #[arg(long = "ingest-root", value_name = "DIR")]
    ingest_roots: Vec<PathBuf>,
    /// A host that http: URLs may name; may be repeated.
    #[arg(long = "ingest-host", value_name = "HOST")]
    ingest_hosts: Vec<String>,
    /// The mail server: smtp://user:password@host:port?from=…
    #[arg(long, env = "MODELYARD_SMTP", hide_env_values = true, value_name = "URL")]
    smtp: Option<String>,
    /// Let webhooks call private and loopback addresses.
    #[arg(long)]
    allow_private_webhooks: bool,
    /// A collector that spans are sent to by OTLP over HTTP.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    otlp: Option<String>,
    /// How the log is written to standard error.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    log_format: LogFormat,
}

impl Serve {
    pub(crate) async fn run(self) -> Result<()> {
        let config = self.configuration()?;
        let _telemetry = telemetry::begin(self.log_format, self.otlp.as_deref())?;
        if let Err(error) = modelyard_server::connections::raise_open_files() {
            tracing::warn!(%error, "the number of open files stays as it is");
        }
        // Before anything is opened, so that an early signal ends it as well.
        let shutdown = signals()?;
        let clock = self.simulated_clock.map_or_else(Clock::system, Clock::simulated);
        let listeners = Listeners::bind(&config.server).await?;
        let urls = listeners.urls()?;
        let mut stop = shutdown.clone();
        let platform = tokio::select! {
            opened = Platform::open(config.platform, clock) => opened?,
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
        };
        let ready = move || {
            // Whoever reads this may have gone; the server goes on.
            let _ = print(&urls.iter().map(|url| format!("listening on {url}\n")).collect::<String>());
        };
        modelyard_server::serve_on(platform, listeners, &config.server, shutdown, ready).await?;
        Ok(())
    }

    /// The file's configuration with the flags over it.
    fn configuration(&self) -> Result<Config> {
        let mut config = match &self.config {
            Some(file) => Config::read(file)?,
            None => Config::default(),
        };
        if let Some(listen) = self.listen {
            config.server.listen = listen;
        }
        config.server.grpc_listen = self.grpc.or(config.server.grpc_listen);
        let platform = &mut config.platform;
        if let Some(data) = &self.data {
            platform.data_dir = data.clone();
        }
        for root in &self.ingest_roots {
            let root = root
                .canonicalize()
                .map_err(|error| Usage::new(format!("--ingest-root {}: {error}", root.display())))?;
            platform.ingestion.roots.push(root);
        }
        platform.ingestion.hosts.extend(self.ingest_hosts.iter().cloned());
        if let Some(url) = &self.smtp {
            platform.notify.smtp = Some(config::smtp(url)?);
        }
        platform.notify.webhooks.allow_private |= self.allow_private_webhooks;
        let program = std::env::current_exe().context("this program's own path can't be found")?;
        platform.worker = Worker::Process(program, vec![WORKER.to_owned()]);
        Ok(config)
    }
}

/// Becomes true on SIGINT or SIGTERM. A second signal ends the process at once.
fn signals() -> Result<watch::Receiver<bool>> {
    let mut interrupt = unix::signal(unix::SignalKind::interrupt())?;
    let mut terminate = unix::signal(unix::SignalKind::terminate())?;
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        let mut next = async || {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        next().await;
        tracing::info!("stopping; a second signal stops at once");
        stop.send_replace(true);
        next().await;
        std::process::exit(130);
    });
    Ok(stopped)
}
