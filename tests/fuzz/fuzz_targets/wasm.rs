//! WebAssembly: claims add up and children lie inside, whatever the sections say.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    probity_engine::format::fuzz("wasm", data);
});
