//! The eszip parser: any bytes are accounted for, and children lie inside.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| probity_engine::format::fuzz("eszip", data));
