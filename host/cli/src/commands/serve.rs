//! `modelyard serve`: the one place where the services are put together.

use std::{io::IsTerminal, net::SocketAddr, path::PathBuf};

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use modelyard_clock::{Clock, Timestamp};
use modelyard_lifecycle::Platform;
use modelyard_runtime::Worker;
use tokio::{net::TcpListener, signal::unix, sync::watch};
use tracing_subscriber::EnvFilter;

use crate::{
    WORKER,
    config::{self, Config},
    document::Usage,
    output::print,
};

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  modelyard serve --data ./data --ingest-root ./examples\n\nPrints `listening on http://…` when it is ready; RUST_LOG says what it logs."
)]
pub(crate) struct Serve {
    /// The address; port 0 takes any that is free. By default 127.0.0.1:8080.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
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
    /// How the log is written to standard error.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

impl Serve {
    pub(crate) async fn run(self) -> Result<()> {
        let config = self.configuration()?;
        log(self.log_format)?;
        // Before anything is opened, so that an early signal ends it as well.
        let shutdown = signals()?;
        let clock = self.simulated_clock.map_or_else(Clock::system, Clock::simulated);
        let listen = config.server.listen;
        let listener =
            TcpListener::bind(listen).await.with_context(|| format!("{listen} can't be listened on"))?;
        let address = listener.local_addr()?;
        let mut stop = shutdown.clone();
        let platform = tokio::select! {
            opened = Platform::open(config.platform, clock) => opened?,
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
        };
        let ready = move || {
            // Whoever reads this may have gone; the server goes on.
            let _ = print(&format!("listening on http://{address}\n"));
        };
        modelyard_server::serve_on(platform, listener, &config.server, shutdown, ready).await?;
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

fn log(format: LogFormat) -> Result<()> {
    let filter = match std::env::var(EnvFilter::DEFAULT_ENV) {
        Ok(directives) if !directives.is_empty() => {
            EnvFilter::try_new(&directives).map_err(|error| Usage::new(format!("RUST_LOG: {error}")))?
        }
        _ => EnvFilter::new("warn,modelyard=info"),
    };
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
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
