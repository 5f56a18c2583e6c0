//! What stands behind the structures of an executable: the payloads that their own end tells.
//!
//! | payload | told by |
//! | --- | --- |
//! | PyInstaller | the cookie near the end |
//! | nexe | the sentinel near the end |
//! | Deno before its notes | the marks around the payload and the length behind it |
//! | Deno 1 | the mark and the positions at the end |
//! | AppImage | `AI\x02` in the ELF header, squashfs behind |
//! | pkg | the end of its script |
//! | .NET | the end of its header, and the marker in the host |
//!
//! On macOS everything must lie inside `__LINKEDIT` to be signed, so that these bundlers let the string table run on over
//! their payload: it is cut where the payload starts. Bytes around a payload stay unclaimed.

use super::pyinstaller::Cookie;
use super::{deno, dotnet, nexe, pkg};
use crate::format::{Input, Parse};
use crate::ledger::{RegionId, Role};
use crate::span::Span;

/// How much may stand behind a payload that is still found: signatures, alignment.
const BEHIND: u64 = 64 << 10;
/// Fewer bytes hold no payload.
const LEAST: u64 = 24;

/// Claims what stands between the last claimed byte before `end` and `end`.
pub(in crate::format) fn claim(input: &Input<'_>, end: u64, out: &mut Parse) {
    let end = end.min(input.len());
    let leaves = out.view().leaves().filter(|r| r.span.start() < end);
    let start = leaves.map(|r| r.span.end()).max().unwrap_or(end);
    payload(input, Span::new(start.min(end), end), out);
}

/// Claims a payload at the end of the table of strings, which then ends where that starts.
pub(in crate::format) fn claim_in_strings(input: &Input<'_>, out: &mut Parse) -> Option<u64> {
    let regions = out.view().regions.iter().enumerate();
    let found = regions
        .filter(|(_, r)| r.leaf && &*r.name == "string table" && r.span.end() <= input.len())
        .map(|(at, r)| (RegionId::try_from(at).unwrap_or(RegionId::MAX), r.span))
        .next();
    let (id, span) = found?;
    let start = payload(input, span, out)?.max(span.start());
    let region = out.region_mut(id)?;
    region.span = Span::new(span.start(), start);
    Some(start)
}

/// Claims the payload at the end of `gap`; where it starts.
fn payload(input: &Input<'_>, gap: Span, out: &mut Parse) -> Option<u64> {
    if gap.len() < LEAST {
        return None;
    }
    let start = gap.end().saturating_sub(BEHIND).max(gap.start());
    let tail = match input.read(Span::new(start, gap.end())) {
        Ok(tail) => tail,
        Err(fault) => {
            out.fault(&fault, "what stands behind the executable");
            return None;
        }
    };
    let inside = |span: &Span| gap.encloses(*span);
    if let Some(cookie) = Cookie::last_in(&tail, start).filter(|c| inside(&c.archive)) {
        out.slice(cookie.archive, "PyInstaller archive", true);
        return Some(cookie.archive.start());
    }
    if let Some(span) = last_nexe(&tail, start).filter(inside) {
        out.slice(span, "nexe payload", true);
        return Some(span.start());
    }
    if let Some(span) = appended_deno(&tail, gap.end()).filter(inside) {
        out.slice(span, "Deno payload", true);
        let trailer = Span::new(span.end(), gap.end());
        out.leaf(trailer, Role::Trailer, "length of the payload");
        return Some(span.start());
    }
    if let Some(start) = deno::former::claim(input, gap, &tail, out) {
        return Some(start);
    }
    if let Some(span) = app_image(input, gap) {
        out.slice(span, "AppImage file system", true);
        return Some(span.start());
    }
    let result = match pkg::claim(input, gap, out) {
        Ok(None) if dotnet::ends_like_one(&tail) => dotnet::claim(input, gap, out),
        other => other,
    };
    result.unwrap_or_else(|fault| {
        out.fault(&fault, "what stands behind the executable");
        None
    })
}

fn last_nexe(tail: &[u8], start: u64) -> Option<Span> {
    let at = memchr::memmem::rfind(tail, b"<nexe~~sentinel>")?;
    let to = at.checked_add(32)?;
    nexe::at_end(tail.get(..to)?, start.checked_add(u64::try_from(to).ok()?)?)
}

/// The payload before 8 bytes: 0x501e, and the length of both together.
fn appended_deno(tail: &[u8], end: u64) -> Option<Span> {
    const KIND: u32 = 0x501e;
    let last = tail.last_chunk::<8>()?;
    let (kind, length) = (last.first_chunk::<4>()?, last.last_chunk::<4>()?);
    let length = u64::from(u32::from_le_bytes(*length));
    let mark = tail.get(..tail.len().checked_sub(8)?)?.ends_with(deno::MAGIC);
    let span = Span::new(end.checked_sub(length)?, end.checked_sub(8)?);
    (u32::from_le_bytes(*kind) == KIND && mark && span.len() > 16).then_some(span)
}

/// The file system of an AppImage (type 2): `bytes_used` of its superblock, filled up to whole blocks of 4 KiB.
fn app_image(input: &Input<'_>, gap: Span) -> Option<Span> {
    const BLOCK: u64 = 4096;
    let ident = input.read(Span::new(0, 16)).ok()?;
    if !ident.starts_with(b"\x7fELF") || ident.get(8..11) != Some(b"AI\x02") {
        return None;
    }
    let head = input.read_up_to(gap.start(), 96).ok()?;
    if !head.starts_with(b"hsqs") {
        return None;
    }
    let used = u64::from_le_bytes(*head.get(40..)?.first_chunk::<8>()?);
    let padded = used.checked_next_multiple_of(BLOCK)?;
    let room = gap.len();
    let length = [padded, used].into_iter().find(|n| *n <= room && *n >= 96)?;
    Span::at(gap.start(), length)
}
