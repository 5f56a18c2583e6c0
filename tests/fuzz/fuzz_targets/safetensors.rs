//! safetensors: claims add up and children lie inside, whatever the header says.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    probity_engine::format::fuzz("safetensors", data);
});
