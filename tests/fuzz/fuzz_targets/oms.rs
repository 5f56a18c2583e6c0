//! Model signatures: whatever the bundle and the statement in it, no name that is kept leads out, and nothing panics.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    probity_engine::verify::oms::fuzz(data);
});
