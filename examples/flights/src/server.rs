//! The server as a child process.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader},
    process::{Child, Command},
    sync::mpsc,
};

/// How the server is started.
#[derive(Debug)]
pub(crate) struct Settings<'a> {
    pub(crate) data: &'a Path,
    pub(crate) landing: &'a Path,
    pub(crate) listen: &'a str,
    pub(crate) smtp_port: u16,
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    address: String,
    log: PathBuf,
}

/// The `modelyard` program in the directory of this one.
pub(crate) fn beside_this_program() -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    let program = this.with_file_name("modelyard").with_extension(std::env::consts::EXE_EXTENSION);
    if !program.exists() {
        bail!(
            "{} is missing: build it with `cargo build -p modelyard-cli`, or give --modelyard",
            program.display()
        );
    }
    Ok(program)
}

impl Server {
    /// Starts it and waits until it answers.
    pub(crate) async fn start(program: &Path, settings: &Settings<'_>) -> Result<Self> {
        std::fs::create_dir_all(settings.data)?;
        let mut child = Command::new(program)
            .arg("serve")
            .args(["--listen", settings.listen])
            .arg("--data")
            .arg(settings.data)
            .args(["--simulated-clock", "2013-01-01T00:00:00Z"])
            .arg("--ingest-root")
            .arg(settings.landing)
            .args(["--smtp", &format!("smtp://127.0.0.1:{}", settings.smtp_port)])
            .arg("--allow-private-webhooks")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} can't be started", program.display()))?;
        let log = settings.data.join("server.log");
        let file = tokio::fs::File::create(&log).await?;
        let (sender, mut lines) = mpsc::unbounded_channel();
        let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) else {
            bail!("the server's output can't be read");
        };
        tokio::spawn(read(out, sender.clone()));
        tokio::spawn(read(err, sender));
        let (found, address) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            let mut file = file;
            let mut found = Some(found);
            while let Some(line) = lines.recv().await {
                if let Some(address) = address_in(&line)
                    && let Some(found) = found.take()
                {
                    let _ = found.send(address);
                }
                let _ = file.write_all(line.as_bytes()).await;
                let _ = file.write_all(b"\n").await;
                let _ = file.flush().await;
            }
        });
        let address = match tokio::time::timeout(Duration::from_secs(120), address).await {
            Ok(Ok(address)) => address,
            _ => {
                let words = tail(&log);
                return Err(anyhow!("the server didn't say where it listens; it said:\n{words}"));
            }
        };
        Ok(Self { child, address, log })
    }

    /// `http://127.0.0.1:8080`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The file of what it says.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// The end of that file.
    pub(crate) fn last_words(&self) -> String {
        tail(&self.log)
    }

    /// Asks it to end, and waits.
    pub(crate) async fn stop(mut self) -> Result<()> {
        if let Some(id) = self.child.id() {
            // The graceful way, where there is one.
            let asked = Command::new("kill").args(["-TERM", &id.to_string()]).status().await;
            if asked.is_ok_and(|status| status.success())
                && tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await.is_ok()
            {
                return Ok(());
            }
            self.child.kill().await?;
        }
        Ok(())
    }
}

async fn read(from: impl AsyncRead + Unpin, into: mpsc::UnboundedSender<String>) {
    let mut lines = BufReader::new(from).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if into.send(line).is_err() {
            return;
        }
    }
}

/// The first `http://127.0.0.1:1234` in a line.
fn address_in(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("http://")?;
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || ".:[]-".contains(c))).unwrap_or(rest.len());
    let authority = rest.get(..end)?.trim_end_matches(['.', ':']);
    authority.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok())?;
    Some(format!("http://{authority}"))
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines.iter().skip(lines.len().saturating_sub(25)).copied().collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_what_a_server_says() {
        let found = |line| address_in(line);
        assert_eq!(found("listening on http://127.0.0.1:4321").as_deref(), Some("http://127.0.0.1:4321"));
        assert_eq!(found("at http://127.0.0.1:4321/: open it.").as_deref(), Some("http://127.0.0.1:4321"));
        assert_eq!(found("see http://example.com/ for more"), None);
        assert_eq!(found("nothing here"), None);
    }
}
