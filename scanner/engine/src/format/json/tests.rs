use super::Json;
use crate::finding::ErrorCode;
use crate::format::Parse;
use crate::identify::{self, Probe};
use crate::ledger::Ledger;
use probity_tests::build::json;
use proptest::prelude::*;

fn format(bytes: &[u8]) -> &'static str {
    let head = &bytes[..bytes.len().min(identify::HEAD)];
    let tail = &bytes[bytes.len().saturating_sub(identify::TAIL)..];
    identify::identify(&Probe::new(head, tail, bytes.len() as u64))[0]
        .format
        .id()
}

fn parse(bytes: &[u8]) -> Parse {
    Parse::of_bytes(&Json, bytes)
}

/// Codes with their cases, and the unclaimed bytes.
fn found(bytes: &[u8]) -> (Vec<String>, u64) {
    let parse = parse(bytes);
    let mut ledger = Ledger::new(bytes.len() as u64);
    ledger.push(parse.view().clone());
    assert_eq!(
        ledger.claimed().total() + ledger.unclaimed().total(),
        bytes.len() as u64
    );
    let name = |f: &crate::finding::Finding| f.case.map_or(f.code.to_owned(), |case| format!("{} {case}", f.code));
    (parse.findings().iter().map(name).collect(), ledger.unclaimed().total())
}

#[test]
fn a_document_is_one_region() {
    let bytes = json::small();
    let parse = parse(&bytes);
    let map: Vec<String> = parse
        .view()
        .leaves()
        .map(|r| format!("{:?} {} {}", r.span, r.role.as_str(), r.name))
        .collect();
    assert_eq!(map, [format!("0x0..{:#x} text document", bytes.len())]);
    assert_eq!(found(&bytes), (vec![], 0));
}

#[test]
fn documents_are_told_from_what_only_begins_like_them() {
    let long = |item: &str| format!("[{}1]", format!("{item},").repeat(3000));
    for (text, expected) in [
        ("{}", "json"),
        ("[]\n", "json"),
        (" \n{\"a\": [1, 2.5e3, null, true]}\r\n", "json"),
        ("\u{feff}{\"a\": 1}", "json"),
        (&long("{\"a\": 1}"), "json"),
        ("{\"a\": 1}\nimport os\n", "json"),
        ("{\"a\": 1, \"b\": {\"c\":", "json"),
        ("{\"a\": 1}\n{\"a\": 2}\n", "text"),
        ("{\"a\": NaN}", "text"),
        ("{\"a\": 1, // comment\n}", "text"),
        ("{\"a\": 1,}", "text"),
        ("[1] a footnote\n", "text"),
        ("[\"a\", \"b\"].forEach(run);\n", "text"),
        ("[section]\nkey = 1\n", "toml"),
        ("{ {template} }", "text"),
        ("{", "text"),
        ("\"scalar\"", "text"),
        ("12\n", "text"),
        ("true", "text"),
    ] {
        assert_eq!(format(text.as_bytes()), expected, "{}", &text[..text.len().min(40)]);
    }
    assert_ne!(format(b"[1]\0\0\0\0\0"), "text");
}

#[test]
fn what_breaks_deep_inside_is_text_and_no_finding() {
    let prefix = format!("[{}", "{\"a\": 1},\n".repeat(2000));
    for end in ["NaN]", "// comment\n1]", "1,]"] {
        let text = format!("{prefix}{end}");
        assert_eq!(format(text.as_bytes()), "json");
        assert_eq!(found(text.as_bytes()), (vec![], 0), "{end}");
    }
    let lines = format!("{prefix}1]\n{prefix}1]\n");
    assert_eq!(found(lines.as_bytes()), (vec![], 0));
}

#[test]
fn content_behind_the_document_is_named_or_stays_unclaimed() {
    assert_eq!(found(&json::trailing()), (vec!["trailing-bytes text".to_owned()], 0));
    let binary = [&b"{\"a\": 1}"[..], b"\n\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0"].concat();
    assert_eq!(found(&binary), (vec![], 17));
    assert_eq!(found(b"{\"a\": 1}\n\n"), (vec![], 0));
}

#[test]
fn a_cut_document_is_truncated() {
    let whole = b"{\"a\": {\"b\": [1, 2]}, \"c\": \"text\"}";
    for length in 12..whole.len() {
        assert_eq!(found(&whole[..length]).0, ["truncated"], "{length}");
        assert_eq!(format(&whole[..length]), "json", "{length}");
    }
}

#[test]
fn repeated_keys_are_found_at_any_depth_and_equal_ones_weigh_less() {
    for (text, expected) in [
        ("{\"a\": 1, \"a\": 2}", &["duplicate-key document"][..]),
        ("{\"a\": 1, \"\\u0061\": 1}", &["duplicate-key same-value"]),
        ("{\"a\": {\"a\": 1}, \"b\": {\"a\": 1}}", &[]),
        ("[[[{\"x\": {\"k\": [1], \"k\": [2]}}]]]", &["duplicate-key document"]),
        ("[{\"a\": 1}, {\"a\": 2}]", &[]),
    ] {
        assert_eq!(found(text.as_bytes()).0, expected, "{text}");
    }
    assert_eq!(found(&json::duplicate_key()).0, ["duplicate-key document"]);
    let many = format!("{{{}\"a\": 1}}", "\"a\": 1,".repeat(500));
    assert_eq!(found(many.as_bytes()).0.len(), 65, "64 and a line that counts the rest");
}

#[test]
fn nesting_over_the_limit_is_an_error_and_a_finding() {
    let deep = parse(&json::nested(100_000));
    assert_eq!(deep.errors()[0].code, ErrorCode::LimitExceeded);
    assert_eq!(deep.findings()[0].case, Some("crash"));
    assert_eq!(format(&json::nested(100_000)), "json");
    assert_eq!(found(&json::nested(1_000)), (vec![], 0));
    assert_eq!(found(&json::nested(1_001)).0, ["malformed crash"]);
}

proptest! {
    #[test]
    fn random_bytes_in_brackets_are_survived(
        inner in proptest::collection::vec(prop_oneof![4 => proptest::sample::select(&b"{}[]\",:1 a\\u\n"[..]), 1 => any::<u8>()], 0..400),
    ) {
        let bytes = [b"{\"a\":", &inner[..]].concat();
        found(&bytes);
        super::super::fuzz("json", &bytes);
    }
}
