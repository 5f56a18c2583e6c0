use crate::fact::Fact;
use crate::finding::code;
use crate::format::laws::{cases, holds, identified, map, parse, survives, unclaimed};
use crate::pipeline::{Options, Scanner};
use probity_tests::build::zip::{Entry, Zip};
use probity_tests::build::{media, text::noise};

#[test]
fn a_png_is_claimed_chunk_by_chunk_and_states_its_checksums() {
    let file = media::png();
    let parsed = parse("png", &file);
    assert_eq!(
        map(&parsed),
        [
            "0 8 header signature",
            "8 25 header IHDR chunk",
            "33 34 metadata tEXt chunk",
            "67 22 data IDAT chunk",
            "89 12 trailer IEND chunk",
        ]
    );
    assert_eq!(
        parsed
            .facts()
            .iter()
            .filter(|fact| matches!(fact, Fact::Checksum { .. }))
            .count(),
        4
    );
    holds("png", &file, true);
    survives("png", b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR");
}

#[test]
fn a_jpeg_is_claimed_segment_by_segment() {
    let file = media::jpeg();
    assert_eq!(
        map(&parse("jpeg", &file)),
        [
            "0 2 header SOI",
            "2 18 metadata APP0",
            "20 69 table DQT",
            "89 13 header SOF0",
            "102 33 table DHT",
            "135 10 header SOS",
            "145 7 data entropy-coded data",
            "152 2 trailer EOI",
        ]
    );
    holds("jpeg", &file, true);
    survives("jpeg", b"\xff\xd8\xff\xe0\0\x02\xff\xda\0\x02");
}

#[test]
fn entropy_coded_data_ends_at_the_same_marker_wherever_reads_are_cut() {
    let head = [&[0xff, 0xd8][..], &media::jpeg_segment(0xda, &[1, 1, 0, 0, 63, 0])].concat();
    for length in [65_535usize, 65_536, 65_537, 131_071, 131_072] {
        for last in [&[0x11][..], &[0xff, 0], &[0xff, 0xd3], &[0xff, 0xff]] {
            let mut file = head.clone();
            file.resize(head.len() + length - last.len(), 0x55);
            file.extend_from_slice(last);
            let ended = [&file[..], &[0xff, 0xd9]].concat();
            let parsed = parse("jpeg", &ended);
            assert!(parsed.findings().is_empty(), "{length} {last:?}");
            assert_eq!(unclaimed(parsed, ended.len()), 0);
            let cut = parse("jpeg", &file);
            assert_eq!(cases(&cut), ["truncated media"], "{length} {last:?}");
        }
    }
}

#[test]
fn a_gif_is_claimed_block_by_block() {
    let file = media::gif();
    assert_eq!(
        map(&parse("gif", &file)),
        [
            "0 6 header header",
            "6 7 header screen descriptor",
            "13 6 table global colour table",
            "19 9 metadata comment extension",
            "28 8 metadata graphic control extension",
            "36 10 header image descriptor",
            "46 5 data image data",
            "51 10 header image descriptor",
            "61 5 data image data",
            "66 1 trailer trailer",
        ]
    );
    holds("gif", &file, true);
    survives("gif", b"GIF89a\x01\0\x01\0\0\0\0");
}

#[test]
fn containers_of_sized_parts_are_claimed_part_by_part() {
    assert_eq!(
        map(&parse("riff", &media::wav())),
        [
            "0 12 header RIFF WAVE",
            "12 24 header fmt chunk",
            "36 11 data data chunk",
            "47 1 padding pad byte",
        ]
    );
    assert_eq!(
        map(&parse("ico", &media::ico())),
        [
            "0 6 header header",
            "6 16 table entry 1",
            "22 16 table entry 2",
            "38 48 data picture 1",
            "86 101 payload picture 2",
        ]
    );
    assert_eq!(
        map(&parse("ogg", &media::ogg())),
        [
            "0 28 header page 0 header",
            "28 19 data page 0",
            "47 28 header page 1 header",
            "75 30 data page 1",
        ]
    );
    assert_eq!(
        map(&parse("flac", &media::flac())),
        [
            "0 4 header magic",
            "4 38 metadata stream information block",
            "42 8 metadata comment block",
            "50 24 data audio frames",
        ]
    );
    assert_eq!(
        map(&parse("mp3", &media::mp3())),
        [
            "0 21 metadata ID3v2 tag",
            "21 416 data frames",
            "437 128 metadata ID3v1 tag",
        ]
    );
    assert_eq!(
        map(&parse("isobmff", &media::mp4())),
        ["0 24 header ftyp box", "24 24 table moov box", "48 48 data mdat box"]
    );
    holds("riff", &media::wav(), true);
    holds("ico", &media::ico(), true);
    // These end wherever a part ends.
    holds("ogg", &media::ogg(), false);
    holds("flac", &media::flac(), false);
    holds("mp3", &media::mp3(), false);
    holds("isobmff", &media::mp4(), false);
    survives("riff", b"RIFF\x40\0\0\0WAVE");
    survives("ico", b"\0\0\x01\0\x02\0");
    survives("ogg", b"OggS\0\x02");
    survives("flac", b"fLaC\0\0\0\x22");
    survives("mp3", b"ID3\x04\0\0\0\0\0\x01");
    survives("isobmff", b"\0\0\0\x10ftypisom\0\0\0\0");
}

#[test]
fn what_only_begins_alike_is_no_picture() {
    for (bytes, what) in [
        (&b"\x89PNG\r\n\x1a\n\0\0\0\x0dABCD"[..], "another first chunk"),
        (b"\xff\xd8\xff\x00\0\x04ab", "no marker"),
        (b"GIF89b\x01\0\x01\0\0\0\0;", "another version"),
        (b"RIFF\x10\0\0\0\0\x01\x02\x03", "no kind"),
        (
            b"\0\0\x01\0\x02\0\x10\x10\0\0\x01\0\x20\0\xff\xff\xff\xff\x16\0\0\0",
            "a picture past the end",
        ),
        (b"\xff\xfb\x90\x00\0\0\0\0\0\0\0\0\0\0\0\0\0", "one frame"),
        (b"\0\0\0\x11ftypisom\0\0\0\0\0", "an odd box"),
    ] {
        assert_eq!(identified(bytes), "data", "{what}");
    }
}

/// The cases of `trailing-bytes` and the codes of other findings at the root.
fn scan(bytes: Vec<u8>) -> Vec<String> {
    let options = Options {
        jobs: 1,
        ..Options::default()
    };
    let report = Scanner::new(options).unwrap().scan_bytes("picture", bytes);
    let each = report.artifacts[0].findings.iter().map(|judged| &judged.finding);
    each.map(|f| format!("{} {}", f.code, f.case.unwrap_or("-"))).collect()
}

#[test]
fn what_follows_a_picture_is_weighed_by_what_it_is() {
    let program = [
        &b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0"[..],
        &[0; 32],
        &[64, 0],
        &[0; 10],
    ]
    .concat();
    let zip = Zip::of(vec![Entry::stored("a.txt", b"text\n")]).build();
    for picture in [media::png(), media::jpeg(), media::gif(), media::wav()] {
        for (what, behind, expected) in [
            ("nothing", &b""[..], &[][..]),
            ("zeros", &[0; 64], &[]),
            ("another picture", &media::jpeg(), &["trailing-bytes picture"]),
            (
                "text",
                b"<?xpacket end='w'?> written by an editor",
                &["trailing-bytes note"],
            ),
            ("notes of a phone", &noise(300), &["trailing-bytes appendix"]),
            ("a script", b"#!/bin/sh\ntrue\n", &["trailing-bytes -"]),
            (
                "a script behind a line feed",
                b"\r\n<?php true; ?>",
                &["trailing-bytes -"],
            ),
            (
                "a pickle",
                b"\x80\x04\x95\x05\0\0\0\0\0\0\0K\x01.",
                &["trailing-bytes -"],
            ),
            ("an archive", &zip, &["trailing-bytes -"]),
            (
                "a program",
                &program,
                &["embedded-executable hidden", "trailing-bytes -"],
            ),
        ] {
            let file = [&picture[..], behind].concat();
            let mut found = scan(file);
            found.retain(|finding| !finding.starts_with(code::POLYGLOT) && finding != "trailing-bytes zeros");
            assert_eq!(found, expected, "{what}");
        }
    }
}

#[test]
fn a_changed_chunk_is_told_by_its_checksum() {
    let mut file = media::png();
    file[50] ^= 1;
    assert_eq!(scan(file), ["header-mismatch crc"]);
    assert_eq!(scan(media::png()), [""; 0]);
}
