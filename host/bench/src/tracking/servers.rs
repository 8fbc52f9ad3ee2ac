//! The servers under test.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::serving::{control::Platform, process, python::Environment};

/// A tracking server until it is stopped.
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    process: Process,
}

enum Process {
    Ours(Box<Platform>),
    Theirs {
        server: Box<process::Server>,
        /// The file that its store is.
        database: PathBuf,
    },
}

impl Server {
    /// Our server on a new directory, once its built-in plugins are compiled.
    pub(crate) async fn ours(work: &Path) -> Result<Self> {
        let mut platform = Platform::start(&work.join("modelyard")).await?;
        platform.control.settled().await?;
        let address = platform.server.address;
        Ok(Self { name: "modelyard".to_owned(), address, process: Process::Ours(Box::new(platform)) })
    }

    /// `mlflow server` in a new directory, with a store that is named or with none.
    pub(crate) async fn mlflow(work: &Path, store: Option<&str>) -> Result<Self> {
        let environment = Environment::named("mlflow").await?;
        let name = format!("mlflow, {}", store.unwrap_or("default store"));
        eprintln!("starting {name}");
        let directory = work.join(store.unwrap_or("default"));
        std::fs::create_dir(&directory)?;
        // Without a name MLflow takes this one in its working directory.
        let database = directory.join(if store.is_some() { "tracking.db" } else { "mlflow.db" });
        let command = |port: u16| {
            let mut command = environment.command("mlflow");
            command.current_dir(&directory).args(["server", "--host", "127.0.0.1", "--port"]);
            command.arg(port.to_string());
            if store.is_some() {
                let uri = format!("sqlite:///{}", database.display());
                command.arg("--backend-store-uri").arg(uri);
            }
            command.arg("--artifacts-destination").arg(directory.join("artifacts"));
            command.env("MLFLOW_DISABLE_TELEMETRY", "true").env("DO_NOT_TRACK", "true");
            command
        };
        let server = process::Server::on_port(command, "/health", &directory.with_extension("log"))
            .await
            .with_context(|| name.clone())?;
        anyhow::ensure!(database.is_file(), "{name} has no {}", database.display());
        Ok(Self {
            name,
            address: server.address,
            process: Process::Theirs { server: Box::new(server), database },
        })
    }

    fn process(&self) -> &process::Server {
        match &self.process {
            Process::Ours(platform) => &platform.server,
            Process::Theirs { server, .. } => server,
        }
    }

    /// The file of a store in SQLite.
    pub(crate) fn database(&self) -> Option<&Path> {
        match &self.process {
            Process::Ours(_) => None,
            Process::Theirs { database, .. } => Some(database),
        }
    }

    /// The proportional share of memory of all its processes, in bytes.
    pub(crate) fn memory(&self) -> Result<f64> {
        let root = self.process().id()?;
        let mut family = vec![root];
        // Parents stand before their children in no list, so look until none is found.
        loop {
            let before = family.len();
            for entry in std::fs::read_dir("/proc")?.flatten() {
                let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
                    continue;
                };
                if !family.contains(&id) && parent(id).is_some_and(|parent| family.contains(&parent)) {
                    family.push(id);
                }
            }
            if family.len() == before {
                break;
            }
        }
        let kib: u64 = family.iter().filter_map(|id| share(*id)).sum();
        Ok(kib as f64 * 1024.0)
    }

    pub(crate) async fn stop(self) -> Result<()> {
        match self.process {
            Process::Ours(platform) => platform.stop().await,
            Process::Theirs { server, .. } => server.stop().await,
        }
    }
}

fn parent(id: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

/// Kibibytes of a process's memory, each page divided among those who share it.
fn share(id: u32) -> Option<u64> {
    let rollup = std::fs::read_to_string(format!("/proc/{id}/smaps_rollup")).ok()?;
    rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?.trim().strip_suffix(" kB")?.trim().parse().ok()
}
