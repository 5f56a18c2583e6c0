//! Formats that are recognised and not decoded: whatever the bytes, they are claimed whole.
#![no_main]

const IDS: [&str; 17] = [
    "rar", "cab", "squashfs", "cpio", "xar", "dmg", "lzip", "lzo", "compress", "luks", "rpm", "wim", "qcow", "tensorrt",
    "rknn", "ort", "data",
];

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    for id in IDS {
        probity_engine::format::fuzz(id, data);
    }
});
