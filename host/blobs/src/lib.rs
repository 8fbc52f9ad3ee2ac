//! Content-addressed objects by SHA-256.
//!
//! A blob is named by the digest of its bytes ([`Digest`]), so it never changes, can be shared
//! by whoever has the same content, and can be verified by whoever reads it. By default blobs
//! are files of a directory; any store of the `object_store` crate that this program was built
//! with can hold them instead.
//!
//! ```no_run
//! # async fn example() -> modelyard_blobs::Result<()> {
//! use modelyard_blobs::{Blobs, Options};
//! let blobs = Blobs::open(&Options::directory("data/blobs")).await?;
//! let digest = blobs.put("hello".into()).await?;
//! assert_eq!(blobs.get(&digest).await?, "hello");
//! # Ok(())
//! # }
//! ```
//!
//! # What holds
//! - A blob is visible only when it is complete and durable: it is written to a temporary file,
//!   synced, renamed into place, and the directory synced. What killed writers left behind is
//!   swept when the store is next opened; writers of other processes are left alone.
//! - Two writers of the same content don't disturb each other. Putting content whose stored
//!   copy is damaged repairs it.
//! - [`Blobs::get`] checks what it returns every time, [`Blobs::open_verified_path`] once per
//!   process as long as the file's length and modification time stay the same.
//! - When the disk is full, [`Error::Full`] is returned and nothing is left behind.

mod blobs;
mod digest;
mod error;
mod local;
mod remote;
mod writer;

pub use blobs::{Blob, Blobs, Options};
pub use digest::{Digest, ParseError};
pub use error::{Error, Result, is_full};
pub use writer::Writer;
