//! The DOS header, the COFF header and the optional header with its data directories.

use super::image::{le16, le32, le64};
use super::{DOS_HEADER, SIGNATURE_AND_COFF, stub};
use crate::format::{Input, Parse};
use crate::ledger::{Fill, Role};
use crate::span::Span;

/// `Magic` of PE32.
pub(super) const PE32: u16 = 0x10b;
/// `Magic` of PE32+.
pub(super) const PE32_PLUS: u16 = 0x20b;
/// The number of data directories that have a meaning.
const DIRECTORIES: usize = 16;
/// The page size of every machine but Itanium.
pub(super) const MEMORY_PAGE: u64 = 0x1000;

/// One data directory: an address and a size, or for the certificate table a file offset and a size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Directory {
    pub(super) address: u32,
    pub(super) size: u32,
    /// Where the entry stands.
    pub(super) span: Span,
}

/// What the headers say. Sizes and offsets in bytes.
///
/// | offset | PE32 | PE32+ | field of the optional header |
/// | --- | --- | --- | --- |
/// | 0 | 2 | 2 | `Magic` |
/// | 16 | 4 | 4 | `AddressOfEntryPoint` |
/// | 24 or 28 | 4 | 8 | `ImageBase` (PE32 has `BaseOfData` before it) |
/// | 32 | 4 | 4 | `SectionAlignment` |
/// | 36 | 4 | 4 | `FileAlignment` |
/// | 56 | 4 | 4 | `SizeOfImage` |
/// | 60 | 4 | 4 | `SizeOfHeaders` |
/// | 68 | 2 | 2 | `Subsystem` |
/// | 92 or 108 | 4 | 4 | `NumberOfRvaAndSizes` |
/// | 96 or 112 | 8 each | 8 each | data directories |
#[derive(Clone, Debug)]
pub(super) struct Headers {
    pub(super) plus: bool,
    pub(super) number_of_sections: u16,
    pub(super) characteristics: u16,
    pub(super) symbols: (u32, u32),
    pub(super) coff: Span,
    pub(super) optional: Span,
    pub(super) entry: u32,
    pub(super) image_base: u64,
    pub(super) section_alignment: u64,
    pub(super) file_alignment: u64,
    pub(super) size_of_image: u64,
    pub(super) size_of_headers: u64,
    pub(super) subsystem: u16,
    pub(super) directories: Vec<Directory>,
    /// The section table as `NumberOfSections` states it; it may pass the end of the file.
    pub(super) section_table: Span,
}

impl Headers {
    /// Whether the file is a library.
    pub(super) fn is_dll(&self) -> bool {
        self.characteristics & 0x2000 != 0
    }

    /// Whether firmware loads it, which maps sections at any alignment.
    pub(super) fn is_efi(&self) -> bool {
        matches!(self.subsystem, 10..=13)
    }

    /// A data directory, when it is there and not empty.
    pub(super) fn directory(&self, index: usize) -> Option<Directory> {
        self.directories.get(index).copied().filter(|d| d.address != 0)
    }
}

/// Reads and claims the headers up to the data directories. `None` when there is nothing more to read.
pub(super) fn parse(input: &Input<'_>, out: &mut Parse) -> Option<Headers> {
    let dos = match input.read(Span::new(0, DOS_HEADER)) {
        Ok(dos) => dos,
        Err(fault) => {
            out.fault(&fault, "DOS header");
            return None;
        }
    };
    let e_lfanew = u64::from(le32(&dos, 0x3c)?);
    out.leaf(
        Span::new(0, DOS_HEADER.min(e_lfanew.max(2))),
        Role::Header,
        "DOS header",
    );
    let pointer = Span::new(0x3c, 0x40);
    if e_lfanew < DOS_HEADER {
        out.malformed(pointer, "pe: e_lfanew points into the DOS header");
    } else if !e_lfanew.is_multiple_of(8) {
        out.malformed(pointer, "pe: e_lfanew is not a multiple of 8");
    }
    let nt = Span::saturating_at(e_lfanew, SIGNATURE_AND_COFF);
    let coff = match input.read(nt) {
        Ok(coff) => coff,
        Err(fault) => {
            out.fault(&fault, "COFF header");
            return None;
        }
    };
    if !coff.starts_with(b"PE\0\0") {
        out.malformed(pointer, "pe: there is no PE signature at e_lfanew");
        out.leaf(Span::new(DOS_HEADER, input.len()), Role::Opaque, "DOS program");
        return None;
    }
    stub::claim(input, Span::new(DOS_HEADER, e_lfanew), out);
    out.leaf(Span::saturating_at(e_lfanew, 4), Role::Header, "PE signature");
    let coff_span = Span::new(e_lfanew.saturating_add(4), nt.end());
    out.leaf(coff_span, Role::Header, "COFF header");
    let size_of_optional = u64::from(le16(&coff, 20)?);
    let optional = Span::saturating_at(nt.end(), size_of_optional);
    let mut headers = Headers {
        plus: false,
        number_of_sections: le16(&coff, 6)?,
        characteristics: le16(&coff, 22)?,
        symbols: (le32(&coff, 12)?, le32(&coff, 16)?),
        coff: coff_span,
        optional,
        entry: 0,
        image_base: 0,
        section_alignment: 0,
        file_alignment: 0,
        size_of_image: 0,
        size_of_headers: 0,
        subsystem: 0,
        directories: Vec::new(),
        section_table: Span::new(0, 0),
    };
    headers.section_table =
        Span::saturating_at(optional.end(), u64::from(headers.number_of_sections).saturating_mul(40));
    if headers.characteristics & 2 == 0 {
        out.malformed(
            Span::saturating_at(coff_span.start().saturating_add(18), 2),
            "pe: IMAGE_FILE_EXECUTABLE_IMAGE is not set",
        );
    }
    optional_header(input, &mut headers, out)?;
    Some(headers)
}

fn optional_header(input: &Input<'_>, headers: &mut Headers, out: &mut Parse) -> Option<()> {
    let span = headers.optional;
    let bytes = match input.read_up_to(span.start(), span.len().max(240)) {
        Ok(bytes) => bytes,
        Err(fault) => {
            out.fault(&fault, "optional header");
            return None;
        }
    };
    if span.end() > input.len() {
        let fault = crate::format::ReadFault::PastEnd {
            offset: span.start(),
            wanted: span.len(),
            length: input.len(),
        };
        out.fault(&fault, "optional header");
    }
    let magic = le16(&bytes, 0)?;
    let fixed: usize = match magic {
        PE32 => 96,
        PE32_PLUS => 112,
        _ => {
            let magic = Span::saturating_at(span.start(), 2);
            out.malformed(magic, "pe: Magic of the optional header is neither PE32 nor PE32+");
            return None;
        }
    };
    headers.plus = magic == PE32_PLUS;
    let field = |at: usize| le32(&bytes, at).map(u64::from);
    headers.entry = le32(&bytes, 16)?;
    headers.image_base = if headers.plus { le64(&bytes, 24)? } else { field(28)? };
    headers.section_alignment = field(32)?;
    headers.file_alignment = field(36)?;
    headers.size_of_image = field(56)?;
    headers.size_of_headers = field(60)?;
    headers.subsystem = le16(&bytes, 68)?;
    let count = field(fixed.saturating_sub(4))?;
    let count_span = Span::saturating_at(offset(span, fixed.saturating_sub(4)), 4);
    if count > 16 {
        out.malformed(count_span, "pe: NumberOfRvaAndSizes is greater than 16");
    }
    let fixed_end = offset(span, fixed);
    let entries = usize::try_from(count).unwrap_or(usize::MAX).min(DIRECTORIES);
    let end = offset(span, fixed.saturating_add(entries.saturating_mul(8)));
    if end > span.end() {
        out.malformed(
            count_span,
            "pe: SizeOfOptionalHeader is too small for the data directories",
        );
    }
    out.leaf(
        Span::new(span.start(), fixed_end.min(span.end())),
        Role::Header,
        "optional header",
    );
    if fixed_end < span.end() && entries > 0 {
        out.leaf(
            Span::new(fixed_end, end.min(span.end())),
            Role::Table,
            "data directories",
        );
    }
    if end < span.end() {
        out.padding(Span::new(end, span.end()), Fill::Zero, "optional header tail");
    }
    for index in 0..entries {
        let at = fixed.saturating_add(index.saturating_mul(8));
        let (Some(address), Some(size)) = (le32(&bytes, at), le32(&bytes, at.saturating_add(4))) else {
            break;
        };
        headers.directories.push(Directory {
            address,
            size,
            span: Span::saturating_at(offset(span, at), 8),
        });
    }
    alignments(headers, out);
    Some(())
}

fn offset(span: Span, at: usize) -> u64 {
    span.start().saturating_add(u64::try_from(at).unwrap_or(u64::MAX))
}

/// `SectionAlignment` and `FileAlignment`: powers of two, the first not below the second. Firmware takes anything.
fn alignments(headers: &Headers, out: &mut Parse) {
    let (section, file) = (headers.section_alignment, headers.file_alignment);
    let span = Span::saturating_at(headers.optional.start().saturating_add(32), 8);
    if headers.is_efi() {
        return;
    }
    if !section.is_power_of_two() || !file.is_power_of_two() {
        out.malformed(span, "pe: SectionAlignment and FileAlignment are not powers of two");
    } else if section < file {
        out.malformed(span, "pe: SectionAlignment is smaller than FileAlignment");
    } else if section >= MEMORY_PAGE && !(0x200..=0x1_0000).contains(&file) {
        out.malformed(span, "pe: FileAlignment is not between 512 and 64 KiB");
    }
}
