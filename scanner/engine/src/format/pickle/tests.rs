//! Streams of every protocol, benign and hostile, real-shaped and broken.

mod bounds;
mod differential;
mod layers;
mod recognition;
mod techniques;
mod told_apart;

use super::identify::identify;
use super::opcodes::{OPCODES, opcode};
use super::*;
use crate::fact::{CallableUse, Fact, LoadAct};
use crate::finding::code;
use crate::identify::{HEAD, Strength, TAIL};
use crate::ledger::Ledger;
use crate::pipeline::{Options, Scanner};
use probity_signatures::{Classification, callables};
use probity_tests::build::pickle::{self as build, Asm};
use proptest::prelude::*;

fn parse(bytes: &[u8]) -> Parse {
    Parse::of_bytes(&Pickle, bytes)
}

fn matched(bytes: &[u8]) -> Option<Strength> {
    let head = bytes.get(..HEAD).unwrap_or(bytes);
    let tail = &bytes[bytes.len().saturating_sub(TAIL)..];
    identify(&Probe::new(head, tail, bytes.len() as u64)).map(|m| m.strength)
}

/// Leaves as `start..end role name`, then the unclaimed ranges.
fn map(bytes: &[u8], parse: &Parse) -> Vec<String> {
    let mut ledger = Ledger::new(bytes.len() as u64);
    ledger.push(parse.view().clone());
    let mut lines: Vec<String> = ledger
        .leaves()
        .map(|r| format!("{}..{} {} {}", r.span.start(), r.span.end(), r.role.as_str(), r.name))
        .collect();
    lines.extend(
        ledger
            .unclaimed()
            .iter()
            .map(|s| format!("{}..{} unclaimed", s.start(), s.end())),
    );
    lines
}

fn unclaimed(bytes: &[u8], parse: &Parse) -> u64 {
    let mut ledger = Ledger::new(bytes.len() as u64);
    ledger.push(parse.view().clone());
    assert_eq!(
        ledger.claimed().total() + ledger.unclaimed().total(),
        bytes.len() as u64
    );
    ledger.unclaimed().total()
}

/// `module.name use` of every callable, in order, then `act subject` of everything else.
fn uses(parse: &Parse) -> Vec<String> {
    let line = |f: &Fact| match f {
        Fact::Callable {
            module, name, usage, ..
        } => Some(format!("{module}.{name} {usage:?}")),
        Fact::Act { act, subject, .. } if *act != LoadAct::Uses => Some(format!("{act:?} {subject}")),
        _ => None,
    };
    parse.facts().iter().filter_map(line).collect()
}

/// The worst that the facts amount to: 3 dangerous, 2 unknown and called, 1 unknown otherwise, 0 inert.
fn weight(parse: &Parse) -> u8 {
    let one = |f: &Fact| match f {
        Fact::Callable {
            module, name, usage, ..
        } => match (callables().classify(module, name), usage) {
            (Classification::Inert, _) => 0,
            (Classification::Dangerous { .. }, _) => 3,
            (_, CallableUse::Called) => 2,
            _ => 1,
        },
        Fact::Act { act, .. } if *act != LoadAct::Uses => 2,
        _ => 0,
    };
    parse.facts().iter().map(one).max().unwrap_or(0)
}

fn rules(parse: &Parse) -> Vec<(&'static str, &str)> {
    parse.findings().iter().map(|f| (f.code, f.message.as_str())).collect()
}

#[test]
fn the_table_holds_each_opcode_once() {
    for op in &OPCODES {
        assert_eq!(opcode(op.code).map(|o| o.name), Some(op.name));
        assert!(op.protocol <= 5);
    }
    let counted: Vec<usize> = (0..=5)
        .map(|p| OPCODES.iter().filter(|o| o.protocol == p).count())
        .collect();
    assert_eq!(counted, [22, 19, 12, 2, 10, 3]);
}

#[test]
fn benign_streams_of_every_protocol_claim_every_byte_and_say_nothing() {
    for proto in 0..=5 {
        let bytes = build::benign(proto);
        let parse = parse(&bytes);
        assert_eq!(
            map(&bytes, &parse),
            [format!("0..{} code pickle 1", bytes.len())],
            "protocol {proto}"
        );
        assert_eq!(rules(&parse), [], "protocol {proto}");
        assert!(parse.errors().is_empty() && parse.facts().is_empty());
        let strength = if proto < 2 { Strength::Likely } else { Strength::Certain };
        assert_eq!(matched(&bytes), Some(strength), "protocol {proto}");
    }
}

#[test]
fn a_torch_state_dict_only_calls_what_is_inert() {
    let bytes = build::torch_state_dict();
    let parse = parse(&bytes);
    assert_eq!(weight(&parse), 0);
    assert_eq!(
        uses(&parse),
        [
            "torch._utils._rebuild_tensor_v2 Called",
            "torch.FloatStorage Called",
            "collections.OrderedDict Called"
        ]
    );
    assert_eq!(unclaimed(&bytes, &parse), 0);
    assert_eq!(rules(&parse), []);
}

#[test]
fn every_opcode_is_followed() {
    let bytes = build::every_opcode();
    let parse = parse(&bytes);
    assert_eq!(rules(&parse), []);
    assert_eq!(unclaimed(&bytes, &parse), 0);
}

#[test]
fn system_is_found_in_every_form() {
    let mut all: Vec<(String, Vec<u8>)> = (0..=5)
        .map(|p| (format!("protocol {p}"), build::os_system(p)))
        .collect();
    all.extend(
        build::os_system_variants()
            .into_iter()
            .map(|(name, bytes)| (name.to_owned(), bytes)),
    );
    for (name, bytes) in all {
        assert_eq!(weight(&parse(&bytes)), 3, "{name}: {:?}", uses(&parse(&bytes)));
        assert!(matched(&bytes).is_some(), "{name} is not identified");
    }
}

#[test]
fn a_first_argument_hides_the_rest_only_when_it_ends_in_the_file() {
    let call = build::program(0, "c:fixture.loader:restore ( q:true t R .");
    for (length, pickle) in [(20_000u32, true), (0x0a0d_0d00, false)] {
        let mut bytes = [b"B", &length.to_le_bytes()[..], &[0; 20_000]].concat();
        bytes.extend_from_slice(b"0");
        bytes.extend_from_slice(&call);
        assert_eq!(matched(&bytes).is_some(), pickle, "{length}");
        // What is known to be dangerous is a pickle wherever it stands.
        bytes.extend_from_slice(&build::os_system(0));
        assert!(matched(&bytes).is_some(), "{length}");
    }
}

#[test]
fn a_list_of_words_is_no_broken_pickle() {
    let list = b"cargo-x86_64-unknown-linux-gnu\nclippy-preview-x86_64-unknown-linux-gnu\nrust-docs\n";
    let code = b"cos\nsystem\n(S'true'\ntRp0\n\xff\xff";
    assert_eq!((matched(list), matched(code).is_some()), (None, true));
}

#[test]
fn faults_are_named_and_what_ran_before_them_is_kept() {
    let p2 = || Asm::proto(2);
    let called = || p2().global("a", "b").empty_tuple().reduce();
    let table: Vec<(Vec<u8>, &str, &str)> = vec![
        (
            called().raw(b"\xff").done(),
            code::MALFORMED,
            "pickle: a byte that is no opcode (pickletools)",
        ),
        (
            called().tuple().stop().done(),
            code::MALFORMED,
            "pickle: an opcode needs a mark and there is none",
        ),
        (
            called().pop().pop().stop().done(),
            code::MALFORMED,
            "pickle: an opcode takes more than is on the stack",
        ),
        (
            called().mark().stop().done(),
            code::MALFORMED,
            "pickle: an opcode takes more than is on the stack",
        ),
        (
            called().pop().mark().appends().stop().done(),
            code::MALFORMED,
            "pickle: there is nothing below the mark",
        ),
        (
            called().binget(3).stop().done(),
            code::MALFORMED,
            "pickle: a memo entry is fetched that was never stored",
        ),
        (
            called().mark().none().dict().stop().done(),
            code::MALFORMED,
            "pickle: a dictionary takes keys and values in pairs",
        ),
        (
            called().raw(&[0x80, 9]).stop().done(),
            code::MALFORMED,
            "pickle: PROTO names a protocol above 5",
        ),
        (
            called().int("x").stop().done(),
            code::MALFORMED,
            "pickle: INT and LONG hold decimal digits",
        ),
        (
            called().float("x").stop().done(),
            code::MALFORMED,
            "pickle: FLOAT holds a decimal number",
        ),
        (
            called().string("x").stop().done(),
            code::MALFORMED,
            "pickle: STRING holds a quoted text",
        ),
        (
            called().raw(b"p-1\n").stop().done(),
            code::MALFORMED,
            "pickle: a memo index is a number that is not negative",
        ),
        (
            called().frame(1).binint2(3).stop().done(),
            code::MALFORMED,
            "pickle: a frame ends inside an opcode (PEP 3154)",
        ),
        (
            called().frame(11).frame(1).none().stop().done(),
            code::MALFORMED,
            "pickle: a frame begins inside a frame (PEP 3154)",
        ),
        (
            [called().frame(2).stop().done(), vec![b'N']].concat(),
            code::MALFORMED,
            "pickle: a frame goes on after STOP (PEP 3154)",
        ),
        (
            called().frame(99).none().stop().done(),
            code::TRUNCATED,
            "FRAME needs 99 bytes at offset 0x12, 2 are there",
        ),
        (called().done(), code::TRUNCATED, "pickle 1 ends without STOP"),
        (
            called().raw(b"Vname").done(),
            code::TRUNCATED,
            "the line of UNICODE has no end",
        ),
        (
            called().raw(&[b'B', 255, 255, 255, 127, 0]).done(),
            code::TRUNCATED,
            "BINBYTES needs 2147483647 bytes at offset 0xe, 1 are there",
        ),
    ];
    for (bytes, code, rule) in table {
        let parse = parse(&bytes);
        assert!(rules(&parse).contains(&(code, rule)), "{rule}: {:?}", rules(&parse));
        assert_eq!(uses(&parse).first().map(String::as_str), Some("a.b Called"), "{rule}");
    }
}

#[test]
fn later_streams_are_read_and_what_lies_between_is_not_claimed() {
    let (benign, hostile) = (build::benign(4), build::os_system(2));
    let n = benign.len();
    let adjacent = [&benign[..], &hostile].concat();
    let all = adjacent.len();
    let found = parse(&adjacent);
    assert_eq!(
        map(&adjacent, &found),
        [format!("0..{n} code pickle 1"), format!("{n}..{all} code pickle 2")]
    );
    assert_eq!(weight(&found), 3);
    for gap in [&[0u8; 37][..], b"noise", &[b'.'; 1], &[0xff; 70_000]] {
        let apart = [&benign[..], gap, &hostile].concat();
        let found = parse(&apart);
        assert_eq!(unclaimed(&apart, &found), gap.len() as u64);
        assert_eq!(weight(&found), 3);
    }
    let junk = [&benign[..], b"\x00 junk"].concat();
    assert_eq!(unclaimed(&junk, &parse(&junk)), 6);
}

#[test]
fn pickles_in_bytes_are_nested_artifacts() {
    let inner = build::os_system(2);
    let outer = Asm::proto(3)
        .global("torch.storage", "_load_from_bytes")
        .binbytes(&inner)
        .tuple1()
        .reduce()
        .stop()
        .done();
    let found = parse(&outer);
    assert_eq!(found.children().len(), 1);
    assert_eq!(uses(&found), ["torch.storage._load_from_bytes Named"]);
    assert_eq!(unclaimed(&outer, &found), 0);
    let data = Asm::proto(3).binbytes(&[0x80; 64]).stop().done();
    assert!(parse(&data).children().is_empty());
    let short = Asm::proto(4).short_binbytes(&inner).stop().done();
    assert_eq!(parse(&short).children().len(), 1);
}

#[test]
fn long_strings_have_leaves_of_their_own_and_are_not_read() {
    let bytes = Asm::proto(3).binbytes(&vec![7; 1 << 20]).none().tuple2().stop().done();
    let found = parse(&bytes);
    let end = bytes.len();
    assert_eq!(
        map(&bytes, &found),
        [
            "0..7 code pickle 1".to_owned(),
            format!("7..{} data pickle 1 string", end - 3),
            format!("{}..{end} code pickle 1", end - 3)
        ]
    );
}

/// A legacy PyTorch file with one storage of `elements` floats.
fn legacy_torch(stated: u8, elements: u64) -> Vec<u8> {
    let magic = Asm::proto(2)
        .long1(&[0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19])
        .stop()
        .done();
    let version = Asm::proto(2).binint2(1001).stop().done();
    let system = Asm::proto(2).empty_dict().binput(0).stop().done();
    let pid = Asm::proto(2)
        .mark()
        .binunicode("storage")
        .global("torch", "FloatStorage")
        .binunicode("9");
    let object = pid
        .binunicode("cpu")
        .long1(&[stated])
        .none()
        .tuple()
        .binpersid()
        .stop()
        .done();
    let keys = Asm::proto(2)
        .empty_list()
        .binput(0)
        .binunicode("9")
        .append()
        .stop()
        .done();
    let data = [&elements.to_le_bytes()[..], &vec![0; usize::from(stated) * 4]].concat();
    [magic, version, system, object, keys, data].concat()
}

#[test]
fn legacy_torch_files_end_with_their_storages() {
    let bytes = legacy_torch(6, 6);
    let found = parse(&bytes);
    assert_eq!(unclaimed(&bytes, &found), 0);
    assert_eq!(rules(&found), []);
    assert_eq!(
        map(&bytes, &found).last().map(|l| l.ends_with("tensor storage 9")),
        Some(true)
    );
    assert_eq!(weight(&found), 0);
    let lie = legacy_torch(6, 5);
    assert_eq!(
        rules(&parse(&lie)),
        [(
            code::MALFORMED,
            "torch: a storage's size is not the one its persistent id states"
        )]
    );
    assert!(unclaimed(&lie, &parse(&lie)) > 0);
    let cut = &bytes[..bytes.len() - 1];
    assert_eq!(parse(cut).findings().first().map(|f| f.code), Some(code::TRUNCATED));
}

/// A joblib file: a wrapper, then its array of three float64 between the opcodes.
fn joblib(fill: &[u8], elements: &[u8]) -> Vec<u8> {
    let wrapper = Asm::proto(3)
        .global("joblib.numpy_pickle", "NumpyArrayWrapper")
        .empty_tuple()
        .newobj()
        .empty_dict()
        .mark();
    let wrapper = wrapper
        .binunicode("shape")
        .binint1(3)
        .tuple1()
        .binunicode("order")
        .binunicode("C")
        .binunicode("dtype");
    let dtype = wrapper
        .global("numpy", "dtype")
        .binunicode("f8")
        .binint1(0)
        .binint1(1)
        .tuple3()
        .reduce();
    let dtype = dtype
        .mark()
        .binint1(3)
        .binunicode("<")
        .none()
        .none()
        .none()
        .binint(-1)
        .binint(-1)
        .binint1(0)
        .tuple()
        .build();
    let built = dtype
        .binunicode("numpy_array_alignment_bytes")
        .binint1(16)
        .setitems()
        .build();
    let head = [&built.done()[..], &[fill.len() as u8], fill, elements].concat();
    [head, Asm::new().stop().done()].concat()
}

#[test]
fn arrays_that_joblib_writes_between_opcodes_are_claimed() {
    let bytes = joblib(&[0xff; 5], &[1; 24]);
    let found = parse(&bytes);
    let n = bytes.len();
    assert_eq!(
        map(&bytes, &found),
        [
            format!("0..{} code pickle 1", n - 30),
            format!("{}..{} padding pickle 1 array alignment", n - 30, n - 25),
            format!("{}..{} tensor pickle 1 array 1", n - 25, n - 1),
            format!("{}..{n} code pickle 1", n - 1),
        ]
    );
    assert_eq!(rules(&found), []);
    assert_eq!(weight(&found), 0);
    let mut opcodes = b"cos\nsystem\nNR.".to_vec();
    opcodes.resize(24, 0);
    let hidden = joblib(&[], &opcodes);
    let at = hidden.len() - 26;
    let unaligned = [&hidden[..at], b"0", &hidden[at + 1..]].concat();
    assert_eq!(
        weight(&parse(&unaligned)),
        2,
        "what is an array to joblib is a program to pickle"
    );
    let short = joblib(&[0xff; 5], &[1; 20]);
    assert!(!parse(&short).findings().is_empty());
}

#[test]
fn bombs_take_bounded_work() {
    for bytes in [
        build::reference_bomb(200),
        build::deep(300_000),
        Asm::proto(2).none().raw(&[b'r', 255, 255, 255, 127]).stop().done(),
        Asm::proto(2).none().repeat(b'2', 3_000_000).stop().done(),
        Asm::proto(2).repeat(b'(', 3_000_000).none().stop().done(),
        Asm::proto(2).none().repeat(b'q', 1).done(),
    ] {
        let found = parse(&bytes);
        assert!(found.facts().is_empty());
        assert_eq!(unclaimed(&bytes, &found), 0);
    }
    let bomb = parse(&build::reference_bomb(200));
    let walk = "a walk over what pickle 1 returns meets more than 10^60 values";
    assert_eq!(rules(&bomb), [(code::ARCHIVE_BOMB, walk)]);
    assert_eq!(rules(&parse(&build::reference_bomb(20))), []);
    let far = Asm::proto(2).none().raw(&[b'r', 255, 255, 255, 127]).stop().done();
    assert_eq!(parse(&far).findings().first().and_then(|f| f.case), Some("crash"));
    let flood = Asm::proto(2).none().repeat(b'2', 5_000_000).stop().done();
    assert!(
        !parse(&flood).errors().is_empty(),
        "what is not followed makes the scan incomplete"
    );
}

#[test]
fn a_cut_never_looks_whole() {
    let samples = [
        build::benign(0),
        build::benign(2),
        build::benign(4),
        build::os_system(0),
        legacy_torch(3, 3),
        joblib(&[0xff], &[2; 24]),
        build::program(
            4,
            "c:builtins:getattr c:builtins:__import__ s:os 1 R s:system 2 R s:true 1 R .",
        ),
    ];
    for bytes in samples {
        for end in 1..bytes.len().min(4096) {
            let cut = &bytes[..end];
            let found = parse(cut);
            let silent = found.findings().is_empty() && found.errors().is_empty() && unclaimed(cut, &found) == 0;
            // A legacy PyTorch file is five whole streams: cut between them it is a shorter whole file.
            assert!(!silent || cut.ends_with(b"."), "cut at {end} of {}", bytes.len());
        }
    }
}

#[test]
fn any_single_changed_byte_is_survived() {
    for bytes in [
        build::every_opcode(),
        build::benign(4),
        legacy_torch(3, 3),
        joblib(&[0xff], &[2; 24]),
    ] {
        for at in 0..bytes.len() {
            for change in [|_| 0, |_| 0xff, |b: u8| b ^ 1, |b: u8| b ^ 0x80] {
                let mut changed = bytes.clone();
                changed[at] = change(changed[at]);
                crate::format::fuzz("pickle", &changed);
                matched(&changed);
            }
        }
    }
}

#[test]
fn every_hostile_fixture_is_reported() {
    let scanner = Scanner::new(Options {
        jobs: 1,
        ..Options::default()
    })
    .unwrap();
    let cases: Vec<_> = probity_tests::samples::hostile()
        .into_iter()
        .filter(|c| c.name.starts_with("pickle-"))
        .collect();
    assert!(cases.len() > 20);
    for case in cases {
        let report = scanner.scan_bytes(case.name, case.bytes);
        let found = report
            .artifacts
            .iter()
            .flat_map(|a| &a.findings)
            .any(|f| f.finding.code == case.expect_code);
        assert!(found, "{} must give {}", case.name, case.expect_code);
    }
}

proptest! {
    #[test]
    fn random_bytes_are_survived(mut bytes in proptest::collection::vec(any::<u8>(), 0..600), proto in 0u8..6) {
        crate::format::fuzz("pickle", &bytes);
        bytes.splice(0..0, [0x80, proto]);
        crate::format::fuzz("pickle", &bytes);
        matched(&bytes);
    }

    #[test]
    fn random_opcodes_are_survived(picks in proptest::collection::vec(0usize..68, 0..300)) {
        let bytes: Vec<u8> = picks.iter().map(|at| OPCODES[*at].code).collect();
        crate::format::fuzz("pickle", &bytes);
        matched(&bytes);
    }
}

/// A wheel's RECORD whose lines all begin with a capital that is an opcode with a line for an argument.
#[test]
fn lines_that_begin_like_opcodes_are_text() {
    let line = |number: u32| format!("PIL/{number:04}.py,sha256=d8otmsDP1_4I9wy4Ipj3Q8zFRvR4zSj,{number}\n");
    let mut text: String = (0..200).map(line).collect();
    text.push_str("pillow.libs/libXau-154567c4.so.6.0.0,sha256=i1qTRpgF01UEcXZmltR1,200\n");
    let head = text.as_bytes().get(..8192).unwrap();
    let probe = crate::identify::Probe::new(head, text.as_bytes(), text.len() as u64);
    assert!(super::identify::identify(&probe).is_none());
}
