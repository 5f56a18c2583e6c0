use crate::format::{FORMATS, Parse, fuzz};
use probity_tests::build::ar;
use proptest::prelude::*;

fn parse(bytes: &[u8]) -> Parse {
    let format = FORMATS.iter().find(|f| f.id() == "ar").unwrap();
    Parse::of_bytes(*format, bytes)
}

fn map(parse: &Parse) -> Vec<String> {
    let line =
        |r: &crate::ledger::Region| format!("{} {} {} {}", r.span.start(), r.span.len(), r.role.as_str(), r.name);
    parse.view().leaves().map(line).collect()
}

#[test]
fn a_gnu_library_is_claimed_whole_and_its_names_are_found() {
    let file = ar::archive(&ar::library(), false).bytes;
    let parse = parse(&file);
    assert_eq!(
        map(&parse),
        [
            "0 8 header global header",
            "8 60 header symbol table header",
            "68 4 table symbol table",
            "72 60 header long names header",
            "132 57 strings long names",
            "189 1 padding long names filler",
            "190 60 header a_rather_long_member_name.o header",
            "250 11 payload a_rather_long_member_name.o",
            "261 1 padding a_rather_long_member_name.o filler",
            "262 60 header another_long_member_name.o header",
            "322 13 payload another_long_member_name.o",
            "335 1 padding another_long_member_name.o filler",
            "336 60 header short.o header",
            "396 6 payload short.o",
            "402 60 header short.o header",
            "462 25 payload short.o",
            "487 1 padding short.o filler",
        ]
    );
    assert!(parse.findings().is_empty() && parse.errors().is_empty());
    assert_eq!(parse.children().len(), 4);
}

#[test]
fn bsd_names_are_in_front_of_their_data_and_thin_archives_hold_none() {
    let bsd = [
        ar::Member::bsd("__.SYMDEF", &[0; 8]),
        ar::Member::bsd("a long name.o", b"text\n"),
    ];
    let parsed = parse(&ar::archive(&bsd, false).bytes);
    assert_eq!(parsed.children().len(), 1);
    assert_eq!(parsed.children()[0].name, b"a long name.o");
    assert!(parsed.findings().is_empty());
    let thin = parse(&ar::archive(&ar::library()[1..], true).bytes);
    assert!(thin.children().is_empty() && thin.findings().is_empty());
    assert_eq!(map(&thin).len(), 8);
}

#[test]
fn a_cut_inside_a_member_is_told_and_changes_are_survived() {
    let file = ar::archive(&ar::library(), false).bytes;
    for cut in 0..file.len() {
        fuzz("ar", &file[..cut]);
    }
    for cut in [120, 150, 255, 330, 400, 470] {
        let codes: Vec<&str> = parse(&file[..cut]).findings().iter().map(|f| f.code).collect();
        assert_eq!(codes, ["truncated"], "cut at {cut}");
    }
    for at in 0..file.len() {
        for value in [0, 0xff, file[at] ^ 1, file[at] ^ 0x80] {
            let mut changed = file.clone();
            changed[at] = value;
            fuzz("ar", &changed);
        }
    }
}

proptest! {
    #[test]
    fn anything_behind_the_magic_number_is_survived(noise in proptest::collection::vec(any::<u8>(), 0..400)) {
        fuzz("ar", &[b"!<arch>\n", &noise[..]].concat());
        fuzz("ar", &[b"!<thin>\n", &noise[..]].concat());
    }
}
