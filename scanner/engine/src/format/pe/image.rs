//! Addresses: where an RVA lies in the file, and bounded reads of small structures there.

use super::header::Headers;
use super::section::Section;
use crate::format::{Input, ReadFault};
use crate::span::Span;
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Bytes fetched at a time.
const PAGE: u64 = 16 << 10;
/// Pages kept at once; a file that makes the reader come back for more pays with `--max-structure`.
const PAGES: usize = 256;

/// The little-endian 16-bit integer at `at`.
pub(super) fn le16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|b| u16::from_le_bytes(*b))
}

/// The little-endian 32-bit integer at `at`.
pub(super) fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|b| u32::from_le_bytes(*b))
}

/// The little-endian 64-bit integer at `at`.
pub(super) fn le64(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|b| u64::from_le_bytes(*b))
}

/// Reads of small structures that lie close together, fetched by the page.
pub(super) struct Window<'i, 'a> {
    input: &'i Input<'a>,
    pages: RefCell<BTreeMap<u64, Cow<'a, [u8]>>>,
}

impl<'i, 'a> Window<'i, 'a> {
    /// A window over the whole artifact, with nothing read yet.
    pub(super) fn new(input: &'i Input<'a>) -> Self {
        Self {
            input,
            pages: RefCell::new(BTreeMap::new()),
        }
    }

    /// The artifact.
    pub(super) fn input(&self) -> &'i Input<'a> {
        self.input
    }

    /// Exactly the bytes of `span`.
    ///
    /// # Errors
    /// [`ReadFault`].
    pub(super) fn bytes(&self, span: Span) -> Result<Vec<u8>, ReadFault> {
        if span.len() > PAGE || span.end() > self.input.len() {
            return self.input.read(span).map(Cow::into_owned);
        }
        let mut out = Vec::new();
        let mut at = span.start();
        let mut pages = self.pages.borrow_mut();
        while at < span.end() {
            let base = at & !PAGE.saturating_sub(1);
            if !pages.contains_key(&base) {
                if pages.len() >= PAGES {
                    pages.clear();
                }
                pages.insert(base, self.input.read_up_to(base, PAGE)?);
            }
            let cut = Span::new(at, span.end().min(base.saturating_add(PAGE)));
            let from = usize::try_from(at.saturating_sub(base)).unwrap_or(usize::MAX);
            let to = usize::try_from(cut.end().saturating_sub(base)).unwrap_or(usize::MAX);
            let page = pages.get(&base).and_then(|page| page.get(from..to));
            out.extend_from_slice(page.ok_or(ReadFault::Shrunk { offset: at })?);
            at = cut.end();
        }
        Ok(out)
    }
}

/// What holds a byte of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Home {
    /// The bytes between the section table and `SizeOfHeaders`.
    Headers,
    /// The content of the section with this index.
    Section(usize),
}

/// Where a range of addresses lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mapped {
    /// In no section and not in the headers.
    Nowhere,
    /// In a section, at a place that the loader fills with zeros.
    Zeros,
    /// In the file. The span ends early where the file's part of the section does.
    File(Home, Span),
}

/// The parsed headers and sections, and how addresses map to offsets.
pub(super) struct Image<'h, 'i, 'a> {
    pub(super) window: Window<'i, 'a>,
    pub(super) headers: &'h Headers,
    pub(super) sections: Vec<Section>,
    by_address: Vec<(u64, usize)>,
}

impl<'h, 'i, 'a> Image<'h, 'i, 'a> {
    /// Orders the sections by address.
    pub(super) fn new(window: Window<'i, 'a>, headers: &'h Headers, sections: Vec<Section>) -> Self {
        let mut by_address: Vec<(u64, usize)> = sections
            .iter()
            .enumerate()
            .map(|(index, section)| (section.memory.start(), index))
            .collect();
        by_address.sort_unstable();
        Self {
            window,
            headers,
            sections,
            by_address,
        }
    }

    /// The section whose memory holds `rva`: the one that starts last, when they overlap.
    pub(super) fn section_at(&self, rva: u64) -> Option<(usize, &Section)> {
        let next = self.by_address.partition_point(|(start, _)| *start <= rva);
        let (_, index) = self.by_address.get(next.checked_sub(1)?)?;
        let section = self.sections.get(*index)?;
        section.memory.contains(rva).then_some((*index, section))
    }

    /// Where the `size` bytes at `rva` lie.
    pub(super) fn map(&self, rva: u64, size: u64) -> Mapped {
        if let Some((index, section)) = self.section_at(rva) {
            let Some(within) = rva.checked_sub(section.memory.start()) else {
                return Mapped::Nowhere;
            };
            let start = section.content.start().saturating_add(within);
            let span = Span::saturating_at(start, size).intersect(section.content);
            if start >= section.content.end() {
                return Mapped::Zeros;
            }
            return Mapped::File(Home::Section(index), span);
        }
        let headers = Span::new(0, self.headers.size_of_headers.min(self.window.input().len()));
        if headers.contains(rva) {
            return Mapped::File(Home::Headers, Span::saturating_at(rva, size).intersect(headers));
        }
        Mapped::Nowhere
    }

    /// The bytes of `home` in which structures are told apart.
    pub(super) fn extent(&self, home: Home) -> Span {
        match home {
            Home::Headers => Span::new(0, self.headers.size_of_headers),
            Home::Section(index) => self.sections.get(index).map_or(Span::new(0, 0), |s| s.content),
        }
    }

    /// The section whose content holds all of `span`, a range of the file.
    pub(super) fn home_of(&self, span: Span) -> Option<Home> {
        self.sections
            .iter()
            .position(|s| !span.is_empty() && s.content.encloses(span))
            .map(Home::Section)
    }

    /// The bytes of a structure of exactly `size` bytes at `rva`, and where they lie; `None` when they are not all in
    /// the file.
    pub(super) fn read(&self, rva: u64, size: u64) -> Result<Option<(Span, Vec<u8>)>, ReadFault> {
        match self.map(rva, size) {
            Mapped::File(_, span) if span.len() == size => self.window.bytes(span).map(|bytes| Some((span, bytes))),
            _ => Ok(None),
        }
    }

    /// The zero-terminated string at `rva`, without its terminator, cut at 255 bytes.
    pub(super) fn string(&self, rva: u64) -> Result<Option<(Span, Vec<u8>)>, ReadFault> {
        let Mapped::File(_, span) = self.map(rva, 256) else {
            return Ok(None);
        };
        let mut bytes = self.window.bytes(span)?;
        let Some(end) = memchr::memchr(0, &bytes) else {
            return Ok(None);
        };
        bytes.truncate(end);
        Ok(Some((
            Span::saturating_at(span.start(), u64::try_from(end).unwrap_or(0)),
            bytes,
        )))
    }
}
