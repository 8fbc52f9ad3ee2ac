//! Prometheus' text format (version 0.0.4).

use std::fmt::Write;

use axum::{extract::State, http::header, response::IntoResponse};
use modelyard_lifecycle::{Platform, deployment::BOUNDS_US};

/// Counters and gauges of host and deployments.
pub(crate) async fn metrics(State(platform): State<Platform>) -> impl IntoResponse {
    let health = platform.monitoring().health();
    let mut text = String::new();
    let mut family = |name: &str, kind: &str, help: &str, samples: Vec<(String, String)>| {
        // Writing to a String does not fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in samples {
            let _ = writeln!(text, "{name}{labels} {value}");
        }
    };
    let one = |value: String| vec![(String::new(), value)];
    family("modelyard_resident_bytes", "gauge", "Resident memory.", one(health.resident_bytes.to_string()));
    family("modelyard_cpu_seconds_total", "counter", "Processor time.", one(health.cpu_seconds.to_string()));
    family(
        "modelyard_free_instances",
        "gauge",
        "Places for instances.",
        one(health.free_instances.to_string()),
    );
    let routes = |value: fn(&modelyard_lifecycle::deployment::RouteStats) -> u64| -> Vec<(String, String)> {
        let all = health.deployments.iter().flat_map(|deployment| {
            deployment.routes.iter().map(move |route| {
                let name = escaped(&deployment.deployment);
                let labels = format!("{{deployment=\"{name}\",version=\"{}\"}}", route.version);
                (labels, value(route).to_string())
            })
        });
        all.collect()
    };
    family("modelyard_route_calls_total", "counter", "Calls by version.", routes(|route| route.calls));
    family(
        "modelyard_route_errors_total",
        "counter",
        "Failed calls by version.",
        routes(|route| route.errors),
    );
    let mut samples = Vec::new();
    let mut counts = Vec::new();
    for deployment in &health.deployments {
        let name = escaped(&deployment.deployment);
        let mut total = 0;
        for (index, count) in deployment.buckets.iter().enumerate() {
            total += count;
            let bound = BOUNDS_US.get(index).map_or("+Inf".to_owned(), |us| (*us as f64 / 1e6).to_string());
            samples.push((format!("_bucket{{deployment=\"{name}\",le=\"{bound}\"}}"), total.to_string()));
        }
        counts.push((
            format!("_sum{{deployment=\"{name}\"}}"),
            (deployment.latency_us as f64 / 1e6).to_string(),
        ));
        counts.push((format!("_count{{deployment=\"{name}\"}}"), total.to_string()));
    }
    samples.extend(counts);
    family("modelyard_call_seconds", "histogram", "From request to reply.", samples);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
