//! Apple code signatures: whatever the SuperBlob, its CodeDirectories and its message say, nothing panics, and covered,
//! excluded and uncovered bytes are the image's length.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| probity_engine::verify::fuzz_codesign(data));
