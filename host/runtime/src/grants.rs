//! What a host lends to a plugin for a session: capabilities and tables.

use std::sync::Arc;

use async_trait::async_trait;
use wasmtime_wasi_config::WasiConfigVariables;

use crate::outbound::{Body, HttpError, RequestOptions};
use crate::types::{Field, GuestError, Level, Table};

/// The capabilities lent for one session. A component that imports one that is
/// not here is refused before it runs. Tables are granted by passing them.
#[derive(Clone)]
pub struct Grants {
    /// Whether the plugin may log; the default.
    pub log: bool,
    /// Progress, live metrics and cancellation.
    pub progress: Option<Arc<dyn Progress>>,
    /// Bytes behind URLs; the implementation decides which.
    pub objects: Option<Arc<dyn Objects>>,
    /// WASI 0.2 without files or sockets: clocks and randomness, and what
    /// stands below.
    pub wasi: bool,
    /// Variables, as `wasi:cli/environment` and `wasi:config/store` give them.
    pub environment: Option<Arc<Environment>>,
    /// Where lines go that a guest logs or prints; none: nowhere.
    pub output: Option<Arc<dyn Output>>,
    /// Outgoing HTTP requests; without it every one is denied.
    pub outbound: Option<Arc<dyn Outbound>>,
}

impl Default for Grants {
    fn default() -> Grants {
        Grants {
            log: true,
            progress: None,
            objects: None,
            wasi: false,
            environment: None,
            output: None,
            outbound: None,
        }
    }
}

impl Grants {
    /// Nothing at all.
    pub fn none() -> Grants {
        Grants { log: false, ..Grants::default() }
    }
}

/// The `objects` capability: bytes behind the URLs that a plugin may read.
#[async_trait]
pub trait Objects: Send + Sync {
    /// Opens an object. Errors go to the guest as they are: `InvalidInput` for
    /// a URL that is not allowed or does not exist, `Unavailable` for a source
    /// that doesn't answer.
    async fn open(&self, url: &str, headers: &[(String, String)]) -> Result<Box<dyn Object>, GuestError>;
}

/// An opened object, whose bytes don't change while it is open.
#[async_trait]
pub trait Object: Send + Sync {
    /// Its length in bytes.
    fn size(&self) -> u64;
    /// A value that differs when the content differs.
    fn version(&self) -> String;
    /// A response header by its lower-case name.
    fn header(&self, name: &str) -> Option<String>;
    /// Up to `length` bytes from `offset`; fewer only at the end.
    async fn read(&mut self, offset: u64, length: u32) -> Result<Vec<u8>, GuestError>;
}

/// The `progress` capability.
pub trait Progress: Send + Sync {
    /// How far the work is, from 0 to 1.
    fn report(&self, fraction: f64, message: &str);
    /// A metric at a step.
    fn metric(&self, name: &str, step: u64, value: f64);
    /// Whether the plugin should stop.
    fn cancelled(&self) -> bool;
}

/// Variables by name, the same for every instance of a function.
#[derive(Default)]
pub struct Environment {
    pub(crate) variables: Vec<(String, String)>,
    pub(crate) config: WasiConfigVariables,
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Environment {
        let variables: Vec<_> = variables.into_iter().collect();
        Environment { config: variables.iter().cloned().collect(), variables }
    }
}

/// Takes what a guest logs or prints, line by line, while it runs.
pub trait Output: Send + Sync {
    /// A line without its end. What a guest prints is `Info`, and `Warn` if it
    /// is printed to standard error.
    fn line(&self, level: Level, line: &str);
}

/// The `wasi:http/outgoing-handler` capability: sends a guest's requests.
#[async_trait]
pub trait Outbound: Send + Sync {
    /// Sends a request, or refuses it. Its URI is absolute, its scheme `http`
    /// or `https`. The error goes to the guest as it is.
    async fn send(
        &self,
        request: http::Request<Body>,
        options: RequestOptions,
    ) -> Result<http::Response<Body>, HttpError>;
}

/// A table that is given to a plugin as a `reader` and pulled batch by batch.
#[async_trait]
pub trait BatchSource: Send {
    /// The columns of every batch, in order.
    fn schema(&self) -> Vec<Field>;
    /// The number of rows in all.
    fn rows(&self) -> u64;
    /// The next rows, at most `max_rows`; none at the end. The runtime checks
    /// them against the schema before a guest sees them.
    async fn next(&mut self, max_rows: u32) -> Result<Option<Table>, String>;
    /// Back to the first row.
    async fn rewind(&mut self) -> Result<(), String>;
}

/// Tables held in memory, as a [`BatchSource`].
#[derive(Clone, Debug)]
pub struct Tables {
    schema: Vec<Field>,
    table: Table,
    rows: usize,
    at: usize,
}

impl Tables {
    /// A source over one table.
    ///
    /// # Errors
    /// When its columns are of unequal length or share a name.
    pub fn new(table: Table) -> Result<Tables, String> {
        let rows = crate::check::table(&table)?;
        let schema = table
            .iter()
            .map(|column| Field {
                name: column.name.clone(),
                type_: crate::check::column_type(&column.data),
                nullable: column.validity.is_some(),
            })
            .collect();
        Ok(Tables { schema, table, rows, at: 0 })
    }
}

#[async_trait]
impl BatchSource for Tables {
    fn schema(&self) -> Vec<Field> {
        self.schema.clone()
    }

    fn rows(&self) -> u64 {
        self.rows as u64
    }

    async fn next(&mut self, max_rows: u32) -> Result<Option<Table>, String> {
        let start = self.at;
        let end = self.rows.min(start.saturating_add(max_rows as usize));
        if start >= end {
            return Ok(None);
        }
        self.at = end;
        Ok(Some(self.table.iter().map(|column| crate::check::slice(column, start, end)).collect()))
    }

    async fn rewind(&mut self) -> Result<(), String> {
        self.at = 0;
        Ok(())
    }
}
