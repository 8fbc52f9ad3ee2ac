//! The flights of 2013, as the examples keep them.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// Unpacks the CSV file into a directory.
pub(crate) fn unpack(into: &Path) -> Result<PathBuf> {
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/flights/data/flights.csv.gz");
    let packed = File::open(&packed).with_context(|| format!("{} is missing", packed.display()))?;
    let path = into.join("flights.csv");
    io::copy(&mut flate2::read::GzDecoder::new(packed), &mut File::create(&path)?)?;
    Ok(path)
}
