//! sentencepiece: claims add up and children lie inside, whatever the fields of its messages say.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    probity_engine::format::fuzz("sentencepiece", data);
});
