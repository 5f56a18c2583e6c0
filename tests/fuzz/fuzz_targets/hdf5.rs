//! HDF5: every byte is accounted for, children lie inside, nothing panics.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    probity_engine::format::fuzz("hdf5", data);
    // A file behind its signature, so that the first bytes are not guessed again and again.
    let file = [&b"\x89HDF\r\n\x1a\n"[..], data].concat();
    probity_engine::format::fuzz("hdf5", &file);
});
