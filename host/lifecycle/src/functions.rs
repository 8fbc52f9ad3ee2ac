//! Functions: JSON in, JSON out, behind a name. A function is a plugin of kind
//! `function`; it is callable as soon as it is uploaded.

use modelyard_catalog::{Record, Ref};
use modelyard_clock::Timestamp;
use modelyard_runtime::{Grants, Kind, Limits};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{Error, Platform, Result, governance::Actor, names};

/// A name under which a function plugin is called with limits of its own.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Function {
    /// The name: `/api/v1/functions/{name}`.
    pub name: String,
    /// The function plugin.
    pub plugin: String,
    /// The longest that one call may take, in milliseconds.
    #[serde(default = "second")]
    pub deadline_ms: u64,
    /// The most memory, in bytes.
    #[serde(default = "memory")]
    pub memory_bytes: usize,
    /// When it was made; set by the server.
    #[serde(default)]
    pub created_at: Timestamp,
}

fn second() -> u64 {
    1_000
}

fn memory() -> usize {
    128 << 20
}

impl Record for Function {
    const TABLE: &'static str = "function";
    fn id(&self) -> String {
        self.name.clone()
    }
}

/// Functions of a platform.
pub struct Functions<'p>(pub(crate) &'p Platform);

impl Functions<'_> {
    /// Gives a function plugin a name and limits.
    pub async fn put(&self, actor: &Actor, mut function: Function) -> Result<Function> {
        names::check("name", &function.name)?;
        self.0.plugins().of_kind("plugin", &function.plugin, Kind::Function).await?;
        function.created_at = self.0.clock.now();
        self.0.change(actor, "function.put", Ref::of(&function)).put(&function).commit().await?;
        Ok(function)
    }

    /// The functions that have a name of their own.
    pub async fn list(&self) -> Result<Vec<Function>> {
        Ok(self.0.catalog.table().all(modelyard_catalog::Query::new()).await?)
    }

    /// Removes a name.
    pub async fn delete(&self, actor: &Actor, name: &str) -> Result<()> {
        let function: Function =
            self.0.catalog.table().get(name).await?.ok_or_else(|| Error::not_found("function", name))?;
        self.0.change(actor, "function.deleted", Ref::of(&function)).delete::<Function>(name).commit().await
    }

    /// Calls a function by its name, or a function plugin by its own.
    pub async fn call(&self, name: &str, body: &Value) -> Result<Value> {
        let (plugin, limits) = match self.0.catalog.table::<Function>().get(name).await? {
            Some(function) => (
                function.plugin,
                Limits {
                    deadline: std::time::Duration::from_millis(function.deadline_ms),
                    memory_bytes: function.memory_bytes,
                    ..Limits::small()
                },
            ),
            None => (name.to_owned(), Limits::small()),
        };
        let record = match self.0.catalog.table::<crate::plugins::PluginRecord>().get(&plugin).await? {
            Some(record) if record.kind == Kind::Function => record,
            _ => return Err(Error::not_found("function", name)),
        };
        let component = self.0.plugins().component(&record.digest).await?;
        let mut session = component.session(limits, Grants { wasi: true, ..Grants::default() }).await?;
        let answer = session.call_function(&body.to_string()).await?;
        serde_json::from_str(&answer).map_err(|error| {
            Error::new(
                crate::Code::PluginFailed,
                format!("the function {name:?} answered with no JSON: {error}"),
            )
        })
    }
}
