//! Is it a pickle? Protocols 2 and later say so in two bytes, earlier ones only by running.
//!
//! A stream without a magic number is accepted when it runs to `STOP` and could not be text: it stores into the memo,
//! calls what it names, names something of the standard library or of the lists, or is short and whole (`I1\n.`,
//! `K\x01.`). `N.`, `].` and the like stay text, although an unpickler would take them: they hold nothing. What runs
//! through the whole window without a fault is accepted too, since no text does that. A first argument longer than the
//! window hides the rest: then the end of the file must call something.
//!
//! Bytes before a stream are accepted when a stream with a magic number follows within the window, calls what it names
//! and stops; at the end of a file only when what it calls is known to be dangerous, since other formats keep pickles
//! there, too. A stream without a magic number after other bytes must be dangerous as well: prose can look like one.

use super::Pickle;
use super::scan::{End, is_dotted_name, look};
use super::zfile;
use crate::fact::{CallableUse, Fact};
use crate::format::Parse;
use crate::identify::{Match, Probe};
use probity_signatures::{Classification, callables};

/// Starts tried in the tail and after garbage.
const STARTS: usize = 4096;

/// What the bytes say, if they are a pickle.
pub(super) fn identify(probe: &Probe<'_>) -> Option<Match> {
    if zfile::is(probe.head) {
        return Some(Match::CERTAIN);
    }
    if let [0x80, 0..=5, ..] = probe.head {
        if let Some(found) = with_magic(probe) {
            return Some(found);
        }
    } else if without_magic(probe) {
        return Some(Match::LIKELY);
    }
    let found = after_garbage(probe.head) || (!probe.is_whole() && calls_danger(probe.tail));
    found.then_some(Match::LIKELY)
}

/// Whether `bytes`, the value of a string in a pickle, are a pickle that names a callable, or one from end to end.
pub(super) fn is_nested(head: &[u8], length: u64) -> bool {
    let probe = Probe::new(head, head, length);
    let seen = look(head);
    let whole = u64::try_from(seen.length).ok() == Some(length) || seen.end == End::Enough;
    let plain = matches!(head, [0x80, 0..=5, ..]) && whole && seen.opcodes >= 4;
    (seen.globals > 0 || plain) && identify(&probe).is_some()
}

fn with_magic(probe: &Probe<'_>) -> Option<Match> {
    let seen = look(probe.head);
    let sure = match seen.end {
        End::Stop | End::Enough => true,
        End::Cut => seen.opcodes >= 4 && !probe.is_whole(),
        End::Broken => false,
    };
    if sure || seen.opcodes >= 20 {
        return Some(Match::CERTAIN);
    }
    let begun = match seen.end {
        End::Cut => true,
        _ => seen.opcodes >= 3 || seen.globals > 0,
    };
    begun.then_some(Match::LIKELY)
}

fn without_magic(probe: &Probe<'_>) -> bool {
    let seen = look(probe.head);
    let stream = probe.head.get(..seen.length).unwrap_or_default();
    match seen.end {
        End::Stop => {
            let whole = u64::try_from(seen.length).ok() == Some(probe.length);
            let number = matches!(stream.first(), Some(b'I' | b'L' | b'F')) && seen.opcodes == 2;
            let binary = stream
                .iter()
                .any(|b| *b < 0x20 && !b.is_ascii_whitespace() || *b >= 0x80);
            (seen.puts > 0 && seen.opcodes >= 3)
                || (seen.globals > 0 && seen.calls > 0)
                || (seen.globals > 0 && names_something_known(stream))
                || (whole && seen.opcodes >= 2 && (number || binary))
        }
        End::Enough => true,
        // The file is cut short: what it did until then decides.
        End::Cut if probe.is_whole() => (seen.globals > 0 && seen.calls > 0) || (seen.puts > 1 && seen.opcodes >= 6),
        // Lines that begin with a capital read like opcodes with a line for an argument, as many as there are.
        End::Cut => {
            let remembers = seen.globals > 0 || seen.puts > 0 || seen.calls > 0;
            (seen.opcodes >= 16 && remembers)
                || begins_with_argument(probe, seen.length) && calls_at_the_end(probe.tail)
        }
        // Loaders have run what stands before the fault, unless the first name could not be imported.
        End::Broken => seen.globals > 0 && (seen.calls > 0 || seen.puts > 0) && begins_importable(probe.head),
    }
}

/// Whether a stream that begins with `GLOBAL` names something that an import statement could name: lists of words
/// (`cargo-x86_64-unknown-linux-gnu`) do not. A stream that begins otherwise may.
fn begins_importable(head: &[u8]) -> bool {
    let mut lines = head.split(|b| *b == b'\n');
    let (Some([b'c', module @ ..]), Some(name)) = (lines.next(), lines.next()) else {
        return true;
    };
    let word = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'<' | b'>') || *b >= 0x80;
    module.iter().all(word) && name.iter().all(word)
}

/// Whether the first `GLOBAL` of a protocol 0 stream names something of the lists or the standard library.
fn names_something_known(stream: &[u8]) -> bool {
    let mut lines = stream.split(|b| *b == b'\n');
    let (Some([b'c', module @ ..]), Some(name)) = (lines.next(), lines.next()) else {
        return true;
    };
    let (module, name) = (String::from_utf8_lossy(module), String::from_utf8_lossy(name));
    !matches!(callables().classify(&module, &name), Classification::Unknown)
}

/// Whether the opcode at `at`, whose argument runs out of the window, is one with a long argument that ends in the file.
/// (Python 3.7 byte code begins with `B`, and its length lies far past the end.)
fn begins_with_argument(probe: &Probe<'_>, at: usize) -> bool {
    let Some([code, rest @ ..]) = probe.head.get(at..) else {
        return false;
    };
    let stated = match code {
        b'T' | b'B' | b'X' => rest.first_chunk().map(|n| u64::from(u32::from_le_bytes(*n))),
        0x8d | 0x8e | 0x96 => rest.first_chunk().map(|n| u64::from_le_bytes(*n)),
        b'V' | b'S' | b'P' => Some(0),
        _ => None,
    };
    let from = u64::try_from(at).unwrap_or(u64::MAX);
    stated.is_some_and(|n| from.saturating_add(n) < probe.length)
}

/// Whether some suffix of `tail` runs to `STOP` and calls what it names.
fn calls_at_the_end(tail: &[u8]) -> bool {
    let starts = memchr::memchr3_iter(b'c', b'(', 0x8c, tail).take(STARTS);
    starts.filter_map(|at| tail.get(at..)).any(|rest| {
        let seen = look(rest);
        seen.end == End::Stop && seen.globals > 0 && seen.calls > 0
    })
}

fn after_garbage(head: &[u8]) -> bool {
    next_stream(head, false).is_some() || calls_danger(head)
}

/// Whether the opcode at `at` is no `GLOBAL`, or one whose module could be imported: prose is full of the letter.
fn begins_named(bytes: &[u8], at: usize) -> bool {
    let Some([b'c', rest @ ..]) = bytes.get(at..) else {
        return true;
    };
    let word = |b: &&u8| b.is_ascii_alphanumeric() || matches!(**b, b'_' | b'.') || **b >= 0x80;
    let length = rest.iter().take_while(word).count();
    length > 0 && rest.get(length) == Some(&b'\n')
}

/// Whether a stream in `bytes` calls something that is known to be dangerous.
fn calls_danger(bytes: &[u8]) -> bool {
    next_stream(bytes, true).is_some_and(|at| {
        let parse = Parse::of_bytes(&Pickle, bytes.get(at..).unwrap_or_default());
        parse.facts().iter().any(|fact| {
            matches!(
                fact,
                Fact::Callable { module, name, usage: CallableUse::Called, .. }
                    if matches!(callables().classify(module, name), Classification::Dangerous { .. })
            )
        })
    })
}

/// An offset behind which no opcode of `bytes` names anything: that of the last `STACK_GLOBAL`, or of the last `GLOBAL` or
/// `INST` that may have its two lines. Texts end here, since few of their lines are a name and nothing else.
fn last_name(bytes: &[u8]) -> Option<usize> {
    let mut ends = memchr::memrchr_iter(b'\n', bytes);
    let mut end = ends.next();
    let spelt = std::iter::from_fn(|| {
        let (before, after) = (ends.next()?, end?);
        end = Some(before);
        Some((before, after))
    })
    .filter(|(before, after)| bytes.get(before.saturating_add(1)..*after).is_some_and(is_dotted_name))
    .find_map(|(before, _)| {
        let line = bytes.get(..before).unwrap_or_default();
        let inside = |b: &u8| b.is_ascii_alphanumeric() || *b >= 0x80 || b"_.<>-\r".contains(b);
        let from = line
            .iter()
            .rposition(|b| !inside(b))
            .map_or(0, |at| at.saturating_add(1));
        let name = memchr::memrchr2(b'c', b'i', line.get(from..)?)?;
        Some(from.saturating_add(name))
    });
    spelt.max(memchr::memrchr(0x93, bytes))
}

/// The first offset in `bytes` at which a stream starts that nobody could doubt: a magic number, a name, a call and
/// `STOP`. With `old`, streams without a magic number are looked for as well.
pub(super) fn next_stream(bytes: &[u8], old: bool) -> Option<usize> {
    let sure = |at: usize| {
        let seen = look(bytes.get(at..).unwrap_or_default());
        seen.globals > 0 && seen.calls > 0 && matches!(seen.end, End::Stop | End::Enough)
    };
    let magic = memchr::memchr_iter(0x80, bytes)
        .filter(|at| matches!(bytes.get(at.saturating_add(1)), Some(0..=5)))
        .take(STARTS)
        .find(|at| sure(*at));
    // Every stream that is sure names something: none begins behind the last place where that is possible.
    let last = if old { last_name(bytes) } else { None };
    let plain = last.and_then(|last| {
        memchr::memchr2_iter(b'c', b'(', bytes)
            .take(STARTS)
            .take_while(|at| *at <= last)
            .find(|at| begins_named(bytes, *at) && sure(*at))
    });
    match (magic, plain) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
