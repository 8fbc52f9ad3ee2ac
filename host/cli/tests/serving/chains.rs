//! Steps before and after a model: composed into one call, fixed when they are
//! deployed, and refused where they don't fit.

use serde_json::{Value, json};

use crate::{Yard, deployed, infer, output, with_steps};

/// Hundredths of x1 before, a decision after.
fn chain() -> Value {
    json!({
        "before": [{"plugin": "rescale", "parameters": {"input": "x1_percent", "output": "x1", "factor": 0.01}}],
        "after": [{"plugin": "decide", "parameters": {"threshold": 0.5, "amount": "x2", "limit": 5}}],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_and_model_are_one_call() {
    let mut yard = with_steps(&["rescale", "decide"]).await;
    deployed(&yard, "chained", chain()).await.ok();

    let described = yard.get("/v2/models/chained").await.ok();
    let names = |of: &str| -> Vec<String> {
        let all = described[of].as_array().unwrap().iter();
        all.map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("inputs"), ["x1_percent", "x2"]);
    assert_eq!(names("outputs"), ["probability", "label", "decision"]);

    answers(&yard).await;
    // What runs was fixed: it is there after a restart, whatever became of the plugins.
    yard.request(reqwest::Method::DELETE, "/plugins/rescale")
        .send()
        .await
        .unwrap()
        .error_for_status()
        .unwrap();
    yard.kill();
    yard.restart();
    answers(&yard).await;

    replaced_and_rolled_back(&yard).await;
    yard.sound().await;
}

async fn answers(yard: &Yard) {
    let direct = infer(yard, "side", &[("x1", &[0.9, -0.9, 0.9]), ("x2", &[0.8, -0.8, 6.0])]).await.ok();
    let chained = infer(yard, "chained", &[("x1_percent", &[90.0, -90.0, 90.0]), ("x2", &[0.8, -0.8, 6.0])]);
    let chained = chained.await.ok();
    assert_eq!(output(&chained, "probability"), output(&direct, "probability"));
    assert_eq!(output(&chained, "label"), output(&direct, "label"));
    assert_eq!(output(&chained, "decision"), json!(["yes", "no", "ask"]));
}

async fn replaced_and_rolled_back(yard: &Yard) {
    let revision = async || yard.get("/deployment/chained").await.ok()["revision"].clone();
    let first = revision().await;
    // The same again changes nothing, although the plugin of one step is gone.
    let strict = json!({"after": [{"plugin": "decide",
        "parameters": {"threshold": 0.999, "amount": "x2", "limit": 5}}]});
    deployed(yard, "chained", strict.clone()).await.ok();
    let second = revision().await;
    assert_ne!(first, second);
    deployed(yard, "chained", strict).await.ok();
    assert_eq!(revision().await, second, "the same deployment again is no revision");
    let answer = infer(yard, "chained", &[("x1", &[0.3]), ("x2", &[0.3])]).await.ok();
    assert_eq!(output(&answer, "decision"), json!(["no"]));
    yard.post("/deployment/chained/rollback", json!({})).await.ok();
    answers(yard).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_refused_when_it_is_deployed() {
    let yard = with_steps(&["rescale", "decide", "rogue"]).await;
    let rescale = |input: &str, output: &str| json!([{"plugin": "rescale", "parameters": {"input": input, "output": output}}]);
    let decide = |amount: &str| {
        json!([{"plugin": "decide",
        "parameters": {"threshold": 0.5, "amount": amount, "limit": 1}}])
    };
    let cases = [
        (json!({"before": rescale("a", "b")}), "before[0]", "the model takes x1, x2"),
        (json!({"after": decide("x9")}), "after[0]", "nothing gives its input \"x9\""),
        (json!({"after": decide("label")}), "after[0]", "\"label\" is given as"),
        (json!({"before": [{"plugin": "nobody"}]}), "before[0].plugin", "no plugin is named \"nobody\""),
        (json!({"before": [{"plugin": "training-gbdt"}]}), "before[0].plugin", "a scoring plugin is needed"),
        (json!({"before": [{"plugin": "rescale"}]}), "before[0].parameters", "input"),
        (
            json!({"after": [{"plugin": "decide", "parameters": {"threshold": 2, "amount": "x1", "limit": 1}}]}),
            "after[0].parameters/threshold",
            "maximum",
        ),
    ];
    for (more, field, words) in cases {
        let answer = deployed(&yard, "chained", more.clone()).await;
        assert_eq!(answer.body["location"]["field"], field, "{more}: {answer:?}");
        let detail = answer.problem(400);
        assert!(detail.contains(words), "{more}: {detail}");
    }
    let nine = vec![json!({"plugin": "rogue"}); 9];
    let detail = deployed(&yard, "chained", json!({"before": nine})).await.problem(400);
    assert!(detail.contains("9 steps are more than 8"), "{detail}");
    assert_eq!(yard.get("/deployment/chained").await.status, 404);
    yard.sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_fails_says_which_it_is() {
    let yard = with_steps(&["rogue"]).await;
    let limits =
        json!({"before": [{"plugin": "rogue"}], "limits": {"deadline_ms": 500, "memory_bytes": 33_554_432}});
    deployed(&yard, "fragile", limits).await.ok();
    let call = async |x1: f64| infer(&yard, "fragile", &[("x1", &[x1]), ("x2", &[0.0])]).await;
    for (x1, status, words) in [
        (100.0, 504, "500"),
        (200.0, 502, "there is no row 200"),
        (300.0, 502, "memory"),
        (400.0, 400, "must not be 400"),
    ] {
        let answer = call(x1).await;
        let told = answer.body.to_string();
        assert_eq!(answer.status, status, "{told}");
        assert!(told.contains("before[0] (rogue)") && told.contains(words), "{told}");
        call(0.5).await.ok();
    }
    let missing = infer(&yard, "fragile", &[("x2", &[0.0])]).await;
    assert!(missing.body.to_string().contains("x1"), "{missing:?}");
    assert_eq!(missing.status, 400);
    yard.sound().await;
}
