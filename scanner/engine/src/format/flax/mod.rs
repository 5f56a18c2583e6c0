//! Flax checkpoints: MessagePack maps of parameters (the MessagePack specification; `flax/serialization.py`).
//!
//! | extension type | content |
//! | --- | --- |
//! | 1 | an array: MessagePack of (shape, dtype name, bytes) |
//! | 2 | a complex number: MessagePack of (real, imaginary) |
//! | 3 | a scalar of NumPy: as an array of no dimension |
//!
//! MessagePack has no magic number: a map with a name for its first key is one of Flax when an array of the first type
//! stands near its start. Other MessagePack is data. Values have no code; what no decoder of Flax knows is told.

#[cfg(test)]
mod tests;
mod value;

use self::value::{Kind, Reader, Stop};
use super::{Format, Input, Parse};
use crate::fact::Fact;
use crate::finding::{ErrorCode, Finding, ScanError, code};
use crate::identify::{Match, Probe};
use crate::ledger::{Gaps, Role};
use crate::name::printable;
use crate::span::Span;

/// A Flax checkpoint.
pub(super) struct Flax;

impl Format for Flax {
    fn id(&self) -> &'static str {
        "flax"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let rest = match probe.head {
            [0x81..=0x8f, rest @ ..] | [0xde, _, _, rest @ ..] => rest,
            _ => return None,
        };
        let name = match rest {
            [length @ 0xa1..=0xbf, name @ ..] => name.get(..usize::from(length & 0x1f))?,
            [0xd9, length, name @ ..] => name.get(..usize::from(*length))?,
            _ => return None,
        };
        if !name.iter().all(|b| b.is_ascii_graphic() || *b == b' ') {
            return None;
        }
        Input::with_bytes(probe.head, |input| {
            let mut reader = Reader::new(input);
            let mut arrays = false;
            let ended = reader.walk(&mut |event| arrays |= matches!(event.kind, Kind::Array(_)));
            let cut = matches!(ended, Err(Stop::Fault(_)));
            (arrays && (ended.is_ok() || cut) || cut && reader.begun_array()).then_some(Match::LIKELY)
        })
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.gaps(Gaps::Never);
        let mut reader = Reader::new(input);
        let mut at = 0u64;
        let mut seen = Vec::new();
        let ended = reader.walk(&mut |event| seen.push(event));
        for event in seen {
            match event.kind {
                Kind::Array(array) => {
                    if at < array.data.start() {
                        out.leaf(Span::new(at, array.data.start()), Role::Metadata, "map");
                    }
                    let name = printable(event.key.as_bytes());
                    out.leaf(array.data, Role::Tensor, name.clone());
                    at = array.data.end().max(at);
                    if array.broken {
                        let rule = "flax: an array's bytes are not its shape times its type (flax/serialization.py)";
                        out.malformed(event.span, rule);
                    }
                    out.fact(Fact::Tensor {
                        name: name.into(),
                        dtype: array.dtype.into(),
                        shape: array.shape,
                        span: array.data,
                    });
                }
                Kind::Unknown(kind) => {
                    let rule = "flax: an extension of a type that no decoder knows (flax/serialization.py)";
                    let finding = Finding::new(code::MALFORMED, event.span, rule)
                        .case("lenient")
                        .key(rule);
                    out.finding(finding.evidence("type", u64::from(kind)));
                }
            }
        }
        let end = reader.position();
        if at < end {
            out.leaf(Span::new(at, end), Role::Metadata, "map");
        }
        match ended {
            Ok(()) => {}
            Err(Stop::Fault(fault)) => out.fault(&fault, "the map"),
            Err(Stop::Malformed(span, rule)) => {
                out.malformed(span, rule);
                out.leaf(Span::new(end, input.len()), Role::Opaque, "values that were not read");
                let message = "the values behind a broken rule were not read";
                out.error(ScanError::new(ErrorCode::Unsupported, message).at(end));
            }
            Err(Stop::Limit(what)) => {
                out.leaf(Span::new(end, input.len()), Role::Opaque, "values that were not read");
                out.error(ScanError::new(ErrorCode::LimitExceeded, what).at(end));
            }
        }
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["msgpack"]
    }
}
