//! Mach-O images: claims add up and children lie inside, whatever the bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| probity_engine::format::fuzz("macho", data));
