//! COFF symbols and their string table, which Microsoft deprecated for images and MinGW and Go still write.

use super::header::Headers;
use super::image::{Image, Window, le32};
use super::interior::Interior;
use crate::format::Parse;
use crate::ledger::Role;
use crate::span::Span;

/// The length of a symbol in bytes.
const SYMBOL: u64 = 18;
/// The longest section name that is read from the string table, in bytes.
const LONGEST_NAME: u64 = 256;

/// The symbol table as the COFF header states it.
fn table(headers: &Headers) -> Option<Span> {
    let (pointer, count) = headers.symbols;
    (pointer != 0).then(|| Span::saturating_at(u64::from(pointer), u64::from(count).saturating_mul(SYMBOL)))
}

/// The string at `at` of the string table.
pub(super) fn string(window: &Window<'_, '_>, headers: &Headers, at: u64, out: &mut Parse) -> Option<Vec<u8>> {
    let start = table(headers)?.end().checked_add(at)?;
    let span = Span::saturating_at(start, LONGEST_NAME).intersect(window.input().whole());
    match window.bytes(span) {
        Ok(bytes) => bytes
            .get(..memchr::memchr(0, &bytes)?)
            .filter(|name| !name.is_empty())
            .map(<[u8]>::to_vec),
        Err(fault) => {
            out.fault(&fault, "COFF string table");
            None
        }
    }
}

/// Claims both tables, inside a section or outside.
pub(super) fn claim(image: &Image<'_, '_, '_>, interior: &mut Interior, out: &mut Parse) {
    let Some(symbols) = table(image.headers) else { return };
    let length = image.window.input().len();
    if symbols.end() > length {
        let fault = crate::format::ReadFault::PastEnd {
            offset: symbols.start(),
            wanted: symbols.len(),
            length,
        };
        out.fault(&fault, "COFF symbol table");
        return;
    }
    place(image, interior, symbols, Role::Table, "COFF symbol table", out);
    let Some(size_field) = Span::at(symbols.end(), 4).filter(|s| s.end() <= length) else {
        return;
    };
    let size = match image.window.bytes(size_field) {
        Ok(bytes) => u64::from(le32(&bytes, 0).unwrap_or(0)),
        Err(fault) => return out.fault(&fault, "COFF string table"),
    };
    if size < 4 {
        return out.malformed(size_field, "pe: the size of the COFF string table is smaller than 4");
    }
    let strings = Span::saturating_at(symbols.end(), size);
    if strings.end() > length {
        let fault = crate::format::ReadFault::PastEnd {
            offset: strings.start(),
            wanted: size,
            length,
        };
        out.fault(&fault, "COFF string table");
        return;
    }
    place(image, interior, strings, Role::Strings, "COFF string table", out);
}

fn place(image: &Image<'_, '_, '_>, interior: &mut Interior, span: Span, role: Role, name: &str, out: &mut Parse) {
    match image.home_of(span) {
        Some(home) => interior.add(home, span, role, name),
        None => {
            out.leaf(span, role, name);
        }
    }
}
