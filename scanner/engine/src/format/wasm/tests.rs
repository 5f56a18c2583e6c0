use crate::fact::Fact;
use crate::format::Source;
use crate::format::laws::{cases, holds, map, parse, survives, unclaimed};
use probity_tests::build::wasm::{self, custom, section};

#[test]
fn a_module_is_claimed_section_by_section() {
    let file = wasm::small().bytes;
    let parsed = parse("wasm", &file);
    assert_eq!(
        map(&parsed),
        [
            "0 8 header preamble",
            "8 2 header type section header",
            "10 6 table type section",
            "16 2 header import section header",
            "18 11 table import section",
            "29 2 header function section header",
            "31 2 table function section",
            "33 2 header memory section header",
            "35 3 table memory section",
            "38 2 header export section header",
            "40 8 table export section",
            "48 2 header data count section header",
            "50 1 table data count section",
            "51 2 header code section header",
            "53 6 code code section",
            "59 2 header data section header",
            "61 8 data data section",
            "69 2 header custom section header",
            "71 5 strings custom section name name",
            "76 4 strings custom section name",
            "80 2 header custom section header",
            "82 10 strings custom section name producers",
            "92 1 metadata custom section producers",
            "93 2 header custom section header",
            "95 17 strings custom section name sourceMappingURL",
            "112 11 metadata custom section sourceMappingURL",
        ]
    );
    let named: Vec<&str> = parsed
        .facts()
        .iter()
        .filter_map(|fact| match fact {
            Fact::Import { library, .. } => Some(&**library),
            Fact::Export { name, .. } => Some(&**name),
            _ => None,
        })
        .collect();
    assert_eq!(named, ["env", "same"]);
    // A module that is cut between two sections is a module: only the last section's end tells.
    holds("wasm", &file, false);
}

#[test]
fn a_cut_inside_a_section_is_told_and_one_between_two_is_not() {
    let built = wasm::small();
    for cut in 9..built.bytes.len() {
        let told = !parse("wasm", &built.bytes[..cut]).findings().is_empty();
        assert_eq!(
            told,
            !built.boundaries.contains(&u64::try_from(cut).unwrap()),
            "cut at {cut}"
        );
    }
}

#[test]
fn a_component_holds_modules() {
    let inner = wasm::small().bytes;
    let file = wasm::component(&[section(1, &inner), section(7, &[0]), custom("note", b"x")]).bytes;
    let parsed = parse("wasm", &file);
    assert_eq!(parsed.children().len(), 1);
    let child = &parsed.children()[0];
    assert_eq!(child.name, b"module 1");
    assert!(matches!(child.source, Source::Slice(span) if span.len() == u64::try_from(inner.len()).unwrap()));
    holds("wasm", &file, false);
}

#[test]
fn what_breaks_the_rules_is_told_and_what_follows_is_unclaimed() {
    let small = wasm::small().bytes;
    let twice = wasm::module(&[section(3, &[0]), section(3, &[0])]).bytes;
    let order = wasm::module(&[section(3, &[0]), section(1, &[0])]).bytes;
    let sound = wasm::module(&[section(1, &[0]), custom("a", b""), section(3, &[0])]).bytes;
    let unnamed = [&small[..], &[0, 0, 1]].concat();
    let long_name = wasm::module(&[section(0, &[9, b'a'])]).bytes;
    let imports = wasm::module(&[section(2, &[3, 1, b'a'])]).bytes;
    let wide = [&wasm::module(&[]).bytes[..], &[1, 0x80, 0x80, 0x80, 0x80, 0x80, 0]].concat();
    let functions = wasm::module(&[section(3, &[2, 0])]).bytes;
    for (what, file, expected) in [
        ("twice", &twice, &["malformed -"][..]),
        ("order", &order, &["malformed -"]),
        ("sound", &sound, &[]),
        ("no name", &unnamed, &["malformed -"]),
        ("long name", &long_name, &["malformed -"]),
        ("imports that end early", &imports, &["malformed -"]),
        ("size of six bytes", &wide, &["malformed -"]),
        ("more functions than bytes", &functions, &["malformed -"]),
        ("no count", &wasm::module(&[section(1, &[])]).bytes, &["malformed -"]),
    ] {
        assert_eq!(cases(&parse("wasm", file)), expected, "{what}");
    }
    for behind in [&b"MZ\x90\0"[..], &[0; 64], b"PK\x03\x04"] {
        let file = [&small[..], behind].concat();
        let parsed = parse("wasm", &file);
        assert!(parsed.findings().is_empty());
        assert_eq!(unclaimed(parsed, file.len()), u64::try_from(behind.len()).unwrap());
    }
}

#[test]
fn random_sections_are_survived() {
    survives("wasm", b"\0asm\x01\0\0\0");
    survives("wasm", b"\0asm\x0d\0\x01\0");
}
