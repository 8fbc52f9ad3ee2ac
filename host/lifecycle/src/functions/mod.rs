//! Functions: components that answer HTTP, behind a name.
//!
//! A function is a plugin of kind `function`, in one of two forms: called with
//! JSON, or a handler of `wasi:http`. It is callable as soon as it is uploaded,
//! by its own name with the defaults; a record gives it another name, limits,
//! hosts that it may call, variables and secrets.
//!
//! The hot path ([`Functions::call`], [`Functions::handle`]) reads an immutable
//! table that is swapped whole on change, as deployments do; it asks no database.

mod call;
mod log;
mod mount;
mod outbound;
mod records;

pub use call::FunctionStats;
pub use records::Function;

pub(crate) use mount::Mounts;
pub(crate) use outbound::Clients;

use std::collections::HashMap;

use modelyard_catalog::{Order, Query, Ref};
use modelyard_runtime::Kind;
use serde_json::json;

use self::mount::Mount;
use crate::{Error, Platform, Result, governance::Actor, names, plugins::PluginRecord};

/// Functions of a platform.
pub struct Functions<'p>(pub(crate) &'p Platform);

impl Functions<'_> {
    /// Gives a function plugin a name, limits and what else stands in its
    /// record. The same again changes nothing. A secret that is given as it is
    /// shown keeps its value.
    pub async fn put(&self, actor: &Actor, mut function: Function) -> Result<Function> {
        names::check("name", &function.name)?;
        function.check()?;
        self.0.plugins().of_kind("plugin", &function.plugin, Kind::Function).await?;
        let before = self.0.catalog.table::<Function>().get(&function.name).await?;
        function.keep_secrets(before.as_ref())?;
        function.created_at = before.as_ref().map_or(self.0.clock.now(), |before| before.created_at);
        if let Some(before) = before.filter(|before| *before == function) {
            return Ok(before.redacted());
        }
        let detail = json!({
            "plugin": function.plugin,
            "hosts": function.hosts,
            "environment": function.environment.keys().collect::<Vec<_>>(),
            "secrets": function.secrets.keys().collect::<Vec<_>>(),
            "public": function.public,
        });
        self.0
            .change(actor, "function.put", Ref::of(&function))
            .detail(detail)
            .put(&function)
            .commit()
            .await?;
        self.remount(&function.name).await?;
        Ok(function.redacted())
    }

    /// The functions that have a record of their own, without their secrets.
    pub async fn list(&self) -> Result<Vec<Function>> {
        let functions: Vec<Function> =
            self.0.catalog.table().all(Query::new().order("name", Order::Asc)).await?;
        Ok(functions.into_iter().map(Function::redacted).collect())
    }

    /// Removes a record; its plugin stays, under its own name.
    pub async fn delete(&self, actor: &Actor, name: &str) -> Result<()> {
        let function: Function =
            self.0.catalog.table().get(name).await?.ok_or_else(|| Error::not_found("function", name))?;
        self.0
            .change(actor, "function.deleted", Ref::of(&function))
            .delete::<Function>(name)
            .commit()
            .await?;
        self.remount(name).await
    }

    /// The functions that a plugin answers for, but for its own name.
    pub(crate) async fn of_plugin(&self, plugin: &str) -> Result<Vec<String>> {
        let functions: Vec<Function> =
            self.0.catalog.table().all(Query::new().order("name", Order::Asc)).await?;
        let of = functions.into_iter().filter(|function| function.plugin == plugin);
        Ok(of.map(|function| function.name).collect())
    }

    /// Brings what is called to what a changed or removed plugin now is.
    pub(crate) async fn plugin_changed(&self, plugin: &str) -> Result<()> {
        for name in self.of_plugin(plugin).await? {
            self.remount(&name).await?;
        }
        self.remount(plugin).await
    }

    /// Brings everything back to where it was. Nothing is compiled.
    pub(crate) async fn restore(&self) -> Result<()> {
        let functions: Vec<Function> = self.0.catalog.table().all(Query::new()).await?;
        let plugins: Vec<PluginRecord> =
            self.0.catalog.table().all(Query::new().eq("kind", Kind::Function)).await?;
        let mut mounts = HashMap::new();
        for plugin in &plugins {
            let name = plugin.name.clone();
            mounts.insert(name.clone(), Mount::new(self.0, Function::of_plugin(&name), plugin)?);
        }
        for function in functions {
            match plugins.iter().find(|plugin| plugin.name == function.plugin) {
                Some(plugin) => {
                    mounts.insert(function.name.clone(), Mount::new(self.0, function, plugin)?);
                }
                None => {
                    tracing::warn!(function = function.name, "has no plugin {:?} any more", function.plugin);
                }
            }
        }
        self.0.mounts.replace(mounts);
        Ok(())
    }

    /// Brings what is called by a name to what the records say.
    async fn remount(&self, name: &str) -> Result<()> {
        // One at a time, so that the last to read the records is the last to write.
        let _changing = self.0.mounts.changing().await;
        let function = self.0.catalog.table::<Function>().get(name).await?;
        let function = function.unwrap_or_else(|| Function::of_plugin(name));
        let plugin = self.0.catalog.table::<PluginRecord>().get(&function.plugin).await?;
        match plugin.filter(|plugin| plugin.kind == Kind::Function) {
            Some(plugin) => self.0.mounts.set(Mount::new(self.0, function, &plugin)?),
            None => self.0.mounts.remove(name),
        }
        Ok(())
    }
}
