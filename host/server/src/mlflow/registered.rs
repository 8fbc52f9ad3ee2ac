//! Registered models: Modelyard's models, in MLflow's words.

use std::collections::{BTreeMap, HashMap};

use axum::{
    Json, Router,
    extract::State,
    routing::{delete, get, patch, post},
};
use modelyard_lifecycle::{
    Code, Platform,
    governance::Role,
    registry::{Model, Registration, Stage},
    tracking::store::search::{Field, Filter, Kind, Subject},
};
use serde_json::{Value, json};

use super::{
    error::{Error, Result},
    request::{Fields, missing},
    search::Search,
    versions,
};
use crate::auth::Caller;

/// The alias under which a model serves.
const CHAMPION: &str = "champion";
/// The longest key and value of a tag in the registry, in characters.
pub(super) const KEY: usize = 250;
pub(super) const VALUE: usize = 100_000;
/// The property that makes a model a prompt.
pub(super) const PROMPT: &str = "mlflow.prompt.is_prompt";

/// The routes of this module.
pub(super) fn routes() -> Router<Platform> {
    Router::new()
        .route("/registered-models/create", post(create))
        .route("/registered-models/get", get(by_name))
        .route("/registered-models/update", patch(update))
        .route("/registered-models/rename", post(rename))
        .route("/registered-models/delete", delete(remove))
        .route("/registered-models/search", get(search))
        .route("/registered-models/get-latest-versions", get(latest).post(latest))
        .route("/registered-models/set-tag", post(set_tag))
        .route("/registered-models/delete-tag", delete(delete_tag))
        .route("/registered-models/alias", get(by_alias).post(set_alias).delete(delete_alias))
}

/// The name of a model, checked as MLflow does.
pub(super) fn name<'a>(fields: &'a Fields, field: &str) -> Result<&'a str> {
    let name = fields.required(field)?;
    if name.trim().is_empty() {
        return Err(missing(field));
    }
    if name.contains(['/', ':']) {
        return Err(Error::invalid(format!("Invalid model name '{name}'. Names cannot contain '/' or ':'.")));
    }
    Ok(name)
}

/// A failure that a model isn't there, in MLflow's words.
pub(super) fn unknown(name: &str) -> impl FnOnce(modelyard_lifecycle::Error) -> Error {
    move |error| Error::from(error).when_missing(|| format!("Registered Model with name={name} not found"))
}

/// A tag of the registry, within its limits.
pub(super) fn check_tag(key: &str, value: &str) -> Result<()> {
    let long = |what: &str, limit: usize| {
        Err(Error::invalid(format!("'{what}' exceeds the maximum length of {limit} characters")))
    };
    if key.chars().count() > KEY {
        return long("key", KEY);
    }
    if value.chars().count() > VALUE {
        return long("value", VALUE);
    }
    Ok(())
}

/// The tags of a request, as a map.
pub(super) fn properties(fields: &Fields) -> Result<BTreeMap<String, String>> {
    let pairs = fields.pairs("tags")?;
    pairs.iter().try_for_each(|(key, value)| check_tag(key, value))?;
    Ok(pairs.into_iter().collect())
}

pub(super) fn tags(properties: &BTreeMap<String, String>) -> Vec<Value> {
    properties.iter().map(|(key, value)| json!({"key": key, "value": value})).collect()
}

/// A model in MLflow's shape.
fn shown(model: &Model, versions: &[&Registration]) -> Value {
    let mut latest: Vec<&&Registration> = Vec::new();
    for stage in Stage::ALL {
        let of_stage = versions.iter().filter(|version| version.stage == stage);
        latest.extend(of_stage.max_by_key(|version| version.version));
    }
    let aliases =
        model.aliases.iter().map(|(alias, version)| json!({"alias": alias, "version": version.to_string()}));
    let mut value = json!({
        "name": model.spec.name,
        "creation_timestamp": model.created_at.micros() / 1000,
        "last_updated_timestamp": model.updated_at.micros() / 1000,
    });
    let mut put = |name: &str, values: Vec<Value>| {
        if let (false, Some(members)) = (values.is_empty(), value.as_object_mut()) {
            members.insert(name.into(), values.into());
        }
    };
    put("latest_versions", latest.iter().map(|version| versions::shown(version, model)).collect());
    put("tags", tags(&model.properties));
    put("aliases", aliases.collect());
    if let (false, Some(members)) = (model.spec.description.is_empty(), value.as_object_mut()) {
        members.insert("description".into(), json!(model.spec.description));
    }
    value
}

async fn answer(platform: &Platform, model: Model) -> Result<Json<Value>> {
    let versions = platform.registry().registrations(Some(&model.spec.name)).await?;
    Ok(Json(json!({"registered_model": shown(&model, &versions.iter().collect::<Vec<_>>())})))
}

async fn create(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    fields: Fields,
) -> Result<Json<Value>> {
    let name = name(&fields, "name")?;
    let properties = properties(&fields)?;
    let prompt = properties.get(PROMPT).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let made = platform.registry().create_model(&actor, name, fields.text("description")?, properties).await;
    match made {
        Ok(model) => answer(&platform, model).await,
        Err(error) if error.code == Code::Conflict => {
            let known = platform.registry().named_model(name).await?.is_prompt();
            let noun = |prompt| if prompt { "Prompt" } else { "Registered Model" };
            Err(Error::exists(match known == prompt {
                true => format!("{} (name={name}) already exists.", noun(prompt)),
                false => format!(
                    "Tried to create a {} with name '{name}', but the name is already taken by a {}. MLflow does not \
                     allow creating a model and a prompt with the same name.",
                    noun(prompt).to_lowercase(),
                    noun(known).to_lowercase()
                ),
            }))
        }
        Err(error) => Err(error.into()),
    }
}

async fn by_name(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    let name = name(&fields, "name")?;
    let model = platform.registry().named_model(name).await.map_err(unknown(name))?;
    answer(&platform, model).await
}

async fn update(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    fields: Fields,
) -> Result<Json<Value>> {
    let name = name(&fields, "name")?;
    let description = fields.text("description")?;
    let model = platform.registry().describe_model(&actor, name, description).await.map_err(unknown(name))?;
    answer(&platform, model).await
}

async fn rename(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    fields: Fields,
) -> Result<Json<Value>> {
    let (from, to) = (name(&fields, "name")?, name(&fields, "new_name")?);
    let registry = platform.registry();
    if registry.named_model(to).await.is_ok() {
        return Err(Error::exists(format!("Registered Model (name={to}) already exists.")));
    }
    let model = registry.rename_model(&actor, from, to).await.map_err(unknown(from))?;
    answer(&platform, model).await
}

async fn remove(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    fields: Fields,
) -> Result<Json<Value>> {
    let name = name(&fields, "name")?;
    platform.registry().delete_model(&actor, name).await.map_err(unknown(name))?;
    Ok(Json(json!({})))
}

/// A model as filters look at it.
struct Seen<'a>(&'a Model);

impl Subject for Seen<'_> {
    fn attribute(&self, key: &str) -> Field<'_> {
        match key {
            "name" => Field::Text(&self.0.spec.name),
            "creation_timestamp" => Field::Integer(self.0.created_at.micros() / 1000),
            "last_updated_timestamp" | "timestamp" => Field::Integer(self.0.updated_at.micros() / 1000),
            _ => Field::Missing,
        }
    }

    fn tag(&self, key: &str) -> Option<&str> {
        self.0.properties.get(key).map(String::as_str)
    }
}

/// Whether a filter asks for prompts. Without that, models alone are meant.
pub(super) fn wants_prompts(filter: &Filter) -> bool {
    use modelyard_lifecycle::tracking::store::search::{Comparator, Entity, Value as Operand};
    filter.clauses().iter().any(|clause| {
        let Operand::Text(value) = &clause.value else { return false };
        let yes = match clause.comparator {
            Comparator::Equal => value.eq_ignore_ascii_case("true"),
            Comparator::NotEqual => value.eq_ignore_ascii_case("false"),
            _ => false,
        };
        clause.entity == Entity::Tag && clause.key == PROMPT && yes
    })
}

async fn search(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    let Search { filter, order, page } =
        Search::read(&platform, &fields, Kind::RegisteredModels, "registered-models", (100, 1000))?;
    let prompts = wants_prompts(&filter);
    let mut found = platform.registry().all_models().await?;
    found.retain(|model| model.is_prompt() == prompts && filter.matches(&Seen(model)));
    found.sort_by(|a, b| order.compare(&Seen(a), &Seen(b)));
    let (items, token) = page.cut(&platform, found);
    let mut versions: HashMap<String, Vec<Registration>> = HashMap::new();
    // One by one for a few, all at once for many.
    let many = items.len() > 8;
    let of_all = if many { platform.registry().registrations(None).await? } else { vec![] };
    for version in of_all {
        versions.entry(version.model.clone()).or_default().push(version);
    }
    let mut shown_models = Vec::with_capacity(items.len());
    for model in &items {
        let name = &model.spec.name;
        if !many {
            versions.insert(name.clone(), platform.registry().registrations(Some(name)).await?);
        }
        let of_model: Vec<&Registration> = versions.get(name).into_iter().flatten().collect();
        shown_models.push(shown(model, &of_model));
    }
    Ok(Json(super::page("registered_models", shown_models, token)))
}

async fn latest(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    let name = name(&fields, "name")?;
    let stages = fields.texts("stages")?;
    let stages: Vec<Stage> = match stages.is_empty() {
        true => Stage::ALL.to_vec(),
        false => stages.iter().map(|stage| versions::stage(stage)).collect::<Result<_>>()?,
    };
    let model = platform.registry().named_model(name).await.map_err(unknown(name))?;
    let all = platform.registry().registrations(Some(name)).await?;
    let of_stage = |stage: &Stage| {
        all.iter().filter(|version| version.stage == *stage).max_by_key(|version| version.version)
    };
    let latest: Vec<Value> =
        stages.iter().filter_map(of_stage).map(|version| versions::shown(version, &model)).collect();
    Ok(Json(super::page("model_versions", latest, None)))
}

async fn set_tag(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    fields: Fields,
) -> Result<Json<Value>> {
    let (name, key, value) = (name(&fields, "name")?, fields.required("key")?, fields.text("value")?);
    check_tag(key, value)?;
    let set = platform.registry().set_model_property(&actor, name, key, Some(value)).await;
    set.map_err(unknown(name))?;
    Ok(Json(json!({})))
}

async fn delete_tag(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    fields: Fields,
) -> Result<Json<Value>> {
    let (name, key) = (name(&fields, "name")?, fields.required("key")?);
    let gone = platform.registry().set_model_property(&actor, name, key, None).await;
    gone.map_err(unknown(name))?;
    Ok(Json(json!({})))
}

/// An alias, checked as MLflow does.
fn alias(fields: &Fields) -> Result<&str> {
    let alias = fields.required("alias")?;
    if !alias.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-')) {
        return Err(Error::invalid(format!(
            "Invalid alias name: '{alias}'. Names may only contain alphanumerics, underscores (_), and dashes (-)."
        )));
    }
    if alias.chars().count() > 255 {
        return Err(Error::invalid(
            "Registered model alias name exceeds the maximum length of 255 characters",
        ));
    }
    Ok(alias)
}

async fn set_alias(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    fields: Fields,
) -> Result<Json<Value>> {
    let (name, alias) = (name(&fields, "name")?, alias(&fields)?);
    if alias.eq_ignore_ascii_case("latest") {
        return Err(Error::invalid("'latest' alias name (case insensitive) is reserved."));
    }
    let digits = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
    if alias.strip_prefix(['v', 'V']).is_some_and(digits) || digits(alias) {
        return Err(Error::invalid(format!("Version alias name '{alias}' is reserved.")));
    }
    // What serves is an operator's to say, as on the rest of the server.
    if alias == CHAMPION && actor.role < Role::Operator {
        let message =
            format!("{} has the role {:?}; this needs {:?} or above", actor.name, actor.role, Role::Operator);
        return Err(modelyard_lifecycle::Error::new(Code::Forbidden, message).into());
    }
    platform.registry().named_model(name).await.map_err(unknown(name))?;
    let version = versions::number(&fields)?;
    let number = version.to_string();
    let reason = "set through the tracking protocol";
    let set = platform.registry().set_alias(&actor, name, alias, &number, reason).await;
    set.map_err(versions::unknown(name, &number))?;
    Ok(Json(json!({})))
}

async fn delete_alias(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    fields: Fields,
) -> Result<Json<Value>> {
    let (name, alias) = (name(&fields, "name")?, alias(&fields)?);
    let model = platform.registry().named_model(name).await.map_err(unknown(name))?;
    // As in MLflow, an alias that isn't there is gone already.
    if model.aliases.contains_key(alias) {
        platform.registry().remove_alias(&actor, name, alias).await?;
    }
    Ok(Json(json!({})))
}

async fn by_alias(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    let (name, alias) = (name(&fields, "name")?, alias(&fields)?);
    let model = platform.registry().named_model(name).await.map_err(unknown(name))?;
    let version = match alias.eq_ignore_ascii_case("latest") {
        true if model.latest > 0 => Some(model.latest),
        _ => model.aliases.get(alias).copied(),
    };
    let version =
        version.ok_or_else(|| Error::invalid(format!("Registered model alias {alias} not found.")))?;
    let found = platform.registry().registration(name, version).await;
    let found = found.map_err(versions::unknown(name, &version.to_string()))?;
    Ok(Json(json!({"model_version": versions::shown(&found, &model)})))
}
