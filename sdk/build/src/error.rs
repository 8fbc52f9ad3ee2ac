//! What can go wrong between a crate and a component.

use std::path::PathBuf;

/// What this crate's calls return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no crate at the path.
    #[error("{} holds no Cargo.toml; give the directory of a plugin crate", .0.display())]
    NoCrate(PathBuf),
    /// The crate makes no dynamic library.
    #[error(
        "{name} makes no component: its Cargo.toml needs `[lib]` with `crate-type = [\"cdylib\", \"rlib\"]`"
    )]
    NoLibrary {
        /// The crate's name.
        name: String,
    },
    /// No compiler for the guest target.
    #[error("{0}")]
    Toolchain(String),
    /// Cargo said no; its messages.
    #[error("cargo {action} failed:\n{output}")]
    Cargo {
        /// What it was asked: `build`, `metadata`.
        action: &'static str,
        /// What it wrote to standard error.
        output: String,
    },
    /// The bytes are not WebAssembly.
    #[error("not WebAssembly: {0}")]
    NotWasm(String),
    /// A component was given where a core module is needed.
    #[error("this is a component already; only core modules are encoded")]
    AlreadyComponent,
    /// A core module without a `component-type` section.
    #[error(
        "this core module carries no component metadata (no `component-type` section), so it exports no \
         plugin kind; a Rust plugin gets it from the line `modelyard_sdk::export!(<kind>: <Type>);`"
    )]
    NoMetadata,
    /// The module and its metadata do not fit.
    #[error("the module can't be encoded as a component: {0}")]
    Encode(String),
    /// A name or a place that a new crate can't have.
    #[error("{0}")]
    Template(String),
    /// A file could not be read or written, or a program not started.
    #[error("{what}: {source}")]
    Io {
        /// What was tried, with the path.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
}

impl Error {
    /// Wraps an I/O error with what was tried.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Error {
        let what = what.into();
        move |source| Error::Io { what, source }
    }
}
