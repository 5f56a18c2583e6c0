//! One HDF5 file being read: how wide its addresses are, what was read already, and what is claimed.
//!
//! Claims are collected and written out at the end, since a value inside a structure (the JSON of a `model_config`
//! attribute) becomes a nested artifact, which takes its bytes out of the structure's leaf.

use super::fields::{Fields, size, wide};
use crate::fact::Fact;
use crate::finding::{ErrorCode, ScanError};
use crate::format::{Input, Parse};
use crate::ledger::Role;
use crate::span::{Span, SpanSet};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

/// The most structures and claims of one file.
const MOST: usize = 1 << 20;
/// The most bytes of a path in names.
const LONGEST_PATH: usize = 240;

/// What is still to be read.
pub(super) enum Task {
    /// An object header.
    Object {
        /// Where.
        address: u64,
        /// The object's path, shortened.
        path: Box<str>,
    },
}

/// Where a value stands in the file.
struct Claim {
    span: Span,
    role: Role,
    name: Box<str>,
}

/// An HDF5 file.
pub(super) struct File<'i, 'a, 'o> {
    pub(super) input: &'i Input<'a>,
    pub(super) out: &'o mut Parse,
    /// What addresses count from.
    pub(super) base: u64,
    /// Bytes of an address.
    pub(super) offsets: usize,
    /// Bytes of a length.
    pub(super) lengths: usize,
    /// Half the entries of a symbol table node.
    pub(super) leaf_k: u64,
    /// Half the children of a group's B-tree node.
    pub(super) group_k: u64,
    /// Half the children of a chunk index node.
    pub(super) chunk_k: u64,
    /// Global heap collections: their objects, by index.
    pub(super) heaps: HashMap<u64, BTreeMap<u16, Span>>,
    /// Whether Keras wrote it.
    pub(super) model: bool,
    tasks: Vec<Task>,
    seen: HashSet<u64>,
    claims: Vec<Claim>,
    /// What is cut out of claims: nested artifacts with their names, and what a structure does not use.
    nested: Vec<(Span, Option<Box<str>>)>,
    full: bool,
}

impl<'i, 'a, 'o> File<'i, 'a, 'o> {
    pub(super) fn new(input: &'i Input<'a>, out: &'o mut Parse) -> Self {
        Self {
            input,
            out,
            base: 0,
            offsets: 8,
            lengths: 8,
            leaf_k: 4,
            group_k: 16,
            chunk_k: 32,
            heaps: HashMap::new(),
            model: false,
            tasks: Vec::new(),
            seen: HashSet::new(),
            claims: Vec::new(),
            nested: Vec::new(),
            full: false,
        }
    }

    /// The `length` bytes at an address, as a span of the file.
    pub(super) fn place(&self, address: u64, length: u64) -> Span {
        Span::saturating_at(self.base.saturating_add(address), length)
    }

    /// The bytes at an address. What cannot be had is said.
    pub(super) fn read(&mut self, address: u64, length: u64, what: &str) -> Option<Cow<'a, [u8]>> {
        self.read_span(self.place(address, length), what)
    }

    /// The bytes of a span of the file. What cannot be had is said.
    pub(super) fn read_span(&mut self, span: Span, what: &str) -> Option<Cow<'a, [u8]>> {
        match self.input.read(span) {
            Ok(bytes) => Some(bytes),
            Err(fault) => {
                self.out.fault(&fault, what);
                None
            }
        }
    }

    /// Whether the structure at `address` is met for the first time; `false` as well when there are too many.
    pub(super) fn first(&mut self, address: u64) -> bool {
        if self.seen.len() >= MOST {
            self.overflow();
            return false;
        }
        self.seen.insert(address)
    }

    /// Queues the object at `address`.
    pub(super) fn object(&mut self, address: u64, path: Box<str>) {
        if !self.seen.contains(&address) {
            if self.tasks.len() >= MOST {
                return self.overflow();
            }
            self.tasks.push(Task::Object { address, path });
        }
    }

    pub(super) fn next(&mut self) -> Option<Task> {
        self.tasks.pop()
    }

    /// Claims a span of the file.
    pub(super) fn claim(&mut self, span: Span, role: Role, name: impl Into<Box<str>>) {
        if self.claims.len() >= MOST {
            return self.overflow();
        }
        let name = name.into();
        self.claims.push(Claim { span, role, name });
    }

    /// Makes the value at `span`, which some structure claims, a nested artifact.
    pub(super) fn nest(&mut self, span: Span, name: impl Into<Box<str>>) {
        if !span.is_empty() && self.nested.len() < MOST {
            self.nested.push((span, Some(name.into())));
        }
    }

    /// Takes what a structure does not use out of its claim: zeros there are padding, and anything else is told.
    pub(super) fn unused(&mut self, span: Span) {
        if !span.is_empty() && self.nested.len() < MOST {
            self.nested.push((span, None));
        }
    }

    /// Tells the name of a link when it holds what people do not see.
    pub(super) fn named(&mut self, name: &[u8], span: Span) {
        let odd = std::str::from_utf8(name).map_or(true, |text| text.chars().any(crate::name::hidden));
        if odd {
            self.out.fact(Fact::Name {
                what: "link",
                raw: name.get(..name.len().min(4096)).unwrap_or_default().into(),
                length: wide(name.len()),
                span,
            });
        }
    }

    /// A broken rule of the format.
    pub(super) fn malformed(&mut self, span: Span, rule: &str) {
        self.out.malformed(span, rule);
    }

    /// Says that something was not examined.
    pub(super) fn unsupported(&mut self, address: u64, what: &str) {
        let at = self.base.saturating_add(address);
        self.out
            .error(ScanError::new(ErrorCode::Unsupported, format!("hdf5: {what}")).at(at));
    }

    fn overflow(&mut self) {
        if !self.full {
            self.full = true;
            self.out.cut_short = true;
            let message = format!("hdf5: more than {MOST} structures in one file");
            self.out.error(ScanError::new(ErrorCode::LimitExceeded, message));
        }
    }

    /// The first bytes at an address when they begin with `magic`; otherwise that is said.
    pub(super) fn signed(&mut self, address: u64, length: u64, magic: &[u8; 4], what: &str) -> Option<Cow<'a, [u8]>> {
        let bytes = self.read(address, length, what)?;
        if bytes.starts_with(magic) {
            return Some(bytes);
        }
        let rule = format!("hdf5: a {what} does not begin with its signature");
        self.malformed(self.place(address, length.min(4)), &rule);
        None
    }

    /// Takes a checksummed structure's last four bytes for what they are. A wrong one is what libraries refuse.
    pub(super) fn check(&mut self, span: Span, bytes: &[u8], what: &str) {
        let Some((body, sum)) = bytes.split_last_chunk::<4>() else {
            return;
        };
        if super::checksum::lookup3(body) != u32::from_le_bytes(*sum) {
            let rule = format!("hdf5: the checksum of a {what} is wrong");
            self.malformed(span, &rule);
        }
    }

    /// What no claim so far accounts for, ascending.
    pub(super) fn gaps(&self) -> Vec<Span> {
        let claims = self.claims.iter().map(|claim| claim.span);
        let nested = self
            .nested
            .iter()
            .filter(|(_, name)| name.is_some())
            .map(|(span, _)| *span);
        let all = SpanSet::from_spans(claims.chain(nested));
        all.complement(self.input.whole()).iter().collect()
    }

    /// Writes out what was claimed, nested artifacts cut out.
    pub(super) fn settle(&mut self) {
        let mut nested = std::mem::take(&mut self.nested);
        nested.sort_by_key(|(span, name)| (*span, name.is_none()));
        nested.dedup_by_key(|(span, _)| *span);
        let mut last = 0;
        nested.retain(|(span, _)| {
            let apart = span.start() >= last;
            if apart {
                last = span.end();
            }
            apart
        });
        let mut claims = std::mem::take(&mut self.claims);
        claims.sort_by_key(|claim| (claim.span.start(), claim.span.end()));
        claims.dedup_by(|b, a| a.span == b.span && a.name == b.name);
        for Claim { span, role, name } in claims {
            let mut at = span.start();
            let from = nested.partition_point(|(inner, _)| inner.end() <= span.start());
            for (inner, _) in nested.iter().skip(from).take_while(|(n, _)| n.start() < span.end()) {
                if at < inner.start() {
                    self.out.leaf(Span::new(at, inner.start()), role, name.clone());
                }
                at = at.max(inner.end());
            }
            if at < span.end() || span.is_empty() {
                self.out.leaf(Span::new(at, span.end()), role, name);
            }
        }
        for (span, name) in nested {
            if let Some(name) = name {
                self.out.slice(span, name.as_bytes(), false);
            }
        }
    }

    /// A field reader's address.
    pub(super) fn address(&self, fields: &mut Fields<'_>) -> Option<Option<u64>> {
        fields.address(self.offsets)
    }

    /// A field reader's length.
    pub(super) fn length(&self, fields: &mut Fields<'_>) -> Option<u64> {
        fields.number(self.lengths)
    }

    /// The sum of widths, as a length.
    pub(super) fn sized(&self, fixed: usize, offsets: usize, lengths: usize) -> u64 {
        let n = fixed
            .saturating_add(offsets.saturating_mul(self.offsets))
            .saturating_add(lengths.saturating_mul(self.lengths));
        wide(n)
    }
}

/// The path of a member of a group, shortened from the front and printable.
pub(super) fn join(path: &str, name: &[u8]) -> Box<str> {
    let name = name.get(..name.len().min(LONGEST_PATH)).unwrap_or_default();
    let path = path.trim_end_matches('/');
    let joined = format!("{path}/{}", crate::name::printable(name));
    if joined.len() <= LONGEST_PATH {
        return joined.into();
    }
    let mut from = joined.len().saturating_sub(LONGEST_PATH);
    while !joined.is_char_boundary(from) {
        from = from.saturating_add(1);
    }
    format!("..{}", joined.get(from..).unwrap_or_default()).into()
}

/// A count from the file, held against the bytes that could hold that many.
pub(super) fn fits(count: u64, each: usize, left: usize) -> bool {
    size(count).checked_mul(each).is_some_and(|n| n <= left)
}
