use crate::format::laws::{cases, holds, identified, map, parse, survives, unclaimed};
use probity_tests::build::font;

#[test]
fn fonts_are_claimed_table_by_table() {
    let sfnt = font::sfnt();
    assert_eq!(
        map(&parse("font", &sfnt)),
        [
            "0 12 header offset table",
            "12 32 table table directory",
            "44 54 header head table",
            "98 2 padding head table fill",
            "100 7 strings name table",
            "107 1 padding name table fill",
        ]
    );
    assert_eq!(
        map(&parse("woff", &font::woff())),
        [
            "0 44 header header",
            "44 20 table table directory",
            "64 10 data glyf table, packed",
            "74 2 padding fill",
            "76 5 metadata metadata, packed",
        ]
    );
    assert_eq!(
        map(&parse("woff2", &font::woff2())),
        [
            "0 48 header header",
            "48 6 table table directory",
            "54 14 data tables, packed",
        ]
    );
    // The fill behind the last table is the format's, and nobody counts on it.
    holds("font", &sfnt[..107], true);
    holds("woff", &font::woff(), true);
    holds("woff2", &font::woff2(), true);
}

#[test]
fn tables_that_lie_are_told() {
    let mut file = font::sfnt();
    file[35] = 0xff;
    assert_eq!(cases(&parse("font", &file)), [""; 0], "only the checksum changed");
    file[43] = 0xff;
    assert_eq!(cases(&parse("font", &file)), ["malformed -"]);
    assert_eq!(identified(b"\0\x01\0\0\0\0\0\0\0\0\0\0headaaaabbbbcccc"), "data");
}

#[test]
fn leftovers_between_tables_are_told_apart_from_room_for_more() {
    for (length, expected) in [(0usize, 0usize), (12, 1), (512, 1), (516, 0)] {
        let mut file = font::sfnt();
        file[38..40].copy_from_slice(&u16::try_from(100 + length).unwrap().to_be_bytes());
        file.splice(100..100, vec![7; length]);
        let parsed = parse("font", &file);
        assert_eq!(cases(&parsed), vec!["malformed lenient"; expected], "{length}");
        let rest = if length > 512 { length } else { 0 };
        assert_eq!(unclaimed(parsed, file.len()), u64::try_from(rest).unwrap());
    }
}

#[test]
fn random_directories_are_survived() {
    survives("font", b"\0\x01\0\0\0\x04\0\0\0\0\0\0");
    survives("font", b"ttcf\0\x02\0\0\0\0\0\x02");
    survives("woff", b"wOFF\0\x01\0\0");
    survives("woff2", b"wOF2\0\x01\0\0\0\0\x01\0\0\x03");
    survives("woff2", b"wOF2ttcf\0\0\x01\0\0\x03");
}
