//! The walk under a schema, and what the graph formats' tests share: a region map as text, and the laws that hold for
//! every change of a sample.

#![expect(clippy::as_conversions, reason = "lengths of buffers in memory")]

use super::{At, Claim, Kind, Message, Seen, View, Visitor, look, many, one, walk};
use crate::finding::code;
use crate::format::{Format, Input, Parse, fuzz};
use crate::identify::{HEAD, Match, Probe, TAIL};
use crate::ledger::{Ledger, Role};
use crate::pipeline::{Options, Scanner};
use probity_tests::build::protobuf::Proto;

/// What `format` says about `bytes` as a candidate.
pub(in crate::format) fn identified(format: &dyn Format, bytes: &[u8]) -> Option<Match> {
    format.identify(&Probe::new(
        bytes.get(..HEAD).unwrap_or(bytes),
        bytes.get(bytes.len().saturating_sub(TAIL)..).unwrap_or(bytes),
        bytes.len() as u64,
    ))
}

/// Code and case of every finding.
pub(in crate::format) fn found(out: &Parse) -> Vec<(&'static str, &'static str)> {
    out.findings().iter().map(|f| (f.code, f.case.unwrap_or("-"))).collect()
}

/// The regions, one a line: offset, length, role, name.
pub(in crate::format) fn map(out: &Parse) -> String {
    let mut regions: Vec<_> = out.view().leaves().collect();
    regions.sort_by_key(|r| r.span.start());
    let line =
        |r: &&crate::ledger::Region| format!("{} {} {} {}\n", r.span.start(), r.span.len(), r.role.as_str(), r.name);
    regions.iter().map(line).collect()
}

/// A valid sample claims every byte, says nothing, and is recognised.
pub(in crate::format) fn check_clean(format: &dyn Format, bytes: &[u8]) -> Parse {
    let out = Parse::of_bytes(format, bytes);
    assert!(out.findings().is_empty(), "{:?}", out.findings());
    assert!(out.errors().is_empty(), "{:?}", out.errors());
    let mut ledger = Ledger::new(bytes.len() as u64);
    ledger.push(out.view().clone());
    assert!(ledger.overlaps(1).0.is_empty(), "{:?}", ledger.overlaps(8));
    assert!(identified(format, bytes).is_some());
    let report = scan(bytes);
    assert_eq!(report.0, format.id());
    assert_eq!(report.1, 0, "unclaimed");
    assert_eq!(report.2, [""; 0]);
    out
}

/// A scan of `bytes`: the format, unclaimed bytes, and code/case of every finding, nested artifacts included.
pub(in crate::format) fn scan(bytes: &[u8]) -> (&'static str, u64, Vec<String>) {
    let options = Options {
        jobs: 1,
        ..Options::default()
    };
    let report = Scanner::new(options).unwrap().scan_bytes("sample", bytes.to_vec());
    let root = &report.artifacts[0];
    let findings = report.artifacts.iter().flat_map(|a| &a.findings);
    let named = findings.map(|j| format!("{} {}", j.finding.code, j.finding.case.unwrap_or("-")));
    (root.format, root.bytes.unclaimed, named.collect())
}

/// Whether a parse of `bytes` leaves nothing to be told: no finding, no error, no unclaimed byte.
pub(in crate::format) fn silent(format: &dyn Format, bytes: &[u8]) -> bool {
    let out = Parse::of_bytes(format, bytes);
    let mut ledger = Ledger::new(bytes.len() as u64);
    ledger.push(out.view().clone());
    out.findings().is_empty() && out.errors().is_empty() && ledger.unclaimed().is_empty()
}

/// No cut of a sample is silently clean, unless `whole` says that a message may end there; no change of a byte panics.
pub(in crate::format) fn check_laws(format: &dyn Format, bytes: &[u8], whole: impl Fn(usize) -> bool) {
    for end in 0..bytes.len() {
        let cut = &bytes[..end];
        fuzz(format.id(), cut);
        assert!(whole(end) || !silent(format, cut), "cut at {end} is silent");
    }
    for at in 0..bytes.len().min(512) {
        for byte in [0, 0xff, bytes[at] ^ 1, bytes[at] ^ 0x80] {
            let mut changed = bytes.to_vec();
            changed[at] = byte;
            fuzz(format.id(), &changed);
        }
    }
}

static OUTER: Message = Message {
    name: "Outer",
    fields: &[
        one(1, "count", Kind::Number),
        many(2, "part", Kind::Unit(&PART)),
        one(3, "title", Kind::Text),
        one(4, "data", Kind::Bulk),
        one(5, "at", Kind::Fixed64),
    ],
};

static PART: Message = Message {
    name: "Part",
    fields: &[
        one(1, "name", Kind::Text),
        one(2, "data", Kind::Bulk),
        many(3, "part", Kind::Message(&PART)),
        many(4, "place", Kind::Fixed32),
    ],
};

#[derive(Default)]
struct Log(Vec<String>, Vec<String>);

impl Visitor for Log {
    fn begin(&mut self, at: &At, _out: &mut Parse) {
        self.1.push(String::new());
        self.0.push(format!("begin {}.{}", at.message, at.field));
    }

    fn end(&mut self, _at: &At, _out: &mut Parse) -> Option<String> {
        let name = self.1.pop();
        self.0.push("end".to_owned());
        Some(name.map_or("whole".to_owned(), |name| format!("part {name}")))
    }

    fn number(&mut self, at: &At, value: u64, _out: &mut Parse) {
        self.0.push(format!("{} {value}", at.field));
    }

    fn text(&mut self, at: &At, text: &[u8], _out: &mut Parse) {
        let text = String::from_utf8_lossy(text).into_owned();
        if let (Some(name), "name") = (self.1.last_mut(), at.field) {
            name.clone_from(&text);
        }
        self.0.push(format!("{} {text}", at.field));
    }

    fn bulk(&mut self, at: &At, _out: &mut Parse) -> Claim {
        self.0.push(format!("{} of {}", at.span.len(), at.field));
        Claim::Leaf(Role::Tensor, "data".to_owned())
    }
}

fn walked(bytes: &[u8]) -> (Parse, Log) {
    let mut log = Log::default();
    let mut out = Parse::new("test");
    Input::with_bytes(bytes, |input| walk("test", input, &OUTER, &mut log, &mut out));
    (out, log)
}

fn sample() -> Proto {
    let inner = Proto::new().text(1, "inner").bytes(2, &[7; 20]);
    let part = Proto::new().text(1, "a").message(3, &inner).fixed32(4, 9);
    Proto::new()
        .number(1, 300)
        .message(2, &part)
        .message(2, &Proto::new().text(1, "b"))
        .text(3, "title")
        .fixed64(5, 1 << 40)
}

#[test]
fn fields_are_told_in_order_and_units_have_regions_of_their_own() {
    let (out, log) = walked(&sample().0);
    assert_eq!(
        log.0,
        [
            "count 300",
            "begin Outer.part",
            "name a",
            "begin Part.part",
            "name inner",
            "20 of data",
            "end",
            "place 9",
            "end",
            "begin Outer.part",
            "name b",
            "end",
            "title title",
            "at 1099511627776",
            "end"
        ]
    );
    assert_eq!(found(&out), []);
    assert_eq!(
        map(&out),
        "0 3 table whole\n3 16 table part a\n19 20 tensor data\n39 5 table part a\n44 5 table part b\n49 16 table whole\n"
    );
}

#[test]
fn each_broken_rule_is_told_and_what_it_takes_stays_unclaimed() {
    let check = |what: &str, bytes: &[u8], expected: &[(&str, &str)], unclaimed: u64| {
        let (out, _) = walked(bytes);
        assert_eq!(found(&out), expected, "{what}");
        let mut ledger = Ledger::new(bytes.len() as u64);
        ledger.push(out.view().clone());
        assert_eq!(ledger.unclaimed().total(), unclaimed, "{what}");
    };
    let small = [(code::UNKNOWN_FIELD, "small")];
    let malformed = [(code::MALFORMED, "-")];
    check("nothing wrong", &sample().0, &[], 0);
    check("an unknown number", &sample().number(99, 5).0, &small, 0);
    check(
        "an unknown payload",
        &sample().bytes(99, &[1; 64]).0,
        &[(code::UNKNOWN_FIELD, "-")],
        0,
    );
    check("a short unknown payload", &sample().bytes(99, &[1; 63]).0, &small, 0);
    check(
        "a group",
        &sample().group(99, &Proto::new().number(1, 1)).0,
        &[small[0], small[0]],
        0,
    );
    check(
        "a group without its end",
        &sample().tag(99, 3).0,
        &[small[0], malformed[0]],
        0,
    );
    check(
        "another wire type",
        &sample().fixed32(1, 5).0,
        &[malformed[0], small[0]],
        0,
    );
    check(
        "a field twice",
        &sample().number(1, 5).0,
        &[(code::DUPLICATE_KEY, "-")],
        0,
    );
    check("a repeated field twice", &sample().message(2, &Proto::new()).0, &[], 0);
    check(
        "needless bytes",
        &sample().tag(2, 2).raw(&[0x80, 0]).0,
        &[(code::MALFORMED, "lenient")],
        0,
    );
    check("field number 0", &sample().raw(&[0, 0, 0]).0, &malformed, 3);
    check("wire type 7", &sample().raw(&[0x0f, 1]).0, &malformed, 2);
    check(
        "a length past the end",
        &sample().tag(2, 2).raw(&[9, 1]).0,
        &[(code::TRUNCATED, "-")],
        3,
    );
    let inner = Proto::new().tag(1, 2).raw(&[9, 1]);
    check(
        "a length past its message",
        &Proto::new().message(2, &inner).number(1, 1).0,
        &malformed,
        3,
    );
    check(
        "a varint without end",
        &sample().tag(1, 0).raw(&[0xff; 11]).0,
        &malformed,
        12,
    );
}

#[test]
fn messages_nested_without_end_are_bounded_and_named() {
    let mut part = Proto::new();
    for _ in 0..3000 {
        part = Proto::new().message(3, &part);
    }
    let bytes = Proto::new().message(2, &part).0;
    let (out, _) = walked(&bytes);
    assert_eq!(found(&out), [(code::MALFORMED, "crash")]);
    // Ten to the sixth empty messages, one after the other.
    let flat = Proto::new().raw(&[0x12, 0].repeat(1_000_000)).0;
    let (out, _) = walked(&flat);
    assert_eq!(found(&out), []);
    assert!(out.view().regions.len() <= 1_000_002);
}

#[test]
fn a_probe_shows_the_head_and_what_of_the_outermost_message_follows_in_the_tail() {
    let long = Proto::new().bytes(2, &vec![1; 200_000]);
    let bytes = sample().message(2, &long).number(1, 77).0;
    let probe = Probe::new(&bytes[..HEAD], &bytes[bytes.len() - TAIL..], bytes.len() as u64);
    let mut numbers = Vec::new();
    let seen = look(&View::Ends(&probe), &OUTER, &mut |_, field, seen| {
        if let ("count", Seen::Number(n)) = (field, seen) {
            numbers.push(n);
        }
    });
    assert_eq!(numbers, [300, 77]);
    assert!(seen.agrees() && seen.complete && seen.unknown == 0);
}
