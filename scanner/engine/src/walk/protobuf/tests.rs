//! The walker: every wire type, positions, recovery behind broken fields, depth.

#![expect(
    clippy::as_conversions,
    clippy::arithmetic_side_effects,
    reason = "lengths of buffers in memory"
)]

use super::*;
use probity_tests::build::protobuf::Proto;
use proptest::prelude::*;

/// Whether a field of the outermost message ends at `end`: a message may be cut there.
pub(crate) fn is_boundary(bytes: &[u8], end: usize) -> bool {
    let mut walker = Walker::new(Memory { bytes, base: 0 }, Span::new(0, bytes.len() as u64), 4);
    while let Ok(Some(Event::Field(field))) = walker.step() {
        if field.span.end() == end as u64 {
            return true;
        }
    }
    false
}

/// The steps of a walk that enters what `enter` says, one a line.
fn steps(bytes: &[u8], depth: usize, enter: &[u32]) -> Vec<String> {
    let whole = Span::new(100, 100 + bytes.len() as u64);
    let mut walker = Walker::new(Memory { bytes, base: 100 }, whole, depth);
    let mut out = Vec::new();
    loop {
        out.push(match walker.step() {
            Ok(Some(Event::Field(field))) => {
                if enter.contains(&field.number) {
                    walker.enter();
                }
                format!(
                    "{} {:?} {:?}{}",
                    field.number,
                    field.span,
                    field.wire,
                    if field.overlong { " long" } else { "" }
                )
            }
            Ok(Some(Event::End)) => format!("end {}", walker.depth()),
            Err(Stop::Wire(fault)) => format!(
                "{} {:?}{}",
                fault.rule,
                fault.lost,
                if fault.truncated { " cut" } else { "" }
            ),
            Err(Stop::Source(OutOfMemory)) => "source".to_owned(),
            Ok(None) => return out,
        });
    }
}

#[test]
fn every_wire_type_is_read_with_its_place() {
    let bytes = Proto::new()
        .number(1, 300)
        .fixed64(2, 1)
        .bytes(3, b"ab")
        .group(4, &Proto::new().number(1, 0))
        .fixed32(5, 7)
        .raw(&[0x08, 0x81, 0x00])
        .0;
    assert_eq!(
        steps(&bytes, 4, &[]),
        [
            "1 0x64..0x67 Varint(300)",
            "2 0x67..0x70 Fixed64(1)",
            "3 0x70..0x74 Bytes(0x72..0x74)",
            "4 0x74..0x75 GroupStart",
            "1 0x75..0x77 Varint(0)",
            "4 0x77..0x78 GroupEnd",
            "5 0x78..0x7d Fixed32(7)",
            "1 0x7d..0x80 Varint(1) long",
            "end 0",
        ]
    );
}

#[test]
fn a_walk_goes_on_behind_the_message_that_is_broken() {
    let broken = Proto::new().number(1, 1).raw(&[0x07, 1, 2]);
    let bytes = Proto::new().message(2, &broken).number(9, 9).0;
    assert_eq!(
        steps(&bytes, 4, &[2]),
        [
            "2 0x64..0x6b Bytes(0x66..0x6b)",
            "1 0x66..0x68 Varint(1)",
            "field number 0 0x68..0x6b",
            "end 1",
            "9 0x6b..0x6d Varint(9)",
            "end 0",
        ]
    );
}

#[test]
fn each_broken_rule_is_named() {
    let check = |bytes: &[u8], expected: &str| assert_eq!(steps(bytes, 2, &[1])[0], expected);
    check(&[0x00], "field number 0 0x64..0x65");
    check(
        &[0xf8, 0xff, 0xff, 0xff, 0x7f, 0],
        "a field number of more than 29 bits 0x64..0x6a",
    );
    check(&[0x0e], "wire type 6 or 7 0x64..0x65");
    check(&[0x0c], "the end of a group that is not open 0x64..0x65");
    check(&[0x08], "a varint past the end of its message 0x64..0x65 cut");
    check(&[0x08, 0xff], "a varint past the end of its message 0x64..0x66 cut");
    check(
        &[[0x08].as_slice(), &[0xff; 10]].concat(),
        "a varint of more than 64 bits 0x64..0x6f",
    );
    check(&[0x0a, 5, 1], "a length past the end of its message 0x64..0x67 cut");
    check(
        &[0x0d, 5, 1],
        "a fixed-width value past the end of its message 0x64..0x67 cut",
    );
    let starts = Proto::new().tag(3, 3).tag(3, 3).0;
    assert_eq!(steps(&starts, 2, &[])[1], "groups nested too deep 0x65..0x66");
    assert_eq!(steps(&starts[..1], 2, &[])[1], "a group without its end 0x65..0x65");
}

#[test]
fn a_message_is_entered_only_as_deep_as_allowed() {
    let bytes = Proto::new()
        .message(1, &Proto::new().message(1, &Proto::new().number(2, 1)))
        .0;
    assert_eq!(steps(&bytes, 2, &[1]).len(), 4, "the third level is stepped over");
    assert_eq!(steps(&bytes, 3, &[1]).len(), 6);
}

#[test]
fn varints_are_read_up_to_64_bits() {
    assert_eq!(
        varint(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
        Some((u64::MAX, 10))
    );
    assert_eq!(varint(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]), None);
    assert_eq!(varint(&[]), None);
    assert_eq!(packed(&[1, 0x80, 1, 2, 0x80]).collect::<Vec<_>>(), [1, 128, 2]);
}

proptest! {
    #[test]
    fn any_bytes_end_and_every_field_lies_inside(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let whole = Span::new(0, bytes.len() as u64);
        let mut walker = Walker::new(Memory { bytes: &bytes, base: 0 }, whole, 16);
        let mut count = 0usize;
        while let Some(event) = match walker.step() {
            Ok(event) => event,
            Err(Stop::Wire(fault)) => {
                prop_assert!(whole.encloses(fault.lost));
                Some(Event::End)
            }
            Err(Stop::Source(OutOfMemory)) => None,
        } {
            if let Event::Field(field) = event {
                prop_assert!(whole.encloses(field.span));
                walker.enter();
            }
            count += 1;
            prop_assert!(count <= bytes.len() * 4 + 64);
        }
    }
}
