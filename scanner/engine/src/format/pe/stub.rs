//! The DOS stub, and the Rich header inside it.
//!
//! The Rich header is undocumented: `DanS`, three zero words, pairs of (tool, count), all XORed with a key, then `Rich`
//! and the key. It ends before the PE signature.

use super::image::le32;
use crate::format::{Input, Parse};
use crate::ledger::{Fill, Role};
use crate::span::Span;

/// The longest DOS program that is taken for a stub, in bytes. Of 1,926 published images none had more than 57.
const LONGEST: usize = 128;
/// The longest gap between the DOS header and the PE signature that is read.
const MOST: u64 = 64 << 10;

/// Claims the bytes between the DOS header and the PE signature. A stub longer than any linker's stays unclaimed beyond
/// that length.
pub(super) fn claim(input: &Input<'_>, span: Span, out: &mut Parse) {
    let bytes = match input.read_up_to(span.start(), span.len().min(MOST)) {
        Ok(bytes) => bytes,
        Err(fault) => return out.fault(&fault, "DOS stub"),
    };
    let at = |index: usize| {
        span.start()
            .saturating_add(u64::try_from(index).unwrap_or(u64::MAX))
            .min(span.end())
    };
    let rich = rich(&bytes);
    let stub_end = rich.map_or(bytes.len(), |(start, _)| start);
    let used = used(bytes.get(..stub_end).unwrap_or_default());
    out.leaf(Span::new(span.start(), at(used.min(LONGEST))), Role::Code, "DOS stub");
    if used <= LONGEST {
        out.padding(Span::new(at(used), at(stub_end)), Fill::Zero, "DOS stub padding");
    }
    if let Some((start, end)) = rich {
        out.leaf(Span::new(at(start), at(end)), Role::Metadata, "Rich header");
        out.padding(Span::new(at(end), span.end()), Fill::Zero, "DOS stub padding");
    }
}

/// The length without the zeros at the end.
fn used(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .rposition(|b| *b != 0)
        .map_or(0, |last| last.saturating_add(1))
}

/// Where the Rich header starts and ends in `bytes`.
fn rich(bytes: &[u8]) -> Option<(usize, usize)> {
    let end = memchr::memmem::rfind(bytes, b"Rich")?;
    let key = le32(bytes, end.checked_add(4)?)?;
    let marker = (u32::from_le_bytes(*b"DanS") ^ key).to_le_bytes();
    let start = memchr::memmem::rfind(bytes.get(..end)?, &marker)?;
    let words = end.checked_sub(start)?;
    (words.is_multiple_of(8) && words >= 16).then_some((start, end.checked_add(8)?))
}
