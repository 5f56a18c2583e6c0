//! Eszips: the modules of a Deno program in one file, as Deno 1 compiled them in and as edge functions are shipped.
//!
//! | size, big-endian | field |
//! | --- | --- |
//! | 8 | `ESZIP_V2`, `ESZIP2.1`, `ESZIP2.2` or `ESZIP2.3` |
//! | 4, .., c | since 2.2: options, pairs of key and value: 0 the checksum (0 none, 1 SHA-256, 2 XXH3), 1 its size |
//! | 4, .., c | entries: `u32` length and specifier, `u8` kind, then |
//! | | of 0, a module: `u32` offset and length of its source, of its source map, `u8` type |
//! | | of 1, a redirect: `u32` length and target; of 2, an npm package: `u32` index |
//! | 4, .., c | since 2.1: npm packages and what they depend on |
//! | 4, .. | sources, `c` bytes of checksum after each |
//! | 4, .. | source maps, the same |
//!
//! `c` is the size of a checksum: 32 (SHA-256) before 2.2, what the options say since. SHA-256 is held against what it is
//! over; XXH3 is no digest that anybody would have to find a collision of, and is claimed alone. The JSON of version 1 has
//! no magic number and is read as JSON.
//!
//! Specification: eszip, `src/v2.rs`.

use super::{LONGEST_NAME, MOST_MEMBERS, Names, again, bundle, limit, odd_name};
use crate::fact::Fact;
use crate::finding::{Finding, code};
use crate::format::{Cursor, Format, Input, Parse, ReadFault};
use crate::identify::{Match, Probe};
use crate::ledger::{Gaps, Role};
use crate::name::printable;
use crate::span::Span;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// The first bytes of every eszip that has a magic number.
pub(super) const MAGIC: &[u8] = b"ESZIP";
/// Options are a handful of pairs.
const LONGEST_OPTIONS: u64 = 512;

/// An eszip.
pub(in crate::format) struct Eszip;

impl Format for Eszip {
    fn id(&self) -> &'static str {
        "eszip"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        version(probe.head.get(..8)?).map(|_| Match::CERTAIN)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.gaps(Gaps::Never);
        let mut archive = Archive::default();
        if let Err(fault) = archive.read(input, out) {
            out.fault(&fault, "eszip");
        }
        let place = Span::new(0, 8).intersect(input.whole());
        let entry: Vec<String> = archive.entry.into_iter().collect();
        bundle("eszip", &entry, archive.members, archive.flags, place, out);
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["eszip"]
    }
}

fn version(magic: &[u8]) -> Option<u8> {
    match magic.strip_prefix(MAGIC)? {
        b"_V2" => Some(0),
        b"2.1" => Some(1),
        b"2.2" => Some(2),
        b"2.3" => Some(3),
        _ => None,
    }
}

/// What stands behind each part.
#[derive(Clone, Copy)]
struct Checksum {
    size: u64,
    sha256: bool,
}

#[derive(Default)]
struct Archive {
    /// The specifier of the first module, which is the one that was asked for.
    entry: Option<String>,
    flags: Vec<String>,
    members: u64,
    modules: Vec<Module>,
}

struct Module {
    name: Vec<u8>,
    place: Span,
    source: (u64, u64),
    map: (u64, u64),
}

impl Archive {
    fn read(&mut self, input: &Input<'_>, out: &mut Parse) -> Result<(), ReadFault> {
        let mut cursor = Cursor::new(input, input.whole());
        let magic = cursor.array::<8>()?;
        out.leaf(Span::new(0, 8), Role::Header, "magic");
        let Some(version) = version(&magic) else {
            out.malformed(Span::new(0, 8), "eszip: the version is not 2 to 2.3");
            return Ok(());
        };
        let mut checksum = Checksum { size: 32, sha256: true };
        if version >= 2 {
            let (options, content) = part(&mut cursor, "options", Role::Header, out)?;
            checksum = chosen(&content, options, out);
            behind(&mut cursor, (options, &content), checksum, "options", out)?;
        }
        let (entries, content) = part(&mut cursor, "modules", Role::Table, out)?;
        behind(&mut cursor, (entries, &content), checksum, "modules", out)?;
        self.entries(input, entries, version, out)?;
        if version >= 1 {
            let (npm, content) = part(&mut cursor, "npm packages", Role::Table, out)?;
            behind(&mut cursor, (npm, &content), checksum, "npm packages", out)?;
        }
        let modules = std::mem::take(&mut self.modules);
        for (what, suffix) in [("sources", &b""[..]), ("source maps", &b".map"[..])] {
            let at = cursor.position();
            let length = u64::from(cursor.u32_be()?);
            out.leaf(Span::saturating_at(at, 4), Role::Header, format!("length of {what}"));
            let start = cursor.position();
            // What is there of an area that is cut short is told apart before the cut is told.
            let area = Span::saturating_at(start, length.min(cursor.remaining()));
            let mut area = Area {
                input,
                span: area,
                checksum,
                stored: BTreeSet::new(),
            };
            for module in &modules {
                let place = if suffix.is_empty() { module.source } else { module.map };
                self.members = self.members.saturating_add(area.content(module, place, suffix, out));
            }
            cursor.skip(length)?;
        }
        Ok(())
    }

    /// The table of modules: what each specifier stands for.
    fn entries(&mut self, input: &Input<'_>, table: Span, version: u8, out: &mut Parse) -> Result<(), ReadFault> {
        let mut cursor = Cursor::new(input, table);
        let mut names = Names::default();
        let (mut redirects, mut packages) = (0u64, 0u64);
        while cursor.remaining() > 0 {
            let at = cursor.position();
            let (length, name) = text(&mut cursor)?;
            let kind = cursor.u8()?;
            let place = Span::new(at, cursor.position());
            odd_name("module", &name, length, place, out);
            names.add(&name, place, out);
            match kind {
                0 => {
                    let mut pair = || -> Result<(u64, u64), ReadFault> {
                        Ok((u64::from(cursor.u32_be()?), u64::from(cursor.u32_be()?)))
                    };
                    let (source, map) = (pair()?, pair()?);
                    if cursor.u8()? > 4 {
                        out.malformed(place, "eszip: a module of an unknown type");
                    }
                    if u64::try_from(self.modules.len()).unwrap_or(u64::MAX) >= MOST_MEMBERS {
                        limit("more modules than are read of one eszip", at, out);
                        return Ok(());
                    }
                    self.entry.get_or_insert_with(|| printable(&name));
                    self.modules.push(Module {
                        name,
                        place,
                        source,
                        map,
                    });
                }
                1 => {
                    text(&mut cursor)?;
                    redirects = redirects.saturating_add(1);
                }
                2 if version >= 1 => {
                    cursor.u32_be()?;
                    packages = packages.saturating_add(1);
                }
                _ => {
                    out.malformed(
                        place,
                        "eszip: an entry of an unknown kind, behind which none can be read",
                    );
                    break;
                }
            }
        }
        for (number, what) in [(redirects, "redirects"), (packages, "npm-packages")] {
            if number > 0 {
                self.flags.push(format!("{what}={number}"));
            }
        }
        Ok(())
    }
}

/// Contents one behind the other, each with its checksum.
struct Area<'i, 'a> {
    input: &'i Input<'a>,
    span: Span,
    checksum: Checksum,
    stored: BTreeSet<Span>,
}

impl Area<'_, '_> {
    /// Claims one content; how many artifacts it makes.
    fn content(&mut self, module: &Module, (offset, length): (u64, u64), suffix: &[u8], out: &mut Parse) -> u64 {
        if length == 0 {
            return 0;
        }
        let span = Span::saturating_at(self.span.start().saturating_add(offset), length);
        let checksum = Span::saturating_at(span.end(), self.checksum.size);
        if !self.span.encloses(span) || !self.span.encloses(checksum) {
            out.malformed(module.place, "eszip: a module lies outside the contents");
            return 0;
        }
        let name = [&module.name, suffix].concat();
        if !self.stored.insert(span) {
            again(span, &name, out);
            return 0;
        }
        out.slice(span, name.as_slice(), true);
        if !checksum.is_empty() {
            out.leaf(checksum, Role::Metadata, format!("checksum of {}", printable(&name)));
        }
        if self.checksum.sha256
            && let Ok(stated) = self.input.read(checksum)
            && let Some(sha256) = stated.first_chunk::<32>()
        {
            out.fact(Fact::Digest { span, sha256: *sha256 });
        }
        1
    }
}

/// A part behind its length: where it stands, and its bytes.
fn part(cursor: &mut Cursor<'_, '_>, what: &str, role: Role, out: &mut Parse) -> Result<(Span, Vec<u8>), ReadFault> {
    let at = cursor.position();
    let length = u64::from(cursor.u32_be()?);
    out.leaf(Span::saturating_at(at, 4), Role::Header, format!("length of {what}"));
    let start = cursor.position();
    let bytes = cursor.bytes(length)?.into_owned();
    let span = Span::saturating_at(start, length);
    out.leaf(span, role, what);
    Ok((span, bytes))
}

/// The checksum behind a part, held against it where it is SHA-256.
fn behind(
    cursor: &mut Cursor<'_, '_>,
    (part, content): (Span, &[u8]),
    checksum: Checksum,
    what: &str,
    out: &mut Parse,
) -> Result<(), ReadFault> {
    let at = cursor.position();
    let stated = cursor.bytes(checksum.size)?.into_owned();
    let place = Span::saturating_at(at, checksum.size);
    out.leaf(place, Role::Metadata, format!("checksum of {what}"));
    if checksum.sha256 && *stated != *Sha256::digest(content) {
        let message = format!("the {what} do not have the SHA-256 that is stated for them");
        let finding = Finding::new(code::HEADER_MISMATCH, part, message).case("digest");
        out.finding(finding.evidence("name", what).key(what));
    }
    Ok(())
}

/// What the options choose; none is the default since they exist.
fn chosen(options: &[u8], place: Span, out: &mut Parse) -> Checksum {
    const SHA256: u8 = 1;
    const XXH3: u8 = 2;
    let (mut kind, mut size) = (0, 0);
    let (pairs, rest) = options.as_chunks::<2>();
    if !rest.is_empty() || place.len() > LONGEST_OPTIONS {
        out.malformed(place, "eszip: the options are no pairs of bytes");
    }
    for [key, value] in pairs {
        match key {
            0 if *value <= XXH3 => kind = *value,
            1 => size = *value,
            _ => out.malformed(place, "eszip: an option that nobody knows"),
        }
    }
    let size = match (size, kind) {
        (0, SHA256) => 32,
        (0, XXH3) => 8,
        (size, _) => u64::from(size),
    };
    Checksum {
        size,
        sha256: kind == SHA256 && size == 32,
    }
}

/// A text behind its length: how long it is, and as much of it as is read.
fn text(cursor: &mut Cursor<'_, '_>) -> Result<(u64, Vec<u8>), ReadFault> {
    let length = u64::from(cursor.u32_be()?);
    let text = cursor.ahead(length.min(LONGEST_NAME))?.to_vec();
    cursor.skip(length)?;
    Ok((length, text))
}
