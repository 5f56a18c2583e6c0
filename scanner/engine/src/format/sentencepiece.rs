//! SentencePiece models (`sentencepiece_model.proto`): a vocabulary and how text is cut into it; no magic number.
//!
//! Pieces, scores and settings are read; the rules of normalisation are a table of their own and stay data. What a piece
//! does to a prompt is not judged.

use super::proto::{self, At, Claim, Kind, Message, MessageFormat, Seen, View, Visitor, is_text, many, one, others};
use super::{Format, Input, Parse};
use crate::identify::{Match, Probe};
use crate::ledger::{Gaps, Role};

static MODEL: Message = Message {
    name: "ModelProto",
    fields: &[
        many(1, "pieces", Kind::Message(&PIECE)),
        one(2, "trainer_spec", Kind::Unit(&TRAINER)),
        one(3, "normalizer_spec", Kind::Unit(&NORMALIZER)),
        one(4, "self_test_data", Kind::Unit(&SELF_TEST)),
        one(5, "denormalizer_spec", Kind::Unit(&NORMALIZER)),
    ],
};

static PIECE: Message = Message {
    name: "SentencePiece",
    fields: &[
        one(1, "piece", Kind::Text),
        one(2, "score", Kind::Fixed32),
        one(3, "type", Kind::Number),
    ],
};

static TRAINER: Message = Message {
    name: "TrainerSpec",
    fields: &[
        one(3, "model_type", Kind::Number),
        one(4, "vocab_size", Kind::Number),
        others(Kind::Skip),
    ],
};

static NORMALIZER: Message = Message {
    name: "NormalizerSpec",
    fields: &[
        one(1, "name", Kind::Text),
        one(2, "precompiled_charsmap", Kind::Bulk),
        one(3, "add_dummy_prefix", Kind::Number),
        one(4, "remove_extra_whitespaces", Kind::Number),
        one(5, "escape_whitespaces", Kind::Number),
        one(6, "normalization_rule_tsv", Kind::Text),
    ],
};

static SELF_TEST: Message = Message {
    name: "SelfTestData",
    fields: &[many(1, "samples", Kind::Skip)],
};

/// A SentencePiece model.
pub(super) struct SentencePiece;

impl MessageFormat for SentencePiece {
    fn recognise(&self, view: &View<'_, '_, '_>) -> bool {
        let (mut pieces, mut scores, mut odd) = (0u32, 0u32, 0u32);
        let look = proto::look(view, &MODEL, &mut |message, field, seen| match (message, field, seen) {
            ("SentencePiece", "piece", Seen::Text(text, _)) => {
                pieces = pieces.saturating_add(1);
                odd = odd.saturating_add(u32::from(std::str::from_utf8(text).is_err() && !is_text(text)));
            }
            ("SentencePiece", "score", Seen::Number(_)) => scores = scores.saturating_add(1),
            ("SentencePiece", "type", Seen::Number(n)) if n > 16 => odd = odd.saturating_add(1),
            _ => {}
        });
        // One piece may be cut by the end of the head.
        let whole = pieces >= 3 && scores.saturating_add(1) >= pieces;
        whole && odd <= pieces.wrapping_div(16) && look.agrees()
    }
}

impl Format for SentencePiece {
    fn id(&self) -> &'static str {
        "sentencepiece"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        self.likely(probe)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.gaps(Gaps::Never);
        proto::walk("sentencepiece", input, &MODEL, &mut Pieces, out);
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["model", "spm", "vocab", "bin"]
    }
}

struct Pieces;

impl Visitor for Pieces {
    fn end(&mut self, at: &At, _out: &mut Parse) -> Option<String> {
        Some(if at.field.is_empty() { "pieces" } else { at.field }.to_owned())
    }

    fn bulk(&mut self, at: &At, _out: &mut Parse) -> Claim {
        match at.field {
            "precompiled_charsmap" => Claim::Leaf(Role::Data, at.field.to_owned()),
            _ => Claim::Structure,
        }
    }
}
