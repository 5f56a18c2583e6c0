//! Tiles, regions, owners and limits.

use proptest::prelude::*;

use super::*;

const SAMPLE: &str = "\0https://api.example.com/a\0\"files.example.org\"\0http://0x7f.1/;wss://ws.example.io:81/\0ocsp http://ocsp.accv.es0\u{1}";

/// The sample in all encodings, between stretches of zeros and of text.
fn sample() -> Vec<u8> {
    let mut bytes = SAMPLE.as_bytes().to_vec();
    bytes.resize(9_001, 0);
    bytes.extend(SAMPLE.encode_utf16().flat_map(u16::to_le_bytes));
    bytes.resize(20_003, b'a');
    bytes.extend(
        SAMPLE
            .replace("example", "sample")
            .encode_utf16()
            .flat_map(u16::to_be_bytes),
    );
    bytes.resize(30_000, b'.');
    bytes.extend(SAMPLE.bytes());
    bytes
}

#[test]
fn every_tile_size_gives_the_same_scan() {
    let bytes = sample();
    let whole = scan(&bytes);
    assert_eq!(whole.hits.len(), 13, "{whole:#?}");
    for tile in [1, 2, 3, 7, 319, 4095, 4096, 4415, 4416, 4417, 8832, 9000, 20_000] {
        assert_eq!(scan_in_tiles(&bytes, tile), whole, "tiles of {tile}");
    }
}

/// About 60 KB in which every byte belongs to some URL or quoted name, so that any border cuts one; with the longest
/// names and userinfo that the reach must hold.
fn dense() -> Vec<u8> {
    let label = "a".repeat(60);
    let longest = format!("\"{label}.{label}.{label}.{label}.com\" ");
    let wide_scheme = "abcdefghijklmnopqrst://x.example.com ";
    let mut bytes = Vec::new();
    for round in 0..40_usize {
        let user = "u".repeat(round * 90);
        bytes.extend(format!("https://api.example.com/ https://{user}@b.example.org:8{round}/").bytes());
        bytes.extend(longest.bytes());
        bytes.extend(
            format!("{wide_scheme}http://c.example.net ")
                .encode_utf16()
                .flat_map(u16::to_le_bytes),
        );
        bytes.resize(bytes.len() + round % 3, b' ');
        bytes.extend(
            format!(" {wide_scheme}http://d.example.net ")
                .encode_utf16()
                .flat_map(u16::to_be_bytes),
        );
    }
    bytes
}

#[test]
fn no_border_changes_what_it_cuts() {
    let bytes = dense();
    let whole = scan(&bytes);
    assert!(
        whole.hits.iter().map(|hit| hit.count).sum::<u64>() >= 40 * 7,
        "{whole:#?}"
    );
    for tile in (1..40)
        .chain((300..9_400).step_by(173))
        .chain([4_095, 4_096, 4_415, 4_416, 4_417, 8_832, 13_248])
    {
        assert_eq!(scan_in_tiles(&bytes, tile), whole, "tiles of {tile}");
    }
    for first in (1..bytes.len()).step_by(101) {
        let mut sink = HostSink::new(10_000);
        sink.feed(0, &bytes[..first]);
        sink.feed(first as u64, &bytes[first..]);
        assert_eq!(sink.finish(), whole, "cut at {first}");
    }
}

#[test]
fn equal_hosts_share_an_entry_and_the_limit_counts_what_it_drops() {
    let bytes =
        "https://a.example.com/ http://a.example.com https://a.example.com:1 https://b.example.com ".repeat(100);
    let all = scan(bytes.as_bytes());
    assert_eq!(
        all.hits.iter().map(|h| (h.count, h.port)).collect::<Vec<_>>(),
        [(200, None), (100, None), (100, None)]
    );
    let mut sink = HostSink::new(2);
    sink.feed(0, bytes.as_bytes());
    let cut = sink.finish();
    assert_eq!((cut.hits, cut.dropped), (all.hits.into_iter().take(2).collect(), 100));
}

#[test]
fn a_new_region_takes_nothing_from_the_last() {
    let mut sink = HostSink::new(10);
    sink.feed(0, b"https://api.exa");
    sink.feed(100, b"mple.com/ https://b.example.com");
    sink.feed(131, b"");
    sink.feed(131, b".evil.org");
    let scan = sink.finish();
    assert_eq!(hosts(&scan), "b.example.com.evil.org");
    assert_eq!(scan.hits[0].span, Span::new(118, 140));
}

#[test]
fn owners_keep_their_own_hosts_and_no_url_crosses_between_them() {
    let bytes = b"https://a.example.com/ https://a.example.community https://a.example.com/";
    let cut = 44;
    for tile in [1, 7, 4096] {
        let mut sink = HostSink::with_owners(10, vec![0, cut, cut, 50]);
        for (piece, offset) in bytes.chunks(tile).zip((0_u64..).step_by(tile)) {
            sink.feed(offset, piece);
        }
        let found: Vec<_> = sink
            .finish()
            .hits
            .into_iter()
            .map(|h| (h.host, h.segment, h.count))
            .collect();
        let host = "a.example.com".to_owned();
        assert_eq!(found, [(host.clone(), 0, 2), (host, 3, 1)], "tiles of {tile}");
    }
}

#[test]
fn both_byte_orders_are_told_apart_by_place_where_the_bytes_do_not() {
    for (pad, unit, expect) in [
        (4, u16::to_le_bytes as fn(u16) -> [u8; 2], Encoding::Utf16Le),
        (4, u16::to_be_bytes as fn(u16) -> [u8; 2], Encoding::Utf16Be),
    ] {
        let mut bytes = vec![0; pad];
        bytes.extend("https://api.example.com".encode_utf16().flat_map(unit));
        bytes.extend([0; 9]);
        let scan = scan(&bytes);
        assert_eq!(
            scan.hits.iter().map(|h| (h.encoding, h.url_offset)).collect::<Vec<_>>(),
            [(expect, 4)]
        );
    }
}

/// A word of URL grammar, or a whole URL or quoted name that the words around it may spoil.
fn word() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "https://",
        "://",
        ":",
        "/",
        ".com",
        "\"",
        "'",
        "\\",
        "${",
        "}",
        "<",
        ">",
        "%s",
        "@",
        "[::1]",
        "0x7f",
        ".",
        "-",
        "localhost",
        "Foo",
        "\u{e9}",
        " ",
        "\0",
        "com",
        "0",
        "*",
        ":8080",
    ]);
    let scheme = prop::sample::select(vec!["https", "ws", "git+ssh", "abcdefghijklmnopqrst"]);
    let host = prop::sample::select(vec![
        "api.example.com",
        "a.io",
        "127.0.0.1",
        "[fd00::1]",
        "localhost",
        "b.example.comFoo",
    ]);
    let user = prop_oneof![4 => Just(0), 1 => 1..3_000_usize];
    prop_oneof![
        2 => token.prop_map(str::to_owned),
        5 => (scheme, user, host).prop_map(|(scheme, user, host)| match user {
            0 => format!(" {scheme}://{host}/"),
            _ => format!(" {scheme}://{}@{host} ", "u".repeat(user)),
        }),
        1 => (1..60_usize).prop_map(|n| format!("\"{}.example.org\"", "ab.".repeat(n) + "c")),
    ]
}

fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => word().prop_map(String::into_bytes),
        2 => word().prop_map(|w| w.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        2 => word().prop_map(|w| w.encode_utf16().flat_map(u16::to_be_bytes).collect()),
        1 => prop::collection::vec(any::<u8>(), 0..20),
        1 => (any::<u8>(), 0..600_usize).prop_map(|(b, n)| vec![b; n]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_tilings_give_the_same_scan(
        pieces in prop::collection::vec(piece(), 0..80),
        repeats in 1..40_usize,
        cuts in prop::collection::vec(1..9000_usize, 1..20),
        owners in prop::collection::vec(0..20_000_u64, 0..6),
        limit in 0..40_usize,
    ) {
        let mut bytes = pieces.concat().repeat(repeats);
        bytes.truncate(60_000);
        let mut whole = HostSink::with_owners(limit, owners.clone());
        whole.feed(0, &bytes);
        let whole = whole.finish();
        let mut tiled = HostSink::with_owners(limit, owners);
        let (mut at, mut sizes) = (0, cuts.iter().cycle());
        while at < bytes.len() {
            let end = bytes.len().min(at + sizes.next().unwrap());
            tiled.feed(at as u64, &bytes[at..end]);
            at = end;
        }
        prop_assert_eq!(&tiled.finish(), &whole);
        for hit in &whole.hits {
            prop_assert!(hit.span.end() <= bytes.len() as u64 && !hit.span.is_empty());
        }
    }
}
