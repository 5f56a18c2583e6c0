//! RECORD and its signature: rows are no longer than their lines, and nothing panics.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    probity_engine::verify::record::fuzz(data);
});
