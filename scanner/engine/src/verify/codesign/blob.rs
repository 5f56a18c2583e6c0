//! A SuperBlob (`cs_blobs.h`, `CS_SuperBlob`): an index, and the blobs that it names. All integers are big-endian.
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 4 | `magic`: `fade0cc0` |
//! | 4 | 4 | `length`, everything included |
//! | 8 | 4 | `count` |
//! | 12 | 8 each | `type` (the slot), `offset` from the start of the SuperBlob |
//! | ... | | the blobs: `magic`, `length` with these 8 bytes, content |
//!
//! As strict as the kernel: one count, length or offset that lies, and nothing of the signature is believed.

use crate::finding::{ErrorCode, ScanError};
use crate::format::{Input, ReadFault};
use crate::span::{Span, SpanSet};
use std::ops::Range;

const MAGIC: u32 = 0xfade_0cc0;
/// The magic number of a CodeDirectory.
pub(super) const CODE_DIRECTORY: u32 = 0xfade_0c02;
/// The magic number of a blob that only wraps other bytes.
pub(super) const WRAPPER: u32 = 0xfade_0b01;
/// The slot of the CMS message.
pub(super) const CMS: u32 = 0x1_0000;
/// The slot of a notarization ticket.
pub(super) const TICKET: u32 = 0x1_0002;
/// The longest SuperBlob that is read: pages of 4 KiB of 8 GiB of code.
const LONGEST: u64 = 64 << 20;
/// The most blobs; the format defines fewer than thirty slots.
const MOST: usize = 256;

/// A rule that a signature breaks, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) span: Span,
    pub(super) rule: &'static str,
}

/// Why a signature could not be read.
#[derive(Debug)]
pub(super) enum Unread {
    /// It breaks a rule.
    Broken(Fault),
    /// It was not read to its end.
    Error(ScanError),
}

impl From<Fault> for Unread {
    fn from(fault: Fault) -> Self {
        Self::Broken(fault)
    }
}

/// A SuperBlob, read.
#[derive(Debug)]
pub(super) struct SuperBlob {
    bytes: Vec<u8>,
    /// All of it, in the artifact.
    pub(super) span: Span,
    /// The header and the index.
    pub(super) index: Span,
    pub(super) blobs: Vec<Blob>,
}

/// One blob.
#[derive(Clone, Debug)]
pub(super) struct Blob {
    pub(super) slot: u32,
    pub(super) magic: u32,
    /// All of it, in the artifact.
    pub(super) span: Span,
    within: Range<usize>,
}

/// The big-endian word at `at`.
pub(super) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(four.try_into().ok()?))
}

/// The big-endian word at `at`, as a place in memory.
pub(super) fn place(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(word(bytes, at)?).ok()
}

/// A length as an offset.
pub(super) fn offset(at: usize) -> u64 {
    u64::try_from(at).unwrap_or(u64::MAX)
}

impl SuperBlob {
    /// Reads the SuperBlob at the start of `data`.
    ///
    /// # Errors
    /// [`Unread`].
    pub(super) fn read(data: Span, input: &Input<'_>) -> Result<Self, Unread> {
        let head = Span::saturating_at(data.start(), 12);
        let broken = |span, rule| Unread::Broken(Fault { span, rule });
        if !data.encloses(head) {
            return Err(broken(data, "it is shorter than a SuperBlob's 12 bytes"));
        }
        let bytes = input.read(head).map_err(unread)?;
        if word(&bytes, 0) != Some(MAGIC) {
            return Err(broken(head, "the magic number of a SuperBlob is not there"));
        }
        let span = Span::saturating_at(data.start(), word(&bytes, 4).map_or(0, u64::from));
        if span.len() < 12 || !data.encloses(span) {
            return Err(broken(head, "the length of the SuperBlob does not fit the room for it"));
        }
        if span.len() > LONGEST {
            let message = "a code signature of more than 64 MiB was not verified";
            return Err(Unread::Error(
                ScanError::new(ErrorCode::LimitExceeded, message).at(span.start()),
            ));
        }
        let bytes = input.read(span).map_err(unread)?.into_owned();
        Ok(Self::parse(bytes, span.start())?)
    }

    /// Reads the SuperBlob that `bytes` are, whose first lies at `start` in the artifact.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub(super) fn parse(bytes: Vec<u8>, start: u64) -> Result<Self, Fault> {
        let span = Span::saturating_at(start, offset(bytes.len()));
        let count = place(&bytes, 8).unwrap_or(usize::MAX);
        let room = bytes.len().saturating_sub(12) / 8;
        if count > room || count > MOST {
            return Err(Fault {
                span: Span::saturating_at(start.saturating_add(8), 4),
                rule: "the SuperBlob names more blobs than it has room for",
            });
        }
        let index = count.saturating_mul(8).saturating_add(12);
        let mut blobs: Vec<Blob> = Vec::new();
        for (number, entry) in bytes.get(12..index).unwrap_or_default().chunks_exact(8).enumerate() {
            let named = Span::saturating_at(
                start
                    .saturating_add(offset(number.saturating_mul(8)))
                    .saturating_add(12),
                8,
            );
            let fault = |rule| Fault { span: named, rule };
            let slot = word(entry, 0).unwrap_or(0);
            let at = place(entry, 4).filter(|at| *at >= index);
            let at = at.ok_or_else(|| fault("a blob lies in the index"))?;
            let head = at
                .checked_add(4)
                .and_then(|length| Some((word(&bytes, at)?, place(&bytes, length)?)));
            let (magic, length) = head.ok_or_else(|| fault("a blob lies outside the SuperBlob"))?;
            let end = at.checked_add(length).filter(|end| length >= 8 && *end <= bytes.len());
            let end = end.ok_or_else(|| fault("the length of a blob does not fit the SuperBlob"))?;
            if blobs.iter().any(|other| other.slot == slot) {
                return Err(fault("two blobs stand for one slot"));
            }
            if blobs
                .iter()
                .any(|other| other.within.start < end && at < other.within.end)
            {
                return Err(fault("two blobs share bytes"));
            }
            blobs.push(Blob {
                slot,
                magic,
                span: Span::saturating_at(start.saturating_add(offset(at)), offset(length)),
                within: at..end,
            });
        }
        Ok(Self {
            bytes,
            span,
            index: Span::saturating_at(start, offset(index)),
            blobs,
        })
    }

    /// The blob of a slot.
    pub(super) fn slot(&self, slot: u32) -> Option<&Blob> {
        self.blobs.iter().find(|blob| blob.slot == slot)
    }

    /// Zeros between blobs, which linkers align; what is longer or no zeros is none of it.
    pub(super) fn alignment(&self) -> Vec<Span> {
        const LONGEST: u64 = 16;
        let parts = SpanSet::from_spans(self.blobs.iter().map(|b| b.span).chain([self.index]));
        let gaps = parts.complement(self.span);
        let zeros = |gap: &Span| {
            let place = |at: u64| usize::try_from(at.saturating_sub(self.span.start())).unwrap_or(usize::MAX);
            let bytes = self.bytes.get(place(gap.start())..place(gap.end()));
            bytes.is_some_and(|bytes| bytes.iter().all(|b| *b == 0))
        };
        gaps.iter().filter(|gap| gap.len() < LONGEST && zeros(gap)).collect()
    }

    /// The bytes of a blob, its magic number and length among them.
    pub(super) fn bytes(&self, blob: &Blob) -> &[u8] {
        self.bytes.get(blob.within.clone()).unwrap_or_default()
    }

    /// The bytes of a blob behind its magic number and length.
    pub(super) fn content(&self, blob: &Blob) -> &[u8] {
        self.bytes(blob).get(8..).unwrap_or_default()
    }
}

/// What a slot holds, for people.
pub(super) fn slot_name(slot: u32) -> String {
    let name = match slot {
        0 => "CodeDirectory",
        1 => "Info.plist",
        2 => "requirements",
        3 => "resource directory",
        4 => "application data",
        5 => "entitlements",
        6 => "container data",
        7 => "DER entitlements",
        8 => "launch constraints of the process",
        9 => "launch constraints of the parent",
        10 => "launch constraints of the responsible process",
        11 => "library constraints",
        0x1000..=0x1004 => "alternate CodeDirectory",
        CMS => "CMS signature",
        TICKET => "notarization ticket",
        _ => return format!("blob of slot {slot:#x}"),
    };
    name.to_owned()
}

fn unread(fault: ReadFault) -> Unread {
    match fault.as_error() {
        Some(error) => Unread::Error(error),
        None => Unread::Broken(Fault {
            span: Span::saturating_at(fault.offset(), 1),
            rule: "it runs past the end of the file",
        }),
    }
}
