//! One archive for each finding, and the nearest one that must stay quiet.

use super::{scan, scanner};
use probity_tests::build::zip::{self, Descriptor, Entry, Zip, sample};
use std::collections::BTreeSet;

/// Checks the findings of the archive itself, as `code` or `code case`, each named once.
fn check(what: &str, bytes: Vec<u8>, expected: &[&str]) {
    let root = scan(&scanner(), bytes).remove(0);
    assert_eq!(root.format, "zip", "{what}");
    let shown = |f: &crate::finding::Finding| match f.case {
        Some(case) => format!("{} {case}", f.code),
        None => f.code.to_owned(),
    };
    let found: BTreeSet<String> = root.findings.iter().map(|f| shown(&f.finding)).collect();
    let expected: BTreeSet<String> = expected.iter().map(|&e| e.to_owned()).collect();
    assert_eq!(found, expected, "{what}: {:#?}", root.findings);
}

fn errors(bytes: Vec<u8>) -> Vec<&'static str> {
    scan(&scanner(), bytes)
        .remove(0)
        .errors
        .iter()
        .map(|e| e.code.as_str())
        .collect()
}

/// The sample with its second, deflated member changed.
fn edit(change: impl FnOnce(&mut Entry)) -> Vec<u8> {
    let mut zip = sample();
    change(&mut zip.entries[1]);
    zip.build()
}

/// The sample with bytes overwritten.
fn patch(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut all = zip::small();
    all[at..at + bytes.len()].copy_from_slice(bytes);
    all
}

fn extra(id: u16, value: &[u8]) -> Vec<u8> {
    [&id.to_le_bytes()[..], &(value.len() as u16).to_le_bytes(), value].concat()
}

const LOCAL: usize = 56;
const CENTRAL: usize = 179;
const END: usize = 236;

#[test]
fn headers_that_disagree_are_told_by_case() {
    check(
        "name",
        edit(|e| e.local_name = Some(b"src/lib.tx_".to_vec())),
        &["header-mismatch name"],
    );
    check(
        "method",
        edit(|e| e.local_method = Some(0)),
        &["header-mismatch method"],
    );
    check("flags", edit(|e| e.local_flags = Some(1)), &["header-mismatch method"]);
    check("deflate level", edit(|e| e.local_flags = Some(2)), &[]);
    check(
        "UTF-8 flag",
        edit(|e| e.local_flags = Some(0x800)),
        &["header-mismatch name"],
    );
    check("size", edit(|e| e.local_size = Some(3)), &["header-mismatch size"]);
    check("CRC", patch(LOCAL + 14, b"\x01"), &["header-mismatch crc"]);
    check("time", patch(LOCAL + 10, b"\x01"), &["header-mismatch timestamp"]);
    check("version", patch(LOCAL + 4, b"\x0a"), &[]);
    check(
        "offset",
        patch(CENTRAL + 42, b"\x05"),
        &["header-mismatch", "unclaimed-bytes gap"],
    );
}

#[test]
fn data_that_disagree_with_both_headers_are_told() {
    let body = b"a deflated member, ".repeat(20);
    let raw = |cut: usize, more: &[u8]| {
        let whole = probity_tests::build::gzip::deflate(&body);
        [&whole[..whole.len() - cut], more].concat()
    };
    let with = |raw: Vec<u8>| edit(|e| (e.data, e.raw) = (body.clone(), Some(raw)));
    check("whole", with(raw(0, b"")), &[]);
    check(
        "bytes after the stream",
        with(raw(0, &[1; 20])),
        &["header-mismatch size", "unclaimed-bytes gap"],
    );
    check(
        "a stream that does not end",
        with(raw(3, b"")),
        &["header-mismatch size"],
    );
    check("no stream", with(vec![0xff; 30]), &["malformed"]);
    assert_eq!(errors(with(vec![0xff; 30])), ["unreadable"]);
    assert_eq!(errors(with(raw(3, b""))), ["unreadable"]);
    check("CRC", edit(|e| e.crc = Some(1)), &["header-mismatch crc"]);
    let long = edit(|e| (e.central_size, e.local_size) = (Some(1000), Some(1000)));
    let first = |crc| {
        let mut zip = sample();
        zip.entries[0].crc = crc;
        zip.build()
    };
    check("CRC of stored data", first(Some(1)), &["header-mismatch crc"]);
    check(
        "CRC of stored data, stated",
        first(Some(crc32fast::hash(b"a stored member\n"))),
        &[],
    );
    check("too little", long, &["header-mismatch size"]);
    let stored = |size| {
        let entry = Entry {
            central_size: size,
            local_size: size,
            ..Entry::stored("a", b"data")
        };
        Zip::of(vec![entry]).build()
    };
    check("stored", stored(Some(4)), &[]);
    check("stored, of another size", stored(Some(5)), &["header-mismatch size"]);
}

#[test]
fn data_descriptors_are_found_in_every_shape_and_compared() {
    for descriptor in [Descriptor::Signed, Descriptor::Bare] {
        for zip64 in [false, true] {
            check(
                "descriptor",
                edit(|e| (e.descriptor, e.zip64) = (descriptor, zip64)),
                &[],
            );
        }
    }
    check("none", edit(|e| e.flags = 8), &["malformed lenient"]);
    let mut bytes = edit(|e| e.descriptor = Descriptor::Signed);
    bytes[123 + 4] ^= 1;
    check("CRC", bytes.clone(), &["header-mismatch crc"]);
    bytes[123 + 4] ^= 1;
    bytes[123 + 12] ^= 1;
    check("size", bytes, &["header-mismatch size"]);
}

#[test]
fn extra_fields_are_claimed_as_far_as_they_are_known() {
    let local = |extra: Vec<u8>| edit(|e| e.local_extra = extra);
    let crc = |name: &[u8]| crc32fast::hash(name).to_le_bytes();
    let path = |name: &[u8], unicode: &[u8]| extra(0x7075, &[&[1], &crc(name)[..], unicode].concat());
    check("timestamp", local(extra(0x5455, &[1; 5])), &[]);
    check(
        "timestamp with a payload",
        local(extra(0x5455, &[1; 80])),
        &["unclaimed-bytes gap"],
    );
    check("unknown and small", local(extra(0x1234, &[1; 15])), &[]);
    check(
        "unknown and large",
        local(extra(0x1234, &[1; 16])),
        &["unclaimed-bytes gap"],
    );
    check("zero fill", local(vec![0; 7]), &[]);
    check(
        "overrun",
        local(vec![1, 2, 9, 9, 1]),
        &["malformed", "unclaimed-bytes gap"],
    );
    check("Z fill", local(extra(0x4246, &[b'Z'; 40])), &[]);
    check(
        "Z fill that is not",
        local(extra(0x4246, &[b'Y'; 40])),
        &["nonzero-padding"],
    );
    check(
        "two ZIP64 fields",
        local([extra(1, &[0; 16]), extra(1, &[0; 16])].concat()),
        &["malformed"],
    );
    check("same Unicode path", local(path(b"src/lib.txt", b"src/lib.txt")), &[]);
    check("stale Unicode path", local(path(b"other", b"src/evil.txt")), &[]);
    check(
        "other Unicode path",
        local(path(b"src/lib.txt", b"src/evil.txt")),
        &["header-mismatch name"],
    );
    let central =
        |name: &[u8], unicode: &[u8]| edit(|e| (e.name, e.central_extra) = (name.to_vec(), path(name, unicode)));
    check(
        "Unicode path of a legacy name",
        central(b"\x8fsa.txt", "Åsa.txt".as_bytes()),
        &[],
    );
    check(
        "Unicode path that leads outside",
        central(b"\x8fsa.txt", "../Åsa.txt".as_bytes()),
        &["path-traversal"],
    );
    check(
        "all ones without ZIP64",
        patch(CENTRAL + 42, &[0xff; 4]),
        &["header-mismatch", "malformed", "unclaimed-bytes gap"],
    );
}

#[test]
fn names_follow_the_specification() {
    check(
        "backslash",
        edit(|e| e.name = b"src\\lib.txt".to_vec()),
        &["malformed lenient"],
    );
    let named = |name: &[u8], flags| edit(|e| (e.name, e.flags) = (name.to_vec(), flags));
    check("UTF-8", named("src/é".as_bytes(), 0x800), &[]);
    check("not UTF-8", named(b"src/\xe9", 0x800), &["malformed"]);
    check("code page 437", named(b"src/\xe9", 0), &[]);
    check("no name", named(b"", 0), &["malformed"]);
    check("directory", Zip::of(vec![Entry::stored("a/", b"")]).build(), &[]);
    check(
        "directory with content",
        Zip::of(vec![Entry::stored("a/", b"x")]).build(),
        &["malformed"],
    );
    let mut comment = sample();
    comment.comment = b"two\nlines".to_vec();
    check("comment", comment.build(), &[]);
    comment.comment = b"\x1b[2J".to_vec();
    check(
        "comment with an escape",
        comment.build(),
        &["escape-sequence-name control"],
    );
}

#[test]
fn members_of_other_kinds_are_told() {
    let mode = |mode: u32, data: &[u8]| {
        Zip::of(vec![Entry {
            external: mode << 16,
            ..Entry::deflated("dev/x", data)
        }])
        .build()
    };
    check("link", mode(0o120_777, b"y"), &[]);
    check(
        "deflated link that leads outside",
        mode(0o120_777, b"../../../etc"),
        &["symlink-escape"],
    );
    check("FIFO", mode(0o010_644, b""), &["special-file"]);
    check("device", mode(0o020_644, b""), &["special-file"]);
    check("link of 5000 bytes", mode(0o120_777, &[b'a'; 5000]), &["malformed"]);
}

#[test]
fn what_is_encrypted_or_not_supported_makes_the_archive_incomplete() {
    check("encrypted", edit(|e| e.encrypted = true), &["encrypted-entry"]);
    assert_eq!(errors(edit(|e| e.encrypted = true)), ["encrypted"]);
    // The flag alone: the data are examined as what they are.
    let flagged = scan(&scanner(), edit(|e| e.flags = 1));
    assert_eq!((flagged.len(), flagged[2].size), (3, 380));
    assert!(!flagged[0].complete);
    for method in [1, 9, 97] {
        assert_eq!(errors(edit(|e| e.method = method)), ["unsupported"], "{method}");
    }
    // Deflated data that claim to be bzip2, LZMA, zstd or xz are broken data of these.
    for method in [12, 14, 93, 95] {
        assert_eq!(errors(edit(|e| e.method = method)), ["unreadable"], "{method}");
    }
    assert_eq!(errors(edit(|e| e.method = 99)), ["encrypted"]);
    assert_eq!(errors(patch(END + 4, &[1, 0, 1, 0])), ["unsupported"]);
    assert_eq!(errors(patch(CENTRAL + 34, &[1, 0])), ["unsupported"]);
}

#[test]
fn end_records_agree_with_the_directory_and_with_each_other() {
    check("count", patch(END + 10, &[9]), &["malformed"]);
    check(
        "ZIP64 count",
        Zip {
            zip64: true,
            count: Some(9),
            ..sample()
        }
        .build(),
        &["header-mismatch"],
    );
    check(
        "ZIP64",
        Zip {
            zip64: true,
            ..sample()
        }
        .build(),
        &[],
    );
    let comment = |comment: &[u8]| {
        Zip {
            comment: comment.to_vec(),
            ..sample()
        }
        .build()
    };
    check("comment", comment(b"a comment about PK"), &[]);
    check(
        "signature in the comment",
        comment(b"PK\x05\x06 and more text here"),
        &["escape-sequence-name control", "malformed"],
    );
    let inner = Zip::of(vec![Entry::stored("inner", b"data")]).build();
    let found = scan(&scanner(), comment(&inner));
    let codes: BTreeSet<_> = found[0].findings.iter().map(|f| f.finding.code).collect();
    assert!(
        codes.contains("header-mismatch") && codes.contains("unclaimed-bytes"),
        "{codes:?}"
    );
    check(
        "archive as a stored member",
        Zip::of(vec![Entry::stored("inner.zip", &inner)]).build(),
        &[],
    );
}

#[test]
fn two_directories_are_two_archives() {
    let mut prefix = vec![b'.'; 300];
    prefix[123..127].copy_from_slice(b"PK\x01\x02");
    let second = Zip {
        prefix: prefix.clone(),
        relative_offsets: true,
        ..sample()
    }
    .build();
    check(
        "a directory at both offsets",
        second,
        &["header-mismatch", "unclaimed-bytes gap"],
    );
    prefix[123] = b'.';
    let one = Zip {
        prefix,
        relative_offsets: true,
        ..sample()
    }
    .build();
    check("at one", one, &["unclaimed-bytes gap"]);
}

#[test]
fn members_that_the_directory_does_not_list_are_named_and_examined() {
    let hidden = |gap: &[u8]| edit(|e| (e.hidden, e.gap) = (true, gap.to_vec()));
    for gap in [&b""[..], b"some bytes before"] {
        check("unlisted", hidden(gap), &["header-mismatch", "unclaimed-bytes gap"]);
        let artifacts = scan(&scanner(), hidden(gap));
        assert!(
            artifacts
                .iter()
                .any(|a| a.nested.as_deref() == Some("src/lib.txt") && a.size == 380)
        );
    }
    check(
        "a signature in a gap",
        edit(|e| e.gap = b"PK\x03\x04, it says".to_vec()),
        &["unclaimed-bytes gap"],
    );
}

#[test]
fn shared_bytes_are_decoded_once_and_a_bomb_made_of_them_is_told() {
    check(
        "two",
        zip::overlapping(2, 1),
        &["header-mismatch name", "overlapping-regions entries"],
    );
    let started = std::time::Instant::now();
    let artifacts = scan(&scanner(), zip::overlapping(60_000, 1));
    assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
    assert_eq!(artifacts.len(), 2);
    let cases: BTreeSet<_> = artifacts[0].findings.iter().filter_map(|f| f.finding.case).collect();
    assert!(cases.contains("overlap") && cases.contains("entries"), "{cases:?}");
}

#[test]
fn members_inside_a_member_are_decoded_up_to_a_number() {
    // One stored member holds the local headers of all others: each of their payloads overlaps it.
    let inner: Vec<Entry> = (0..40)
        .map(|i| Entry::deflated(&format!("{i:02}"), b"an overlapping member"))
        .collect();
    let kernel = Zip::of(inner.clone()).build();
    let headers = kernel.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    let mut outer = vec![Entry::stored("kernel", &kernel[..headers])];
    outer.extend(inner.into_iter().map(|e| Entry { shares: Some(0), ..e }));
    let mut bytes = Zip::of(outer).build();
    let places: Vec<usize> = kernel
        .windows(4)
        .enumerate()
        .filter(|(_, w)| *w == b"PK\x03\x04")
        .map(|(i, _)| i)
        .collect();
    let data = 30 + "kernel".len();
    let records: Vec<usize> = bytes
        .windows(4)
        .enumerate()
        .filter(|(_, w)| *w == b"PK\x01\x02")
        .map(|(i, _)| i)
        .collect();
    for (record, place) in records[1..].iter().zip(&places) {
        bytes[record + 42..record + 46].copy_from_slice(&((data + place) as u32).to_le_bytes());
        let header: Vec<u8> = kernel[place + 14..place + 26].to_vec();
        bytes[record + 16..record + 28].copy_from_slice(&header);
    }
    let artifacts = scan(&scanner(), bytes);
    let decoded = artifacts
        .iter()
        .filter(|a| a.nested.as_ref().is_some_and(|n| n.len() == 2))
        .count();
    assert_eq!(decoded, 32);
    assert!(
        artifacts[0]
            .findings
            .iter()
            .all(|f| f.finding.code == "overlapping-regions")
    );
    assert_eq!(artifacts[0].errors.len(), 8);
}
