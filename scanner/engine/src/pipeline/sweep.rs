//! Sweep: one forward pass over a source that feeds every tap.
//!
//! Small sources are fed in place. A large file is read tile by tile on the worker, which feeds everything but the
//! digests and hands the tile to a thread that hashes and examines tensors (of what it has to do the reader takes some, so
//! that both have as much): the slowest thing sets the pace, and the bytes are read once. Tiles return to the reader, so the ring bounds the memory.

use super::Context;
use super::plan::{Plan, Sink, Tap};
use crate::finding::{ErrorCode, ScanError};
use crate::sink::DigestSink;
use crate::source::{Quota, ReadAt, read_full_at};
use crate::span::Span;
use std::sync::mpsc;

/// Bytes in a tile.
const TILE: usize = 256 << 10;
/// Tiles in the ring.
const TILES: usize = 16;
/// Below this length a second thread costs more than it brings.
const LARGE: u64 = 16 << 20;

/// Feeds all taps of `plan`; on success they have seen every byte.
///
/// # Errors
/// What kept the sweep from reaching the end: the sinks then hold nothing that may be used as a whole.
pub(super) fn sweep(
    ctx: &Context<'_>,
    quota: &Quota,
    source: &dyn ReadAt,
    level: u32,
    plan: &mut Plan,
) -> Result<(), ScanError> {
    let report = |n: usize| {
        if level == 0 {
            ctx.progress.advanced(n as u64);
        }
    };
    if let Some(bytes) = source.as_slice() {
        let (mut digests, mut others) = (Feeder::new(&mut plan.digests), Feeder::new(&mut plan.others));
        let mut at = 0u64;
        for tile in bytes.chunks(TILE) {
            others.feed(at, tile);
            digests.feed(at, tile);
            at = at.saturating_add(tile.len() as u64);
            report(tile.len());
            if quota.expired() {
                return Err(quota.timeout_error().at(at));
            }
        }
        ctx.count_read(at);
        return Ok(());
    }
    let swept = if ctx.two_threads && source.len() > LARGE {
        balance(source.len(), plan);
        let swept = threaded(quota, source, plan, &report);
        rejoin(plan);
        swept
    } else {
        inline(quota, source, plan, &report)
    };
    ctx.count_read(source.len());
    swept
}

/// Feeds each tap by positioned reads of its own span: for `--depth quick`, where only a few short spans are looked at.
///
/// # Errors
/// What kept a tap from its end; more than `--max-structure` bytes in all is such a thing.
pub(super) fn visit(ctx: &Context<'_>, quota: &Quota, source: &dyn ReadAt, plan: &mut Plan) -> Result<(), ScanError> {
    let mut tile = vec![0u8; TILE];
    let mut left = quota.limits().max_structure;
    for tap in &mut plan.others {
        let mut at = tap.span.start();
        while at < tap.span.end() {
            let wanted = usize::try_from(tap.span.end().saturating_sub(at))
                .unwrap_or(usize::MAX)
                .min(TILE);
            let n = fill(source, tile.get_mut(..wanted).unwrap_or_default(), at)?;
            tap.sink.feed(at, tile.get(..n).unwrap_or_default());
            at = at.saturating_add(n as u64);
            ctx.count_read(n as u64);
            left = left.checked_sub(n as u64).ok_or_else(|| {
                let message = "more padding than --max-structure bytes to check at --depth quick";
                ScanError::new(ErrorCode::LimitExceeded, message).at(at)
            })?;
            if n == 0 || quota.expired() {
                return Err(quota.timeout_error().at(at));
            }
        }
    }
    Ok(())
}

fn inline(quota: &Quota, source: &dyn ReadAt, plan: &mut Plan, report: &dyn Fn(usize)) -> Result<(), ScanError> {
    let (mut digests, mut others) = (Feeder::new(&mut plan.digests), Feeder::new(&mut plan.others));
    let mut tile = vec![0u8; TILE];
    let mut at = 0u64;
    while at < source.len() {
        let n = fill(source, &mut tile, at)?;
        let bytes = tile.get(..n).unwrap_or_default();
        others.feed(at, bytes);
        digests.feed(at, bytes);
        at = at.saturating_add(n as u64);
        report(n);
        if quota.expired() {
            return Err(quota.timeout_error().at(at));
        }
    }
    Ok(())
}

/// Shares digests and tensors out between the thread that hashes and the one that reads and searches: digests before
/// tensors, longest first, to whoever has less to do. Tensors of the hashing thread lie beside its digests: both are fed
/// in the order of the bytes.
fn balance(length: u64, plan: &mut Plan) {
    // What a byte costs, in eighths of what it costs to hash it.
    const HASH: u64 = 8;
    const HASH_BESIDE_ANOTHER: u64 = 2;
    const TENSOR: u64 = 3;
    const READ: u64 = 2;
    const SEARCH: u64 = 6;
    let searched = length.saturating_sub(plan.quiet).saturating_mul(SEARCH);
    let mut reading = length.saturating_mul(READ).saturating_add(searched);
    let (tensors, others): (Vec<Tap>, Vec<Tap>) = std::mem::take(&mut plan.others)
        .into_iter()
        .partition(|tap| matches!(tap.sink, Sink::Tensor(_)));
    plan.others = others;
    let longest = |taps: &mut Vec<Tap>| taps.sort_by_key(|tap| (std::cmp::Reverse(tap.span.len()), tap.span.start()));
    let mut digests = std::mem::take(&mut plan.digests);
    let mut tensors = tensors;
    longest(&mut digests);
    longest(&mut tensors);
    let (mut hashing, mut hashed) = (0u64, false);
    for tap in digests.into_iter().chain(tensors) {
        let is_digest = match &tap.sink {
            Sink::Digest(_) => true,
            Sink::Signed(sink, _) => sink.is_beside(),
            _ => false,
        };
        let cost = match tap.sink {
            Sink::Tensor(_) => TENSOR,
            _ if is_digest && hashed => HASH_BESIDE_ANOTHER,
            _ => HASH,
        };
        let cost = tap.span.len().saturating_mul(cost);
        let (load, taps) = if is_digest || hashing <= reading {
            hashed |= is_digest;
            (&mut hashing, &mut plan.digests)
        } else {
            (&mut reading, &mut plan.others)
        };
        *load = load.saturating_add(cost);
        taps.push(tap);
    }
    for taps in [&mut plan.digests, &mut plan.others] {
        taps.sort_by_key(|tap| tap.span.start());
    }
}

/// Puts the tensors together again: results are taken in the order of the bytes, however many threads there were.
fn rejoin(plan: &mut Plan) {
    let (tensors, digests): (Vec<Tap>, Vec<Tap>) = std::mem::take(&mut plan.digests)
        .into_iter()
        .partition(|tap| matches!(tap.sink, Sink::Tensor(_)));
    plan.digests = digests;
    plan.others.extend(tensors);
    plan.others.sort_by_key(|tap| tap.span.start());
}

fn threaded(quota: &Quota, source: &dyn ReadAt, plan: &mut Plan, report: &dyn Fn(usize)) -> Result<(), ScanError> {
    let (to_hash, hash) = mpsc::sync_channel::<(u64, usize, Vec<u8>)>(TILES);
    let (give_back, free) = mpsc::channel::<Vec<u8>>();
    let Plan { digests, others, .. } = plan;
    std::thread::scope(|scope| {
        let hasher = scope.spawn(move || {
            let mut digests = Feeder::new(digests);
            for (at, n, tile) in hash {
                digests.feed(at, tile.get(..n).unwrap_or_default());
                // The reader is gone when it met an error: then nobody wants the tile.
                let _ = give_back.send(tile);
            }
        });
        let mut others = Feeder::new(others);
        let (mut at, mut made) = (0u64, 0usize);
        let swept = loop {
            if at >= source.len() {
                break Ok(());
            }
            let mut tile = match free.try_recv() {
                Ok(tile) => tile,
                Err(_) if made < TILES => {
                    made = made.saturating_add(1);
                    vec![0u8; TILE]
                }
                Err(_) => match free.recv() {
                    Ok(tile) => tile,
                    Err(_) => break Err(ScanError::new(ErrorCode::Internal, "the hash thread ended early").at(at)),
                },
            };
            let n = match fill(source, &mut tile, at) {
                Ok(n) => n,
                Err(error) => break Err(error),
            };
            others.feed(at, tile.get(..n).unwrap_or_default());
            if to_hash.send((at, n, tile)).is_err() {
                break Err(ScanError::new(ErrorCode::Internal, "the hash thread ended early").at(at));
            }
            at = at.saturating_add(n as u64);
            report(n);
            if quota.expired() {
                break Err(quota.timeout_error().at(at));
            }
        };
        drop(to_hash);
        match hasher.join() {
            Ok(()) => swept,
            Err(_) => Err(ScanError::new(ErrorCode::Internal, "the hash thread failed")),
        }
    })
}

fn fill(source: &dyn ReadAt, tile: &mut [u8], at: u64) -> Result<usize, ScanError> {
    let left = usize::try_from(source.len().saturating_sub(at))
        .unwrap_or(usize::MAX)
        .min(tile.len());
    let wanted = tile.get_mut(..left).unwrap_or_default();
    let n = read_full_at(source, wanted, at)
        .map_err(|e| ScanError::new(ErrorCode::Unreadable, format!("cannot read: {e}")).at(at))?;
    if n < left {
        let end = at.saturating_add(n as u64);
        return Err(ScanError::new(
            ErrorCode::ChangedDuringScan,
            "the file became shorter while it was read",
        )
        .at(end));
    }
    Ok(n)
}

/// Hands each piece of the source to the taps that overlap it.
struct Feeder<'a> {
    taps: &'a mut [Tap],
    next: usize,
    active: Vec<usize>,
}

impl<'a> Feeder<'a> {
    fn new(taps: &'a mut [Tap]) -> Self {
        Self {
            taps,
            next: 0,
            active: Vec::new(),
        }
    }

    fn feed(&mut self, at: u64, bytes: &[u8]) {
        let tile = Span::saturating_at(at, bytes.len() as u64);
        while let Some(tap) = self.taps.get(self.next).filter(|t| t.span.start() < tile.end()) {
            if !tap.span.is_empty() {
                self.active.push(self.next);
            }
            self.next = self.next.saturating_add(1);
        }
        let mut rest = &mut *self.taps;
        let mut passed = 0usize;
        let mut digests: Vec<(&mut DigestSink, &[u8])> = Vec::new();
        // The places of active taps ascend.
        self.active.retain(|index| {
            let Some((_, from)) = std::mem::take(&mut rest).split_at_mut_checked(index.saturating_sub(passed)) else {
                return false;
            };
            let Some((tap, behind)) = from.split_first_mut() else {
                return false;
            };
            rest = behind;
            passed = index.saturating_add(1);
            let cut = tap.span.intersect(tile);
            let from = usize::try_from(cut.start().saturating_sub(at)).unwrap_or(usize::MAX);
            let to = usize::try_from(cut.end().saturating_sub(at)).unwrap_or(usize::MAX);
            let goes_on = tap.span.end() > tile.end();
            if let Some(piece) = bytes.get(from..to) {
                match &mut tap.sink {
                    Sink::Digest(sink) => digests.push((sink, piece)),
                    Sink::Signed(sink, _) => sink.feed_beside(cut.start(), piece, &mut digests),
                    sink => sink.feed(cut.start(), piece),
                }
            }
            goes_on
        });
        DigestSink::feed_all(digests);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Fill;
    use crate::sink::{FillSink, HistogramSink, MagicSink, TensorSink, TensorSpec, TextSink};
    use crate::tensor::Layout;
    use proptest::prelude::*;
    use sha2::{Digest, Sha256};

    fn tensor(dtype: &str, length: u64) -> Sink {
        let spec = TensorSpec {
            layout: Layout::parse(dtype),
        };
        Sink::Tensor(Box::new((spec, TensorSink::new(spec, length))))
    }

    fn taps(spans: &[(u64, u64)]) -> Vec<Tap> {
        let mut taps: Vec<Tap> = Vec::new();
        for (owner, (start, end)) in spans.iter().enumerate() {
            let span = Span::new(*start, *end);
            for sink in [
                Sink::Digest(DigestSink::default()),
                Sink::Fill(FillSink::new(Fill::Zero)),
                Sink::Histogram(Box::<HistogramSink>::default()),
                Sink::Magic(Box::new(MagicSink::new(100))),
                Sink::Text(Box::<TextSink>::default()),
                tensor("F32", end - start),
                tensor("BF16", end - start),
                tensor("U8", end - start),
                tensor("Q4_0", end - start),
            ] {
                taps.push(Tap { span, owner, sink });
            }
        }
        taps.sort_by_key(|t| t.span.start());
        taps
    }

    fn results(bytes: &[u8], spans: &[(u64, u64)], tile: usize) -> Vec<String> {
        let mut taps = taps(spans);
        let mut feeder = Feeder::new(&mut taps);
        let mut at = 0;
        for piece in bytes.chunks(tile) {
            feeder.feed(at, piece);
            at += piece.len() as u64;
        }
        taps.into_iter()
            .map(|t| match t.sink {
                Sink::Digest(s) => format!("{} {:x?}", t.owner, s.finish()),
                Sink::Fill(s) => format!("{} {:?}", t.owner, s.finish()),
                Sink::Histogram(s) => format!("{} {}", t.owner, s.finish()),
                Sink::Magic(s) => format!("{} {:?}", t.owner, s.finish()),
                Sink::Text(s) => format!("{} {:?}", t.owner, s.finish()),
                Sink::Tensor(s) => format!("{} {:?}", t.owner, s.1.finish()),
                Sink::TensorDigest(s) => format!("{} {:?}", t.owner, s.1.finish()),
                Sink::Compare(_)
                | Sink::Crc(_)
                | Sink::Hosts(_)
                | Sink::Patterns(_)
                | Sink::Secrets(_)
                | Sink::Signed(..) => String::new(),
            })
            .collect()
    }

    proptest! {
        #[test]
        fn every_sink_gives_the_same_however_the_bytes_are_cut(
            mut bytes in proptest::collection::vec(prop_oneof![Just(0u8), any::<u8>()], 1..9000),
            at in 0usize..8900,
            spans in proptest::collection::vec((0u64..9000, 0u64..9000), 1..8),
        ) {
            for (magic, place) in [(&b"\x7fELF"[..], at), (b"\0asm\x01\0\0\0", at / 2), (b"PE\0\0", at / 3)] {
                if let Some(to) = bytes.get_mut(place..place + magic.len()) {
                    to.copy_from_slice(magic);
                }
            }
            let spans: Vec<(u64, u64)> = spans
                .iter()
                .map(|(a, b)| (*a.min(b), (*a.max(b)).min(bytes.len() as u64)))
                .filter(|(a, b)| a < b)
                .collect();
            let whole = results(&bytes, &spans, bytes.len());
            for tile in [1, 7, 4096] {
                prop_assert_eq!(&whole, &results(&bytes, &spans, tile));
            }
        }
    }

    #[test]
    fn a_digest_tap_hashes_exactly_its_span() {
        let bytes: Vec<u8> = (0..=255u8).cycle().take(5000).collect();
        let got = &results(&bytes, &[(17, 4321)], 7)[0];
        assert_eq!(
            *got,
            format!("0 {:x?}", <[u8; 32]>::from(Sha256::digest(&bytes[17..4321])))
        );
    }
}
