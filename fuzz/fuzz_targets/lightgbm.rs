#![no_main]

use libfuzzer_sys::fuzz_target;
use modelyard_fuzz::{model, seeds};
use scoring_lightgbm::plugin::LightGbm;

fuzz_target!(init: seeds::lightgbm(), |bytes: &[u8]| model::check::<LightGbm>(bytes, true));
