//! Fonts: claims add up, whatever the table directories say.
#![no_main]

const IDS: [&str; 3] = ["font", "woff", "woff2"];

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    for id in IDS {
        probity_engine::format::fuzz(id, data);
    }
});
