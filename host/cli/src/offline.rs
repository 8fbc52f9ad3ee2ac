//! What a component is, found out without a server.

use std::path::Path;

use anyhow::{Context as _, Result};
use modelyard_runtime::{Inspection, Options, Runtime, Worker};

/// Checks bytes as an upload would be checked. Nothing of them is run.
pub(crate) fn inspect(bytes: &[u8]) -> Result<Inspection> {
    let cache = tempfile::tempdir()?;
    let options = Options {
        cache_dir: cache.path().join("cache"),
        max_instances: 1,
        worker: Worker::InProcess,
        ..Options::default()
    };
    Ok(Runtime::new(options)?.inspect(bytes)?)
}

/// Checks a file.
pub(crate) fn inspect_file(file: &Path) -> Result<Inspection> {
    let bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
    inspect(&bytes).with_context(|| file.display().to_string())
}
