//! Sixteen threads that write at once.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use common::{batch, experiment, metric, open, param, run, search};
use modelyard_tracking::Tag;

const THREADS: usize = 16;
const BATCHES: usize = 40;

#[test]
fn sixteen_writers_lose_nothing_and_end() {
    let directory = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let store = open(directory.path());
    let experiment_id = runtime.block_on(experiment(&store, "crowded"));
    let shared = runtime.block_on(run(&store, &experiment_id, 0)).info.run_id;
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (store, experiment_id, shared, runtime) = (&store, &experiment_id, &shared, &runtime);
            scope.spawn(move || {
                runtime.block_on(async {
                    let own = run(store, experiment_id, 1).await.info.run_id;
                    for step in 0..BATCHES {
                        let points = |offset: usize| {
                            (0..20)
                                .map(|key| {
                                    let value = u32::try_from(offset + step).unwrap();
                                    metric(&format!("m{key}"), value.into(), 1, step as i64)
                                })
                                .collect()
                        };
                        store.log_batch(&own, batch(points(0), vec![], vec![])).await.unwrap();
                        let params = vec![param(&format!("p{thread}-{step}"), "v")];
                        let tags = vec![Tag::new("last", thread.to_string())];
                        store.log_batch(shared, batch(points(thread * 1000), params, tags)).await.unwrap();
                        // Reads go on meanwhile.
                        assert!(
                            !store.search_runs(&search(experiment_id, "", &[])).unwrap().items.is_empty()
                        );
                    }
                });
            });
        }
    });
    let run = store.run(&shared).unwrap();
    assert_eq!(run.data.params.len(), THREADS * BATCHES);
    for key in 0..20 {
        let history = store.metric_history(&shared, &format!("m{key}"), None, None).unwrap().items;
        assert_eq!(history.len(), THREADS * BATCHES);
        let latest = run.data.metrics.iter().find(|metric| metric.key == format!("m{key}").as_str()).unwrap();
        assert_eq!(latest.step, BATCHES as i64 - 1);
        assert!((latest.value - f64::from(15_000 + 39)).abs() < f64::EPSILON, "{}", latest.value);
    }
    let runs = store.search_runs(&search(&experiment_id, "start_time = 1", &[])).unwrap().items;
    assert_eq!(runs.len(), THREADS);
    for run in runs {
        let history = store.metric_history(&run.info.run_id, "m7", None, None).unwrap().items;
        assert_eq!(history.len(), BATCHES);
    }
}
