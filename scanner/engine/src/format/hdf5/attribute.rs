//! Attributes (section IV.A.2.m): small named values. Those that hold documents or pickles are nested artifacts.
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 1 | version |
//! | 1 | 1 | flags: 1 the type, 2 the dataspace stands elsewhere (from version 2 on) |
//! | 2 | 6 | bytes of name, type, dataspace |
//! | 8 | 1 | character set (from version 3 on) |
//! | .. | .. | name, type, dataspace; in version 1 each to a multiple of 8; the value |

use super::datatype::{self, Kind};
use super::fields::{Fields, wide};
use super::file::File;
use super::object::Message;
use crate::span::Span;

/// The shortest value that can be a document.
const SHORTEST: u64 = 8;

/// Reads an object's attribute message.
pub(super) fn message(file: &mut File<'_, '_, '_>, message: &Message, path: &str) {
    if message.is_shared() {
        return file.unsupported(message.span.start(), "an attribute in a heap of shared messages");
    }
    if read(file, &message.body, message.span, path).is_none() {
        file.malformed(message.span, "hdf5: an attribute that cannot be read (IV.A.2.m)");
    }
}

/// Reads an attribute whose message stands at `span`.
pub(super) fn read(file: &mut File<'_, '_, '_>, body: &[u8], span: Span, path: &str) -> Option<()> {
    let mut fields = Fields::new(body);
    let version = fields.u8()?;
    let flags = fields.u8()?;
    let sizes = [fields.u16()?, fields.u16()?, fields.u16()?];
    if !(1..=3).contains(&version) {
        return None;
    }
    if version == 3 {
        fields.skip(1)?;
    }
    let mut parts = sizes.into_iter().map(|size| {
        let part = fields.take(usize::from(size));
        if version == 1 {
            fields.align(8);
        }
        part
    });
    let (name, kind, space) = (parts.next()??, parts.next()??, parts.next()??);
    drop(parts);
    let name = name.split(|b| *b == 0).next().unwrap_or_default();
    let at = span.start().saturating_add(wide(fields.at()));
    let value = Span::new(at, span.end().max(at));
    let kind = if version >= 2 && flags & 1 != 0 {
        super::dataset::named_type(file, kind)
    } else {
        datatype::read(kind)
    };
    let Some(kind) = kind else { return Some(()) };
    let dimensions = if version >= 2 && flags & 2 != 0 {
        Some(Vec::new())
    } else {
        datatype::dimensions(file, space)
    };
    let count = dimensions.map_or(0, |d| d.iter().fold(1u64, |n, d| n.saturating_mul(*d)));
    let bytes = fields.take(fields.left()).unwrap_or_default();
    file.model |= matches!(name, b"keras_version" | b"model_config" | b"layer_names");
    let name = super::file::join(path, name);
    match kind.kind {
        Kind::Text | Kind::Opaque if count == 1 => {
            let length = u64::from(kind.size).min(value.len());
            let bytes = bytes.get(..super::fields::size(length))?;
            document(file, Span::saturating_at(at, length), bytes, &name);
        }
        Kind::TextInHeap | Kind::SequenceInHeap => {
            let each = wide(file.offsets).saturating_add(8);
            let mut elements = Fields::new(bytes);
            for _ in 0..count.min(wide(bytes.len()).checked_div(each)?) {
                let length = elements.u32()?;
                let heap = file.address(&mut elements)?;
                let index = elements.u32()?;
                let Some(heap) = heap.filter(|heap| *heap != 0 && length > 0) else {
                    continue;
                };
                let Some(place) = super::heap::object(file, heap, index) else {
                    file.malformed(span, "hdf5: a value names an object that no global heap has (III.E)");
                    continue;
                };
                let place = Span::saturating_at(place.start(), place.len().min(u64::from(length)));
                if count == 1 && place.len() >= SHORTEST {
                    let bytes = file.read_span(place, "attribute")?;
                    document(file, place, &bytes, &name);
                }
            }
        }
        _ => {}
    }
    Some(())
}

/// Makes a value that begins like a document or a pickle a nested artifact. NULs at its end are its padding.
fn document(file: &mut File<'_, '_, '_>, span: Span, bytes: &[u8], name: &str) {
    let end = bytes.iter().rposition(|b| *b != 0).map_or(0, |at| at.saturating_add(1));
    let text = bytes.get(..end).unwrap_or_default();
    if wide(end) >= SHORTEST && is_document(text) {
        file.nest(Span::saturating_at(span.start(), wide(end)), name);
    }
}

fn is_document(text: &[u8]) -> bool {
    let blank = text.trim_ascii_start();
    matches!(blank.first(), Some(b'{' | b'[')) || is_pickle(text)
}

/// Whether bytes begin and end like a pickle: PyTables stores them as attributes and loads them on sight.
pub(super) fn is_pickle(bytes: &[u8]) -> bool {
    bytes.last() == Some(&b'.')
        && match bytes {
            [0x80, 1..=5, ..] => true,
            [b'c' | b'(' | b'i', rest @ ..] => rest.contains(&b'\n'),
            _ => false,
        }
}
