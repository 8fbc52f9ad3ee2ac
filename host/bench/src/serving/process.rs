//! Servers in processes of their own.

use std::{
    fs::File,
    net::SocketAddr,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::{sleep, timeout},
};

use super::http::{Connection, request};

/// A server until it is stopped or dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// From the start of the process until it was ready.
    pub(crate) started_in: Duration,
}

impl Server {
    /// Starts a server that says `listening on http://ADDRESS` when it is ready.
    /// What it writes to standard error goes to a file.
    pub(crate) async fn announced(mut command: Command, log: &Path) -> Result<Self> {
        let started = Instant::now();
        let log_file = File::create(log).with_context(|| log.display().to_string())?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log_file)
            .spawn()
            .with_context(|| format!("{:?} can't be started", command.as_std().get_program()))?;
        let out = child.stdout.take().context("no standard output")?;
        let mut lines = BufReader::new(out).lines();
        let line =
            timeout(Duration::from_secs(300), lines.next_line()).await.context("it took too long")??;
        let address = line.as_deref().and_then(|line| line.strip_prefix("listening on http://"));
        let Some(address) = address else { bail!("no server started; see {}", log.display()) };
        let address = address.parse().with_context(|| address.to_owned())?;
        let server = Self { child, address, started_in: started.elapsed() };
        // Kept open, so that it may write more.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(server)
    }

    /// Starts a server on a port that was free, and waits until a path answers 200.
    pub(crate) async fn on_port(
        command: impl FnOnce(u16) -> Command,
        ready: &str,
        log: &Path,
    ) -> Result<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let started = Instant::now();
        let log_file = File::create(log).with_context(|| log.display().to_string())?;
        let mut command = command(port);
        let child = command
            .stdin(Stdio::null())
            .stdout(log_file.try_clone()?)
            .stderr(log_file)
            .spawn()
            .with_context(|| format!("{:?} can't be started", command.as_std().get_program()))?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut server = Self { child, address, started_in: Duration::ZERO };
        let ready = request("GET", ready, &[], b"");
        while started.elapsed() < Duration::from_secs(90) {
            if let Some(status) = server.child.try_wait()? {
                bail!("it ended with {status}; see {}", log.display());
            }
            if let Ok(mut connection) = Connection::open(address).await
                && connection.call(&ready).await.is_ok_and(|reply| reply.status == 200)
            {
                server.started_in = started.elapsed();
                return Ok(server);
            }
            sleep(Duration::from_millis(50)).await;
        }
        bail!("it was not ready after 90 s; see {}", log.display())
    }

    /// Its process's number.
    pub(crate) fn id(&self) -> Result<u32> {
        self.child.id().context("the server has ended")
    }

    /// What of its memory is in RAM now, in bytes: all of it, and of that what is
    /// no file's.
    pub(crate) fn resident(&self) -> Result<(u64, u64)> {
        let id = self.id()?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
        };
        let whole = field("VmRSS:").context("/proc has no VmRSS")?;
        Ok((whole << 10, field("RssAnon:").unwrap_or_default() << 10))
    }

    /// Asks it to end, and waits until it has.
    pub(crate) async fn stop(mut self) -> Result<()> {
        self.signal(Signal::TERM);
        if timeout(Duration::from_secs(20), self.child.wait()).await.is_err() {
            self.child.kill().await?;
        }
        Ok(())
    }

    fn signal(&self, signal: Signal) {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(id) = id {
            // It may have ended just now.
            let _ = kill_process(id, signal);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.signal(Signal::TERM);
    }
}
