//! PDF: claims add up, wherever the sections end.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    probity_engine::format::fuzz("pdf", data);
});
