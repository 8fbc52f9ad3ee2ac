//! Lines for the log of the call. Natively they go to standard error.
//!
//! Scoring plugins must not use it: the import would make the model impure, and
//! the host refuses such a component.

pub use crate::bindings::host::modelyard::lifecycle::log::Level;

/// Adds a line of some level.
pub fn write(level: Level, message: impl AsRef<str>) {
    #[cfg(target_arch = "wasm32")]
    crate::bindings::host::modelyard::lifecycle::log::log(level, message.as_ref());
    #[cfg(not(target_arch = "wasm32"))]
    eprintln!("{level:?}: {}", message.as_ref());
}

/// Adds a line for whoever looks for a fault.
pub fn debug(message: impl AsRef<str>) {
    write(Level::Debug, message);
}

/// Adds a line for whoever follows the work.
pub fn info(message: impl AsRef<str>) {
    write(Level::Info, message);
}

/// Adds a line about something that looks wrong and does not stop the work.
pub fn warn(message: impl AsRef<str>) {
    write(Level::Warn, message);
}

/// Adds a line about something that stops the work.
pub fn error(message: impl AsRef<str>) {
    write(Level::Error, message);
}
