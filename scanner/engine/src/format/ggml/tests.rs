//! Every layout, and files of none.

use super::*;
use crate::format::law;
use probity_tests::build::ggml;
use proptest::prelude::*;

#[test]
fn every_layout_is_read_to_the_end_of_the_file() {
    for (bytes, tensors) in [
        (ggml::llama(b"lmgg"), 2),
        (ggml::llama(b"fmgg"), 2),
        (ggml::llama(b"tjgg"), 2),
        (ggml::whisper(), 1),
        (ggml::adapter(), 1),
    ] {
        let (parse, lines) = law::map(&Ggml, &bytes);
        assert!(parse.errors().is_empty() && parse.findings().is_empty(), "{lines:?}");
        assert!(!lines.iter().any(|l| l.ends_with("unclaimed")), "{lines:?}");
        assert_eq!(parse.facts().len(), tensors, "{lines:?}");
        assert_eq!(law::identified(&bytes), "ggml");
    }
    let (_, lines) = law::map(&Ggml, &ggml::llama(b"tjgg"));
    assert_eq!(
        lines[..5],
        [
            "0..36 header header",
            "36..55 strings vocabulary",
            "55..96 table tensor tok_embeddings.weight",
            "96..120 tensor tok_embeddings.weight",
            "120..151 table tensor norm.weight",
        ]
    );
}

#[test]
fn a_layout_that_does_not_lead_to_the_end_is_said_to_be_unread() {
    let sample = ggml::llama(b"tjgg");
    for bytes in [
        &sample[..sample.len() - 1],
        &[&sample[..], b"x"].concat(),
        &sample[..40],
    ] {
        let (parse, lines) = law::map(&Ggml, bytes);
        assert_eq!(parse.errors().len(), 1, "{lines:?}");
        assert!(!lines.iter().any(|l| l.ends_with("unclaimed")), "{lines:?}");
    }
    let (parse, lines) = law::map(&Ggml, b"lmgg\x0a\0\0\0another program's");
    assert!(parse.errors().is_empty() && lines.len() == 2, "{lines:?}");
    for at in 0..sample.len() {
        let mut changed = sample.clone();
        changed[at] ^= 0x80;
        crate::format::fuzz("ggml", &changed);
    }
}

proptest! {
    #[test]
    fn any_bytes_behind_the_magic_keep_the_law(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for magic in [&b"lmgg"[..], b"tjgg\x01\0\0\0", b"algg\x01\0\0\0"] {
            crate::format::fuzz("ggml", &[magic, &bytes].concat());
        }
    }
}
