//! The parent's side of the compiling child: start it, wait, kill it in time.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use bytes::Bytes;
use tokio::process::Command;
use tokio::sync::Semaphore;

use crate::error::Error;
use crate::options::{CompileLimits, Worker};
use crate::types::Signature;
use crate::worker::{self, Job, Outcome};

/// Bytes of a child's last words that are kept.
const WORDS: usize = 2000;

/// Compiles and snapshots, at most so many at one time.
pub(crate) struct Compiler {
    worker: Worker,
    limits: CompileLimits,
    places: Semaphore,
}

impl Compiler {
    pub(crate) fn new(worker: Worker, limits: CompileLimits) -> Compiler {
        Compiler { worker, limits, places: Semaphore::new(limits.parallel.max(1)) }
    }

    /// Compiles a component ahead of time and gives the code.
    pub(crate) async fn compile(&self, component: &[u8]) -> Result<Vec<u8>, Error> {
        match self.run(Job::Compile, component, &[]).await? {
            (code, Outcome::Compiled) => Ok(code),
            (_, Outcome::Refused(reason)) => Err(Error::Compile(reason)),
            (_, other) => Err(Error::Worker(format!("it answered {other:?}"))),
        }
    }

    /// Loads an artifact into a scoring plugin and gives the snapshot.
    pub(crate) async fn snapshot(&self, runner: &[u8], artifact: &[u8]) -> Result<(Bytes, Signature), Error> {
        match self.run(Job::Snapshot, runner, artifact).await? {
            (component, Outcome::Snapshotted(signature)) => Ok((component.into(), signature)),
            (_, Outcome::Refused(reason)) => Err(Error::Snapshot(reason)),
            (_, Outcome::NotLoaded(error)) => Err(Error::Load(error)),
            (_, other) => Err(Error::Worker(format!("it answered {other:?}"))),
        }
    }

    async fn run(&self, job: Job, component: &[u8], artifact: &[u8]) -> Result<(Vec<u8>, Outcome), Error> {
        let _place = self.places.acquire().await.map_err(|error| Error::Worker(error.to_string()))?;
        let io = |error: std::io::Error| Error::Worker(error.to_string());
        // Created with mode 0700, removed with whatever is in it.
        let directory = tempfile::Builder::new().prefix("modelyard-").tempdir().map_err(io)?;
        tokio::fs::write(directory.path().join(worker::COMPONENT), component).await.map_err(io)?;
        tokio::fs::write(directory.path().join(worker::ARTIFACT), artifact).await.map_err(io)?;
        match &self.worker {
            Worker::Process(program, lead) => self.child(job, program, lead, directory.path()).await?,
            Worker::InProcess => {
                let path = directory.path().to_owned();
                let ran = tokio::task::spawn_blocking(move || worker::run(job, &path)).await;
                ran.map_err(|error| Error::Worker(error.to_string()))?.map_err(io)?;
            }
        }
        let outcome = tokio::fs::read(directory.path().join(worker::OUTCOME)).await.map_err(io)?;
        let outcome = serde_json::from_slice(&outcome).map_err(|error| Error::Worker(error.to_string()))?;
        // The kernel's refusal of memory can also come as an error of the engine.
        if let Outcome::Refused(reason) = &outcome
            && (reason.contains("Cannot allocate memory") || reason.contains("os error 12"))
        {
            return Err(Error::CompileMemory(self.limits.memory_bytes));
        }
        let output = tokio::fs::read(directory.path().join(worker::OUTPUT)).await.map_err(io)?;
        Ok((output, outcome))
    }

    async fn child(&self, job: Job, program: &Path, lead: &[String], directory: &Path) -> Result<(), Error> {
        let limits = self.limits;
        // A backstop for a parent that is stopped: CPU time on a few threads.
        let seconds = limits.time().as_secs().saturating_add(1).saturating_mul(4);
        let words = std::fs::File::create(directory.join("stderr"))
            .map_err(|error| Error::Worker(error.to_string()))?;
        let mut child = Command::new(program)
            .args(lead)
            .args(worker::arguments(job, directory, limits.memory_bytes, seconds))
            .env_clear()
            // Threads and allocator arenas take address space, which is limited.
            .env("RAYON_NUM_THREADS", "2")
            .env("MALLOC_ARENA_MAX", "2")
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(words)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| Error::Worker(format!("{}: {error}", program.display())))?;
        match tokio::time::timeout(limits.time(), child.wait()).await {
            Err(_) => {
                if let Err(error) = child.kill().await {
                    tracing::warn!("a compiling process could not be killed: {error}");
                }
                Err(Error::CompileTime(limits.time()))
            }
            Ok(Err(error)) => Err(Error::Worker(error.to_string())),
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(ended(status, directory, &limits).await),
        }
    }
}

/// Why a child ended without success.
async fn ended(status: ExitStatus, directory: &Path, limits: &CompileLimits) -> Error {
    use std::os::unix::process::ExitStatusExt;
    let words = tokio::fs::read(directory.join("stderr")).await.unwrap_or_default();
    let words = String::from_utf8_lossy(&words);
    let words = words.trim();
    let memory =
        ["memory allocation of", "Cannot allocate memory", "os error 12", "Resource temporarily unavailable"];
    if memory.iter().any(|text| words.contains(text)) {
        return Error::CompileMemory(limits.memory_bytes);
    }
    match status.signal() {
        Some(signal) if signal == rustix::process::Signal::XCPU.as_raw() => Error::CompileTime(limits.time()),
        // SIGSEGV: a stack that could not grow inside the address space.
        Some(signal) if signal == rustix::process::Signal::SEGV.as_raw() => {
            Error::CompileMemory(limits.memory_bytes)
        }
        _ => {
            let from = words.len().saturating_sub(WORDS);
            let from = (from..=words.len()).find(|&at| words.is_char_boundary(at)).unwrap_or(0);
            Error::Worker(format!("{status}: {}", words.get(from..).unwrap_or_default()))
        }
    }
}

/// How long a full house is waited for before a caller is sent away.
pub(crate) const RETRY: Duration = Duration::from_secs(1);
