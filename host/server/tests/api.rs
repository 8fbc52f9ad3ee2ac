//! The native REST surface over a real connection.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "api/inference.rs"]
mod inference;

use modelyard_clock::Clock;
use modelyard_lifecycle::{Options as PlatformOptions, Platform, notify, runtime};
use modelyard_server::{Options, app};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

/// A server on a port of its own.
struct Server {
    base: String,
    client: reqwest::Client,
    _dir: tempfile::TempDir,
}

impl Server {
    async fn start() -> Self {
        Self::with(Clock::system(), Options::default()).await
    }

    async fn with(clock: Clock, options: Options) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = PlatformOptions::at(dir.path());
        settings.worker = runtime::Worker::InProcess;
        settings.notify = notify::Options::default();
        let platform = Platform::open(settings, clock).await.unwrap();
        let router = app(platform, &options).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { base, client: reqwest::Client::new(), _dir: dir }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let path = if path.starts_with("/v2") || path == "/openapi.json" || path.starts_with("/nothing") {
            path.to_owned()
        } else {
            format!("/api/v1{path}")
        };
        self.client.request(method, format!("{}{path}", self.base))
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        answer(self.request(Method::GET, path)).await
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        answer(self.request(Method::POST, path).json(&body)).await
    }

    async fn put(&self, path: &str, body: Value) -> (StatusCode, Value) {
        answer(self.request(Method::PUT, path).json(&body)).await
    }

    async fn text(&self, method: Method, path: &str, kind: &str, body: &str) -> (StatusCode, Value) {
        let request = self.request(method, path).header("content-type", kind).body(body.to_owned());
        answer(request).await
    }
}

async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{status}");
    }
    let text = response.text().await.unwrap();
    (status, if text.is_empty() { Value::Null } else { serde_json::from_str(&text).expect(&text) })
}

/// The problem has its members, and is about `field`.
fn problem((status, problem): (StatusCode, Value), code: u16, field: Option<&str>) -> String {
    assert_eq!(status.as_u16(), code, "{problem}");
    assert_eq!(problem["status"], code);
    assert!(problem["type"].as_str().unwrap().starts_with("https://modelyard.dev/problems/"), "{problem}");
    assert!(!problem["title"].as_str().unwrap().is_empty() && !problem["code"].as_str().unwrap().is_empty());
    assert_eq!(problem["location"]["field"].as_str(), field, "{problem}");
    problem["detail"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_problems_that_say_where() {
    let server = Server::start().await;
    assert!(problem(server.get("/nothing").await, 404, None).contains("/nothing"));
    assert!(problem(server.get("/registry/models/nobody").await, 404, None).contains("nobody"));
    let detail = problem(answer(server.request(Method::PATCH, "/plugins")).await, 405, None);
    assert!(detail.contains("PATCH"), "{detail}");

    let models = "/registry/models";
    let put = |body: &'static str| server.text(Method::PUT, models, "application/json", body);
    assert!(problem(put("{\"name\": ").await, 400, None).contains("no JSON"));
    assert!(problem(put(r#"{"name": 7}"#).await, 400, Some("name")).contains("string"));
    problem(put(r#"{"name": "late", "ownr": "ana"}"#).await, 400, Some("ownr"));
    problem(put("{}").await, 400, Some("name"));
    problem(put(r#"{"name": "../late"}"#).await, 400, Some("name"));
    let detail =
        problem(server.text(Method::PUT, models, "text/plain", r#"{"name": "late"}"#).await, 415, None);
    assert!(detail.contains("text/plain") && detail.contains("application/json"), "{detail}");
    problem(server.get("/registry/models?limit=many").await, 400, Some("limit"));
    problem(server.get("/registry/models?after=nonsense").await, 400, None);
    problem(server.get("/plugins?kind=magic").await, 400, Some("kind"));
    problem(server.get("/registry/models/late/compare?left=1").await, 400, Some("right"));
    problem(
        server.put("/experiments", json!({"name": "e", "spine": {"from": "soon"}})).await,
        400,
        Some("spine.from"),
    );
    problem(server.post("/clock/advance", json!({"to": "2030-01-01"})).await, 409, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn schedules_and_subscriptions_are_checked() {
    let server = Server::start().await;
    let draft = |cron: &str, zone: &str, kind: &str| json!({"name": "n", "cron": cron, "timezone": zone, "job": {"kind": kind, "target": "x"}});
    let put = |draft: Value| server.put("/schedules", draft);
    problem(put(draft("61 * * * *", "UTC", "monitoring.check")).await, 400, Some("cron"));
    let detail =
        problem(put(draft("@daily", "Europe/Berln", "monitoring.check")).await, 400, Some("timezone"));
    assert!(detail.contains("Europe/Berlin"), "{detail}");
    problem(put(draft("@daily", "UTC", "cook")).await, 400, Some("job.kind"));
    problem(answer(server.request(Method::DELETE, "/schedules/none")).await, 404, None);
    problem(answer(server.request(Method::POST, "/schedules/none/pause")).await, 404, None);

    let (status, schedule) = put(draft("@daily", "Europe/Berlin", "monitoring.check")).await;
    assert_eq!(status, 200, "{schedule}");
    let id = schedule["id"].as_str().unwrap();
    let (_, paused) = answer(server.request(Method::POST, &format!("/schedules/{id}/pause"))).await;
    assert_eq!((&paused["enabled"], &paused["next_at"]), (&json!(false), &Value::Null));
    assert_eq!(server.get("/schedules").await.1["items"].as_array().unwrap().len(), 1);
    let (status, _) = answer(server.request(Method::DELETE, &format!("/schedules/{id}"))).await;
    assert_eq!(status, 204);
    let (_, ticks) = server.post("/schedules/preview", json!({"cron": "0 6 * * *", "count": 3})).await;
    assert_eq!(ticks["next"].as_array().unwrap().len(), 3);

    let email = |address: &str| json!({"name": "ops", "channel": {"type": "email", "address": address}});
    problem(server.post("/subscriptions", email("ops@")).await, 400, Some("channel.address"));
    let hook = json!({"name": "hook", "channel": {"type": "webhook", "url": "http://10.0.0.1/x"}});
    let detail = problem(server.post("/subscriptions", hook).await, 400, Some("channel.url"));
    assert!(detail.contains("allow_private"), "{detail}");
    let (status, created) = server.post("/subscriptions", email("ops@example.com")).await;
    assert_eq!(status, 201, "{created}");
    assert!(!created["warnings"].as_array().unwrap().is_empty());
    problem(server.post("/subscriptions", email("ops@example.com")).await, 409, None);
    let path = format!("/subscriptions/{}", created["subscription"]["id"].as_str().unwrap());
    let change = server.request(Method::PATCH, &path).json(&json!({"enabled": false}));
    assert_eq!(answer(change).await.1["enabled"], false);
    problem(answer(server.request(Method::POST, &format!("{path}/rotate-secret"))).await, 409, None);
    problem(server.get("/subscriptions/unsubscribe?token=none").await, 404, None);
    assert_eq!(server.get("/deliveries?status=dead").await.1, json!({"items": [], "next": null}));
    problem(server.get("/deliveries?status=lost").await, 400, Some("status"));
    let (_, audit) = server.get("/governance/audit").await;
    assert!(audit["items"].to_string().contains("subscription.created"));
    assert_eq!(server.get("/governance/audit/verify").await.1["intact"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_give_roles() {
    let server = Server::start().await;
    let model = json!({"name": "late"});
    assert_eq!(server.put("/registry/models", model.clone()).await.0, 200);
    let mut secrets = Vec::new();
    for role in ["admin", "viewer"] {
        let bearer = secrets.first().cloned().unwrap_or_default();
        let request =
            server.request(Method::POST, "/governance/tokens").json(&json!({"name": role, "role": role}));
        let request = if secrets.is_empty() { request } else { request.bearer_auth(bearer) };
        let (status, token) = answer(request).await;
        assert_eq!(status, 201, "{token}");
        secrets.push(token["token"].as_str().unwrap().to_owned());
    }
    let (admin, viewer) = (&secrets[0], &secrets[1]);
    problem(server.get("/registry/models").await, 401, None);
    problem(answer(server.request(Method::GET, "/registry/models").bearer_auth("my_wrong")).await, 401, None);
    let read = server.request(Method::GET, "/registry/models").bearer_auth(viewer);
    assert_eq!(answer(read).await.0, 200);
    let write =
        |secret: &String| server.request(Method::PUT, "/registry/models").bearer_auth(secret).json(&model);
    let detail = problem(answer(write(viewer)).await, 403, None);
    assert!(detail.contains("Developer"), "{detail}");
    assert_eq!(answer(write(admin)).await.0, 200);
    let (_, tokens) = answer(server.request(Method::GET, "/governance/tokens").bearer_auth(admin)).await;
    assert!(!tokens.to_string().contains("hash"), "{tokens}");
    let revoke = server.request(Method::DELETE, "/governance/tokens/viewer").bearer_auth(admin);
    assert_eq!(answer(revoke).await.0, 204);
    problem(answer(server.request(Method::GET, "/registry/models").bearer_auth(viewer)).await, 401, None);
    assert_eq!(server.request(Method::GET, "/v2/health/live").send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_sent_twice_is_done_once() {
    let server = Server::start().await;
    let subscribe = |name: &str| {
        let body = json!({"name": name, "channel": {"type": "email", "address": "ops@example.com"}});
        server.request(Method::POST, "/subscriptions").header("idempotency-key", "k1").json(&body)
    };
    let first = subscribe("ops").send().await.unwrap();
    assert_eq!((first.status().as_u16(), first.headers().get("idempotent-replay")), (201, None));
    let again = subscribe("ops").send().await.unwrap();
    assert_eq!(again.status(), 201);
    assert_eq!(again.headers()["idempotent-replay"], "true");
    assert_eq!(again.text().await.unwrap(), first.text().await.unwrap());
    problem(answer(subscribe("other")).await, 422, None);
    assert_eq!(server.get("/subscriptions").await.1["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_come_in_pages() {
    let server = Server::start().await;
    for name in ["a", "b", "c"] {
        assert_eq!(server.put("/registry/models", json!({"name": name})).await.0, 200);
    }
    let (mut names, mut path) = (Vec::new(), "/registry/models?limit=2".to_owned());
    loop {
        let (status, page) = server.get(&path).await;
        assert_eq!(status, 200, "{page}");
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        names.extend(items.iter().map(|model| model["name"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => path = format!("/registry/models?limit=2&after={next}"),
            None => break,
        }
    }
    assert_eq!(names, ["a", "b", "c"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_uploaded_queried_and_versioned() {
    let server =
        Server::with(Clock::system(), Options { max_upload_bytes: 1_000, ..Options::default() }).await;
    let rows = "/ingestion/datasets/birds/rows";
    let csv = "name,mass,wild\nalbatross,8.5,true\nsparrow,0.03,true\nhen,,false\n";
    let (status, pulled) = server.text(Method::POST, rows, "text/csv; charset=utf-8", csv).await;
    assert_eq!(status, 200, "{pulled}");
    assert_eq!((&pulled["version"], &pulled["rows"], &pulled["rejected"]), (&json!(1), &json!(3), &json!(0)));
    let sql = r#"SELECT name, mass FROM "birds" ORDER BY name"#;
    let (status, answered) = server.post("/ingestion/query", json!({"sql": sql})).await;
    assert_eq!(status, 200, "{answered}");
    assert_eq!(
        answered["columns"],
        json!([{"name": "name", "type": "utf8"}, {"name": "mass", "type": "f64"}])
    );
    assert_eq!(answered["rows"], json!([["albatross", 8.5], ["hen", null], ["sparrow", 0.03]]));
    let (_, limited) = server.post("/ingestion/query", json!({"sql": sql, "limit": 1})).await;
    assert_eq!(limited["rows"].as_array().unwrap().len(), 1);

    let more = r#"{"name": "emu", "mass": 40.0, "wild": false}"#;
    let (status, pulled) = server.text(Method::POST, rows, "application/x-ndjson", more).await;
    assert_eq!((status.as_u16(), &pulled["version"]), (200, &json!(2)), "{pulled}");
    let (_, versions) = server.get("/ingestion/datasets/birds/versions").await;
    let numbers: Vec<_> =
        versions["items"].as_array().unwrap().iter().map(|one| one["rows"].clone()).collect();
    assert_eq!(numbers, [json!(4), json!(3)]);
    let (_, files) = server.get("/ingestion/datasets/birds/files?version=1").await;
    assert_eq!(files["items"].as_array().unwrap().len(), 1);

    problem(server.text(Method::POST, rows, "text/csv", &"x".repeat(2_000)).await, 413, None);
    problem(server.text(Method::POST, rows, "image/png", "x").await, 415, None);
    let path = format!("{rows}?parameters=nonsense");
    problem(server.text(Method::POST, &path, "text/csv", csv).await, 400, Some("parameters"));
    let path = format!("{rows}?plugin=none");
    problem(server.text(Method::POST, &path, "text/csv", csv).await, 400, Some("plugin"));
    problem(server.post("/ingestion/query", json!({"sql": "DROP TABLE birds"})).await, 400, None);
    problem(server.post("/ingestion/query", json!({"sql": "SELECT feathers FROM birds"})).await, 400, None);
    problem(server.get("/ingestion/datasets/birds/files?version=9").await, 404, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn plugins_are_listed_and_garbage_is_refused() {
    let server = Server::start().await;
    let (_, page) = server.get("/plugins?kind=ingestion").await;
    let names: Vec<_> =
        page["items"].as_array().unwrap().iter().filter_map(|one| one["name"].as_str()).collect();
    assert!(names.contains(&"ingestion-csv"), "{names:?}");
    for path in ["/plugins?name=mine", "/plugins/inspect"] {
        let detail = problem(server.text(Method::POST, path, "application/wasm", "GIF89a").await, 400, None);
        assert!(!detail.is_empty());
    }
    problem(server.text(Method::POST, "/plugins", "application/wasm", "\0asm\x01\0\0\0").await, 400, None);
    problem(server.get("/plugins/mine").await, 404, None);
    problem(answer(server.request(Method::DELETE, "/plugins/ingestion-csv")).await, 409, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn stages_and_a_simulated_clock() {
    let clock = Clock::simulated("2013-01-01".parse().unwrap());
    let server = Server::with(clock, Options::default()).await;
    let (status, stages) = server.get("/stages").await;
    assert_eq!(status, 200, "{stages}");
    let names: Vec<_> =
        stages["items"].as_array().unwrap().iter().map(|one| one["stage"].as_str().unwrap()).collect();
    assert_eq!(names, notify::STAGES);
    let draft = json!({"name": "n", "cron": "@daily", "job": {"kind": "monitoring.check", "target": "none"}});
    assert_eq!(server.put("/schedules", draft).await.0, 200);
    let (status, advanced) = server.post("/clock/advance", json!({"to": "2013-01-03T12:00:00Z"})).await;
    assert_eq!(status, 200, "{advanced}");
    assert_eq!(advanced["firings"].as_array().unwrap().len(), 2);
    assert_eq!(advanced["firings"][0]["outcome"], "failed");
    assert_eq!(server.get("/clock").await.1["now"], "2013-01-03T12:00:00.000000Z");
    problem(server.post("/clock/advance", json!({"to": "2012-01-01"})).await, 409, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_described() {
    let server = Server::start().await;
    let (status, description) = server.get("/openapi.json").await;
    assert_eq!(status, 200);
    let paths = description["paths"].as_object().unwrap();
    let missing: Vec<_> = include_str!("routes.txt")
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(method, path)| {
            let item = paths.get(&format!("/api/v1{path}"));
            item.and_then(|item| item.get(method.to_lowercase())).is_none()
        })
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    let mut ids = std::collections::HashSet::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            assert!(!operation["summary"].as_str().unwrap_or_default().is_empty(), "{method} {path}");
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{method} {path}");
            assert!(operation["responses"]["default"].is_object(), "{method} {path}");
        }
    }
    // Whatever is referred to is there.
    let text = description.to_string();
    let known = description["components"]["schemas"].as_object().unwrap();
    for reference in text.split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(known.contains_key(name), "{name}");
    }
    assert_eq!(server.client.get(format!("{}/reference/", server.base)).send().await.unwrap().status(), 200);
}
