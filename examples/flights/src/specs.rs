//! What the server is told to be: the same as `modelyard.toml` says, through HTTP.

use anyhow::Result;
use serde_json::{Value, json};

use crate::{
    client::{Client, text},
    data::{DELAYS_LAST_HOURS, WEATHER_LASTS_HOURS},
    mail::Inbox,
    webhook::Hook,
};

/// The experiment's, the model's and the deployment's name.
pub(crate) const EXPERIMENT: &str = "late-arrivals";
pub(crate) const MODEL: &str = "late";
pub(crate) const DEPLOYMENT: &str = "late";

/// Late departures by airport and hour, known at the end of the hour in which
/// the flights really left: a delay counts for nobody before it has happened.
/// What leaves early is known at the end of its scheduled hour: were it known
/// before, a flight's own departure would stand among what is known of it.
pub(crate) const DELAYS: &str = "SELECT origin, \
    to_timestamp_micros((CAST(time_hour AS BIGINT) + CAST(minute + greatest(dep_delay, 0.0) AS BIGINT) * 60000000) \
    / 3600000000 * 3600000000 + 3600000000) AS known_at, \
    avg(dep_delay) AS delay_mean, CAST(count(*) AS DOUBLE) AS delay_count \
    FROM flights WHERE dep_delay IS NOT NULL GROUP BY 1, 2";

/// What is known before departure, and whether it came true: flights that
/// didn't arrive where they should are left out.
pub(crate) const SPINE: &str = "SELECT carrier, origin, dest, distance, \
    hour + minute / 60.0 AS departure, \
    CAST(date_part('dow', make_date(CAST(year AS INT), CAST(month AS INT), CAST(day AS INT))) AS DOUBLE) AS weekday, \
    time_hour AS scheduled, arr_delay > 30 AS late \
    FROM flights WHERE arr_delay IS NOT NULL";

/// Where the rows arrive.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) flights: String,
    pub(crate) weather: String,
}

/// Columns of one type.
fn typed<'a>(columns: &'a [&'a str], name: &'a str) -> impl Iterator<Item = (String, Value)> + 'a {
    columns.iter().map(move |column| ((*column).to_owned(), json!(name)))
}

/// Sources that pull each morning.
pub(crate) async fn sources(client: &Client, files: &Files) -> Result<()> {
    let flights: serde_json::Map<_, _> = typed(&["year", "month", "day", "flight"], "s64")
        .chain(typed(
            &["dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time", "arr_delay"],
            "f64",
        ))
        .chain(typed(&["air_time", "distance", "hour", "minute"], "f64"))
        .chain(typed(&["carrier", "tailnum", "origin", "dest"], "utf8"))
        .chain(typed(&["time_hour"], "timestamp"))
        .collect();
    let weather: serde_json::Map<_, _> = typed(&["year", "month", "day", "hour"], "s64")
        .chain(typed(&crate::data::WEATHER, "f64"))
        .chain(typed(&["origin"], "utf8"))
        .chain(typed(&["time_hour"], "timestamp"))
        .collect();
    for (name, url, columns) in [("flights", &files.flights, flights), ("weather", &files.weather, weather)] {
        client
            .put(
                "/ingestion/sources",
                &json!({
                    "name": name, "plugin": "ingestion-csv", "event_time": "time_hour",
                    "parameters": {"url": url, "columns": columns, "timestamps": {"time_hour": "iso"}},
                    "schedule": "30 10 * * *",
                }),
            )
            .await?;
    }
    Ok(())
}

/// Views on what has arrived: they need their datasets.
pub(crate) async fn views(client: &Client) -> Result<()> {
    client
        .put(
            "/features/views",
            &json!({
                "name": "weather", "dataset": "weather", "keys": ["origin"], "event_time": "time_hour",
                "columns": crate::data::WEATHER, "ttl_seconds": WEATHER_LASTS_HOURS * 3600,
                "schedule": "45 10 * * *",
            }),
        )
        .await?;
    client
        .put(
            "/features/views",
            &json!({
                "name": "delays", "sql": DELAYS, "keys": ["origin"], "event_time": "known_at",
                "columns": ["delay_mean", "delay_count"], "ttl_seconds": DELAYS_LAST_HOURS * 3600,
                "schedule": "45 10 * * *",
            }),
        )
        .await?;
    Ok(())
}

/// The question: which flights arrive more than half an hour late?
pub(crate) async fn experiment(client: &Client) -> Result<()> {
    client
        .put("/experiments", &json!({
            "name": EXPERIMENT,
            "description": "Does a flight from New York arrive more than 30 minutes late? Asked before it departs.",
            "task": "binary_classification",
            "spine": {"sql": SPINE, "event_time": "scheduled", "from": "2013-01-01T00:00:00Z", "to": "2013-04-01T00:00:00Z"},
            "joins": [{"view": "weather"}, {"view": "delays"}],
            "target": "late",
            "ignore": ["scheduled"],
            "features": {"plugin": "features-standard", "parameters": {"rest": "keep", "steps": [
                {"do": "impute", "columns": ["temp", "dewp", "humid", "wind_speed", "pressure", "visib"], "with": "median"},
                {"do": "impute", "columns": ["wind_gust", "precip", "delay_count"], "with": "constant", "value": 0.0},
                {"do": "log1p", "columns": ["distance"]},
            ]}},
            "training": {"plugin": "training-gbdt", "parameters": {
                "rounds": 80, "early_stopping_rounds": 10, "metric": "auc", "min_data_in_leaf": 50,
            }},
            "evaluation": {"plugin": "evaluation-classification", "parameters": {
                "slices": ["carrier", "origin"], "min_slice_rows": 200,
            }},
            "split": {"by": "time", "validation": 0.2, "test": 0.2},
            "seed": 2013,
        }))
        .await?;
    client
        .put("/registry/models", &json!({
            "name": MODEL,
            "description": "The probability that a flight from New York arrives more than 30 minutes late, from its schedule, the weather at the airport and the delays of the hour before.",
            "owner": "Operations, flights example",
            "license": "CC0-1.0",
            "intended_use": "Telling passengers and connecting flights ahead of departure that a delay is likely.",
            "limitations": "Trained on one quarter of one year and three airports: seasons change it. It knows no maintenance, strikes or weather at the destination, and cancelled flights are left out.",
            "tags": ["flights", "delay", "tabular"],
        }))
        .await?;
    client
        .put(
            "/governance/policies",
            &json!({
                "name": "ready-for-passengers", "models": [MODEL], "actions": ["promote", "deploy"],
                "parameters": {
                    "metrics": [{"metric": "roc_auc", "min": 0.6}],
                    "bias": [],
                    "lineage": ["run", "dataset", "features", "plugin", "configuration"],
                    "card": {"allowed_gaps": []},
                    "imports": [],
                },
            }),
        )
        .await?;
    Ok(())
}

/// The deployment of a version.
pub(crate) fn deployment(version: &str) -> Value {
    json!({
        "name": DEPLOYMENT, "model": MODEL, "routes": [{"version": version, "weight": 100}],
        "limits": {"deadline_ms": 5000},
    })
}

/// Monitors, and rules about what follows from what they find.
pub(crate) async fn watch(client: &Client) -> Result<()> {
    let monitors = [
        json!({
            "name": "drift", "deployment": DEPLOYMENT, "plugin": "monitoring-drift", "watch": "inputs",
            "window_days": 7, "min_rows": 1000, "schedule": "0 9 * * MON",
            "parameters": {
                "ignore": ["departure", "weekday"],
                "bounds": {"wasserstein_normed": 0.5, "jensen_shannon": 0.2, "psi": 0.25},
                "drift_share": 0.3,
            },
        }),
        json!({
            "name": "performance", "deployment": DEPLOYMENT, "plugin": "monitoring-performance", "watch": "labels",
            "window_days": 14, "delay_days": 3, "min_rows": 2000, "schedule": "10 9 * * MON",
            "parameters": {
                "threshold": 0.3,
                "metrics": {"roc_auc": {"max_drop": 0.03, "severity": "critical"}, "log_loss": {"max_relative_drop": 0.2}},
                "calibration_shift": 0.08,
            },
        }),
        json!({
            "name": "bias", "deployment": DEPLOYMENT, "plugin": "monitoring-bias", "watch": "labels",
            "window_days": 28, "delay_days": 3, "min_rows": 2000, "schedule": "20 9 1 * *",
            "parameters": {
                "groups": ["origin"], "threshold": 0.3, "min_group_rows": 500,
                "bounds": {"demographic_parity_difference": 0.15, "disparate_impact": 0.0},
            },
        }),
    ];
    for monitor in monitors {
        client.put("/monitoring/monitors", &monitor).await?;
    }
    client
        .put("/feedback/rules", &json!({
            "name": "retrain", "deployment": DEPLOYMENT, "schedule": "30 9 * * MON",
            "parameters": {
                "retrain_on": "warning", "metrics": ["roc_auc", "log_loss", "calibration_gap", "drift_share"],
                "min_labels": 15000, "cool_down_days": 56, "window_days": 120,
                "promote": {"metric": "roc_auc", "min_gain": 0.002, "min_rows": 10000},
            },
        }))
        .await?;
    client
        .put(
            "/retirement/rules",
            &json!({
                "name": "superseded", "models": [MODEL], "reach": "archive", "schedule": "0 8 * * TUE",
                "parameters": {"superseded_days": {"warn": 7.0, "retire": 21.0}},
            }),
        )
        .await?;
    Ok(())
}

/// Who is told: a person of warnings by mail, a program of everything by webhook.
pub(crate) async fn subscriptions(client: &Client, inbox: &Inbox, hook: &Hook) -> Result<()> {
    debug_assert_ne!(inbox.port(), 0);
    client
        .post(
            "/subscriptions",
            &json!({
                "name": "operations", "channel": {"type": "email", "address": "operations@example.com"},
                "filter": {"models": [MODEL], "severity_at_least": "warning"},
                "fold_window_seconds": 28 * 86_400,
            }),
        )
        .await?;
    let created = client
        .post(
            "/subscriptions",
            &json!({
                "name": "dashboard", "channel": {"type": "webhook", "url": hook.url()},
                "fold_window_seconds": 7 * 86_400,
            }),
        )
        .await?;
    hook.trust(text(&created, "/secret")?)
}
