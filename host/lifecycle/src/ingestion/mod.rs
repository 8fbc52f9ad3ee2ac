//! Ingestion: rows from sources into immutable dataset versions.
//!
//! A plugin pulls batches; the host checks their columns against the dataset's,
//! writes them as files and commits rows, quarantine and cursor in one
//! transaction, so that a crash neither loses nor repeats a row.

mod datasets;
mod objects;
mod pull;
mod records;
mod sources;

pub use records::{Dataset, DatasetFile, DatasetVersion, Pulled, SchemaPolicy, Source, SourceSpec, Upload};

pub(crate) use datasets::{Listings, Resolved};
pub(crate) use pull::Writers;

use crate::Platform;

/// Ingestion of a platform.
pub struct Ingestion<'p>(pub(crate) &'p Platform);
