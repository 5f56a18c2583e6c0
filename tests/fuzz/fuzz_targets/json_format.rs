//! The JSON format: any bytes are accounted for.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    probity_engine::format::fuzz("json", data);
});
