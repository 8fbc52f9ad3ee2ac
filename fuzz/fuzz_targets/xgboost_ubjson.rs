#![no_main]

use libfuzzer_sys::fuzz_target;
use modelyard_fuzz::{model, seeds};
use scoring_xgboost::plugin::XgBoost;

fuzz_target!(init: seeds::xgboost("ubj"), |bytes: &[u8]| model::check::<XgBoost>(bytes, true));
