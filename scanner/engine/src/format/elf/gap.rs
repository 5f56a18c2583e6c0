//! Bytes between and behind the sections that still have an explanation.
//!
//! Linkers leave nothing but zeros there. Tools that rewrite finished files do leave things, and each of them is
//! recognised by its content, never by its place alone: patchelf overwrites what it moved with `X`, since 0.18 with `Z`; LIEF (postject, so
//! every Node SEA) leaves the old program headers and notes where they were; Bun leaves the eight bytes that hold the
//! address of its payload; BOLT leaves the functions it has moved. Behind the end stand the signature of a kernel module and an appended Bun payload. What is
//! not recognised stays unclaimed.

use super::claim::Parents;
use super::header::{Fields, Header};
use super::payload;
use super::section::{Section, Sections};
use super::segment::{Segment, Segments};
use crate::finding::{ErrorCode, ScanError};
use crate::format::{Input, Parse, bun, bundle};
use crate::ledger::{Fill, Role};
use crate::span::{Span, SpanSet};
use object::elf;

/// Gaps that are looked at.
const MOST_GAPS: usize = 4096;
/// Bytes of all gaps together that are looked at.
const BUDGET: u64 = 16 << 20;
/// Bytes looked at in one gap.
const MOST_OF_GAP: u64 = 4 << 20;
/// Things recognised in one gap.
const MOST_PARTS: usize = 64;
/// Notes walked in all segments together.
const MOST_NOTES: usize = 4096;
/// Headers that a stale one is compared with.
const MOST_HEADERS: usize = 256;
/// Payload sections of one file.
const MOST_PAYLOADS: usize = 16;
/// A note that no section names is claimed up to this many bytes, unless a bundler is known to write it.
const SMALL_NOTE: u64 = 4096;

/// The tables a gap is held against.
pub(super) struct Known<'t, 'a> {
    header: &'t Header,
    sections: &'t Sections<'a>,
    segments: &'t Segments<'a>,
    parents: &'t Parents,
    /// Addresses of payload sections.
    payloads: Vec<u64>,
    /// Whether BOLT moved the functions: the old ones stay where they were, between the sections.
    rewritten: bool,
}

impl<'t, 'a> Known<'t, 'a> {
    pub(super) fn new(
        header: &'t Header,
        sections: &'t Sections<'a>,
        segments: &'t Segments<'a>,
        parents: &'t Parents,
    ) -> Self {
        let payload = sections.list.iter().filter(|s| sections.name(s) == Some(b".bun"));
        let payloads = payload.map(|s| s.sh_addr).take(MOST_PAYLOADS).collect();
        let bolt = |name: &[u8]| name == b".bolt.org.text" || name == b".note.bolt_info";
        let rewritten = sections.list.iter().any(|s| sections.name(s).is_some_and(bolt));
        Self {
            header,
            sections,
            segments,
            parents,
            payloads,
            rewritten,
        }
    }

    /// Whether `gap` is mapped with instructions on both sides of it.
    fn is_code(&self, gap: Span) -> bool {
        let mut segments = self.segments.list.iter().filter(|s| s.p_type == elf::PT_LOAD);
        segments.any(|s| s.p_flags & elf::PF_X != 0 && s.span().is_some_and(|span| span.encloses(gap)))
    }
}

/// Claims what can be explained.
pub(super) fn explain(input: &Input<'_>, known: &Known<'_, '_>, out: &mut Parse) {
    note_segments(input, known, out);
    let mut budget = BUDGET;
    let gaps: Vec<Span> = unclaimed(input, out).iter().collect();
    for gap in gaps.iter().take(MOST_GAPS) {
        if gap.end() == input.len() {
            behind(input, *gap, out);
        }
    }
    for gap in unclaimed(input, out).iter().take(MOST_GAPS) {
        let near = gap.len().min(MOST_OF_GAP).min(budget);
        budget = budget.saturating_sub(near);
        let Ok(bytes) = input.read_up_to(gap.start(), near) else {
            return;
        };
        let recognised = inside(known, gap, &bytes, out);
        if recognised.is_empty() && known.rewritten && known.is_code(gap) && bytes.iter().any(|b| *b != 0) {
            let id = out.leaf(gap, Role::Code, "code left behind by BOLT");
            known.parents.adopt(id, gap, out);
            continue;
        }
        zeros(input, gap, &bytes, recognised, out);
    }
}

/// Zeros that were seen are claimed here, so that they are accounted for at `--depth quick` too. What stands at the end
/// is left: the end of an ELF file is not padded.
fn zeros(input: &Input<'_>, gap: Span, bytes: &[u8], recognised: Vec<Span>, out: &mut Parse) {
    for part in SpanSet::from_spans(recognised).complement(gap).iter() {
        let from = usize::try_from(part.start().saturating_sub(gap.start())).unwrap_or(usize::MAX);
        let to = usize::try_from(part.end().saturating_sub(gap.start())).unwrap_or(usize::MAX);
        let zero = bytes.get(from..to).is_some_and(|part| part.iter().all(|b| *b == 0));
        if zero && part.end() < input.len() {
            out.padding(part, Fill::Zero, "zero fill");
        }
    }
}

fn unclaimed(input: &Input<'_>, out: &Parse) -> SpanSet {
    SpanSet::from_spans(out.view().leaves().map(|r| r.span)).complement(input.whole())
}

/// Claims what is recognised in a gap; its spans.
fn inside(known: &Known<'_, '_>, gap: Span, bytes: &[u8], out: &mut Parse) -> Vec<Span> {
    let mut claimed = Vec::new();
    let mut at = 0usize;
    while claimed.len() < MOST_PARTS {
        let rest = bytes.get(at..).unwrap_or_default();
        let Some(zeros) = rest.iter().position(|b| *b != 0) else {
            break;
        };
        let from = at.saturating_add(zeros);
        let Some((start, length, role, name)) = part(known, gap, bytes, from) else {
            break;
        };
        let offset = gap.start().saturating_add(u64::try_from(start).unwrap_or(u64::MAX));
        let span = Span::saturating_at(offset, u64::try_from(length).unwrap_or(u64::MAX)).intersect(gap);
        let id = match role {
            Role::Padding => {
                let fill: &'static [u8] = if bytes.get(start) == Some(&b'X') {
                    b"X\0"
                } else {
                    b"Z\0"
                };
                out.padding(span, Fill::AnyOf(fill), name)
            }
            role => out.leaf(span, role, name),
        };
        known.parents.adopt(id, span, out);
        claimed.push(span);
        at = start.saturating_add(length.max(1));
    }
    claimed
}

/// What stands at the first byte that is not zero: where it starts, its length, role and name.
fn part(known: &Known<'_, '_>, gap: Span, bytes: &[u8], from: usize) -> Option<(usize, usize, Role, &'static str)> {
    let rest = bytes.get(from..)?;
    let letter = *rest.first()?;
    if matches!(letter, b'X' | b'Z') && rest.iter().take(4).all(|b| *b == letter) {
        let run = rest.iter().take_while(|b| matches!(**b, 0) || **b == letter).count();
        let last = rest.get(..run)?.iter().rposition(|b| *b == letter)?;
        return Some((from, last.saturating_add(1), Role::Padding, "patchelf fill"));
    }
    // Structures are aligned in the file; leading zero bytes of a field belong to them.
    let offset = gap.start().saturating_add(u64::try_from(from).ok()?);
    [7u64, 3].into_iter().find_map(|mask| {
        let start = usize::try_from((offset & !mask).checked_sub(gap.start())?).ok()?;
        let (length, role, name) = recognise(known, bytes.get(start..)?)?;
        Some((start, length, role, name))
    })
}

/// What the bytes are, and how many of them.
fn recognise(known: &Known<'_, '_>, bytes: &[u8]) -> Option<(usize, Role, &'static str)> {
    if let Some(length) = pointer(known, bytes) {
        return Some((length, Role::Metadata, "address of the payload"));
    }
    if let Some(length) = stale_segments(known, bytes) {
        return Some((length, Role::Table, "old program headers"));
    }
    if let Some(length) = stale_sections(known, bytes) {
        return Some((length, Role::Table, "old section headers"));
    }
    let length = stale_notes(known, bytes)?;
    Some((length, Role::Metadata, "old notes"))
}

/// The address at which the payload is loaded.
fn pointer(known: &Known<'_, '_>, bytes: &[u8]) -> Option<usize> {
    let layout = known.header.layout;
    let value = Fields::new(bytes, layout).word()?;
    if !known.payloads.contains(&value) {
        return None;
    }
    usize::try_from(layout.word()).ok()
}

/// Program headers that say what the ones in use say, but for what was moved.
fn stale_segments(known: &Known<'_, '_>, bytes: &[u8]) -> Option<usize> {
    let layout = known.header.layout;
    let step = usize::from(layout.segment_size());
    let (mut seen, mut same) = (0usize, 0usize);
    for raw in bytes.chunks_exact(step).take(128) {
        let Some(segment) = Segment::parse(raw, layout) else {
            break;
        };
        let of_type = |s: &&Segment| s.p_type == segment.p_type;
        let sane = segment.p_flags <= 7 && (segment.p_align == 0 || segment.p_align.is_power_of_two());
        if !sane
            || segment.p_type == elf::PT_NULL
            || !known.segments.list.iter().take(MOST_HEADERS).any(|s| of_type(&s))
        {
            break;
        }
        let equal = |s: &&Segment| of_type(s) && (s.p_offset, s.p_filesz) == (segment.p_offset, segment.p_filesz);
        same = same.saturating_add(usize::from(
            known.segments.list.iter().take(MOST_HEADERS).any(|s| equal(&s)),
        ));
        seen = seen.saturating_add(1);
    }
    (seen >= 2 && same.saturating_mul(2) > seen).then(|| seen.saturating_mul(step))
}

/// Section headers that say what the ones in use say, but for what was moved.
fn stale_sections(known: &Known<'_, '_>, bytes: &[u8]) -> Option<usize> {
    let layout = known.header.layout;
    let step = usize::from(layout.section_size());
    let names = u64::try_from(known.sections.names.len()).unwrap_or(u64::MAX);
    let (mut seen, mut same) = (0usize, 0usize);
    for raw in bytes.chunks_exact(step).take(1024) {
        let Some(section) = Section::parse(raw, layout) else {
            break;
        };
        let like = |s: &&Section| {
            (s.sh_type, s.sh_flags, s.sh_entsize) == (section.sh_type, section.sh_flags, section.sh_entsize)
        };
        if u64::from(section.sh_name) > names || !known.sections.list.iter().take(MOST_HEADERS).any(|s| like(&s)) {
            break;
        }
        let equal = |s: &&Section| like(s) && s.sh_size == section.sh_size && s.sh_addralign == section.sh_addralign;
        same = same.saturating_add(usize::from(
            known.sections.list.iter().take(MOST_HEADERS).any(|s| equal(&s)),
        ));
        seen = seen.saturating_add(1);
    }
    (seen >= 2 && same.saturating_mul(2) > seen).then(|| seen.saturating_mul(step))
}

/// Notes of the toolchain, left where the note section was: names and types it writes, nothing else.
fn stale_notes(known: &Known<'_, '_>, bytes: &[u8]) -> Option<usize> {
    let mut at = 0usize;
    for _ in 0..16 {
        let here = bytes.get(at..).unwrap_or_default();
        let Some((length, name, size)) = note(known.header, here, 4) else {
            break;
        };
        let (length, size) = (usize::try_from(length).ok()?, size);
        if !matches!(name, b"GNU\0" | b"Go\0\0" | b"Android\0" | b"FreeBSD\0" | b"NetBSD\0")
            || size > 256
            || length > here.len()
        {
            break;
        }
        at = at.saturating_add(length);
    }
    (at > 0).then_some(at)
}

/// The padded length, the name and the descriptor's size of the note at the start of `bytes`.
fn note<'b>(header: &Header, bytes: &'b [u8], align: u64) -> Option<(u64, &'b [u8], u64)> {
    let mut f = Fields::new(bytes, header.layout);
    let (namesz, descsz) = (f.u32()?, f.u32()?);
    let name = bytes
        .get(12..12usize.checked_add(usize::try_from(namesz).ok()?)?)
        .unwrap_or_default();
    let body = 12u64
        .saturating_add(u64::from(namesz))
        .checked_next_multiple_of(align)?;
    let length = body.saturating_add(u64::from(descsz)).checked_next_multiple_of(align)?;
    Some((length, name, u64::from(descsz)))
}

/// Notes that a `PT_NOTE` names but no section does: editing tools keep the sections less carefully than the segment.
fn note_segments(input: &Input<'_>, known: &Known<'_, '_>, out: &mut Parse) {
    let notes = known.segments.list.iter().filter(|s| s.p_type == elf::PT_NOTE);
    let mut walked = 0usize;
    for segment in notes.take(64) {
        let Some(span) = segment.span().filter(|s| s.end() <= input.len()) else {
            continue;
        };
        let free = unclaimed(input, out);
        if free.complement(span).encloses(span) {
            continue;
        }
        let align = if segment.p_align == 8 { 8 } else { 4 };
        let mut at = span.start();
        while at < span.end() && walked < MOST_NOTES {
            walked = walked.saturating_add(1);
            let Ok(head) = input.read_up_to(at, 64) else { return };
            let Some((length, name, _)) = note(known.header, &head, align) else {
                break;
            };
            let whole = Span::saturating_at(at, length);
            if name.is_empty() || whole.end() > span.end().saturating_add(align) {
                break;
            }
            let parts = free.intersection(&SpanSet::from_spans([whole.intersect(span)]));
            // A note that carries a program, in a file without sections.
            let carried = parts.iter().next().filter(|part| *part == whole.intersect(span));
            if carried.is_some_and(|part| payload::claim(input, known.header, part, known.parents, out)) {
                at = whole.end();
                continue;
            }
            for part in parts.iter() {
                if part.len() <= SMALL_NOTE || name == b"SUI\0" {
                    known.parents.leaf(part, Role::Metadata, "note".to_owned(), out);
                }
            }
            at = whole.end();
        }
    }
}

/// What stands behind the end of the ELF structures.
fn behind(input: &Input<'_>, gap: Span, out: &mut Parse) {
    if let Some(span) = bun::appended(input, gap) {
        out.slice(span, "appended bun payload", true);
    } else if let Some(span) = module_signature(input, gap) {
        out.leaf(span, Role::Signature, "module signature");
    } else if let Some(span) = upx(input, gap) {
        out.leaf(span, Role::Trailer, "UPX pack header");
        let message = "packed code is recognised and not unpacked by this build";
        out.error(ScanError::new(ErrorCode::Unsupported, message).at(span.start()));
    } else {
        bundle::appended::claim(input, gap.end(), out);
    }
}

/// A signature as `scripts/sign-file` of Linux appends it: the signer and key names, the signature, 12 bytes that say how
/// long these are (`u8 algo, hash, id_type, signer_len, key_id_len`, 3 zeros, big-endian `u32 sig_len`), the marker.
fn module_signature(input: &Input<'_>, gap: Span) -> Option<Span> {
    const MARKER: &[u8] = b"~Module signature appended~\n";
    let end = gap.end();
    let tail = input.read(Span::new(end.checked_sub(40)?, end)).ok()?;
    let [_algo, _hash, _kind, signer, key, 0, 0, 0, a, b, c, d] = *tail.first_chunk::<12>()? else {
        return None;
    };
    if tail.get(12..) != Some(MARKER) {
        return None;
    }
    let length = u64::from(u32::from_be_bytes([a, b, c, d]));
    let total = length
        .saturating_add(u64::from(signer))
        .saturating_add(u64::from(key))
        .saturating_add(40);
    let span = Span::new(end.checked_sub(total)?, end);
    gap.encloses(span).then_some(span)
}

/// The header that UPX ends a packed program with: `UPX!`, version, format, method, level, checksums and sizes, and the
/// offset of the first one.
fn upx(input: &Input<'_>, gap: Span) -> Option<Span> {
    const LONGEST: u64 = 64;
    if gap.len() > LONGEST {
        return None;
    }
    let bytes = input.read(gap).ok()?;
    let at = memchr::memmem::find(&bytes, b"UPX!")?;
    let zeros = bytes.get(..at)?.iter().all(|b| *b == 0);
    let rest = u64::try_from(bytes.len().checked_sub(at)?).ok()?;
    (zeros && matches!(rest, 32..=48)).then_some(gap)
}
