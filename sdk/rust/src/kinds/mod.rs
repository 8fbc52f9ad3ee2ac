//! One module per kind of plugin: the trait that its author implements, its
//! types, and the adapter that the export macro calls.

pub mod documentation;
pub mod evaluation;
pub mod features;
pub mod feedback;
pub mod function;
pub mod governance;
pub mod ingestion;
pub mod monitoring;
pub mod retirement;
pub mod scoring;
pub mod selection;
pub mod training;

use std::cell::RefCell;
use std::thread::LocalKey;

use crate::{Error, Result};

/// Where the macro keeps what `load` gave.
type Loaded<T> = LocalKey<RefCell<Option<T>>>;

/// Calls `with` on what `load` gave, or says that `load` was not called.
fn with_loaded<T, R>(
    loaded: &'static Loaded<T>,
    call: &str,
    with: impl FnOnce(&T) -> Result<R>,
) -> Result<R> {
    loaded.with_borrow(|plugin| match plugin {
        Some(plugin) => with(plugin),
        None => Err(Error::invalid(format!("`{call}` was called before `load`; load a state first"))),
    })
}
