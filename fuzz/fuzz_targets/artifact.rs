//! The artifacts of the built-in trainers, which may be imported as files too.
#![no_main]

use libfuzzer_sys::fuzz_target;
use modelyard_fuzz::{model, seeds};
use modelyard_sdk::learn::{gbdt, linear};
use scoring_gbdt::plugin::Gbdt;
use scoring_linear::plugin::Linear;

fuzz_target!(init: seeds::artifact(), |bytes: &[u8]| {
    if let Ok(model) = gbdt::format::decode(bytes) {
        let again = gbdt::format::encode(&model);
        assert_eq!(gbdt::format::decode(&again).expect("what was written"), model);
        model::check::<Gbdt>(bytes, true);
    } else if let Ok(model) = linear::format::decode(bytes) {
        let again = linear::format::encode(&model);
        assert_eq!(linear::format::decode(&again).expect("what was written"), model);
        model::check::<Linear>(bytes, true);
    }
});
