//! Unix archives (`ar`): static libraries, Rust libraries, Debian packages.
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 8 | `!<arch>\n`, or `!<thin>\n`: members are files of their own |
//! | 8 | .. | members: a header of 60 bytes, data, a filler byte to an even offset |
//!
//! There is no standard; what is read is what System V, GNU and BSD tools and Microsoft's librarian write (ar(5), the PE
//! and COFF specification). Special members (symbol and name tables) are claimed as tables and not read any further,
//! except for GNU's table of long names. Every other member is a nested artifact.
//!
//! Static libraries have several members of one name as a matter of course (nothing extracts them by name), so names
//! are compared for duplicates in Debian packages only.

mod header;
mod names;
#[cfg(test)]
mod tests;

use super::{Format, Input, Parse, ReadFault};
use crate::fact::{Entry, EntryKind, Fact};
use crate::finding::{Finding, code};
use crate::identify::{Match, Probe};
use crate::ledger::{Fill, Gaps, Role};
use crate::name::printable;
use crate::span::Span;
use header::Header;
use names::{Name, Names};
use std::collections::HashSet;

const MAGIC: &[u8] = b"!<arch>\n";
const THIN: &[u8] = b"!<thin>\n";

/// An archive.
pub(super) struct Ar;

impl Format for Ar {
    fn id(&self) -> &'static str {
        "ar"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let rest = probe
            .head
            .strip_prefix(MAGIC)
            .or_else(|| probe.head.strip_prefix(THIN))?;
        // An empty archive is a magic number and nothing else; a text may begin like one.
        if rest.is_empty() {
            return Some(Match::CERTAIN);
        }
        let sound = rest.get(58..60) == Some(header::END);
        Some(if sound { Match::CERTAIN } else { Match::LIKELY })
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.gaps(Gaps::Never);
        if let Err(fault) = archive(input, out) {
            out.fault(&fault, "ar member");
        }
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["a", "ar", "deb", "udeb", "rlib", "lib"]
    }
}

fn archive(input: &Input<'_>, out: &mut Parse) -> Result<(), ReadFault> {
    let thin = input.read(Span::new(0, 8))?.starts_with(THIN);
    out.leaf(Span::new(0, 8), Role::Header, "global header");
    let mut archive = Archive {
        thin,
        package: false,
        names: Names::default(),
        seen: HashSet::new(),
        number: 0,
    };
    let mut at = 8;
    while at < input.len() {
        match archive.member(input, out, at)? {
            Some(end) => at = end,
            None => return Ok(()),
        }
    }
    Ok(())
}

struct Archive {
    thin: bool,
    /// Whether the first member is `debian-binary`: names count.
    package: bool,
    names: Names,
    seen: HashSet<Box<[u8]>>,
    number: u64,
}

impl Archive {
    /// Reads the member at `at`; where the next one is, or nothing when what follows cannot be understood.
    fn member(&mut self, input: &Input<'_>, out: &mut Parse, at: u64) -> Result<Option<u64>, ReadFault> {
        let span = Span::saturating_at(at, header::SIZE);
        if span.end() > input.len() {
            // Less than a header: not a member. That the bytes are nobody's is for the ledger to say, unless they
            // begin one.
            let rest = input.read(Span::new(at, input.len()))?;
            if header::begins(&rest) {
                let message = format!("ar: {} bytes of a member header of 60", rest.len());
                out.finding(Finding::new(code::TRUNCATED, Span::new(at, input.len()), message).key("header"));
            }
            return Ok(None);
        }
        let bytes = input.read(span)?;
        let Some(header) = Header::parse(&bytes) else {
            out.malformed(
                Span::saturating_at(at, 1),
                "ar: a member header does not end with its magic",
            );
            return Ok(None);
        };
        let Some(size) = header.size else {
            out.leaf(span, Role::Header, "member header");
            out.malformed(header::size_span(at), "ar: the size of a member is no decimal number");
            return Ok(None);
        };
        self.number = self.number.saturating_add(1);
        let mut name = self.names.name(&header.name, self.thin);
        let mut data = Span::saturating_at(span.end(), size);
        // Thin archives hold their special members and nothing else.
        if self.thin && !name.is_special() {
            self.outside(out, span, &name);
            return Ok(Some(span.end()));
        }
        let missing = data.end().saturating_sub(input.len());
        let end = data.end();
        data = data.intersect(input.whole());
        let mut name_span = span;
        if let Name::Bsd(length) = name {
            let stored = Span::saturating_at(data.start(), length);
            if length > size || stored.end() > input.len() || length > names::LONGEST {
                out.leaf(span, Role::Header, "member header");
                out.malformed(span, "ar: a BSD name is longer than its member or than 4096 bytes");
                return Ok(None);
            }
            name = names::bsd(&input.read(stored)?);
            data = Span::new(stored.end(), data.end().max(stored.end()));
            name_span = stored;
        }
        let shown = name.shown(self.number);
        out.leaf(span, Role::Header, format!("{shown} header"));
        if name_span != span {
            out.leaf(name_span, Role::Strings, format!("{shown} name"));
        }
        if let Name::Missing = name {
            out.malformed(span, "ar: a name lies outside the table of long names");
        }
        if missing > 0 {
            let message = format!("{shown} needs {size} bytes, {} are there", size.saturating_sub(missing));
            out.finding(Finding::new(code::TRUNCATED, data, message).key("member"));
        }
        self.data(input, out, &name, name_span, data, &shown)?;
        if missing > 0 {
            return Ok(None);
        }
        Ok(Some(filler(input, out, end, &shown)?))
    }

    fn data(
        &mut self,
        input: &Input<'_>,
        out: &mut Parse,
        name: &Name,
        name_span: Span,
        data: Span,
        shown: &str,
    ) -> Result<(), ReadFault> {
        match name {
            Name::Table => {
                out.leaf(data, Role::Strings, shown);
                self.names.table(&input.read(data)?);
            }
            Name::Symbols(_) => {
                out.leaf(data, Role::Table, shown);
            }
            Name::File(raw) => {
                self.package |= self.number == 1 && **raw == *b"debian-binary";
                self.entry(out, raw, name_span);
                out.slice(data, raw.to_vec(), true);
            }
            Name::Missing | Name::Bsd(_) => {
                out.slice(data, shown.as_bytes(), true);
            }
        }
        Ok(())
    }

    fn entry(&mut self, out: &mut Parse, raw: &[u8], span: Span) {
        if !self.package && !self.seen.insert(raw.into()) {
            return;
        }
        out.fact(Fact::Entry(Entry {
            name: raw.into(),
            span,
            kind: EntryKind::File,
            content: None,
        }));
    }

    /// A member of a thin archive: a name, and nothing to examine here.
    fn outside(&mut self, out: &mut Parse, span: Span, name: &Name) {
        let shown = name.shown(self.number);
        out.leaf(span, Role::Header, format!("{shown} header, held elsewhere"));
        match name {
            Name::File(raw) => out.fact(Fact::Name {
                what: "member",
                raw: raw.get(..4096).unwrap_or(raw).into(),
                length: u64::try_from(raw.len()).unwrap_or(u64::MAX),
                span,
            }),
            Name::Missing => out.malformed(span, "ar: a name lies outside the table of long names"),
            _ => {}
        }
    }
}

/// Claims the filler byte behind a member of odd length.
fn filler(input: &Input<'_>, out: &mut Parse, end: u64, shown: &str) -> Result<u64, ReadFault> {
    let next = end.saturating_add(end & 1).min(input.len());
    let span = Span::new(end.min(next), next);
    if span.is_empty() {
        return Ok(next);
    }
    // Some writers leave it out at the end or before a member that begins at an odd offset.
    if input.read_up_to(end, header::SIZE)?.get(58..60) == Some(header::END) {
        let message = "ar: a member begins at an odd offset";
        out.finding(
            Finding::new(code::MALFORMED, span, message)
                .case("lenient")
                .key(message),
        );
        return Ok(end);
    }
    out.padding(
        span,
        Fill::AnyOf(b"\n\0"),
        format!("{} filler", printable(shown.as_bytes())),
    );
    Ok(next)
}
