//! XML and PMML: any prolog is read in bounded time.
#![no_main]

const IDS: [&str; 2] = ["xml", "pmml"];

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    for id in IDS {
        probity_engine::format::fuzz(id, data);
    }
});
