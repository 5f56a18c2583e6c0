use crate::format::laws::{cases, holds, identified, map, parse, survives};
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
fn random_directories_are_survived() {
    survives("font", b"\0\x01\0\0\0\x04\0\0\0\0\0\0");
    survives("font", b"ttcf\0\x02\0\0\0\0\0\x02");
    survives("woff", b"wOFF\0\x01\0\0");
    survives("woff2", b"wOF2\0\x01\0\0\0\0\x01\0\0\x03");
    survives("woff2", b"wOF2ttcf\0\0\x01\0\0\x03");
}
