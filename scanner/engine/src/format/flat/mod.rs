//! FlatBuffers under a schema: what the formats that are one share. Not a format by itself.

mod pages;

pub(super) use pages::Pages;

use super::{Parse, ReadFault};
use crate::finding::{ErrorCode, Finding, ScanError, code};
use crate::identify::{Match, Probe};
use crate::ledger::Role;
use crate::span::Span;
use crate::walk::flatbuffer::{Flat, Source, Walked, What};
use std::collections::BTreeMap;

/// The most objects of one buffer.
pub(super) const OBJECTS: usize = 1 << 20;

/// The smallest payload that is an artifact of its own.
const PAYLOAD: u64 = 64;

/// The start of an artifact of which no more is there.
struct Head<'a>(&'a Probe<'a>);

impl Source for Head<'_> {
    type Fault = ();

    fn length(&self) -> u64 {
        self.0.length
    }

    fn read(&mut self, span: Span) -> Result<Vec<u8>, ()> {
        let (from, to) = (usize::try_from(span.start()), usize::try_from(span.end()));
        let (Ok(from), Ok(to)) = (from, to) else { return Err(()) };
        self.0.head.get(from..to).map(<[u8]>::to_vec).ok_or(())
    }
}

/// Whether a probe shows a FlatBuffer with the file identifier `magic`: certain when its root table is there and sound.
pub(super) fn identify(probe: &Probe<'_>, magic: &[u8; 4]) -> Option<Match> {
    if probe.head.get(4..8) != Some(magic) {
        return None;
    }
    match Flat::new(Head(probe)).root() {
        Ok(Some(_)) => Some(Match::CERTAIN),
        // It lies further down, or the file is cut or broken.
        Ok(None) | Err(()) => Some(Match::LIKELY),
    }
}

/// How a payload is named and what it is.
pub(super) struct Named {
    pub(super) name: String,
    /// Whether it is an artifact of its own.
    pub(super) child: bool,
    pub(super) role: Role,
}

/// Claims what a walk found, payloads as `names` says, and reports its faults. Returns where the last claim ends.
///
/// Holes and the space between objects are not claimed: zeros there become padding by themselves.
pub(super) fn claim(
    format: &str,
    walked: &mut Walked<ReadFault>,
    names: &BTreeMap<Span, Named>,
    out: &mut Parse,
) -> u64 {
    for fault in &walked.faults {
        let rule = format!("{format}: {} ({})", fault.rule, fault.name);
        let finding = Finding::new(code::MALFORMED, fault.span, &*rule);
        out.finding(finding.case("crash").key(rule));
    }
    match walked.stopped.take() {
        Some(Some(fault)) => out.fault(&fault, "the structure"),
        Some(None) => {
            out.cut_short = true;
            let message = format!("more than {OBJECTS} objects");
            out.error(ScanError::new(ErrorCode::LimitExceeded, message).at(0));
        }
        None => {}
    }
    walked.claims.sort_unstable();
    let mut end = 0;
    for claim in &walked.claims {
        end = end.max(claim.span.end());
        let role = match claim.what {
            What::Header => Role::Header,
            What::Vtable | What::Table | What::Vector => Role::Table,
            What::String => Role::Strings,
            What::Hole => continue,
            What::Bulk => {
                match names.get(&claim.span) {
                    Some(named) if named.child => {
                        out.slice(claim.span, named.name.clone(), false);
                    }
                    Some(named) => {
                        out.leaf(claim.span, named.role, named.name.clone());
                    }
                    // What nothing explains is looked into.
                    None if claim.span.len() >= PAYLOAD => {
                        out.slice(claim.span, claim.name, false);
                    }
                    None => {
                        out.leaf(claim.span, Role::Data, claim.name);
                    }
                }
                continue;
            }
        };
        let kind = match claim.what {
            What::Header => "header",
            What::Vtable => "vtable of",
            What::Table => "table",
            What::String => "string",
            _ => "vector",
        };
        out.leaf(claim.span, role, format!("{kind} {}", claim.name));
    }
    end
}
