//! executorch: claims add up and children lie inside, whatever offsets, counts and tags say.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    probity_engine::format::fuzz("executorch", data);
});
