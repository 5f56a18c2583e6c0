//! XGBoost models in UBJSON (`ubjson.org`, draft 12; `doc/tutorials/saving_model` of XGBoost) and in its old binary form.
//!
//! UBJSON is a marker and what belongs to it: `{`, `[` open containers, which `$` may give one type for all and `#` a count;
//! `Z T F N` stand alone; `i U I l L d D C` have 1 to 8 bytes, big-endian; `S` and `H` a length and bytes. Only documents
//! that begin with `learner` or `version` are XGBoost's; other UBJSON is data. Trees are numbers: nothing in them runs.
//! The old form (`binf`) is claimed as it is.

#[cfg(test)]
mod tests;
mod walk;

use self::walk::{Stop, Walk};
use super::{Format, Input, Parse};
use crate::finding::{ErrorCode, ScanError};
use crate::identify::{Match, Probe};
use crate::ledger::{Gaps, Role};
use crate::span::Span;

/// An XGBoost model.
pub(super) struct XgBoost;

impl Format for XgBoost {
    fn id(&self) -> &'static str {
        "xgboost"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        if probe.head.starts_with(b"binf") && probe.length > 64 {
            return Some(Match::LIKELY);
        }
        let key = match probe.head {
            [b'{', b'L', 0, 0, 0, 0, 0, 0, 0, 7, key @ ..]
            | [b'{', b'l', 0, 0, 0, 7, key @ ..]
            | [b'{', b'i' | b'U', 7, key @ ..] => key,
            _ => return None,
        };
        (key.starts_with(b"learner{") || key.starts_with(b"version[")).then_some(Match::CERTAIN)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.gaps(Gaps::Never);
        match input.read_up_to(0, 4) {
            Ok(head) if *head == *b"binf" => {
                out.leaf(Span::new(0, 4), Role::Header, "magic");
                out.leaf(
                    Span::new(4, input.len()),
                    Role::Opaque,
                    "trees in the old binary form, not read",
                );
                return;
            }
            Ok(_) => {}
            Err(fault) => return out.fault(&fault, "the document"),
        }
        let mut walk = Walk::new(input);
        let ended = walk.run();
        let end = walk.position();
        walk.claim(out);
        match ended {
            Ok(()) => {}
            Err(Stop::Fault(fault)) => out.fault(&fault, "the document"),
            Err(Stop::Malformed(span, rule)) => {
                out.malformed(span, rule);
                out.leaf(Span::new(end, input.len()), Role::Opaque, "values that were not read");
                let message = "the values behind a broken rule were not read";
                out.error(ScanError::new(ErrorCode::Unsupported, message).at(end));
            }
            Err(Stop::Limit) => {
                out.leaf(Span::new(end, input.len()), Role::Opaque, "values that were not read");
                let message = "containers nest deeper than is followed";
                out.error(ScanError::new(ErrorCode::LimitExceeded, message).at(end));
            }
        }
    }

    fn extensions(&self) -> &'static [&'static str] {
        &[]
    }
}
