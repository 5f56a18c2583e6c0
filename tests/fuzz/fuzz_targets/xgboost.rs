//! The xgboost format: claims add up and children lie inside, whatever lengths and counts say.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    probity_engine::format::fuzz("xgboost", data);
});
