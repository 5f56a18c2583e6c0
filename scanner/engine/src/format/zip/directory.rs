//! An archive with a central directory: every record followed to its local header, its data and its descriptor.

use super::central::{self, Central};
use super::eocd::{self, End};
use super::fields::{Fields, index, wide};
use super::local::{self, LONGEST_DESCRIPTOR, Local, Reader, descriptor};
use super::member::{Member, Sharing};
use super::{reconcile, signing, unlisted};
use crate::finding::{ErrorCode, Finding, ScanError, code};
use crate::format::{Parse, ReadFault};
use crate::ledger::Role;
use crate::name::printable;
use crate::policy::shown;
use crate::span::{Span, SpanSet};
use std::collections::HashSet;

/// Members that share bytes with others and are decoded all the same.
const SHARED: usize = 32;
/// Members that share bytes are a bomb when they expand to more than this many times the file.
const BOMB_RATIO: u64 = 250;
/// Below this many bytes they are none.
const BOMB_FLOOR: u64 = 64 << 20;
/// The most bytes of a central directory that no end record bounds.
const UNBOUNDED: u64 = 64 << 20;

/// A central directory and how it was found.
pub(super) struct Found {
    span: Span,
    base: i128,
    end: Option<End>,
    /// Other end records that a reader might take.
    rivals: Vec<Span>,
}

impl Found {
    /// The directory that `end` names.
    pub(super) fn by_end(end: End, others: &[End]) -> Self {
        // An end record inside a member's data belongs to a nested archive. One after the directory's start, or whose
        // comment holds ours, is one that another reader takes.
        let rival = |o: &&End| o.span.start() >= end.directory.start() || o.end() > end.span.start();
        let rivals = others.iter().filter(rival).map(|o| o.span).collect();
        Self {
            span: end.directory,
            base: end.base,
            end: Some(end),
            rivals,
        }
    }

    /// The directory that begins at `at`, where the last member ended; `None` when there is none.
    pub(super) fn by_chain(reader: &Reader<'_, '_>, at: u64) -> Result<Option<Self>, ReadFault> {
        let bytes = reader.input.read_up_to(at, UNBOUNDED)?;
        let length = central::chain_length(&bytes);
        if length == 0 {
            return Ok(None);
        }
        let span = Span::saturating_at(at, wide(length));
        let rest = bytes.get(length..).unwrap_or_default();
        let look = |at: u64, length: u64| reader.input.read(Span::at(at, length)?).ok();
        let skip = if rest.starts_with(eocd::WIDE) {
            Fields(rest).u64(4).saturating_add(32)
        } else {
            0
        };
        let record = rest.get(index(skip)..).unwrap_or_default();
        let end = eocd::candidate(record, span.end().saturating_add(skip), reader.input.len(), &look);
        let base = end.as_ref().map_or(0, |e| e.base);
        Ok(Some(Self {
            span,
            base,
            end,
            rivals: Vec::new(),
        }))
    }

    /// Whether an end record names it.
    pub(super) fn has_end(&self) -> bool {
        self.end.is_some()
    }
}

/// Reads and claims the whole archive.
pub(super) fn read(reader: &mut Reader<'_, '_>, found: Found, out: &mut Parse) {
    let bytes = match reader.input.read(found.span) {
        Ok(bytes) => bytes,
        Err(fault) => return out.fault(&fault, "central directory"),
    };
    let (records, records_end) = central::records(&bytes, found.span.start(), out);
    let mut limit = found.span.start();
    if let Some(block) = signing::block(reader.input, limit) {
        out.leaf(block, Role::Signature, "APK signing block");
        limit = block.start();
    }
    let base = base(reader, found.base, &records);
    let covered = members(reader, &records, base, limit, out);
    unlisted::search(reader, &covered, limit, out);
    if let Some(end) = &found.end {
        end_records(reader, end, &records, records_end, &found.rivals, out);
    }
}

/// Offsets count from the archive's start or from the file's: the one of the two where the first header stands.
fn base(reader: &mut Reader<'_, '_>, stated: i128, records: &[Central]) -> i128 {
    let Some(first) = records.iter().min_by_key(|r| r.offset) else {
        return stated;
    };
    let stands = |base: i128, reader: &mut Reader<'_, '_>| {
        let at = place(base, first.offset);
        at.is_some_and(|at| matches!(reader.header(at, local::LENGTH), Ok(Some(_))))
    };
    if stated != 0 && !stands(stated, reader) && stands(0, reader) {
        0
    } else {
        stated
    }
}

fn place(base: i128, offset: u64) -> Option<u64> {
    u64::try_from(base.saturating_add(i128::from(offset))).ok()
}

/// Follows every record; returns the bytes that the listed members account for.
fn members(reader: &mut Reader<'_, '_>, records: &[Central], base: i128, limit: u64, out: &mut Parse) -> SpanSet {
    let length = reader.input.len();
    let mut order: Vec<(u64, &Central)> = Vec::with_capacity(records.len());
    for record in records {
        match place(base, record.offset).filter(|at| *at < length) {
            Some(at) => order.push((at, record)),
            None => homeless(record, out),
        }
    }
    order.sort_by_key(|(at, _)| *at);
    let boundaries = boundaries(&order, limit);
    let mut spans = Vec::new();
    let mut shared = Shared::default();
    let mut before: Option<Local> = None;
    for (number, &(at, record)) in order.iter().enumerate() {
        let following = order.get(number.saturating_add(1)..).unwrap_or_default();
        let boundary = boundaries.get(number).copied().unwrap_or(limit);
        let dense = following
            .get(4)
            .is_some_and(|(next, _)| next.saturating_sub(at) < 64 << 10);
        let ahead = reader.ahead(dense);
        let known = before.take().filter(|local| local.at == at);
        let first = known.is_none();
        let header = match known {
            Some(local) => Ok(Some(local)),
            None => reader.header(at, ahead),
        };
        let mut local = match header {
            Ok(Some(local)) => local,
            Ok(None) => {
                homeless(record, out);
                continue;
            }
            Err(fault) => {
                out.fault(&fault, "local header");
                continue;
            }
        };
        if first {
            let extras = unlisted::claim_header(&local, out);
            reconcile::widen(&mut local, &extras);
        }
        reconcile::headers(record, &local, out);
        let data = local.data();
        let end = data.saturating_add(record.compressed);
        let payload = Span::new(data.min(length), end.min(length));
        spans.push(Span::new(at, payload.end()));
        let sharing = shared.judge(payload, record.size);
        Member::of(record, payload, sharing).emit(reader.input, out);
        if first && (record.flags | local.flags) & 8 != 0 && end <= length {
            let room = boundary.saturating_sub(end);
            if let Some(span) = deferred(reader, record, Span::saturating_at(end, room), ahead, out) {
                spans.push(span);
            }
        }
        before = Some(local);
    }
    shared.report(length, out);
    SpanSet::from_spans(spans)
}

/// For each member in order, where the next one begins.
fn boundaries(order: &[(u64, &Central)], limit: u64) -> Vec<u64> {
    let mut all: Vec<u64> = Vec::with_capacity(order.len());
    let (mut next, mut current) = (limit, limit);
    for (at, _) in order.iter().rev() {
        if *at != current {
            (next, current) = (current, *at);
        }
        all.push(next);
    }
    all.reverse();
    all
}

/// A record whose local header is not where it says.
fn homeless(record: &Central, out: &mut Parse) {
    let name = shown(&record.name);
    let message = format!(
        "{name} has no local header at {:#x}, where the central directory says it is",
        record.offset
    );
    let finding = Finding::new(code::HEADER_MISMATCH, record.name_span(), message);
    out.finding(
        finding
            .key(format!("{name} offset"))
            .evidence("name", name)
            .evidence("offset", record.offset),
    );
}

/// The data descriptor in `room`, claimed and compared.
fn deferred(reader: &mut Reader<'_, '_>, record: &Central, room: Span, ahead: u64, out: &mut Parse) -> Option<Span> {
    let expected = (record.crc, record.compressed, record.size);
    let bytes = match reader.bytes(room.start(), LONGEST_DESCRIPTOR.min(room.len()), ahead) {
        Ok(bytes) => bytes,
        Err(fault) => {
            out.fault(&fault, "data descriptor");
            return None;
        }
    };
    let Some(found) = descriptor(bytes, room.len(), expected) else {
        let message = "zip: flag bit 3 is set and no data descriptor follows (4.3.9)";
        let finding = Finding::new(code::MALFORMED, record.name_span(), message)
            .case("lenient")
            .key(message);
        out.finding(finding);
        return None;
    };
    let span = Span::saturating_at(room.start(), found.length);
    out.leaf(
        span,
        Role::Trailer,
        format!("data descriptor {}", printable(&record.name)),
    );
    reconcile::descriptor(record, found, span, out);
    Some(span)
}

/// What members that share bytes add up to.
#[derive(Default)]
struct Shared {
    reach: u64,
    seen: HashSet<Span>,
    first: Option<Span>,
    members: u64,
    size: u64,
    decoded: usize,
}

impl Shared {
    fn judge(&mut self, payload: Span, size: u64) -> Sharing {
        let overlaps = !payload.is_empty() && payload.start() < self.reach;
        self.reach = self.reach.max(payload.end());
        let new = self.seen.insert(payload);
        if !overlaps {
            return Sharing::Alone;
        }
        self.first.get_or_insert(payload);
        self.members = self.members.saturating_add(1);
        self.size = self.size.saturating_add(size);
        if !new {
            return Sharing::Same;
        }
        self.decoded = self.decoded.saturating_add(1);
        if self.decoded > SHARED {
            Sharing::Skipped
        } else {
            Sharing::Shared
        }
    }

    fn report(&self, length: u64, out: &mut Parse) {
        let Some(first) = self
            .first
            .filter(|_| self.size > BOMB_FLOOR.max(length.saturating_mul(BOMB_RATIO)))
        else {
            return;
        };
        let message = format!(
            "{} members share their bytes with others and expand to {} bytes",
            self.members, self.size
        );
        let finding = Finding::new(code::ARCHIVE_BOMB, first, message)
            .case("overlap")
            .key("overlap");
        out.finding(finding.evidence("members", self.members).evidence("decoded", self.size));
    }
}

/// Claims the end records and holds them against what was found.
fn end_records(
    reader: &Reader<'_, '_>,
    end: &End,
    records: &[Central],
    records_end: u64,
    rivals: &[Span],
    out: &mut Parse,
) {
    if let Some((record, locator)) = end.wide {
        // An extensible data sector (4.3.15) is for encryption alone and stays unclaimed.
        let known = Span::new(record.start(), record.end().min(record.start().saturating_add(56)));
        out.leaf(known, Role::Trailer, "ZIP64 end of central directory");
        out.leaf(locator, Role::Trailer, "ZIP64 end of central directory locator");
    }
    out.leaf(end.span, Role::Trailer, "end of central directory");
    if end.split {
        let message = "the archive is one part of a split archive";
        out.error(ScanError::new(ErrorCode::Unsupported, message).at(end.span.start()));
    }
    let found = wide(records.len());
    if found != end.entries {
        let rule = "zip: the end record states another number of entries than the directory holds (4.4.22)";
        // Writers older than ZIP64 let the count wrap.
        let wrapped = end.wide.is_none() && found & 0xffff == end.entries;
        let finding = Finding::new(code::MALFORMED, end.span, rule).key(rule);
        let finding = if wrapped { finding.case("lenient") } else { finding };
        out.finding(finding.evidence("stated", end.entries).evidence("found", found));
    }
    if records_end.saturating_sub(end.directory.start()) != end.size {
        out.malformed(
            end.span,
            "zip: the end record states another directory size than there is (4.4.23)",
        );
    }
    let mismatch = |span: Span, message: String, key: &str, out: &mut Parse| {
        out.finding(Finding::new(code::HEADER_MISMATCH, span, message).key(key));
    };
    if let Some(what) = end.differs {
        let message = format!("the end record and the ZIP64 end record state another {what}");
        mismatch(end.span, message, "zip64", out);
    }
    if let Some(second) = end.second {
        let message =
            format!("a central directory stands at {second:#x}, another before the end record: readers differ");
        mismatch(Span::saturating_at(second, end.size), message, "second directory", out);
    }
    for rival in rivals {
        let message = "a second end of central directory record leads to an archive: readers differ".to_owned();
        mismatch(*rival, message, "second end", out);
    }
    comment(reader, end.comment, out);
}

/// Claims the archive comment, up to an archive inside it.
fn comment(reader: &Reader<'_, '_>, span: Span, out: &mut Parse) {
    if span.is_empty() {
        return;
    }
    let bytes = match reader.input.read(span) {
        Ok(bytes) => bytes,
        Err(fault) => return out.fault(&fault, "archive comment"),
    };
    let archive = memchr::memmem::find_iter(&bytes, local::SIGNATURE).find(|at| {
        local::is_header(
            bytes.get(*at..).unwrap_or_default(),
            wide(bytes.len().saturating_sub(*at)),
        )
    });
    if memchr::memmem::find(&bytes, eocd::SIGNATURE).is_some() {
        out.malformed(
            span,
            "zip: the archive comment holds an end of central directory signature (4.3.16)",
        );
    }
    let text = Span::new(
        span.start(),
        archive.map_or(span.end(), |at| span.start().saturating_add(wide(at))),
    );
    out.leaf(text, Role::Metadata, "archive comment");
    central::comment_name(bytes.get(..index(text.len())).unwrap_or_default(), text, out);
}
