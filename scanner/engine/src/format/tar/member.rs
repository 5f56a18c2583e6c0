//! One member: which of its names and sizes count, what its data are, and where the next header stands.

use super::header::{BLOCK, BadNumber, Dialect, Header, pairs, until_nul};
use super::pax::{decimal, records};
use super::sparse::{Expand, Map};
use super::{ReadFault, Walk};
use crate::fact::{Entry, EntryKind, Fact};
use crate::finding::{ErrorCode, Finding, ScanError, code};
use crate::ledger::{Fill, Role};
use crate::name::printable;
use crate::span::Span;

/// A sparse file is written out with its holes up to this many times what is stored, and up to this length in any case.
const HOLES: u64 = 64;
const HOLES_ALWAYS: u64 = 16 << 20;

/// Extension data that are read at most: names and records are short.
const EXTENSION: u64 = 8 << 20;
/// The largest size that the header's own field can state.
const OCTAL_SIZE: u64 = 0o77_777_777_777;
/// The longest name that a header's own field can state.
const SHORT_NAME: usize = 100;

/// What extension headers say about the member that follows.
#[derive(Default)]
pub(super) struct Pending {
    /// The extension headers' bytes, when there are any.
    pub(super) place: Option<Span>,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
    path: Option<Vec<u8>>,
    linkpath: Option<Vec<u8>>,
    size: Option<u64>,
    sparse: PaxSparse,
}

/// The `GNU.sparse.*` records.
#[derive(Default)]
struct PaxSparse {
    name: Option<Vec<u8>>,
    real: Option<u64>,
    leading: bool,
    numbers: Vec<u64>,
    broken: bool,
}

impl Walk<'_, '_> {
    /// At a header whose checksum is right: claims it, its data and their fill.
    pub(super) fn member(&mut self, header: &Header<'_>) -> Result<(), ReadFault> {
        let span = Span::saturating_at(self.position, BLOCK);
        self.out
            .leaf(span, Role::Header, format!("entry {}: header", self.number));
        if header.hidden_bytes() > 0 {
            let rule = "tar: bytes follow the NUL that ends a name field (POSIX pax, ustar Interchange Format)";
            self.out
                .finding(Finding::new(code::MALFORMED, span, rule).case("lenient").key(rule));
        }
        let size = self.stated_size(header, span);
        self.position = span.end();
        match header.kind() {
            b'x' | b'X' | b'g' | b'L' | b'K' => self.extension(header.kind(), span, size),
            kind => self.file(header, kind, span, size),
        }
    }

    /// The header's size field; a field that holds no number counts as 0.
    fn stated_size(&mut self, header: &Header<'_>, span: Span) -> u64 {
        let (rule, case) = match header.size() {
            Ok(size) => return size,
            Err(BadNumber::NotANumber) => (
                "tar: the size is not a number (POSIX pax, ustar Interchange Format)",
                None,
            ),
            Err(BadNumber::Negative) => ("tar: the size is negative (GNU tar manual, Extensions)", Some("crash")),
            Err(BadNumber::TooLarge) => (
                "tar: the size exceeds 63 bits (GNU tar manual, Extensions)",
                Some("crash"),
            ),
        };
        let finding = Finding::new(code::MALFORMED, span, rule).key(rule);
        self.out.finding(match case {
            Some(case) => finding.case(case),
            None => finding,
        });
        0
    }

    fn extension(&mut self, kind: u8, header: Span, size: u64) -> Result<(), ReadFault> {
        let what = match kind {
            b'g' => "global pax records",
            b'L' => "long name",
            b'K' => "long link",
            _ => "pax records",
        };
        let data = Span::saturating_at(self.position, size).intersect(self.input.whole());
        self.out
            .leaf(data, Role::Metadata, format!("entry {}: {what}", self.number));
        self.close_data(size);
        if size > EXTENSION {
            let message = format!("{what} of {size} bytes were not read");
            self.out
                .error(ScanError::new(ErrorCode::LimitExceeded, message).at(data.start()));
            return Ok(());
        }
        let bytes = self.input.read(data)?;
        let place = Span::new(self.pending.place.map_or(header.start(), Span::start), data.end());
        let repeated = match kind {
            b'L' => self.pending.long_name.replace(until_nul(&bytes).to_vec()).is_some(),
            b'K' => self.pending.long_link.replace(until_nul(&bytes).to_vec()).is_some(),
            b'g' => {
                self.global(&bytes, data);
                return Ok(());
            }
            _ => {
                let before = self.pending.path.is_some() || self.pending.size.is_some();
                self.local(&bytes, data);
                before
            }
        };
        self.pending.place = Some(place);
        if repeated {
            let rule = "tar: two extension headers of one kind precede a member (POSIX pax, pax Interchange Format)";
            self.out.malformed(data, rule);
        }
        Ok(())
    }

    fn global(&mut self, bytes: &[u8], data: Span) {
        let (records, broken) = records(bytes);
        self.broken_records(broken, data);
        let overrides = |key: &[u8]| matches!(key, b"path" | b"linkpath" | b"size") || key.starts_with(b"GNU.sparse.");
        if records.iter().any(|record| overrides(record.key)) {
            let rule = "tar: a global header overrides the name, link or size of all members (POSIX pax, pax Interchange Format)";
            self.out.malformed(data, rule);
        }
    }

    fn local(&mut self, bytes: &[u8], data: Span) {
        let (records, broken) = records(bytes);
        self.broken_records(broken, data);
        let mut bad_number = false;
        for record in records {
            let value = record.value;
            let mut whole = || {
                let read = decimal(value);
                bad_number |= read.is_none();
                read
            };
            let sparse = &mut self.pending.sparse;
            match record.key {
                b"path" => self.pending.path = Some(value.to_vec()),
                b"linkpath" => self.pending.linkpath = Some(value.to_vec()),
                b"size" => self.pending.size = whole().or(self.pending.size),
                b"GNU.sparse.name" => sparse.name = Some(value.to_vec()),
                b"GNU.sparse.size" | b"GNU.sparse.realsize" => sparse.real = whole(),
                b"GNU.sparse.major" => sparse.leading = value != b"0",
                b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => sparse.numbers.extend(whole()),
                b"GNU.sparse.map" => {
                    let numbers: Option<Vec<u64>> = value.split(|byte| *byte == b',').map(decimal).collect();
                    sparse.broken |= numbers.is_none();
                    sparse.numbers = numbers.unwrap_or_default();
                }
                _ => {}
            }
        }
        if bad_number {
            self.out.malformed(
                data,
                "tar: a pax record's value is not a decimal number (POSIX pax, pax Extended Header)",
            );
        }
    }

    fn broken_records(&mut self, broken: Option<usize>, data: Span) {
        if let Some(at) = broken {
            let start = data.start().saturating_add(u64::try_from(at).unwrap_or(0));
            let rule = "tar: a pax record's length is not the record's (POSIX pax, pax Extended Header)";
            self.out.malformed(Span::new(start, data.end()), rule);
        }
    }

    fn file(&mut self, header: &Header<'_>, kind: u8, span: Span, stated: u64) -> Result<(), ReadFault> {
        let pending = std::mem::take(&mut self.pending);
        let name = self.name(header, &pending, span);
        let link = self.link(header, &pending, span);
        if name.is_empty() {
            self.out
                .malformed(span, "tar: a member has no name (POSIX pax, ustar Interchange Format)");
        }
        let folder = matches!(kind, b'5' | b'D') || (kind == b'0' && name.ends_with(b"/"));
        let what = match kind {
            b'1' => EntryKind::HardLink(link.into()),
            b'2' => EntryKind::Symlink(link.into()),
            b'3' => EntryKind::Special("a character device"),
            b'4' => EntryKind::Special("a block device"),
            b'6' => EntryKind::Special("a FIFO"),
            _ if folder => EntryKind::Directory,
            _ => EntryKind::File,
        };
        // A volume label and Solaris attributes are no members.
        if !matches!(kind, b'V' | b'A' | b'E' | b'I' | b'N') {
            self.out.fact(Fact::Entry(Entry {
                name: name.clone().into(),
                span,
                kind: what.clone(),
                content: None,
            }));
            if let Some(mode) = header
                .mode()
                .filter(|mode| mode & 0o6000 != 0 && what == EntryKind::File)
            {
                let name = name.clone().into();
                self.out.fact(Fact::Privileged { name, mode, span });
            }
        }
        let old_map = if kind == b'S' {
            Some(self.old_sparse_map(header, span)?)
        } else {
            None
        };
        let start = self.position;
        let size = match pending.size {
            Some(size) => self.pax_size(size, stated, span)?,
            None => stated,
        };
        let size = match what {
            EntryKind::File => size,
            _ if size == 0 || kind == b'D' => size,
            _ => self.unexpected_data(size, span)?,
        };
        let data = Span::saturating_at(start, size).intersect(self.input.whole());
        match kind {
            b'D' | b'V' | b'A' | b'E' | b'I' | b'N' => {
                if !data.is_empty() {
                    self.out
                        .leaf(data, Role::Metadata, format!("entry {}: records", self.number));
                }
            }
            b'M' => {
                let message = format!(
                    "{} continues from another volume: only this part was examined",
                    printable(&name)
                );
                self.out
                    .error(ScanError::new(ErrorCode::Unsupported, message).at(span.start()));
                self.plain(data, name);
            }
            _ => {
                self.unknown_kind(kind, span);
                match old_map.or(self.pax_sparse_map(&pending, data)?) {
                    Some((map, stored)) => self.sparse(map, stored.unwrap_or(data), name),
                    None => self.plain(data, name),
                }
            }
        }
        self.close_data(size);
        Ok(())
    }

    fn plain(&mut self, data: Span, name: Vec<u8>) {
        if !data.is_empty() {
            self.out.slice(data, name, true);
        }
    }

    /// A member stored without its holes: the child is the file with them.
    fn sparse(&mut self, map: Map, stored: Span, name: Vec<u8>) {
        if let Some(rule) = map.broken_rule(stored.len()) {
            self.out.malformed(stored, rule);
            return self.plain(stored, name);
        }
        if map.real == stored.len() {
            return self.plain(stored, name);
        }
        // Holes cost an extractor nothing, and writing them out here would pass for a bomb.
        if map.real > stored.len().saturating_mul(HOLES).max(HOLES_ALWAYS) {
            let message = format!(
                "{} has {} bytes with its holes: only the {} stored were examined",
                printable(&name),
                map.real,
                stored.len()
            );
            self.out
                .error(ScanError::new(ErrorCode::LimitExceeded, message).at(stored.start()));
            return self.plain(stored, name);
        }
        if !self.input.is_quick() {
            self.out
                .leaf(stored, Role::Payload, format!("{} without its holes", printable(&name)));
        }
        self.out.decoded(stored, name, Box::new(Expand { map }), true);
    }

    fn unknown_kind(&mut self, kind: u8, span: Span) {
        if !matches!(kind, b'0'..=b'7' | b'S') {
            let rule = "tar: an unknown type flag, read as a regular file (POSIX pax, ustar Interchange Format)";
            let finding = Finding::new(code::MALFORMED, span, rule).case("lenient").key(rule);
            self.out.finding(finding.evidence("typeflag", u64::from(kind)));
        }
    }

    /// Behind the header: moves over `size` bytes of data and claims their fill.
    fn close_data(&mut self, size: u64) {
        let length = self.input.len();
        let data = Span::saturating_at(self.position, size);
        if data.end() > length {
            let fault = ReadFault::PastEnd {
                offset: data.start(),
                wanted: size,
                length,
            };
            let what = format!("the data of entry {}", self.number);
            self.out.fault(&fault, &what);
            self.position = length;
            return;
        }
        let end = data
            .end()
            .checked_next_multiple_of(BLOCK)
            .unwrap_or(u64::MAX)
            .min(length);
        if end > data.end() {
            self.out.padding(
                Span::new(data.end(), end),
                Fill::Zero,
                format!("entry {}: fill", self.number),
            );
        }
        self.position = end;
    }

    /// The name that counts: pax, else GNU, else the header's own.
    fn name(&mut self, header: &Header<'_>, pending: &Pending, span: Span) -> Vec<u8> {
        let own = header.name();
        if let Some(name) = &pending.sparse.name {
            return name.clone();
        }
        let long = pending.path.as_ref().or(pending.long_name.as_ref());
        let Some(long) = long else { return own };
        self.compare_names("name", long, &own, span);
        if let (Some(path), Some(gnu)) = (&pending.path, &pending.long_name) {
            self.compare_names("name", path, gnu, span);
        }
        long.clone()
    }

    fn link(&mut self, header: &Header<'_>, pending: &Pending, span: Span) -> Vec<u8> {
        let own = header.link();
        let Some(long) = pending.linkpath.as_ref().or(pending.long_link.as_ref()) else {
            return own.to_vec();
        };
        self.compare_names("link", long, own, span);
        long.clone()
    }

    /// An extension is for names that the header cannot hold. One that it could hold, and holds differently, shows
    /// different members to readers that know the extension and those that do not.
    fn compare_names(&mut self, what: &str, long: &[u8], own: &[u8], span: Span) {
        fn plain(name: &[u8]) -> &[u8] {
            let name = name.strip_prefix(b"./").unwrap_or(name);
            name.strip_suffix(b"/").unwrap_or(name)
        }
        let fits = long.len() < SHORT_NAME && long.iter().all(|byte| (b' '..=b'~').contains(byte));
        if fits && plain(long) != plain(own) {
            let (long, own) = (printable(long), printable(own));
            let message = format!("the extension calls the member's {what} {long}, its header {own}");
            let finding = Finding::new(code::HEADER_MISMATCH, span, message)
                .case("name")
                .key(long.clone());
            self.out
                .finding(finding.evidence("extension", long).evidence("header", own));
        }
    }

    /// The pax size counts. Readers that do not know it take the header's: a finding when that leads them elsewhere.
    fn pax_size(&mut self, size: u64, stated: u64, span: Span) -> Result<u64, ReadFault> {
        if size == stated || size > OCTAL_SIZE {
            return Ok(size);
        }
        // Writers may leave the header's size 0. Then such a reader takes the data for the next header.
        if stated != 0 || self.header_at(self.position)? {
            let message = format!("the pax size is {size}, the header's is {stated}: readers see different members");
            let finding = Finding::new(code::HEADER_MISMATCH, span, message)
                .case("size")
                .key("pax size");
            self.out
                .finding(finding.evidence("pax", size).evidence("header", stated));
        }
        Ok(size)
    }

    /// A link, directory or device with a size: some readers skip data, some do not. The bytes tell which is meant.
    fn unexpected_data(&mut self, size: u64, span: Span) -> Result<u64, ReadFault> {
        let start = self.position;
        let behind = start
            .saturating_add(size)
            .checked_next_multiple_of(BLOCK)
            .unwrap_or(u64::MAX);
        let without = self.header_at(start)?;
        let with = self.header_at(behind)?;
        if without && with {
            let message =
                format!("a member without data states {size} bytes: readers that skip them see other members");
            let finding = Finding::new(code::HEADER_MISMATCH, span, message)
                .case("size")
                .key("size without data");
            self.out.finding(finding.evidence("size", size));
        } else {
            let rule = "tar: a member that has no data states a size (POSIX pax, ustar Interchange Format)";
            self.out
                .finding(Finding::new(code::MALFORMED, span, rule).case("lenient").key(rule));
        }
        let ends = !with
            && self
                .block(start)?
                .is_none_or(|block| Header::new(&block).is_some_and(|h| h.is_zero()));
        Ok(if without || ends { 0 } else { size })
    }

    fn header_at(&mut self, offset: u64) -> Result<bool, ReadFault> {
        let block = self.block(offset)?;
        Ok(block
            .as_ref()
            .and_then(|block| Header::new(block))
            .is_some_and(|header| header.is_plausible()))
    }

    /// The map of an `S` header and of the blocks that continue it, which stand before the data.
    fn old_sparse_map(&mut self, header: &Header<'_>, span: Span) -> Result<(Map, Option<Span>), ReadFault> {
        let (mut runs, mut more, real) = header.sparse();
        if header.dialect() != Dialect::Gnu || real.is_err() {
            self.out.malformed(
                span,
                "tar: a sparse member without GNU fields (GNU tar manual, Sparse Formats)",
            );
        }
        while more {
            let Some(block) = self.block(self.position)? else { break };
            let place = Span::saturating_at(self.position, BLOCK);
            self.out
                .leaf(place, Role::Table, format!("entry {}: sparse map", self.number));
            self.position = place.end();
            runs.extend(pairs(block.get(..504).unwrap_or_default()));
            more = block.get(504).is_some_and(|byte| *byte != 0);
        }
        Ok((
            Map {
                runs,
                real: real.unwrap_or(0),
            },
            None,
        ))
    }

    /// The map that pax records give, and the stored data without the map's own bytes.
    fn pax_sparse_map(&mut self, pending: &Pending, data: Span) -> Result<Option<(Map, Option<Span>)>, ReadFault> {
        let sparse = &pending.sparse;
        let Some(real) = sparse.real else { return Ok(None) };
        if !sparse.leading {
            let runs: Vec<(u64, u64)> = sparse
                .numbers
                .chunks_exact(2)
                .filter_map(|pair| Some((*pair.first()?, *pair.get(1)?)))
                .collect();
            if sparse.broken || !sparse.numbers.len().is_multiple_of(2) {
                self.out.malformed(
                    data,
                    "tar: a sparse map is not a list of pairs (GNU tar manual, Sparse Formats)",
                );
            }
            return Ok(Some((Map { runs, real }, None)));
        }
        let head = Span::saturating_at(data.start(), EXTENSION).intersect(data);
        let bytes = self.input.read(head)?;
        match Map::leading(&bytes, real) {
            Some((map, used)) => {
                let used = u64::try_from(used).unwrap_or(u64::MAX);
                let end = data.start().saturating_add(used);
                let stored = data
                    .start()
                    .saturating_add(used.checked_next_multiple_of(BLOCK).unwrap_or(u64::MAX))
                    .min(data.end());
                self.out.leaf(
                    Span::new(data.start(), end),
                    Role::Table,
                    format!("entry {}: sparse map", self.number),
                );
                if stored > end {
                    self.out.padding(
                        Span::new(end, stored),
                        Fill::Zero,
                        format!("entry {}: sparse map fill", self.number),
                    );
                }
                Ok(Some((map, Some(Span::new(stored, data.end())))))
            }
            None if head.len() < data.len() && Map::goes_on(&bytes) => {
                let message = "tar: a sparse map longer than is read of one";
                self.out
                    .error(ScanError::new(ErrorCode::LimitExceeded, message).at(data.start()));
                Ok(None)
            }
            None => {
                self.out.malformed(
                    data,
                    "tar: the data begin with no sparse map (GNU tar manual, Sparse Formats)",
                );
                Ok(None)
            }
        }
    }
}
