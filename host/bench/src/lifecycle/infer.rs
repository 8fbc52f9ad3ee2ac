//! Single-row predictions through the hot path (endpoint, features, model,
//! prediction log), warm instances beside a fresh one for each call.

use std::time::Duration;

use anyhow::Result;
use modelyard_lifecycle::{
    Platform,
    deployment::Request,
    governance::Actor,
    runtime::types::{Datatype, Tensor, TensorData, TensorSpec},
};
use serde_json::json;

use super::{Line, timed};

const CALLS: u32 = 5_000;

fn row(spec: &TensorSpec) -> Tensor {
    let data = match spec.datatype {
        Datatype::Bytes => TensorData::Bytes(vec![b"UA".to_vec()]),
        Datatype::Int64 => TensorData::Int64(vec![12]),
        Datatype::Bool => TensorData::Bool(vec![true]),
        _ => TensorData::Fp64(vec![12.0]),
    };
    Tensor { name: spec.name.clone(), shape: vec![1], data }
}

pub(crate) async fn measure(platform: &Platform, run: &str) -> Result<Line> {
    let actor = Actor::local();
    let version = platform.registry().register(&actor, "late", run).await?;
    let inputs: Vec<Tensor> = version.inputs.inputs.iter().map(row).collect();
    let mut times = Vec::new();
    for (name, reuse) in [("warm", 10_000), ("fresh", 0)] {
        let spec = json!({"name": name, "model": "late", "routes": [{"version": version.version}],
                          "limits": {"reuse": reuse}});
        platform.deployment().deploy(&actor, serde_json::from_value(spec)?, "measured").await?;
        let calls = async {
            for _ in 0..CALLS {
                let request = Request { inputs: inputs.clone(), ..Request::default() };
                platform.deployment().infer(name, request).await?;
            }
            anyhow::Ok(())
        };
        let (done, took) = timed(calls).await;
        done?;
        times.push(took);
    }
    let (warm, fresh) =
        (times.first().copied().unwrap_or_default(), times.get(1).copied().unwrap_or_default());
    let each = |took: Duration| took.as_secs_f64() * 1e6 / f64::from(CALLS);
    Ok(Line {
        what: "5,000 single-row predictions, warm",
        ours: warm,
        beside: Some(("a fresh instance for each", fresh)),
        note: format!("{:.0} µs a call warm, {:.0} µs fresh, recorded", each(warm), each(fresh)),
    })
}
