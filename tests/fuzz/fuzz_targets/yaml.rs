//! YAML: any text is read for tags in one pass.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    probity_engine::format::fuzz("yaml", data);
});
