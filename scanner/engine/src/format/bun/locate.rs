//! Where a payload lies: behind its length in a section, or appended with the total behind it.
//!
//! | embedding | bytes |
//! | --- | --- |
//! | section | `u64 L` (early macOS: `u32 L`), then `L` bytes of payload |
//! | appended | payload, then `u64` total: the length of the whole file |
//!
//! A payload is `byte_count` bytes, 32 bytes of [`Offsets`], and the 16 bytes of [`TRAILER`].

use super::graph::Offsets;
use crate::span::Span;

/// What ends every payload.
pub(super) const TRAILER: &[u8; 16] = b"\n---- Bun! ----\n";
/// The length of [`Offsets`] and [`TRAILER`].
pub(super) const END: u64 = 48;

/// A payload found in an artifact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// From the first byte that offsets count from, to the end of the trailer.
    pub(super) payload: Span,
    /// The length in front.
    pub(super) length: Option<Span>,
    /// The total behind.
    pub(super) total: Option<Span>,
}

/// Finds the payload from the first bytes (8 at least) and the last bytes of an artifact of `length` bytes.
pub(super) fn find(head: &[u8], tail: &[u8], length: u64) -> Option<Place> {
    section(head, tail, length).or_else(|| appended(tail, length))
}

fn section(head: &[u8], tail: &[u8], length: u64) -> Option<Place> {
    let wide = u64::from_le_bytes(*head.first_chunk::<8>()?);
    let narrow = u64::from(u32::from_le_bytes(*head.first_chunk::<4>()?));
    [(8u64, wide), (4, narrow)].into_iter().find_map(|(prefix, stated)| {
        let payload = Span::at(prefix, stated).filter(|p| p.end() <= length && p.len() >= END)?;
        let end = block(tail, length, payload.end())?;
        (trailer(end) == TRAILER).then(|| Place {
            payload,
            length: Some(Span::new(0, prefix)),
            total: None,
        })
    })
}

fn appended(tail: &[u8], length: u64) -> Option<Place> {
    let end = length.checked_sub(8)?;
    let block = block(tail, length, end)?;
    if trailer(block) != TRAILER {
        return None;
    }
    let total = u64::from_le_bytes(*tail.last_chunk::<8>()?);
    let offsets = Offsets::parse(block)?;
    let start = end.checked_sub(END)?.checked_sub(offsets.byte_count)?;
    let table = offsets.modules.within(offsets.byte_count)?;
    let sound = total >= length.saturating_sub(start) && !table.is_empty() && offsets.sizes().next().is_some();
    sound.then(|| Place {
        payload: Span::new(start, end),
        length: None,
        total: Some(Span::new(end, length)),
    })
}

/// The 48 bytes before offset `end`, when `tail`, which ends at `length`, holds them.
fn block(tail: &[u8], length: u64, end: u64) -> Option<&[u8]> {
    let behind = usize::try_from(length.checked_sub(end)?).ok()?;
    let to = tail.len().checked_sub(behind)?;
    tail.get(to.checked_sub(48)?..to)
}

fn trailer(block: &[u8]) -> &[u8] {
    block.get(32..).unwrap_or_default()
}
