//! ZIP: both views of any bytes are read without a panic, claims add up, children lie inside.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| probity_engine::format::fuzz("zip", data));
