//! A model whose first input's name says what it does wrong.

#[allow(dead_code)]
#[path = "../../../../../../sdk/rust/src/panic.rs"]
mod panic;

wit_bindgen::generate!({ path: "../../../../../wit", world: "scoring-plugin" });

use std::hint::black_box;
use std::sync::Mutex;

use exports::modelyard::lifecycle::scoring::Guest;
use modelyard::lifecycle::types::{
    Datatype, Description, Error, InvalidInput, Signature, Tensor, TensorData, TensorSpec,
};

static STATE: Mutex<(Vec<u8>, u64)> = Mutex::new((Vec::new(), 0));

struct Model;

impl Guest for Model {
    fn describe() -> Description {
        panic::install();
        Description {
            summary: "Multiplies".into(),
            parameters: "{}".into(),
            inputs: Vec::new(),
            outputs: vec!["y: x times the artifact's first byte".into()],
        }
    }

    fn load(artifact: Vec<u8>) -> Result<Signature, Error> {
        panic::install();
        match artifact.as_slice() {
            b"loop" => spin(),
            b"panic" => panic!("the artifact is haunted"),
            b"refuse" => return Err(invalid("not an artifact of this model", None)),
            _ => STATE.lock().unwrap().0 = artifact,
        }
        let spec = |name: &str| TensorSpec {
            name: name.into(),
            datatype: Datatype::Fp64,
            shape: vec![-1],
            labels: Vec::new(),
        };
        Ok(Signature { inputs: vec![spec("x")], outputs: vec![spec("y")] })
    }

    fn predict(inputs: Vec<Tensor>) -> Result<Vec<Tensor>, Error> {
        panic::install();
        let Some(input) = inputs.first() else { return Err(invalid("no input", None)) };
        let TensorData::Fp64(x) = &input.data else { return Err(invalid("x is fp64", Some("x"))) };
        let rows = x.len() as i64;
        let mut state = STATE.lock().unwrap();
        state.1 += 1;
        let factor = f64::from(state.0.first().copied().unwrap_or(1));
        let y = |shape: i64, values: Vec<f64>| {
            Ok(vec![Tensor { name: "y".into(), shape: vec![shape], data: TensorData::Fp64(values) }])
        };
        match input.name.as_str() {
            "x" => y(rows, x.iter().map(|x| x * factor).collect()),
            "count" => y(1, vec![state.1 as f64]),
            "spin" => {
                let rounds = x.first().copied().unwrap_or(0.0) as u64;
                y(1, vec![(0..rounds).fold(0.0, |sum, n| black_box(sum + n as f64))])
            }
            "loop" => spin(),
            "grow" => loop {
                black_box(vec![1u8; 1 << 20]).leak();
            },
            "keep" => {
                black_box(vec![1u8; 16 << 20]).leak();
                y(1, vec![1.0])
            }
            "recurse" => y(1, vec![recurse(1) as f64]),
            "panic" => panic!("no tree has {} leaves", rows),
            "trap" => core::arch::wasm32::unreachable(),
            "shape" => y(rows + 1, x.clone()),
            "rows" => y(1, vec![1.0]),
            "missing" => Ok(Vec::new()),
            "huge" => y(13_000_000, vec![1.0; 13_000_000]),
            "refuse" => Err(Error::InvalidInput(InvalidInput {
                message: "too small".into(),
                parameter: None,
                column: Some("refuse".into()),
                row: Some(3),
            })),
            other => Err(invalid("unknown", Some(other))),
        }
    }
}

fn spin() -> ! {
    loop {
        black_box(());
    }
}

#[allow(unconditional_recursion)]
fn recurse(depth: u64) -> u64 {
    black_box(recurse(black_box(depth + 1))) + 1
}

fn invalid(message: &str, column: Option<&str>) -> Error {
    Error::InvalidInput(InvalidInput {
        message: message.into(),
        parameter: None,
        column: column.map(Into::into),
        row: None,
    })
}

export!(Model);
