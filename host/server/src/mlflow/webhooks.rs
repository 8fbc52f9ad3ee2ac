//! Webhooks of the model registry: subscriptions that are told as MLflow does.

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{get, post},
};
use modelyard_catalog::Ref;
use modelyard_lifecycle::{
    Platform,
    governance::Actor,
    notify::{
        self, Change, Channel, Filter, MLFLOW_EVENTS, NewSubscription, Secret, State as Standing,
        Subscription,
    },
};
use serde_json::{Value, json};

use super::{
    error::{Error, Result},
    request::{Fields, integer, missing, wrong},
    search::Page,
};
use crate::auth::Caller;

/// The entities and actions as protobuf numbers them.
const ENTITIES: [&str; 10] = [
    "registered_model",
    "model_version",
    "model_version_tag",
    "model_version_alias",
    "prompt",
    "prompt_version",
    "prompt_tag",
    "prompt_version_tag",
    "prompt_alias",
    "budget_policy",
];
const ACTIONS: [&str; 5] = ["created", "updated", "deleted", "set", "exceeded"];

/// The routes of this module.
pub(super) fn routes() -> Router<Platform> {
    Router::new()
        .route("/webhooks", get(list).post(create))
        .route("/webhooks/{webhook}", get(by_id).patch(update).delete(remove))
        .route("/webhooks/{webhook}/test", post(test))
}

impl From<notify::Error> for Error {
    fn from(error: notify::Error) -> Self {
        modelyard_lifecycle::Error::from(error).into()
    }
}

/// A word of a list by its name in capitals, or by its number from 1 on.
fn word<'a>(value: &Value, words: &[&'a str]) -> Option<&'a str> {
    match value {
        Value::String(name) if integer(value).is_none() => {
            words.iter().find(|word| word.eq_ignore_ascii_case(name)).copied()
        }
        other => words.get(usize::try_from(integer(other)?).ok()?.checked_sub(1)?).copied(),
    }
}

/// The name of an event that a request describes.
fn event(fields: &Fields, place: &str) -> Result<String> {
    let part = |name: &str, words: &[&'static str]| {
        let value = fields.get(name).ok_or_else(|| missing(&format!("{place}.{name}")))?;
        word(value, words).ok_or_else(|| wrong(&format!("{place}.{name}"), value))
    };
    let (entity, action) = (part("entity", &ENTITIES)?, part("action", &ACTIONS)?);
    let name = format!("{entity}.{action}");
    if MLFLOW_EVENTS.contains(&name.as_str()) {
        return Ok(name);
    }
    let valid = MLFLOW_EVENTS.iter().filter_map(|known| known.strip_prefix(entity)?.strip_prefix('.'));
    Err(Error::invalid(format!(
        "Invalid action '{action}' for entity '{entity}'. Valid actions are: {}",
        valid.collect::<Vec<_>>().join(", ")
    )))
}

fn events(fields: &Fields) -> Result<Vec<String>> {
    let sent = fields.objects("events")?;
    sent.iter().enumerate().map(|(at, fields)| event(fields, &format!("events[{at}]"))).collect()
}

/// Whether a webhook is to be called, if the request says so.
fn enabled(fields: &Fields) -> Result<Option<bool>> {
    let Some(value) = fields.get("status") else { return Ok(None) };
    let status = word(value, &["ACTIVE", "DISABLED"]).ok_or_else(|| wrong("status", value))?;
    Ok(Some(status == "ACTIVE"))
}

/// A name as MLflow wants it.
fn check_name(name: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let ends = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric());
    if ends && name.len() <= 63 && name.chars().all(plain) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "Webhook name '{name}' is invalid. It must start and end with a letter or digit, be less than 63 characters \
         long, and contain only letters, digits, dots (.), underscores (_), and hyphens (-)."
    )))
}

/// A webhook in MLflow's shape; none: the subscription is another's.
fn shown(subscription: &Subscription) -> Option<Value> {
    let Channel::Mlflow { name, description, url, events } = &subscription.channel else { return None };
    let part = |text: &str| json!(text.to_uppercase());
    let event = |name: &String| {
        name.split_once('.').map(|(entity, action)| json!({"entity": part(entity), "action": part(action)}))
    };
    let at = subscription.created_at.micros() / 1000;
    let mut value = json!({
        "webhook_id": subscription.id,
        "name": name,
        "url": url,
        "events": events.iter().filter_map(event).collect::<Vec<_>>(),
        "status": if subscription.enabled { "ACTIVE" } else { "DISABLED" },
        "creation_timestamp": at,
        "last_updated_timestamp": at,
    });
    if let (Some(text), Some(members)) = (description, value.as_object_mut()) {
        members.insert("description".into(), json!(text));
    }
    Some(value)
}

async fn record(platform: &Platform, actor: &Actor, action: &str, id: &str) -> Result<()> {
    Ok(platform.change(actor, action, Ref::new("subscription", id)).commit().await?)
}

async fn create(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    fields: Fields,
) -> Result<Json<Value>> {
    let name = fields.required("name")?;
    check_name(name)?;
    let url = fields.required("url")?.to_owned();
    let events = events(&fields)?;
    if events.is_empty() {
        return Err(missing("events"));
    }
    let description = fields.filled("description")?.map(str::to_owned);
    let new = NewSubscription {
        // Names of subscriptions are unique, MLflow's are not.
        name: format!("{name} {}", uuid::Uuid::new_v4().simple()),
        channel: Channel::Mlflow { name: name.to_owned(), description, url, events },
        filter: Filter { stages: vec!["registry".into()], ..Filter::default() },
        fold_window_seconds: Some(0),
        enabled: enabled(&fields)?,
        secret: fields.filled("secret")?.map(Secret::new),
    };
    let made = platform.notifier.create(new, &actor.name).await?.subscription;
    record(&platform, &actor, "subscription.created", &made.id).await?;
    Ok(Json(json!({"webhook": shown(&made)})))
}

async fn list(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    let most = fields.integer("max_results")?.filter(|most| *most != 0).unwrap_or(100);
    if !(1..=1000).contains(&most) {
        return Err(Error::invalid("max_results must be between 1 and 1000."));
    }
    let page = Page::open(&platform, &fields, vec!["webhooks".to_owned()], most)?;
    let mut all = platform.notifier.list().await?;
    all.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
    let webhooks: Vec<Value> = all.iter().filter_map(shown).collect();
    let (items, token) = page.cut(&platform, webhooks);
    Ok(Json(super::page("webhooks", items, token)))
}

/// The webhook of this id.
async fn find(platform: &Platform, id: &str) -> Result<Subscription> {
    let missing = || Error::not_found(format!("Webhook with ID {id} not found."));
    let found =
        platform.notifier.get(id).await.map_err(|error| {
            Error::from(error).when_missing(|| format!("Webhook with ID {id} not found."))
        })?;
    if matches!(found.channel, Channel::Mlflow { .. }) { Ok(found) } else { Err(missing()) }
}

async fn by_id(State(platform): State<Platform>, Path(id): Path<String>) -> Result<Json<Value>> {
    Ok(Json(json!({"webhook": shown(&find(&platform, &id).await?)})))
}

async fn update(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Json<Value>> {
    let Channel::Mlflow { name, description, url, events: known } = find(&platform, &id).await?.channel
    else {
        return Err(Error::not_found(format!("Webhook with ID {id} not found.")));
    };
    let sent = events(&fields)?;
    let renamed = fields.filled("name")?;
    renamed.map_or(Ok(()), check_name)?;
    let channel = Channel::Mlflow {
        name: renamed.map_or(name, str::to_owned),
        description: fields.maybe("description")?.map(str::to_owned).or(description),
        url: fields.filled("url")?.map_or(url, str::to_owned),
        events: if sent.is_empty() { known } else { sent },
    };
    let change = Change { channel: Some(channel), enabled: enabled(&fields)?, ..Change::default() };
    let changed = platform.notifier.update(&id, change).await?;
    if let Some(secret) = fields.maybe("secret")? {
        let secret = Some(secret).filter(|secret| !secret.is_empty()).map(Secret::new);
        platform.notifier.set_secret(&id, secret).await?;
    }
    record(&platform, &actor, "subscription.changed", &id).await?;
    Ok(Json(json!({"webhook": shown(&changed)})))
}

async fn remove(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>> {
    find(&platform, &id).await?;
    platform.notifier.delete(&id).await?;
    record(&platform, &actor, "subscription.deleted", &id).await?;
    Ok(Json(json!({})))
}

async fn test(
    State(platform): State<Platform>,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Json<Value>> {
    find(&platform, &id).await?;
    let name = match fields.object("event")? {
        Some(sent) => Some(event(&sent, "event")?),
        None => None,
    };
    let delivery = platform.notifier.test_as(&id, name.as_deref()).await?;
    let last = delivery.history.last();
    let mut result = json!({"success": delivery.state == Standing::Delivered});
    if let Some(members) = result.as_object_mut() {
        if let Some(status) = last.and_then(|attempt| attempt.status) {
            members.insert("response_status".into(), json!(status));
        }
        if let Some(error) = last.and_then(|attempt| attempt.error.as_ref()) {
            members.insert("error_message".into(), json!(error));
        }
    }
    Ok(Json(json!({"result": result})))
}
