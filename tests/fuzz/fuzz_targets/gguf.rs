//! GGUF: claims add up and children lie inside, whatever counts, lengths and offsets say.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    probity_engine::format::fuzz("gguf", data);
});
