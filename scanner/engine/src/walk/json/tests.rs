//! The JSON walker against serde_json and against the rules of RFC 8259.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "tests compute with small numbers"
)]

use proptest::prelude::*;
use serde_json::Value;

use super::*;

const BASE: u64 = 1000;
/// The deepest nesting that serde_json reads.
const REFERENCE_DEPTH: usize = 127;

fn walk(bytes: &[u8]) -> Result<Vec<Token<'_>>, JsonFault> {
    JsonWalker::new(bytes, BASE, REFERENCE_DEPTH).collect()
}

fn events(value: &Value, out: &mut Vec<TokenKind<'static>>) {
    match value {
        Value::Null => out.push(TokenKind::Null),
        Value::Bool(value) => out.push(TokenKind::Bool(*value)),
        Value::Number(value) => out.push(TokenKind::Number(value.to_string().leak())),
        Value::String(value) => out.push(TokenKind::String(value.clone().into())),
        Value::Array(values) => {
            out.push(TokenKind::ArrayStart);
            values.iter().for_each(|value| events(value, out));
            out.push(TokenKind::ArrayEnd);
        }
        Value::Object(members) => {
            out.push(TokenKind::ObjectStart);
            for (key, value) in members {
                out.push(TokenKind::Key(key.clone().into()));
                events(value, out);
            }
            out.push(TokenKind::ObjectEnd);
        }
    }
}

/// Whether serde_json reads `bytes`; `None` when it refuses only the range of a number, which the walker leaves open.
fn reference_accepts(bytes: &[u8]) -> Option<bool> {
    match serde_json::from_slice::<Value>(bytes) {
        Ok(_) => Some(true),
        Err(error) if error.to_string().starts_with("number out of range") => None,
        Err(_) => Some(false),
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[\u{0}-\u{1f}\"\\\\/\u{10000}-\u{10fff}a]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Text that is nearly JSON: its pieces, joined without regard to the grammar.
fn near_json() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: &[&[u8]] = &[
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b" ",
        b"\n",
        b"\"a\"",
        b"\"",
        b"\\",
        b"\\u",
        b"d83d",
        b"\\ude00",
        b"\\n",
        b"0",
        b"1",
        b"-",
        b".5",
        b"e",
        b"E+9",
        b"true",
        b"false",
        b"null",
        b"nul",
        b"\x00",
        b"\x1f",
        b"\x7f",
        b"\xc3",
        b"\xa9",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
        b"/",
        b"NaN",
        b"\"k\":",
        b"[1,",
        b"\"\\ud83d\\ude00\"",
    ];
    prop::collection::vec(prop::sample::select(PIECES), 0..14).prop_map(|pieces| pieces.concat())
}

fn check_invariants(bytes: &[u8]) {
    let mut walker = JsonWalker::new(bytes, BASE, REFERENCE_DEPTH);
    let (mut previous, mut steps) = (BASE, 0);
    let mut fault = None;
    while let Some(step) = walker.next() {
        steps += 1;
        match step {
            Ok(token) => {
                assert!(token.span.start() >= previous && !token.span.is_empty(), "spans ascend");
                previous = token.span.end();
                assert!(previous <= walker.position());
                check_reparse(bytes, &token);
            }
            Err(found) => {
                assert!((BASE..=BASE + bytes.len() as u64).contains(&found.offset));
                assert_eq!(found.is_truncation(), found.rule == "unexpected end");
                fault = Some(found);
                assert!(
                    walker.next().is_none() && walker.skip_value() == Err(found),
                    "a fault exhausts the walker"
                );
            }
        }
    }
    assert!(steps <= bytes.len() + 1, "the walker advances");
    let mut skipper = JsonWalker::new(bytes, BASE, REFERENCE_DEPTH);
    let skipped = skipper
        .skip_value()
        .err()
        .or_else(|| skipper.next().and_then(Result::err));
    assert_eq!(skipped, fault, "skipping validates as walking does");
}

fn check_reparse(bytes: &[u8], token: &Token<'_>) {
    let start = usize::try_from(token.span.start() - BASE).unwrap();
    let text = &bytes[start..start + usize::try_from(token.span.len()).unwrap()];
    match &token.kind {
        TokenKind::ObjectStart => assert_eq!(text, b"{"),
        TokenKind::ObjectEnd => assert_eq!(text, b"}"),
        TokenKind::ArrayStart => assert_eq!(text, b"["),
        TokenKind::ArrayEnd => assert_eq!(text, b"]"),
        TokenKind::Key(value) => assert_eq!(walk(text).unwrap()[0].kind, TokenKind::String(value.clone())),
        kind => assert_eq!(&walk(text).unwrap()[0].kind, kind),
    }
}

proptest! {
    #[test]
    fn a_value_walks_to_its_own_events(value in any_value(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }.unwrap();
        let mut expected = Vec::new();
        events(&value, &mut expected);
        let kinds: Vec<_> = walk(&text).unwrap().into_iter().map(|token| token.kind).collect();
        prop_assert_eq!(kinds, expected);
        check_invariants(&text);
    }

    #[test]
    fn every_prefix_of_a_container_is_a_truncation(value in any_value()) {
        let text = serde_json::to_vec(&[value]).unwrap();
        for end in 0..text.len() {
            let fault = walk(&text[..end]).unwrap_err();
            prop_assert!(fault.is_truncation(), "{} of {:?}", fault, String::from_utf8_lossy(&text[..end]));
            prop_assert_eq!(fault.offset, BASE + end as u64);
        }
    }

    #[test]
    fn skipping_a_value_yields_its_span(values in prop::collection::vec(any_value(), 1..5)) {
        let text = serde_json::to_vec(&values).unwrap();
        let mut walker = JsonWalker::new(&text, 0, REFERENCE_DEPTH);
        prop_assert_eq!(walker.next().unwrap().unwrap().kind, TokenKind::ArrayStart);
        for value in &values {
            let first = walker.next().unwrap().unwrap();
            let rest = walker.skip_value().unwrap();
            let opens = matches!(first.kind, TokenKind::ArrayStart | TokenKind::ObjectStart);
            prop_assert_eq!(rest.is_empty(), !opens);
            let span = if opens { rest } else { first.span };
            let (start, end) = (usize::try_from(span.start()).unwrap(), usize::try_from(span.end()).unwrap());
            prop_assert_eq!(&text[start..end], serde_json::to_vec(value).unwrap());
            prop_assert_eq!(walker.depth(), 1);
        }
        prop_assert_eq!(walker.next().unwrap().unwrap().kind, TokenKind::ArrayEnd);
        prop_assert!(walker.next().is_none());
    }

    #[test]
    fn arbitrary_bytes_are_judged_as_serde_json_does(bytes in prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        near_json(),
        ("[ \\[\\]{}:,\"0-9eE.+\\\\u-]{0,12}").prop_map(String::into_bytes),
    ]) {
        check_invariants(&bytes);
        if let Some(accepts) = reference_accepts(&bytes) {
            prop_assert_eq!(walk(&bytes).is_ok(), accepts, "{:?}", String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn a_byte_changed_is_judged_as_serde_json_does(value in any_value(), at in any::<prop::sample::Index>(), to: u8) {
        let mut text = serde_json::to_vec(&value).unwrap();
        let at = at.index(text.len());
        text[at] = to;
        check_invariants(&text);
        if let Some(accepts) = reference_accepts(&text) {
            prop_assert_eq!(walk(&text).is_ok(), accepts, "{:?}", String::from_utf8_lossy(&text));
        }
    }

    #[test]
    fn duplicates_are_the_members_that_a_map_loses(keys in prop::collection::vec("[ab]{0,2}", 0..12)) {
        let members: Vec<_> = keys.iter().map(|key| format!("{key:?}:{{{key:?}:0}}")).collect();
        let text = format!("{{{}}}", members.join(","));
        let found = duplicate_keys(text.as_bytes(), 0, 8, usize::MAX).unwrap();
        let kept = serde_json::from_str::<Value>(&text).unwrap().as_object().unwrap().len();
        prop_assert_eq!(found.len(), keys.len() - kept);
        for (span, key) in found {
            let (start, end) = (usize::try_from(span.start()).unwrap(), usize::try_from(span.end()).unwrap());
            prop_assert_eq!(&text[start..end], format!("{key:?}"));
        }
    }
}

#[test]
fn each_rule_is_named_at_its_offset() {
    let cases: &[(&[u8], &str, u64)] = &[
        (b"", "unexpected end", 0),
        (b" \n", "unexpected end", 2),
        (b"[1", "unexpected end", 2),
        (b"\"\\ud83d", "unexpected end", 7),
        (b"\"\\ud83d\\u", "unexpected end", 9),
        (b"\"\xf0\x9f", "unexpected end", 3),
        (b"-", "unexpected end", 1),
        (b"[1.", "unexpected end", 3),
        (b"1e+", "unexpected end", 3),
        (b"tru", "unexpected end", 3),
        (b"\xef\xbb\xbf{}", "byte order mark", 0),
        (b"{} {}", "content after the value", 3),
        (b"{}\0", "content after the value", 2),
        (b"1 // c", "content after the value", 2),
        (b"[1,]", "trailing comma", 2),
        (b"{\"a\":1,}", "trailing comma", 6),
        (b"[,1]", "value expected", 1),
        (b"/**/1", "value expected", 0),
        (b"[+1]", "value expected", 1),
        (b"[.5]", "value expected", 1),
        (b"[\xff]", "value expected", 1),
        (b"NaN", "unknown literal", 0),
        (b"[nulL]", "unknown literal", 1),
        (b"[01]", "leading zero", 1),
        (b"[-00]", "leading zero", 2),
        (b"[1.e]", "digit expected", 3),
        (b"[-x]", "digit expected", 2),
        (b"[1 2]", "missing comma", 3),
        (b"{\"a\" 1}", "missing colon", 5),
        (b"{a:1}", "key expected", 1),
        (b"{\"a\":1,,}", "key expected", 7),
        (b"[1}", "mismatched bracket", 2),
        (b"{\"a\":1]", "mismatched bracket", 6),
        (b"\"a\nb\"", "control character in string", 2),
        (b"\"\\x\"", "unknown escape", 1),
        (b"\"\\u12g4\"", "hexadecimal digit expected", 5),
        (b"\"\\u+123\"", "hexadecimal digit expected", 3),
        (b"\"\\ud800\"", "unpaired surrogate", 1),
        (b"\"\\ud800\\n\"", "unpaired surrogate", 1),
        (b"\"\\ud800\\u0041\"", "unpaired surrogate", 1),
        (b"\"\\udc00\\ud800\"", "unpaired surrogate", 1),
        (b"\"a\xc0\xaf\"", "invalid UTF-8", 2),
        (b"\"\xed\xa0\x80\"", "invalid UTF-8", 1),
    ];
    for (text, rule, offset) in cases {
        let fault = walk(text).unwrap_err();
        assert_eq!(
            (fault.rule, fault.offset),
            (*rule, BASE + offset),
            "{:?}",
            String::from_utf8_lossy(text)
        );
        assert_eq!(
            reference_accepts(text),
            Some(false),
            "{:?}",
            String::from_utf8_lossy(text)
        );
        check_invariants(text);
    }
}

#[test]
fn nesting_over_the_limit_is_a_fault_at_once() {
    for depth in [10_000, 1_000_000] {
        for open in ["[", "{\"a\":"] {
            let text = open.repeat(depth);
            let mut walker = JsonWalker::new(text.as_bytes(), BASE, 64);
            let fault = walker.skip_value().unwrap_err();
            assert_eq!(
                (fault.rule, fault.offset),
                ("depth over the limit", BASE + 64 * open.len() as u64)
            );
            assert_eq!(walker.depth(), 64);
            assert!(!fault.is_truncation() && walker.next().is_none());
        }
    }
    let text = "[".repeat(REFERENCE_DEPTH) + &"]".repeat(REFERENCE_DEPTH);
    assert_eq!(walk(text.as_bytes()).unwrap().len(), 2 * REFERENCE_DEPTH);
    assert_eq!(reference_accepts(text.as_bytes()), Some(true));
    assert_eq!(reference_accepts(format!("[{text}]").as_bytes()), Some(false));
    assert_eq!(
        JsonWalker::new(b"[]", 0, 0).next().unwrap().unwrap_err().rule,
        "depth over the limit"
    );
    assert!(JsonWalker::new(b"7", 0, 0).all(|token| token.is_ok()));
}

#[test]
fn a_number_beyond_a_double_stays_text() {
    let text = b"[1e999, 123456789012345678901234567890]";
    assert_eq!(reference_accepts(text), None);
    let tokens = walk(text).unwrap();
    assert_eq!(tokens[1].kind, TokenKind::Number("1e999"));
    assert_eq!(tokens[2].kind, TokenKind::Number("123456789012345678901234567890"));
}

#[test]
fn only_strings_with_escapes_are_copied() {
    let tokens = walk("{\"é\": \"\\u00e9\", \"\\/\": \"/\"}".as_bytes()).unwrap();
    let copied: Vec<_> = tokens
        .iter()
        .filter_map(|token| match &token.kind {
            TokenKind::Key(text) | TokenKind::String(text) => {
                Some((text.as_ref(), matches!(text, Cow::Owned(_)), token.span.len()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        copied,
        [("é", false, 4), ("é", true, 8), ("/", true, 4), ("/", false, 3)]
    );
}

#[test]
fn skipping_after_a_key_takes_its_value_alone() {
    let mut walker = JsonWalker::new(br#"{"a" : [1, {"b": 2}] , "c": 3}  "#, 0, 8);
    walker.next();
    assert_eq!(walker.next().unwrap().unwrap().kind, TokenKind::Key("a".into()));
    assert_eq!(walker.skip_value(), Ok(Span::new(7, 20)));
    assert_eq!(walker.skip_value(), Ok(Span::new(20, 20)), "nothing is left to skip");
    assert_eq!(walker.next().unwrap().unwrap().kind, TokenKind::Key("c".into()));
    assert_eq!(walker.skip_value(), Ok(Span::new(28, 29)));
    assert_eq!(walker.next().unwrap().unwrap().kind, TokenKind::ObjectEnd);
    assert!(walker.next().is_none());
    assert_eq!(walker.position(), 32);
}

#[test]
fn duplicate_keys_are_compared_unescaped_within_one_object() {
    let text = br#"{"a": 1, "\u0061": {"a": 2, "b": [{"b": 0}, {"b": 0, "b": 1}]}, "a": 3}"#;
    let found = duplicate_keys(text, 100, 8, 10).unwrap();
    let expected = [
        (Span::new(109, 117), "a"),
        (Span::new(153, 156), "b"),
        (Span::new(164, 167), "a"),
    ];
    assert_eq!(found, expected.map(|(span, key)| (span, key.to_owned())));
    assert_eq!(duplicate_keys(text, 100, 8, 1).unwrap().len(), 1);
    assert_eq!(
        duplicate_keys(b"{\"a\":1,\"a\":2", 0, 8, 10).unwrap_err().rule,
        "unexpected end"
    );
    assert_eq!(duplicate_keys(text, 0, 3, 10).unwrap_err().rule, "depth over the limit");
}

#[test]
fn only_plain_integers_are_read_as_u64() {
    let cases = [
        ("0", Some(0)),
        ("18446744073709551615", Some(u64::MAX)),
        ("18446744073709551616", None),
        ("", None),
        ("-0", None),
        ("-1", None),
        ("+1", None),
        ("01", None),
        ("1.0", None),
        ("1e2", None),
        ("1_0", None),
        (" 1", None),
    ];
    for (raw, expected) in cases {
        assert_eq!(as_u64(raw), expected, "{raw:?}");
    }
}
