//! Models of ggml before GGUF: `ggml`, `ggmf`, `ggjt` and `ggla` files (`llama.cpp` until August 2023, `whisper.cpp` today).
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 4 | magic, a little-endian word: 0x67676d6c `ggml`, 0x67676d66 `ggmf`, 0x67676a74 `ggjt`, 0x67676c61 `ggla` |
//! | 4 | 4 | version, of all but `ggml` |
//! | .. | .. | hyperparameters: 7 words of LLaMA, 11 of Whisper, 2 of an adapter |
//! | .. | .. | Whisper: mel filters (rows, columns, floats) |
//! | .. | .. | vocabulary: (Whisper: a count,) a length, bytes (and a score from `ggmf` on) for each token |
//! | .. | .. | tensors to the end: dimensions, name's length, type, sizes, name, (zeros up to 32 bytes,) elements |
//!
//! The file does not say which model it is: LLaMA's and Whisper's layouts are tried, and one is taken when it leads to the
//! end of the file. Others are claimed as they are; of those that have a version it is an error not to be read.

mod layout;
#[cfg(test)]
mod tests;

use self::layout::{Kind, Layout};
use super::{Format, Input, Parse};
use crate::fact::Fact;
use crate::finding::{ErrorCode, ScanError};
use crate::identify::{Match, Probe};
use crate::ledger::{Fill, Gaps, Role};
use crate::span::Span;

/// A model of ggml before GGUF.
pub(super) struct Ggml;

impl Format for Ggml {
    fn id(&self) -> &'static str {
        "ggml"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let (magic, rest) = probe.head.split_first_chunk::<4>()?;
        let word = rest.first_chunk::<4>().map(|w| u32::from_le_bytes(*w))?;
        match magic {
            b"fmgg" | b"tjgg" | b"algg" => (1..=3).contains(&word).then_some(Match::CERTAIN),
            // A vocabulary's size comes first.
            b"lmgg" => (1..10_000_000).contains(&word).then_some(Match::LIKELY),
            _ => None,
        }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.gaps(Gaps::Never);
        let magic = match input.read_up_to(0, 4) {
            Ok(magic) => magic.into_owned(),
            Err(fault) => return out.fault(&fault, "the magic number"),
        };
        let kinds: &[Kind] = match magic.as_slice() {
            b"lmgg" => &[Kind::Llama, Kind::Whisper],
            b"fmgg" => &[Kind::Scored],
            b"tjgg" => &[Kind::Aligned],
            _ => &[Kind::Adapter],
        };
        for kind in kinds {
            if let Some(layout) = Layout::read(input, *kind) {
                return claim(&layout, out);
            }
        }
        out.leaf(Span::new(0, 4.min(input.len())), Role::Header, "magic");
        out.leaf(
            Span::new(4, input.len()),
            Role::Opaque,
            "model of another layout, not read",
        );
        // Any program of ggml's writes `ggml` files as it likes: one that is not known is data like any other.
        if magic == b"lmgg" {
            return;
        }
        let message = "the layout of this ggml model is not known; nothing of it was read";
        out.error(ScanError::new(ErrorCode::Unsupported, message).at(4));
    }

    fn extensions(&self) -> &'static [&'static str] {
        &[]
    }
}

fn claim(layout: &Layout, out: &mut Parse) {
    out.leaf(layout.header, Role::Header, "header");
    if !layout.vocabulary.is_empty() {
        out.leaf(layout.vocabulary, Role::Strings, "vocabulary");
    }
    for tensor in &layout.tensors {
        out.leaf(tensor.info, Role::Table, format!("tensor {}", tensor.name));
        if !tensor.padding.is_empty() {
            out.padding(tensor.padding, Fill::Zero, "alignment");
        }
        out.leaf(tensor.data, Role::Tensor, tensor.name.clone());
        out.fact(Fact::Tensor {
            name: tensor.name.clone().into(),
            dtype: tensor.dtype.into(),
            shape: tensor.shape.clone(),
            span: tensor.data,
        });
    }
}
