//! Prometheus' text format (version 0.0.4).

use std::fmt::Write;

use axum::{extract::State, http::header, response::IntoResponse};
use modelyard_lifecycle::{
    Platform,
    deployment::{BOUNDS_US, Distribution, EndpointStats},
    functions::FunctionStats,
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
    family(
        "modelyard_instance_memory_bytes",
        "gauge",
        "Linear memory of all instances.",
        one(health.instance_memory_bytes.to_string()),
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
            .flat_map(|stats| histogram("deployment", &stats.deployment, part(stats)))
            .collect()
    };
    for (name, help, samples) in [
        ("call", "From request to reply.", phase(|stats| &stats.total)),
        ("queue", "Waiting for a place.", phase(|stats| &stats.queue)),
        ("instantiate", "Making an instance; 0 for a warm one.", phase(|stats| &stats.instantiate)),
        ("compute", "In steps, features and model.", phase(|stats| &stats.compute)),
        ("encode", "Writing the answer out.", phase(|stats| &stats.encode)),
    ] {
        family(&format!("modelyard_{name}_seconds"), "histogram", help, samples);
    }
    functions(&platform, &mut family);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}

/// Counters of functions.
fn functions(platform: &Platform, family: &mut impl FnMut(&str, &str, &str, Vec<(String, String)>)) {
    let functions = platform.functions().stats();
    let each = |value: fn(&FunctionStats) -> u64| -> Vec<(String, String)> {
        let one = |stats: &FunctionStats| {
            (format!("{{function=\"{}\"}}", escaped(&stats.function)), value(stats).to_string())
        };
        functions.iter().map(one).collect()
    };
    let (calls, errors) = (each(|stats| stats.calls), each(|stats| stats.errors));
    family("modelyard_function_calls_total", "counter", "Calls by function.", calls);
    family("modelyard_function_errors_total", "counter", "Failed calls by function.", errors);
    family("modelyard_function_running", "gauge", "Calls that run.", each(|stats| stats.running));
    family("modelyard_function_waiting", "gauge", "Calls that wait.", each(|stats| stats.waiting));
    let phase = |part: fn(&FunctionStats) -> &Distribution| -> Vec<(String, String)> {
        functions.iter().flat_map(|stats| histogram("function", &stats.function, part(stats))).collect()
    };
    for (name, help, samples) in [
        ("call", "From request to the guest's end.", phase(|stats| &stats.total)),
        ("queue", "Waiting for a place.", phase(|stats| &stats.queue)),
        ("instantiate", "Making an instance; 0 for a warm one.", phase(|stats| &stats.instantiate)),
        ("compute", "In the guest.", phase(|stats| &stats.compute)),
    ] {
        family(&format!("modelyard_function_{name}_seconds"), "histogram", help, samples);
    }
}

/// A histogram's samples: buckets that count all below their bound, sum, count.
fn histogram(label: &str, of_what: &str, of: &Distribution) -> Vec<(String, String)> {
    let label = format!("{label}=\"{}\"", escaped(of_what));
    let mut samples = Vec::with_capacity(of.buckets.len() + 2);
    let mut total = 0;
    for (index, count) in of.buckets.iter().enumerate() {
        total += count;
        let bound = BOUNDS_US.get(index).map_or("+Inf".to_owned(), |us| (*us as f64 / 1e6).to_string());
        samples.push((format!("_bucket{{{label},le=\"{bound}\"}}"), total.to_string()));
    }
    let sum = of.sum_us as f64 / 1e6;
    samples.push((format!("_sum{{{label}}}"), sum.to_string()));
    samples.push((format!("_count{{{label}}}"), total.to_string()));
    samples
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
