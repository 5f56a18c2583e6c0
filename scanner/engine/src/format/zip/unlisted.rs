//! Members known by their local headers alone: those of an archive that was cut off or never finished, and those that a
//! whole archive's central directory does not list.

use super::extra;
use super::fields::{index, wide};
use super::local::{Descriptor, LENGTH, LONGEST_DESCRIPTOR, Local, Reader, SIGNATURE, descriptor, find_descriptor};
use super::member::{Member, Sharing};
use super::reconcile::widen;
use crate::finding::{Finding, code};
use crate::format::{Parse, ReadFault};
use crate::ledger::{Region, Role};
use crate::name::printable;
use crate::policy::shown;
use crate::span::{Span, SpanSet};

/// How far the end of a member of unknown length is looked for.
const FAR: u64 = 16 << 20;
/// The first and the largest window in which it is looked for.
const WINDOW: u64 = 2 << 10;
const MOST_WINDOW: u64 = 1 << 20;
/// How many bytes of one gap, and of all gaps, are searched for local headers.
const GAP: u64 = 1 << 20;
const GAPS: u64 = 16 << 20;
/// Unlisted members that are handed on.
const MOST: usize = 4096;

/// A member that its local header describes.
pub(super) struct Unlisted {
    pub(super) local: Local,
    payload: Span,
    compressed: u64,
    size: u64,
    crc: u32,
    descriptor: Option<Span>,
}

impl Unlisted {
    /// Resolves the member whose header is `local`; `None` when its length cannot be told within `limit`.
    fn resolve(reader: &mut Reader<'_, '_>, mut local: Local, limit: u64) -> Result<Option<Self>, ReadFault> {
        // Nothing is claimed for the extra fields here: their meaning is wanted before it is known whose they are.
        let extras = extra::read(&local.extra, 0, "", &local.name, None, &mut Parse::new("zip"));
        widen(&mut local, &extras);
        let data = local.data();
        let told = local.compressed != 0 || !local.deferred();
        if told {
            let end = data.saturating_add(local.compressed);
            let mut member = Self {
                payload: Span::new(data, end.min(limit)),
                compressed: local.compressed,
                size: local.size,
                crc: local.crc,
                descriptor: None,
                local,
            };
            if member.local.deferred() && end < limit {
                let ahead = reader.ahead(true);
                let bytes = reader.bytes(end, LONGEST_DESCRIPTOR, ahead)?;
                let found = descriptor(
                    bytes,
                    limit.saturating_sub(end),
                    (member.crc, member.compressed, member.size),
                );
                member.follow(found, end);
            }
            return Ok(Some(member));
        }
        let Some((length, found)) = Self::far_descriptor(reader, Span::new(data, limit.min(data.saturating_add(FAR))))?
        else {
            return Ok(None);
        };
        let end = data.saturating_add(length);
        let (crc, size) = (found.crc, found.size);
        let payload = Span::new(data, end);
        let mut member = Self {
            payload,
            compressed: length,
            size,
            crc,
            descriptor: None,
            local,
        };
        member.follow(Some(found), end);
        Ok(Some(member))
    }

    /// Looks for the descriptor in windows that grow, so that all members of an archive together read little more than
    /// the archive is long.
    fn far_descriptor(reader: &Reader<'_, '_>, data: Span) -> Result<Option<(u64, Descriptor)>, ReadFault> {
        let (mut before, mut window) = (0u64, WINDOW);
        while before < data.len() {
            let bytes = reader.input.read_up_to(
                data.start().saturating_add(before),
                window.min(data.len().saturating_sub(before)),
            )?;
            if let Some(found) = find_descriptor(&bytes, before) {
                return Ok(Some(found));
            }
            // A descriptor may begin in one window and end in the next.
            before = before.saturating_add(window.saturating_sub(LONGEST_DESCRIPTOR));
            window = window.saturating_mul(2).min(MOST_WINDOW);
        }
        Ok(None)
    }

    fn follow(&mut self, found: Option<Descriptor>, end: u64) {
        if let Some(found) = found {
            self.descriptor = Some(Span::saturating_at(end, found.length));
            if self.local.crc == 0 {
                (self.crc, self.size) = (found.crc, found.size);
            }
        }
    }

    /// The offset after the member.
    fn end(&self) -> u64 {
        self.descriptor.map_or(self.payload.end(), Span::end)
    }

    fn emit(&self, reader: &Reader<'_, '_>, out: &mut Parse) {
        let member = Member {
            name: &self.local.name,
            name_span: self.local.name_span(),
            unicode_name: None,
            payload: self.payload,
            compressed: self.compressed,
            size: self.size,
            crc: self.crc,
            flags: self.local.flags,
            method: self.local.method,
            file_type: 0,
            listed: false,
            sharing: Sharing::Alone,
        };
        member.emit(reader.input, out);
    }

    /// Claims header and descriptor and hands the content on: there is no directory that could list it.
    pub(super) fn claim(&self, reader: &Reader<'_, '_>, out: &mut Parse) {
        claim_header(&self.local, out);
        self.emit(reader, out);
        if let Some(span) = self.descriptor {
            out.leaf(
                span,
                Role::Trailer,
                format!("data descriptor {}", printable(&self.local.name)),
            );
        }
    }
}

/// Claims a local header and reads its extra fields.
pub(super) fn claim_header(local: &Local, out: &mut Parse) -> extra::Extras {
    let label = printable(&local.name);
    let name = local.name_span();
    let mut leaf = |span: Span, role: Role, name: String| {
        out.region(Region {
            span,
            role,
            name: name.into(),
            parent: None,
            leaf: true,
            fill: None,
            shares: None,
        });
    };
    leaf(
        Span::new(local.at, name.start()),
        Role::Header,
        format!("local header {label}"),
    );
    leaf(name, Role::Strings, format!("name {label}"));
    extra::read(&local.extra, name.end(), &label, &local.name, None, out)
}

/// Goes from local header to local header from `at` on. Returns the members and where they end.
pub(super) fn walk(reader: &mut Reader<'_, '_>, mut at: u64, out: &mut Parse) -> (Vec<Unlisted>, u64) {
    let mut members = Vec::new();
    let limit = reader.input.len();
    loop {
        let ahead = reader.ahead(true);
        let next = reader.header(at, ahead).and_then(|header| match header {
            Some(local) => Unlisted::resolve(reader, local, limit).map(|found| (true, found)),
            None => Ok((false, None)),
        });
        match next {
            Ok((_, Some(member))) => {
                at = member.end();
                members.push(member);
            }
            Ok((false, None)) => return (members, at),
            Ok((true, None)) => {
                let span = Span::saturating_at(at, LENGTH);
                out.malformed(span, "zip: a streamed member has no data descriptor (4.3.9)");
                return (members, at);
            }
            Err(fault) => {
                out.fault(&fault, "local header");
                return (members, at);
            }
        }
    }
}

/// Looks for members in the bytes before `limit` that are not `covered`. Their headers stay unclaimed, since the
/// directory does not account for them; their content is examined.
pub(super) fn search(reader: &mut Reader<'_, '_>, covered: &SpanSet, limit: u64, out: &mut Parse) {
    let (mut budget, mut found) = (GAPS, 0usize);
    for gap in covered.complement(Span::new(0, limit)).iter() {
        if gap.len() <= LENGTH || budget == 0 || found >= MOST {
            continue;
        }
        let length = gap.len().min(GAP).min(budget);
        budget = budget.saturating_sub(length);
        let bytes = match reader.input.read_up_to(gap.start(), length) {
            Ok(bytes) => bytes,
            Err(fault) => return out.fault(&fault, "gap between members"),
        };
        let mut past = gap.start();
        for at in memchr::memmem::find_iter(&bytes, SIGNATURE) {
            let at = gap.start().saturating_add(wide(at));
            // What precedes the archive may be a program that holds the signature as a constant.
            if at < past || (gap.start() == 0 && at > 0) || found >= MOST {
                continue;
            }
            past = run(reader, at, gap, &mut found, out).max(past);
        }
    }
}

/// Hands on the members that follow each other from `at`; returns where they end.
fn run(reader: &mut Reader<'_, '_>, mut at: u64, gap: Span, found: &mut usize, out: &mut Parse) -> u64 {
    while *found < MOST {
        let ahead = reader.ahead(false);
        let Ok(Some(local)) = reader.header(at, ahead) else {
            break;
        };
        if !local.is_plausible() || local.data() > gap.end() {
            break;
        }
        let Ok(Some(member)) = Unlisted::resolve(reader, local, gap.end()) else {
            break;
        };
        let name = shown(&member.local.name);
        let span = Span::new(at, member.end());
        let message = format!("{name} has a local header and is not in the central directory");
        let finding = Finding::new(code::HEADER_MISMATCH, span, message).region("unlisted member");
        out.finding(finding.key(format!("unlisted {name}")).evidence("name", name));
        member.emit(reader, out);
        *found = found.saturating_add(1);
        at = member.end();
    }
    at
}

/// The head of an archive that was split, or never was although it says so: `PK\7\8` or `PK00`.
pub(super) fn split_marker(head: &[u8]) -> Option<Span> {
    let marked = head.starts_with(b"PK\x07\x08") || head.starts_with(b"PK00");
    (marked && head.get(4..).is_some_and(|h| h.starts_with(SIGNATURE))).then(|| Span::new(0, wide(index(4))))
}
