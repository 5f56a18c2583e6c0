//! Models, and documents that break UBJSON's rules.

use super::*;
use crate::format::law;
use probity_tests::build::xgboost;
use proptest::prelude::*;

#[test]
fn a_model_is_walked_to_its_end() {
    let bytes = xgboost::model(3);
    law::check(&XgBoost, &bytes);
    assert_eq!(law::identified(&bytes), "xgboost");
    let (_, lines) = law::map(&XgBoost, &xgboost::model(2000));
    assert_eq!(
        lines,
        [
            "0..102 metadata document",
            "102..8102 data array",
            "8102..8128 metadata document"
        ]
    );
    let old = [&b"binf"[..], &[0; 100]].concat();
    let (parse, lines) = law::map(&XgBoost, &old);
    assert!(parse.errors().is_empty() && lines.len() == 2);
}

#[test]
fn broken_rules_are_named() {
    let start = &xgboost::model(3)[..17];
    for (rest, rule) in [
        (&b"{Q"[..], "no integer"),
        (b"{i\xff", "negative length"),
        (b"{i\x01a?", "unknown marker"),
        (b"{i\x01a[$d]", "type without a count"),
        (b"{i\x01a[#l\x7f\xff\xff\xff", "more values"),
    ] {
        let (parse, _) = law::map(&XgBoost, &[start, rest, &[0; 8]].concat());
        assert!(
            parse.findings().iter().any(|f| f.message.contains(rule)),
            "{rule}: {:?}",
            law::told(&parse)
        );
    }
    let deep = [start, &b"{i\x01a"[..], &b"[".repeat(5000)].concat();
    let (parse, _) = law::map(&XgBoost, &deep);
    assert_eq!(parse.errors().len(), 1);
    assert_ne!(law::identified(b"{\"learner\": {}}"), "xgboost");
}

proptest! {
    #[test]
    fn any_bytes_behind_the_first_key_keep_the_law(bytes in "[\\[\\]{}$#SHiUIlLdDCZTFN\\x00\\x01\\x02]{0,80}") {
        crate::format::fuzz("xgboost", &[&xgboost::model(3)[..18], bytes.as_bytes()].concat());
    }
}
