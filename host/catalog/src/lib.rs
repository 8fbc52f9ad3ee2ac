//! Typed records, transactions, migrations and the lineage graph on SurrealDB.
//!
//! This is the only crate that knows SurrealQL. A stage declares its records
//! ([`Record`]) with their table and indexes and reads and writes them through
//! a [`Table`]; several records and edges change together through a
//! [`Transaction`]; what came from what is a graph of [`Edge`]s.
//!
//! ```no_run
//! # use modelyard_catalog::{Catalog, Index, Options, Order, Query, Record};
//! #[derive(Clone, serde::Serialize, serde::Deserialize)]
//! struct Model { name: String, owner: String, versions: u64 }
//!
//! impl Record for Model {
//!     const TABLE: &'static str = "model";
//!     const INDEXES: &'static [Index] = &[Index::on(&["owner"])];
//!     fn id(&self) -> String { self.name.clone() }
//! }
//!
//! # async fn example() -> modelyard_catalog::Result<()> {
//! let catalog = Catalog::open(&Options::directory("data/catalog")).await?;
//! let models = catalog.table::<Model>();
//! models.insert(&Model { name: "delay".into(), owner: "ana".into(), versions: 0 }).await?;
//! models.update("delay", |model| model.versions += 1).await?;
//! let page = models.find(Query::new().eq("owner", "ana").order("versions", Order::Desc).limit(20)).await?;
//! # let _ = page; Ok(())
//! # }
//! ```
//!
//! # What is kept
//! A record is kept twice in one row: as JSON text, from which it is read back
//! exactly (numbers to the bit, the order of keys, nulls), and as a structured
//! copy that filters, orders and indexes look at. NaN and infinities have no
//! JSON form and are refused. In the structured copy an absent field and a
//! null are the same thing.
//!
//! # Durability and conflicts
//! A directory store is opened with `sync=every`: what was acknowledged is on
//! the disk. Writers that collide are run again with a growing, random pause;
//! after ten seconds of that the caller sees [`Error::Conflict`].
//!
//! Tables are defined when they are first used; [`Catalog::define`] does it
//! ahead of time.

mod catalog;
mod cursor;
mod encode;
mod error;
mod export;
mod graph;
mod json;
mod migration;
mod options;
mod query;
mod record;
mod repair;
mod row;
mod select;
mod store;
mod table;
mod transaction;

pub use catalog::{Catalog, Health};
pub use error::{Error, Result};
pub use export::Export;
pub use graph::{Direction, Edge, Ref};
pub use migration::{Migration, Step};
pub use options::{Credentials, Level, Options};
pub use query::{Order, Page, Query};
pub use record::{Index, Kept, Record, Revision};
pub use table::Table;
pub use transaction::Transaction;
