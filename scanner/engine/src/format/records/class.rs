//! Java class files (The Java Virtual Machine Specification, chapter 4).
//!
//! | part | size | fields |
//! | --- | --- | --- |
//! | header | 8 | `cafebabe`, minor and major version, big-endian |
//! | constant pool | .. | count (2), then entries by tag; 8-byte numbers count twice |
//! | class | 6 | access flags, this class, super class |
//! | interfaces | 2 + 2 n | |
//! | fields, methods | 2 + .. | flags, name, descriptor, attributes |
//! | attributes | 2 + .. | name, length (4), content |
//!
//! A fat Mach-O begins with the same four bytes, and a small number of slices where the versions stand here. Bytecode is
//! claimed with its method and not looked into.

use crate::format::leaves::Leaves;
use crate::format::{Cursor, Format, Input, Parse, ReadFault};
use crate::identify::{Match, Probe};
use crate::ledger::{Gaps, Role};
use crate::span::Span;

/// A class file.
pub(in crate::format) struct Class;

impl Format for Class {
    fn id(&self) -> &'static str {
        "java-class"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let [0xca, 0xfe, 0xba, 0xbe, minor @ .., count0, count1, tag] = probe.head.get(..11)? else {
            return None;
        };
        // Java 1.1 is major version 45; no fat file has that many slices.
        let major = matches!(minor, [_, _, 0, 45..=120]);
        let pool = [*count0, *count1] != [0, 0] && constant(*tag).is_some();
        (major && pool).then_some(Match::CERTAIN)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.gaps(Gaps::Never);
        if let Err(fault) = class(input, out) {
            out.fault(&fault, "the class");
        }
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["class"]
    }
}

/// The length of a constant by its tag (table 4.4-A); 0 for the one that states its own.
fn constant(tag: u8) -> Option<u64> {
    Some(match tag {
        1 => 0,
        7 | 8 | 16 | 19 | 20 => 2,
        15 => 3,
        3 | 4 | 9..=12 | 17 | 18 => 4,
        5 | 6 => 8,
        _ => return None,
    })
}

fn class(input: &Input<'_>, out: &mut Parse) -> Result<(), ReadFault> {
    let mut leaves = Leaves::default();
    let mut cursor = Cursor::new(input, input.whole());
    out.leaf(cursor.skip(8)?, Role::Header, "header");
    let start = cursor.position();
    let count = u16::from_be_bytes(cursor.array::<2>()?);
    let mut number = 1u16;
    while number < count {
        let at = cursor.position();
        let tag = cursor.u8()?;
        match constant(tag) {
            Some(0) => {
                let length = u64::from(u16::from_be_bytes(cursor.array::<2>()?));
                cursor.bytes(length)?;
            }
            Some(length) => {
                cursor.bytes(length)?;
            }
            None => {
                let rule = "java-class: a constant has an unknown tag (4.4)";
                out.malformed(Span::new(at, cursor.position()), rule);
                return Ok(());
            }
        }
        number = number.saturating_add(if matches!(tag, 5 | 6) { 2 } else { 1 });
    }
    out.leaf(Span::new(start, cursor.position()), Role::Strings, "constant pool");
    let start = cursor.position();
    cursor.skip(6)?;
    let interfaces = u64::from(u16::from_be_bytes(cursor.array::<2>()?));
    cursor.skip(interfaces.saturating_mul(2))?;
    out.leaf(Span::new(start, cursor.position()), Role::Table, "class and interfaces");
    for (what, role) in [("field", Role::Table), ("method", Role::Code)] {
        let start = cursor.position();
        let count = u16::from_be_bytes(cursor.array::<2>()?);
        leaves.leaf(out, Span::new(start, cursor.position()), Role::Table, || {
            format!("{what} count")
        });
        for number in 1..=count {
            let start = cursor.position();
            cursor.skip(6)?;
            attributes(&mut cursor)?;
            leaves.leaf(out, Span::new(start, cursor.position()), role, || {
                format!("{what} {number}")
            });
        }
    }
    let start = cursor.position();
    attributes(&mut cursor)?;
    out.leaf(Span::new(start, cursor.position()), Role::Metadata, "attributes");
    Ok(())
}

fn attributes(cursor: &mut Cursor<'_, '_>) -> Result<(), ReadFault> {
    for _ in 0..u16::from_be_bytes(cursor.array::<2>()?) {
        cursor.skip(2)?;
        let length = u64::from(cursor.u32_be()?);
        cursor.skip(length)?;
    }
    Ok(())
}
