//! Large tensors: bytes that a search of their own looks through, so that the searches over everything leave them out.
//!
//! Executables in a tensor are found by its [`TensorSink`](crate::sink::TensorSink), in its bytes as they stand too; hosts
//! and secrets among numbers only where text is. Each of these searches costs a good part of what hashing costs.

use super::plan::{Sink, Tap};
use crate::sink::tensor::{Carrier, PayloadKind};
use crate::sink::{Magic, MagicHit, TensorScan};
use crate::span::Span;

/// Tensors of fewer bytes are searched like everything else.
const LEAST: u64 = 64 << 10;
/// Bytes at both ends of a tensor that are searched like everything else: what begins there may go on behind it.
const EDGE: u64 = 64;

/// Which spans of a source which searches leave out.
#[derive(Default)]
pub(super) struct Quiet {
    /// Of any elements, without their edges: what looks for executables.
    pub(super) elements: Vec<Span>,
    /// Of floating-point numbers and quantised blocks: what looks for hosts and secrets outside text.
    pub(super) numbers: Vec<Span>,
}

impl Quiet {
    /// Those of the tensors in `taps`.
    pub(super) fn of(taps: &[Tap]) -> Self {
        let mut quiet = Self::default();
        for tap in taps {
            let Sink::Tensor(tensor) = &tap.sink else { continue };
            if tap.span.len() < LEAST {
                continue;
            }
            let (start, end) = (tap.span.start(), tap.span.end());
            quiet
                .elements
                .push(Span::new(start.saturating_add(EDGE), end.saturating_sub(EDGE)));
            if tensor.0.looks_for_text() {
                quiet.numbers.push(tap.span);
            }
        }
        joined(&mut quiet.elements);
        joined(&mut quiet.numbers);
        quiet
    }
}

/// Sorts, and joins those that overlap.
fn joined(spans: &mut Vec<Span>) {
    spans.sort_unstable();
    spans.dedup_by(|next, span| {
        let joins = next.start() < span.end();
        if joins {
            *span = Span::new(span.start(), span.end().max(next.end()));
        }
        joins
    });
}

/// The candidates for executables in the bytes of the tensor at `place` as they stand, where the search over everything
/// left it out.
pub(super) fn executables(place: Span, scan: &TensorScan) -> impl Iterator<Item = MagicHit> + '_ {
    let start = place.start();
    scan.payloads
        .iter()
        .filter(move |hit| place.len() >= LEAST && hit.carrier == Carrier::Raw)
        .filter_map(move |hit| {
            let at = start.saturating_add(hit.offset);
            let (offset, magic) = match hit.kind {
                PayloadKind::Elf => (at, Magic::Elf),
                PayloadKind::Pe => (at, Magic::Dos),
                PayloadKind::MachO => (at, Magic::MachO),
                // The search is for the second byte of the magic number.
                PayloadKind::Wasm => (at.checked_sub(1)?, Magic::Wasm),
                _ => return None,
            };
            Some(MagicHit { offset, magic })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_that_overlap_are_left_out_once() {
        let mut quiet = Quiet {
            elements: vec![
                Span::new(500, 900),
                Span::new(100, 300),
                Span::new(200, 400),
                Span::new(900, 1000),
            ],
            numbers: Vec::new(),
        };
        joined(&mut quiet.elements);
        assert_eq!(
            quiet.elements,
            [Span::new(100, 400), Span::new(500, 900), Span::new(900, 1000)]
        );
    }
}
