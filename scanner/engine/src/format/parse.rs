//! What a format says about one artifact.

use super::Format;
use super::input::{Input, ReadFault};
use crate::fact::{Entry, EntryKind, Fact};
use crate::finding::{ErrorCode, Finding, Findings, ScanError, code};
use crate::ledger::{Fill, Gaps, Region, RegionId, Role, View};
use crate::span::Span;
use std::io::{self, Read, Write};
use std::sync::Arc;

/// A codec that turns encoded bytes of the parent into a child.
///
/// It runs once, forward, with its output bounded by the caller. What it learns about the *parent* (member boundaries,
/// checksums that do not match) it writes into the parent's [`Parse`].
pub trait Decoder: Send {
    /// Decodes everything `input` gives into `output`. Returns how many input bytes belong to the encoding; the rest
    /// stays with the parent.
    ///
    /// # Errors
    /// An error of `output` (a limit: passed through untouched) or of `input`. Broken encodings are findings in
    /// `parent`, not errors: what was decoded before the break is kept.
    fn decode(&mut self, input: &mut dyn Read, output: &mut dyn Write, parent: &mut Parse) -> io::Result<u64>;

    /// What the output consists of, where the container says it and the output itself does not: it is then read so,
    /// and not identified. Asked before decoding.
    fn layout(&self) -> Option<Layout> {
        None
    }
}

/// Content one after the other, as a container that packs many members into one stream lists them.
#[derive(Clone)]
pub struct Layout {
    /// The format's id in reports.
    pub format: &'static str,
    /// The contents, in order, from offset 0 on.
    pub pieces: Arc<[Piece]>,
}

/// One of the contents of a [`Layout`].
pub struct Piece {
    /// Its name, raw: one level of the nested path.
    pub name: Vec<u8>,
    /// Its length in bytes.
    pub length: u64,
    /// The CRC-32 that the container states.
    pub crc32: Option<u32>,
    /// Whether it is the target of a symbolic link and not a file.
    pub link: bool,
}

/// A boxed [`Decoder`].
pub type Codec = Box<dyn Decoder>;

/// Where a child's bytes come from.
pub enum Source {
    /// A range of the parent: offsets translate.
    Slice(Span),
    /// Decoded from a range of the parent.
    Decoded {
        /// The encoded bytes; the decoder may use fewer.
        span: Span,
        /// What decodes them.
        codec: Codec,
    },
    /// Parts of the parent, one after the other.
    Assembled(Vec<Span>),
}

/// A nested artifact that a format found.
pub struct Child {
    /// Its name, raw: one level of the nested path.
    pub name: Vec<u8>,
    /// Where its bytes are.
    pub source: Source,
    /// Whether its place is one where code is expected (a bundle's module, an archive's member): an executable there
    /// is inventory, not an alarm.
    pub expected: bool,
}

/// The account a format gives of one artifact: regions, facts, findings, errors, children.
pub struct Parse {
    pub(crate) view: View,
    pub(crate) facts: Vec<Fact>,
    pub(crate) findings: Findings,
    pub(crate) errors: Vec<ScanError>,
    pub(crate) children: Vec<Child>,
    /// Whether a limit or a failing read ended the parse: what is unclaimed then was not looked at.
    pub(crate) cut_short: bool,
    /// Broken rules and missing ends are told as those of media are.
    media: bool,
}

/// The most errors that one artifact keeps.
const ERRORS: usize = 64;

impl Parse {
    /// An empty account for `format`.
    pub fn new(format: &'static str) -> Self {
        Self {
            view: View::new(format),
            facts: Vec::new(),
            findings: Findings::default(),
            errors: Vec::new(),
            children: Vec::new(),
            cut_short: false,
            media: false,
        }
    }

    /// What `format` says about `input`.
    pub fn of(format: &dyn Format, input: &Input<'_>) -> Self {
        let mut out = Self::new(format.id());
        format.parse(input, &mut out);
        out
    }

    /// What `layout` says about `input`: every piece is a nested artifact, and no byte lies between two of them.
    pub fn of_layout(layout: &Layout, input: &Input<'_>) -> Self {
        let mut out = Self::new(layout.format);
        out.gaps(Gaps::Never);
        let mut at = 0u64;
        for piece in layout.pieces.iter() {
            let span = Span::saturating_at(at, piece.length);
            at = span.end();
            let there = span.intersect(input.whole());
            // What the stream did not give was said when it was decoded.
            if there != span || span.is_empty() {
                continue;
            }
            if let Some(crc32) = piece.crc32 {
                out.fact(Fact::Checksum { span, crc32 });
            }
            if piece.link {
                out.leaf(span, Role::Metadata, crate::name::printable(&piece.name));
                out.link(piece, span, input);
            } else {
                out.slice(span, piece.name.clone(), true);
            }
        }
        // A piece that was cut is examined as far as it goes.
        let claimed = out.view.leaves().map(|leaf| leaf.span.end()).max().unwrap_or(0);
        if claimed < input.len().min(at) {
            out.slice(Span::new(claimed, input.len().min(at)), "cut", true);
        }
        out
    }

    fn link(&mut self, piece: &Piece, span: Span, input: &Input<'_>) {
        const LONGEST: u64 = 4096;
        match input.read_up_to(span.start(), span.len().min(LONGEST)) {
            Ok(target) => self.fact(Fact::Entry(Entry {
                name: piece.name.as_slice().into(),
                span,
                kind: EntryKind::Symlink(target.as_ref().into()),
                content: None,
            })),
            Err(fault) => self.fault(&fault, "a link's target"),
        }
    }

    /// What `format` says about bytes in memory, under default limits.
    pub fn of_bytes(format: &dyn Format, bytes: &[u8]) -> Self {
        Input::with_bytes(bytes, |input| Self::of(format, input))
    }

    /// Says how zero gaps are read in this format.
    pub fn gaps(&mut self, gaps: Gaps) {
        self.view.gaps = gaps;
    }

    /// Claims `span` as a leaf.
    pub fn leaf(&mut self, span: Span, role: Role, name: impl Into<Box<str>>) -> RegionId {
        self.region(Region {
            span,
            role,
            name: name.into(),
            parent: None,
            leaf: true,
            fill: None,
            shares: None,
        })
    }

    /// Claims `span` as padding whose content is checked during the sweep.
    pub fn padding(&mut self, span: Span, fill: Fill, name: impl Into<Box<str>>) -> RegionId {
        let role = Role::Padding;
        self.region(Region {
            span,
            role,
            name: name.into(),
            parent: None,
            leaf: true,
            fill: Some(fill),
            shares: None,
        })
    }

    /// Adds a parent region, which groups leaves and claims nothing itself.
    pub fn parent(&mut self, span: Span, role: Role, name: impl Into<Box<str>>) -> RegionId {
        self.region(Region {
            span,
            role,
            name: name.into(),
            parent: None,
            leaf: false,
            fill: None,
            shares: None,
        })
    }

    /// Adds any region. Empty leaves are kept: they name things of length 0.
    pub fn region(&mut self, region: Region) -> RegionId {
        let id = RegionId::try_from(self.view.regions.len()).unwrap_or(RegionId::MAX);
        self.view.regions.push(region);
        id
    }

    /// A region added before, to complete it.
    pub fn region_mut(&mut self, id: RegionId) -> Option<&mut Region> {
        usize::try_from(id).ok().and_then(|at| self.view.regions.get_mut(at))
    }

    /// Adds a fact.
    pub fn fact(&mut self, fact: Fact) {
        self.facts.push(fact);
    }

    /// Adds a finding.
    pub fn finding(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// A `malformed` finding: which rule of the format is broken, where. The rule is its key.
    pub fn malformed(&mut self, span: Span, rule: &str) {
        let finding = Finding::new(code::MALFORMED, span, rule).key(rule);
        self.finding(if self.media { finding.case("lenient") } else { finding });
    }

    /// Adds an error: something was not examined.
    pub fn error(&mut self, error: ScanError) {
        if self.errors.len() < ERRORS && !self.errors.contains(&error) {
            self.errors.push(error);
        }
    }

    /// From here on the artifact is a picture or a sound: players skip what they cannot read, and nothing of it runs, so that
    /// a broken rule or a missing end is low.
    pub fn is_media(&mut self) {
        self.media = true;
    }

    /// Turns a read fault into what it means: `truncated` when `what` lies past the end, an error otherwise.
    pub fn fault(&mut self, fault: &ReadFault, what: &str) {
        match (fault, fault.as_error()) {
            (_, Some(error)) => {
                self.cut_short = true;
                self.error(error);
            }
            (ReadFault::PastEnd { offset, wanted, length }, None) => {
                let have = length.saturating_sub(*offset);
                let message = format!("{what} needs {wanted} bytes at offset {offset:#x}, {have} are there");
                let span = Span::new((*offset).min(*length), *length);
                let finding = Finding::new(code::TRUNCATED, span, message).key(what);
                self.finding(if self.media { finding.case("media") } else { finding });
            }
            _ => self.error(ScanError::new(ErrorCode::Internal, "a read fault without a meaning")),
        }
    }

    /// Adds a nested artifact over `span` and claims the span for it, as payload.
    pub fn slice(&mut self, span: Span, name: impl Into<Vec<u8>>, expected: bool) -> RegionId {
        let name = name.into();
        let id = self.leaf(span, Role::Payload, crate::name::printable(&name));
        self.children.push(Child {
            name,
            source: Source::Slice(span),
            expected,
        });
        id
    }

    /// Adds a nested artifact decoded from `span`. Claims nothing: the format knows what the encoding's parts are.
    pub fn decoded(&mut self, span: Span, name: impl Into<Vec<u8>>, codec: Codec, expected: bool) {
        self.children.push(Child {
            name: name.into(),
            source: Source::Decoded { span, codec },
            expected,
        });
    }

    /// Adds a nested artifact made of several parts of this one. Claims nothing.
    pub fn assembled(&mut self, parts: Vec<Span>, name: impl Into<Vec<u8>>, expected: bool) {
        self.children.push(Child {
            name: name.into(),
            source: Source::Assembled(parts),
            expected,
        });
    }

    /// The regions claimed so far, for tests.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// The facts so far.
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }

    /// The findings so far.
    pub fn findings(&self) -> &[Finding] {
        self.findings.as_slice()
    }

    /// The errors so far.
    pub fn errors(&self) -> &[ScanError] {
        &self.errors
    }

    /// The children so far.
    pub fn children(&self) -> &[Child] {
        &self.children
    }
}
