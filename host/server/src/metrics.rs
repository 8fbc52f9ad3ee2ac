//! Prometheus' text format (version 0.0.4).

use std::fmt::Write;

use axum::{extract::State, http::header, response::IntoResponse};
use modelyard_lifecycle::{
    Platform,
    deployment::{BOUNDS_US, Distribution, EndpointStats},
};

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
    let phase = |part: fn(&EndpointStats) -> &Distribution| -> Vec<(String, String)> {
        health
            .deployments
            .iter()
            .flat_map(|stats| histogram(&escaped(&stats.deployment), part(stats)))
            .collect()
    };
    for (name, help, samples) in [
        ("call", "From request to reply.", phase(|stats| &stats.total)),
        ("queue", "Waiting for a place.", phase(|stats| &stats.queue)),
        ("instantiate", "Making an instance; 0 for a warm one.", phase(|stats| &stats.instantiate)),
        ("compute", "In features and model.", phase(|stats| &stats.compute)),
    ] {
        family(&format!("modelyard_{name}_seconds"), "histogram", help, samples);
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}

/// A histogram's samples: buckets that count all below their bound, sum, count.
fn histogram(deployment: &str, of: &Distribution) -> Vec<(String, String)> {
    let mut samples = Vec::with_capacity(of.buckets.len() + 2);
    let mut total = 0;
    for (index, count) in of.buckets.iter().enumerate() {
        total += count;
        let bound = BOUNDS_US.get(index).map_or("+Inf".to_owned(), |us| (*us as f64 / 1e6).to_string());
        samples.push((format!("_bucket{{deployment=\"{deployment}\",le=\"{bound}\"}}"), total.to_string()));
    }
    let sum = of.sum_us as f64 / 1e6;
    samples.push((format!("_sum{{deployment=\"{deployment}\"}}"), sum.to_string()));
    samples.push((format!("_count{{deployment=\"{deployment}\"}}"), total.to_string()));
    samples
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
