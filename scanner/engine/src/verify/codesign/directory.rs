//! A CodeDirectory (`cs_blobs.h`, `CS_CodeDirectory`): the digests of pages, and of what else is sealed. Big-endian.
//!
//! | offset | size | since | field |
//! | --- | --- | --- | --- |
//! | 0 | 8 | | magic number and length of the blob |
//! | 8 | 4 | | `version` |
//! | 12 | 4 | | `flags` |
//! | 16 | 4 | | `hashOffset`: the digest of page 0; those of the special slots 1, 2 ... stand before it, downwards |
//! | 20 | 4 | | `identOffset`: a string |
//! | 24 | 8 | | `nSpecialSlots`, `nCodeSlots` |
//! | 32 | 4 | | `codeLimit`: where the digested bytes end |
//! | 36 | 4 | | `hashSize`, `hashType`, `platform`, `pageSize` (its logarithm; 0 means one page) |
//! | 44 | 4 | 0x20100 | `scatterOffset`: entries of 24 bytes (`count`, `base`, 16 more): pages by ranges |
//! | 48 | 4 | 0x20200 | `teamOffset`: a string |
//! | 56 | 8 | 0x20300 | `codeLimit64`, where it is not 0 |
//! | 64 | 24 | 0x20400 | `execSegBase`, `execSegLimit`, `execSegFlags` |
//! | 88 | 8 | 0x20500 | `runtime`, `preEncryptOffset`: digests of the pages before encryption |
//! | 96 | 12 | 0x20600 | linkage: type, application, `linkageOffset`, `linkageSize` |

use super::blob::{Fault, offset, place, word};
use crate::name::printable;
use crate::span::{Span, SpanSet};
use crate::verify::algorithm::Algorithm;
use std::ops::Range;

/// No certificate signs it.
pub(super) const ADHOC: u32 = 0x2;
/// The linker made it.
pub(super) const LINKER_SIGNED: u32 = 0x2_0000;
/// Flags by the names that `codesign` uses.
const FLAGS: &[(u32, &str)] = &[
    (0x1, "host"),
    (ADHOC, "adhoc"),
    (0x100, "hard"),
    (0x200, "kill"),
    (0x400, "expires"),
    (0x800, "restrict"),
    (0x1000, "enforcement"),
    (0x2000, "library-validation"),
    (0x1_0000, "runtime"),
    (LINKER_SIGNED, "linker-signed"),
];
/// The most ranges of pages: no compiler writes any today.
const MOST_RANGES: usize = 64;
/// The most special slots; eleven are defined.
const MOST_SPECIAL: usize = 64;
/// The longest identifier or team that is kept, in bytes.
const LONGEST: usize = 1024;

/// A CodeDirectory, read.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) slot: u32,
    /// All of it, in the artifact.
    pub(super) span: Span,
    pub(super) flags: u32,
    pub(super) algorithm: Algorithm,
    /// How many bytes of each digest stand there.
    pub(super) kept: usize,
    pub(super) identifier: String,
    pub(super) team: Option<String>,
    pub(super) platform: u8,
    /// Bytes of a page; `None` for one page.
    pub(super) page: Option<u64>,
    /// Where the digested bytes end.
    pub(super) limit: u64,
    pub(super) runtime: Option<u32>,
    /// The stated digests of the special slots, that of slot 1 first; empty ones seal nothing.
    pub(super) special: Vec<Vec<u8>>,
    /// The digested bytes in pages, and where in the blob their digests stand.
    pub(super) ranges: Vec<(Span, Range<usize>)>,
    /// What of the blob its fields account for, or is zero.
    pub(super) accounted: SpanSet,
}

impl Directory {
    /// Reads the CodeDirectory that `bytes` are, which is the blob of `slot` and begins at `start` in the artifact.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub(super) fn parse(slot: u32, bytes: &[u8], start: u64) -> Result<Self, Fault> {
        let span = Span::saturating_at(start, offset(bytes.len()));
        let at_field = |at: u64, rule| Fault {
            span: Span::saturating_at(start.saturating_add(at), 4),
            rule,
        };
        let short = || Fault {
            span,
            rule: "a CodeDirectory ends inside its fixed part",
        };
        let field = |at| word(bytes, at).ok_or_else(short);
        let byte = |at: usize| bytes.get(at).copied().ok_or_else(short);
        let version = field(8)?;
        if !(0x2_0001..0x3_0000).contains(&version) {
            return Err(at_field(8, "a CodeDirectory of a version that there is not"));
        }
        let fixed: usize = match version {
            0x2_0600.. => 108,
            0x2_0500.. => 96,
            0x2_0400.. => 88,
            0x2_0300.. => 64,
            0x2_0200.. => 52,
            0x2_0100.. => 48,
            _ => 44,
        };
        let head = bytes.get(..fixed).ok_or_else(short)?;
        // Fields behind the fixed part of this version are not there.
        let later = |at: usize| word(head, at).filter(|value| *value != 0);
        let wide = |at: usize| Some(u64::from(word(head, at)?) << 32 | u64::from(word(head, at.checked_add(4)?)?));
        let (algorithm, kept) = match byte(37)? {
            1 => (Algorithm::Sha1, 20),
            2 => (Algorithm::Sha256, 32),
            3 => (Algorithm::Sha256, 20),
            4 => (Algorithm::Sha384, 48),
            5 => (Algorithm::Sha512, 64),
            _ => return Err(at_field(36, "a CodeDirectory by a digest that there is not")),
        };
        if usize::from(byte(36)?) != kept {
            return Err(at_field(
                36,
                "the size of a CodeDirectory's digests is not that of its algorithm",
            ));
        }
        let page = match byte(39)? {
            0 => None,
            log @ 12..=20 => Some(1u64 << log),
            _ => return Err(at_field(36, "the size of a CodeDirectory's pages is none")),
        };
        let limit = wide(56)
            .filter(|limit| *limit != 0)
            .map_or_else(|| field(32).map(u64::from), Ok)?;
        let (special, code) = (place(bytes, 24).ok_or_else(short)?, place(bytes, 28).ok_or_else(short)?);
        let hashes = place(bytes, 16).ok_or_else(short)?;
        let first = special.checked_mul(kept).and_then(|before| hashes.checked_sub(before));
        let first = first.filter(|first| *first >= fixed && special <= MOST_SPECIAL);
        let first = first.ok_or_else(|| at_field(24, "the special slots of a CodeDirectory do not fit"))?;
        let end = code.checked_mul(kept).and_then(|length| hashes.checked_add(length));
        let end = end.filter(|end| *end <= bytes.len());
        let end = end.ok_or_else(|| at_field(28, "the slots of a CodeDirectory do not fit"))?;
        let text = |at: usize, place: u64| {
            let rest = bytes.get(at..).filter(|_| at >= fixed);
            let length = rest.and_then(|rest| memchr::memchr(0, rest));
            let length = length.ok_or_else(|| at_field(place, "a string of a CodeDirectory lies outside it"))?;
            let shown = bytes
                .get(at..at.saturating_add(length.min(LONGEST)))
                .unwrap_or_default();
            Ok((printable(shown), at..at.saturating_add(length).saturating_add(1)))
        };
        let (identifier, ident_at) = text(place(bytes, 20).ok_or_else(short)?, 20)?;
        let mut accounted = vec![0..fixed, ident_at, first..end];
        let team = match later(48) {
            Some(at) => {
                let (team, place) = text(usize::try_from(at).unwrap_or(usize::MAX), 48)?;
                accounted.push(place);
                Some(team)
            }
            None => None,
        };
        let ranges = match later(44) {
            Some(at) => {
                let at = usize::try_from(at).unwrap_or(usize::MAX);
                let (ranges, table) = scattered(bytes, at, hashes..end, kept, page, limit)
                    .ok_or_else(|| at_field(44, "the ranges of pages of a CodeDirectory do not fit it"))?;
                accounted.push(table);
                ranges
            }
            None => {
                let pages = page.map_or(u64::from(limit > 0), |page| limit.div_ceil(page));
                if pages != offset(code) {
                    return Err(at_field(28, "a CodeDirectory has not one slot for each page"));
                }
                vec![(Span::new(0, limit), hashes..end)]
            }
        };
        // The digests before encryption, as many as there are pages, and the linkage digest.
        let extent = |at: usize, length: Option<usize>| Some(place(head, at)?..place(head, at)?.checked_add(length?)?);
        let before = extent(92, code.checked_mul(kept)).filter(|r| r.start > 0);
        let linkage = extent(100, place(head, 104)).filter(|r| r.start > 0);
        accounted.extend(before.into_iter().chain(linkage).filter(|r| r.end <= bytes.len()));
        Ok(Self {
            slot,
            span,
            flags: field(12)?,
            algorithm,
            kept,
            identifier,
            team,
            platform: byte(38)?,
            page,
            limit,
            runtime: later(88),
            special: specials(bytes.get(first..hashes).unwrap_or_default(), kept),
            ranges,
            accounted: with_zeros(bytes, &accounted, start),
        })
    }

    /// Whether `flag` is set.
    pub(super) fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// The flags, by name; unknown ones in hexadecimal.
    pub(super) fn flag_names(&self) -> Vec<String> {
        let known = FLAGS.iter().filter(|(flag, _)| self.has(*flag));
        let mut names: Vec<String> = known.map(|(_, name)| (*name).to_owned()).collect();
        let rest = FLAGS.iter().fold(self.flags, |rest, (flag, _)| rest & !flag);
        if rest != 0 {
            names.push(format!("{rest:#x}"));
        }
        names
    }

    /// Which of several CodeDirectories systems prefer: the highest.
    pub(super) fn rank(&self) -> u8 {
        match (self.algorithm, self.kept) {
            (Algorithm::Sha1, _) => 0,
            (Algorithm::Sha256, 20) => 1,
            (Algorithm::Sha256, _) => 2,
            (Algorithm::Sha384, _) => 3,
            (Algorithm::Sha512, _) => 4,
        }
    }

    /// The name of its digest, for people.
    pub(super) fn digest_name(&self) -> &'static str {
        match (self.algorithm, self.kept) {
            (Algorithm::Sha256, 20) => "sha256 cut to 20 bytes",
            (algorithm, _) => algorithm.as_str(),
        }
    }
}

/// The digests of the special slots, from the one nearest to page 0 on.
fn specials(bytes: &[u8], kept: usize) -> Vec<Vec<u8>> {
    let all = bytes.rchunks_exact(kept.max(1));
    all.map(|digest| {
        if digest.iter().all(|b| *b == 0) {
            Vec::new()
        } else {
            digest.to_vec()
        }
    })
    .collect()
}

type Ranges = Vec<(Span, Range<usize>)>;

/// The entries of the scatter vector: `count` pages from page `base` on each. One of no page ends it.
fn scattered(
    bytes: &[u8],
    at: usize,
    slots: Range<usize>,
    kept: usize,
    page: Option<u64>,
    limit: u64,
) -> Option<(Ranges, Range<usize>)> {
    const ENTRY: usize = 24;
    let page = page?;
    let (mut ranges, mut end, mut next) = (Vec::new(), 0u64, slots.start);
    for number in 0..=MOST_RANGES {
        let entry = at.checked_add(number.checked_mul(ENTRY)?)?;
        let count = place(bytes, entry)?;
        let base = u64::from(word(bytes, entry.checked_add(4)?)?).checked_mul(page)?;
        let after = entry.checked_add(ENTRY).filter(|after| *after <= bytes.len())?;
        if count == 0 {
            return (next == slots.end).then_some((ranges, at..after));
        }
        let last = base.checked_add(offset(count).checked_mul(page)?)?.min(limit);
        let digests = next..next.checked_add(count.checked_mul(kept)?)?;
        if base < end || last <= base || digests.end > slots.end {
            return None;
        }
        (end, next) = (last, digests.end);
        ranges.push((Span::new(base, last), digests));
    }
    None
}

/// `parts` of `bytes`, and the zeros between them, as spans of the artifact.
fn with_zeros(bytes: &[u8], parts: &[Range<usize>], start: u64) -> SpanSet {
    let span = |r: &Range<usize>| {
        let at = start.saturating_add(offset(r.start));
        Span::new(at, start.saturating_add(offset(r.end)))
    };
    let named = SpanSet::from_spans(parts.iter().map(span));
    let whole = span(&(0..bytes.len()));
    let gaps = named.complement(whole);
    let zeros = gaps.iter().filter(|gap| {
        let from = usize::try_from(gap.start().saturating_sub(start)).unwrap_or(usize::MAX);
        let to = usize::try_from(gap.end().saturating_sub(start)).unwrap_or(usize::MAX);
        bytes.get(from..to).is_some_and(|gap| gap.iter().all(|b| *b == 0))
    });
    SpanSet::from_spans(named.iter().chain(zeros))
}
