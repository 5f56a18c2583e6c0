//! The embedded code signature (`cs_blobs.h`): a SuperBlob and the blobs it indexes. All integers are big-endian.
//!
//! | offset | size | field of the SuperBlob |
//! | --- | --- | --- |
//! | 0 | 4 | `magic`: `fade0cc0` |
//! | 4 | 4 | `length`, everything included |
//! | 8 | 4 | `count` |
//! | 12 | 8 each | `type` (the slot), `offset` from the start of the SuperBlob |
//! | ... | | the blobs: `magic`, `length` with these 8 bytes, content |
//!
//! | offset | size | field of a CodeDirectory |
//! | --- | --- | --- |
//! | 8 | 4 | `version` |
//! | 16 | 4 | `hashOffset`: slot 0; the special slots stand before it |
//! | 20 | 4 | `identOffset` |
//! | 24 | 4 | `nSpecialSlots` |
//! | 28 | 4 | `nCodeSlots` |
//! | 32 | 4 | `codeLimit`; 8 bytes at 56 take its place in files of 4 GiB and more |
//! | 36 | 1 | `hashSize`, then `hashType`, `platform`, `pageSize` (its logarithm; 0 means one page) |
//!
//! `LC_CODE_SIGNATURE` reserves more than the SuperBlob uses: the slack is zeros, or slots of an earlier, longer
//! CodeDirectory (see [`super::slots`]). Digests are checked elsewhere.

use super::fields::Fields;
use super::segment::{Layout, own_leaf, past_end};
use super::slots;
use crate::finding::{Finding, code};
use crate::format::{Input, Parse};
use crate::ledger::{Fill, Region, RegionId, Role};
use crate::span::Span;

const SUPER_BLOB: u32 = 0xfade_0cc0;
const CODE_DIRECTORY: u32 = 0xfade_0c02;
const CMS_WRAPPER: u32 = 0xfade_0b01;
/// The most blobs in one SuperBlob; the format defines fewer than thirty slots.
const MOST_BLOBS: u64 = 256;

/// Slots: number, name, the magic that belongs there.
const SLOTS: &[(u32, &str, u32)] = &[
    (0, "CodeDirectory", CODE_DIRECTORY),
    (2, "requirements", 0xfade_0c01),
    (5, "entitlements", 0xfade_7171),
    (7, "DER entitlements", 0xfade_7172),
    (8, "launch constraints of the process", 0xfade_8181),
    (9, "launch constraints of the parent", 0xfade_8181),
    (10, "launch constraints of the responsible process", 0xfade_8181),
    (11, "library constraints", 0xfade_8181),
    (0x1000, "alternate CodeDirectory 1", CODE_DIRECTORY),
    (0x1001, "alternate CodeDirectory 2", CODE_DIRECTORY),
    (0x1002, "alternate CodeDirectory 3", CODE_DIRECTORY),
    (0x1003, "alternate CodeDirectory 4", CODE_DIRECTORY),
    (0x1004, "alternate CodeDirectory 5", CODE_DIRECTORY),
    (0x1_0000, "CMS signature", CMS_WRAPPER),
];

/// Where the loader looks for the signature, and its parent in the view.
struct Place {
    /// The data of `LC_CODE_SIGNATURE`, inside the file.
    span: Span,
    parent: Option<RegionId>,
}

/// What stands behind the SuperBlob and explains itself; empty spans where nothing does.
#[derive(Clone, Copy)]
pub(super) struct Left {
    /// Slots of an earlier CodeDirectory.
    pub(super) slots: Span,
    /// The end of an earlier signature.
    pub(super) earlier: Span,
}

impl Left {
    const NOTHING: Self = Self {
        slots: Span::new(0, 0),
        earlier: Span::new(0, 0),
    };
}

/// Claims the signature in `stated`, the data of `LC_CODE_SIGNATURE`.
pub(super) fn claim(stated: Span, layout: &Layout, input: &Input<'_>, out: &mut Parse) -> Left {
    if stated.is_empty() {
        return Left::NOTHING;
    }
    let span = stated.intersect(input.whole());
    if stated.end() > input.len() {
        past_end(stated, input, out, "code signature");
    }
    let linkedit = layout.segments.iter().find(|s| s.is_linkedit());
    let home = linkedit.filter(|s| s.file.encloses(stated));
    if linkedit.is_some() && home.is_none() && !span.is_empty() {
        out.malformed(
            span,
            "mach-o: the code signature lies outside __LINKEDIT (dyld, MachOAnalyzer::validLinkedit)",
        );
    }
    let place = Place {
        span,
        parent: home.map(|s| s.id),
    };
    let head = match input.read_up_to(span.start(), span.len().min(12)) {
        Ok(head) => head,
        Err(fault) => {
            out.fault(&fault, "code signature");
            return Left::NOTHING;
        }
    };
    let head = Fields::new(&head, true);
    let (Some(magic), Some(length), Some(count)) = (head.u32(0), head.u32(4), head.u32(8)) else {
        if stated.end() <= input.len() {
            out.malformed(
                span,
                "code signature: shorter than a SuperBlob's 12 bytes (cs_blobs.h, CS_SuperBlob)",
            );
        }
        return Left::NOTHING;
    };
    if magic != SUPER_BLOB {
        let rule = "code signature: the magic number is not fade0cc0 (cs_blobs.h, CS_SuperBlob)";
        out.malformed(Span::saturating_at(span.start(), 4), rule);
        return Left::NOTHING;
    }
    let blob = Span::saturating_at(span.start(), u64::from(length));
    if length < 12 || !stated.encloses(blob) {
        let rule = "code signature: the SuperBlob's length does not fit its datasize (cs_blobs.h, CS_SuperBlob)";
        out.malformed(Span::saturating_at(span.start(), 8), rule);
    }
    let id = out.parent(blob.intersect(span), Role::Signature, "code signature");
    if let Some(region) = out.region_mut(id) {
        region.parent = place.parent;
    }
    super_blob(blob.intersect(span), u64::from(count), id, stated.start(), input, out);
    let slack = Span::new(blob.end().min(span.end()), span.end());
    if length < 12 || slack.is_empty() {
        return Left::NOTHING;
    }
    claim_slack(slack, &place, input, out)
}

fn super_blob(blob: Span, count: u64, id: RegionId, code_end: u64, input: &Input<'_>, out: &mut Parse) {
    let room = blob.len().saturating_sub(12) / 8;
    if count > room {
        let rule = "code signature: the index does not fit the SuperBlob (cs_blobs.h, CS_SuperBlob)";
        out.malformed(Span::saturating_at(blob.start(), 12), rule);
    } else if count > MOST_BLOBS {
        let rule = "code signature: more blobs than there are slots (cs_blobs.h, CS_SuperBlob)";
        out.malformed(Span::saturating_at(blob.start(), 12), rule);
    }
    let count = count.min(room).min(MOST_BLOBS);
    let index = Span::saturating_at(blob.start(), count.saturating_mul(8).saturating_add(12)).intersect(blob);
    own_leaf(out, index, Role::Signature, "SuperBlob index".to_owned(), Some(id));
    let bytes = match input.read(index) {
        Ok(bytes) => bytes,
        Err(fault) => return out.fault(&fault, "SuperBlob index"),
    };
    let mut seen = Vec::new();
    for entry in bytes.get(12..).unwrap_or_default().chunks_exact(8) {
        let entry = Fields::new(entry, true);
        let (Some(slot), Some(offset)) = (entry.u32(0), entry.u32(4)) else {
            return;
        };
        if seen.contains(&slot) {
            out.malformed(
                index,
                "code signature: two blobs for one slot (cs_blobs.h, CS_BlobIndex)",
            );
        }
        seen.push(slot);
        let at = blob.start().saturating_add(u64::from(offset));
        one_blob(slot, Span::new(at, blob.end()), index, id, code_end, input, out);
    }
}

/// Claims one blob. `room` is from its start to the end of the SuperBlob.
fn one_blob(slot: u32, room: Span, index: Span, id: RegionId, code_end: u64, input: &Input<'_>, out: &mut Parse) {
    let known = SLOTS.iter().find(|(number, ..)| *number == slot);
    let name = known.map_or_else(|| format!("blob of slot {slot:#x}"), |(_, name, _)| (*name).to_owned());
    if room.start() < index.end() || room.len() < 8 {
        let rule = format!("code signature: the {name} lies outside the SuperBlob (cs_blobs.h, CS_BlobIndex)");
        return out.malformed(index, &rule);
    }
    // The fixed part of a CodeDirectory, which is the longest header read here.
    let head = match input.read_up_to(room.start(), room.len().min(64)) {
        Ok(head) => head,
        Err(fault) => return out.fault(&fault, &name),
    };
    let fields = Fields::new(&head, true);
    let (Some(magic), Some(length)) = (fields.u32(0), fields.u32(4)) else {
        return;
    };
    let span = Span::saturating_at(room.start(), u64::from(length));
    if length < 8 || !room.encloses(span) {
        let rule =
            format!("code signature: the length of the {name} does not fit the SuperBlob (cs_blobs.h, CS_GenericBlob)");
        out.malformed(Span::saturating_at(room.start(), 8), &rule);
    }
    let span = span.intersect(room);
    if known.is_some_and(|(.., expected)| *expected != magic) {
        let rule = format!("code signature: the {name} has the magic number {magic:08x} (cs_blobs.h, CS_GenericBlob)");
        out.malformed(Span::saturating_at(room.start(), 4), &rule);
    } else if magic == CODE_DIRECTORY {
        check_directory(&name, span, &fields, code_end, out);
    }
    let end = if magic == CMS_WRAPPER {
        der_end(span, &head)
    } else {
        span.end()
    };
    own_leaf(
        out,
        Span::new(span.start(), end),
        Role::Signature,
        name.clone(),
        Some(id),
    );
    let rest = Span::new(end, span.end());
    if !rest.is_empty() {
        let (fill, name) = (Some(Fill::Zero), format!("{name} fill").into());
        out.region(Region {
            span: rest,
            role: Role::Padding,
            name,
            parent: Some(id),
            leaf: true,
            fill,
            shares: None,
        });
    }
}

/// Where the DER value in a CMS wrapper ends; the wrapper's end when the value has no definite length.
fn der_end(span: Span, head: &[u8]) -> u64 {
    let length = || {
        let value = head.get(8..)?;
        let (0x30, first) = (*value.first()?, *value.get(1)?) else {
            return None;
        };
        if first < 0x80 {
            return Some(u64::from(first).saturating_add(2));
        }
        let octets = usize::from(first & 0x7f);
        if octets == 0 || octets > 4 {
            return None;
        }
        let bytes = value.get(2..octets.checked_add(2)?)?;
        let length = bytes
            .iter()
            .fold(0u64, |n, b| n.saturating_mul(256).saturating_add(u64::from(*b)));
        length.checked_add(u64::try_from(octets).ok()?)?.checked_add(2)
    };
    let end = length().and_then(|n| span.start().checked_add(8)?.checked_add(n));
    end.filter(|end| *end <= span.end()).unwrap_or(span.end())
}

/// The rules between the counts and offsets of a CodeDirectory.
fn check_directory(name: &str, span: Span, fields: &Fields<'_>, code_end: u64, out: &mut Parse) {
    let read = || {
        let wide = fields.u32(8)? >= 0x2_0300;
        let limit = u64::from(fields.u32(32)?);
        let limit64 = if wide { fields.u64(56)? } else { 0 };
        let limit = if limit64 == 0 { limit } else { limit64 };
        let slots = (u64::from(fields.u32(24)?), u64::from(fields.u32(28)?));
        Some((
            limit,
            u64::from(fields.u32(16)?),
            u64::from(fields.u32(20)?),
            slots,
            [36, 37, 39].map(|at| fields.u8(at)),
        ))
    };
    let mut rule = |text: &str| {
        out.malformed(
            span,
            &format!("code signature: {name}: {text} (cs_blobs.h, CS_CodeDirectory)"),
        )
    };
    let Some((limit, hash_offset, ident_offset, (special, code), [Some(hash_size), Some(hash_type), Some(page)])) =
        read()
    else {
        return rule("shorter than its fixed part");
    };
    let size = u64::from(hash_size);
    let expected = match hash_type {
        1 | 3 => Some(20),
        2 => Some(32),
        4 => Some(48),
        5 => Some(64),
        _ => None,
    };
    if expected != Some(size) {
        rule("hashSize is not the size of hashType");
    }
    let end = code.saturating_mul(size).saturating_add(hash_offset);
    if end > span.len() || special.saturating_mul(size).saturating_add(44) > hash_offset {
        rule("the slots do not fit");
    }
    if ident_offset < 44 || ident_offset >= span.len() {
        rule("identOffset lies outside");
    }
    let pages = match page {
        0 => u64::from(limit > 0),
        12..=20 => limit.div_ceil(1u64 << page),
        _ => return rule("pageSize is not a page size"),
    };
    if pages != code {
        rule("nCodeSlots is not the number of pages below codeLimit");
    }
    if limit != code_end {
        rule("codeLimit is not where the signature starts");
    }
}

fn claim_slack(slack: Span, place: &Place, input: &Input<'_>, out: &mut Parse) -> Left {
    let seen = slots::leftover(slack, place.span.start(), input).and_then(|slots| match slots {
        Some(end) => Ok((Some(end), None)),
        None => Ok((None, slots::earlier_signature(slack, input)?)),
    });
    let (slots, signature) = match seen {
        Ok(seen) => seen,
        Err(fault) => {
            out.fault(&fault, "code signature slack");
            (None, None)
        }
    };
    if let Some(end) = signature {
        let span = Span::new(slack.start(), end);
        let message = format!("{} bytes of an earlier signature follow the code signature", span.len());
        let finding = Finding::new(code::NONZERO_PADDING, span, message).case("earlier-signature");
        out.finding(finding.key("earlier signature"));
    }
    let parent = place.parent;
    let mut add = |span: Span, name: &str, fill: Option<Fill>| {
        let (role, name) = (Role::Padding, name.into());
        if !span.is_empty() {
            out.region(Region {
                span,
                role,
                name,
                parent,
                leaf: true,
                fill,
                shares: None,
            });
        }
    };
    let used = slots.or(signature).unwrap_or(slack.start());
    let name = if slots.is_some() {
        "leftover CodeDirectory slots"
    } else {
        "leftover of an earlier signature"
    };
    add(Span::new(slack.start(), used), name, None);
    add(Span::new(used, slack.end()), "code signature slack", Some(Fill::Zero));
    let until = |end: Option<u64>| Span::new(slack.start(), end.unwrap_or(slack.start()));
    Left {
        slots: until(slots),
        earlier: until(signature),
    }
}
