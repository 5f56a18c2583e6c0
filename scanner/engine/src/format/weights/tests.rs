//! Sound files, sizes that lie, and texts that look alike.

use super::*;
use crate::format::law;
use probity_tests::build::weights;
use proptest::prelude::*;

#[test]
fn sound_files_are_claimed_whole() {
    law::check(&FASTTEXT, &weights::fasttext(false));
    for (bytes, id) in [
        (weights::fasttext(false), "fasttext"),
        (weights::fasttext(true), "fasttext"),
        (weights::word2vec(), "word2vec"),
        (weights::catboost(64, b"tables"), "catboost"),
    ] {
        assert_eq!(law::identified(&bytes), id);
        let format = crate::format::FORMATS.iter().find(|f| f.id() == id).unwrap();
        let (parse, lines) = law::map(*format, &bytes);
        assert!(parse.errors().is_empty() && parse.findings().is_empty(), "{lines:?}");
        assert!(!lines.iter().any(|l| l.ends_with("unclaimed")), "{lines:?}");
    }
    let (_, lines) = law::map(&FASTTEXT, &weights::fasttext(false));
    assert_eq!(
        lines,
        [
            "0..64 header magic, version and arguments",
            "64..92 header dictionary sizes",
            "92..117 strings words",
            "117..134 table input sizes",
            "134..150 tensor input",
            "150..167 table output sizes",
            "167..183 tensor output",
        ]
    );
    let behind = [weights::word2vec(), b"appended".to_vec()].concat();
    let (_, lines) = law::map(&WORD2VEC, &behind);
    assert_eq!(lines.last().map(String::as_str), Some("37..45 unclaimed"));
}

#[test]
fn sizes_that_lie_and_texts_are_no_weights() {
    let mut words = weights::fasttext(false);
    words[64] = 0xff;
    let (parse, _) = law::map(&FASTTEXT, &words);
    assert_eq!(law::told(&parse), [("malformed", None)]);
    assert_eq!(law::identified(b"2 3\nthe 0.1 0.2 0.3\nof 0.4 0.5 0.6\n"), "text");
    assert_ne!(law::identified(&weights::word2vec()[..20]), "word2vec");
    assert_ne!(law::identified(b"CBM1\xff\xff\xff\xff1234"), "catboost");
}

proptest! {
    #[test]
    fn any_bytes_behind_the_magic_keep_the_law(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        crate::format::fuzz("fasttext", &[&weights::fasttext(false)[..8], &bytes].concat());
        crate::format::fuzz("word2vec", &[b"2 3\nthe ", &bytes[..]].concat());
        crate::format::fuzz("catboost", &[b"CBM1", &bytes[..]].concat());
    }
}
