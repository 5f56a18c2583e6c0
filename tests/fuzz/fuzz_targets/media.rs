//! Pictures, sound and video: claims add up, whatever the parts say.
#![no_main]

const IDS: [&str; 9] = ["png", "jpeg", "gif", "riff", "ico", "ogg", "flac", "mp3", "isobmff"];

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    for id in IDS {
        probity_engine::format::fuzz(id, data);
    }
});
