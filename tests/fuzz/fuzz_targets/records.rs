//! Small binary formats: claims add up, whatever the counts say.
#![no_main]

const IDS: [&str; 7] = ["java-class", "sqlite", "mo", "bitcode", "icu", "terminfo", "tzif"];

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    for id in IDS {
        probity_engine::format::fuzz(id, data);
    }
});
