//! `segment_command`, `segment_command_64` and their `section`s (`mach-o/loader.h`).
//!
//! | offset (32) | offset (64) | field |
//! | --- | --- | --- |
//! | 8 | 8 | `segname`, 16 bytes |
//! | 24 | 24 | `vmaddr`, then `vmsize`, `fileoff`, `filesize`, each a word |
//! | 40 | 56 | `maxprot`, `initprot`, `nsects`, `flags` |
//! | 56 | 72 | the sections, 68 or 80 bytes each |
//!
//! | offset (32) | offset (64) | field of a section |
//! | --- | --- | --- |
//! | 0 | 0 | `sectname`, 16 bytes; `segname`, 16 bytes |
//! | 32 | 32 | `addr`, `size`, each a word |
//! | 40 | 48 | `offset`, `align`, `reloff`, `nreloc`, `flags`, two or three reserved words |
//!
//! A segment is a parent; its sections are the leaves. A segment without sections is mapped as it stands and is one
//! leaf, except `__LINKEDIT`, whose parts other load commands name.

use super::command::Command;
use super::fields::Fields;
use super::header::Header;
use crate::fact::Fact;
use crate::format::{Input, Parse, ReadFault};
use crate::ledger::{Region, RegionId, Role};
use crate::name::printable;
use crate::span::Span;
use object::macho as raw;

/// One segment.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) name: String,
    /// Its bytes in the file, as stated.
    pub(super) file: Span,
    /// Its addresses.
    pub(super) vm: Span,
    pub(super) id: RegionId,
    pub(super) execute: bool,
}

impl Segment {
    /// Whether other load commands name its parts.
    pub(super) fn is_linkedit(&self) -> bool {
        self.name == "__LINKEDIT"
    }
}

/// One section that has bytes in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Section {
    pub(super) file: Span,
    /// The alignment's logarithm.
    pub(super) align: u32,
    /// Whether it holds instructions.
    pub(super) instructions: bool,
    /// Its segment, and whether that is mapped executable.
    pub(super) segment: RegionId,
    execute: bool,
}

/// A table of relocations, claimed with the other tables.
pub(super) struct Relocations {
    pub(super) span: Span,
    pub(super) section: String,
}

/// Everything the segment commands say.
#[derive(Default)]
pub(super) struct Layout {
    pub(super) segments: Vec<Segment>,
    pub(super) sections: Vec<Section>,
    pub(super) relocations: Vec<Relocations>,
}

impl Layout {
    /// The file offset of the byte that is mapped at `address`.
    pub(super) fn offset_of(&self, address: u64) -> Option<u64> {
        let segment = self.segments.iter().find(|s| s.vm.contains(address))?;
        let offset = segment
            .file
            .start()
            .checked_add(address.checked_sub(segment.vm.start())?)?;
        segment.file.contains(offset).then_some(offset)
    }

    /// Whether a section with instructions holds the byte at `offset`.
    pub(super) fn is_code(&self, offset: u64) -> bool {
        self.sections
            .iter()
            .any(|s| s.instructions && s.execute && s.file.contains(offset))
    }
}

/// Reads one segment command and claims its sections.
pub(super) fn claim(header: &Header, command: &Command<'_>, input: &Input<'_>, out: &mut Parse, layout: &mut Layout) {
    let wide = command.cmd == raw::LC_SEGMENT_64;
    if wide != header.wide {
        let rule = "mach-o: a segment command of the other word size (mach-o/loader.h, segment_command)";
        out.malformed(command.span, rule);
    }
    let Some(stated) = Stated::read(&command.fields, wide) else {
        return;
    };
    let Stated {
        name,
        vmaddr,
        vmsize,
        file,
        initprot,
        nsects,
    } = stated;
    let label = if name.is_empty() {
        "(unnamed segment)".to_owned()
    } else {
        printable(name)
    };
    let execute = initprot & raw::VM_PROT_EXECUTE != 0;
    let id = out.parent(file, if execute { Role::Code } else { Role::Data }, label.clone());
    if !name.is_empty() {
        let (raw, length) = (name.into(), u64::try_from(name.len()).unwrap_or(u64::MAX));
        let span = Span::saturating_at(command.span.start().saturating_add(8), length);
        out.fact(Fact::Name {
            what: "segment",
            raw,
            length,
            span,
        });
    }
    if file.end() > input.len() {
        past_end(file, input, out, &format!("segment {label}"));
    }
    // Go leaves the debugging information of a program in the file and out of memory.
    let unmapped = vmsize == 0 && initprot == 0 && label.starts_with("__DWARF");
    if file.len() > vmsize && !unmapped {
        out.malformed(
            command.span,
            "mach-o: filesize is more than vmsize (mach-o/loader.h, segment_command)",
        );
    }
    if !header.is_object() && vmsize > 0 {
        let write = initprot & raw::VM_PROT_WRITE != 0;
        let name = label.clone().into_boxed_str();
        out.fact(Fact::Segment {
            name,
            span: file.intersect(input.whole()),
            write,
            execute,
            kind: "segment",
        });
    }
    let vm = Span::saturating_at(vmaddr, vmsize);
    let segment = Segment {
        name: label,
        file,
        vm,
        id,
        execute,
    };
    let (first, each) = if wide { (72usize, 80usize) } else { (56, 68) };
    let table = command.fields.bytes.get(first..).unwrap_or_default();
    let exact = usize::try_from(nsects).ok().and_then(|n| n.checked_mul(each)) == Some(table.len());
    if !exact {
        out.malformed(
            command.span,
            "mach-o: nsects and cmdsize disagree (mach-o/loader.h, segment_command)",
        );
    }
    // Bounded by the bytes of the command, whatever `nsects` says.
    let count = usize::try_from(nsects).unwrap_or(usize::MAX);
    for bytes in table.chunks_exact(each).take(count) {
        section(
            header,
            &segment,
            Fields::new(bytes, header.big),
            wide,
            command.span,
            input,
            out,
            layout,
        );
    }
    if nsects == 0 && !file.is_empty() && !segment.is_linkedit() {
        let role = if execute { Role::Code } else { Role::Data };
        own_leaf(out, file, role, format!("{} content", segment.name), Some(id));
    }
    layout.segments.push(segment);
}

/// The fixed part of a segment command.
struct Stated<'a> {
    name: &'a [u8],
    vmaddr: u64,
    vmsize: u64,
    file: Span,
    initprot: u32,
    nsects: u32,
}

impl<'a> Stated<'a> {
    fn read(fields: &Fields<'a>, wide: bool) -> Option<Self> {
        let (words, flags) = if wide {
            ([24usize, 32, 40, 48], 56usize)
        } else {
            ([24, 28, 32, 36], 40)
        };
        let [vmaddr, vmsize, fileoff, filesize] = words.map(|at| fields.word(at, wide));
        Some(Self {
            name: fields.name(8)?,
            vmaddr: vmaddr?,
            vmsize: vmsize?,
            file: Span::saturating_at(fileoff?, filesize?),
            initprot: fields.u32(flags.checked_add(4)?)?,
            nsects: fields.u32(flags.checked_add(8)?)?,
        })
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "a section is read in the context of its segment, command and file"
)]
fn section(
    header: &Header,
    segment: &Segment,
    fields: Fields<'_>,
    wide: bool,
    place: Span,
    input: &Input<'_>,
    out: &mut Parse,
    layout: &mut Layout,
) {
    let read = || {
        let (size, rest) = if wide { (40usize, 48usize) } else { (36, 40) };
        let addr = fields.word(32, wide)?;
        let size = fields.word(size, wide)?;
        let offset = fields.u32(rest)?;
        let align = fields.u32(rest.checked_add(4)?)?;
        let relocations = fields.table(rest.checked_add(8)?, 8)?;
        let flags = fields.u32(rest.checked_add(16)?)?;
        Some((
            fields.name(0)?,
            fields.name(16)?,
            [addr, size, offset.into()],
            align,
            relocations,
            flags,
        ))
    };
    let Some((sectname, segname, [addr, size, offset], align, relocations, flags)) = read() else {
        return;
    };
    let name = format!("{},{}", printable(segname), printable(sectname));
    if !relocations.is_empty() {
        layout.relocations.push(Relocations {
            span: relocations,
            section: name.clone(),
        });
    }
    // A companion file with debugging information keeps the sections of its executable without their bytes.
    let zerofill = matches!(
        flags & raw::SECTION_TYPE,
        raw::S_ZEROFILL | raw::S_GB_ZEROFILL | raw::S_THREAD_LOCAL_ZEROFILL
    );
    if zerofill || size == 0 || segment.file.is_empty() {
        return;
    }
    let file = Span::saturating_at(offset, size);
    if !segment.file.encloses(file) {
        let rule = "mach-o: a section lies outside its segment (mach-o/loader.h, section)";
        let finding = crate::finding::Finding::new(crate::finding::code::MALFORMED, place, rule);
        out.finding(finding.key(rule).evidence("section", name.as_str()));
    } else if !header.is_object()
        && addr.checked_sub(segment.vm.start()) != file.start().checked_sub(segment.file.start())
    {
        // Only the segment is mapped: whoever trusts the section's offset would look at other bytes than run.
        let rule = "mach-o: a section's offset is not where its address is mapped from (mach-o/loader.h, section)";
        let finding = crate::finding::Finding::new(crate::finding::code::MALFORMED, place, rule);
        out.finding(finding.key(rule).evidence("section", name.as_str()));
    }
    if file.end() > input.len() && segment.file.end() <= input.len() {
        past_end(file, input, out, &format!("section {name}"));
    }
    let code = flags & (raw::S_ATTR_PURE_INSTRUCTIONS | raw::S_ATTR_SOME_INSTRUCTIONS) != 0;
    layout.sections.push(Section {
        file,
        align,
        instructions: code,
        segment: segment.id,
        execute: segment.execute,
    });
    // Where Bun, postject and libsui put what they embed.
    let carried = match (segname, sectname) {
        (b"__BUN", b"__bun") => Some("__bun"),
        (b"NODE_SEA", _) => Some("NODE_SEA_BLOB"),
        (b"__SUI", _) => Some("d3n0l4nd"),
        _ => None,
    };
    if let Some(child) = carried {
        let inside = file.intersect(input.whole());
        if !inside.is_empty() {
            let id = out.slice(inside, child, true);
            if let Some(region) = out.region_mut(id) {
                region.parent = Some(segment.id);
            }
        }
        return;
    }
    own_leaf(out, file, role(segname, sectname, flags, code), name, Some(segment.id));
}

fn role(segname: &[u8], sectname: &[u8], flags: u32, code: bool) -> Role {
    match (flags & raw::SECTION_TYPE, sectname) {
        _ if code => Role::Code,
        (raw::S_SYMBOL_STUBS, _) => Role::Code,
        (raw::S_CSTRING_LITERALS, _) => Role::Strings,
        (_, b"__info_plist" | b"__launchd_plist" | b"__entitlements") => Role::Metadata,
        (_, b"__unwind_info" | b"__eh_frame" | b"__gcc_except_tab" | b"__gopclntab") => Role::Table,
        _ if segname == b"__DWARF" => Role::Metadata,
        _ => Role::Data,
    }
}

/// Claims a leaf under `parent`.
pub(super) fn own_leaf(out: &mut Parse, span: Span, role: Role, name: String, parent: Option<RegionId>) {
    out.region(Region {
        span,
        role,
        name: name.into(),
        parent,
        leaf: true,
        fill: None,
        shares: None,
    });
}

/// Reports a structure that runs past the end of the file.
pub(super) fn past_end(span: Span, input: &Input<'_>, out: &mut Parse, what: &str) {
    let fault = ReadFault::PastEnd {
        offset: span.start(),
        wanted: span.len(),
        length: input.len(),
    };
    out.fault(&fault, what);
}
