//! The DER walker against trees built here and against the rules of X.690.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "tests compute with small numbers"
)]

use proptest::prelude::*;

use super::*;

const BASE: u64 = 1000;
const MAX_DEPTH: usize = 16;

fn walk(bytes: &[u8]) -> Result<Vec<Tlv<'_>>, DerFault> {
    DerWalker::new(bytes, BASE, MAX_DEPTH).collect()
}

fn only(bytes: &[u8]) -> Tlv<'_> {
    let tlvs = walk(bytes).unwrap();
    assert_eq!(tlvs.len(), 1);
    tlvs[0]
}

/// A tree of elements, and how each is tagged.
#[derive(Clone, Debug)]
enum Node {
    Primitive(u8, u32, Vec<u8>),
    Constructed(u8, u32, Vec<Node>),
}

impl Node {
    fn encode(&self, out: &mut Vec<u8>) {
        let (class, number, form, contents) = match self {
            Self::Primitive(class, number, contents) => (class, *number, 0, contents.clone()),
            Self::Constructed(class, number, children) => {
                let mut contents = Vec::new();
                children.iter().for_each(|child| child.encode(&mut contents));
                (class, *number, 0x20, contents)
            }
        };
        let first = (class << 6) | form;
        match u8::try_from(number) {
            Ok(low @ 0..31) => out.push(first | low),
            _ => {
                out.push(first | 0x1f);
                let groups: Vec<u32> = (0..5)
                    .rev()
                    .map(|group| number >> (7 * group))
                    .skip_while(|n| *n == 0)
                    .collect();
                for (index, group) in groups.iter().enumerate() {
                    let more = if index + 1 < groups.len() { 0x80 } else { 0 };
                    out.push(u8::try_from(group & 0x7f).unwrap() | more);
                }
            }
        }
        match u8::try_from(contents.len()) {
            Ok(short @ 0..0x80) => out.push(short),
            _ => {
                let octets: Vec<u8> = contents
                    .len()
                    .to_be_bytes()
                    .into_iter()
                    .skip_while(|octet| *octet == 0)
                    .collect();
                out.push(0x80 | u8::try_from(octets.len()).unwrap());
                out.extend(octets);
            }
        }
        out.extend(contents);
    }

    fn encoded(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out);
        out
    }

    fn flatten(&self, depth: usize, out: &mut Vec<(usize, u8, u32, bool)>) {
        match self {
            Self::Primitive(class, number, _) => out.push((depth, *class, *number, false)),
            Self::Constructed(class, number, children) => {
                out.push((depth, *class, *number, true));
                children.iter().for_each(|child| child.flatten(depth + 1, out));
            }
        }
    }
}

fn any_node() -> impl Strategy<Value = Node> {
    let number = prop_oneof![0..40_u32, any::<u32>()];
    let tag = (1..4_u8, number);
    let contents = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..20),
        prop::collection::vec(any::<u8>(), 120..300)
    ];
    let leaf = prop_oneof![
        (tag.clone(), contents.clone())
            .prop_map(|((class, number), contents)| Node::Primitive(class, number, contents)),
        (prop::sample::select(vec![2_u32, 4, 6, 12, 22]), contents)
            .prop_map(|(number, contents)| Node::Primitive(0, number, contents)),
    ];
    let tag = prop_oneof![
        tag,
        prop::sample::select(vec![16_u32, 17]).prop_map(|number| (0, number))
    ];
    leaf.prop_recursive(5, 30, 6, move |inner| {
        (tag.clone(), prop::collection::vec(inner, 0..6))
            .prop_map(|((class, number), children)| Node::Constructed(class, number, children))
    })
}

fn class_bits(class: Class) -> u8 {
    match class {
        Class::Universal => 0,
        Class::Application => 1,
        Class::ContextSpecific => 2,
        Class::Private => 3,
    }
}

fn check_invariants(bytes: &[u8]) {
    let mut walker = DerWalker::new(bytes, BASE, MAX_DEPTH);
    let (mut next, mut elements) = (BASE, 0);
    let mut fault = None;
    while let Some(step) = walker.next() {
        match step {
            Ok(tlv) => {
                elements += 1;
                assert_eq!(tlv.header.start(), next, "each octet has one owner");
                assert_eq!(tlv.header.end(), tlv.value.start());
                assert_eq!(tlv.span().len(), tlv.encoding.len() as u64);
                assert!(tlv.encoding.ends_with(tlv.bytes));
                next = if tlv.tag.constructed {
                    tlv.value.start()
                } else {
                    tlv.value.end()
                };
                let results = [
                    tlv.integer(),
                    tlv.oid(),
                    tlv.string(),
                    tlv.bit_string().map(|(octets, _)| octets),
                ];
                assert!(
                    results
                        .into_iter()
                        .flatten()
                        .all(|octets| octets.len() <= tlv.bytes.len())
                );
                assert!(tlv.oid_dotted().is_err() || tlv.oid().is_ok());
                assert!(tlv.boolean().is_err() || tlv.bytes.len() == 1);
            }
            Err(found) => {
                assert!((BASE..=BASE + bytes.len() as u64).contains(&found.offset));
                assert!(walker.next().is_none(), "a fault exhausts the walker");
                fault = Some(found);
            }
        }
    }
    assert!(2 * elements <= bytes.len(), "the walker advances");
    assert_eq!(walker.rest().end(), BASE + bytes.len() as u64);
    if fault.is_none() {
        assert_eq!(next, walker.rest().start());
    }
}

proptest! {
    #[test]
    fn a_tree_walks_to_its_elements_and_accounts_for_each_octet(node in any_node(), pad in 0..9_usize) {
        let mut bytes = node.encoded();
        let length = bytes.len();
        bytes.resize(length + pad, 0);
        let mut expected = Vec::new();
        node.flatten(0, &mut expected);
        let mut walker = DerWalker::new(&bytes, BASE, MAX_DEPTH);
        let mut owners = vec![0_u32; bytes.len()];
        let mut found = Vec::new();
        for tlv in walker.by_ref() {
            let tlv = tlv.unwrap();
            found.push((tlv.depth, class_bits(tlv.tag.class), tlv.tag.number, tlv.tag.constructed));
            let owned = if tlv.tag.constructed { tlv.header } else { tlv.span() };
            for offset in owned.start()..owned.end() {
                owners[usize::try_from(offset - BASE).unwrap()] += 1;
            }
            prop_assert_eq!(&bytes[usize::try_from(tlv.value.start() - BASE).unwrap()..][..tlv.bytes.len()], tlv.bytes);
        }
        prop_assert_eq!(found, expected);
        prop_assert!(owners[..length].iter().all(|count| *count == 1));
        prop_assert!(owners[length..].iter().all(|count| *count == 0));
        prop_assert_eq!(walker.rest(), Span::new(BASE + length as u64, BASE + (length + pad) as u64));
        check_invariants(&bytes);
    }

    #[test]
    fn children_are_the_walk_one_level_down(node in any_node()) {
        let bytes = node.encoded();
        let all = walk(&bytes).unwrap();
        for (index, parent) in all.iter().enumerate() {
            let inside = all[index + 1..].iter().take_while(|tlv| tlv.depth > parent.depth);
            let expected: Vec<_> = inside.filter(|tlv| tlv.depth == parent.depth + 1).copied().collect();
            prop_assert_eq!(parent.children().collect::<Result<Vec<_>, _>>().unwrap(), expected);
        }
    }

    #[test]
    fn every_prefix_is_a_truncation(node in any_node()) {
        let bytes = node.encoded();
        for end in 0..bytes.len() {
            let fault = walk(&bytes[..end]).unwrap_err();
            prop_assert!(fault.is_truncation(), "{} at {}", fault, end);
            prop_assert_eq!(fault.offset, BASE + end as u64);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_always_end(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        check_invariants(&bytes);
    }

    #[test]
    fn a_changed_octet_never_breaks_the_account(node in any_node(), at in any::<prop::sample::Index>(), to: u8) {
        let mut bytes = node.encoded();
        let at = at.index(bytes.len());
        bytes[at] = to;
        check_invariants(&bytes);
    }
}

#[test]
fn each_rule_is_named_at_its_offset() {
    use DerFaultKind::{Encoding, Limit, Truncated};
    let cases: &[(&[u8], &str, DerFaultKind, u64)] = &[
        (&[], "unexpected end (8.1.1.1)", Truncated, 0),
        (&[0x30], "unexpected end (8.1.1.1)", Truncated, 1),
        (&[0x30, 0x82, 0x01], "unexpected end (8.1.1.1)", Truncated, 3),
        (&[0x30, 0x02, 0x05], "unexpected end (8.1.1.1)", Truncated, 3),
        (&[0x9f], "unexpected end (8.1.1.1)", Truncated, 1),
        (
            &[0x30, 0x01, 0x05],
            "element exceeds the one around it (8.1.4)",
            Encoding,
            2,
        ),
        (
            &[0x30, 0x02, 0x04, 0x01, 0xff],
            "element exceeds the one around it (8.1.4)",
            Encoding,
            2,
        ),
        (
            &[0x30, 0x04, 0x30, 0x01, 0x05, 0x00],
            "element exceeds the one around it (8.1.4)",
            Encoding,
            4,
        ),
        (&[0x30, 0x80, 0x00, 0x00], "indefinite length (10.1)", Encoding, 1),
        (&[0x30, 0xff], "reserved length octet (8.1.3.5 c)", Encoding, 1),
        (
            &[0x04, 0x81, 0x01, 0xaa],
            "length not in the fewest octets (10.1)",
            Encoding,
            1,
        ),
        (
            &[0x04, 0x82, 0x00, 0x80],
            "length not in the fewest octets (10.1)",
            Encoding,
            1,
        ),
        (
            &[0x04, 0x80 + 9, 1, 0, 0, 0, 0, 0, 0, 0, 0],
            "length over 64 bits",
            Limit,
            1,
        ),
        (
            &[0x9f, 0x1e, 0x00],
            "high tag form for a number below 31 (8.1.2.2)",
            Encoding,
            0,
        ),
        (
            &[0x9f, 0x80, 0x7f, 0x00],
            "high tag number with a leading zero octet (8.1.2.4.2 c)",
            Encoding,
            1,
        ),
        (
            &[0x9f, 0x90, 0x80, 0x80, 0x80, 0x00, 0x00],
            "tag number over 32 bits",
            Limit,
            0,
        ),
        (&[0x00, 0x00], "end-of-contents octets (8.1.5)", Encoding, 0),
        (
            &[0x10, 0x00],
            "primitive form of a constructed type (8.9.1, 8.11.1)",
            Encoding,
            0,
        ),
        (
            &[0x31, 0x02, 0x11, 0x00],
            "primitive form of a constructed type (8.9.1, 8.11.1)",
            Encoding,
            2,
        ),
        (
            &[0x22, 0x00],
            "constructed form of a primitive type (8.2 to 8.20)",
            Encoding,
            0,
        ),
        (
            &[0x24, 0x02, 0x04, 0x00],
            "constructed form of a string (10.2)",
            Encoding,
            0,
        ),
    ];
    for (bytes, rule, kind, offset) in cases {
        let fault = walk(bytes).unwrap_err();
        assert_eq!(
            (fault.rule, fault.kind, fault.offset),
            (*rule, *kind, BASE + offset),
            "{bytes:02x?}"
        );
        assert_eq!(fault.is_truncation(), *kind == Truncated);
        check_invariants(bytes);
    }
}

#[test]
fn the_largest_tag_and_the_shortest_long_length_are_read() {
    let tlv = only(&[0xdf, 0x8f, 0xff, 0xff, 0xff, 0x7f, 0x00]);
    assert_eq!(
        tlv.tag,
        Tag {
            class: Class::Private,
            constructed: false,
            number: u32::MAX
        }
    );
    let mut bytes = vec![0x9f, 0x1f, 0x81, 0x80];
    bytes.resize(4 + 0x80, 0xaa);
    let tlv = only(&bytes);
    assert!(tlv.tag.is_context(31) && !tlv.tag.is_universal(31));
    assert_eq!((tlv.header, tlv.value), (Span::new(1000, 1004), Span::new(1004, 1132)));
}

#[test]
fn nesting_over_the_limit_is_a_fault_at_once() {
    for depth in [10_000_usize, 1_000_000] {
        let mut encoded = Vec::new();
        let mut length = 0_usize;
        for _ in 0..depth {
            let octets: Vec<u8> = length
                .to_be_bytes()
                .into_iter()
                .skip_while(|octet| *octet == 0)
                .collect();
            let header: Vec<u8> = match u8::try_from(length) {
                Ok(short @ 0..0x80) => vec![0x30, short],
                _ => [vec![0x30, 0x80 | u8::try_from(octets.len()).unwrap()], octets].concat(),
            };
            length += header.len();
            encoded.extend(header.into_iter().rev());
        }
        encoded.reverse();
        let mut walker = DerWalker::new(&encoded, 0, 64);
        assert_eq!(walker.by_ref().take(64).filter(Result::is_ok).count(), 64);
        let fault = walker.next().unwrap().unwrap_err();
        assert_eq!((fault.rule, fault.kind), ("depth over the limit", DerFaultKind::Limit));
        assert!(walker.next().is_none());
    }
    assert_eq!(
        DerWalker::new(&[0x30, 0x00], 0, 0).next().unwrap().unwrap_err().kind,
        DerFaultKind::Limit
    );
    assert!(DerWalker::new(&[0x05, 0x00], 0, 0).next().unwrap().is_ok());
}

#[test]
fn object_identifiers_are_spelt_out() {
    let cases: &[(&[u8], &str)] = &[
        (
            &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02],
            "1.2.840.113549.1.7.2",
        ),
        (
            &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x01, 0x04],
            "1.3.6.1.4.1.311.2.1.4",
        ),
        (&[0x00], "0.0"),
        (&[0x27], "0.39"),
        (&[0x28], "1.0"),
        (&[0x4f], "1.39"),
        (&[0x50], "2.0"),
        (&[0x88, 0x37, 0x03], "2.999.3"),
        (&[0x81, 0x00], "2.48"),
    ];
    for (octets, dotted) in cases {
        let bytes = [&[0x06, u8::try_from(octets.len()).unwrap()], *octets].concat();
        assert_eq!(only(&bytes).oid_dotted().unwrap(), *dotted);
    }
    let long = [&[0x06, 0x81, 0x81][..], &[1; 129]].concat();
    assert_eq!(only(&long).oid().unwrap().len(), 129);
    assert_eq!(only(&long).oid_dotted().unwrap_err().kind, DerFaultKind::Limit);
    let wide = [&[0x06, 0x14][..], &[0xff; 19], &[0x7f]].concat();
    assert_eq!(
        only(&wide).oid_dotted().unwrap_err().rule,
        "subidentifier over 128 bits"
    );
}

#[test]
fn contents_are_checked_when_they_are_asked_for() {
    type Access = fn(&Tlv<'_>) -> Option<&'static str>;
    let boolean: Access = |tlv| tlv.boolean().err().map(|fault| fault.rule);
    let integer: Access = |tlv| tlv.integer().err().map(|fault| fault.rule);
    let string: Access = |tlv| tlv.string().err().map(|fault| fault.rule);
    let bits: Access = |tlv| tlv.bit_string().err().map(|fault| fault.rule);
    let oid: Access = |tlv| tlv.oid().err().map(|fault| fault.rule);
    let cases: &[(&[u8], Access, Option<&str>)] = &[
        (&[0x01, 0x01, 0xff], boolean, None),
        (&[0x81, 0x01, 0x00], boolean, None),
        (
            &[0x01, 0x01, 0x01],
            boolean,
            Some("BOOLEAN neither 0x00 nor 0xff (11.1)"),
        ),
        (&[0x01, 0x00], boolean, Some("BOOLEAN of other than one octet (8.2.1)")),
        (&[0x02, 0x01, 0xff], boolean, Some("not a BOOLEAN")),
        (&[0x02, 0x02, 0x00, 0x80], integer, None),
        (&[0x0a, 0x01, 0x00], integer, None),
        (&[0x02, 0x00], integer, Some("INTEGER without octets (8.3.1)")),
        (
            &[0x02, 0x02, 0x00, 0x7f],
            integer,
            Some("INTEGER not in the fewest octets (8.3.2)"),
        ),
        (
            &[0x02, 0x02, 0xff, 0x80],
            integer,
            Some("INTEGER not in the fewest octets (8.3.2)"),
        ),
        (&[0xa0, 0x00], integer, Some("not an INTEGER or ENUMERATED")),
        (&[0x0c, 0x01, b'a'], string, None),
        (&[0x17, 0x00], string, None),
        (&[0x05, 0x00], string, Some("not a string")),
        (&[0x03, 0x02, 0x03, 0xf8], bits, None),
        (&[0x03, 0x01, 0x00], bits, None),
        (
            &[0x03, 0x00],
            bits,
            Some("BIT STRING without its count of unused bits (8.6.2.2)"),
        ),
        (
            &[0x03, 0x01, 0x01],
            bits,
            Some("BIT STRING with a wrong count of unused bits (8.6.2.2, 8.6.2.3)"),
        ),
        (
            &[0x03, 0x02, 0x08, 0x00],
            bits,
            Some("BIT STRING with a wrong count of unused bits (8.6.2.2, 8.6.2.3)"),
        ),
        (
            &[0x03, 0x02, 0x03, 0xfc],
            bits,
            Some("unused bit of a BIT STRING set (11.2.1)"),
        ),
        (&[0x06, 0x00], oid, Some("OBJECT IDENTIFIER without octets (8.19.2)")),
        (
            &[0x06, 0x02, 0x2a, 0x86],
            oid,
            Some("unfinished subidentifier (8.19.2)"),
        ),
        (
            &[0x06, 0x03, 0x2a, 0x80, 0x01],
            oid,
            Some("subidentifier with a leading zero octet (8.19.2)"),
        ),
    ];
    for (bytes, access, expected) in cases {
        assert_eq!(access(&only(bytes)), *expected, "{bytes:02x?}");
    }
    assert_eq!(only(&[0x03, 0x02, 0x03, 0xf8]).bit_string().unwrap(), (&[0xf8][..], 3));
}

#[test]
fn children_stop_at_the_first_fault_and_primitives_have_none() {
    let bytes = [0x30, 0x06, 0x02, 0x01, 0x07, 0x04, 0x05, 0x00];
    let parent = DerWalker::new(&bytes, BASE, MAX_DEPTH).next().unwrap().unwrap();
    let mut children = parent.children();
    assert_eq!(children.next().unwrap().unwrap().integer().unwrap(), [7]);
    assert_eq!(children.next().unwrap().unwrap_err().offset, BASE + 5);
    assert!(children.next().is_none());
    assert!(only(&[0x04, 0x02, 0x05, 0x00]).children().next().is_none());
}
