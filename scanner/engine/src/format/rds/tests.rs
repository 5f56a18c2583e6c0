//! Vectors, workspaces, promises in every place, and broken files.

use super::*;
use crate::format::law;
use probity_tests::build::rds::{self, Rds as Build};
use proptest::prelude::*;

#[test]
fn an_object_is_walked_to_its_end() {
    let bytes = rds::sample();
    law::check(&Rds, &bytes);
    let (_, lines) = law::map(&Rds, &bytes);
    assert_eq!(lines, ["0..23 header header", "23..98 data serialised objects"]);
    assert_eq!(law::identified(&bytes), "rds");
    assert_eq!(law::identified(&rds::promised()), "rds");
}

#[test]
fn an_unevaluated_promise_is_told_by_where_it_stands() {
    for (bytes, expected) in [
        (rds::promised(), vec![("embedded-code", Some("promise"))]),
        (
            Build::new(false).promise("system", "true").build(),
            vec![("embedded-code", Some("promise"))],
        ),
        (
            Build::new(false)
                .flags(19, false, false)
                .word(1)
                .promise("system", "true")
                .build(),
            vec![("embedded-code", Some("promise"))],
        ),
        (
            rds::captured(),
            vec![("embedded-code", Some("captured")), ("embedded-code", Some("closure"))],
        ),
        (rds::evaluated(), vec![]),
    ] {
        let (parse, lines) = law::map(&Rds, &bytes);
        assert_eq!(law::told(&parse), expected, "{lines:?}");
        assert!(parse.errors().is_empty() && lines.len() == 2, "{lines:?}");
    }
    let (parse, _) = law::map(&Rds, &rds::promised());
    assert!(parse.findings()[0].message.contains("names system"));
}

#[test]
fn broken_rules_are_named() {
    for (bytes, rule) in [
        (Build::new(false).word(99).build(), "no known type"),
        (Build::new(false).word(14).word(0x8000_0001).build(), "negative length"),
        (Build::new(false).word(1).word(14).build(), "without a name"),
        (Build::new(false).word(249).word(0).word(u32::MAX).build(), "more names"),
    ] {
        let (parse, lines) = law::map(&Rds, &bytes);
        assert!(
            parse.findings()[0].message.contains(rule),
            "{rule}: {:?}",
            law::told(&parse)
        );
        assert!(
            !parse.errors().is_empty() && !lines.iter().any(|l| l.ends_with("unclaimed")),
            "{lines:?}"
        );
    }
    let text = b"A\n3\n262145\n197888\n5\nUTF-8\n254\n";
    let (parse, _) = law::map(&Rds, text);
    assert_eq!(parse.errors().len(), 1);
    assert_eq!(law::identified(text), "rds");
    assert_eq!(law::identified(b"A\nline of text\n"), "text");
    assert_ne!(law::identified(b"X\n\0\0\0\x03\x7f\0\0\0\0\0\0\0"), "rds");
}

#[test]
fn nesting_of_any_depth_is_walked_without_recursion() {
    let mut list = Build::new(false);
    for _ in 0..200_000 {
        list = list.flags(19, false, false).word(1);
    }
    let (parse, _) = law::map(&Rds, &list.null().build());
    assert!(parse.findings().is_empty() && parse.errors().is_empty());
}

proptest! {
    #[test]
    fn any_bytes_behind_the_header_keep_the_law(bytes in proptest::collection::vec(prop_oneof![Just(0u8), Just(2), Just(21), any::<u8>()], 0..200)) {
        let whole = [Build::new(true).build(), bytes].concat();
        crate::format::fuzz("rds", &whole);
    }
}
