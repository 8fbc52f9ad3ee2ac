//! Subscriptions, deliveries and events.

use axum::{Json, extract::State, http::StatusCode};
use modelyard_catalog::Ref;
use modelyard_lifecycle::{
    Platform,
    governance::Actor,
    notify::{
        Change, Created, Delivery, DeliveryFilter, Event, EventFilter, NewSubscription, Secret, Severity,
        State as Standing, Subscription,
    },
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Items, Paging,
    extract::{Body, Path, Query},
};
use crate::{auth::Caller, problem::Answer};

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .routes(routes!(subscriptions, create))
        .routes(routes!(subscription, update, delete))
        .routes(routes!(test))
        .routes(routes!(rotate_secret))
        .routes(routes!(deliveries))
        .routes(routes!(dead))
        .routes(routes!(redeliver))
        .routes(routes!(events))
}

/// Which deliveries.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Deliveries {
    /// In this state only: `pending`, `delivered`, `dead`, `cancelled`.
    status: Option<Standing>,
    /// To this subscription only.
    subscription: Option<String>,
}

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Events {
    /// Of this stage only.
    stage: Option<String>,
    /// About this model only.
    model: Option<String>,
    /// Of this severity only.
    severity: Option<Severity>,
}

/// A webhook's new signing secret.
#[derive(Debug, Serialize, ToSchema)]
struct Rotated {
    /// It is shown here and never again.
    secret: Secret,
}

/// Writes into the audit trail what was done to a subscription.
async fn record(platform: &Platform, actor: &Actor, action: &str, id: &str) -> Answer<()> {
    Ok(platform.change(actor, action, Ref::new("subscription", id)).commit().await?)
}

/// The subscriptions, by name.
#[utoipa::path(get, path = "/api/v1/subscriptions", tag = "subscriptions", responses((status = 200, body = Items<Subscription>)))]
async fn subscriptions(State(platform): State<Platform>) -> Answer<Json<Items<Subscription>>> {
    Ok(Json(platform.notifier.list().await?.into()))
}

/// Subscribes somebody by mail, or a program by webhook; a webhook's secret is shown once.
#[utoipa::path(post, path = "/api/v1/subscriptions", tag = "subscriptions", request_body = NewSubscription, responses((status = 201, body = Created)))]
async fn create(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Body(new): Body<NewSubscription>,
) -> Answer<(StatusCode, Json<Created>)> {
    let created = platform.notifier.create(new, &actor.name).await?;
    record(&platform, &actor, "subscription.created", &created.subscription.id).await?;
    Ok((StatusCode::CREATED, Json(created)))
}

/// A subscription, without its secrets.
#[utoipa::path(get, path = "/api/v1/subscriptions/{id}", tag = "subscriptions", responses((status = 200, body = Subscription)))]
async fn subscription(
    State(platform): State<Platform>,
    Path(id): Path<String>,
) -> Answer<Json<Subscription>> {
    Ok(Json(platform.notifier.get(&id).await?))
}

/// Changes a subscription; what is left out stays.
#[utoipa::path(patch, path = "/api/v1/subscriptions/{id}", tag = "subscriptions", request_body = Change, responses((status = 200, body = Subscription)))]
async fn update(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Path(id): Path<String>,
    Body(change): Body<Change>,
) -> Answer<Json<Subscription>> {
    let subscription = platform.notifier.update(&id, change).await?;
    record(&platform, &actor, "subscription.changed", &id).await?;
    Ok(Json(subscription))
}

/// Removes a subscription; what was still to be sent to it is cancelled.
#[utoipa::path(delete, path = "/api/v1/subscriptions/{id}", tag = "subscriptions", responses((status = 204)))]
async fn delete(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    platform.notifier.delete(&id).await?;
    record(&platform, &actor, "subscription.deleted", &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends a test to one subscriber and says how that went.
#[utoipa::path(post, path = "/api/v1/subscriptions/{id}/test", tag = "subscriptions", responses((status = 200, body = Delivery)))]
async fn test(State(platform): State<Platform>, Path(id): Path<String>) -> Answer<Json<Delivery>> {
    Ok(Json(platform.notifier.test(&id).await?))
}

/// Gives a webhook another signing secret; the old one signs beside it for a while.
#[utoipa::path(post, path = "/api/v1/subscriptions/{id}/rotate-secret", tag = "subscriptions", responses((status = 200, body = Rotated)))]
async fn rotate_secret(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Answer<Json<Rotated>> {
    let secret = platform.notifier.rotate_secret(&id).await?;
    record(&platform, &actor, "subscription.secret_rotated", &id).await?;
    Ok(Json(Rotated { secret }))
}

/// Deliveries with their attempts, latest first.
#[utoipa::path(get, path = "/api/v1/deliveries", tag = "subscriptions", responses((status = 200, body = Items<Delivery>)))]
async fn deliveries(
    State(platform): State<Platform>,
    Query(which): Query<Deliveries>,
    Query(page): Query<Paging>,
) -> Answer<Json<Items<Delivery>>> {
    let filter = DeliveryFilter {
        subscription_id: which.subscription,
        state: which.status,
        limit: Some(page.limit()),
        after: page.after,
    };
    Ok(Json(platform.notifier.deliveries(filter).await?.into()))
}

/// Deliveries that were given up, latest first.
#[utoipa::path(get, path = "/api/v1/deliveries/dead", tag = "subscriptions", responses((status = 200, body = Items<Delivery>)))]
async fn dead(State(platform): State<Platform>, Query(page): Query<Paging>) -> Answer<Json<Items<Delivery>>> {
    let (limit, after) = (Some(page.limit()), page.after);
    let filter = DeliveryFilter { state: Some(Standing::Dead), limit, after, ..DeliveryFilter::default() };
    Ok(Json(platform.notifier.deliveries(filter).await?.into()))
}

/// Sends a delivery again, under the id it had.
#[utoipa::path(post, path = "/api/v1/deliveries/{id}/redeliver", tag = "subscriptions", responses((status = 200, body = Delivery)))]
async fn redeliver(State(platform): State<Platform>, Path(id): Path<String>) -> Answer<Json<Delivery>> {
    Ok(Json(platform.notifier.redeliver(&id).await?))
}

/// What happened, latest first.
#[utoipa::path(get, path = "/api/v1/events", tag = "subscriptions", responses((status = 200, body = Items<Event>)))]
async fn events(
    State(platform): State<Platform>,
    Query(which): Query<Events>,
    Query(page): Query<Paging>,
) -> Answer<Json<Items<Event>>> {
    let Events { stage, model, severity } = which;
    let (limit, after) = (Some(page.limit()), page.after);
    Ok(Json(platform.notifier.events(EventFilter { stage, model, severity, limit, after }).await?.into()))
}
