//! The link in every mail: a page with a button, and what the button or a mail
//! program does (RFC 8058). Open to everybody who has the link.

use axum::{extract::State, response::Html};
use modelyard_lifecycle::Platform;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::extract::Query;
use crate::problem::Answer;

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(page, unsubscribe))
}

/// Which subscription.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Link {
    /// The token in the link.
    token: String,
}

/// A page that asks whether to end a subscription; looking at it changes nothing.
#[utoipa::path(
    get,
    path = "/api/v1/subscriptions/unsubscribe",
    tag = "subscriptions",
    responses((status = 200, body = String, content_type = "text/html"))
)]
async fn page(State(platform): State<Platform>, Query(link): Query<Link>) -> Answer<Html<String>> {
    let subscription = platform.notifier.by_token(&link.token).await?;
    let name = escaped(&subscription.name);
    Ok(html(&if subscription.enabled {
        format!(
            "<p>End the subscription <b>{name}</b>?</p>\
             <form method=\"post\"><button>Unsubscribe</button></form>"
        )
    } else {
        format!("<p>The subscription <b>{name}</b> is off already.</p>")
    }))
}

/// Ends a subscription; doing it twice is no error.
#[utoipa::path(
    post,
    path = "/api/v1/subscriptions/unsubscribe",
    tag = "subscriptions",
    responses((status = 200, body = String, content_type = "text/html"))
)]
async fn unsubscribe(State(platform): State<Platform>, Query(link): Query<Link>) -> Answer<Html<String>> {
    let subscription = platform.notifier.unsubscribe(&link.token).await?;
    Ok(html(&format!("<p>The subscription <b>{}</b> has ended.</p>", escaped(&subscription.name))))
}

fn html(content: &str) -> Html<String> {
    Html(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Modelyard</title>\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <body style=\"font-family:system-ui;max-width:32rem;margin:4rem auto;padding:0 1rem\">{content}</body></html>"
    ))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_no_markup() {
        assert_eq!(escaped("<b a=\"&\">"), "&lt;b a=&quot;&amp;&quot;&gt;");
    }
}
