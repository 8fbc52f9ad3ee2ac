//! Plugins: uploaded, checked, listed, opened with what their record grants.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use modelyard_blobs::{Blobs, Digest};
use modelyard_catalog::{Index, Order, Page, Query, Record, Ref};
use modelyard_clock::Timestamp;
use modelyard_runtime::{
    self as runtime, Fetch, Grants, Inspection, Kind, Limits, ModelOptions, Protocol, Source,
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{Error, Platform, Result, governance::Actor, names, progress::Progress};

/// A plugin by its name; uploading another component under the name replaces
/// it for what comes after, while runs and versions keep the one they used.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PluginRecord {
    /// Its name.
    pub name: String,
    /// Its kind.
    #[schema(value_type = String)]
    pub kind: Kind,
    /// How it is called, if it is a function: `json` or `http`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub protocol: Option<Protocol>,
    /// The version that its component's metadata states.
    pub version: Option<String>,
    /// What it does, in one line.
    pub description: Option<String>,
    /// Its licence.
    pub license: Option<String>,
    /// The contract's version that it was built for; `wasi:http@…` for a handler of that.
    pub contract: String,
    /// What it imports; empty: provably pure.
    pub capabilities: Vec<String>,
    /// Its component.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// Its component's size.
    pub bytes: u64,
    /// Whether it came with the binary.
    pub builtin: bool,
    /// JSON Schema of its parameters.
    #[schema(value_type = Object)]
    pub parameters: Value,
    /// The columns that it expects, and what it gives.
    #[schema(value_type = Object)]
    pub interface: Value,
    /// Who uploaded it.
    pub uploaded_by: String,
    /// When.
    pub uploaded_at: Timestamp,
    /// Components that had this name before, oldest first.
    #[schema(value_type = Vec<String>)]
    pub previous: Vec<Digest>,
}

impl Record for PluginRecord {
    const TABLE: &'static str = "plugin";
    const INDEXES: &'static [Index] = &[Index::on(&["kind", "name"])];
    fn id(&self) -> String {
        self.name.clone()
    }
}

/// Components that are ready to be called, by digest.
#[derive(Default)]
pub(crate) struct Compiled(Mutex<HashMap<Digest, runtime::Plugin>>);

/// Components are fetched when their code isn't there.
struct FromBlobs(Blobs);

#[async_trait]
impl Fetch for FromBlobs {
    async fn fetch(&self, digest: &str) -> Result<Bytes, String> {
        let digest: Digest = digest.parse().map_err(|error| format!("{error}"))?;
        self.0.get(&digest).await.map_err(|error| error.to_string())
    }
}

/// What a plugin says of itself.
struct Described {
    summary: String,
    parameters: Value,
    interface: Value,
}

/// Plugins of the binary that the store doesn't have yet, each with the lock
/// under which it is added. Empty but after the first start of a new binary.
#[derive(Default)]
pub(crate) struct Awaited(Mutex<HashMap<&'static str, Arc<tokio::sync::Mutex<()>>>>);

/// Plugins of a platform.
pub struct Plugins<'p>(pub(crate) &'p Platform);

impl Plugins<'_> {
    /// Notes which plugins came with the binary and are not there. They are
    /// added when they are first asked for or by [`Self::add_awaited`], so that
    /// a server answers before it has compiled what it may never call.
    pub(crate) async fn await_builtin(&self) -> Result<()> {
        let table = self.0.catalog.table::<PluginRecord>();
        for builtin in modelyard_builtin::all() {
            let digest = Digest::of(builtin.bytes);
            let current = table.get(builtin.name).await?;
            if current.as_ref().is_none_or(|plugin| plugin.builtin && plugin.digest != digest) {
                self.0.awaited.0.lock().insert(builtin.name, Arc::default());
            }
        }
        Ok(())
    }

    /// Adds every awaited plugin, as many at a time as the runtime's limits allow.
    pub(crate) async fn add_awaited(&self) -> Result<()> {
        let names: Vec<&str> = self.0.awaited.0.lock().keys().copied().collect();
        futures::future::try_join_all(names.into_iter().map(|name| self.arrived(name))).await.map(drop)
    }

    /// Adds the plugin of this name if it is awaited.
    async fn arrived(&self, name: &str) -> Result<()> {
        let Some(adding) = self.0.awaited.0.lock().get(name).cloned() else { return Ok(()) };
        let _adding = adding.lock().await;
        // Whoever held the lock before may have added it.
        if !self.0.awaited.0.lock().contains_key(name) {
            return Ok(());
        }
        if let Some(builtin) = modelyard_builtin::get(name) {
            let during = |error: Error| error.during(format!("built-in plugin {name}"));
            let inspection = self.inspect(Bytes::from_static(builtin.bytes)).await.map_err(during)?;
            self.store(&Actor::system(), name, inspection, true).await.map_err(during)?;
        }
        self.0.awaited.0.lock().remove(name);
        Ok(())
    }

    /// Says what a component is, or why it can't be one; keeps nothing.
    pub async fn inspect(&self, bytes: Bytes) -> Result<Inspection> {
        let runtime = self.0.runtime.clone();
        Ok(tokio::task::spawn_blocking(move || runtime.inspect(&bytes)).await??)
    }

    /// Checks a component, compiles it, asks it to describe itself and keeps it
    /// under `name`, or under the name that its metadata states.
    pub async fn upload(&self, actor: &Actor, name: Option<&str>, bytes: Bytes) -> Result<PluginRecord> {
        let inspection = self.inspect(bytes).await?;
        let name = match name.map(str::to_owned).or(inspection.name.clone()) {
            Some(name) => name,
            None => {
                return Err(Error::field("name", "the component states no name; give one with the upload"));
            }
        };
        names::check("name", &name)?;
        self.arrived(&name).await?;
        self.store(actor, &name, inspection, false).await
    }

    async fn store(
        &self,
        actor: &Actor,
        name: &str,
        inspection: Inspection,
        builtin: bool,
    ) -> Result<PluginRecord> {
        let component = inspection.component.clone();
        let digest = Digest::of(&component);
        let table = self.0.catalog.table::<PluginRecord>();
        let before = table.get(name).await?;
        if let Some(before) = &before {
            if before.kind != inspection.kind {
                return Err(Error::conflict(format!(
                    "{name:?} is a {} plugin; a {} plugin needs another name",
                    before.kind, inspection.kind
                )));
            }
            if before.digest == digest {
                return Ok(before.clone());
            }
        }
        let size = component.len() as u64;
        let described = self.described(name, &digest, &inspection).await?;
        self.0.blobs.put(component).await?;
        let record = PluginRecord {
            name: name.to_owned(),
            kind: inspection.kind,
            protocol: inspection.protocol,
            version: inspection.version,
            description: Some(described.summary).filter(|text| !text.is_empty()).or(inspection.description),
            license: inspection.licence,
            contract: inspection.contract_version,
            capabilities: inspection.capabilities.iter().map(ToString::to_string).collect(),
            digest,
            bytes: size,
            builtin,
            parameters: described.parameters,
            interface: described.interface,
            uploaded_by: actor.name.clone(),
            uploaded_at: self.0.clock.now(),
            previous: before
                .map(|before| before.previous.into_iter().chain([before.digest]).collect())
                .unwrap_or_default(),
        };
        self.0
            .change(actor, "plugin.uploaded", Ref::of(&record))
            .detail(json!({"digest": digest, "kind": record.kind, "version": record.version}))
            .put(&record)
            .commit()
            .await?;
        if record.kind == Kind::Function {
            self.0.functions().plugin_changed(name).await?;
        }
        Ok(record)
    }

    /// Compiles a component and asks it to describe itself.
    async fn described(&self, name: &str, digest: &Digest, inspection: &Inspection) -> Result<Described> {
        let component = inspection.component.clone();
        if inspection.protocol == Some(Protocol::Http) {
            // It can't be asked; that it can be linked is seen here.
            let options = ModelOptions { wasi: true, ..ModelOptions::default() };
            let runtime = &self.0.runtime;
            runtime.handler(&digest.to_string(), component, options, 0, Grants::none()).ready().await?;
            let interface = json!({"inputs": [], "outputs": []});
            return Ok(Described { summary: String::new(), parameters: json!({}), interface });
        }
        let compiled = self.0.runtime.plugin(&digest.to_string(), component).await?;
        let description = compiled.describe().await?;
        let parameters = match description.parameters.trim() {
            "" => json!({}),
            text => serde_json::from_str(text).map_err(|error| {
                Error::invalid(format!(
                    "{name} describes its parameters with a text that is no JSON: {error}"
                ))
            })?,
        };
        self.0.compiled.0.lock().insert(*digest, compiled);
        let interface = json!({"inputs": description.inputs, "outputs": description.outputs});
        Ok(Described { summary: description.summary, parameters, interface })
    }

    /// A plugin's record.
    pub async fn get(&self, name: &str) -> Result<PluginRecord> {
        self.arrived(name).await?;
        let table = self.0.catalog.table::<PluginRecord>();
        table.get(name).await?.ok_or_else(|| Error::not_found("plugin", name))
    }

    /// The plugins, of one kind or all, by name.
    pub async fn list(
        &self,
        kind: Option<Kind>,
        limit: usize,
        after: Option<String>,
    ) -> Result<Page<PluginRecord>> {
        self.add_awaited().await?;
        let mut query = Query::new().order("name", Order::Asc).limit(limit).after(after);
        if let Some(kind) = kind {
            query = query.eq("kind", kind);
        }
        Ok(self.0.catalog.table().find(query).await?)
    }

    /// Removes a plugin that was uploaded. What was made with it keeps its
    /// component.
    pub async fn delete(&self, actor: &Actor, name: &str) -> Result<()> {
        let plugin = self.get(name).await?;
        if plugin.builtin {
            return Err(Error::conflict(format!("{name:?} came with the binary and can't be removed")));
        }
        let users = self.0.functions().of_plugin(name).await?;
        if !users.is_empty() {
            let (names, it) = (users.join(", "), if users.len() == 1 { "it" } else { "them" });
            return Err(Error::conflict(format!(
                "{name:?} answers for the functions {names}; remove {it} or give {it} another plugin first"
            )));
        }
        self.0
            .change(actor, "plugin.deleted", Ref::of(&plugin))
            .delete::<PluginRecord>(name)
            .commit()
            .await?;
        match plugin.kind {
            Kind::Function => self.0.functions().plugin_changed(name).await,
            _ => Ok(()),
        }
    }

    /// The plugin named `name`, which must be of `kind`; `field` is where the
    /// name stands in the request.
    pub async fn of_kind(&self, field: &str, name: &str, kind: Kind) -> Result<PluginRecord> {
        self.arrived(name).await?;
        let found = self.0.catalog.table::<PluginRecord>().get(name).await?;
        match found {
            Some(plugin) if plugin.kind == kind => Ok(plugin),
            Some(plugin) => Err(Error::field(
                field,
                format!("{name:?} is a {} plugin; a {kind} plugin is needed here", plugin.kind),
            )),
            None => {
                let known = self.list(Some(kind), 100, None).await?.items;
                let known: Vec<_> = known.iter().map(|plugin| plugin.name.as_str()).collect();
                Err(Error::field(
                    field,
                    format!("no plugin is named {name:?}; the {kind} plugins are {}", known.join(", ")),
                ))
            }
        }
    }

    /// Where components come from when their code isn't there.
    pub(crate) fn source(&self) -> Source {
        Source::Fetch(Arc::new(FromBlobs(self.0.blobs.clone())))
    }

    /// The component with this digest, ready to be called.
    pub async fn component(&self, digest: &Digest) -> Result<runtime::Plugin> {
        if let Some(plugin) = self.0.compiled.0.lock().get(digest) {
            return Ok(plugin.clone());
        }
        let bytes = self.0.blobs.get(digest).await?;
        let plugin = self.0.runtime.plugin(&digest.to_string(), bytes).await?;
        self.0.compiled.0.lock().insert(*digest, plugin.clone());
        Ok(plugin)
    }

    /// A session with a component under the platform's limits.
    pub async fn session(&self, digest: &Digest, grants: Grants) -> Result<runtime::Session> {
        self.session_for(digest, grants, Duration::from_secs(self.0.options.plugins.deadline_seconds)).await
    }

    /// A session whose calls may take as long as `deadline`.
    pub async fn session_for(
        &self,
        digest: &Digest,
        grants: Grants,
        deadline: Duration,
    ) -> Result<runtime::Session> {
        let limits =
            Limits { deadline, memory_bytes: self.0.options.plugins.memory_bytes, ..Limits::default() };
        // Every kind but scoring may report progress, watched or not.
        let progress = grants.progress.clone().unwrap_or_else(|| Progress::default().capability());
        let grants = Grants { wasi: true, progress: Some(progress), ..grants };
        Ok(self.component(digest).await?.session(limits, grants).await?)
    }
}

/// Holds parameters to the plugin's own schema, before they are kept. What the
/// host fills in later (`filled`) may be missing.
pub fn check_parameters(field: &str, plugin: &PluginRecord, given: &Value, filled: bool) -> Result<()> {
    let empty = json!({});
    let given = if given.is_null() { &empty } else { given };
    let Ok(validator) = jsonschema::validator_for(&plugin.parameters) else {
        return Err(Error::internal(format!("{} describes its parameters with no JSON Schema", plugin.name)));
    };
    let fault = validator.iter_errors(given).find(|error| {
        !(filled && matches!(error.kind(), jsonschema::error::ValidationErrorKind::Required { .. }))
    });
    match fault {
        None => Ok(()),
        Some(error) => {
            let place = format!("{field}{}", error.instance_path());
            Err(Error::field(place, format!("{error}; see the parameters of {:?}", plugin.name)))
        }
    }
}

/// A plugin's parameters as the text that it is given; nothing: `{}`.
pub fn parameters(value: &Value) -> String {
    if value.is_null() { "{}".into() } else { value.to_string() }
}

/// Parameters with members filled in where the caller gave none.
pub fn with_defaults(given: &Value, defaults: Value) -> Result<Value> {
    let mut members = match given {
        Value::Null => serde_json::Map::new(),
        Value::Object(members) => members.clone(),
        other => return Err(Error::field("parameters", format!("{other} is no JSON object"))),
    };
    if let Value::Object(defaults) = defaults {
        for (name, value) in defaults {
            members.entry(name).or_insert(value);
        }
    }
    Ok(Value::Object(members))
}
