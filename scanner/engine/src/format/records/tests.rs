use crate::format::laws::{cases, holds, identified, map, parse, survives, unclaimed};
use probity_tests::build::records;

#[test]
fn a_class_is_claimed_member_by_member() {
    let file = records::class();
    assert_eq!(
        map(&parse("java-class", &file)),
        [
            "0 8 header header",
            "8 56 strings constant pool",
            "64 8 table class and interfaces",
            "72 2 table field count",
            "74 8 table field 1",
            "82 2 table method count",
            "84 27 code method 1",
            "111 2 metadata attributes",
        ]
    );
    holds("java-class", &file, true);
    let mut odd = file.clone();
    odd[10] = 2;
    assert_eq!(
        cases(&parse("java-class", &odd)),
        ["malformed -"],
        "an unknown constant"
    );
    let behind = [&file[..], &[0; 16]].concat();
    assert_eq!(unclaimed(parse("java-class", &behind), behind.len()), 16);
    assert_eq!(
        identified(b"\xca\xfe\xba\xbe\0\0\0\x02\x01\0\0\x07\0\0\0\x03"),
        "macho-fat",
        "a fat header has two slices"
    );
    survives("java-class", b"\xca\xfe\xba\xbe\0\0\0\x3d\0");
}

#[test]
fn a_database_is_as_many_pages_as_it_says() {
    let file = records::sqlite();
    assert_eq!(
        map(&parse("sqlite", &file)),
        ["0 100 header database header", "100 924 data 2 pages of 512 bytes"]
    );
    holds("sqlite", &file, true);
    let behind = [&file[..], b"text"].concat();
    assert_eq!(unclaimed(parse("sqlite", &behind), behind.len()), 4);
    let mut odd = file;
    odd[16] = 3;
    assert_eq!(cases(&parse("sqlite", &odd)), ["malformed -"]);
    survives("sqlite", b"SQLite format 3\0\x10\0\x01\x01\0\x40\x20\x20");
}

#[test]
fn catalogues_are_claimed_in_both_byte_orders() {
    for big in [false, true] {
        let file = records::mo(big);
        assert_eq!(
            map(&parse("mo", &file)),
            [
                "0 28 header header",
                "28 16 table table of originals",
                "44 16 table table of translations",
                "60 16 strings strings",
            ]
        );
        holds("mo", &file, true);
    }
    let mut newer = records::mo(false);
    newer[6] = 0;
    newer[4] = 1;
    newer.extend_from_slice(b"more");
    assert_eq!(
        map(&parse("mo", &newer)).last().unwrap(),
        "76 4 strings system-dependent strings"
    );
    survives("mo", b"\xde\x12\x04\x95\0\0\0\0\x02\0\0\0\x1c\0\0\0\x2c\0\0\0");
}

#[test]
fn bitcode_ends_where_its_last_block_does() {
    assert_eq!(
        map(&parse("bitcode", &records::bitcode())),
        [
            "0 4 header magic",
            "4 16 code module block",
            "20 12 code string table block"
        ]
    );
    assert_eq!(map(&parse("bitcode", &records::wrapped_bitcode())).len(), 5);
    holds("bitcode", &records::bitcode(), false);
    holds("bitcode", &records::wrapped_bitcode()[..52], true);
    holds("bitcode", &records::wrapped_bitcode(), false);
    survives("bitcode", b"BC\xc0\xde");
    survives("bitcode", b"\xde\xc0\x17\x0b\0\0\0\0\x14\0\0\0");
}

#[test]
fn tables_of_exact_lengths_are_claimed() {
    assert_eq!(
        map(&parse("icu", &records::icu())),
        ["0 32 header header", "32 16 data CmnD data"]
    );
    assert_eq!(
        map(&parse("terminfo", &records::terminfo())),
        [
            "0 12 header header",
            "12 5 strings names",
            "17 2 data flags",
            "19 1 padding alignment",
            "20 2 data numbers",
            "22 2 table string offsets",
            "24 3 strings strings",
            "27 1 padding alignment",
            "28 10 header extended header",
            "38 1 data extended flags",
            "39 1 padding alignment",
            "40 0 data extended numbers",
            "40 2 table extended offsets",
            "42 3 strings extended strings",
        ]
    );
    assert_eq!(
        map(&parse("tzif", &records::tzif())),
        [
            "0 44 header header, 4 bytes a time",
            "44 10 table transitions, 4 bytes a time",
            "54 44 header header, 8 bytes a time",
            "98 19 table transitions, 8 bytes a time",
            "117 7 text footer",
        ]
    );
    holds("icu", &records::icu(), false);
    holds("terminfo", &records::terminfo()[..28], false);
    holds("terminfo", &records::terminfo(), false);
    let zones = records::tzif().repeat(3);
    assert_eq!(map(&parse("tzif", &zones)).len(), 15);
    assert_eq!(parse("tzif", &zones).findings()[0].case, Some("objects"));
    assert!(parse("tzif", &records::tzif()).findings().is_empty());
    holds("tzif", &records::tzif(), true);
    survives("icu", b"\x20\0\xda\x27\x14\0\0\0\0\0\x02\0CmnD");
    survives("terminfo", b"\x1a\x01\x05\0");
    survives("tzif", b"TZif2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
}
