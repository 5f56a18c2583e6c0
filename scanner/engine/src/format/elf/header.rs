//! The ELF header (gABI, "ELF Header").
//!
//! | offset (64) | offset (32) | size | field |
//! | --- | --- | --- | --- |
//! | 0 | 0 | 16 | `e_ident`: magic, `EI_CLASS` 1 or 2, `EI_DATA` 1 or 2, `EI_VERSION` 1, ABI, 7 bytes of padding |
//! | 16 | 16 | 2 + 2 + 4 | `e_type e_machine e_version` |
//! | 24 | 24 | word each | `e_entry e_phoff e_shoff` |
//! | 48 | 36 | 4 | `e_flags` |
//! | 52 | 40 | 2 each | `e_ehsize e_phentsize e_phnum e_shentsize e_shnum e_shstrndx` |

use crate::format::{Input, Parse};
use crate::ledger::Role;
use crate::span::Span;
use object::elf;

/// Class and byte order: what decides how every other structure is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// `ELFCLASS64`.
    pub(super) wide: bool,
    /// `ELFDATA2MSB`.
    pub(super) big: bool,
}

impl Layout {
    pub(super) const fn header_size(self) -> u16 {
        if self.wide { 64 } else { 52 }
    }

    pub(super) const fn segment_size(self) -> u16 {
        if self.wide { 56 } else { 32 }
    }

    pub(super) const fn section_size(self) -> u16 {
        if self.wide { 64 } else { 40 }
    }

    pub(super) const fn word(self) -> u64 {
        if self.wide { 8 } else { 4 }
    }
}

/// Reads the fields of one structure in order.
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
    layout: Layout,
}

impl<'a> Fields<'a> {
    pub(super) fn new(bytes: &'a [u8], layout: Layout) -> Self {
        Self { bytes, layout }
    }

    pub(super) fn skip(&mut self, n: usize) -> Option<()> {
        self.bytes = self.bytes.get(n..)?;
        Some(())
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.bytes.split_first_chunk::<N>()?;
        self.bytes = rest;
        Some(*field)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        let field = self.take()?;
        Some(if self.layout.big {
            u16::from_be_bytes(field)
        } else {
            u16::from_le_bytes(field)
        })
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        let field = self.take()?;
        Some(if self.layout.big {
            u32::from_be_bytes(field)
        } else {
            u32::from_le_bytes(field)
        })
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        let field = self.take()?;
        Some(if self.layout.big {
            u64::from_be_bytes(field)
        } else {
            u64::from_le_bytes(field)
        })
    }

    /// An address, offset or size: 8 or 4 bytes by class.
    pub(super) fn word(&mut self) -> Option<u64> {
        if self.layout.wide {
            self.u64()
        } else {
            self.u32().map(u64::from)
        }
    }
}

/// The header's fields, as written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) layout: Layout,
    pub(super) e_type: u16,
    pub(super) e_machine: u16,
    pub(super) e_version: u32,
    pub(super) e_entry: u64,
    pub(super) e_phoff: u64,
    pub(super) e_shoff: u64,
    pub(super) e_flags: u32,
    pub(super) e_ehsize: u16,
    pub(super) e_phentsize: u16,
    pub(super) e_phnum: u16,
    pub(super) e_shentsize: u16,
    pub(super) e_shnum: u16,
    pub(super) e_shstrndx: u16,
}

impl Header {
    /// The header at the start of `bytes`; `None` when it is cut or the class and order cannot be told.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let [0x7f, b'E', b'L', b'F', class, data, ..] = bytes else {
            return None;
        };
        let wide = match *class {
            elf::ELFCLASS32 => false,
            elf::ELFCLASS64 => true,
            // Linux never looks at the class: the sizes at either place tell what a loader would assume.
            _ => bytes.get(52..54) == Some(&[64, 0]) || bytes.get(54..56) == Some(&[56, 0]),
        };
        let layout = Layout {
            wide,
            big: *data == elf::ELFDATA2MSB,
        };
        let mut f = Fields::new(bytes, layout);
        f.skip(16)?;
        Some(Self {
            layout,
            e_type: f.u16()?,
            e_machine: f.u16()?,
            e_version: f.u32()?,
            e_entry: f.word()?,
            e_phoff: f.word()?,
            e_shoff: f.word()?,
            e_flags: f.u32()?,
            e_ehsize: f.u16()?,
            e_phentsize: f.u16()?,
            e_phnum: f.u16()?,
            e_shentsize: f.u16()?,
            e_shnum: f.u16()?,
            e_shstrndx: f.u16()?,
        })
    }

    /// Whether the magic number is followed by a structure that agrees with it: nothing loads otherwise.
    pub(super) fn agrees(&self, ident: &[u8]) -> bool {
        let known = matches!(ident.get(4..7), Some([1 | 2, 1 | 2, 1]));
        let tables = (self.e_phentsize == self.layout.segment_size() && self.e_phnum > 0)
            || (self.e_shentsize == self.layout.section_size() && self.e_shoff > 0);
        known && (self.e_ehsize == self.layout.header_size() || tables)
    }
}

/// Reads and claims the header. `None` when there is nothing to go on with.
pub(super) fn read(input: &Input<'_>, out: &mut Parse) -> Option<Header> {
    let head = match input.read_up_to(0, 64) {
        Ok(head) => head,
        Err(fault) => {
            out.fault(&fault, "ELF header");
            return None;
        }
    };
    let header = Header::parse(&head);
    let size = header.map_or(64, |h| u64::from(h.layout.header_size()));
    let span = Span::new(0, size);
    let Some(header) = header else {
        if let Err(fault) = input.read(span) {
            out.fault(&fault, "ELF header");
        }
        out.leaf(span.intersect(input.whole()), Role::Header, "ELF header");
        return None;
    };
    out.leaf(span, Role::Header, "ELF header");
    rules(&header, &head, out);
    Some(header)
}

fn rules(header: &Header, head: &[u8], out: &mut Parse) {
    let mut broken = |start: u64, len: u64, rule: &'static str| {
        out.malformed(Span::saturating_at(start, len), rule);
    };
    if !matches!(head.get(4), Some(1 | 2)) {
        broken(
            4,
            1,
            "elf: EI_CLASS is neither 32-bit nor 64-bit (gABI, ELF Identification)",
        );
    }
    if !matches!(head.get(5), Some(1 | 2)) {
        broken(5, 1, "elf: EI_DATA is no byte order (gABI, ELF Identification)");
    }
    // Intel's compiler of OpenCL stores its kernels so, without a version or a machine.
    let kernel = matches!(header.e_type, 0xff01..=0xff0d) && header.e_machine == 0;
    if (head.get(6) != Some(&1) || header.e_version != 1) && !kernel {
        broken(6, 1, "elf: the version is not 1 (gABI, ELF Header)");
    }
    let at = |wide: u64, narrow: u64| if header.layout.wide { wide } else { narrow };
    if header.e_ehsize != header.layout.header_size() {
        broken(
            at(52, 40),
            2,
            "elf: e_ehsize is not the size of the header (gABI, ELF Header)",
        );
    }
    if header.e_phnum > 0 && header.e_phoff > 0 && header.e_phentsize != header.layout.segment_size() {
        broken(
            at(54, 42),
            2,
            "elf: e_phentsize is not the size of a program header (gABI, ELF Header)",
        );
    }
    if header.e_phnum > 0 && header.e_phoff == 0 {
        broken(
            at(56, 44),
            2,
            "elf: program headers are counted but have no place (gABI, ELF Header)",
        );
    }
    if header.e_shoff > 0 && header.e_shnum > 0 && header.e_shentsize != header.layout.section_size() {
        broken(
            at(58, 46),
            2,
            "elf: e_shentsize is not the size of a section header (gABI, ELF Header)",
        );
    }
    if header.e_shnum > 0 && header.e_shoff == 0 {
        broken(
            at(60, 48),
            2,
            "elf: section headers are counted but have no place (gABI, ELF Header)",
        );
    }
}
