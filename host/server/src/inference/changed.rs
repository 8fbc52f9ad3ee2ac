//! Requests with bytes changed by chance: whatever they have become, they are
//! read or refused. For as long as `FUZZ_SECONDS` says, else a fixed number.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use axum::http::{HeaderMap, HeaderValue};
use prost::Message;
use serde_json::json;

use super::{
    body::JSON_LENGTH,
    grpc::{
        messages,
        proto::{
            InferParameter, InferTensorContents, ModelInferRequest, infer_parameter::ParameterChoice,
            model_infer_request::InferInputTensor,
        },
    },
    infer::read_call,
};

/// Marsaglia's xorshift, 64 bits.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }

    /// A few bytes overwritten, taken out, or there twice.
    fn change(&mut self, bytes: &mut Vec<u8>) {
        let odd = b"0123456789-+.eE[]{}\",:\\nulltrueNaN\x00\x01\x7f\x80\xff\n ";
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            match self.below(4) {
                0 if !bytes.is_empty() => drop(bytes.remove(at)),
                1 => bytes.insert(at, odd[self.below(odd.len())]),
                2 if !bytes.is_empty() => {
                    let to = (at + 1 + self.below(24)).min(bytes.len());
                    let part = bytes[at..to].to_vec();
                    let there = self.below(bytes.len());
                    bytes.splice(there..there, part);
                }
                _ if !bytes.is_empty() => bytes[at] = odd[self.below(odd.len())],
                _ => {}
            }
        }
    }
}

/// Gives each kind of request, changed again and again, to a reader; gives how
/// many were read and how many refused.
fn many<S: Clone>(seeds: &[S], mut read: impl FnMut(&mut Chance, S) -> bool) -> (u64, u64) {
    let seconds = std::env::var("FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let until = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let (mut chance, mut taken, mut refused) = (Chance(0x9e37_79b9_7f4a_7c15), 0, 0);
    while until.map_or(taken + refused < 20_000, |until| Instant::now() < until) {
        for seed in seeds {
            match read(&mut chance, seed.clone()) {
                true => taken += 1,
                false => refused += 1,
            }
        }
    }
    (taken, refused)
}

#[test]
fn http_requests_of_changed_bytes_are_read_or_refused() {
    let tensor = |name: &str, datatype: &str, data| json!({"name": name, "shape": [2, 2], "datatype": datatype, "data": data});
    let plain = json!({"id": "1", "parameters": {"sticky": "a", "binary_data_output": false},
        "inputs": [tensor("a", "FP64", json!([1.5, null, -2e300, 4])), tensor("b", "INT64", json!([[1, 2], [3, 4]])),
            tensor("c", "BYTES", json!(["é", "b", "", "d"])), tensor("d", "BOOL", json!([true, false, true, false]))],
        "outputs": [{"name": "p", "parameters": {"binary_data": true}}]});
    let raw = |datatype: &str, size: u64| json!({"name": datatype, "shape": [2], "datatype": datatype, "parameters": {"binary_data_size": size}});
    let head =
        json!({"inputs": [raw("FP32", 8), raw("BYTES", 10), raw("FP16", 4), raw("UINT8", 2)]}).to_string();
    let mut body = head.clone().into_bytes();
    body.extend_from_slice(&1.5_f32.to_le_bytes());
    body.extend_from_slice(&f32::NAN.to_le_bytes());
    body.extend_from_slice(&[1, 0, 0, 0, b'x', 1, 0, 0, 0, b'y', 0, 60, 0, 60, 7, 8]);
    let seeds = [(plain.to_string().into_bytes(), None), (body, Some(head.len()))];
    for (body, length) in &seeds {
        assert!(read_call(&headers(*length), body, None).is_ok());
    }
    let (taken, refused) = many(&seeds, |chance, (mut body, mut length)| {
        chance.change(&mut body);
        if chance.below(8) == 0 {
            length = length.map(|length| length + chance.below(9)).map(|length| length.saturating_sub(4));
        }
        read_call(&headers(length), &body, None).is_ok()
    });
    assert!(taken > 100 && refused > 1000, "{taken} and {refused}");
}

fn headers(length: Option<usize>) -> HeaderMap {
    length.map(|length| (JSON_LENGTH.parse().unwrap(), HeaderValue::from(length))).into_iter().collect()
}

#[test]
fn grpc_messages_of_changed_bytes_are_read_or_refused() {
    let input = |name: &str, datatype: &str, contents| InferInputTensor {
        name: name.into(),
        datatype: datatype.into(),
        shape: vec![2],
        contents,
        ..InferInputTensor::default()
    };
    let sticky = InferParameter { parameter_choice: Some(ParameterChoice::StringParam("a".into())) };
    let typed = ModelInferRequest {
        model_name: "m".into(),
        parameters: BTreeMap::from([("sticky".into(), sticky)]),
        inputs: vec![
            input(
                "a",
                "FP64",
                Some(InferTensorContents { fp64_contents: vec![1.0, 2.0], ..Default::default() }),
            ),
            input(
                "b",
                "BYTES",
                Some(InferTensorContents {
                    bytes_contents: vec!["x".into(), "y".into()],
                    ..Default::default()
                }),
            ),
        ],
        ..ModelInferRequest::default()
    };
    let raw = ModelInferRequest {
        model_name: "m".into(),
        inputs: vec![input("a", "FP32", None), input("b", "INT16", None)],
        raw_input_contents: vec![vec![0; 8].into(), vec![1, 0, 2, 0].into()],
        ..ModelInferRequest::default()
    };
    let seeds = [typed.encode_to_vec(), raw.encode_to_vec()];
    let read =
        |bytes: &[u8]| ModelInferRequest::decode(bytes).is_ok_and(|read| messages::call(read, None).is_ok());
    assert!(seeds.iter().all(|seed| read(seed)));
    let (taken, refused) = many(&seeds, |chance, mut bytes| {
        chance.change(&mut bytes);
        read(&bytes)
    });
    assert!(taken > 100 && refused > 1000, "{taken} and {refused}");
}
