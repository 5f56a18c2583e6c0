//! The data directories: what each holds is told apart inside its section, and what loading it would do becomes facts.

use super::image::{Home, Image, Mapped, le32, le64};
use super::interior::Interior;
use super::resource;
use crate::fact::Fact;
use crate::format::{Parse, ReadFault};
use crate::ledger::Role;
use crate::span::Span;
use std::collections::BTreeSet;

/// The certificate table's index.
pub(super) const CERTIFICATE: usize = 4;
/// The CLR header's index.
pub(super) const CLR: usize = 14;

const IMPORT: usize = 1;
const RESOURCE: usize = 2;
const DEBUG: usize = 6;
const GLOBAL_POINTER: usize = 8;
const TLS: usize = 9;
const DELAY_IMPORT: usize = 13;

/// Names in the order of the specification, with what the bytes are for.
const NAMES: [(&str, Role); 16] = [
    ("export directory", Role::Table),
    ("import directory", Role::Table),
    ("resource directory", Role::Table),
    ("exception directory", Role::Table),
    ("certificate table", Role::Table),
    ("base relocations", Role::Table),
    ("debug directory", Role::Table),
    ("architecture data", Role::Data),
    ("global pointer", Role::Data),
    ("TLS directory", Role::Table),
    ("load configuration", Role::Table),
    ("bound imports", Role::Table),
    ("import address table", Role::Table),
    ("delay import directory", Role::Table),
    ("CLR header", Role::Header),
    ("reserved directory", Role::Data),
];

/// The most libraries that are read from one import directory.
const LIBRARIES: u64 = 4096;
/// The most entries of the debug directory that are read.
const DEBUG_ENTRIES: u64 = 256;
/// The most TLS callbacks that are read.
const CALLBACKS: u64 = 256;

/// Finds what stands inside sections.
pub(super) fn claim(image: &Image<'_, '_, '_>, interior: &mut Interior, out: &mut Parse) {
    for (index, (name, role)) in NAMES.into_iter().enumerate() {
        let Some(directory) = image.headers.directories.get(index) else {
            return;
        };
        if matches!(index, CERTIFICATE | GLOBAL_POINTER) || (directory.address == 0 && directory.size == 0) {
            continue;
        }
        match image.map(u64::from(directory.address), u64::from(directory.size)) {
            Mapped::Nowhere if directory.size > 0 => {
                out.malformed(directory.span, &format!("pe: the {name} lies outside the sections"));
            }
            Mapped::File(home, span) if index != RESOURCE => interior.add(home, span, role, name),
            _ => {}
        }
    }
    let mut scan = Scan {
        image,
        interior,
        out,
        seen: BTreeSet::new(),
    };
    let steps = [
        ("import directory", scan.imports()),
        ("delay import directory", scan.delay_imports()),
        ("debug directory", scan.debug()),
        ("TLS directory", scan.tls()),
        ("CLR header", scan.clr()),
    ];
    for (what, step) in steps {
        if let Err(fault) = step {
            out.fault(&fault, what);
        }
    }
    if let Some(directory) = image.headers.directory(RESOURCE)
        && let Err(fault) = resource::claim(image, directory, interior, out)
    {
        out.fault(&fault, "resource directory");
    }
}

/// A walk over the directories that have a structure of their own.
struct Scan<'s, 'h, 'i, 'a> {
    image: &'s Image<'h, 'i, 'a>,
    interior: &'s mut Interior,
    out: &'s mut Parse,
    seen: BTreeSet<Box<str>>,
}

impl Scan<'_, '_, '_, '_> {
    /// Descriptors of 20 bytes: lookup table, time, forwarder, name, address table; the last has no name.
    fn imports(&mut self) -> Result<(), ReadFault> {
        let Some(directory) = self.image.headers.directory(IMPORT) else {
            return Ok(());
        };
        for index in 0..LIBRARIES {
            let rva = u64::from(directory.address).saturating_add(index.saturating_mul(20));
            let Some((span, bytes)) = self.image.read(rva, 20)? else {
                return Ok(());
            };
            let (name, thunks) = (le32(&bytes, 12).unwrap_or(0), le32(&bytes, 16).unwrap_or(0));
            if name == 0 || thunks == 0 {
                return Ok(());
            }
            self.library(
                u64::from(name),
                Span::saturating_at(span.start().saturating_add(12), 4),
                "an import",
            )?;
        }
        self.out
            .malformed(directory.span, "pe: more than 4096 imported libraries");
        Ok(())
    }

    /// Descriptors of 32 bytes: attributes, name, and six more; addresses are absolute when attribute bit 0 is clear.
    fn delay_imports(&mut self) -> Result<(), ReadFault> {
        let Some(directory) = self.image.headers.directory(DELAY_IMPORT) else {
            return Ok(());
        };
        for index in 0..LIBRARIES {
            let rva = u64::from(directory.address).saturating_add(index.saturating_mul(32));
            let Some((span, bytes)) = self.image.read(rva, 32)? else {
                return Ok(());
            };
            let (attributes, name) = (le32(&bytes, 0).unwrap_or(0), u64::from(le32(&bytes, 4).unwrap_or(0)));
            if name == 0 {
                return Ok(());
            }
            let name = if attributes & 1 == 0 {
                name.saturating_sub(self.image.headers.image_base)
            } else {
                name
            };
            self.library(
                name,
                Span::saturating_at(span.start().saturating_add(4), 4),
                "a delay import",
            )?;
        }
        self.out
            .malformed(directory.span, "pe: more than 4096 delay-loaded libraries");
        Ok(())
    }

    fn library(&mut self, rva: u64, pointer: Span, what: &str) -> Result<(), ReadFault> {
        let Some((span, raw)) = self.image.string(rva)? else {
            self.out.malformed(
                pointer,
                &format!("pe: the name of {what} is not a string inside the sections"),
            );
            return Ok(());
        };
        let library: Box<str> = crate::name::printable(&raw).into();
        if self.seen.insert(library.clone()) {
            self.out.fact(Fact::Import { library, span });
        }
        Ok(())
    }

    /// Entries of 28 bytes: flags, time, version, `Type` at 12, size at 16, address at 20, file offset at 24.
    fn debug(&mut self) -> Result<(), ReadFault> {
        let Some(directory) = self.image.headers.directory(DEBUG) else {
            return Ok(());
        };
        let count = u64::from(directory.size) / 28;
        if count > DEBUG_ENTRIES {
            self.out.malformed(directory.span, "pe: more than 256 debug entries");
        }
        for index in 0..count.min(DEBUG_ENTRIES) {
            let rva = u64::from(directory.address).saturating_add(index.saturating_mul(28));
            let Some((_, bytes)) = self.image.read(rva, 28)? else {
                return Ok(());
            };
            let field = |at: usize| u64::from(le32(&bytes, at).unwrap_or(0));
            let (size, address) = (field(16), field(20));
            if size > 0
                && address != 0
                && let Mapped::File(home, span) = self.image.map(address, size)
            {
                self.interior.add(
                    home,
                    span,
                    Role::Metadata,
                    format!("debug data: {}", debug_type(field(12))),
                );
            }
        }
        Ok(())
    }

    /// Four absolute addresses (template start and end, index, callbacks), then two 32-bit fields.
    fn tls(&mut self) -> Result<(), ReadFault> {
        let Some(directory) = self.image.headers.directory(TLS) else {
            return Ok(());
        };
        let headers = self.image.headers;
        let word = if headers.plus { 8 } else { 4 };
        let size = if headers.plus { 40 } else { 24 };
        let Some((span, bytes)) = self.image.read(u64::from(directory.address), size)? else {
            if directory.size > 0 {
                self.out
                    .malformed(directory.span, "pe: the TLS directory is not in the file");
            }
            return Ok(());
        };
        let pointer = |bytes: &[u8], at: usize| {
            let value = if headers.plus {
                le64(bytes, at)
            } else {
                le32(bytes, at).map(u64::from)
            };
            value.unwrap_or(0)
        };
        let callbacks_at = if headers.plus { 24 } else { 12 };
        let callbacks = pointer(&bytes, callbacks_at);
        if callbacks == 0 {
            return Ok(());
        }
        let Some(table) = callbacks.checked_sub(headers.image_base) else {
            self.out
                .malformed(span, "pe: AddressOfCallBacks lies below the image base");
            return Ok(());
        };
        for index in 0..CALLBACKS {
            let Some((place, bytes)) = self
                .image
                .read(table.saturating_add(index.saturating_mul(word)), word)?
            else {
                return Ok(());
            };
            let callback = pointer(&bytes, 0);
            if callback == 0 {
                return Ok(());
            }
            self.callback(place, callback.wrapping_sub(headers.image_base));
        }
        self.out.malformed(directory.span, "pe: more than 256 TLS callbacks");
        Ok(())
    }

    /// A TLS callback runs before the entry point does.
    fn callback(&mut self, place: Span, rva: u64) {
        let inside_code = self.image.section_at(rva).is_some_and(|(_, s)| s.executable());
        let offset = match self.image.map(rva, 1) {
            Mapped::File(_, span) => span.start(),
            _ => place.start(),
        };
        self.out.fact(Fact::EntryPoint {
            offset: Some(offset),
            inside_code,
        });
    }

    /// The CLR header: metadata at 8, resources at 24, the strong name signature at 32, each an address and a size.
    fn clr(&mut self) -> Result<(), ReadFault> {
        let Some(directory) = self.image.headers.directory(CLR) else {
            return Ok(());
        };
        let Some((_, bytes)) = self.image.read(u64::from(directory.address), 72)? else {
            return Ok(());
        };
        let parts = [
            (8, "CLR metadata", Role::Metadata),
            (24, "CLR resources", Role::Data),
            (32, "CLR strong name", Role::Metadata),
        ];
        for (at, name, role) in parts {
            let field = |at: usize| u64::from(le32(&bytes, at).unwrap_or(0));
            let (address, size) = (field(at), field(at.saturating_add(4)));
            if address == 0 || size == 0 {
                continue;
            }
            match self.image.map(address, size) {
                Mapped::File(Home::Section(index), span) => self.interior.add(Home::Section(index), span, role, name),
                Mapped::Nowhere => self
                    .out
                    .malformed(directory.span, &format!("pe: {name} lies outside the sections")),
                _ => {}
            }
        }
        Ok(())
    }
}

fn debug_type(number: u64) -> String {
    let name = match number {
        1 => "COFF",
        2 => "CodeView",
        3 => "FPO",
        4 => "MISC",
        5 => "exception",
        6 => "fixup",
        7 | 8 => "OMAP",
        9 => "Borland",
        11 => "CLSID",
        12 => "VC feature",
        13 => "POGO",
        14 => "ILTCG",
        15 => "MPX",
        16 => "REPRO",
        17 => "embedded PDB",
        19 => "PDB checksum",
        20 => "extended characteristics",
        _ => return format!("type {number}"),
    };
    name.to_owned()
}
