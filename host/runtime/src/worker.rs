//! The child process in which untrusted components are compiled and models are
//! snapshotted: what it does, under which limits, and what it says.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, Signal, setrlimit};
use serde::{Deserialize, Serialize};
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime_wizer::{WasmtimeWizerComponent, Wizer};

use crate::bindings::exports::modelyard::lifecycle::scoring;
use crate::budget::Budget;
use crate::call;
use crate::engine;
use crate::error::{CallError, Fault};
use crate::grants::Grants;
use crate::options::Limits;
use crate::types::Signature;

/// Names of the files in a job's directory.
pub(crate) const COMPONENT: &str = "component.wasm";
pub(crate) const ARTIFACT: &str = "artifact";
pub(crate) const OUTPUT: &str = "output";
pub(crate) const OUTCOME: &str = "outcome.json";

/// Bytes of the largest file that the child may write.
const FILE: u64 = 1 << 30;

/// What a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    Compile,
    Snapshot,
}

impl Job {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Job::Compile => "compile",
            Job::Snapshot => "snapshot",
        }
    }
}

/// What the child found; written to [`OUTCOME`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Outcome {
    Compiled,
    Snapshotted(Signature),
    /// The component can't be compiled or snapshotted.
    Refused(String),
    /// The model didn't take its artifact.
    NotLoaded(CallError),
}

/// The child's whole life: `compile|snapshot <directory> <bytes of address
/// space> <seconds of CPU>`. The binary that serves as
/// [`Worker::Process`](crate::Worker::Process) calls this with what comes after
/// its own arguments.
pub fn worker_main(arguments: impl IntoIterator<Item = String>) -> ExitCode {
    let arguments: Vec<String> = arguments.into_iter().collect();
    let [job, directory, memory, seconds] = arguments.as_slice() else {
        eprintln!("this command is started by the server; it takes a job, a directory and two limits");
        return ExitCode::from(2);
    };
    let job = match job.as_str() {
        "compile" => Job::Compile,
        "snapshot" => Job::Snapshot,
        other => {
            eprintln!("no job is called {other}");
            return ExitCode::from(2);
        }
    };
    let (Ok(memory), Ok(seconds)) = (memory.parse(), seconds.parse()) else {
        eprintln!("the limits are numbers: bytes and seconds");
        return ExitCode::from(2);
    };
    if let Err(error) = confine(memory, seconds) {
        eprintln!("the limits could not be set: {error}");
        return ExitCode::from(2);
    }
    match run(job, Path::new(directory)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Limits that the kernel keeps, and an end when the parent ends.
fn confine(memory: u64, seconds: u64) -> rustix::io::Result<()> {
    let both = |limit| Rlimit { current: Some(limit), maximum: Some(limit) };
    setrlimit(Resource::As, both(memory))?;
    setrlimit(Resource::Cpu, both(seconds))?;
    setrlimit(Resource::Core, both(0))?;
    setrlimit(Resource::Fsize, both(FILE))?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // Serving comes before compiling. That it can't be lowered is no reason to
    // stop.
    let _ = rustix::process::nice(10);
    Ok(())
}

/// Does a job in its directory and writes the outcome there.
pub(crate) fn run(job: Job, directory: &Path) -> std::io::Result<()> {
    let component = std::fs::read(directory.join(COMPONENT))?;
    let (output, outcome) = match job {
        Job::Compile => compile(&component),
        Job::Snapshot => {
            let artifact = std::fs::read(directory.join(ARTIFACT))?;
            futures::executor::block_on(snapshot(&component, &artifact))
        }
    };
    std::fs::write(directory.join(OUTPUT), output)?;
    std::fs::write(directory.join(OUTCOME), serde_json::to_vec(&outcome)?)
}

fn compile(component: &[u8]) -> (Vec<u8>, Outcome) {
    let code = Engine::new(&engine::config()).and_then(|engine| engine.precompile_component(component));
    match code {
        Ok(code) => (code, Outcome::Compiled),
        Err(error) => (Vec::new(), Outcome::Refused(format!("{error:#}"))),
    }
}

async fn snapshot(runner: &[u8], artifact: &[u8]) -> (Vec<u8>, Outcome) {
    match load_and_snapshot(runner, artifact).await {
        Ok(Ok((component, signature))) => (component, Outcome::Snapshotted(signature)),
        Ok(Err(error)) => (Vec::new(), Outcome::NotLoaded(error)),
        Err(error) => (Vec::new(), Outcome::Refused(format!("{error:#}"))),
    }
}

type Loaded = Result<(Vec<u8>, Signature), CallError>;

async fn load_and_snapshot(runner: &[u8], artifact: &[u8]) -> wasmtime::Result<Loaded> {
    let wizer = Wizer::new();
    let (context, instrumented) = wizer.instrument_component(runner)?;
    let engine = Engine::new(&engine::frugal_config())?;
    let component = Component::new(&engine, &instrumented)?;
    let linker = engine::linker(&engine).map_err(|error| wasmtime::Error::msg(error.to_string()))?;
    let pre = linker.instantiate_pre(&component)?;
    // The process is what limits time and memory here. The snapshot reads each
    // memory as one list, which counts as output.
    let limits = Limits { memory_bytes: usize::MAX, output_bytes: usize::MAX, ..Limits::default() };
    let limits = Limits { deadline: std::time::Duration::from_secs(3600), ..limits };
    let mut store =
        call::store(&engine, &Budget::new(1, u64::MAX), limits, Grants { wasi: true, ..Grants::none() });
    let instance = match pre.instantiate_async(&mut store).await {
        Ok(instance) => instance,
        Err(error) => return Ok(Err(call::fault(&mut store, &error).into())),
    };
    let guest = scoring::GuestIndices::new(&pre)?.load(&mut store, &instance)?;
    let loaded = guest.call_load(&mut store, artifact).await;
    match call::settle(&mut store, Some(loaded)) {
        Ok(signature) => {
            let mut state = WasmtimeWizerComponent { store: &mut store, instance };
            let component = wizer.snapshot_component(&context, &mut state).await?;
            Ok(Ok((component, signature)))
        }
        Err(ended) => {
            let fault: Fault = ended.fault();
            Ok(Err(CallError { fault, log: store.data().log.clone() }))
        }
    }
}

/// The arguments that follow the worker's own.
pub(crate) fn arguments(job: Job, directory: &Path, memory: u64, seconds: u64) -> [PathBuf; 4] {
    [job.name().into(), directory.to_owned(), memory.to_string().into(), seconds.to_string().into()]
}
