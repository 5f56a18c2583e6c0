//! Texts of a language: claimed whole, whatever they are.
#![no_main]

const IDS: [&str; 5] = ["python", "javascript", "shell", "toml", "ini"];

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    for id in IDS {
        probity_engine::format::fuzz(id, data);
    }
});
