//! The bounded table of distinct hosts.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::scan::wide;
use super::{Candidate, Confidence, Disguise, Encoding, HostHit, HostKind, HostScan};
use crate::span::Span;

/// What makes two occurrences one entry.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    segment: usize,
    host: String,
    scheme: String,
    kind: HostKind,
    encoding: Encoding,
    confidence: Confidence,
    disguise: Option<Disguise>,
}

/// Where an entry was first seen, and how often since.
struct First {
    span: Span,
    url_offset: u64,
    port: Option<u16>,
    count: u64,
}

/// Distinct hosts up to a limit.
pub(super) struct Table {
    limit: usize,
    entries: HashMap<Key, First>,
    dropped: u64,
}

impl Table {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            entries: HashMap::new(),
            dropped: 0,
        }
    }

    /// Counts `candidate`, whose offsets are relative to `base`.
    pub(super) fn add(&mut self, encoding: Encoding, segment: usize, base: u64, candidate: Candidate) {
        let at = |index: usize| base.saturating_add(wide(index));
        let Candidate {
            url_at,
            host_at,
            host_end,
            scheme,
            host,
            kind,
            confidence,
            disguise,
            port,
        } = candidate;
        let is_full = self.entries.len() >= self.limit;
        match self.entries.entry(Key {
            segment,
            host,
            scheme,
            kind,
            encoding,
            confidence,
            disguise,
        }) {
            Entry::Occupied(mut known) => {
                let first = known.get_mut();
                first.count = first.count.saturating_add(1);
            }
            Entry::Vacant(_) if is_full => self.dropped = self.dropped.saturating_add(1),
            Entry::Vacant(room) => {
                let span = Span::new(at(host_at), at(host_end));
                room.insert(First {
                    span,
                    url_offset: at(url_at),
                    port,
                    count: 1,
                });
            }
        }
    }

    pub(super) fn finish(self) -> HostScan {
        let mut hits: Vec<HostHit> = self
            .entries
            .into_iter()
            .map(|(key, first)| HostHit {
                span: first.span,
                url_offset: first.url_offset,
                scheme: key.scheme,
                host: key.host,
                kind: key.kind,
                encoding: key.encoding,
                confidence: key.confidence,
                disguise: key.disguise,
                port: first.port,
                segment: key.segment,
                count: first.count,
            })
            .collect();
        hits.sort_by(|a, b| {
            let place = |hit: &HostHit| (hit.span, hit.url_offset);
            (place(a), &a.scheme, &a.host, a.encoding).cmp(&(place(b), &b.scheme, &b.host, b.encoding))
        });
        HostScan {
            hits,
            dropped: self.dropped,
        }
    }
}
