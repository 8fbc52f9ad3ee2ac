//! What every ingestion plugin needs: bytes in, typed columns out.
//!
//! * [`Stream`] reads an object in pieces, inflating gzip on the way, and
//!   knows where it stands, so that a cursor can name the place.
//! * [`Inference`] finds out which type a column's values have.
//! * [`ColumnBuilder`] takes values as bytes and gives a [`Column`](crate::Column).
//! * [`Rejections`] keeps the rows that could not be read and says when there
//!   are too many of them.
//! * [`value`] and [`time`] hold the parsers, [`encoding`] the decoders.
//!
//! Nothing here fails on a bad value: a builder answers with the reason, and
//! the plugin decides whether that rejects the row or widens the column.

mod builder;
pub mod encoding;
mod format;
mod infer;
mod options;
mod reject;
mod stream;
pub mod time;
pub mod value;

pub use builder::{ColumnBuilder, Mismatch};
pub use infer::{Inference, resolve, widened};
pub use options::{Nulls, OnReplaced, OnTypeChange, TypeName};
pub use reject::Rejections;
pub use stream::{Compression, Continued, Fingerprint, Stream};
