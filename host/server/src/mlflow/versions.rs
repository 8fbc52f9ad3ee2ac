//! Versions of registered models.

use axum::{
    Json, Router,
    extract::State,
    http::HeaderMap,
    response::Response,
    routing::{delete, get, patch, post},
};
use modelyard_lifecycle::{
    Platform,
    registry::{Model, Registration, Stage},
    tracking::{
        Wanted,
        store::search::{Field, Filter, Kind, Subject},
    },
};
use serde_json::{Value, json};

use super::{
    artifacts,
    error::{Error, Result},
    registered::{self, check_tag, name, properties, tags, wants_prompts},
    request::Fields,
    search::Search,
};
use crate::auth::Caller;

/// The routes of this module.
pub(super) fn routes() -> Router<Platform> {
    Router::new()
        .route("/model-versions/create", post(create))
        .route("/model-versions/get", get(by_number))
        .route("/model-versions/update", patch(update))
        .route("/model-versions/delete", delete(remove))
        .route("/model-versions/search", get(search))
        .route("/model-versions/get-download-uri", get(location))
        .route("/model-versions/get-artifact", get(file))
        .route("/model-versions/transition-stage", post(transition))
        .route("/model-versions/set-tag", post(set_tag))
        .route("/model-versions/delete-tag", delete(delete_tag))
}

/// A version's number, which is a text.
pub(super) fn number(fields: &Fields) -> Result<u32> {
    let text = match fields.get("version") {
        Some(Value::Number(number)) => number.to_string(),
        _ => fields.required("version")?.to_owned(),
    };
    let number: i64 = text
        .trim()
        .parse()
        .map_err(|_| Error::invalid(format!("Parameter 'version' must be an integer, got '{text}'.")))?;
    // A number that no version has.
    Ok(u32::try_from(number).unwrap_or(0))
}

/// A failure that a version isn't there, in MLflow's words.
pub(super) fn unknown(name: &str, version: &str) -> impl FnOnce(modelyard_lifecycle::Error) -> Error {
    move |error| {
        Error::from(error)
            .when_missing(|| format!("Model Version (name={name}, version={version}) not found"))
    }
}

/// A stage by its name.
pub(super) fn stage(name: &str) -> Result<Stage> {
    Stage::named(name).ok_or_else(|| {
        Error::invalid(format!(
            "Invalid Model Version stage: {name}. Value must be one of None, Staging, Production, Archived."
        ))
    })
}

/// A version in MLflow's shape. What it can't be deployed for stands where MLflow
/// says more of a status.
pub(super) fn shown(version: &Registration, model: &Model) -> Value {
    let number = version.version.to_string();
    let mut value = json!({
        "name": version.model,
        "version": number,
        "creation_timestamp": version.created_at.micros() / 1000,
        "last_updated_timestamp": version.updated_at.micros() / 1000,
        "user_id": version.created_by,
        "current_stage": version.stage.name(),
        "source": version.source,
        "run_id": version.run.as_deref().unwrap_or_default(),
        "status": "READY",
    });
    let Some(members) = value.as_object_mut() else { return value };
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            members.insert(name.into(), value);
        }
    };
    let list = |values: Vec<Value>| (!values.is_empty()).then(|| Value::from(values));
    put("description", (!version.description.is_empty()).then(|| json!(version.description)));
    put("status_message", version.obstacle.as_ref().map(|why| json!(format!("not deployable: {why}"))));
    put("run_link", version.run_link.as_ref().map(|link| json!(link)));
    put("model_id", version.logged_model.as_ref().map(|id| json!(id)));
    put("tags", list(tags(&version.properties)));
    let aliases = model.aliases.iter().filter(|(_, named)| **named == version.version);
    put("aliases", list(aliases.map(|(alias, _)| json!(alias)).collect()));
    value
}

async fn answer(platform: &Platform, version: Registration) -> Result<Json<Value>> {
    let model = platform.registry().named_model(&version.model).await?;
    Ok(Json(json!({"model_version": shown(&version, &model)})))
}

async fn create(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    fields: Fields,
) -> Result<Json<Value>> {
    let text = |name: &str| Ok::<_, Error>(fields.filled(name)?.map(str::to_owned));
    let model = name(&fields, "name")?;
    let wanted = Wanted {
        model: model.to_owned(),
        source: fields.required("source")?.to_owned(),
        run: text("run_id")?,
        logged_model: text("model_id")?,
        run_link: text("run_link")?,
        description: fields.text("description")?.to_owned(),
        properties: properties(&fields)?,
    };
    platform.registry().named_model(model).await.map_err(registered::unknown(model))?;
    let version = platform.tracked().register(&actor, wanted).await?;
    answer(&platform, version).await
}

async fn by_number(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    let (_, version) = find(&platform, &fields).await?;
    answer(&platform, version).await
}

/// The version that a request names.
async fn find(platform: &Platform, fields: &Fields) -> Result<(Model, Registration)> {
    let (name, number) = (name(fields, "name")?, number(fields)?);
    let missing = || unknown(name, fields.text("version").unwrap_or_default());
    let model = platform.registry().named_model(name).await.map_err(missing())?;
    Ok((model, platform.registry().registration(name, number).await.map_err(missing())?))
}

async fn update(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    fields: Fields,
) -> Result<Json<Value>> {
    let (_, version) = find(&platform, &fields).await?;
    let description = fields.text("description")?;
    let registry = platform.registry();
    answer(&platform, registry.describe_version(&actor, &version.model, version.version, description).await?)
        .await
}

async fn remove(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    fields: Fields,
) -> Result<Json<Value>> {
    let (_, version) = find(&platform, &fields).await?;
    platform.registry().delete_version(&actor, &version.model, version.version).await?;
    Ok(Json(json!({})))
}

async fn location(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    let (_, version) = find(&platform, &fields).await?;
    Ok(Json(json!({"artifact_uri": version.location})))
}

async fn file(State(platform): State<Platform>, headers: HeaderMap, fields: Fields) -> Result<Response> {
    let (_, version) = find(&platform, &fields).await?;
    let path = artifacts::below(&version.location, fields.required("path")?)?;
    artifacts::send(&platform, path, &headers, true).await
}

async fn transition(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    fields: Fields,
) -> Result<Json<Value>> {
    let wanted = fields.required("stage")?;
    let stage = stage(wanted)?;
    let alone = fields.boolean("archive_existing_versions")?.unwrap_or_default();
    if alone && !matches!(stage, Stage::Staging | Stage::Production) {
        return Err(Error::invalid(format!(
            "Model version transition cannot archive existing model versions because '{wanted}' is not an Active \
             stage. Valid stages are ['Staging', 'Production']"
        )));
    }
    let (_, version) = find(&platform, &fields).await?;
    let registry = platform.registry();
    answer(&platform, registry.set_stage(&actor, &version.model, version.version, stage, alone).await?).await
}

async fn set_tag(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    fields: Fields,
) -> Result<Json<Value>> {
    let (key, value) = (fields.required("key")?, fields.text("value")?);
    check_tag(key, value)?;
    let (_, version) = find(&platform, &fields).await?;
    let registry = platform.registry();
    registry.set_version_property(&actor, &version.model, version.version, key, Some(value)).await?;
    Ok(Json(json!({})))
}

async fn delete_tag(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    fields: Fields,
) -> Result<Json<Value>> {
    let key = fields.required("key")?;
    let (_, version) = find(&platform, &fields).await?;
    platform.registry().set_version_property(&actor, &version.model, version.version, key, None).await?;
    Ok(Json(json!({})))
}

/// A version as filters look at it.
struct Seen<'a>(&'a Registration);

impl Subject for Seen<'_> {
    fn attribute(&self, key: &str) -> Field<'_> {
        let version = self.0;
        match key {
            "name" => Field::Text(&version.model),
            "version" | "version_number" => Field::Integer(i64::from(version.version)),
            "run_id" => version.run.as_deref().map_or(Field::Missing, Field::Text),
            "source_path" | "source" => Field::Text(&version.source),
            "creation_timestamp" => Field::Integer(version.created_at.micros() / 1000),
            "last_updated_timestamp" | "timestamp" => Field::Integer(version.updated_at.micros() / 1000),
            _ => Field::Missing,
        }
    }

    fn tag(&self, key: &str) -> Option<&str> {
        self.0.properties.get(key).map(String::as_str)
    }
}

async fn search(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    let pages = (200_000, 200_000);
    let Search { filter, order, page } =
        Search::read(&platform, &fields, Kind::ModelVersions, "model-versions", pages)?;
    let prompts = wants_prompts(&filter);
    let models = platform.registry().all_models().await?;
    let known: std::collections::HashMap<&str, &Model> =
        models.iter().map(|model| (model.spec.name.as_str(), model)).collect();
    let mut found = platform.registry().registrations(named(&filter)).await?;
    found.retain(|version| {
        known.get(version.model.as_str()).is_some_and(|model| model.is_prompt() == prompts)
            && filter.matches(&Seen(version))
    });
    found.sort_by(|a, b| order.compare(&Seen(a), &Seen(b)));
    let (items, token) = page.cut(&platform, found);
    let shown = items.iter().filter_map(|version| Some(shown(version, known.get(version.model.as_str())?)));
    Ok(Json(super::page("model_versions", shown.collect::<Vec<_>>(), token)))
}

/// The one model whose versions a filter finds, if it names one.
fn named(filter: &Filter) -> Option<&str> {
    use modelyard_lifecycle::tracking::store::search::{Comparator, Entity, Value as Operand};
    filter.clauses().iter().find_map(|clause| match (&clause.entity, clause.comparator, &clause.value) {
        (Entity::Attribute, Comparator::Equal, Operand::Text(name)) if clause.key == "name" => {
            Some(name.as_str())
        }
        _ => None,
    })
}
