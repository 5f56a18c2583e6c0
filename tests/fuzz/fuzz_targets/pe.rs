//! PE images: no panic, claims that add up, children inside.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    probity_engine::format::fuzz("pe", data);
});
