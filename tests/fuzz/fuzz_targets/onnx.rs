//! onnx: claims add up and children lie inside, whatever lengths, offsets and references say.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    probity_engine::format::fuzz("onnx", data);
});
