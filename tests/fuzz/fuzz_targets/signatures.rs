//! Signed messages and certificate tables: no panic, bounded work, and coverage that adds up.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    probity_engine::verify::fuzz(data);
});
