//! ZIP and ZIP64, through the local headers *and* the central directory (PKWARE APPNOTE 6.3.10).
//!
//! | part | where |
//! | --- | --- |
//! | local header, name, extra fields, data, data descriptor; for each member | [`local`], [`extra`] |
//! | APK signing block | [`signing`] |
//! | central records, digital signature | [`central`] |
//! | ZIP64 end record, locator, end record, comment | [`eocd`] |
//!
//! Readers differ in which of the two descriptions they believe, so both are read to the last byte and held against
//! each other ([`reconcile`]). Members that only local headers describe are examined as well ([`unlisted`]). What stands
//! before, between and after these parts stays unclaimed: no published archive has any of it.
//!
//! Not done here: judging names (the inspectors do, from `Fact::Entry`), and any compression method but stored and
//! deflate, which make the archive incomplete.

mod central;
mod decode;
mod directory;
mod eocd;
mod extra;
mod fields;
mod local;
mod member;
mod recode;
mod reconcile;
mod signing;
#[cfg(test)]
mod tests;
mod unlisted;

use super::{Format, Input, Parse};
use crate::finding::{Finding, code};
use crate::identify::{Match, Probe, Strength, TAIL};
use crate::ledger::{Gaps, Role};
use crate::span::Span;
use fields::{index, wide};
use local::Reader;
use std::borrow::Cow;

/// A ZIP archive.
pub(super) struct Zip;

impl Format for Zip {
    fn id(&self) -> &'static str {
        "zip"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let head = match unlisted::split_marker(probe.head) {
            Some(marker) => probe.head.get(index(marker.end())..).unwrap_or_default(),
            None => probe.head,
        };
        if local::is_header(head, probe.length) {
            return Some(Match::CERTAIN);
        }
        let found = tail_match(probe);
        if head.starts_with(local::SIGNATURE) {
            return Some(if found.is_some() { Match::CERTAIN } else { Match::LIKELY });
        }
        found
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.gaps(Gaps::Never);
        let tail_at = input.len().saturating_sub(wide(TAIL));
        let tail = match input.read(Span::new(tail_at, input.len())) {
            Ok(tail) => tail,
            Err(fault) => return out.fault(&fault, "end of central directory"),
        };
        let look = |at: u64, length: u64| input.read(Span::at(at, length)?).ok();
        let search = eocd::search(&tail, tail_at, input.len(), &look);
        if search.flooded {
            out.malformed(
                Span::new(tail_at, input.len()),
                "zip: more than 1024 end of central directory signatures",
            );
        }
        let mut reader = Reader::new(input);
        let head = input.read_up_to(0, 8).unwrap_or_default();
        if head.starts_with(b"JM\x01\0PK") {
            out.leaf(Span::new(0, 4), Role::Header, "Java module file magic");
        }
        let marker = unlisted::split_marker(&head);
        if let Some(marker) = marker {
            out.leaf(marker, Role::Header, "split archive marker");
        }
        match search.end {
            Some(end) => directory::read(&mut reader, directory::Found::by_end(end, &search.others), out),
            None => stream(&mut reader, marker.map_or(0, Span::end), out),
        }
    }

    fn extensions(&self) -> &'static [&'static str] {
        &[
            "zip",
            "whl",
            "egg",
            "jar",
            "war",
            "ear",
            "aar",
            "apk",
            "npz",
            "pt",
            "pth",
            "pt2",
            "ptl",
            "bin",
            "ckpt",
            "keras",
            "mar",
            "docx",
            "dotx",
            "docm",
            "xlsx",
            "xltx",
            "xlsm",
            "pptx",
            "potx",
            "pptm",
            "odt",
            "ods",
            "odp",
            "epub",
            "vsix",
            "nupkg",
            "crx",
            "xpi",
            "ipa",
            "mcpb",
            "dxt",
            "pyz",
            "pex",
            "mlpackage",
            "kmz",
            "3mf",
            "usdz",
            "zipx",
        ]
    }
}

/// What the tail alone tells.
fn tail_match(probe: &Probe<'_>) -> Option<Match> {
    let tail_at = probe.tail_offset();
    let look = |at: u64, length: u64| -> Option<Cow<'_, [u8]>> {
        let cut = |bytes: &'_ [u8], base: u64| -> Option<Vec<u8>> {
            let from = index(at.checked_sub(base)?);
            bytes.get(from..from.checked_add(index(length))?).map(<[u8]>::to_vec)
        };
        cut(probe.tail, tail_at).or_else(|| cut(probe.head, 0)).map(Cow::Owned)
    };
    let end = eocd::search(probe.tail, tail_at, probe.length, &look).end;
    let Some(end) = end else {
        // The directory may begin before the tail: its last records must then lead to the end record.
        let at = eocd::places(probe.tail).next()?;
        let (before, record) = probe.tail.split_at_checked(at)?;
        let size = u64::from(fields::Fields(record).u32(12));
        let starts_before = size > wide(before.len()) && size < probe.length;
        // Where the directory begins less where it says that it does: what stands before the archive.
        let offset = u64::from(fields::Fields(record).u32(16));
        let directory = tail_at.saturating_add(wide(before.len())).checked_sub(size);
        let base = directory.and_then(|at| at.checked_sub(offset)).unwrap_or(0);
        return (starts_before && central::chain_leads_to_end(before)).then(|| starting_at(probe, base));
    };
    if end.directory.is_empty() {
        // An empty archive is its end record, and proves nothing further down a file.
        return (end.span.start() == 0).then_some(Match::CERTAIN);
    }
    let records = end
        .directory
        .start()
        .checked_sub(tail_at)
        .and_then(|at| probe.tail.get(index(at)..));
    let lowest = records.and_then(central::lowest_offset).map(i128::from).unwrap_or(0);
    let start = u64::try_from(end.base.saturating_add(lowest)).unwrap_or(0);
    Some(starting_at(probe, start))
}

/// A certain match from `start`; not from 0 unless the head says so.
fn starting_at(probe: &Probe<'_>, start: u64) -> Match {
    let from_head = probe.head.starts_with(b"PK");
    Match {
        strength: Strength::Certain,
        start: if from_head { 0 } else { start.max(1) },
    }
}

/// An archive without a usable end record: its local headers lead to whatever there is.
fn stream(reader: &mut Reader<'_, '_>, at: u64, out: &mut Parse) {
    let (members, end) = unlisted::walk(reader, at, out);
    let length = reader.input.len();
    match directory::Found::by_chain(reader, end) {
        Ok(Some(found)) => {
            if !found.has_end() {
                no_end(length, out);
            }
            directory::read(reader, found, out);
        }
        Ok(None) => {
            no_end(length, out);
            for member in &members {
                member.claim(reader, out);
            }
        }
        Err(fault) => out.fault(&fault, "central directory"),
    }
}

fn no_end(length: u64, out: &mut Parse) {
    let message = "the archive has no end of central directory record";
    out.finding(Finding::new(code::TRUNCATED, Span::new(length, length), message).key("end"));
}
