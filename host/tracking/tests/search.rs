//! Searches against a naive evaluation of the same filter and order, run by run.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::cmp::Ordering;

use common::{batch, experiment, metric, open, param, run, search};
use modelyard_tracking::{
    Dataset, DatasetInput, LogInputs, Run, RunStatus, Store, Tag, UpdateRun, ViewType,
    search::{Field, Filter, Kind, Order, Subject},
};
use proptest::prelude::*;

/// A run as the language sees it, without columns or indexes.
struct Naive(Run);

impl Subject for Naive {
    fn attribute(&self, key: &str) -> Field<'_> {
        let info = &self.0.info;
        match key {
            "run_id" => Field::Text(&info.run_id),
            "run_name" => Field::Text(&info.run_name),
            "user_id" => Field::Text(&info.user_id),
            "status" => Field::Text(info.status.as_str()),
            "artifact_uri" => Field::Text(&info.artifact_uri),
            "start_time" => Field::Integer(info.start_time),
            "end_time" => info.end_time.map_or(Field::Missing, Field::Integer),
            other => panic!("{other}"),
        }
    }

    fn metric(&self, key: &str) -> Option<f64> {
        self.0.data.metrics.iter().find(|metric| metric.key == key).map(|metric| metric.value)
    }

    fn param(&self, key: &str) -> Option<&str> {
        self.0.data.params.iter().find(|param| param.key == key).map(|param| param.value.as_str())
    }

    fn tag(&self, key: &str) -> Option<&str> {
        self.0.data.tags.iter().find(|tag| tag.key == key).map(|tag| tag.value.as_str())
    }

    fn any_dataset(&self, key: &str, test: &dyn Fn(&str) -> bool) -> bool {
        self.0.inputs.dataset_inputs.iter().any(|input| match key {
            "name" => test(&input.dataset.name),
            "digest" => test(&input.dataset.digest),
            _ => input.tags.iter().any(|tag| tag.key == "mlflow.data.context" && test(&tag.value)),
        })
    }
}

#[derive(Debug, Clone)]
struct Plan {
    start: i64,
    end: Option<i64>,
    status: usize,
    metrics: Vec<(usize, f64, i64)>,
    params: Vec<(usize, String)>,
    tags: Vec<(usize, String)>,
    dataset: Option<(usize, usize)>,
    deleted: bool,
}

const METRICS: [&str; 3] = ["loss", "f 1", "auc"];
const PARAMS: [&str; 3] = ["lr", "max depth", "model"];
const TAGS: [&str; 2] = ["team", "mlflow.source.name"];
const CONTEXTS: [&str; 2] = ["train", "eval"];
const STATUSES: [RunStatus; 3] = [RunStatus::Running, RunStatus::Finished, RunStatus::Failed];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("a".to_owned()),
        Just("ab".to_owned()),
        Just("AB".to_owned()),
        Just("abcdefgh".to_owned()),
        Just("abcdefgi".to_owned()),
        Just("abcdefg".to_owned()),
        Just(String::new()),
        "[a-c]{1,3}",
    ]
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (-4..4_i32).prop_map(f64::from),
        1 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
        1 => Just(-0.0),
        2 => -1.0..1.0_f64,
    ]
}

fn plan() -> impl Strategy<Value = Plan> {
    (
        0..6_i64,
        prop::option::of(0..6_i64),
        0..3_usize,
        prop::collection::vec((0..3_usize, value(), 0..3_i64), 0..5),
        prop::collection::btree_map(0..3_usize, text(), 0..3),
        prop::collection::vec((0..2_usize, text()), 0..3),
        prop::option::of((0..3_usize, 0..2_usize)),
        prop::bool::weighted(0.1),
    )
        .prop_map(|(start, end, status, metrics, params, tags, dataset, deleted)| Plan {
            start,
            end,
            status,
            metrics,
            params: params.into_iter().collect(),
            tags,
            dataset,
            deleted,
        })
}

fn clause() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        (0..3_usize, value().prop_filter("finite", |v| v.is_finite()))
            .prop_map(|(key, value)| (format!("metrics.`{}`", METRICS[key]), value.to_string())),
        (0..6_i64).prop_map(|time| ("start_time".to_owned(), time.to_string())),
        (0..6_i64).prop_map(|time| ("attributes.end_time".to_owned(), time.to_string())),
    ];
    let sign = prop::sample::select(vec!["=", "!=", "<", "<=", ">", ">="]);
    let texts = prop_oneof![
        (0..3_usize).prop_map(|key| format!("params.\"{}\"", PARAMS[key])),
        (0..2_usize).prop_map(|key| format!("tags.`{}`", TAGS[key])),
    ];
    let pattern = "[aAb%_]{0,3}";
    prop_oneof![
        (number, sign).prop_map(|((name, value), sign)| format!("{name} {sign} {value}")),
        (texts.clone(), prop::sample::select(vec!["=", "!="]), text())
            .prop_map(|(name, sign, value)| format!("{name} {sign} '{value}'")),
        (texts.clone(), prop::sample::select(vec!["LIKE", "ILIKE"]), pattern)
            .prop_map(|(name, sign, value)| format!("{name} {sign} '{value}'")),
        (texts, prop::sample::select(vec!["IS NULL", "IS NOT NULL"]))
            .prop_map(|(name, sign)| format!("{name} {sign}")),
        (prop::sample::select(vec!["=", "!="]), 0..3_usize)
            .prop_map(|(sign, status)| format!("status {sign} '{}'", STATUSES[status].as_str())),
        (prop::sample::select(vec!["datasets.name", "datasets.digest"]), 0..3_usize)
            .prop_map(|(name, value)| format!("{name} IN ('d{value}', 'x')")),
        (0..2_usize).prop_map(|value| format!("dataset.context = '{}'", CONTEXTS[value])),
    ]
}

fn order() -> impl Strategy<Value = String> {
    let keys = vec![
        "metrics.loss",
        "metrics.`f 1`",
        "params.lr",
        "params.`max depth`",
        "tags.team",
        "start_time",
        "end_time",
        "status",
        "run_id",
        "run_name",
    ];
    (prop::sample::select(keys), prop::sample::select(vec!["", " ASC", " DESC"]))
        .prop_map(|(key, direction)| format!("{key}{direction}"))
}

async fn build(store: &Store, plans: &[Plan]) -> String {
    let experiment_id = experiment(store, "searched").await;
    for (number, plan) in plans.iter().enumerate() {
        let id = run(store, &experiment_id, plan.start).await.info.run_id;
        let metrics = plan.metrics.iter().map(|(key, value, step)| metric(METRICS[*key], *value, 1, *step));
        let params = plan.params.iter().map(|(key, value)| param(PARAMS[*key], value));
        let tags = plan.tags.iter().map(|(key, value)| Tag::new(TAGS[*key], value.as_str()));
        store.log_batch(&id, batch(metrics.collect(), params.collect(), tags.collect())).await.unwrap();
        if let Some((dataset, context)) = plan.dataset {
            let dataset = Dataset {
                name: format!("d{dataset}"),
                digest: format!("d{}", dataset + 1),
                source_type: "local".into(),
                source: "{}".into(),
                schema: None,
                profile: None,
            };
            let tags = vec![Tag::new("mlflow.data.context", CONTEXTS[context])];
            let inputs = LogInputs { datasets: vec![DatasetInput { tags, dataset }], models: Vec::new() };
            store.log_inputs(&id, inputs).await.unwrap();
        }
        let change = UpdateRun {
            status: Some(STATUSES[plan.status]),
            end_time: plan.end,
            run_name: Some(format!("run-{}", number % 7)),
        };
        store.update_run(&id, change).await.unwrap();
        if plan.deleted {
            store.delete_run(&id).await.unwrap();
        }
    }
    experiment_id
}

fn ids(runs: &[Run]) -> Vec<String> {
    runs.iter().map(|run| run.info.run_id.to_string()).collect()
}

fn check(store: &Store, experiment_id: &str, filter: &str, orders: &[&str]) {
    let all = common::search(experiment_id, "", &[]);
    let everything = store.search_runs(&all).unwrap().items;
    let parsed = Filter::parse(Kind::Runs, filter).unwrap();
    let clauses: Vec<String> = orders.iter().map(|clause| (*clause).to_owned()).collect();
    let order = Order::parse(Kind::Runs, &clauses).unwrap();
    let mut expected: Vec<Naive> =
        everything.into_iter().map(Naive).filter(|run| parsed.matches(run)).collect();
    expected.sort_by(|a, b| order.compare(a, b));
    let expected: Vec<Run> = expected.into_iter().map(|run| run.0).collect();
    let mut asked = search(experiment_id, filter, orders);
    let found = store.search_runs(&asked).unwrap();
    assert_eq!(ids(&found.items), ids(&expected), "{filter} ORDER BY {orders:?}");
    let written: serde_json::Value =
        serde_json::from_slice(&store.search_runs_json(&asked).unwrap()).unwrap();
    let written: Vec<Run> =
        written.get("runs").map(|runs| serde_json::from_value(runs.clone()).unwrap()).unwrap_or_default();
    assert_eq!(format!("{written:?}"), format!("{:?}", found.items));
    // Page by page it is the same.
    asked.max_results = Some(3);
    let mut paged = Vec::new();
    loop {
        let page = store.search_runs(&asked).unwrap();
        assert!(page.items.len() <= 3);
        paged.extend(ids(&page.items));
        match page.next_page_token {
            Some(token) => asked.page_token = Some(token),
            None => break,
        }
    }
    assert_eq!(paged, ids(&expected), "{filter} ORDER BY {orders:?}, paged");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10))]

    #[test]
    fn columns_find_what_a_naive_search_finds(
        plans in prop::collection::vec(plan(), 0..80),
        queries in prop::collection::vec(
            (prop::collection::vec(clause(), 0..3), prop::collection::vec(order(), 0..3)), 20),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let store = open(directory.path());
        let experiment_id = runtime.block_on(build(&store, &plans));
        let check_all = |store: &Store| {
            for (clauses, orders) in &queries {
                let mut seen = std::collections::HashSet::new();
                let orders: Vec<&str> = orders
                    .iter()
                    .filter(|order| seen.insert(order.split(' ').next().map(str::to_owned)))
                    .map(String::as_str)
                    .collect();
                check(store, &experiment_id, &clauses.join(" AND "), &orders);
            }
        };
        check_all(&store);
        // And after a start from disk.
        drop(store);
        check_all(&open(directory.path()));
    }
}

#[tokio::test]
async fn the_first_of_many_are_the_first_of_all() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let experiment_id = experiment(&store, "many").await;
    let mut writes = Vec::new();
    for number in 0..3000_i64 {
        let (store, experiment_id) = (store.clone(), experiment_id.clone());
        writes.push(tokio::spawn(async move {
            let id = run(&store, &experiment_id, number / 3).await.info.run_id;
            let value = f64::from(u32::try_from(number * 7919 % 1000).unwrap());
            store.log_metric(&id, metric("m", value, 1, 0)).await.unwrap();
        }));
    }
    for write in writes {
        write.await.unwrap();
    }
    for orders in [&[][..], &["metrics.m"], &["metrics.m DESC", "start_time"]] {
        let mut asked = search(&experiment_id, "metrics.m < 900", orders);
        let all = {
            asked.max_results = Some(5000);
            ids(&store.search_runs(&asked).unwrap().items)
        };
        asked.max_results = Some(10);
        assert_eq!(ids(&store.search_runs(&asked).unwrap().items), all[..10]);
        let order = Order::parse(Kind::Runs, &asked.order_by).unwrap();
        asked.max_results = Some(5000);
        let runs: Vec<Naive> = store.search_runs(&asked).unwrap().items.into_iter().map(Naive).collect();
        assert_eq!(runs.len(), 2700);
        assert!(runs.windows(2).all(|pair| order.compare(&pair[0], &pair[1]) == Ordering::Less));
    }
}

#[tokio::test]
async fn views_show_their_stages() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let experiment_id = experiment(&store, "stages").await;
    let kept = run(&store, &experiment_id, 1).await.info.run_id;
    let gone = run(&store, &experiment_id, 2).await.info.run_id;
    store.delete_run(&gone).await.unwrap();
    for (view, expected) in [
        (ViewType::ActiveOnly, vec![kept.to_string()]),
        (ViewType::DeletedOnly, vec![gone.to_string()]),
        (ViewType::All, vec![gone.to_string(), kept.to_string()]),
    ] {
        let asked = modelyard_tracking::SearchRuns { view, ..search(&experiment_id, "", &[]) };
        assert_eq!(ids(&store.search_runs(&asked).unwrap().items), expected);
    }
    let by_id = search(&experiment_id, &format!("run_id IN ('{kept}', '{gone}', 'nonsense')"), &[]);
    assert_eq!(ids(&store.search_runs(&by_id).unwrap().items), [kept.to_string()]);
}

#[tokio::test]
async fn a_tampered_token_or_another_querys_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let experiment_id = experiment(&store, "paged").await;
    for start in 0..5 {
        run(&store, &experiment_id, start).await;
    }
    let mut asked = search(&experiment_id, "start_time >= 0", &[]);
    asked.max_results = Some(2);
    let token = store.search_runs(&asked).unwrap().next_page_token.unwrap();
    asked.page_token = Some(token.clone());
    assert_eq!(store.search_runs(&asked).unwrap().items.len(), 2);
    asked.filter = "start_time >= 1".into();
    let error = store.search_runs(&asked).unwrap_err();
    assert_eq!(error.code().as_str(), "INVALID_PARAMETER_VALUE");
    assert!(error.to_string().contains("Invalid page token"), "{error}");
    asked.filter = "start_time >= 0".into();
    asked.page_token = Some(format!("A{}", &token[1..]));
    assert!(store.search_runs(&asked).is_err() || token.starts_with('A'));
    asked.page_token = Some(token[..token.len() - 1].to_owned());
    assert!(store.search_runs(&asked).is_err());
}
