//! Pickle, protocols 0 to 5: every stream of a file, to its last byte, and every callable it names, with how it is
//! used.
//!
//! A pickle is a program for a stack machine (CPython, `Lib/pickletools.py`); loading runs it. Here it runs over
//! terms that only describe values (`term.rs`, `machine.rs`, `call.rs`): nothing is imported, nothing built. A file may
//! hold any number of streams, one after the other; a legacy PyTorch file has five, then its storages (`torch.rs`), joblib
//! writes arrays between opcodes (`joblib.rs`).
//!
//! Unpicklers run opcode by opcode, so what stands before a fault has run: its uses are kept. After a fault, or after
//! bytes that are no stream, the next sure start is looked for, some 30 MiB far; what lies between stays unclaimed.

mod call;
mod evaluate;
mod identify;
mod joblib;
mod layers;
mod machine;
mod memo;
mod opcodes;
mod operand;
mod print;
mod scan;
mod stream;
mod term;
#[cfg(test)]
#[expect(
    clippy::as_conversions,
    clippy::arithmetic_side_effects,
    reason = "fixtures are small and built here"
)]
mod tests;
mod text;
mod torch;
mod uses;
mod zfile;

pub(super) use layers::is_known as is_layer;

use super::{Cursor, Format, Input, Parse};
use crate::fact::Fact;
use crate::finding::{ErrorCode, ScanError};
use crate::identify::{Match, Probe};
use crate::ledger::Gaps;
use crate::span::Span;
use scan::{End, look};
use stream::{How, StorageKey};
use term::Value;
use uses::Uses;

/// How far the next stream is looked for at a time.
const SEARCH: u64 = 1 << 20;
/// How many times; every search reads that much.
const SEARCHES: u32 = 32;
/// How far two searches of neighbouring bytes overlap.
const OVERLAP: u64 = 64 << 10;
/// Streams of one file that have leaves of their own.
const STREAMS: u64 = 1 << 17;

/// A pickle.
pub(super) struct Pickle;

impl Format for Pickle {
    fn id(&self) -> &'static str {
        "pickle"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        identify::identify(probe)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.gaps(Gaps::Never);
        if input.read_up_to(0, 32).is_ok_and(|head| zfile::is(&head)) {
            return zfile::parse(input, out);
        }
        let mut uses = Uses::default();
        streams(input, &mut uses, out);
        if uses.is_full() {
            let message = "more distinct callables than are kept of one file";
            out.error(ScanError::new(ErrorCode::LimitExceeded, message));
        }
        uses.emit(out);
    }

    fn extensions(&self) -> &'static [&'static str] {
        &[
            "pkl", "pickle", "p", "pt", "pth", "bin", "ckpt", "joblib", "dat", "model", "data",
        ]
    }
}

fn streams(input: &Input<'_>, uses: &mut Uses, out: &mut Parse) {
    let mut cursor = Cursor::new(input, input.whole());
    let mut legacy = Legacy::default();
    let mut searches = 0u32;
    for number in 1.. {
        if number > STREAMS {
            let message = format!("more than {STREAMS} pickles in one file");
            return out.error(ScanError::new(ErrorCode::LimitExceeded, message).at(cursor.position()));
        }
        let start = cursor.position();
        let ended = stream::read(&mut cursor, input, uses, number, out);
        let stopped = matches!(ended.how, How::Stopped(_));
        if let How::Stopped(value) = ended.how {
            legacy.add(number, value, &ended.storages);
            if !legacy.is_torch {
                let mut seen = std::collections::HashSet::new();
                for storage in ended.storages {
                    if seen.insert(storage.key.clone()) {
                        out.fact(Fact::Storage(Box::new(storage)));
                    }
                }
            }
            if number == 5 && legacy.is_torch {
                torch::storages(&mut cursor, &ended.texts, &legacy.storages, out);
            }
        }
        if cursor.remaining() == 0 {
            return;
        }
        if stopped && follows(&mut cursor, out) {
            continue;
        }
        if matches!(ended.how, How::Cut) {
            return;
        }
        let from = if stopped {
            cursor.position()
        } else {
            cursor.position().max(start.saturating_add(1))
        };
        let mut from = from;
        let found = loop {
            searches = searches.saturating_add(1);
            if searches > SEARCHES {
                let message = "more bytes that are no pickle than are searched for the next one";
                return out.error(ScanError::new(ErrorCode::LimitExceeded, message).at(from));
            }
            if let Some(found) = search(input, from, out) {
                break found;
            }
            // A stream may begin in one window and end in the next.
            from = from.saturating_add(SEARCH.saturating_sub(OVERLAP));
            if from.saturating_add(OVERLAP) >= input.len() {
                return;
            }
        };
        cursor = Cursor::new(input, Span::new(found, input.len()));
    }
}

/// Whether another stream begins right here.
fn follows(cursor: &mut Cursor<'_, '_>, out: &mut Parse) -> bool {
    let remaining = cursor.remaining();
    match cursor.ahead(512) {
        Ok(bytes) => {
            let seen = look(&bytes);
            let magic = matches!(*bytes, [0x80, 0..=5, ..]);
            match seen.end {
                End::Stop => seen.opcodes >= 2,
                End::Enough => true,
                End::Cut => magic || (remaining > 512 && seen.opcodes >= 16),
                End::Broken => magic && seen.opcodes >= 3,
            }
        }
        Err(fault) => {
            out.fault(&fault, "pickle");
            false
        }
    }
}

/// The next sure start of a stream at or after `from`.
fn search(input: &Input<'_>, from: u64, out: &mut Parse) -> Option<u64> {
    match input.read_up_to(from, SEARCH) {
        Ok(bytes) => {
            let found = identify::next_stream(&bytes, true)?;
            from.checked_add(u64::try_from(found).ok()?)
        }
        Err(fault) => {
            out.fault(&fault, "pickle");
            None
        }
    }
}

/// Whether the streams so far are those of a legacy PyTorch file.
#[derive(Default)]
struct Legacy {
    is_torch: bool,
    storages: Vec<StorageKey>,
}

impl Legacy {
    fn add(&mut self, number: u64, value: Value, storages: &[StorageKey]) {
        match number {
            1 => self.is_torch = value == Value::TorchMagic,
            2 => self.is_torch &= value == Value::Int(1001),
            4 if self.is_torch => self.storages = storages.to_vec(),
            _ => {}
        }
    }
}
