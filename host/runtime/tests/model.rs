//! Models on the hot path: warm instances, limits, eviction.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use std::time::{Duration, Instant};

use bytes::Bytes;
use common::{f64s, fp64, guest, home, home_with, values};
use modelyard_runtime::types::{ColumnData, Tensor, TensorData};
use modelyard_runtime::{Error, Fault, ModelOptions, digest};

async fn fault(name: &str, change: impl FnOnce(&mut ModelOptions)) -> Fault {
    let home = home();
    let model = home.model(b"\x02", change).await;
    let fault = model.predict(vec![fp64(name, &[1.0, 2.0])]).await.unwrap_err().fault;
    let kept = matches!(fault, Fault::BadOutput(_) | Fault::InvalidInput(_));
    assert_eq!(model.stats().idle, usize::from(kept), "an instance that broke is thrown away: {fault:?}");
    fault
}

#[tokio::test]
async fn predictions_are_exact_and_nan_passes_through() {
    let home = home();
    let model = home.model(b"\x03", |_| ()).await;
    let x = [1.5, f64::NAN, f64::INFINITY, -0.0];
    let (outputs, timings) = model.predict(vec![fp64("x", &x)]).await.unwrap();
    let y = values(&outputs[0]);
    assert_eq!((y[0], y[2]), (4.5, f64::INFINITY));
    assert!(y[1].is_nan() && y[3].is_sign_negative());
    assert!(timings.instantiate_us > 0);
    let (_, timings) = model.predict(vec![fp64("x", &x)]).await.unwrap();
    assert_eq!(timings.instantiate_us, 0, "the second call finds a warm instance");
}

#[tokio::test]
async fn an_endless_loop_is_cut_and_others_run_meanwhile() {
    let home = home();
    let deadline = Duration::from_millis(300);
    let model = home.model(b"\x02", |options| options.deadline = deadline).await;
    // One thread runs both: the loop must give way for the other to be served.
    let start = Instant::now();
    let looping = model.predict(vec![fp64("loop", &[1.0])]);
    let served = async {
        let mut count = 0;
        while start.elapsed() < deadline / 2 {
            model.predict(vec![fp64("x", &[1.0])]).await.unwrap();
            tokio::task::yield_now().await;
            count += 1;
        }
        count
    };
    let (looped, count) = tokio::join!(looping, served);
    assert_eq!(looped.unwrap_err().fault, Fault::Deadline(deadline));
    assert!(count > 5, "{count} calls were served beside the loop");
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}

#[tokio::test]
async fn allocating_without_end_is_out_of_memory() {
    let limit = 64 << 20;
    assert_eq!(fault("grow", |options| options.memory_bytes = limit).await, Fault::OutOfMemory(limit));
}

#[tokio::test]
async fn a_model_larger_than_its_limit_does_not_start() {
    let fault = fault("x", |options| options.memory_bytes = 64 << 10).await;
    assert_eq!(fault, Fault::OutOfMemory(64 << 10));
}

#[tokio::test]
async fn recursion_is_a_stack_overflow_with_a_backtrace() {
    match fault("recurse", |_| ()).await {
        Fault::Trapped { message, backtrace } => {
            assert!(message.contains("stack exhausted"), "{message}");
            assert!(backtrace.contains("recurse"), "{backtrace}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_panic_reaches_the_caller_as_its_message() {
    match fault("panic", |_| ()).await {
        Fault::Panicked { message, backtrace } => {
            assert!(message.starts_with("no tree has 2 leaves"), "{message}");
            assert!(backtrace.contains("predict"), "{backtrace}");
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(fault("trap", |_| ()).await, Fault::Trapped { .. }));
}

#[tokio::test]
async fn a_wrong_shape_and_a_missing_output_are_bad_output() {
    match fault("shape", |_| ()).await {
        Fault::BadOutput(what) => assert!(what.contains("[3] and 2 elements"), "{what}"),
        other => panic!("{other:?}"),
    }
    let home = home();
    let (bytes, mut signature) = home.runtime.snapshot(&guest("scoring"), b"\x02").await.unwrap();
    for name in ["missing", "rows"] {
        signature.inputs[0].name = name.into();
        let options = ModelOptions { signature: Some(signature.clone()), ..ModelOptions::default() };
        let model = home.runtime.model(&digest(&bytes), bytes.clone(), options).await.unwrap();
        match model.predict(vec![fp64(name, &[1.0, 2.0])]).await.unwrap_err().fault {
            Fault::BadOutput(what) => assert!(what.contains("`y`"), "{what}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn inputs_are_held_to_the_signature() {
    let home = home();
    let (bytes, signature) = home.runtime.snapshot(&guest("scoring"), b"\x02").await.unwrap();
    let options = ModelOptions { signature: Some(signature), ..ModelOptions::default() };
    let model = home.runtime.model(&digest(&bytes), bytes, options).await.unwrap();
    let wrong_type = Tensor { name: "x".into(), shape: vec![1], data: TensorData::Int64(vec![1]) };
    let wrong_shape = Tensor { name: "x".into(), shape: vec![3], data: TensorData::Fp64(vec![1.0]) };
    for wrong in [fp64("z", &[1.0]), wrong_type, wrong_shape] {
        let fault = model.predict(vec![wrong]).await.unwrap_err().fault;
        assert!(matches!(fault, Fault::InvalidInput(_)), "{fault:?}");
    }
    assert_eq!(model.stats().idle, 0, "nothing was instantiated for them");
}

#[tokio::test]
async fn a_hundred_megabytes_of_output_are_refused() {
    assert_eq!(
        fault("huge", |options| options.output_bytes = 64 << 20).await,
        Fault::OutputTooLarge(64 << 20)
    );
    let home = home();
    let model = home.model(b"\x02", |options| options.output_bytes = 256 << 20).await;
    let (outputs, _) = model.predict(vec![fp64("huge", &[1.0])]).await.unwrap();
    assert_eq!(values(&outputs[0]).len(), 13_000_000);
}

#[tokio::test]
async fn a_models_own_refusal_keeps_the_instance() {
    match fault("refuse", |_| ()).await {
        Fault::InvalidInput(input) => {
            assert_eq!((input.column.as_deref(), input.row), (Some("refuse"), Some(3)));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn instances_are_reused_as_often_as_asked() {
    let home = home();
    for (reuse, expected) in [(0, [1.0, 1.0, 1.0, 1.0]), (2, [1.0, 2.0, 1.0, 2.0]), (9, [1.0, 2.0, 3.0, 4.0])]
    {
        let model = home.model(b"\x02", |options| options.reuse = reuse).await;
        let mut counts = Vec::new();
        for _ in 0..4 {
            let (outputs, _) = model.predict(vec![fp64("count", &[0.0])]).await.unwrap();
            counts.push(values(&outputs[0])[0]);
        }
        assert_eq!(counts, expected, "reuse {reuse}");
    }
}

#[tokio::test]
async fn an_idle_model_holds_no_memory_and_wakes_by_itself() {
    let home = home();
    let model = home
        .model(b"\x02", |options| {
            options.idle_after = Duration::from_secs(60);
            options.unmap_after = Duration::from_secs(600);
        })
        .await;
    assert!(!model.stats().mapped, "nothing is mapped before the first call");
    model.predict(vec![fp64("keep", &[1.0])]).await.unwrap();
    let now = Instant::now();
    assert_eq!(home.runtime.evict_idle(now), 0);
    let stats = model.stats();
    assert!(stats.idle == 1 && stats.idle_memory_bytes > 16 << 20, "{stats:?}");
    assert_eq!(home.runtime.evict_idle(now + Duration::from_secs(61)), 1);
    let stats = model.stats();
    assert!(stats.idle == 0 && stats.idle_memory_bytes == 0 && stats.mapped, "{stats:?}");
    assert_eq!(home.runtime.free_instances(), 50);
    home.runtime.evict_idle(now + Duration::from_secs(601));
    assert!(!model.stats().mapped);
    let (outputs, _) = model.predict(vec![fp64("x", &[2.0])]).await.unwrap();
    assert_eq!(values(&outputs[0]), [4.0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_is_busy_and_a_short_one_is_waited_in() {
    let home = home();
    let model = home
        .model(b"\x02", |options| {
            options.max_concurrency = 1;
            options.queue = 1;
            options.deadline = Duration::from_millis(400);
        })
        .await;
    let call = |name: &'static str| {
        let model = model.clone();
        tokio::spawn(async move { model.predict(vec![fp64(name, &[1.0])]).await })
    };
    let looping = call("loop");
    tokio::time::sleep(Duration::from_millis(100)).await;
    let queued = call("x");
    tokio::time::sleep(Duration::from_millis(50)).await;
    let stats = model.stats();
    assert_eq!((stats.running, stats.waiting), (1, 1));
    let refused = call("x").await.unwrap().unwrap_err().fault;
    assert!(matches!(refused, Fault::Busy { .. }), "{refused:?}");
    assert!(matches!(looping.await.unwrap().unwrap_err().fault, Fault::Deadline(_)));
    let (_, timings) = queued.await.unwrap().unwrap();
    assert!(timings.queue_us > 50_000, "{timings:?}");
    assert_eq!(model.stats().waiting, 0);
}

#[tokio::test]
async fn an_idle_model_gives_its_place_to_a_busy_one() {
    let home = home_with(|options| options.max_instances = 1);
    let first = home.model(b"\x02", |_| ()).await;
    let second = home.model(b"\x03", |_| ()).await;
    for model in [&first, &second, &first] {
        model.predict(vec![fp64("x", &[1.0])]).await.unwrap();
    }
    assert_eq!((first.stats().idle, second.stats().idle), (1, 0));
}

#[tokio::test]
async fn the_memory_of_the_whole_host_goes_to_whoever_is_called() {
    // What one instance of the guest holds, after a call that keeps 16 MiB.
    let probe = home();
    let model = probe.model(b"\x02", |_| ()).await;
    model.predict(vec![fp64("keep", &[1.0])]).await.unwrap();
    let one = probe.runtime.held_bytes();
    assert!(one > 16 << 20, "{one}");

    let home = home_with(|options| options.memory_budget_bytes = Some(2 * one + one / 2));
    let models = [
        home.model(b"\x02", |_| ()).await,
        home.model(b"\x03", |_| ()).await,
        home.model(b"\x04", |_| ()).await,
    ];
    let idle = || models.each_ref().map(|model| model.stats().idle);
    for model in &models {
        model.predict(vec![fp64("keep", &[1.0])]).await.unwrap();
        assert!(home.runtime.held_bytes() <= 2 * one + one / 2);
    }
    assert_eq!(idle(), [0, 1, 1], "the one called longest ago gave its memory");
    models[1].predict(vec![fp64("x", &[1.0])]).await.unwrap();
    models[0].predict(vec![fp64("keep", &[1.0])]).await.unwrap();
    assert_eq!(idle(), [1, 1, 0]);
    drop(models);
    assert_eq!(home.runtime.held_bytes(), 0);
}

#[tokio::test]
async fn a_host_without_memory_is_busy() {
    let home = home_with(|options| options.memory_budget_bytes = Some(64 << 10));
    let model = home.model(b"\x02", |_| ()).await;
    let fault = model.predict(vec![fp64("x", &[1.0])]).await.unwrap_err().fault;
    assert!(matches!(fault, Fault::Busy { .. }), "{fault:?}");
    assert_eq!(home.runtime.held_bytes(), 0);
}

#[tokio::test]
async fn as_many_instances_stay_warm_as_were_asked_for() {
    let home = home();
    let model = home.model(b"\x02", |options| options.warm = 2).await;
    model.keep_warm().await;
    assert_eq!(model.stats().idle, 2);
    let (_, timings) = model.predict(vec![fp64("x", &[1.0])]).await.unwrap();
    assert_eq!(timings.instantiate_us, 0);
    assert_eq!(home.runtime.evict_idle(Instant::now() + Duration::from_secs(3600)), 0);
    model.predict(vec![fp64("trap", &[1.0])]).await.unwrap_err();
    assert_eq!(model.stats().idle, 1, "one broke");
    home.runtime.keep_warm().await;
    assert_eq!(model.stats().idle, 2);
}

#[tokio::test]
async fn a_dropped_call_frees_its_place() {
    let home = home();
    let model = home.model(b"\x02", |options| options.max_concurrency = 1).await;
    let call = model.predict(vec![fp64("loop", &[1.0])]);
    assert!(tokio::time::timeout(Duration::from_millis(100), call).await.is_err());
    assert_eq!((model.stats().running, model.stats().idle), (0, 0));
    // The guest ends where it gives way next.
    let freed = async {
        while home.runtime.free_instances() < 50 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), freed).await.unwrap();
    model.predict(vec![fp64("x", &[1.0])]).await.unwrap();
}

#[tokio::test]
async fn another_kind_is_no_model() {
    let home = home();
    let bytes = guest("features");
    let model = home.runtime.model(&digest(&bytes), bytes, ModelOptions::default()).await.unwrap();
    let fault = model.predict(vec![fp64("x", &[1.0])]).await.unwrap_err().fault;
    assert!(matches!(&fault, Fault::Host(why) if why.contains("scoring plugin is needed")), "{fault:?}");
}

#[tokio::test]
async fn a_transformer_keeps_its_state_warm() {
    let home = home();
    let bytes = guest("features");
    let name = digest(&bytes);
    let state = Bytes::copy_from_slice(&2f64.to_le_bytes());
    let made = home.runtime.transformer(&name, bytes.clone(), state, ModelOptions::default()).await;
    let transformer = made.unwrap();
    assert_eq!(transformer.schema()[0].name, "x_centred");
    for _ in 0..3 {
        let (table, timings) = transformer.transform(vec![f64s("x", &[5.0])]).await.unwrap();
        assert_eq!(table[0].data, ColumnData::F64(vec![3.0]));
        assert_eq!(timings.instantiate_us, 0);
    }
    let short = vec![f64s("x", &[5.0, 6.0]), f64s("short", &[0.0, 0.0])];
    let fault = transformer.transform(short).await.unwrap_err().fault;
    assert!(matches!(fault, Fault::BadOutput(_)), "{fault:?}");
    transformer.evict_idle(Instant::now() + Duration::from_secs(3600));
    assert_eq!(transformer.stats().idle, 0);
    let (table, _) = transformer.transform(vec![f64s("x", &[2.0])]).await.unwrap();
    assert_eq!(table[0].data, ColumnData::F64(vec![0.0]), "the state is loaded again");
    let made =
        home.runtime.transformer(&name, bytes, Bytes::from_static(b"bad"), ModelOptions::default()).await;
    assert!(matches!(made.map(drop), Err(Error::Load(_))));
}
