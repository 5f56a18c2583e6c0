//! Eszips of every version, alone and in the programs that Deno compiled.

use super::super::laws;
use super::tests::{parse, said, scan, table, told, unclaimed};
use probity_tests::build::bundle::eszip::{Eszip, deno_1, deno_2};

#[test]
fn an_eszip_is_told_apart_to_the_last_byte() {
    let bytes = Eszip::new("2.3").build();
    let parse = parse("eszip", &bytes);
    let expected = [
        "0 8 header magic",
        "8 4 header length of options",
        "12 2 header options",
        "14 32 metadata checksum of options",
        "46 4 header length of modules",
        "50 182 table modules",
        "232 32 metadata checksum of modules",
        "264 4 header length of npm packages",
        "268 22 table npm packages",
        "290 32 metadata checksum of npm packages",
        "322 4 header length of sources",
        "326 43 payload file:///main.ts",
        "369 32 metadata checksum of file:///main.ts",
        "401 20 payload https://modules.example.com/a.ts",
        "421 32 metadata checksum of https://modules.example.com/a.ts",
        "453 4 header length of source maps",
        "457 49 payload file:///main.ts.map",
        "506 32 metadata checksum of file:///main.ts.map",
    ];
    assert_eq!(laws::map(&parse), expected);
    assert_eq!(laws::unclaimed(parse, bytes.len()), 0);
}

#[test]
fn every_version_and_checksum_is_read() {
    for version in ["_V2", "2.1", "2.2", "2.3"] {
        for checksum in 0..3 {
            let bytes = Eszip {
                checksum,
                ..Eszip::new(version)
            }
            .build();
            assert_eq!(laws::identified(&bytes), "eszip", "{version} {checksum}");
            assert_eq!(unclaimed(&bytes), 0, "{version} {checksum}");
            assert_eq!(told(&bytes), [""; 0], "{version} {checksum}");
            assert_eq!(
                table(&bytes),
                [
                    "file:///main.ts javascript",
                    "https://modules.example.com/a.ts javascript",
                    "file:///main.ts.map json"
                ],
                "{version} {checksum}"
            );
        }
    }
}

#[test]
fn a_module_that_was_swapped_does_not_have_its_digest() {
    let sound = Eszip::new("2.2");
    for part in [&b"export const a"[..], b"left-pad", b"file:///main.ts"] {
        let mut bytes = sound.build();
        let at = memchr::memmem::find(&bytes, part).unwrap();
        bytes[at] ^= 1;
        assert_eq!(told(&bytes), ["header-mismatch/digest"], "{part:?}");
    }
}

#[test]
fn what_an_eszip_does_not_name_is_told() {
    let mut hidden = Eszip::new("2.1");
    hidden.modules[1].1 = Vec::new();
    // The table names one source of two.
    let mut bytes = Eszip::new("2.1").build();
    let table_start = 12;
    let at = memchr::memmem::rfind(&bytes[..table_start + 120], b"a.ts").unwrap() + 5;
    bytes[at..at + 8].fill(0);
    assert!(
        told(&bytes).iter().any(|f| f.starts_with("unclaimed-bytes")),
        "{:?}",
        told(&bytes)
    );
    let mut trailing = hidden.build();
    trailing.extend(b"behind everything, a text");
    assert!(
        told(&trailing).iter().any(|f| f.starts_with("trailing-bytes")),
        "{:?}",
        told(&trailing)
    );
    let mut outside = Eszip::new("2.1").build();
    let at = memchr::memmem::find(&outside, b"main.ts\0").unwrap() + 8;
    outside[at] = 0x7f;
    let message = "eszip: a module lies outside the contents";
    assert!(
        said(&parse("eszip", &outside)).iter().any(|m| m.contains(message)),
        "{:?}",
        said(&parse("eszip", &outside))
    );
}

#[test]
fn programs_of_deno_before_2_1_are_split_into_their_modules() {
    let modules = [
        "file:///main.ts",
        "https://modules.example.com/a.ts",
        "file:///main.ts.map",
    ];
    let inner: Vec<String> = modules.iter().map(|m| format!("eszip!{m}")).collect();
    for positions in [2, 4] {
        let program = deno_1(&Eszip::new("2.1"), positions);
        assert_eq!(unclaimed(&program), 0, "{positions}");
        let names: Vec<String> = scan(&program).iter().filter_map(|a| a.nested.clone()).collect();
        let mut expected = vec!["eszip".to_owned()];
        expected.extend(inner.clone());
        expected.push("metadata.json".to_owned());
        expected.extend((positions == 4).then(|| "root/data/notes.txt".to_owned()));
        assert_eq!(names, expected, "{positions}");
        assert_eq!(told(&program), ["bundle-autoload/tuning"], "{positions}");
    }
    let section = deno_2(&Eszip::new("2.1"));
    assert_eq!(laws::identified(&section), "deno");
    assert_eq!(unclaimed(&section), 0);
    let names = scan(&section).into_iter().filter_map(|a| a.nested);
    assert_eq!(
        names.collect::<Vec<_>>(),
        [
            vec!["eszip".to_owned()],
            inner,
            vec!["metadata.json".to_owned(), "root/data/notes.txt".to_owned()]
        ]
        .concat()
    );
}

#[test]
fn positions_that_lie_claim_nothing() {
    let program = deno_1(&Eszip::new("2.1"), 4);
    for (position, value) in [(0, u64::MAX), (1, 0), (2, u64::MAX - 3), (3, 1)] {
        let mut changed = program.clone();
        let at = changed.len() - 32 + 8 * position;
        changed[at..at + 8].copy_from_slice(&value.to_be_bytes());
        assert!(unclaimed(&changed) > 0, "{position}");
        assert!(
            told(&changed).iter().any(|f| f.starts_with("trailing-bytes")),
            "{position}: {:?}",
            told(&changed)
        );
    }
}
