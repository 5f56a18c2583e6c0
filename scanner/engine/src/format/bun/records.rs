//! The records behind the module table, chained in the order of the flags.
//!
//! | flag | record |
//! | --- | --- |
//! | 5 | `[u32; modules]`: source hashes |
//! | 6 | `u32 n`, `n` times `{ u32 id, u32 offset, u32 length }`: bytecode of built-in modules |
//! | 7 | `{ u32, u32 }`: bytecode string table |
//! | 8 | `u32`: modules loaded at start |
//! | 9 | `{ u32, u32 }`: module-info string table |
//! | 11 to 13 | `{ u32, u32 }`: data of the scripts; `u32 n`, `[u32; n]`: their order, each of `0..n` once; two words; `{ u32, u32 }`: all bytecode; six ascending ends inside it, the last its length |
//!
//! Flags 11 to 13 are not in Bun's public source. Their record is claimed only when everything above holds, as it does
//! in the published agents for Linux, macOS and Windows.

use super::graph::{Offsets, Pointer, u32_le};
use crate::span::{Span, SpanSet};

/// What the records say.
#[derive(Debug, Default)]
pub(super) struct Records {
    /// The records themselves, with their names, in payload offsets.
    pub(super) tables: Vec<(Span, &'static str)>,
    /// String tables and script data they point at.
    pub(super) regions: Vec<(Span, &'static str)>,
    /// Bytecode of built-in modules.
    pub(super) bytecode: Vec<Span>,
}

struct Reader<'b> {
    bytes: &'b [u8],
    at: u64,
}

impl Reader<'_> {
    fn u32(&mut self) -> Option<u32> {
        let value = u32_le(&mut self.bytes)?;
        self.at = self.at.saturating_add(4);
        Some(value)
    }

    fn pointer(&mut self, count: u64) -> Option<Span> {
        Pointer {
            offset: self.u32()?,
            length: self.u32()?,
        }
        .within(count)
    }
}

/// Reads the records in `bytes`, which start at payload offset `start`, as far as they keep their form.
/// `bytecode` is what the modules say is bytecode.
pub(super) fn read(
    bytes: &[u8],
    start: u64,
    offsets: &Offsets,
    count: u64,
    modules: u32,
    bytecode: &[Span],
) -> Records {
    let mut records = Records::default();
    let mut reader = Reader { bytes, at: start };
    let _ = chain(&mut reader, offsets, count, modules, bytecode, &mut records);
    records
}

fn chain(
    r: &mut Reader<'_>,
    offsets: &Offsets,
    count: u64,
    modules: u32,
    bytecode: &[Span],
    to: &mut Records,
) -> Option<()> {
    if offsets.has(5) {
        let span = Span::at(r.at, u64::from(modules).checked_mul(4)?)?;
        r.bytes = r.bytes.get(usize::try_from(span.len()).ok()?..)?;
        r.at = span.end();
        to.tables.push((span, "source hashes"));
    }
    if offsets.has(6) {
        let from = r.at;
        let entries = r.u32()?;
        if u64::from(entries).checked_mul(12)? > u64::try_from(r.bytes.len()).ok()? {
            return None;
        }
        let mut slices = Vec::new();
        for _ in 0..entries {
            let _id = r.u32()?;
            slices.push(r.pointer(count)?);
        }
        to.bytecode = slices;
        to.tables.push((Span::new(from, r.at), "built-in bytecode table"));
    }
    if offsets.has(7) {
        let from = r.at;
        to.regions.push((r.pointer(count)?, "bytecode string table"));
        to.tables.push((Span::new(from, r.at), "bytecode string table pointer"));
    }
    if offsets.has(8) {
        let from = r.at;
        r.u32()?;
        to.tables.push((Span::new(from, r.at), "startup module count"));
    }
    if offsets.has(9) {
        let from = r.at;
        to.regions.push((r.pointer(count)?, "module-info string table"));
        to.tables
            .push((Span::new(from, r.at), "module-info string table pointer"));
    }
    if offsets.flags >> 11 & 7 == 7 {
        let from = r.at;
        let all = bytecode.iter().chain(&to.bytecode).copied();
        let whole = SpanSet::from_spans(all);
        let data = script_order(r, count, modules, &whole)?;
        to.regions.push((data, "script data"));
        to.tables.push((Span::new(from, r.at), "script order"));
    }
    Some(())
}

/// The record of flags 11 to 13: the span it points at, when all of it has the form observed.
fn script_order(r: &mut Reader<'_>, count: u64, modules: u32, bytecode: &SpanSet) -> Option<Span> {
    let data = r.pointer(count)?;
    let scripts = r.u32()?;
    if scripts > modules {
        return None;
    }
    let mut seen = vec![false; usize::try_from(scripts).ok()?];
    for _ in 0..scripts {
        let slot = seen.get_mut(usize::try_from(r.u32()?).ok()?)?;
        if std::mem::replace(slot, true) {
            return None;
        }
    }
    let _unnamed = (r.u32()?, r.u32()?);
    let code = r.pointer(count)?;
    let mut last = 0u32;
    for _ in 0..6 {
        let end = r.u32()?;
        if end < last {
            return None;
        }
        last = end;
    }
    (bytecode.iter().eq([code]) && u64::from(last) == code.len()).then_some(data)
}
