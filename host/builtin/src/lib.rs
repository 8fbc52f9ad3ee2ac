//! The built-in plugins, embedded in the binary.
