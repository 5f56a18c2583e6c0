//! The ledger's own findings: bytes nobody claims, bytes claimed twice, padding that is not padding.

use super::{Closing, Inspector};
use crate::finding::{Finding, Findings, code};
use crate::ledger::{Fill, Gaps, Role};
use crate::sink::FillResult;
use crate::span::Span;

/// Below this many bytes a gap is too small for a payload.
const SMALL: u64 = 16;

/// Line feeds that editors and checkouts add: too few to mean anything.
const BLANK: u64 = 8;

/// The formats that self-extracting programs carry behind themselves.
const ARCHIVES: &[&str] = &[
    "zip", "tar", "gzip", "bzip2", "xz", "zstd", "lz4", "ar", "7z", "rar", "cab", "squashfs", "cpio", "xar", "lzip",
    "lzo",
];

/// `unclaimed-bytes`, `trailing-bytes`, `overlapping-regions`, `nonzero-padding`.
pub(super) struct Bytes;

impl Inspector for Bytes {
    fn inspect(&self, artifact: &Closing<'_>, out: &mut Findings) {
        if !artifact.cut_short {
            unclaimed(artifact, out);
        }
        overlaps(artifact, out);
        padding(artifact, out);
    }
}

fn unclaimed(artifact: &Closing<'_>, out: &mut Findings) {
    let strict = artifact.ledger.views().iter().any(|v| v.gaps == Gaps::Never);
    for gap in artifact.ledger.gaps() {
        let fill = artifact.fill_of(gap);
        let nested = artifact
            .slices
            .iter()
            .find(|(span, _, expected)| !expected && gap.encloses(*span));
        let nonzero = fill.map_or(gap.len(), |f| f.nonzero);
        let allocated = allocated_space(artifact, gap);
        let last = gap.end() == artifact.ledger.length() && gap.start() > 0;
        let mut finding = if last && allocated.is_none() {
            trailing(artifact, gap, fill, strict)
        } else if let Some(space) = allocated.filter(|_| nested.is_none() && nonzero > 0) {
            freed(gap, space)
        } else {
            inside(gap, nonzero, strict)
        };
        if let Some((_, format, _)) = nested {
            finding = finding.evidence("holds", *format);
            finding.message = format!("{}; they begin like {format}", finding.message);
        }
        out.push(finding.evidence("length", gap.len()).evidence("nonzero", nonzero));
    }
}

fn trailing(artifact: &Closing<'_>, gap: Span, fill: Option<&FillResult>, strict: bool) -> Finding {
    let message = format!(
        "{} bytes follow the end of the {} structure",
        gap.len(),
        artifact.format
    );
    let finding = Finding::new(code::TRAILING_BYTES, gap, message)
        .key("trailing")
        .region("trailing bytes");
    let executable = matches!(artifact.format, "elf" | "pe" | "macho" | "macho-fat");
    let archive = artifact
        .slices
        .iter()
        .any(|(span, format, _)| span.start() == gap.start() && ARCHIVES.contains(format));
    match fill {
        Some(fill) if fill.nonzero == 0 && !strict => finding.case("zeros"),
        Some(fill) if fill.whitespace && gap.len() <= BLANK => finding.case("newline"),
        _ if executable && archive => finding.case("archive"),
        _ if is_shown(artifact.format) => match behind_picture(artifact, gap) {
            Some(case) => finding.case(case),
            None => finding,
        },
        _ => finding,
    }
}

/// Formats that are looked at or listened to: their readers stop at the end, and cameras, phones and editors are known to
/// leave notes of their own behind it.
fn is_shown(format: &str) -> bool {
    matches!(
        format,
        "png"
            | "jpeg"
            | "gif"
            | "riff"
            | "ico"
            | "ogg"
            | "flac"
            | "mp3"
            | "isobmff"
            | "font"
            | "woff"
            | "woff2"
            | "pdf"
    )
}

/// The case of what follows a picture, a sound, a font or a document: another picture, text, or notes in no format that
/// is known. `None` for what runs, unpacks or loads: there is no reason for that to be there.
fn behind_picture(artifact: &Closing<'_>, gap: Span) -> Option<&'static str> {
    let held = artifact.slices.iter().filter(|(span, ..)| gap.encloses(*span));
    let mut media = false;
    for (_, format, _) in held {
        if !is_shown(format) {
            return None;
        }
        media = true;
    }
    let head = artifact.bytes(gap.start(), 4096);
    let zeros = head
        .iter()
        .take_while(|byte| matches!(byte, 0 | b' ' | b'\r' | b'\n'))
        .count();
    let rest = head.get(zeros..).unwrap_or_default();
    const ACTIVE: [&[u8]; 14] = [
        b"#!",
        b"<?php",
        b"<?=",
        b"<%",
        b"<script",
        b"MZ",
        b"PK\x03\x04",
        b"\x1f\x8b\x08",
        b"7z\xbc\xaf",
        b"Rar!",
        b"BZh",
        b"\xfd7zXZ",
        b"\x80\x04\x95",
        b"(\xb5/\xfd",
    ];
    let pickle = matches!(rest, [0x80, 2 | 3 | 5, b'c' | b'}' | b']' | b'(' | 0x95 | 0x8c, ..]);
    if pickle || ACTIVE.iter().any(|magic| rest.starts_with(magic)) {
        return None;
    }
    let text = rest.iter().all(|byte| matches!(byte, 9..=13 | b' '..=b'~'));
    Some(match (media, text) {
        (true, _) => "picture",
        (false, true) => "note",
        (false, false) => "appendix",
    })
}

fn inside(gap: Span, nonzero: u64, strict: bool) -> Finding {
    let message = format!("{} bytes belong to no part of the format", gap.len());
    let finding = Finding::new(code::UNCLAIMED_BYTES, gap, message)
        .key("gap")
        .region("unclaimed");
    if nonzero == 0 && !strict {
        finding.case("zero")
    } else if nonzero < SMALL && gap.len() < SMALL && !strict {
        finding.case("small")
    } else {
        finding.case("gap")
    }
}

/// The name of the space around `gap` that a format manages like a heap, where what was freed keeps its old bytes.
fn allocated_space<'a>(artifact: &Closing<'a>, gap: Span) -> Option<&'a str> {
    let views = artifact.ledger.views().iter();
    let mut regions = views.flat_map(|v| &v.regions).filter(|r| !r.leaf);
    let space = regions.find(|r| {
        let managed = matches!(&*r.name, crate::format::FREED_SPACE | crate::format::UNTOUCHED_SPACE);
        managed && r.span.encloses(gap)
    });
    space.map(|r| &*r.name)
}

fn freed(gap: Span, space: &str) -> Finding {
    /// From here on there is room for a payload.
    const LARGE: u64 = 64 << 10;
    /// The same, where nothing is freed: room for more than a slip of the writer.
    const ROOM: u64 = 256;
    let message = format!("{} bytes of the file's space belong to nothing", gap.len());
    let finding = Finding::new(code::UNCLAIMED_BYTES, gap, message)
        .key("freed")
        .region("unclaimed");
    finding.case(match gap.len() {
        ROOM.. if space == crate::format::UNTOUCHED_SPACE => "freed-model",
        LARGE.. => "freed-large",
        _ => "freed",
    })
}

fn overlaps(artifact: &Closing<'_>, out: &mut Findings) {
    let (overlaps, more) = artifact.ledger.overlaps(32);
    for overlap in overlaps {
        let message = format!(
            "{} and {} share {} bytes",
            overlap.first,
            overlap.second,
            overlap.span.len()
        );
        let mut finding = Finding::new(code::OVERLAPPING_REGIONS, overlap.span, message)
            .region(overlap.second.to_string())
            .evidence("first", &*overlap.first)
            .evidence("second", &*overlap.second)
            .key(format!("{}+{}", overlap.first, overlap.second));
        finding.case = overlap.shares;
        out.push(finding);
    }
    if more > 0 {
        let message = format!("and {more} more pairs of regions that share bytes");
        out.push(
            Finding::new(code::OVERLAPPING_REGIONS, Span::new(0, 0), message)
                .key("more")
                .region("more"),
        );
    }
}

fn padding(artifact: &Closing<'_>, out: &mut Findings) {
    let pads = artifact.ledger.leaves().filter(|r| r.role == Role::Padding);
    for region in pads {
        let seen = artifact.fill_of(region.span);
        let Some(FillResult {
            foreign: Some(foreign),
            count,
            ..
        }) = seen
        else {
            continue;
        };
        let what = if region.fill == Some(Fill::Zero) {
            "zero"
        } else {
            "the fill of this format"
        };
        let message = format!("{count} bytes of {} are not {what}", region.name);
        let finding = Finding::new(code::NONZERO_PADDING, *foreign, message)
            .region(region.name.to_string())
            .evidence("count", *count)
            .evidence("padding", region.span.len())
            .key(region.name.to_string());
        out.push(if foreign.len() < SMALL {
            finding.case("short")
        } else if is_portable_script(artifact, region.span) {
            finding.case("script")
        } else {
            finding
        });
    }
}

/// The shell script in the headers of an "actually portable executable", as llamafiles are: PE, ELF and script in one,
/// whose first line assigns what a DOS header would be.
fn is_portable_script(artifact: &Closing<'_>, span: Span) -> bool {
    const MOST: u64 = 64 << 10;
    let portable = artifact.format == "pe" && artifact.bytes(0, 9).as_slice() == b"MZqFpD='\n";
    let text = |byte: &u8| matches!(byte, 0 | b'\t' | b'\n' | b'\r' | 0x20..=0x7e);
    portable && span.end() <= MOST && artifact.bytes(span.start(), span.len()).iter().all(text)
}
