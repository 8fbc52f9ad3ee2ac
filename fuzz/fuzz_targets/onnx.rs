#![no_main]

use libfuzzer_sys::fuzz_target;
use modelyard_fuzz::{model, seeds};
use scoring_onnx::plugin::Onnx;

// A graph may mix rows.
fuzz_target!(init: seeds::onnx(), |bytes: &[u8]| model::check::<Onnx>(bytes, false));
