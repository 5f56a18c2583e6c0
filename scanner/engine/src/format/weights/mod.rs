//! Weights in simple binary files, known by their heads: fastText, word2vec, CatBoost. None holds code.
//!
//! fastText (`fastText/src/fasttext.cc`, `args.cc`, `dictionary.cc`):
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 4 | magic 793712314, little-endian |
//! | 4 | 4 | version: 11 or 12 |
//! | 8 | 56 | twelve words and a double: the arguments of the training |
//! | 64 | 28 | dictionary: entries, words, labels (4 each), tokens, pruned (8 each) |
//! | .. | .. | entries: a word ending in NUL, a count of 8 bytes, a kind of 1 |
//! | .. | 8 each | pruned pairs |
//! | .. | 1 + .. | whether the input is quantised; rows, columns, floats (or the quantiser's tables) |
//! | .. | 1 + .. | the same for the output |
//!
//! word2vec: a line `words columns`, then for each word its text, a blank and so many floats. CatBoost: `CBM1`, a length,
//! a FlatBuffer of that length; its trees are not read.

#[cfg(test)]
mod tests;

use super::{Cursor, Format, Input, Parse, ReadFault};
use crate::fact::Fact;
use crate::identify::{Match, Probe, Strength};
use crate::ledger::{Gaps, Role};
use crate::span::Span;

/// A kind of weights.
pub(super) struct Weights {
    id: &'static str,
    is: fn(&Probe<'_>) -> Option<Strength>,
    read: fn(&Input<'_>, &mut Parse) -> Result<(), ReadFault>,
}

impl Format for Weights {
    fn id(&self) -> &'static str {
        self.id
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        (self.is)(probe).map(|strength| Match { strength, start: 0 })
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.gaps(Gaps::Never);
        if let Err(fault) = (self.read)(input, out) {
            out.fault(&fault, "the model");
        }
    }
}

pub(super) static FASTTEXT: Weights = Weights {
    id: "fasttext",
    is: |probe| {
        let known = matches!(probe.head, [0xba, 0x16, 0x4f, 0x2f, 11 | 12, 0, 0, 0, ..]);
        known.then_some(Strength::Certain)
    },
    read: fasttext,
};

pub(super) static CATBOOST: Weights = Weights {
    id: "catboost",
    is: |probe| {
        let size = probe.head.strip_prefix(b"CBM1")?.first_chunk::<4>()?;
        let size = u64::from(u32::from_le_bytes(*size));
        (size >= 8 && size.saturating_add(8) <= probe.length).then_some(Strength::Certain)
    },
    read: catboost,
};

pub(super) static WORD2VEC: Weights = Weights {
    id: "word2vec",
    is: |probe| word2vec_sizes(probe.head, probe.length).map(|_| Strength::Likely),
    read: word2vec,
};

fn catboost(input: &Input<'_>, out: &mut Parse) -> Result<(), ReadFault> {
    let mut cursor = Cursor::new(input, input.whole());
    cursor.skip(4)?;
    let size = u64::from(cursor.u32_le()?);
    out.leaf(Span::new(0, 8), Role::Header, "magic and length");
    let core = cursor.skip(size)?;
    out.leaf(core, Role::Opaque, "trees, not read");
    // Tables of categorical features follow, where the model has some.
    if core.end() < input.len() {
        out.leaf(
            Span::new(core.end(), input.len()),
            Role::Opaque,
            "feature tables, not read",
        );
    }
    Ok(())
}

fn fasttext(input: &Input<'_>, out: &mut Parse) -> Result<(), ReadFault> {
    let mut cursor = Cursor::new(input, input.whole());
    cursor.skip(64)?;
    out.leaf(Span::new(0, 64), Role::Header, "magic, version and arguments");
    let entries = u64::from(cursor.u32_le()?);
    cursor.skip(8 + 8)?;
    let pruned = cursor.u64_le()?;
    let start = cursor.position();
    out.leaf(Span::new(64, start), Role::Header, "dictionary sizes");
    if entries > cursor.remaining() / 10 {
        out.malformed(
            Span::new(64, 68),
            "fasttext: more words than there are bytes (dictionary.cc)",
        );
        return Ok(());
    }
    for _ in 0..entries {
        if cursor.until(0, 1 << 16)?.is_none() {
            let span = Span::saturating_at(cursor.position(), 1);
            out.leaf(Span::new(start, cursor.position()), Role::Strings, "words");
            out.malformed(span, "fasttext: a word without an end (dictionary.cc)");
            return Ok(());
        }
        cursor.skip(9)?;
    }
    out.leaf(Span::new(start, cursor.position()), Role::Strings, "words");
    // Negative: never pruned.
    if pruned < u64::MAX / 2 && pruned > 0 {
        let pairs = cursor.skip(pruned.saturating_mul(8))?;
        out.leaf(pairs, Role::Table, "pruned words");
    }
    for name in ["input", "output"] {
        let start = cursor.position();
        if cursor.u8()? != 0 {
            let rest = cursor.skip(cursor.remaining())?;
            out.leaf(
                Span::new(start, rest.end()),
                Role::Opaque,
                "quantised matrices, not read",
            );
            return Ok(());
        }
        let (rows, columns) = (cursor.u64_le()?, cursor.u64_le()?);
        out.leaf(
            Span::new(start, cursor.position()),
            Role::Table,
            format!("{name} sizes"),
        );
        let size = rows
            .checked_mul(columns)
            .and_then(|n| n.checked_mul(4))
            .unwrap_or(u64::MAX);
        let data = cursor.skip(size)?;
        out.leaf(data, Role::Tensor, name);
        out.fact(Fact::Tensor {
            name: name.into(),
            dtype: "F32".into(),
            shape: vec![rows, columns],
            span: data,
        });
    }
    Ok(())
}

/// Words, columns, and the offset behind the first line, when the file is as long as they ask for and the first word
/// is followed by binary numbers.
fn word2vec_sizes(head: &[u8], length: u64) -> Option<(u64, u64, u64)> {
    let line = head.iter().take(32).position(|b| *b == b'\n')?;
    let text = std::str::from_utf8(head.get(..line)?).ok()?;
    let (words, columns) = text.split_once(' ')?;
    let digits = |s: &str| !s.is_empty() && s.len() <= 12 && s.bytes().all(|b| b.is_ascii_digit());
    if !digits(words) || !digits(columns.trim_end()) {
        return None;
    }
    let (words, columns): (u64, u64) = (words.parse().ok()?, columns.trim_end().parse().ok()?);
    let start = u64::try_from(line).ok()?.checked_add(1)?;
    let least = words
        .checked_mul(columns.checked_mul(4)?.checked_add(2)?)?
        .checked_add(start)?;
    let most = words
        .checked_mul(columns.checked_mul(4)?.checked_add(1024)?)?
        .checked_add(start)?;
    let rest = head.get(line.checked_add(1)?..)?;
    let word = rest.iter().take(1024).position(|b| *b == b' ')?;
    let vector = rest.get(word.checked_add(1)?..)?;
    let vector = vector.get(..vector.len().min(usize::try_from(columns.checked_mul(4)?).ok()?))?;
    let binary = vector
        .iter()
        .any(|b| !matches!(b, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b' ' | b'\n'));
    ((1..=4096).contains(&columns) && words > 0 && least <= length && length <= most && binary)
        .then_some((words, columns, start))
}

/// Words that are walked one by one; larger vocabularies are claimed as one region, since every vector would be read.
const WALKED: u64 = 50_000;

fn word2vec(input: &Input<'_>, out: &mut Parse) -> Result<(), ReadFault> {
    let head = input.read_up_to(0, 8 << 10)?;
    let Some((words, columns, start)) = word2vec_sizes(&head, input.len()) else {
        return Ok(());
    };
    out.leaf(Span::new(0, start), Role::Header, "sizes");
    let mut cursor = Cursor::new(input, Span::new(start, input.len()));
    let vector = columns.saturating_mul(4);
    let mut end = input.len();
    if words <= WALKED {
        for _ in 0..words {
            if cursor.until(b' ', 1024)?.is_none() {
                out.malformed(
                    Span::saturating_at(cursor.position(), 1),
                    "word2vec: a word without an end (word2vec.c)",
                );
                break;
            }
            cursor.skip(vector)?;
        }
        // Each line may end in a line feed, the last one too.
        if cursor.peek()? == Some(b'\n') {
            cursor.skip(1)?;
        }
        end = cursor.position();
    }
    let span = Span::new(start, end);
    out.leaf(span, Role::Tensor, "words and vectors");
    out.fact(Fact::Tensor {
        name: "vectors".into(),
        dtype: "F32".into(),
        shape: vec![words, columns],
        span,
    });
    Ok(())
}
