//! Keras configurations: every byte is accounted for, children lie inside, nothing panics.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    probity_engine::format::fuzz("keras-config", data);
    probity_engine::format::fuzz("text", data);
});
