//! Data of ICU (`unicode/udata.h`): a header, then items of a package or one item.
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 2 | header size, in the order that byte 8 gives |
//! | 2 | 2 | `da 27` |
//! | 4 | 4 | size of this information, reserved |
//! | 8 | 4 | big-endian?, character set (0 ASCII), size of UChar (2), reserved |
//! | 12 | 12 | data format (`CmnD` for packages), its version, the data's version |

use crate::format::{Format, Input, Parse};
use crate::identify::{Match, Probe};
use crate::ledger::Role;
use crate::name::printable;
use crate::span::Span;

/// A file of ICU data.
pub(in crate::format) struct Icu;

impl Format for Icu {
    fn id(&self) -> &'static str {
        "icu"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let head = probe.head.get(..24)?;
        let [_, _, 0xda, 0x27, _, _, 0, 0, 0 | 1, 0 | 1, 2, 0, format @ ..] = head else {
            return None;
        };
        let named = format.get(..4)?.iter().all(|byte| matches!(byte, b' '..=b'~'));
        let size = size(head)?;
        (named && (24..=4096).contains(&size) && size <= probe.length).then_some(Match::CERTAIN)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        let head = match input.read_up_to(0, 24) {
            Ok(head) => head,
            Err(fault) => return out.fault(&fault, "the header"),
        };
        let header = size(&head).unwrap_or(0).min(input.len());
        out.leaf(Span::new(0, header), Role::Header, "header");
        let format = printable(head.get(12..16).unwrap_or_default());
        out.leaf(Span::new(header, input.len()), Role::Data, format!("{format} data"));
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["dat", "icu", "res", "cnv", "nrm", "brk", "dict", "spp", "cfu"]
    }
}

fn size(head: &[u8]) -> Option<u64> {
    let bytes = *head.first_chunk::<2>()?;
    Some(u64::from(match head.get(8)? {
        0 => u16::from_le_bytes(bytes),
        _ => u16::from_be_bytes(bytes),
    }))
}
