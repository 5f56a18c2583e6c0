//! Archives that do not begin where the file does, or do not end where it does.

use super::{identified, map, scan, scanner};
use probity_tests::build::zip::{Descriptor, Entry, Zip, sample, small};

const PREFIX: &[u8] = b"#!/usr/bin/env python3\n";

#[test]
fn a_prefix_stays_unclaimed_whichever_way_offsets_count() {
    for relative_offsets in [false, true] {
        let bytes = Zip {
            prefix: PREFIX.into(),
            relative_offsets,
            ..sample()
        }
        .build();
        assert_eq!(identified(&bytes), Some(PREFIX.len() as u64));
        let artifacts = scan(&scanner(), bytes);
        assert_eq!(artifacts[0].bytes.unclaimed, PREFIX.len() as u64);
        assert_eq!(artifacts[0].findings.len(), 1);
        assert_eq!(artifacts.len(), 3);
    }
}

#[test]
fn a_slice_whose_offsets_count_from_before_it_is_whole() {
    let bytes = Zip {
        prefix: PREFIX.into(),
        ..sample()
    }
    .build();
    let root = scan(&scanner(), bytes[PREFIX.len()..].to_vec()).remove(0);
    assert_eq!(map(&root).len(), 9);
    assert!(root.findings.is_empty() && root.bytes.unclaimed == 0);
}

#[test]
fn an_end_record_out_of_sight_is_reached_through_the_members() {
    let mut bytes = small();
    let length = bytes.len();
    bytes.extend(std::iter::repeat_n(b'x', 200_000));
    let artifacts = scan(&scanner(), bytes);
    assert_eq!(artifacts[0].bytes.claimed, length as u64);
    let codes: Vec<_> = artifacts[0].findings.iter().map(|f| f.finding.code).collect();
    assert_eq!(codes, ["trailing-bytes"]);
    assert_eq!(artifacts.len(), 3);
}

#[test]
fn an_archive_without_a_directory_is_walked_member_by_member() {
    let mut zip = sample();
    zip.entries.iter_mut().for_each(|e| e.descriptor = Descriptor::Signed);
    let bytes = zip.build();
    let artifacts = scan(&scanner(), bytes[..155].to_vec());
    assert_eq!(artifacts[0].bytes.unclaimed, 0);
    let codes: Vec<_> = artifacts[0].findings.iter().map(|f| f.finding.code).collect();
    assert_eq!(codes, ["truncated"]);
    let sizes: Vec<_> = artifacts[1..].iter().map(|a| a.size).collect();
    assert_eq!(sizes, [16, 380]);
}

#[test]
fn a_directory_larger_than_the_tail_is_recognised_by_its_last_records() {
    let entries = (0..2000)
        .map(|i| Entry::stored(&format!("some/long/folder/name/member-{i:06}.txt"), b"x"))
        .collect();
    let bytes = Zip {
        prefix: PREFIX.into(),
        ..Zip::of(entries)
    }
    .build();
    assert_eq!(identified(&bytes), Some(1));
    assert_eq!(scan(&scanner(), bytes).len(), 2001);
}

#[test]
fn a_signature_alone_makes_no_archive() {
    for tail in [
        &b"PK\x05\x06"[..],
        &[b"PK\x05\x06", &[0u8; 18][..]].concat(),
        &[b"PK\x05\x06", &[1u8; 18][..]].concat(),
    ] {
        let bytes = [&b"some text about archives, "[..], tail].concat();
        assert_eq!(identified(&bytes), None);
    }
    assert_eq!(identified(&Zip::default().build()), Some(0));
}

#[test]
fn a_split_marker_before_one_whole_archive_is_claimed() {
    let bytes = Zip {
        prefix: b"PK\x07\x08".to_vec(),
        ..sample()
    }
    .build();
    assert_eq!(identified(&bytes), Some(0));
    let root = scan(&scanner(), bytes).remove(0);
    assert_eq!(map(&root)[0], "0 4 header split archive marker");
    assert!(root.findings.is_empty() && root.bytes.unclaimed == 0);
}

#[test]
fn an_apk_signing_block_is_a_signature() {
    let mut block = 40u64.to_le_bytes().to_vec();
    block.extend([7; 16]);
    block.extend(40u64.to_le_bytes());
    block.extend(b"APK Sig Block 42");
    let root = scan(
        &scanner(),
        Zip {
            gap: block.clone(),
            ..sample()
        }
        .build(),
    )
    .remove(0);
    assert!(map(&root).contains(&"123 48 signature APK signing block".to_owned()));
    assert!(root.findings.is_empty() && root.signed);

    block[0] = 41;
    let root = scan(&scanner(), Zip { gap: block, ..sample() }.build()).remove(0);
    assert_eq!((root.findings.len(), root.bytes.unclaimed), (1, 48));
}

#[test]
fn thousands_of_members_take_few_reads_and_little_time() {
    let entries = (0..20_000)
        .map(|i| Entry::stored(&format!("package/module_{i}.py"), b"pass\n"))
        .collect();
    let bytes = Zip::of(entries).build();
    let started = std::time::Instant::now();
    crate::format::fuzz("zip", &bytes);
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}
