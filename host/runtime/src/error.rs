//! Why something was refused, and why a call failed.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::kind::{Capability, Kind};
use crate::types::{GuestError, InvalidInput, Level};

/// Why a component was refused or could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes are no WebAssembly at all.
    #[error("this is {found}, not a WebAssembly component (which begins with the bytes 00 61 73 6d)")]
    NotWasm {
        /// What they look like.
        found: String,
    },
    /// The bytes begin as WebAssembly and are cut off or wrong further on.
    #[error("not a valid WebAssembly component: {0}")]
    Invalid(String),
    /// A core module that doesn't say which interfaces it has.
    #[error(
        "a core module without component metadata; build it with `modelyard plugin build`, \
         or encode it with `wasm-tools component new`"
    )]
    NoMetadata,
    /// Over the size cap.
    #[error("{bytes} bytes are over the cap of {cap} bytes")]
    TooLarge {
        /// The component's size.
        bytes: usize,
        /// The cap.
        cap: usize,
    },
    /// A valid component whose imports or exports the host can't serve.
    #[error("the component does not fit: {}", join(.0))]
    Misfit(Vec<Misfit>),
    /// The bytes are not those that the digest names.
    #[error("the bytes have the digest {found}, not {expected}")]
    Digest {
        /// The digest that was asked for.
        expected: String,
        /// The digest of the bytes.
        found: String,
    },
    /// A component of another kind than is needed.
    #[error("a {found} plugin; a {expected} plugin is needed here")]
    Kind {
        /// The kind that is needed.
        expected: Kind,
        /// The kind that it is.
        found: Kind,
    },
    /// The component imports a capability that was not granted.
    #[error("the plugin imports `{0}`, which was not granted to it")]
    NotGranted(Capability),
    /// The compiler refused the component.
    #[error("could not be compiled: {0}")]
    Compile(String),
    /// Compiling or snapshotting took too long and was killed.
    #[error("preparing the component took longer than {} ms and was stopped", .0.as_millis())]
    CompileTime(Duration),
    /// Compiling or snapshotting took more memory than allowed.
    #[error("preparing the component took more than {0} bytes of memory and was stopped")]
    CompileMemory(u64),
    /// The compiling child could not be started or ended in an unknown way.
    #[error("the compiling process failed: {0}")]
    Worker(String),
    /// The model refused its artifact.
    #[error("the model could not be loaded: {0}")]
    Load(CallError),
    /// A model's memory could not be snapshotted.
    #[error("could not be snapshotted: {0}")]
    Snapshot(String),
    /// The component's bytes could not be had.
    #[error("the component's bytes could not be read: {0}")]
    Fetch(String),
    /// Every place for an instance is taken.
    #[error("all {limit} instances are busy; try again in {} ms", retry_after.as_millis())]
    Busy {
        /// The number of places.
        limit: u32,
        /// When to try again.
        retry_after: Duration,
    },
    /// An instance could not be made.
    #[error("could not be instantiated: {0}")]
    Instantiate(CallError),
    /// The engine could not be set up.
    #[error("the WebAssembly engine could not be set up: {0}")]
    Engine(String),
    /// The code cache could not be read or written.
    #[error("the compiled-code cache at {path}: {error}")]
    Cache {
        /// The file or directory at fault.
        path: std::path::PathBuf,
        /// What happened.
        error: std::io::Error,
    },
}

/// One import or export that the host can't serve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Misfit {
    /// `import` or `export`.
    pub direction: Direction,
    /// Its name in the component, with the version.
    pub name: String,
    /// Why it doesn't fit.
    pub reason: String,
    /// The nearest that the host supports, where there is one.
    pub nearest: Option<String>,
}

/// Which side of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// What it needs.
    Import,
    /// What it gives.
    Export,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = match self.direction {
            Direction::Import => "import",
            Direction::Export => "export",
        };
        write!(f, "{direction} `{}` {}", self.name, self.reason)?;
        match &self.nearest {
            Some(nearest) => write!(f, "; the nearest supported is `{nearest}`"),
            None => Ok(()),
        }
    }
}

fn join(misfits: &[Misfit]) -> String {
    misfits.iter().map(Misfit::to_string).collect::<Vec<_>>().join(" | ")
}

/// Lines that a guest logged during a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// The lines kept, oldest first.
    pub lines: Vec<LogLine>,
    /// Lines past the limit, which were dropped.
    pub dropped: u64,
}

/// One line of a guest's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// How much it matters.
    pub level: Level,
    /// The text, cut at 4 KiB.
    pub message: String,
}

/// A failed call: why, and what the guest logged until then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{fault}")]
pub struct CallError {
    /// Why it failed.
    pub fault: Fault,
    /// What was logged until then.
    pub log: Log,
}

impl From<Fault> for CallError {
    fn from(fault: Fault) -> CallError {
        CallError { fault, log: Log::default() }
    }
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The caller's mistake, as the plugin sees it.
    #[error("{}", invalid(.0))]
    InvalidInput(InvalidInput),
    /// Something outside the plugin did not answer.
    #[error("{message}")]
    Unavailable {
        /// What did not answer.
        message: String,
        /// When to try again, where that is known.
        retry_after: Option<Duration>,
    },
    /// The plugin does not do what was asked.
    #[error("not supported: {0}")]
    Unsupported(String),
    /// The caller asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// The plugin's own fault, which it reported itself.
    #[error("the plugin failed: {0}")]
    Internal(String),
    /// The plugin panicked.
    #[error("the plugin panicked: {message}")]
    Panicked {
        /// The panic's message and place.
        message: String,
        /// The guest's stack, innermost first, one function a line.
        backtrace: String,
    },
    /// The plugin trapped.
    #[error("the plugin trapped: {message}")]
    Trapped {
        /// The trap.
        message: String,
        /// The guest's stack, innermost first, one function a line.
        backtrace: String,
    },
    /// The call took too long and was stopped.
    #[error("the call took longer than {} ms and was stopped", .0.as_millis())]
    Deadline(Duration),
    /// The plugin needed more memory than it may have.
    #[error("the plugin needed more than {0} bytes of memory")]
    OutOfMemory(usize),
    /// The plugin called the host too often.
    #[error("the plugin called the host more than {0} times")]
    TooManyHostCalls(u64),
    /// The plugin held too many resources.
    #[error("the plugin held more than {0} resources at one time")]
    TooManyHandles(usize),
    /// The plugin handed too much to the host.
    #[error("the plugin gave more than {0} bytes")]
    OutputTooLarge(usize),
    /// The request has more bytes than the plugin takes.
    #[error("the request has more than {0} bytes")]
    InputTooLarge(u64),
    /// What the plugin gave breaks the contract.
    #[error("the plugin's answer is not usable: {0}")]
    BadOutput(String),
    /// No instance was free in time.
    #[error("busy; try again in {} ms", retry_after.as_millis())]
    Busy {
        /// When to try again.
        retry_after: Duration,
    },
    /// An earlier call of the session trapped or ran out of time.
    #[error("an earlier call ended this session: {0}")]
    Ended(String),
    /// The host could not prepare the component.
    #[error("{0}")]
    Host(String),
}

fn invalid(input: &InvalidInput) -> String {
    let mut text = String::new();
    if let Some(parameter) = &input.parameter {
        text.push_str(&format!("parameter {parameter}: "));
    }
    if let Some(column) = &input.column {
        text.push_str(&format!("column `{column}`: "));
    }
    if let Some(row) = &input.row {
        text.push_str(&format!("row {row}: "));
    }
    text + &input.message
}

impl From<GuestError> for Fault {
    fn from(error: GuestError) -> Fault {
        match error {
            GuestError::InvalidInput(input) => Fault::InvalidInput(input),
            GuestError::Unavailable(unavailable) => Fault::Unavailable {
                message: unavailable.message,
                retry_after: unavailable.retry_after_ms.map(Duration::from_millis),
            },
            GuestError::Unsupported(message) => Fault::Unsupported(message),
            GuestError::Cancelled => Fault::Cancelled,
            GuestError::Internal(message) => Fault::Internal(message),
        }
    }
}

impl From<Error> for CallError {
    fn from(error: Error) -> CallError {
        match error {
            Error::Load(call) | Error::Instantiate(call) => call,
            Error::Busy { retry_after, .. } => Fault::Busy { retry_after }.into(),
            other => Fault::Host(other.to_string()).into(),
        }
    }
}
