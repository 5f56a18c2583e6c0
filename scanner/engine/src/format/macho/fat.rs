//! Universal files (`mach-o/fat.h`): one image for each processor. All integers are big-endian.
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 4 | `magic`: `cafebabe`, or `cafebabf` for 64-bit entries |
//! | 4 | 4 | `nfat_arch` |
//! | 8 | 20 each | `cputype`, `cpusubtype`, `offset`, `size`, `align` (its logarithm) |
//! | 8 | 32 each | the same with 64-bit `offset` and `size`, and a reserved word, in `cafebabf` files |
//!
//! `cafebabe` is also the magic number of Java class files, whose next four bytes are a minor and a major version; no
//! class file has a major version below 45, no universal file so many images.

use super::disagree;
use super::fields::Fields;
use super::header::{self, Header};
use super::segment::{own_leaf, past_end};
use crate::finding::{Finding, code};
use crate::format::{Format, Input, Parse};
use crate::identify::{Match, Probe};
use crate::ledger::{Fill, Role};
use crate::span::Span;

/// The most images: one fewer than the lowest major version of a Java class file.
const MOST: u32 = 44;
/// The largest alignment, as a logarithm (`MAXSECTALIGN` of the linker).
const MOST_ALIGN: u32 = 15;

/// A universal file.
pub(in crate::format) struct Fat;

/// One entry of the table.
#[derive(Clone, Copy, Debug)]
struct Arch {
    cputype: u32,
    cpusubtype: u32,
    span: Span,
    align: u32,
    reserved: u32,
    entry: Span,
}

impl Arch {
    fn read(bytes: &[u8], wide: bool, entry: Span) -> Option<Self> {
        let fields = Fields::new(bytes, true);
        let (size, align) = if wide { (16usize, 24usize) } else { (12, 16) };
        let (offset, size) = (fields.word(8, wide)?, fields.word(size, wide)?);
        Some(Self {
            cputype: fields.u32(0)?,
            cpusubtype: fields.u32(4)?,
            span: Span::saturating_at(offset, size),
            align: fields.u32(align)?,
            reserved: if wide { fields.u32(28)? } else { 0 },
            entry,
        })
    }

    fn is_aligned(&self) -> bool {
        self.align <= MOST_ALIGN
            && 1u64
                .checked_shl(self.align)
                .is_some_and(|align| self.span.start().is_multiple_of(align))
    }
}

/// Whether the entries are 64 bits wide, and how many there should be.
fn start(head: &[u8]) -> Option<(bool, u32)> {
    let wide = match head.get(..4)? {
        [0xca, 0xfe, 0xba, 0xbe] => false,
        [0xca, 0xfe, 0xba, 0xbf] => true,
        _ => return None,
    };
    Some((wide, Fields::new(head, true).u32(4)?))
}

/// The entries in `head`, the start of the file; fewer than `count` when it is too short.
fn table(head: &[u8], wide: bool, count: u32) -> Vec<Arch> {
    let each = if wide { 32usize } else { 20 };
    let entries = head.get(8..).unwrap_or_default().chunks_exact(each);
    let mut place = Span::new(8, 8);
    let count = usize::try_from(count.min(MOST)).unwrap_or(0);
    let archs = entries.take(count).map_while(|bytes| {
        place = Span::saturating_at(place.end(), if wide { 32 } else { 20 });
        Arch::read(bytes, wide, place)
    });
    archs.collect()
}

impl Format for Fat {
    fn id(&self) -> &'static str {
        "macho-fat"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        if matches!(probe.head, [0xca, 0xfe, 0xba, 0xbe | 0xbf, rest @ ..] if rest.len() < 4) {
            return Some(Match::LIKELY);
        }
        let (wide, count) = start(probe.head)?;
        if count > MOST {
            // What would be the major version of a class file: a number that no compiler writes makes it a header that lies.
            let class = !wide && (45..=255).contains(&(count & 0xffff));
            return (!class).then_some(Match::LIKELY);
        }
        let archs = table(probe.head, wide, count);
        let whole = u32::try_from(archs.len()) == Ok(count) && count > 0;
        let end = archs.last().map_or(8, |a| a.entry.end());
        let sound = |a: &Arch| header::known_cpu(a.cputype) && a.is_aligned() && a.span.start() >= end;
        // The first image is seen when it starts within the probe.
        let image = archs
            .first()
            .and_then(|a| probe.head.get(usize::try_from(a.span.start()).ok()?..));
        let image = image.is_none_or(|bytes| bytes.len() < 8 || is_image(bytes));
        let certain = whole && image && archs.iter().all(sound);
        Some(if certain { Match::CERTAIN } else { Match::LIKELY })
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        let most = u64::from(MOST).saturating_mul(32).saturating_add(8);
        let head = match input.read_up_to(0, most) {
            Ok(head) => head,
            Err(fault) => return out.fault(&fault, "fat header"),
        };
        let Some((wide, count)) = start(&head) else {
            if head.len() < 8 {
                past_end(Span::new(0, 8), input, out, "fat header");
            } else {
                out.malformed(
                    Span::new(0, 4),
                    "fat: the magic number is neither of the two (mach-o/fat.h, fat_header)",
                );
            }
            return;
        };
        out.leaf(Span::new(0, 8), Role::Header, "fat_header");
        if count == 0 || count > MOST {
            out.malformed(
                Span::new(4, 8),
                "fat: nfat_arch is zero or implausible (mach-o/fat.h, fat_header)",
            );
        }
        // The entries of a table whose length is a lie are none.
        let archs = if count > MOST {
            Vec::new()
        } else {
            table(&head, wide, count)
        };
        let stated = Span::saturating_at(8, u64::from(count.min(MOST)).saturating_mul(if wide { 32 } else { 20 }));
        if stated.end() > input.len() {
            past_end(stated, input, out, "fat_arch table");
        }
        claim(&archs, stated.end(), input, out);
    }
}

fn claim(archs: &[Arch], table_end: u64, input: &Input<'_>, out: &mut Parse) {
    let mut names: Vec<String> = Vec::new();
    let mut named = Vec::new();
    for arch in archs {
        let mut name = header::arch_name(arch.cputype, arch.cpusubtype);
        check(arch, &name, table_end, input, out);
        if names.contains(&name) {
            out.malformed(arch.entry, "fat: two images for one processor (mach-o/fat.h, fat_arch)");
            name = format!("{name}@{:#x}", arch.span.start());
        }
        own_leaf(out, arch.entry, Role::Table, format!("fat_arch {name}"), None);
        names.push(name.clone());
        named.push((arch, name));
    }
    named.sort_by_key(|(arch, _)| (arch.span.start(), arch.span.end()));
    let mut end = table_end;
    let mut images = Vec::new();
    for (arch, name) in named {
        let inside = arch.span.intersect(input.whole());
        if inside.is_empty() {
            continue;
        }
        let pad = Span::new(end, inside.start());
        if !pad.is_empty() {
            out.padding(pad, Fill::Zero, format!("padding before {name}"));
        }
        check_image(arch, inside, &name, input, out);
        images.extend(disagree::Image::read(input, inside, &name));
        out.slice(inside, name, true);
        end = end.max(inside.end());
    }
    disagree::compare(&images, out);
}

fn check(arch: &Arch, name: &str, table_end: u64, input: &Input<'_>, out: &mut Parse) {
    if !header::known_cpu(arch.cputype) {
        out.malformed(arch.entry, "fat: unknown cputype (mach/machine.h)");
    }
    if !arch.is_aligned() {
        out.malformed(
            arch.entry,
            "fat: an image is not at a multiple of its alignment (mach-o/fat.h, fat_arch)",
        );
    }
    if arch.span.start() < table_end {
        out.malformed(
            arch.entry,
            "fat: an image starts inside the table (mach-o/fat.h, fat_arch)",
        );
    }
    if arch.span.is_empty() {
        out.malformed(arch.entry, "fat: an image of no bytes (mach-o/fat.h, fat_arch)");
    }
    if arch.reserved != 0 {
        out.malformed(
            arch.entry,
            "fat: the reserved word is not zero (mach-o/fat.h, fat_arch_64)",
        );
    }
    if arch.span.end() > input.len() {
        past_end(arch.span, input, out, &format!("image {name}"));
    }
}

/// Whether the bytes start like what a universal file may hold: an image, a static library, LLVM bitcode.
fn is_image(bytes: &[u8]) -> bool {
    header::magic(bytes).is_some()
        || bytes.starts_with(b"!<arch>\n")
        || bytes.starts_with(b"BC\xc0\xde")
        || bytes.starts_with(b"\xde\xc0\x17\x0b")
}

/// The image's own header says which processor it is for, too.
fn check_image(arch: &Arch, inside: Span, name: &str, input: &Input<'_>, out: &mut Parse) {
    let head = match input.read_up_to(inside.start(), inside.len().min(32)) {
        Ok(head) => head,
        Err(fault) => return out.fault(&fault, &format!("image {name}")),
    };
    if !is_image(&head) {
        if arch.span.end() <= input.len() || head.len() >= 8 {
            let rule = "fat: an image is neither Mach-O nor a static library nor bitcode (mach-o/fat.h, fat_arch)";
            out.malformed(Span::saturating_at(inside.start(), 8).intersect(inside), rule);
        }
        return;
    }
    let Some(header) = Header::read(&head) else { return };
    // Only the lower three bytes tell processors apart; the highest holds capabilities such as pointer authentication.
    let differs = header.cputype != arch.cputype || (header.cpusubtype ^ arch.cpusubtype) & 0x00ff_ffff != 0;
    if differs {
        let own = header::arch_name(header.cputype, header.cpusubtype);
        let message = format!("the table says the image is {name}, its own header says {own}");
        let span = Span::saturating_at(inside.start().saturating_add(4), 8);
        let finding =
            Finding::new(code::HEADER_MISMATCH, span, message).related(format!("fat_arch {name}"), arch.entry);
        out.finding(finding.evidence("table", name).evidence("header", own).key("cputype"));
    }
}
