//! A sweep of eight trainings on three months of flights, beside the same eight
//! one after another.

use std::time::Duration;

use anyhow::Result;
use modelyard_lifecycle::{Platform, governance::Actor};
use serde_json::{Value, json};

use super::{Line, timed};

fn experiment() -> Value {
    json!({
        "name": "late", "task": "binary_classification",
        "spine": {"sql": "SELECT month, day, sched_dep_time, sched_arr_time, carrier, origin, dest, distance, hour, \
                  minute, time_hour, arr_delay > 30 AS late FROM flights WHERE arr_delay IS NOT NULL",
                  "event_time": "time_hour", "from": "2013-01-01", "to": "2013-04-01"},
        "target": "late", "split": {"by": "time"},
        "training": {"plugin": "training-gbdt", "parameters": {"rounds": 100}},
    })
}

/// The sweep's line, and the best run's id.
pub(crate) async fn measure(platform: &Platform) -> Result<(Line, String)> {
    let actor = Actor::local();
    platform.experiments().put(&actor, serde_json::from_value(experiment())?).await?;
    let sweep = |parallel: Option<u32>| {
        json!({"experiment": "late", "metric": "roc_auc", "parallel": parallel,
               "parameters": {"learning_rate": [0.05, 0.1], "max_leaves": [15, 31], "min_data_in_leaf": [20, 100]}})
    };
    let run = async |spec: Value| -> Result<Value> {
        let (_, job) = platform.experiments().start_sweep(&actor, serde_json::from_value(spec)?).await?;
        Ok(platform.jobs().wait(&job.id).await?)
    };
    let (parallel, ours) = timed(run(sweep(None))).await;
    let (one_by_one, beside) = timed(run(sweep(Some(1)))).await;
    one_by_one?;
    let parallel = parallel?;
    let best = parallel.get("best").and_then(Value::as_str).unwrap_or_default().to_owned();
    let value = parallel.get("best_value").and_then(Value::as_f64).unwrap_or_default();
    let trained: Duration = ours;
    Ok((
        Line {
            what: "sweep of 8 GBDT runs on three months",
            ours: trained,
            beside: Some(("one run at a time", beside)),
            note: format!("prepared, trained, snapshotted, evaluated; best ROC AUC {value:.4}"),
        },
        best,
    ))
}
