//! Mach-O: thin images (`mach-o/loader.h`), universal files (`mach-o/fat.h`) and the blobs of a code signature
//! (`cs_blobs.h`).
//!
//! | bytes | what |
//! | --- | --- |
//! | 0 | `mach_header`: 28 or 32 bytes |
//! | then | `ncmds` load commands, `sizeofcmds` bytes |
//! | then | zero fill to the first section: room for commands that are added later |
//! | each segment | its sections, with zero fill between them |
//! | `__LINKEDIT` | the tables other commands name, last of them the code signature |
//!
//! Segments are parents, sections and tables leaves. It does not read symbols, binding opcodes or tries, does not check
//! a digest or a signature, and does not follow the images of a kernel collection.

mod build;
mod command;
mod disagree;
mod entry;
mod fat;
mod fields;
mod header;
mod linkedit;
mod second;
mod segment;
mod signature;
mod slots;
#[cfg(test)]
mod tests;

pub(super) use fat::Fat;

use super::{Format, Input, Parse, bun, bundle};
use crate::fact::{CodeSignature, Fact, LibraryAsk};
use crate::identify::{Match, Probe};
use crate::ledger::{Fill, Region, Role};
use crate::name::printable;
use crate::span::Span;
use command::Command;
use header::Header;
use object::macho as raw;
use segment::{Layout, past_end};

/// A thin Mach-O image.
pub(super) struct MachO;

impl Format for MachO {
    fn id(&self) -> &'static str {
        "macho"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        header::magic(probe.head)?;
        match Header::read(probe.head) {
            Some(header) if header.agrees() => Some(Match::CERTAIN),
            _ => Some(Match::LIKELY),
        }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        let head = match input.read_up_to(0, 32) {
            Ok(head) => head,
            Err(fault) => return out.fault(&fault, "mach-o header"),
        };
        let Some(header) = Header::read(&head) else {
            if header::magic(&head).is_some() {
                past_end(Span::new(0, 32), input, out, "mach-o header");
            } else {
                out.malformed(
                    Span::new(0, 4),
                    "mach-o: the magic number is none of the four (mach-o/loader.h, mach_header)",
                );
            }
            return;
        };
        out.leaf(Span::new(0, header.size()), Role::Header, "mach_header");
        check_header(&header, out);
        let stated = Span::saturating_at(header.size(), u64::from(header.sizeofcmds));
        if stated.end() > input.len() {
            past_end(stated, input, out, "load commands");
        }
        let bytes = match input.read_up_to(stated.start(), stated.len().min(command::MOST_BYTES)) {
            Ok(bytes) => bytes,
            Err(fault) => return out.fault(&fault, "load commands"),
        };
        if stated.len() > command::MOST_BYTES {
            let message = format!("{} bytes of load commands: only the first were examined", stated.len());
            let error = crate::finding::ScanError::new(crate::finding::ErrorCode::LimitExceeded, message);
            out.error(error.at(stated.start()));
        }
        let commands = command::walk(&header, &bytes, out);
        image(&header, &commands, stated, input, out);
        bun::claim_appended(input, out);
        if let Some(start) = bundle::appended::claim_in_strings(input, out) {
            slots::under_files(start, input, out);
        }
        build::describe(&header, &commands, input, out);
        bundle::appended::claim(input, input.len(), out);
        second::compare(&header, &head, &bytes, &commands, out);
    }

    fn extensions(&self) -> &'static [&'static str] {
        &[]
    }
}

fn check_header(header: &Header, out: &mut Parse) {
    if !header::known_cpu(header.cputype) {
        out.malformed(Span::new(4, 8), "mach-o: unknown cputype (mach/machine.h)");
    } else if (header.cputype & raw::CPU_ARCH_ABI64 != 0) != header.wide {
        out.malformed(
            Span::new(0, 8),
            "mach-o: magic and cputype disagree on the word size (mach-o/loader.h, mach_header)",
        );
    }
    if !matches!(header.filetype, 1..=15) {
        out.malformed(
            Span::new(12, 16),
            "mach-o: unknown filetype (mach-o/loader.h, mach_header)",
        );
    }
    if header.ncmds == 0 {
        out.malformed(
            Span::new(16, 20),
            "mach-o: no load commands (mach-o/loader.h, mach_header)",
        );
    }
}

/// Claims the commands and everything they name.
fn image(header: &Header, commands: &[Command<'_>], stated: Span, input: &Input<'_>, out: &mut Parse) {
    let mut layout = Layout::default();
    let (mut pieces, mut entries, mut signatures) = (Vec::new(), Vec::new(), Vec::new());
    let mut once: Vec<u32> = Vec::new();
    for command in commands {
        claim_command(command, out);
        if is_single(command.cmd) {
            if once.contains(&command.cmd) {
                let rule = format!("mach-o: {} stands twice (mach-o/loader.h)", command.name());
                out.malformed(command.span, &rule);
            }
            once.push(command.cmd);
        }
        match command.cmd {
            raw::LC_SEGMENT | raw::LC_SEGMENT_64 => segment::claim(header, command, input, out, &mut layout),
            raw::LC_CODE_SIGNATURE => signatures.extend(command.fields.extent(8).map(|data| (command.span, data))),
            _ => linkedit::collect(header, command, &mut pieces, out),
        }
        entries.extend(entry::Entry::read(header, command).map(|e| (e, command.span)));
    }
    segments_apart(&layout, out);
    entry::emit(&entries, &layout, out);
    let last = pieces.iter().filter(|p| !p.span.is_empty()).map(|p| p.span.end()).max();
    linkedit::claim(pieces, &layout, input, out);
    let mut signed = None;
    for (command, span) in signatures {
        if last.is_some_and(|end| end > span.start()) {
            out.malformed(
                span,
                "mach-o: the code signature is not the last of the linkedit data (codesign, strict validation)",
            );
        }
        let left = signature::claim(span, &layout, input, out);
        signed.get_or_insert((command, span.intersect(input.whole()), left));
    }
    code_fill(header, &mut layout, out);
    header_pad(stated, &layout, out);
    if let Some((command, data, left)) = signed.filter(|(_, data, _)| !data.is_empty()) {
        let fact = described(Span::new(command.end(), stated.end()), data, left, out);
        out.fact(Fact::CodeSignature(Box::new(fact)));
    }
}

/// The signature in `data`, for those who verify it; `later` is the room of the commands behind its own.
fn described(later: Span, data: Span, left: signature::Left, out: &Parse) -> CodeSignature {
    /// The most leaves and commands that are named: the largest images have about a thousand.
    const MOST: usize = 4096;
    let leaves = || out.view().leaves().filter(|r| !r.span.is_empty());
    let plist = leaves().find(|r| r.role == Role::Metadata && &*r.name == "__TEXT,__info_plist");
    let behind = leaves().filter(|r| r.role == Role::Table && later.encloses(r.span));
    CodeSignature {
        data,
        leftover: left.slots,
        earlier: left.earlier,
        info_plist: plist.map(|r| r.span),
        parts: leaves().take(MOST).map(|r| (r.span, r.name.clone())).collect(),
        after: behind.take(MOST).map(|r| r.name.clone()).collect(),
    }
}

/// Commands of which the loader uses one.
fn is_single(cmd: u32) -> bool {
    matches!(
        cmd,
        raw::LC_SYMTAB
            | raw::LC_DYSYMTAB
            | raw::LC_DYLD_INFO
            | raw::LC_DYLD_INFO_ONLY
            | raw::LC_CODE_SIGNATURE
            | raw::LC_UUID
            | raw::LC_ID_DYLIB
            | raw::LC_LOAD_DYLINKER
            | raw::LC_DYLD_CHAINED_FIXUPS
            | raw::LC_DYLD_EXPORTS_TRIE
            | raw::LC_ENCRYPTION_INFO
            | raw::LC_ENCRYPTION_INFO_64
    )
}

/// Claims one command: its bytes up to and with its string, then its fill.
fn claim_command(command: &Command<'_>, out: &mut Parse) {
    let name = command.name();
    let at = match command.cmd {
        raw::LC_LOAD_DYLIB
        | raw::LC_LOAD_WEAK_DYLIB
        | raw::LC_REEXPORT_DYLIB
        | raw::LC_LAZY_LOAD_DYLIB
        | raw::LC_LOAD_UPWARD_DYLIB
        | raw::LC_ID_DYLIB
        | raw::LC_LOADFVMLIB
        | raw::LC_IDFVMLIB
        | raw::LC_LOAD_DYLINKER
        | raw::LC_ID_DYLINKER
        | raw::LC_DYLD_ENVIRONMENT
        | raw::LC_RPATH
        | raw::LC_TARGET_TRIPLE
        | raw::LC_SUB_FRAMEWORK
        | raw::LC_SUB_CLIENT
        | raw::LC_SUB_UMBRELLA
        | raw::LC_SUB_LIBRARY => 8,
        raw::LC_SEGMENT | raw::LC_SEGMENT_64 => {
            let segname = command.fields.name(8).map(printable).unwrap_or_default();
            out.leaf(command.span, Role::Table, format!("{name} {segname}").trim_end());
            return;
        }
        _ => {
            out.leaf(command.span, Role::Table, name);
            return;
        }
    };
    let Some((text, span)) = command.string(at) else {
        let rule = format!("mach-o: the string of {name} lies outside the command (mach-o/loader.h, lc_str)");
        out.malformed(command.span, &rule);
        out.leaf(command.span, Role::Table, name);
        return;
    };
    let shown = printable(text);
    if matches!(
        command.cmd,
        raw::LC_LOAD_DYLIB
            | raw::LC_LOAD_WEAK_DYLIB
            | raw::LC_REEXPORT_DYLIB
            | raw::LC_LAZY_LOAD_DYLIB
            | raw::LC_LOAD_UPWARD_DYLIB
            | raw::LC_LOADFVMLIB
            | raw::LC_RPATH
    ) {
        out.fact(Fact::Import {
            library: shown.clone().into(),
            span,
        });
    }
    let asked = match command.cmd {
        raw::LC_LOAD_DYLINKER => Some(LibraryAsk::Loader),
        raw::LC_RPATH => Some(LibraryAsk::Directory),
        raw::LC_ID_DYLIB
        | raw::LC_ID_DYLINKER
        | raw::LC_DYLD_ENVIRONMENT
        | raw::LC_TARGET_TRIPLE
        | raw::LC_SUB_FRAMEWORK
        | raw::LC_SUB_CLIENT
        | raw::LC_SUB_UMBRELLA
        | raw::LC_SUB_LIBRARY => None,
        _ => Some(LibraryAsk::Library),
    };
    if let Some(asked) = asked {
        out.fact(Fact::LibraryPath {
            asked,
            path: text.into(),
            span,
        });
    }
    let end = span.end().saturating_add(1).min(command.span.end());
    out.leaf(
        Span::new(command.span.start(), end),
        Role::Table,
        format!("{name} {shown}"),
    );
    let fill = Span::new(end, command.span.end());
    if !fill.is_empty() {
        out.padding(fill, Fill::Zero, format!("{name} fill"));
    }
}

/// Two segments that are mapped from the same bytes of the file.
fn segments_apart(layout: &Layout, out: &mut Parse) {
    let mut order: Vec<_> = layout.segments.iter().filter(|s| !s.file.is_empty()).collect();
    order.sort_by_key(|s| s.file.start());
    for pair in order.windows(2) {
        if let [a, b] = pair
            && a.file.overlaps(b.file)
        {
            let rule = format!(
                "mach-o: segments {} and {} share bytes of the file (dyld, segments overlap)",
                a.name, b.name
            );
            out.malformed(a.file.intersect(b.file), &rule);
        }
    }
}

/// The room between the load commands and what comes first after them.
fn header_pad(stated: Span, layout: &Layout, out: &mut Parse) {
    let Some(home) = layout.segments.iter().find(|s| s.file.contains(stated.start())) else {
        return;
    };
    let (id, limit) = (home.id, home.file.end());
    let next = out
        .view()
        .leaves()
        .filter(|r| !r.span.is_empty())
        .map(|r| r.span.start());
    let next = next
        .filter(|start| *start >= stated.end())
        .min()
        .unwrap_or(limit)
        .min(limit);
    let pad = Span::new(stated.end(), next);
    if !pad.is_empty() {
        let name = "load command padding".into();
        let fill = Some(Fill::Zero);
        out.region(Region {
            span: pad,
            role: Role::Padding,
            name,
            parent: Some(id),
            leaf: true,
            fill,
            shares: None,
        });
    }
}

/// Assemblers for x86 fill the space before an aligned section that follows instructions with one-byte `nop`s.
fn code_fill(header: &Header, layout: &mut Layout, out: &mut Parse) {
    /// No longer fill occurs before sections of instructions; a longer one could carry a message.
    const LONGEST: u64 = 64;
    const NOPS: Fill = Fill::AnyOf(&[0x90, 0]);
    if !matches!(header.cputype, raw::CPU_TYPE_X86 | raw::CPU_TYPE_X86_64) {
        return;
    }
    layout.sections.sort_by_key(|s| s.file);
    for pair in layout.sections.windows(2) {
        let [before, after] = pair else { continue };
        let gap = Span::new(before.file.end(), after.file.start());
        let aligned = 1u64
            .checked_shl(after.align)
            .is_some_and(|align| gap.len() < align.min(LONGEST));
        if before.instructions && before.segment == after.segment && aligned && !gap.is_empty() {
            let (fill, name, parent) = (Some(NOPS), "code alignment".into(), Some(before.segment));
            out.region(Region {
                span: gap,
                role: Role::Padding,
                name,
                parent,
                leaf: true,
                fill,
                shares: None,
            });
        }
    }
}
