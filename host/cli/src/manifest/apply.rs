//! Holding a file against the server, and making it so.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    difference::{self, Field},
    entries::{self, Entry},
    kinds::Kind,
};
use crate::{
    client::{Client, Problem},
    context::Context,
    output::cell,
};

/// Which file.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  modelyard plan --file examples/flights/modelyard.toml\n  modelyard apply --file examples/flights/modelyard.toml"
)]
pub(crate) struct Arguments {
    /// The declarative file: tables such as [[source]], [[experiment]],
    /// [[deployment]] whose fields are those of the HTTP interface.
    #[arg(long, short, default_value = "modelyard.toml", value_name = "FILE")]
    file: PathBuf,
}

/// What has to happen to one entry.
enum Step {
    Same,
    Create,
    /// With the id of the record, where the server made one up.
    Change(Vec<Field>, Option<String>),
}

/// Shows what would happen.
pub(crate) async fn plan(context: &Context, arguments: &Arguments) -> Result<()> {
    let entries = entries::read(&arguments.file)?;
    let mut steps = Vec::new();
    for entry in entries {
        let step = step(&context.client, &entry).await?;
        steps.push((entry, step));
    }
    report(context, &steps, ["to create", "to change"])
}

/// Makes it happen, in an order in which each entry has what it needs. What
/// the server refuses is named at the end; the rest is applied all the same,
/// since a view may have to wait for the rows of a source beside it.
pub(crate) async fn apply(context: &Context, arguments: &Arguments) -> Result<()> {
    let entries = entries::read(&arguments.file)?;
    let mut done = Vec::new();
    let mut refused = Vec::new();
    for entry in entries {
        // Compared only now: what was applied before may decide it.
        let result = async {
            let step = step(&context.client, &entry).await?;
            perform(context, &entry, &step).await?;
            anyhow::Ok(step)
        };
        match result.await {
            Ok(step) => done.push((entry, step)),
            Err(error) if error.chain().any(|cause| cause.is::<Problem>()) => {
                refused.push(format!("{} {}: {}", entry.kind.name(), entry.name, error.root_cause()));
            }
            Err(error) => {
                report(context, &done, ["created", "changed"])?;
                return Err(error.context(format!("{} {}", entry.kind.name(), entry.name)));
            }
        }
    }
    report(context, &done, ["created", "changed"])?;
    match refused.len() {
        0 => Ok(()),
        count => bail!("{count} of {} were not applied:\n  {}", done.len() + count, refused.join("\n  ")),
    }
}

async fn step(client: &Client, entry: &Entry) -> Result<Step> {
    let what = || format!("{} {}", entry.kind.name(), entry.name);
    let there = find(client, entry).await.with_context(what)?;
    let Some(there) = there else {
        return Ok(Step::Create);
    };
    let mut whole = entry.whole.clone();
    match entry.kind {
        Kind::Deployment => resolve(client, &mut whole).await?,
        Kind::Schedule => whole = schedule(whole, &there),
        Kind::Subscription => whole = subscription(whole, &there),
        Kind::Function => whole = function(whole, &there),
        _ => {}
    }
    let fields = difference::fields(&whole, &there);
    let stopped =
        entry.kind == Kind::Deployment && there.get("status").and_then(Value::as_str) == Some("stopped");
    if fields.is_empty() && !stopped {
        return Ok(Step::Same);
    }
    let id = there.get("id").and_then(Value::as_str).map(str::to_owned);
    Ok(Step::Change(fields, id))
}

/// The record as the server has it.
async fn find(client: &Client, entry: &Entry) -> Result<Option<Value>> {
    let path = entry.kind.path();
    match entry.kind {
        // These have no page of their own by that name.
        Kind::Function | Kind::Subscription | Kind::Schedule => {
            let field = if entry.kind == Kind::Schedule { "id" } else { "name" };
            let named = |item: &Value| item.get(field).and_then(Value::as_str) == Some(entry.name.as_str());
            Ok(client.list(path, &[], 0).await?.into_iter().find(named))
        }
        _ => {
            let path: Vec<&str> = path.iter().copied().chain([entry.name.as_str()]).collect();
            client.find(&path).await
        }
    }
}

/// Aliases as the numbers that the server keeps.
async fn resolve(client: &Client, spec: &mut Value) -> Result<()> {
    let model = spec.get("model").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut versions: Vec<&mut Value> = Vec::new();
    if let Value::Object(members) = spec {
        for (name, value) in members {
            match (name.as_str(), value) {
                ("routes", Value::Array(routes)) => {
                    versions.extend(routes.iter_mut().filter_map(|route| route.get_mut("version")));
                }
                ("shadow", shadow @ Value::String(_)) => versions.push(shadow),
                _ => {}
            }
        }
    }
    for version in versions {
        let alias = version.as_str().unwrap_or_default().to_owned();
        if alias.is_empty() || alias.parse::<u32>().is_ok() {
            continue;
        }
        let found = client.find(&["registry", "models", &model, "versions", &alias]).await?;
        if let Some(number) = found.as_ref().and_then(|found| found.get("version")?.as_u64()) {
            *version = number.to_string().into();
        }
    }
    Ok(())
}

/// No time zone is UTC, however the server writes it.
fn schedule(mut whole: Value, there: &Value) -> Value {
    let utc = |value: &Value| matches!(value.as_str(), Some("" | "UTC"));
    if let (Some(wanted), Some(known)) = (whole.get_mut("timezone"), there.get("timezone"))
        && utc(wanted)
        && utc(known)
    {
        *wanted = known.clone();
    }
    whole
}

/// What is left out of a subscription stays as it is; its URL is compared in
/// the form that the server keeps; header values are not shown again, so only
/// their names can be compared.
fn subscription(mut whole: Value, there: &Value) -> Value {
    if let Value::Object(members) = &mut whole {
        members.retain(|_, value| !value.is_null());
        if let Some(url) = members.get_mut("channel").and_then(|channel| channel.get_mut("url"))
            && let Some(parsed) = url.as_str().and_then(|text| url::Url::parse(text).ok())
        {
            *url = parsed.to_string().into();
        }
        let hidden = there.pointer("/channel/headers").and_then(Value::as_object);
        if let Some(Value::Object(headers)) =
            members.get_mut("channel").and_then(|channel| channel.get_mut("headers"))
        {
            let lower = std::mem::take(headers).into_iter().map(|(name, value)| (name.to_lowercase(), value));
            *headers = lower.collect();
            for (name, value) in headers.iter_mut() {
                if let Some(shown) = hidden.and_then(|hidden| hidden.get(name)) {
                    *value = shown.clone();
                }
            }
        }
    }
    whole
}

/// The values of secrets are not shown again, so only their names can be compared.
fn function(mut whole: Value, there: &Value) -> Value {
    let shown = there.get("secrets").and_then(Value::as_object);
    if let Some(Value::Object(secrets)) = whole.get_mut("secrets") {
        for (name, value) in secrets {
            if let Some(shown) = shown.and_then(|shown| shown.get(name)) {
                *value = shown.clone();
            }
        }
    }
    whole
}

async fn perform(context: &Context, entry: &Entry, step: &Step) -> Result<()> {
    let (client, path) = (&context.client, entry.kind.path());
    match (entry.kind, step) {
        (_, Step::Same) => {}
        (Kind::Plugin, _) => {
            let component = entry.component.clone().unwrap_or_default();
            client
                .upload_bytes(path, &[("name", Some(entry.name.clone()))], "application/wasm", component)
                .await?;
        }
        (Kind::Subscription, Step::Create) => {
            let answer = client.send(Method::POST, path, &[], Some(&entry.spec)).await?;
            if let Some(secret) = answer.body.get("secret").and_then(Value::as_str) {
                eprintln!("subscription {}: the signing secret, shown only now: {secret}", entry.name);
            }
            for warning in answer.body.get("warnings").and_then(Value::as_array).into_iter().flatten() {
                eprintln!("subscription {}: {}", entry.name, cell(Some(warning)));
            }
        }
        (Kind::Subscription, Step::Change(_, id)) => {
            let id = id.as_deref().context("the server names no id")?;
            let mut change = entry.spec.clone();
            if let Value::Object(members) = &mut change {
                members.remove("secret");
            }
            client.send(Method::PATCH, &["subscriptions", id], &[], Some(&change)).await?;
        }
        (Kind::Deployment, _) => {
            client.send(Method::PUT, path, &[("reason", Some("apply".into()))], Some(&entry.spec)).await?;
        }
        _ => {
            client.send(Method::PUT, path, &[], Some(&entry.spec)).await?;
        }
    }
    Ok(())
}

fn report(context: &Context, steps: &[(Entry, Step)], words: [&str; 2]) -> Result<()> {
    let mut counts = [0, 0, 0];
    let mut items = Vec::new();
    for (entry, step) in steps {
        let (kind, name) = (entry.kind.name(), &entry.name);
        let (sign, place, fields): (_, _, &[Field]) = match step {
            Step::Create => ("+", 0, &[]),
            Step::Change(fields, _) => ("~", 1, fields),
            Step::Same => ("=", 2, &[]),
        };
        if let Some(count) = counts.get_mut(place) {
            *count += 1;
        }
        context.output.say(&format!("{sign} {kind} {name}"))?;
        for field in fields {
            let shown =
                |value: &Value| if value.is_null() { "nothing".to_owned() } else { value.to_string() };
            context.output.say(&format!(
                "    {}: {} -> {}",
                field.path,
                shown(&field.from),
                shown(&field.to)
            ))?;
        }
        let fields: Vec<_> = fields
            .iter()
            .map(|field| json!({"field": field.path, "from": field.from, "to": field.to}))
            .collect();
        let action = ["create", "change", "same"].get(place).copied();
        items.push(json!({"action": action, "kind": kind, "name": name, "fields": fields}));
    }
    let [created, changed, same] = counts;
    if context.output.is_json() {
        return context.output.json(&Value::Array(items));
    }
    if created + changed == 0 {
        return context.output.say(&format!("nothing to do: all {same} are as the file says"));
    }
    let [create, change] = words;
    context.output.say(&format!("{created} {create}, {changed} {change}, {same} the same"))
}
