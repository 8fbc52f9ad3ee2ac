//! Dataset versions, point-in-time joins, the online store and the prediction log.
//!
//! [`Tables`] is the one handle. What it keeps:
//!
//! | what | where | lost by `kill -9` |
//! |---|---|---|
//! | dataset files ([`Writer`], [`Scanner`], [`FileInfo`]) | Parquet in the blob store, by digest; the caller keeps the list | nothing that `finish` returned |
//! | latest values for serving ([`OnlineStore`]) | memory, and an append log | nothing that `put` returned |
//! | predictions ([`PredictionLog`]) | an append log, sealed into Parquet blobs | nothing that `append_durable` or `flush` returned; of `append`, what is younger than the commit interval |
//! | labels ([`Labels`]) | memory, and an append log | nothing that `put` returned |
//!
//! Columns have the five types of the plugin contract ([`ColumnType`]); rows
//! travel as Arrow batches, and [`to_batch`] and [`from_batch`] move them to
//! and from plain vectors ([`Column`]). Files of one dataset may differ in
//! schema: reading them gives every column of any, in the narrowest type that
//! all widen to ([`Schema::unify`]).
//!
//! A damaged blob is [`Error::Corrupt`] with its digest, a full disk
//! [`Error::Full`] with nothing half-written left behind.

mod columns;
mod dataset;
mod erase;
mod error;
mod join;
mod labels;
mod log;
mod online;
mod predictions;
mod schema;
mod sql;
mod tables;
mod value;

pub use columns::{Column, Values, from_batch, to_batch};
pub use dataset::{ColumnStats, FileInfo, QUANTILES, Scan, Scanner, TimeRange, Writer};
pub use erase::Erased;
pub use error::{Error, Result};
pub use join::{PointInTime, ViewJoin};
pub use labels::{Label, LabelPut, Labels};
pub use online::{Key, Layout, Lookup, OnlineStore, Put, Status};
pub use predictions::{ErasedPredictions, Prediction, PredictionId, PredictionLog, Sealed, Window};
pub use schema::{Change, ColumnType, Field, Schema};
pub use tables::{Options, Tables};
pub use value::Value;

pub use arrow::array::RecordBatch;
