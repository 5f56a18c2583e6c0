//! Torch7 objects (`.t7`, `.net`), binary and text (`torch7`, `File.lua`).
//!
//! An object is its type as an `int`, then:
//!
//! | type | what follows |
//! | --- | --- |
//! | 0 nil | nothing |
//! | 1 number | a `double` |
//! | 2 string | a length and the bytes |
//! | 3 table | an index; when it is new, a count and so many keys and values |
//! | 4 torch | an index; when it is new, `V 1`, the class's name, and what the class writes |
//! | 5 boolean | an `int` |
//! | 6, 7, 8 function | (an index,) a length, bytecode, and the upvalues as an object |
//!
//! Tensors write dimensions, sizes, strides, offset and their storage; storages a size and elements; other classes an
//! object. `int` has 4 bytes and `long` 8, little-endian; in text each is a word. Functions are found, and not
//! disassembled.

mod object;
#[cfg(test)]
mod tests;

use self::object::{Stop, Walk};
use super::{Format, Input, Parse};
use crate::finding::{ErrorCode, Finding, ScanError, code};
use crate::identify::{Match, Probe};
use crate::ledger::{Gaps, Role};
use crate::name::printable;
use crate::span::Span;

/// A serialised Torch7 object.
pub(super) struct Torch7;

impl Format for Torch7 {
    fn id(&self) -> &'static str {
        "torch7"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        // An object of class `V n`, binary and in text.
        let binary = matches!(probe.head, [4, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, b'V', b' ', b'0'..=b'9', n, 0, 0, 0, ..] if *n > 0);
        if binary {
            return Some(Match::CERTAIN);
        }
        if probe.head.starts_with(b"4\n1\n3\nV ") {
            return Some(Match::CERTAIN);
        }
        // A function by itself: its bytecode has a magic number of its own.
        if let [6..=8, 0, 0, 0, rest @ ..] = probe.head
            && [&b"\x1bLJ"[..], b"\x1bLua"]
                .iter()
                .any(|magic| memchr::memmem::find(rest.get(..16).unwrap_or(rest), magic).is_some())
        {
            return Some(Match::LIKELY);
        }
        // A table whose first key is a string or a number.
        let table = match probe.head {
            [
                3,
                0,
                0,
                0,
                1,
                0,
                0,
                0,
                _,
                _,
                0,
                0,
                2,
                0,
                0,
                0,
                length,
                0,
                0,
                0,
                name @ ..,
            ] => {
                let name = name.get(..usize::from(*length));
                *length > 0 && name.is_some_and(|n| n.iter().all(u8::is_ascii_graphic))
            }
            [3, 0, 0, 0, 1, 0, 0, 0, _, _, 0, 0, 1, 0, 0, 0, one @ ..] => one.starts_with(&1f64.to_le_bytes()),
            _ => probe.head.starts_with(b"3\n1\n") && numbers_in_lines(probe.head),
        };
        table.then_some(Match::LIKELY)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.gaps(Gaps::Never);
        let text = match input.read_up_to(0, 2) {
            Ok(head) => head.get(1) == Some(&b'\n'),
            Err(fault) => return out.fault(&fault, "the object"),
        };
        let mut walk = Walk::new(input, text);
        let result = walk.run(out);
        let mut end = walk.position();
        if text && end.checked_add(1) == Some(input.len()) {
            end = input.len();
        }
        walk.claim(end, out);
        for function in walk.functions() {
            let message = format!("a Lua function of {} bytes of bytecode is stored", function.bytes.len());
            let finding = Finding::new(code::EMBEDDED_CODE, function.bytes, message).case("lua");
            let name = printable(&function.begins);
            out.finding(finding.evidence("begins", name.clone()).key(name));
        }
        let rest = Span::new(end, input.len());
        match result {
            Ok(()) => {}
            Err(Stop::Fault(fault)) => out.fault(&fault, "the object"),
            Err(Stop::Malformed(span, rule)) => {
                out.malformed(span, rule);
                out.leaf(rest, Role::Opaque, "objects that were not read");
                let message = "the objects behind a broken rule were not read";
                out.error(ScanError::new(ErrorCode::Unsupported, message).at(end));
            }
            Err(Stop::Limit) => {
                out.leaf(rest, Role::Opaque, "objects that were not read");
                let message = "Torch7 objects nest deeper or are more than is followed";
                out.error(ScanError::new(ErrorCode::LimitExceeded, message).at(end));
            }
        }
    }

    fn extensions(&self) -> &'static [&'static str] {
        &[]
    }
}

/// `3`, `1`, a count, the key's type: each on its line.
fn numbers_in_lines(head: &[u8]) -> bool {
    let mut lines = head.split(|b| *b == b'\n').skip(2);
    let number =
        |line: Option<&[u8]>| line.is_some_and(|l| (1..=9).contains(&l.len()) && l.iter().all(u8::is_ascii_digit));
    number(lines.next()) && matches!(lines.next(), Some(b"1" | b"2")) && number(lines.next())
}
