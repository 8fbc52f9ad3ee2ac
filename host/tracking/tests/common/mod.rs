//! A store in a directory of its own.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::path::Path;

use modelyard_clock::Clock;
use modelyard_tracking::{
    CreateExperiment, CreateRun, LogBatch, Metric, Options, Param, Run, SearchRuns, Store, Tag,
};

pub(crate) fn open(path: &Path) -> Store {
    let options = Options {
        path: path.join("tracking"),
        clock: Clock::system(),
        artifact_root: "mlflow-artifacts:/".into(),
    };
    Store::open(options).unwrap()
}

pub(crate) fn metric(key: &str, value: f64, timestamp: i64, step: i64) -> Metric {
    Metric {
        key: key.into(),
        value,
        timestamp,
        step,
        model_id: None,
        dataset_name: None,
        dataset_digest: None,
        run_id: None,
    }
}

pub(crate) fn param(key: &str, value: &str) -> Param {
    Param { key: key.into(), value: value.into() }
}

pub(crate) async fn experiment(store: &Store, name: &str) -> String {
    let request = CreateExperiment { name: name.into(), ..CreateExperiment::default() };
    store.create_experiment(request).await.unwrap().experiment_id
}

pub(crate) async fn run(store: &Store, experiment_id: &str, start_time: i64) -> Run {
    let request = CreateRun {
        experiment_id: experiment_id.into(),
        start_time: Some(start_time),
        ..CreateRun::default()
    };
    store.create_run(request).await.unwrap()
}

pub(crate) fn batch(metrics: Vec<Metric>, params: Vec<Param>, tags: Vec<Tag>) -> LogBatch {
    LogBatch { metrics, params, tags }
}

pub(crate) fn search(experiment_id: &str, filter: &str, order_by: &[&str]) -> SearchRuns {
    SearchRuns {
        experiment_ids: vec![experiment_id.into()],
        filter: filter.into(),
        order_by: order_by.iter().map(|clause| (*clause).to_owned()).collect(),
        ..SearchRuns::default()
    }
}
