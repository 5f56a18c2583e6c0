use crate::format::{FORMATS, Parse, Source};
use crate::identify::{Probe, identify};
use crate::ledger::Ledger;
use probity_tests::build::compressed as build;
use proptest::prelude::*;

const IDS: [&str; 6] = ["bzip2", "xz", "lzma", "zstd", "lz4", "zlib"];

/// Parses and decodes `bytes` as the format called `id`; what came out, and the account.
fn decode(id: &str, bytes: &[u8]) -> (Vec<u8>, Parse) {
    let format = FORMATS.iter().find(|f| f.id() == id).unwrap();
    let mut parse = Parse::of_bytes(*format, bytes);
    let child = parse.children.pop().unwrap();
    let Source::Decoded { mut codec, .. } = child.source else {
        panic!("content is decoded")
    };
    let mut content = Vec::new();
    let used = codec.decode(&mut &*bytes, &mut content, &mut parse).unwrap();
    assert!(used <= bytes.len() as u64);
    (content, parse)
}

/// The unclaimed bytes; the law is checked on the way.
fn unclaimed(parse: &Parse, length: usize) -> u64 {
    let mut ledger = Ledger::new(length as u64);
    ledger.push(parse.view.clone());
    let unclaimed = ledger.unclaimed().total();
    assert_eq!(ledger.claimed().total() + unclaimed, length as u64);
    assert_eq!(ledger.overlaps(1).0.len(), 0);
    unclaimed
}

fn sample(id: &str) -> (Vec<u8>, Vec<u8>) {
    let prose = build::prose();
    let file = match id {
        "bzip2" => build::bzip2(&prose),
        "xz" => build::xz(&prose),
        "lzma" => build::lzma(&prose),
        "zstd" => build::zstd(&[&prose]).bytes,
        "lz4" => build::lz4(&prose),
        _ => build::zlib(&prose),
    };
    (prose, file)
}

fn map(parse: &Parse) -> String {
    let line =
        |r: &crate::ledger::Region| format!("{} {} {} {}\n", r.span.start(), r.span.len(), r.role.as_str(), r.name);
    parse.view().leaves().map(line).collect()
}

#[test]
fn streams_are_decoded_and_claimed_to_the_last_byte_and_no_further() {
    for id in IDS {
        let (prose, file) = sample(id);
        let (content, parse) = decode(id, &file);
        assert_eq!(content, prose, "{id}");
        assert!(
            parse.findings().is_empty() && parse.errors().is_empty(),
            "{id}: {:?}",
            parse.findings()
        );
        assert_eq!(unclaimed(&parse, file.len()), 0, "{id}");
        let longer = [&file[..], b"not of this stream"].concat();
        let (content, parse) = decode(id, &longer);
        assert_eq!(content, prose, "{id}");
        assert_eq!(unclaimed(&parse, longer.len()), 18, "{id}");
    }
}

#[test]
fn parts_have_their_names_from_the_specification() {
    let raw = build::zstd(&[b"abc", b"de"]).bytes;
    let file = [build::skippable(b"note"), raw].concat();
    assert_eq!(
        map(&decode("zstd", &file).1),
        "0 8 header stream 1 skippable frame header\n8 4 data stream 1 skippable frame\n\
         12 6 header stream 2 frame header\n18 11 payload stream 2 blocks\n"
    );
    let xz = build::xz(b"hello");
    let file = [xz.clone(), vec![0; 4], xz].concat();
    let (content, parse) = decode("xz", &file);
    assert_eq!(content, b"hellohello");
    let names: Vec<&str> = parse.view().leaves().map(|r| &*r.name).collect();
    let one = |n: u8| {
        [
            "header",
            "block 1 header",
            "block 1",
            "block 1 padding",
            "block 1 check",
            "index",
            "footer",
        ]
        .map(|what| format!("stream {n} {what}"))
        .to_vec()
    };
    let mut expected = one(1);
    expected.push("stream padding".into());
    expected.extend(one(2));
    expected.retain(|name| !name.ends_with("block 1 padding") || names.contains(&name.as_str()));
    assert_eq!(names, expected);
}

#[test]
fn a_cut_anywhere_is_never_taken_for_the_whole() {
    for id in IDS {
        let (prose, file) = sample(id);
        for cut in 0..file.len() {
            let (content, parse) = decode(id, &file[..cut]);
            unclaimed(&parse, cut);
            assert!(prose.starts_with(&content), "{id} cut at {cut}");
            assert!(!parse.errors().is_empty(), "{id} cut at {cut}");
        }
    }
}

#[test]
fn every_changed_byte_is_survived() {
    for id in IDS {
        let (prose, file) = sample(id);
        for at in 0..file.len().min(600) {
            for change in [0x01, 0x80, 0xff] {
                let mut changed = file.clone();
                changed[at] ^= change;
                let (content, parse) = decode(id, &changed);
                let unclaimed = unclaimed(&parse, changed.len());
                // LZMA alone has no checksum, and a raw block of a frame without one is what it is.
                let noticed =
                    content == prose || unclaimed > 0 || !parse.findings().is_empty() || !parse.errors().is_empty();
                assert!(noticed || matches!(id, "lzma" | "zstd"), "{id} at {at}");
            }
        }
    }
}

fn primary(bytes: &[u8]) -> &'static str {
    let head = &bytes[..bytes.len().min(8 << 10)];
    identify(&Probe::new(head, bytes, bytes.len() as u64))[0].format.id()
}

#[test]
fn noise_is_no_compressed_stream() {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut bytes: Vec<u8> = (0..600).flat_map(|_| next().to_le_bytes()).collect();
    let mut wrong = 0;
    for round in 0..40_000u32 {
        let word = next().to_le_bytes();
        bytes[..8].copy_from_slice(&word);
        // Every other head has a sound zlib header: the trial alone decides.
        if round % 2 == 0 {
            bytes[..2]
                .copy_from_slice(&[[0x78, 0x9c], [0x78, 0xda], [0x78, 0x01], [0x48, 0x89]][round as usize / 2 % 4]);
        }
        let length = if round % 3 == 0 { 300 } else { bytes.len() };
        wrong += u32::from(IDS.contains(&primary(&bytes[..length])));
    }
    assert_eq!(wrong, 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn anything_behind_a_magic_number_is_survived(noise in proptest::collection::vec(any::<u8>(), 0..2000), keep in 4usize..40) {
        for id in IDS {
            let (_, file) = sample(id);
            let bytes = [&file[..keep], &noise[..]].concat();
            let (_, parse) = decode(id, &bytes);
            unclaimed(&parse, bytes.len());
        }
    }
}
