//! R's serialised objects: `.rds` and `.rda` once decompressed (R Internals 1.8, "Serialization Formats"; `serialize.c`).
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 5 | `RDX2\n` or `RDX3\n` for a workspace (`.rda`); absent for one object (`.rds`) |
//! | .. | 2 | `X\n`: big-endian XDR (`A\n` text and `B\n` native order are not read) |
//! | .. | 4 | version: 2 or 3 |
//! | .. | 8 | the writer's and the oldest reader's R version |
//! | .. | 4 + n | version 3: the native encoding's name |
//! | .. | .. | one item: flags (type, attributes, tag), then what the type has |
//!
//! Items are walked, not built: which types occur where, and which functions an expression calls that R would evaluate by
//! itself. Vectors are passed over.

mod item;
#[cfg(test)]
mod tests;

use self::item::{Seen, Walk};
use super::{Cursor, Format, Input, Parse, ReadFault};
use crate::finding::{ErrorCode, Finding, ScanError, code};
use crate::identify::{Match, Probe};
use crate::ledger::{Gaps, Role};
use crate::name::printable;
use crate::span::Span;

/// A serialised R object or workspace.
pub(super) struct Rds;

impl Format for Rds {
    fn id(&self) -> &'static str {
        "rds"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let (workspace, rest) = magic(probe.head);
        match rest.split_at_checked(2)? {
            (b"X\n", rest) => {
                let version = matches!(rest.get(..4)?, [0, 0, 0, 2 | 3]);
                // The writer's version is 2.x to 9.x, the oldest reader's no younger.
                let writer = matches!(rest.get(4..12)?, [0, 2..=9, _, _, 0, 2..=9, _, _]);
                (version && writer).then_some(Match::CERTAIN)
            }
            (b"A\n" | b"B\n", _) if workspace => Some(Match::LIKELY),
            (b"A\n", rest) => (rest.starts_with(b"2\n") || rest.starts_with(b"3\n")).then_some(Match::LIKELY),
            _ => None,
        }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.gaps(Gaps::Never);
        if let Err(fault) = read(input, out) {
            out.fault(&fault, "the serialised object");
        }
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["rds", "rda", "rdata"]
    }
}

/// Whether a workspace's magic is there, and what is behind it.
fn magic(head: &[u8]) -> (bool, &[u8]) {
    match head.split_at_checked(5) {
        Some((b"RDX2\n" | b"RDX3\n" | b"RDA2\n" | b"RDA3\n" | b"RDB2\n" | b"RDB3\n", rest)) => (true, rest),
        _ => (false, head),
    }
}

/// Objects that are read of one file.
const MOST_OBJECTS: u64 = 1 << 12;

fn read(input: &Input<'_>, out: &mut Parse) -> Result<(), ReadFault> {
    let head = input.read_up_to(0, 7)?;
    let (workspace, rest) = magic(&head);
    let prefix = if workspace { 7 } else { 2 };
    if !rest.starts_with(b"X\n") {
        out.leaf(
            input.whole(),
            Role::Opaque,
            "serialised R object in text or native form",
        );
        let message = "R objects in text or native form are not read";
        out.error(ScanError::new(ErrorCode::Unsupported, message).at(0));
        return Ok(());
    }
    let Some(first) = object(input, Span::saturating_at(0, prefix), out)? else {
        return Ok(());
    };
    if workspace {
        return Ok(());
    }
    let mut end = first;
    for _ in 1..MOST_OBJECTS {
        if !another(input, end)? {
            break;
        }
        let Some(next) = object(input, Span::saturating_at(end, 2), out)? else {
            break;
        };
        end = next;
    }
    if end > first {
        let span = Span::new(first, end);
        let message = format!("{} bytes of further serialised objects follow the first", span.len());
        out.finding(
            Finding::new(code::TRAILING_BYTES, span, message)
                .case("objects")
                .key("objects"),
        );
    }
    Ok(())
}

/// Whether a serialised object starts at `at`: a key-value file keeps one behind the other.
fn another(input: &Input<'_>, at: u64) -> Result<bool, ReadFault> {
    let head = input.read_up_to(at, 14)?;
    Ok(matches!(
        *head,
        [b'X', b'\n', 0, 0, 0, 2 | 3, 0, 2..=9, _, _, 0, 2..=9, _, _]
    ))
}

/// Reads the object whose format mark is `mark`; where it ends, unless a rule or a limit stopped the reading.
fn object(input: &Input<'_>, mark: Span, out: &mut Parse) -> Result<Option<u64>, ReadFault> {
    let mut cursor = Cursor::new(input, Span::new(mark.start(), input.len()));
    cursor.skip(mark.len())?;
    let version = cursor.u32_be()?;
    cursor.skip(8)?;
    if version == 3 {
        let length = cursor.u32_be()?;
        if length > 64 {
            let span = Span::new(cursor.position().saturating_sub(4), cursor.position());
            out.malformed(
                span,
                "rds: the native encoding's name has more than 64 bytes (serialize.c)",
            );
        }
        cursor.skip(u64::from(length))?;
    }
    let start = cursor.position();
    out.leaf(Span::new(mark.start(), start), Role::Header, "header");
    let mut walk = Walk::new(cursor);
    let result = walk.run();
    let end = walk.position();
    out.leaf(Span::new(start, end), Role::Data, "serialised objects");
    report(&walk.seen, out);
    match result {
        Ok(()) => Ok(Some(end)),
        Err(item::Stop::Fault(fault)) => Err(fault),
        Err(item::Stop::Malformed(span, rule)) => {
            out.malformed(span, rule);
            out.leaf(Span::new(end, input.len()), Role::Opaque, "objects that were not read");
            let message = "the objects behind a broken rule were not read";
            out.error(ScanError::new(ErrorCode::Unsupported, message).at(end));
            Ok(None)
        }
        Err(item::Stop::Limit(span, message)) => {
            out.leaf(Span::new(end, input.len()), Role::Opaque, "objects that were not read");
            out.error(ScanError::new(ErrorCode::LimitExceeded, message).at(span.start()));
            Ok(None)
        }
    }
}

fn report(seen: &Seen, out: &mut Parse) {
    for promise in &seen.promises {
        let calls: Vec<String> = promise.names.iter().map(|n| printable(n)).collect();
        let (case, where_) = if promise.captured {
            ("captured", "in an environment")
        } else {
            ("promise", "as a value")
        };
        let named = if calls.is_empty() {
            String::new()
        } else {
            format!(", which names {}", calls.join(", "))
        };
        let message = format!("an unevaluated promise stands {where_}{named}");
        let finding = Finding::new(code::EMBEDDED_CODE, promise.span, message).case(case);
        out.finding(
            finding
                .key(format!("{case} {}", calls.join(",")))
                .evidence("names", crate::finding::Value::List(calls)),
        );
    }
    for (count, first, case, what) in [
        (seen.closures, seen.first_closure, "closure", "closures"),
        (seen.bytecode, seen.first_bytecode, "bytecode", "pieces of byte code"),
    ] {
        if let Some(first) = first {
            let message = format!("{count} {what} are stored");
            let finding = Finding::new(code::EMBEDDED_CODE, first, message).case(case);
            out.finding(finding.evidence("count", count).key(case));
        }
    }
}
