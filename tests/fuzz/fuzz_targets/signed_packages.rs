//! Packages and the signatures beside them: what holds covers no more bytes than there are, and nothing panics.
#![no_main]

use probity_engine::source::MemorySource;
use probity_engine::verify::{Answer, deb, minisign, npm, sigstore};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let source = MemorySource::new(data.to_vec());
    let _ = npm::package(&source);
    let checked = deb::check(&source, "x_1_all.deb");
    assert!(checked.intact != Answer::Yes || deb::is_package(data) || data.len() > 8);
    assert_ne!(minisign::check(&source, data, None).intact, Answer::Yes);
    if let Ok(bundles) = sigstore::bundles(data) {
        assert!(!bundles.is_empty());
        for bundle in bundles {
            let _ = sigstore::subjects(&bundle);
        }
    }
});
