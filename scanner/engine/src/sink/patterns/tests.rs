//! Patterns are found wherever they stand, exactly once, however the bytes are cut.

use super::*;
use probity_signatures::custom::{CustomRule, Detect, LONGEST_MATCH, Surroundings, load};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Instant;

/// The patterns of one rule with the keys of `lines`.
fn patterns(lines: &str) -> Vec<Pattern> {
    let text = format!("id = \"r-r\"\nseverity = \"low\"\nsummary = \"s\"\nreason = \"r\"\n{lines}\n");
    let around = Surroundings {
        formats: &[],
        path_glob: &|_| Ok(()),
    };
    let rules: Vec<CustomRule> = load(&[("r.toml", &text)], &around).unwrap_or_else(|e| panic!("{lines}: {e:?}"));
    match rules.into_iter().next().unwrap().detect {
        Detect::Patterns { patterns, .. } => patterns,
        other => panic!("{other:?}"),
    }
}

fn scan(set: &Arc<PatternSet>, bytes: &[u8], tile: usize) -> PatternScan {
    let mut sink = PatternSink::new(Arc::clone(set), vec![0]);
    let mut at = 0u64;
    for piece in bytes.chunks(tile) {
        sink.feed(at, piece);
        at += piece.len() as u64;
    }
    sink.finish()
}

/// (pattern, start, end) of every hit, the same for every tile size.
fn hits(lines: &str, bytes: &[u8]) -> Vec<(u32, u64, u64)> {
    let set = Arc::new(PatternSet::new(&patterns(lines)));
    let whole = scan(&set, bytes, bytes.len().max(1));
    for tile in [1, 7, 4096] {
        assert_eq!(scan(&set, bytes, tile), whole, "tiles of {tile}: {lines}");
    }
    let spans = whole
        .hits
        .iter()
        .map(|hit| (hit.pattern, hit.span.start(), hit.span.end()));
    spans.collect()
}

/// `what` at `at` in filler.
fn at(length: usize, at: usize, what: &[u8]) -> Vec<u8> {
    let mut bytes = vec![b'.'; length];
    bytes[at..at + what.len()].copy_from_slice(what);
    bytes
}

#[test]
fn each_kind_is_found_once_with_its_exact_bytes_and_a_near_miss_is_not() {
    for (lines, what, near) in [
        ("strings = [\"beacon\"]", &b"beacon"[..], &b"Beacon"[..]),
        ("strings = [\"abc\"]", b"abc", b"abd"),
        ("strings = [{ text = \"BeaCon\", nocase = true }]", b"bEAcOn", b"bEAc@n"),
        (
            "strings = [{ text = \"wide\", encodings = [\"utf-16\"] }]",
            b"w\0i\0d\0e\0",
            b"wide....",
        ),
        (
            "strings = [{ text = \"wide\", encodings = [\"utf-16\"] }]",
            b"\0w\0i\0d\0e",
            b"\0w\0i\0d\0f",
        ),
        (
            "strings = [\"\u{20ac}\u{20ac}\u{20ac}\"]",
            "\u{20ac}\u{20ac}\u{20ac}".as_bytes(),
            b"\xe2\x82\xac\xe2\x82\xac\xe2\x82\xad",
        ),
        ("bytes = [\"DE AD BE EF\"]", b"\xde\xad\xbe\xef", b"\xde\xad\xbe\xee"),
        (
            "bytes = [\"?? DE AD ?F [1-3] EF\"]",
            b"x\xde\xad\x1fyz\xef",
            b"x\xde\xad\x1fyzyz\xef",
        ),
        ("regex = ['key_[0-9]{4}']", b"key_1234", b"key_123x"),
        ("regex = ['[0-9]{4}-key']", b"1234-key", b"123x-key"),
        ("regex = ['(?i)token=[a-f]+;']", b"ToKeN=abc;", b"ToKeN=abg;"),
    ] {
        for place in [0, 1, 65_530, 65_536, 65_537, 131_000] {
            let bytes = at(140_000, place, what);
            let end = (place + what.len()) as u64;
            assert_eq!(hits(lines, &bytes), [(0, place as u64, end)], "{lines} at {place}");
            assert_eq!(hits(lines, &at(140_000, place, near)), [], "{lines} near {place}");
        }
        assert_eq!(hits(lines, what), [(0, 0, what.len() as u64)]);
        assert_eq!(hits(lines, &what[..what.len() - 1]), []);
    }
}

#[test]
fn words_end_where_the_bytes_around_them_say() {
    let lines = r"regex = ['\bkey\b', '(?m)^end$']";
    assert_eq!(
        hits(lines, b"key keys monkey key\nend\nends"),
        [(0, 0, 3), (0, 16, 19), (1, 20, 23)]
    );
    let long = [vec![b'a'; 65_536], b"key key".to_vec()].concat();
    assert_eq!(
        hits(lines, &long),
        [(0, 65_540, 65_543)],
        "the byte before a block counts"
    );
}

#[test]
fn strings_may_overlap_and_matches_of_one_expression_do_not() {
    assert_eq!(hits("strings = [\"aaa\"]", b"aaaaa"), [(0, 0, 3), (0, 1, 4), (0, 2, 5)]);
    assert_eq!(hits("regex = ['aa[ab]']", b"aaaaab"), [(0, 0, 3), (0, 3, 6)]);
    assert_eq!(hits("regex = ['x.*y']", b"x1y x2y"), [(0, 0, 7)]);
    assert_eq!(hits("regex = ['x.*?y']", b"x1y x2y"), [(0, 0, 3), (0, 4, 7)]);
}

#[test]
fn a_match_is_as_long_as_is_said_wherever_it_stands() {
    for (lines, head) in [
        ("regex = ['begin[^e]*end']", &b"begin"[..]),
        ("regex = ['[0-9]+:[^e]*end']", b"1:"),
    ] {
        let most = LONGEST_MATCH - head.len() - 3;
        for (gap, found) in [(10, true), (most, true), (most + 1, false), (20_000, false)] {
            for place in [0, 50_000, 65_530] {
                let text = [head, &vec![b'.'; gap][..], b"end"].concat();
                let expected: Vec<_> = found
                    .then_some((0, place as u64, (place + text.len()) as u64))
                    .into_iter()
                    .collect();
                assert_eq!(
                    hits(lines, &at(100_000, place, &text)),
                    expected,
                    "{lines}: {gap} at {place}"
                );
            }
        }
    }
}

#[test]
fn what_runs_on_everywhere_is_given_up_and_said() {
    let set = Arc::new(PatternSet::new(&patterns("regex = ['[0-9]+b[^e]*end']")));
    let mut bytes = b"1b".repeat(40_000);
    bytes.extend_from_slice(b"end");
    let began = Instant::now();
    let scan = scan(&set, &bytes, 4096);
    assert_eq!((scan.given_up.len(), scan.hits.len()), (1, 0));
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}

#[test]
fn a_flood_is_counted() {
    let set = Arc::new(PatternSet::new(&patterns("strings = [\"abc\"]")));
    let scan = scan(&set, &b"abc".repeat(10_000), 100);
    assert_eq!((scan.hits.len(), &scan.more[..]), (4096, &[(0, 0, 5904)][..]));
}

#[test]
fn hits_name_the_segment_of_their_first_byte() {
    let set = Arc::new(PatternSet::new(&patterns("strings = [\"abc\"]")));
    let mut sink = PatternSink::new(set, vec![0, 2, 9]);
    sink.feed(0, b"abcabcabcabc");
    let segments: Vec<usize> = sink.finish().hits.iter().map(|hit| hit.segment).collect();
    assert_eq!(segments, [0, 1, 1, 2]);
}

proptest! {
    #[test]
    fn the_search_agrees_with_a_search_by_hand(
        words in proptest::collection::btree_set("[abAB\\x00 ]{3,20}", 1..12),
        nocase in any::<bool>(),
        bytes in proptest::collection::vec(proptest::sample::select(b"abAB\0 ".to_vec()), 0..3000),
        wanted in 0usize..12,
        place in 0usize..3000,
    ) {
        let words: Vec<String> = words.into_iter().collect();
        let mut bytes = bytes;
        let word = words[wanted % words.len()].as_bytes();
        if let Some(to) = bytes.get_mut(place..place + word.len()) {
            to.copy_from_slice(word);
        }
        let list: Vec<String> = words.iter().map(|w| format!("{{ text = {:?}, nocase = {nocase} }}", w.replace('\0', "\u{1}"))).collect();
        let lines = format!("strings = [{}]", list.join(", ")).replace("\\u{1}", "\\u0000");
        let mut expected = Vec::new();
        for (number, word) in words.iter().enumerate() {
            for start in 0..bytes.len().saturating_sub(word.len() - 1) {
                let there = &bytes[start..start + word.len()];
                if there == word.as_bytes() || (nocase && there.eq_ignore_ascii_case(word.as_bytes())) {
                    expected.push((number as u32, start as u64, (start + word.len()) as u64));
                }
            }
        }
        prop_assert_eq!(hits(&lines, &bytes), expected);
    }
}

/// A thousand strings of the kind that rules hold.
fn thousand() -> Vec<Pattern> {
    let words: Vec<String> = (0..1000u32)
        .map(|n| {
            format!(
                "\"{}_{:x}.{}\"",
                ["token", "beacon", "http", "cmd"][n as usize % 4],
                n.wrapping_mul(2_654_435_761),
                n
            )
        })
        .collect();
    patterns(&format!("strings = [{}]", words.join(", ")))
}

#[test]
fn a_thousand_strings_do_not_stall_a_sweep() {
    use sha2::{Digest, Sha256};
    let set = Arc::new(PatternSet::new(&thousand()));
    let source = include_bytes!("../../../../../Cargo.lock");
    let bytes: Vec<u8> = source.iter().copied().cycle().take(16 << 20).collect();
    let best = |run: &dyn Fn()| {
        let times = (0..3).map(|_| {
            let began = Instant::now();
            run();
            began.elapsed()
        });
        times.min().unwrap()
    };
    let digest = best(&|| assert_eq!(Sha256::digest(&bytes).len(), 32));
    let search = best(&|| assert_eq!(scan(&set, &bytes, 256 << 10).hits, []));
    eprintln!("16 MiB: digest {digest:?}, a thousand strings {search:?}");
    assert!(search < digest * 20, "digest {digest:?}, search {search:?}");
}
