//! What a module imports and exports, as facts.

use super::section::{leb32, text};
use super::{Cursor, Input, Parse, ReadFault};
use crate::fact::Fact;
use crate::name::printable;
use crate::span::Span;
use std::collections::BTreeSet;

/// The most facts of one kind.
const MOST: usize = 16 << 10;

/// The modules that the import section names (5.5.5), each once.
pub(super) fn imports(input: &Input<'_>, out: &mut Parse, content: Span) -> Result<(), ReadFault> {
    let mut cursor = Cursor::new(input, content);
    let mut seen = BTreeSet::new();
    let whole = import_list(
        &mut cursor,
        &mut |module, span, out: &mut Parse| {
            shown(out, "import", &module, span);
            if seen.len() < MOST && seen.insert(module.clone()) {
                let library = printable(&module).into();
                out.fact(Fact::Import { library, span });
            }
        },
        out,
    );
    rule(
        whole,
        out,
        content,
        "wasm: the import section is not a list of imports (5.5.5)",
    )
}

type Seen<'f> = &'f mut dyn FnMut(Vec<u8>, Span, &mut Parse);

fn import_list(cursor: &mut Cursor<'_, '_>, seen: Seen<'_>, out: &mut Parse) -> Result<Option<()>, ReadFault> {
    let Some(count) = leb32(cursor)? else { return Ok(None) };
    for _ in 0..count {
        let Some((module, span)) = text(cursor)? else {
            return Ok(None);
        };
        let Some((field, place)) = text(cursor)? else {
            return Ok(None);
        };
        shown(out, "import", &field, place);
        seen(module, span, out);
        // What is imported: a function's type, a table, a memory, a global, a tag.
        let described = match cursor.u8()? {
            0 => leb32(cursor)?.is_some(),
            1 => {
                reference(cursor)?;
                limits(cursor)?
            }
            2 => limits(cursor)?,
            3 => {
                reference(cursor)?;
                cursor.skip(1)?;
                true
            }
            4 => {
                cursor.skip(1)?;
                leb32(cursor)?.is_some()
            }
            _ => false,
        };
        if !described {
            return Ok(None);
        }
    }
    Ok((cursor.remaining() == 0).then_some(()))
}

/// A value or reference type: one byte, or a prefix and a heap type.
fn reference(cursor: &mut Cursor<'_, '_>) -> Result<(), ReadFault> {
    if matches!(cursor.u8()?, 0x63 | 0x64) {
        leb32(cursor)?;
    }
    Ok(())
}

/// Limits: flags (a maximum, shared, 64 bits, a page size), then the numbers.
fn limits(cursor: &mut Cursor<'_, '_>) -> Result<bool, ReadFault> {
    let flags = cursor.u8()?;
    let numbers = 1u8.saturating_add(flags & 1).saturating_add(flags >> 3 & 1);
    for _ in 0..numbers {
        // 64-bit memories have longer numbers.
        let mut ends = false;
        for _ in 0..10 {
            if cursor.u8()? & 0x80 == 0 {
                ends = true;
                break;
            }
        }
        if !ends {
            return Ok(false);
        }
    }
    Ok(flags <= 15)
}

/// What the export section names (5.5.10).
pub(super) fn exports(input: &Input<'_>, out: &mut Parse, content: Span) -> Result<(), ReadFault> {
    let mut cursor = Cursor::new(input, content);
    let whole = export_list(&mut cursor, out);
    rule(
        whole,
        out,
        content,
        "wasm: the export section is not a list of exports (5.5.10)",
    )
}

fn export_list(cursor: &mut Cursor<'_, '_>, out: &mut Parse) -> Result<Option<()>, ReadFault> {
    let Some(count) = leb32(cursor)? else { return Ok(None) };
    let mut stated = 0usize;
    for _ in 0..count {
        let Some((name, span)) = text(cursor)? else {
            return Ok(None);
        };
        shown(out, "export", &name, span);
        if stated < MOST {
            stated = stated.saturating_add(1);
            let name = printable(&name).into();
            out.fact(Fact::Export { name, span });
        }
        let kind = cursor.u8()?;
        if kind > 4 || leb32(cursor)?.is_none() {
            return Ok(None);
        }
    }
    Ok((cursor.remaining() == 0).then_some(()))
}

/// A list that ends elsewhere than its section is no list of what the section is for.
fn rule(whole: Result<Option<()>, ReadFault>, out: &mut Parse, content: Span, rule: &str) -> Result<(), ReadFault> {
    match whole {
        Ok(Some(())) => Ok(()),
        Ok(None) | Err(ReadFault::PastEnd { .. }) => {
            out.malformed(content, rule);
            Ok(())
        }
        Err(fault) => Err(fault),
    }
}

/// States a name that people will read, when it could hide something.
pub(super) fn shown(out: &mut Parse, what: &'static str, name: &[u8], span: Span) {
    let odd = name.iter().any(|byte| !(b' '..=b'~').contains(byte)) || span.len() > 1024;
    if odd && out.facts().len() < MOST.saturating_mul(4) {
        out.fact(Fact::Name {
            what,
            raw: name.into(),
            length: span.len(),
            span,
        });
    }
}
