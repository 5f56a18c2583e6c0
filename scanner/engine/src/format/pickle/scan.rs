//! A quick look at bytes in memory: do they run as a pickle? Used to recognise streams, not to judge them.

use super::opcodes::{Argument, Takes, index, is_float, is_integer, is_quoted, opcode};

/// Opcodes looked at; more prove nothing more.
const MOST: u64 = 4096;

/// How a look ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// At `STOP`, with a value to return.
    Stop,
    /// At something no unpickler accepts.
    Broken,
    /// At the end of the bytes, inside the stream.
    Cut,
    /// After many opcodes that were all sound.
    Enough,
}

/// What a look saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) end: End,
    /// The bytes looked at: to the end of `STOP`, to the opcode that is broken or cut.
    pub(super) length: usize,
    /// Whole opcodes, `STOP` included.
    pub(super) opcodes: u64,
    /// `PUT`, `BINPUT`, `LONG_BINPUT`, `MEMOIZE`.
    pub(super) puts: u64,
    /// `GLOBAL`, `INST`, `STACK_GLOBAL`.
    pub(super) globals: u64,
    /// `REDUCE`, `INST`, `OBJ`, `NEWOBJ`, `NEWOBJ_EX`, `BUILD`.
    pub(super) calls: u64,
}

/// Runs `bytes` as a stream, keeping only the height of the stack.
pub(super) fn look(bytes: &[u8]) -> Look {
    look_on(bytes, 0, Vec::new())
}

/// As [`look`], in the middle of a stream with plenty of values and marks on its stack.
pub(super) fn look_inside(bytes: &[u8]) -> Look {
    look_on(bytes, 1000, (1..=64u64).map(|n| n.saturating_mul(10)).collect())
}

fn look_on(bytes: &[u8], mut height: u64, mut marks: Vec<u64>) -> Look {
    let inside = height > 0;
    let mut look = Look {
        end: End::Cut,
        length: 0,
        opcodes: 0,
        puts: 0,
        globals: 0,
        calls: 0,
    };
    while let Some((&code, rest)) = bytes.get(look.length..).and_then(<[u8]>::split_first) {
        let Some(op) = opcode(code) else {
            look.end = End::Broken;
            return look;
        };
        let (argument, used) = match argument(op.argument, rest) {
            Taken::Whole(argument, used) => (argument, used),
            Taken::Cut => return look,
        };
        let fence = marks.last().copied().unwrap_or(0);
        let above = height.saturating_sub(fence);
        // Nothing can be fetched from a memo that holds nothing yet: prose asks for it.
        let fetches = matches!(code, b'g' | b'h' | b'j') && look.puts == 0 && !inside;
        let sound = sound(code, argument)
            && !fetches
            && match op.takes {
                // POP takes a mark that stands on top.
                Takes::Items(1) if code == b'0' && above == 0 && !marks.is_empty() => {
                    marks.pop();
                    height = height.saturating_add(1);
                    true
                }
                Takes::Items(n) => above >= u64::from(n),
                Takes::Slice(n) => marks.pop().is_some() && above >= u64::from(n),
                Takes::Onto => marks.pop().is_some() && fence > marks.last().copied().unwrap_or(0),
            };
        if !sound {
            look.end = End::Broken;
            return look;
        }
        height = match op.takes {
            Takes::Items(n) => height.saturating_sub(u64::from(n)),
            Takes::Slice(_) => fence,
            Takes::Onto => fence.saturating_sub(1),
        };
        height = height.saturating_add(u64::from(op.gives));
        look.length = look.length.saturating_add(1).saturating_add(used);
        look.opcodes = look.opcodes.saturating_add(1);
        match code {
            b'(' => marks.push(height),
            // No memo is that large; a lower-case word behind a line reads so.
            b'r' if matches!(argument, [_, _, _, high] if *high >= 4) => {}
            b'p' | b'q' | b'r' | 0x94 => look.puts = look.puts.saturating_add(1),
            b'c' | 0x93 => look.globals = look.globals.saturating_add(1),
            b'i' => {
                look.globals = look.globals.saturating_add(1);
                look.calls = look.calls.saturating_add(1);
            }
            b'R' | b'o' | b'b' | 0x81 | 0x92 => look.calls = look.calls.saturating_add(1),
            b'.' => {
                look.end = End::Stop;
                return look;
            }
            _ => {}
        }
        if look.opcodes >= MOST {
            look.end = End::Enough;
            return look;
        }
    }
    look
}

enum Taken<'a> {
    Whole(&'a [u8], usize),
    Cut,
}

/// The argument's bytes (of two lines: both, with the newline between) and how many bytes it takes.
fn argument(kind: Argument, rest: &[u8]) -> Taken<'_> {
    let whole = |from: usize, to: Option<usize>, used: Option<usize>| match (to.and_then(|to| rest.get(from..to)), used)
    {
        (Some(bytes), Some(used)) => Taken::Whole(bytes, used),
        _ => Taken::Cut,
    };
    match kind {
        Argument::None => whole(0, Some(0), Some(0)),
        Argument::Fixed(n) => whole(0, Some(usize::from(n)), Some(usize::from(n))),
        Argument::Line => {
            let end = memchr::memchr(b'\n', rest);
            whole(0, end, end.and_then(|e| e.checked_add(1)))
        }
        Argument::TwoLines => {
            let end = memchr::memchr_iter(b'\n', rest).nth(1);
            whole(0, end, end.and_then(|e| e.checked_add(1)))
        }
        Argument::Counted(width) => {
            let width = usize::from(width);
            let Some(prefix) = rest.get(..width) else {
                return Taken::Cut;
            };
            let length = prefix.iter().rev().fold(0u64, |n, b| (n << 8) | u64::from(*b));
            let end = usize::try_from(length).ok().and_then(|n| width.checked_add(n));
            whole(width, end, end)
        }
    }
}

/// Whether an unpickler accepts the argument's text.
fn sound(code: u8, argument: &[u8]) -> bool {
    match code {
        b'I' | b'L' => is_integer(argument),
        b'F' => is_float(argument),
        b'S' => is_quoted(argument),
        b'g' | b'p' => index(argument).is_some(),
        b'c' | b'i' => argument.split(|b| *b == b'\n').all(is_dotted_name),
        0x80 => argument.first().is_some_and(|p| *p <= 5),
        _ => true,
    }
}

/// Whether an unpickler could look up `name`, a line with or without its carriage return.
pub(super) fn is_dotted_name(name: &[u8]) -> bool {
    let name = name.strip_suffix(b"\r").unwrap_or(name);
    !name.is_empty()
        && name.split(|b| *b == b'.').all(|part| {
            part.first().is_some_and(|b| !b.is_ascii_digit())
                && part
                    .iter()
                    .all(|b| b.is_ascii_alphanumeric() || *b == b'_' || *b >= 0x80 || b"<>-".contains(b))
        })
}
