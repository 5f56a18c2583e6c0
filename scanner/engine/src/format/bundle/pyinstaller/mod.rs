//! PyInstaller's archive (CArchive): what a frozen Python program unpacks or imports when it starts.
//!
//! | from the end | size | field, big-endian |
//! | --- | --- | --- |
//! | -88 | 8 | `MEI\x0c\x0b\x0a\x0b\x0e` |
//! | -80 | 4 | length of the archive with this cookie |
//! | -76 | 4 | table of contents, from the archive's start |
//! | -72 | 4 | its length |
//! | -68 | 4 | Python's version, `311` |
//! | -64 | 64 | name of Python's library (absent before 2.1, whose cookie has 24 bytes) |
//!
//! An entry of the table: `u32` its own length (a multiple of 16), `u32` offset, `u32` stored length, `u32` length, `u8`
//! compressed (zlib), `u8` type, the name, zeros. Types: `s` script, `m M` module and package, `z` archive of modules
//! ([`pyz`]), `b` library, `x` data, `Z` ZIP file, `l` splash screen, `n` link, `d` file of another program, `o` option.
//!
//! The scripts (type `s`) run one after the other; the last is the program. Libraries, data and ZIP files are written
//! below a temporary directory under their names, which is why those are judged as an archive's.
//!
//! Specification: PyInstaller, `PyInstaller/archive/writers.py` and `bootloader/src/pyi_archive.h`.

pub(in crate::format) mod pyz;

use super::inflate::{Frame, Inflate};
use super::{LONGEST_NAME, again, bundle, limit};
use crate::fact::{Entry, EntryKind, Fact};
use crate::format::{Format, Input, Parse, ReadFault};
use crate::identify::{Match, Probe};
use crate::ledger::{Fill, Gaps, Role};
use crate::name::printable;
use crate::span::Span;
use std::collections::BTreeSet;

/// What every cookie begins with.
pub(super) const MAGIC: &[u8; 8] = b"MEI\x0c\x0b\x0a\x0b\x0e";
/// The lengths a cookie has had.
const COOKIES: [u64; 2] = [88, 24];
/// The fixed part of an entry.
const ENTRY: u64 = 18;

/// A PyInstaller archive.
pub(in crate::format) struct PyInstaller;

impl Format for PyInstaller {
    fn id(&self) -> &'static str {
        "pyinstaller"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let cookie = Cookie::at_end(probe.tail, probe.length)?;
        (cookie.archive == Span::new(0, probe.length)).then_some(Match::CERTAIN)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.gaps(Gaps::Never);
        if let Err(fault) = archive(input, out) {
            out.fault(&fault, "pyinstaller archive");
        }
    }
}

/// The end of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cookie {
    /// The whole archive, the cookie last.
    pub(super) archive: Span,
    /// The cookie.
    place: Span,
    /// The table of contents, from the archive's start.
    table: Span,
}

impl Cookie {
    /// The cookie that ends `tail`, which ends at offset `end`.
    pub(super) fn at_end(tail: &[u8], end: u64) -> Option<Self> {
        COOKIES.into_iter().find_map(|size| {
            let at = tail.len().checked_sub(usize::try_from(size).ok()?)?;
            let cookie = tail.get(at..)?.strip_prefix(MAGIC)?;
            let word = |i: usize| {
                let bytes = cookie.get(i.checked_mul(4)?..)?.first_chunk::<4>()?;
                Some(u64::from(u32::from_be_bytes(*bytes)))
            };
            let (length, offset, size_of_table) = (word(0)?, word(1)?, word(2)?);
            let table = Span::saturating_at(offset, size_of_table);
            // Two digits and more, as `sys.version_info` spells it.
            let version = matches!(word(3)?, 20..=400);
            let sound = version && length >= size && table.end() <= length.checked_sub(size)?;
            let archive = Span::new(end.checked_sub(length)?, end);
            sound.then_some(Self {
                archive,
                place: Span::new(end.checked_sub(size)?, end),
                table,
            })
        })
    }

    /// The last cookie in `bytes`, whose first byte lies at `start`: signatures and fill may stand behind it.
    pub(super) fn last_in(bytes: &[u8], start: u64) -> Option<Self> {
        memchr::memmem::rfind_iter(bytes, MAGIC).take(64).find_map(|at| {
            COOKIES.into_iter().find_map(|size| {
                let to = at.checked_add(usize::try_from(size).ok()?)?;
                let tail = bytes.get(at..to)?;
                Self::at_end(tail, start.checked_add(u64::try_from(to).ok()?)?)
            })
        })
    }
}

fn archive(input: &Input<'_>, out: &mut Parse) -> Result<(), ReadFault> {
    let near = input.len().saturating_sub(88);
    let tail = input.read_up_to(near, 88)?;
    let Some(cookie) = Cookie::at_end(&tail, input.len()).filter(|c| c.archive.start() == 0) else {
        out.malformed(input.whole(), "pyinstaller: no cookie that fits ends the archive");
        return Ok(());
    };
    out.leaf(cookie.place, Role::Trailer, "cookie");
    let bytes = input.read(cookie.table)?;
    let mut contents = Contents {
        place: cookie.table,
        whole: Span::new(0, cookie.table.start()),
        scripts: Vec::new(),
        options: Vec::new(),
        members: 0,
        stored: BTreeSet::new(),
    };
    contents.read(&bytes, out);
    let flags = contents.options;
    bundle(
        "pyinstaller",
        &contents.scripts,
        contents.members,
        flags,
        cookie.place,
        out,
    );
    Ok(())
}

struct Contents {
    place: Span,
    whole: Span,
    scripts: Vec<String>,
    options: Vec<String>,
    members: u64,
    stored: BTreeSet<Span>,
}

/// One entry of the table.
struct Item<'b> {
    data: Span,
    length: u64,
    compressed: bool,
    kind: u8,
    name: &'b [u8],
    /// Where the name stands.
    place: Span,
}

impl Contents {
    fn read(&mut self, bytes: &[u8], out: &mut Parse) {
        let mut rest = bytes;
        let mut at = self.place.start();
        while !rest.is_empty() {
            let Some((item, size)) = entry(rest, at) else {
                let left = Span::new(at, self.place.end());
                // Older writers align the end of the table.
                if left.len() < 16 && rest.iter().all(|b| *b == 0) {
                    out.padding(left, Fill::Zero, "table of contents fill");
                } else {
                    out.malformed(left, "pyinstaller: an entry does not fit the table of contents (CTOC)");
                }
                return;
            };
            let text = printable(item.name);
            out.leaf(Span::saturating_at(at, ENTRY), Role::Table, format!("entry of {text}"));
            out.leaf(item.place, Role::Strings, format!("name of {text}"));
            let end = at.saturating_add(size);
            if item.place.end() < end {
                out.padding(Span::new(item.place.end(), end), Fill::Zero, "name fill");
            }
            self.member(&item, text, out);
            at = end;
            rest = rest
                .get(usize::try_from(size).unwrap_or(usize::MAX)..)
                .unwrap_or_default();
        }
    }

    fn member(&mut self, item: &Item<'_>, text: String, out: &mut Parse) {
        match item.kind {
            b'o' => self.options.push(text),
            b's' => self.scripts.push(text),
            b'm' | b'M' | b'z' | b'b' | b'x' | b'Z' | b'l' | b'n' | b'd' => {}
            _ => out.malformed(
                item.place,
                "pyinstaller: an entry has a type that no PyInstaller writes (CTOC)",
            ),
        }
        // What is written to disk can be written to a wrong place.
        if matches!(item.kind, b'b' | b'x' | b'Z' | b'n') {
            out.fact(Fact::Entry(Entry {
                name: item.name.into(),
                span: item.place,
                kind: EntryKind::File,
                content: None,
            }));
        } else {
            super::odd_name("member", item.name, item.place.len(), item.place, out);
        }
        if item.data.is_empty() {
            return;
        }
        self.members = self.members.saturating_add(1);
        if !self.whole.encloses(item.data) {
            out.malformed(
                item.place,
                "pyinstaller: the data of an entry lie outside the archive (CTOC)",
            );
            return;
        }
        if !self.stored.insert(item.data) {
            return again(item.data, item.name, out);
        }
        let name = item.name.to_vec();
        if item.compressed {
            let (span, size) = (item.data, Some(item.length));
            let codec = Box::new(Inflate {
                name: name.clone(),
                span,
                frame: Frame::Zlib,
                size,
            });
            out.decoded(span, name, codec, true);
        } else {
            out.slice(item.data, name, true);
        }
    }
}

/// The entry at the start of `bytes`, which lie at `at`, and its length.
fn entry(bytes: &[u8], at: u64) -> Option<(Item<'_>, u64)> {
    let word = |i: usize| {
        let bytes = bytes.get(i.checked_mul(4)?..)?.first_chunk::<4>()?;
        Some(u64::from(u32::from_be_bytes(*bytes)))
    };
    let size = word(0)?;
    let raw = bytes.get(usize::try_from(ENTRY).ok()?..usize::try_from(size).ok()?)?;
    let name = raw.get(..memchr::memchr(0, raw).unwrap_or(raw.len()))?;
    let length = u64::try_from(name.len()).ok()?;
    if length > LONGEST_NAME {
        return None;
    }
    let (compressed, kind) = (*bytes.get(16)?, *bytes.get(17)?);
    let item = Item {
        data: Span::saturating_at(word(1)?, word(2)?),
        length: word(3)?,
        compressed: compressed != 0,
        kind,
        name,
        place: Span::saturating_at(at.saturating_add(ENTRY), length),
    };
    Some((item, size))
}

/// More members than are read.
fn too_many(at: u64, out: &mut Parse) {
    limit("more modules than are read of one archive", at, out);
}
