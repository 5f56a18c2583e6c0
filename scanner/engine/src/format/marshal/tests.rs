//! Code objects of every layout, modules, bombs, and Python's own opinion where there is one.

use super::{Marshal, Pyc};
use crate::fact::{Fact, PythonCode};
use crate::finding::code;
use crate::format::{Format, Parse, Source, fuzz};
use crate::identify::{Probe, Strength, identify};
use crate::ledger::Ledger;
use probity_tests::build::marshal::{Code, Const, Layout};
use proptest::prelude::*;
use std::process::{Command, Stdio};

const LAYOUTS: [Layout; 3] = [Layout::Six, Layout::Eight, Layout::Eleven];

fn ledger(bytes: &[u8], out: &Parse) -> Ledger {
    let mut ledger = Ledger::new(bytes.len() as u64);
    ledger.push(out.view().clone());
    assert_eq!(
        ledger.claimed().total() + ledger.unclaimed().total(),
        bytes.len() as u64
    );
    ledger
}

fn facts(out: &Parse) -> &PythonCode {
    let code = out.facts().iter().find_map(|f| match f {
        Fact::PythonCode(code) => Some(&**code),
        _ => None,
    });
    code.unwrap()
}

fn format(bytes: &[u8]) -> (&'static str, Strength) {
    let found = identify(&Probe::new(
        &bytes[..bytes.len().min(crate::identify::HEAD)],
        &bytes[bytes.len().saturating_sub(crate::identify::TAIL)..],
        bytes.len() as u64,
    ));
    (found[0].format.id(), found[0].matched.strength)
}

fn check_sound(format: &dyn Format, bytes: &[u8]) -> Parse {
    let out = Parse::of_bytes(format, bytes);
    assert!(
        out.findings().is_empty() && out.errors().is_empty(),
        "{:?}",
        out.findings()
    );
    let ledger = ledger(bytes, &out);
    assert!(ledger.unclaimed().is_empty() && ledger.overlaps(1).0.is_empty());
    out
}

#[test]
fn code_of_every_layout_is_claimed_and_its_names_are_read() {
    for (layout, python) in LAYOUTS.into_iter().zip(["3.6 or 3.7", "3.8 to 3.10", "3.11 to 3.14"]) {
        let bytes = Code {
            consts: vec![
                Const::None,
                Const::Text("a text".into()),
                Const::Code(Box::new(Code::naming(layout, &["inner"]))),
            ],
            ..Code::naming(layout, &["outer", "system"])
        }
        .build();
        let out = check_sound(&Marshal, &bytes);
        let code = facts(&out);
        assert_eq!((code.python, code.objects), (python, 2));
        let names: Vec<&str> = code.names.iter().map(|n| &**n).collect();
        assert_eq!(names, ["inner", "outer", "system"]);
        assert!(code.texts.iter().any(|t| &**t == "a text"));
        assert_eq!(format(&bytes), ("marshal", Strength::Likely));
        let map: Vec<String> = out
            .view()
            .leaves()
            .map(|r| format!("{:?} {} {}", r.span, r.role.as_str(), r.name))
            .collect();
        assert_eq!(map, [format!("0x0..{:#x} code marshalled code", bytes.len())]);
    }
}

#[test]
fn modules_are_recognised_by_their_header_and_claimed() {
    for (layout, header) in LAYOUTS.into_iter().zip([12, 16, 16]) {
        let bytes = Code::naming(layout, &["os"]).pyc();
        let out = check_sound(&Pyc, &bytes);
        assert_eq!(format(&bytes), ("pyc", Strength::Certain));
        let map: Vec<String> = out
            .view()
            .leaves()
            .map(|r| format!("{:?} {} {}", r.span, r.role.as_str(), r.name))
            .collect();
        assert_eq!(
            map,
            [
                format!("0x0..{header:#x} header pyc header"),
                format!("{header:#x}..{:#x} code marshalled code", bytes.len())
            ]
        );
    }
    let mut other = Code::new(Layout::Eleven).pyc();
    other[0] = 0;
    other[1] = 0;
    assert_ne!(format(&other).0, "pyc");
}

#[test]
fn bytes_behind_the_code_stay_unclaimed() {
    for bytes in [Code::new(Layout::Eight).build(), Code::new(Layout::Eight).pyc()] {
        let longer = [&bytes[..], b"payload"].concat();
        let which: &dyn Format = if bytes[0] == 0xe3 { &Marshal } else { &Pyc };
        let out = Parse::of_bytes(which, &longer);
        assert_eq!(ledger(&longer, &out).unclaimed().total(), 7);
    }
}

#[test]
fn constants_that_begin_like_artifacts_are_nested_in_bare_code_only() {
    let inner = Code::new(Layout::Eleven).build();
    let outer = Code {
        consts: vec![Const::Bytes(inner), Const::Text("QUJD".repeat(40) + "abc1")],
        ..Code::new(Layout::Eleven)
    };
    let out = Parse::of_bytes(&Marshal, &outer.build());
    assert_eq!(out.children().len(), 2);
    assert!(matches!(out.children()[0].source, Source::Slice(_)));
    assert!(matches!(out.children()[1].source, Source::Decoded { .. }));
    assert!(Parse::of_bytes(&Pyc, &outer.pyc()).children().is_empty());
}

#[test]
fn references_are_followed_and_multiply_nothing() {
    // A tuple that holds the one before it twice, a hundred times: two to the hundredth values for who expands them.
    let mut bomb = vec![b')' | 0x80, 0];
    for level in 0..100u32 {
        let mut next = vec![b')' | 0x80, 2];
        next.extend(&bomb);
        next.push(b'r');
        next.extend((100 - level).to_le_bytes());
        bomb = next;
    }
    let bytes = Code {
        consts: vec![Const::Raw(bomb)],
        ..Code::new(Layout::Eleven)
    }
    .build();
    let out = Parse::of_bytes(&Marshal, &bytes);
    assert!(facts(&out).names.is_empty());
    ledger(&bytes, &out);
}

#[test]
fn bombs_are_bounded_and_named() {
    let with = |raw: Vec<u8>| {
        Code {
            consts: vec![Const::Raw(raw)],
            ..Code::new(Layout::Eleven)
        }
        .build()
    };
    for (name, raw, expected) in [
        ("deep", [b')', 1].repeat(5000), Some("crash")),
        ("long", vec![b'(', 0xff, 0xff, 0xff, 0x7f], None),
        ("unknown", vec![b'?'], None),
        ("nowhere", vec![b'r', 9, 0, 0, 0], None),
        ("null", vec![b'0'], None),
    ] {
        let out = Parse::of_bytes(&Marshal, &with(raw));
        let found: Vec<_> = out.findings().iter().map(|f| (f.code, f.case)).collect();
        assert!(!found.is_empty(), "{name}");
        assert!(
            expected.is_none() || found.contains(&(code::MALFORMED, expected)),
            "{name}: {found:?}"
        );
    }
}

#[test]
fn cut_code_is_never_clean_and_no_byte_breaks_the_reader() {
    for layout in LAYOUTS {
        let bytes = Code::naming(layout, &["reshape"]).build();
        for end in 1..bytes.len() {
            let out = Parse::of_bytes(&Marshal, &bytes[..end]);
            assert!(!out.findings().is_empty(), "cut at {end}");
            ledger(&bytes[..end], &out);
        }
        for at in 0..bytes.len() {
            for change in [|_| 0u8, |_| 0xff, |b| b ^ 1, |b| b ^ 0x80] {
                let mut changed = bytes.clone();
                changed[at] = change(bytes[at]);
                fuzz("marshal", &changed);
            }
        }
    }
}

#[test]
fn pythons_own_code_is_read_to_the_same_byte() {
    const PROGRAM: &str = "import marshal,sys\n\
        f = compile('def g(a, *b, c=1, **d):\\n x = {1, 2.5, 3j}\\n return [lambda y: y + x for z in d], os.system\\n', 'm', 'exec')\n\
        sys.stdout.buffer.write(marshal.dumps(f))\n";
    let output = Command::new("python3")
        .args(["-I", "-S", "-c", PROGRAM])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let Some(output) = output.ok().filter(|o| o.status.success()) else {
        eprintln!("probity-skip: no python3 on this host");
        return;
    };
    let out = check_sound(&Marshal, &output.stdout);
    let code = facts(&out);
    assert!(
        code.objects >= 3 && code.names.iter().any(|n| &**n == "system"),
        "{code:?}"
    );
    assert_eq!(format(&output.stdout).0, "marshal");
}

proptest! {
    #[test]
    fn random_bytes_behind_the_type_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        fuzz("marshal", &[&[0xe3][..], &bytes].concat());
        fuzz("pyc", &[&[0xa7, 0x0d, 0x0d, 0x0a][..], &bytes].concat());
    }
}
