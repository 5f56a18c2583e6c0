//! Marshalled code: every byte is accounted for, children lie inside, nothing panics.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    probity_engine::format::fuzz("marshal", data);
    probity_engine::format::fuzz("pyc", data);
});
