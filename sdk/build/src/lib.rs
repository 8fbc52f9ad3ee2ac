//! Compiles plugin crates and encodes them as components.
//!
//! - [`build`] and [`build_all`]: crate → core module → validated component with
//!   name, version, licence and description in its metadata. The command line and
//!   the host's own build use the same code.
//! - [`toolchain`]: finds a compiler for `wasm32-unknown-unknown`, or says what is
//!   missing and how to get it.
//! - [`component`]: encodes core modules that carry component metadata, and says
//!   what a component exports and imports.
//! - [`template`]: new plugin crates that build and pass their own test, with the
//!   SDK inside, so that no source tree is needed.

mod command;
mod compile;
pub mod component;
mod embedded;
mod error;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod scratch;
pub mod template;
pub mod toolchain;

pub use compile::{BuildOptions, BuiltComponent, GUEST_DIR_VARIABLE, build, build_all, default_target_dir};
pub use component::encode;
pub use error::{Error, Result};
pub use toolchain::Toolchain;

/// The target that plugins are compiled for: it has no ambient imports.
pub const TARGET: &str = "wasm32-unknown-unknown";
