//! One layout, read to the end of the file or not at all.

use crate::format::{Cursor, Input, ReadFault};
use crate::name::printable;
use crate::span::Span;

/// Which layout is tried.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `ggml` of LLaMA: no version, no scores, no alignment.
    Llama,
    /// `ggml` of Whisper: mel filters, a counted vocabulary.
    Whisper,
    /// `ggmf`: a version and scores.
    Scored,
    /// `ggjt`: as `ggmf`, elements aligned to 32 bytes.
    Aligned,
    /// `ggla`: an adapter, elements aligned to 32 bytes.
    Adapter,
}

pub(super) struct Tensor {
    pub(super) name: String,
    pub(super) dtype: &'static str,
    pub(super) shape: Vec<u64>,
    pub(super) info: Span,
    pub(super) padding: Span,
    pub(super) data: Span,
}

pub(super) struct Layout {
    pub(super) header: Span,
    pub(super) vocabulary: Span,
    pub(super) tensors: Vec<Tensor>,
}

/// Types: name, elements of a block, bytes of a block.
const TYPES: &[(u32, &str, u64, u64)] = &[
    (0, "F32", 1, 4),
    (1, "F16", 1, 2),
    (2, "Q4_0", 32, 18),
    (3, "Q4_1", 32, 20),
    (6, "Q5_0", 32, 22),
    (7, "Q5_1", 32, 24),
    (8, "Q8_0", 32, 34),
    (10, "Q2_K", 256, 84),
    (11, "Q3_K", 256, 110),
    (12, "Q4_K", 256, 144),
    (13, "Q5_K", 256, 176),
    (14, "Q6_K", 256, 210),
];
/// Blocks of the first quantisations were larger: a float for each scale, 64 weights in a block.
const OLD_TYPES: &[(u32, &str, u64, u64)] = &[
    (0, "F32", 1, 4),
    (1, "F16", 1, 2),
    (2, "Q4_0", 32, 20),
    (3, "Q4_1", 32, 24),
];

const MOST: usize = 100_000;

impl Layout {
    /// The layout, when it ends where the file does.
    pub(super) fn read(input: &Input<'_>, kind: Kind) -> Option<Self> {
        [TYPES, OLD_TYPES]
            .into_iter()
            .find_map(|types| Self::of(input, kind, types).ok().flatten())
    }

    fn of(input: &Input<'_>, kind: Kind, types: &[(u32, &'static str, u64, u64)]) -> Result<Option<Self>, ReadFault> {
        let mut cursor = Cursor::new(input, input.whole());
        cursor.skip(if matches!(kind, Kind::Llama | Kind::Whisper) {
            4
        } else {
            8
        })?;
        let vocabulary = u64::from(cursor.u32_le()?);
        let words = match kind {
            Kind::Whisper => 10,
            Kind::Adapter => 1,
            _ => 6,
        };
        cursor.skip(u64::from(4u8).saturating_mul(words))?;
        let mut tokens = vocabulary;
        if kind == Kind::Whisper {
            let (rows, columns) = (u64::from(cursor.u32_le()?), u64::from(cursor.u32_le()?));
            if rows > 1024 || columns > 65_536 {
                return Ok(None);
            }
            cursor.skip(rows.saturating_mul(columns).saturating_mul(4))?;
            tokens = u64::from(cursor.u32_le()?);
        }
        let header = Span::new(0, cursor.position());
        let score = if matches!(kind, Kind::Scored | Kind::Aligned) {
            4
        } else {
            0
        };
        if kind != Kind::Adapter {
            if tokens > cursor.remaining() / 4 {
                return Ok(None);
            }
            for _ in 0..tokens {
                let length = u64::from(cursor.u32_le()?);
                if length > 4096 {
                    return Ok(None);
                }
                cursor.skip(length.saturating_add(score))?;
            }
        }
        let mut layout = Self {
            header,
            vocabulary: Span::new(header.end(), cursor.position()),
            tensors: Vec::new(),
        };
        while cursor.remaining() > 0 {
            match tensor(&mut cursor, kind, types)? {
                Some(tensor) if layout.tensors.len() < MOST => layout.tensors.push(tensor),
                _ => return Ok(None),
            }
        }
        Ok((!layout.tensors.is_empty()).then_some(layout))
    }
}

fn tensor(
    cursor: &mut Cursor<'_, '_>,
    kind: Kind,
    types: &[(u32, &'static str, u64, u64)],
) -> Result<Option<Tensor>, ReadFault> {
    let start = cursor.position();
    let (dimensions, length, number) = (cursor.u32_le()?, u64::from(cursor.u32_le()?), cursor.u32_le()?);
    let known = types.iter().find(|(own, ..)| *own == number);
    let Some((_, dtype, elements, bytes)) = known
        .copied()
        .filter(|_| (1..=4).contains(&dimensions) && length <= 512)
    else {
        return Ok(None);
    };
    let mut shape = Vec::new();
    for _ in 0..dimensions {
        shape.push(u64::from(cursor.u32_le()?));
    }
    let name = printable(&cursor.bytes(length)?);
    let info = Span::new(start, cursor.position());
    let mut padding = Span::new(info.end(), info.end());
    if matches!(kind, Kind::Aligned | Kind::Adapter) {
        let aligned = info.end().checked_next_multiple_of(32).unwrap_or(u64::MAX);
        padding = cursor.skip(aligned.saturating_sub(info.end()))?;
    }
    let count = shape.iter().try_fold(1u64, |n, d| n.checked_mul(*d));
    let size = count
        .filter(|n| n.checked_rem(elements) == Some(0))
        .and_then(|n| n.checked_div(elements))
        .and_then(|n| n.checked_mul(bytes));
    let Some(size) = size else { return Ok(None) };
    let data = cursor.skip(size)?;
    // Files list the fastest dimension first.
    shape.reverse();
    Ok(Some(Tensor {
        name,
        dtype,
        shape,
        info,
        padding,
        data,
    }))
}
