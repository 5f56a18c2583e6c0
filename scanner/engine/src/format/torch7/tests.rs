//! Objects in both forms, functions, and broken files.

use super::*;
use crate::fact::Fact;
use crate::format::law;
use probity_tests::build::torch7;
use proptest::prelude::*;

#[test]
fn objects_are_walked_to_their_end_in_both_forms() {
    let (binary, text) = (torch7::linear(), torch7::text());
    law::check(&Torch7, &binary);
    for (bytes, shape) in [(&binary, vec![2, 2]), (&text, vec![2])] {
        let (parse, lines) = law::map(&Torch7, bytes);
        assert!(parse.findings().is_empty() && parse.errors().is_empty(), "{lines:?}");
        assert!(!lines.iter().any(|l| l.ends_with("unclaimed")), "{lines:?}");
        assert!(lines.iter().any(|l| l.ends_with("tensor elements")), "{lines:?}");
        let tensor = parse.facts().iter().find_map(|f| match f {
            Fact::Tensor { shape, .. } => Some(shape.clone()),
            _ => None,
        });
        assert_eq!(tensor, Some(shape));
        assert_eq!(law::identified(bytes), "torch7");
    }
}

#[test]
fn a_function_is_told_and_a_class_without_one_is_not() {
    let (parse, lines) = law::map(&Torch7, &torch7::function());
    assert_eq!(law::told(&parse), [("embedded-code", Some("lua"))], "{lines:?}");
    assert!(
        parse.errors().is_empty() && !lines.iter().any(|l| l.ends_with("unclaimed")),
        "{lines:?}"
    );
}

#[test]
fn broken_rules_are_named() {
    let mut kind = torch7::linear();
    let at = kind.len() - 8;
    kind[at] = 9;
    let mut negative = torch7::linear();
    negative[11] = 0xff;
    for (bytes, rule) in [(kind, "no known type"), (negative, "negative length")] {
        let (parse, _) = law::map(&Torch7, &bytes);
        assert!(
            parse.findings().iter().any(|f| f.message.contains(rule)),
            "{rule}: {:?}",
            law::told(&parse)
        );
    }
    assert_ne!(
        law::identified(&[3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0, 0, 0]),
        "torch7"
    );
}

proptest! {
    #[test]
    fn any_bytes_behind_the_magic_keep_the_law(bytes in proptest::collection::vec(prop_oneof![0u8..9, any::<u8>()], 0..200)) {
        let whole = [&torch7::linear()[..19], &bytes].concat();
        crate::format::fuzz("torch7", &whole);
        crate::format::fuzz("torch7", &[b"4\n1\n3\nV 1\n", &bytes[..]].concat());
    }
}
