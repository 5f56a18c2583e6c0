//! The program header table (gABI, "Program Header").
//!
//! | offset (64) | offset (32) | field |
//! | --- | --- | --- |
//! | 0 | 0 | `p_type: u32` |
//! | 4 | 24 | `p_flags: u32` |
//! | 8 | 4 | `p_offset: word` |
//! | 16 | 8 | `p_vaddr: word` |
//! | 24 | 12 | `p_paddr: word` |
//! | 32 | 16 | `p_filesz: word` |
//! | 40 | 20 | `p_memsz: word` |
//! | 48 | 28 | `p_align: word` |

use super::header::{Fields, Header, Layout};
use super::section::Sections;
use crate::fact::Fact;
use crate::finding::{ErrorCode, Finding, ScanError, code};
use crate::format::{Input, Parse};
use crate::ledger::Role;
use crate::span::Span;
use object::elf;
use std::borrow::Cow;

/// More program headers than any program has: core files of very large processes come near.
const MOST: u64 = 1 << 18;

/// One program header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) p_type: u32,
    pub(super) p_flags: u32,
    pub(super) p_offset: u64,
    pub(super) p_vaddr: u64,
    pub(super) p_paddr: u64,
    pub(super) p_filesz: u64,
    pub(super) p_memsz: u64,
    pub(super) p_align: u64,
}

impl Segment {
    pub(super) fn parse(bytes: &[u8], layout: Layout) -> Option<Self> {
        let mut f = Fields::new(bytes, layout);
        let p_type = f.u32()?;
        let early = if layout.wide { f.u32()? } else { 0 };
        let (p_offset, p_vaddr, p_paddr) = (f.word()?, f.word()?, f.word()?);
        let (p_filesz, p_memsz) = (f.word()?, f.word()?);
        let p_flags = if layout.wide { early } else { f.u32()? };
        Some(Self {
            p_type,
            p_flags,
            p_offset,
            p_vaddr,
            p_paddr,
            p_filesz,
            p_memsz,
            p_align: f.word()?,
        })
    }

    pub(super) fn has(&self, flag: u32) -> bool {
        self.p_flags & flag != 0
    }

    pub(super) fn is_load(&self) -> bool {
        self.p_type == elf::PT_LOAD
    }

    /// The bytes in the file; `None` for none, or for an end that cannot be expressed.
    pub(super) fn span(&self) -> Option<Span> {
        Span::at(self.p_offset, self.p_filesz).filter(|s| !s.is_empty())
    }

    /// The file offset of the byte loaded at `address`.
    fn offset_of(&self, base: u64, address: u64) -> Option<u64> {
        let at = address.checked_sub(base)?;
        if at < self.p_filesz {
            self.p_offset.checked_add(at)
        } else {
            None
        }
    }

    /// The name shown to people.
    pub(super) fn type_name(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self.p_type {
            elf::PT_NULL => "PT_NULL",
            elf::PT_LOAD => "PT_LOAD",
            elf::PT_DYNAMIC => "PT_DYNAMIC",
            elf::PT_INTERP => "PT_INTERP",
            elf::PT_NOTE => "PT_NOTE",
            elf::PT_SHLIB => "PT_SHLIB",
            elf::PT_PHDR => "PT_PHDR",
            elf::PT_TLS => "PT_TLS",
            elf::PT_GNU_EH_FRAME => "PT_GNU_EH_FRAME",
            elf::PT_GNU_STACK => "PT_GNU_STACK",
            elf::PT_GNU_RELRO => "PT_GNU_RELRO",
            elf::PT_GNU_PROPERTY => "PT_GNU_PROPERTY",
            other => return Cow::Owned(format!("segment type {other:#x}")),
        })
    }
}

/// All program headers.
#[derive(Default)]
pub(super) struct Segments<'a> {
    pub(super) list: Vec<Segment>,
    /// The headers' bytes.
    pub(super) raw: Cow<'a, [u8]>,
    /// Where the headers stand.
    pub(super) span: Option<Span>,
}

impl Segments<'_> {
    /// The `PT_LOAD` segments with their index in the table.
    pub(super) fn loads(&self) -> impl Iterator<Item = (usize, &Segment)> {
        self.list.iter().enumerate().filter(|(_, s)| s.is_load())
    }

    /// The first segment of a type.
    pub(super) fn first(&self, p_type: u32) -> Option<&Segment> {
        self.list.iter().find(|s| s.p_type == p_type)
    }

    /// The file offset of the byte that is loaded at `address`, and the segment that loads it.
    pub(super) fn locate(&self, address: u64) -> Option<(u64, &Segment)> {
        let virtually = self
            .loads()
            .find_map(|(_, s)| Some((s.offset_of(s.p_vaddr, address)?, s)));
        // Kernels are entered at a physical address; where an operating system loads the file it is not looked at.
        virtually.or_else(|| {
            self.loads()
                .find_map(|(_, s)| Some((s.offset_of(s.p_paddr, address)?, s)))
        })
    }
}

/// Reads and claims the table; does not claim what the segments hold.
pub(super) fn read<'a>(input: &Input<'a>, header: &Header, sections: &Sections<'_>, out: &mut Parse) -> Segments<'a> {
    let mut segments = Segments::default();
    if header.e_phoff == 0 || header.e_phnum == 0 {
        return segments;
    }
    let count = match (header.e_phnum, sections.list.first()) {
        (elf::PN_XNUM, Some(zero)) if zero.sh_info > 0 => u64::from(zero.sh_info),
        (count, _) => u64::from(count),
    };
    let size = u64::from(header.layout.segment_size());
    let fit = input
        .len()
        .saturating_sub(header.e_phoff)
        .checked_div(size)
        .unwrap_or(0);
    if count > fit {
        let message = format!("{count} program headers are announced, {fit} are there");
        let wanted = Span::saturating_at(header.e_phoff, count.saturating_mul(size)).intersect(input.whole());
        out.finding(Finding::new(code::TRUNCATED, wanted, message).key("program header table"));
    } else if count > MOST {
        let message = format!("more than {MOST} program headers");
        out.error(ScanError::new(ErrorCode::LimitExceeded, message).at(header.e_phoff));
    }
    let taken = count.min(fit).min(MOST);
    let span = Span::saturating_at(header.e_phoff, taken.saturating_mul(size)).intersect(input.whole());
    match input.read(span) {
        Ok(raw) => segments.raw = raw,
        Err(fault) => {
            out.fault(&fault, "program header table");
            return segments;
        }
    }
    let step = usize::from(header.layout.segment_size());
    segments.list = segments
        .raw
        .chunks_exact(step)
        .filter_map(|raw| Segment::parse(raw, header.layout))
        .collect();
    segments.span = Some(span).filter(|s| !s.is_empty());
    if let Some(span) = segments.span {
        out.leaf(span, Role::Table, "program headers");
    }
    segments
}

/// The rules that the segments of a loadable file keep, and the facts about how it is mapped.
pub(super) fn inspect(input: &Input<'_>, header: &Header, segments: &Segments<'_>, debug_only: bool, out: &mut Parse) {
    let size = u64::from(header.layout.segment_size());
    let mut past_end: Option<(usize, &Segment)> = None;
    let mut past_end_count = 0u64;
    let mut highest = 0u64;
    let mut misordered = None;
    for (index, segment) in segments.list.iter().enumerate() {
        let at = u64::try_from(index).unwrap_or(u64::MAX).saturating_mul(size);
        let place = Span::saturating_at(header.e_phoff.saturating_add(at), size);
        let Some(end) = segment.p_offset.checked_add(segment.p_filesz) else {
            let message = "elf: a segment's end in the file overflows (gABI, Program Header)";
            out.finding(Finding::new(code::MALFORMED, place, message).case("crash"));
            continue;
        };
        if segment.p_type == elf::PT_GNU_STACK {
            let execute = segment.has(elf::PF_X);
            let write = segment.has(elf::PF_W);
            let span = Span::new(0, 0);
            out.fact(Fact::Segment {
                name: "PT_GNU_STACK".into(),
                span,
                write,
                execute,
                kind: "stack",
            });
            continue;
        }
        if segment.p_filesz > 0 && end > input.len() && segment.p_type != elf::PT_NULL && !debug_only {
            past_end = past_end.or(Some((index, segment)));
            past_end_count = past_end_count.saturating_add(1);
        }
        if !segment.is_load() {
            continue;
        }
        let name = format!("PT_LOAD {index}").into_boxed_str();
        let span = Span::new(segment.p_offset, end).intersect(input.whole());
        let (write, execute) = (segment.has(elf::PF_W), segment.has(elf::PF_X));
        out.fact(Fact::Segment {
            name,
            span,
            write,
            execute,
            kind: "segment",
        });
        if segment.p_filesz > segment.p_memsz && header.e_type != elf::ET_CORE && !debug_only {
            out.malformed(
                place,
                "elf: p_filesz exceeds p_memsz in a PT_LOAD (gABI, Program Header)",
            );
        }
        if segment.p_vaddr.checked_add(segment.p_memsz).is_none() {
            let message = "elf: a segment's end in memory overflows (gABI, Program Header)";
            out.finding(Finding::new(code::MALFORMED, place, message).case("crash"));
        }
        if segment.p_align > 1 && header.e_type != elf::ET_CORE && !debug_only {
            let (offset, address) = (
                segment.p_offset.checked_rem(segment.p_align),
                segment.p_vaddr.checked_rem(segment.p_align),
            );
            if !segment.p_align.is_power_of_two() {
                out.malformed(place, "elf: p_align is not a power of two (gABI, Program Header)");
            } else if segment.p_filesz > 0 && offset != address {
                let message = "elf: p_offset and p_vaddr differ modulo p_align (gABI, Program Header)";
                out.finding(Finding::new(code::MALFORMED, place, message).case("lenient"));
            }
        }
        if segment.p_vaddr < highest {
            misordered = misordered.or(Some(place));
        }
        highest = highest.max(segment.p_vaddr);
    }
    if let Some(place) = misordered {
        let message = "elf: PT_LOAD segments do not ascend by p_vaddr (gABI, Program Header)";
        out.finding(Finding::new(code::MALFORMED, place, message).case("lenient"));
    }
    if let Some((index, segment)) = past_end {
        let span = Span::saturating_at(segment.p_offset, segment.p_filesz).intersect(input.whole());
        let end = segment.p_offset.saturating_add(segment.p_filesz);
        let name = segment.type_name();
        let message = format!(
            "{past_end_count} segments lie past the end of the file ({} bytes), first {name} {index}, which ends at {end:#x}",
            input.len()
        );
        out.finding(Finding::new(code::TRUNCATED, span, message).key("segments"));
    }
}
