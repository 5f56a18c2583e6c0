//! Names in reports: never raw, always reversible.

use crate::common::{bytes_of, files, plain, put, run_in, scan, temp};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Undoes the escaping.
fn unescaped(name: &str) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), name.as_bytes());
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first == b'%' {
            let digits = std::str::from_utf8(&rest[..2]).unwrap();
            out.push(u8::from_str_radix(digits, 16).unwrap());
            rest = &rest[2..];
        } else {
            out.push(*first);
        }
    }
    out
}

fn hostile_names() -> Vec<(Vec<u8>, String)> {
    let longest = "n".repeat(255);
    vec![
        (b"percent%41".to_vec(), "percent%2541".into()),
        (b"bang!inner".to_vec(), "bang%21inner".into()),
        (b"esc\x1b[31mred".to_vec(), "esc%1B[31mred".into()),
        (b"new\nline".to_vec(), "new%0Aline".into()),
        (
            b"tab\tret\rbell\x07del\x7f".to_vec(),
            "tab%09ret%0Dbell%07del%7F".into(),
        ),
        (b"latin\xe9".to_vec(), "latin%E9".into()),
        (b"\xff\xfe".to_vec(), "%FF%FE".into()),
        (b"cut\xe2\x82".to_vec(), "cut%E2%82".into()),
        ("\u{202e}gpj.exe".as_bytes().to_vec(), "%E2%80%AEgpj.exe".into()),
        ("zero\u{200b}width".as_bytes().to_vec(), "zero%E2%80%8Bwidth".into()),
        ("c1\u{9b}31m".as_bytes().to_vec(), "c1%C2%9B31m".into()),
        (
            "plain \u{fc}ml\u{e4}ut \u{6f22}".as_bytes().to_vec(),
            "plain \u{fc}ml\u{e4}ut \u{6f22}".into(),
        ),
        (b"-leading".to_vec(), "-leading".into()),
        (longest.clone().into_bytes(), longest),
    ]
}

#[test]
fn names_are_escaped_and_can_be_read_back() {
    let dir = temp();
    for (raw, _) in hostile_names() {
        put(dir.path(), OsStr::from_bytes(&[b"t/", &raw[..]].concat()), &plain());
    }
    let report = scan(dir.path(), &["t"]).expect(0, "clean", true);
    for (raw, escaped) in hostile_names() {
        let path = format!("t/{escaped}");
        assert!(
            files(&report).contains(&path.as_str()),
            "{path} in {:?}",
            files(&report)
        );
        assert_eq!(unescaped(&path), [b"t/", &raw[..]].concat());
    }
}

#[test]
fn a_hostile_name_can_be_an_argument() {
    let dir = temp();
    for (raw, escaped) in hostile_names() {
        put(dir.path(), OsStr::from_bytes(&raw), &plain());
        let argument = OsString::from_vec([b"./", &raw[..]].concat());
        let report = scan(dir.path(), &[argument]).expect(0, "clean", true);
        assert_eq!(files(&report), [format!("./{escaped}")]);
    }
}

#[test]
fn text_never_carries_what_a_terminal_would_obey() {
    let dir = temp();
    for (raw, _) in hostile_names() {
        put(
            dir.path(),
            OsStr::from_bytes(&[b"t/", &raw[..]].concat()),
            &bytes_of(Some("high")),
        );
    }
    let member = probity_tests::build::gzip::Member {
        name: Some("\u{1b}]0;title\u{7}\u{202e}".into()),
        ..probity_tests::build::gzip::Member::of(b"\x1b[2Jcontent \x00\xff http://0x08080808/\x1b[31m")
    };
    put(
        dir.path(),
        "t/member.gz",
        &probity_tests::build::gzip::members(&[member], b"\x1b[31mtrailing").bytes,
    );
    for args in [
        &["scan", "t"][..],
        &["scan", "-v", "t"],
        &["scan", "--format", "ndjson", "t"],
        &["map", "t/member.gz"],
    ] {
        let run = run_in(dir.path(), args);
        assert_eq!(run.code, 1, "{}", run.stderr);
        let raw = run
            .stdout
            .chars()
            .find(|c| (c.is_control() && *c != '\n') || matches!(c, '\u{202e}' | '\u{200b}'));
        assert_eq!(raw, None, "{args:?}: {}", run.stdout);
    }
}

#[test]
fn levels_of_nesting_cannot_be_forged_by_a_name() {
    let dir = temp();
    let member = probity_tests::build::gzip::Member {
        name: Some("a!b%c".into()),
        ..probity_tests::build::gzip::Member::of(&probity_tests::build::gzip::gzip(b"x"))
    };
    put(
        dir.path(),
        "f!o.gz",
        &probity_tests::build::gzip::members(&[member], b"").bytes,
    );
    let report = scan(dir.path(), &["f!o.gz", "--all-artifacts"]).json();
    let nested: Vec<_> = report["artifacts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a["nested"].as_str())
        .collect();
    assert_eq!(nested, [None, Some("a%21b%25c"), Some("a%21b%25c!content")]);
    assert_eq!(report["artifacts"][2]["path"], "f%21o.gz");
}
