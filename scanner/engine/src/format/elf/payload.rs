//! Notes that carry a program: what postject and libsui write.
//!
//! | note | name | descriptor |
//! | --- | --- | --- |
//! | Node single executable | `NODE_SEA_BLOB` | the blob |
//! | Deno | `SUI` | `u16` length of a name, the name, the payload |
//!
//! A note is `u32` length of its name, `u32` length of its descriptor, `u32` type, name and descriptor, each filled up
//! to the alignment with zeros.

use super::claim::Parents;
use super::header::{Fields, Header};
use crate::format::{Input, Parse};
use crate::ledger::{Fill, Role};
use crate::span::Span;

/// Notes walked in one place.
const MOST: usize = 256;
/// The fixed part of a note.
const FIXED: u64 = 12;

/// Claims the notes of `place` when one of them carries a program; whether it did.
pub(super) fn claim(input: &Input<'_>, header: &Header, place: Span, parents: &Parents, out: &mut Parse) -> bool {
    let mut notes = Vec::new();
    let mut at = place.start();
    while at < place.end() && notes.len() < MOST {
        let Some(note) = Note::read(input, header, at).filter(|n| place.encloses(n.body)) else {
            break;
        };
        at = note.end.min(place.end());
        notes.push(note);
    }
    if !notes.iter().any(|n| n.carries) {
        return false;
    }
    for note in &notes {
        note.claim(input, place, parents, out);
    }
    let rest = Span::new(at, place.end());
    if !rest.is_empty() {
        parents.leaf(rest, Role::Metadata, "notes".to_owned(), out);
    }
    true
}

struct Note {
    start: u64,
    name: Vec<u8>,
    carries: bool,
    /// The descriptor.
    body: Span,
    /// Where the next note starts.
    end: u64,
}

impl Note {
    fn read(input: &Input<'_>, header: &Header, at: u64) -> Option<Self> {
        let head = input.read_up_to(at, 64).ok()?;
        let mut f = Fields::new(&head, header.layout);
        let (namesz, descsz) = (u64::from(f.u32()?), u64::from(f.u32()?));
        let to = usize::try_from(FIXED.checked_add(namesz)?).ok()?;
        let name = head.get(12..to).unwrap_or_default();
        let name = name.strip_suffix(b"\0").unwrap_or(name).to_vec();
        let start = at.checked_add(FIXED.checked_add(namesz)?.checked_next_multiple_of(4)?)?;
        let body = Span::at(start, descsz)?;
        Some(Self {
            start: at,
            carries: matches!(name.as_slice(), b"NODE_SEA_BLOB" | b"SUI"),
            name,
            body,
            end: at.checked_add(body.end().checked_sub(at)?.checked_next_multiple_of(4)?)?,
        })
    }

    fn claim(&self, input: &Input<'_>, place: Span, parents: &Parents, out: &mut Parse) {
        let name = crate::name::printable(&self.name);
        if !self.carries {
            let whole = Span::new(self.start, self.end.min(place.end()));
            parents.leaf(whole, Role::Metadata, format!("note {name}"), out);
            return;
        }
        parents.leaf(
            Span::new(self.start, self.body.start()),
            Role::Header,
            format!("note {name}"),
            out,
        );
        let mut payload = self.body;
        if self.name == b"SUI"
            && let Ok(bytes) = input.read_up_to(payload.start(), 2)
            && let [low, high] = *bytes
        {
            let named = u64::from(u16::from_le_bytes([low, high])).saturating_add(2);
            let span = Span::saturating_at(payload.start(), named).intersect(payload);
            parents.leaf(span, Role::Strings, "name of the payload".to_owned(), out);
            payload = Span::new(span.end(), payload.end());
        }
        if !payload.is_empty() {
            let child = if self.name == b"SUI" { "d3n0l4nd" } else { name.as_str() };
            let id = out.slice(payload, child, true);
            parents.adopt(id, payload, out);
        }
        let fill = Span::new(self.body.end(), self.end.min(place.end()));
        if !fill.is_empty() {
            let id = out.padding(fill, Fill::Zero, "note fill");
            parents.adopt(id, fill, out);
        }
    }
}
