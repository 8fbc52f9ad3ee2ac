//! Validate, compile, snapshot, pool and call WebAssembly components.
