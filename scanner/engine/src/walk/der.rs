//! A pull walker for the distinguished encoding rules of ASN.1 with byte positions (X.690, 02/2021).
//!
//! Strict about every tag and length, and about the form (primitive or constructed) of the universal types; contents
//! are checked by the accessors of [`Tlv`] when a caller asks. BER's indefinite lengths and constructed strings, which
//! some CMS writers emit, are faults here. No schema: what a sequence means is the format's part.

use super::absolute;
use crate::span::Span;

mod contents;
#[cfg(test)]
mod tests;

/// What kind of fault a [`DerFault`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DerFaultKind {
    /// The input ended inside the outermost value: more bytes could have made it valid.
    Truncated,
    /// A bound of this walker was met, on an encoding that may be valid.
    Limit,
    /// The encoding is not DER.
    Encoding,
    /// The value is not of the type that was asked for.
    Type,
}

/// The first rule of X.690 that an encoding breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{rule} at {offset:#x}")]
#[non_exhaustive]
pub struct DerFault {
    /// The absolute offset of the offending element or octet; the end of the input for a truncation.
    pub offset: u64,
    /// The rule, in a few words, with its clause of X.690.
    pub rule: &'static str,
    /// What kind of fault it is.
    pub kind: DerFaultKind,
}

impl DerFault {
    /// Whether the input ended inside the outermost value.
    pub fn is_truncation(&self) -> bool {
        self.kind == DerFaultKind::Truncated
    }
}

/// The class of a tag (8.1.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// The types of X.680 itself.
    Universal,
    /// Types of one application.
    Application,
    /// Types by their place, usually an explicit or implicit tag.
    ContextSpecific,
    /// Types of one enterprise.
    Private,
}

/// An identifier (8.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tag {
    /// The class.
    pub class: Class,
    /// Whether the contents are elements rather than a primitive value.
    pub constructed: bool,
    /// The tag number.
    pub number: u32,
}

impl Tag {
    /// Whether this is the universal tag `number`.
    pub fn is_universal(self, number: u32) -> bool {
        self.class == Class::Universal && self.number == number
    }

    /// Whether this is the context-specific tag `number`.
    pub fn is_context(self, number: u32) -> bool {
        self.class == Class::ContextSpecific && self.number == number
    }
}

/// One element.
///
/// | octets | field |
/// | --- | --- |
/// | 1 to 6 | identifier: class (2 bits), constructed (1), number (5, or 31 and base-128 octets) |
/// | 1 to 9 | length: one octet below 128, or `0x80 + n` and `n` octets, big-endian |
/// | length | contents |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// The identifier.
    pub tag: Tag,
    /// The identifier and length octets, absolute.
    pub header: Span,
    /// The contents octets, absolute.
    pub value: Span,
    /// The number of elements around this one.
    pub depth: usize,
    /// The contents octets.
    pub bytes: &'a [u8],
    /// All octets of the element, as a digest over it takes them.
    pub encoding: &'a [u8],
}

impl<'a> Tlv<'a> {
    /// The span of the whole element.
    pub fn span(&self) -> Span {
        Span::new(self.header.start(), self.value.end())
    }

    /// The elements directly inside a constructed one, in order; none for a primitive one. What lies inside them is not
    /// checked: a [`DerWalker`] does that.
    pub fn children(&self) -> Children<'a> {
        let bytes: &[u8] = if self.tag.constructed { self.bytes } else { &[] };
        Children {
            bytes,
            base: self.value.start(),
            at: 0,
            depth: self.depth.saturating_add(1),
            failed: false,
        }
    }
}

/// The elements directly inside another: see [`Tlv::children`]. Ends after a fault.
#[derive(Clone, Debug)]
pub struct Children<'a> {
    bytes: &'a [u8],
    base: u64,
    at: usize,
    depth: usize,
    failed: bool,
}

impl<'a> Iterator for Children<'a> {
    type Item = Result<Tlv<'a>, DerFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.at >= self.bytes.len() {
            return None;
        }
        let read = Frame {
            bytes: self.bytes,
            base: self.base,
            end: self.bytes.len(),
            overrun: Overrun::Parent,
        }
        .read(self.at, self.depth);
        match read {
            Ok((tlv, contents)) => {
                self.at = contents.end;
                Some(Ok(tlv))
            }
            Err(fault) => {
                self.failed = true;
                Some(Err(fault))
            }
        }
    }
}

impl std::iter::FusedIterator for Children<'_> {}

/// Walks one element and all inside it, each before those it holds.
///
/// Every octet of a sound element belongs to one header or to one primitive value. What follows the element is not
/// read: see [`DerWalker::rest`]. After a fault the walker is exhausted. It yields at most one element for two octets,
/// and one fault.
#[derive(Clone, Debug)]
pub struct DerWalker<'a> {
    bytes: &'a [u8],
    base: u64,
    max_depth: usize,
    at: usize,
    /// The ends of the constructed elements that hold the next one.
    open: Vec<usize>,
    /// The end of the outermost element, once its header is read.
    outermost: Option<usize>,
    failed: bool,
}

impl<'a> DerWalker<'a> {
    /// A walker over `bytes`, whose first octet lies at `base` in the artifact, and that refuses a constructed element
    /// inside `max_depth` others.
    pub fn new(bytes: &'a [u8], base: u64, max_depth: usize) -> Self {
        Self {
            bytes,
            base,
            max_depth,
            at: 0,
            open: Vec::new(),
            outermost: None,
            failed: false,
        }
    }

    /// The octets after the outermost element; the whole input as long as its header has not been read.
    pub fn rest(&self) -> Span {
        let end = self.outermost.unwrap_or(0);
        Span::new(absolute(self.base, end), absolute(self.base, self.bytes.len()))
    }

    fn read(&mut self) -> Result<Option<Tlv<'a>>, DerFault> {
        while self.open.last() == Some(&self.at) {
            self.open.pop();
        }
        let frame = match self.open.last() {
            Some(end) => Frame {
                bytes: self.bytes,
                base: self.base,
                end: *end,
                overrun: Overrun::Parent,
            },
            None if self.outermost.is_some() => return Ok(None),
            None => Frame {
                bytes: self.bytes,
                base: self.base,
                end: self.bytes.len(),
                overrun: Overrun::Input,
            },
        };
        let (tlv, contents) = frame.read(self.at, self.open.len())?;
        if tlv.tag.constructed && self.open.len() >= self.max_depth {
            return Err(frame.fault(self.at, "depth over the limit", DerFaultKind::Limit));
        }
        self.outermost.get_or_insert(contents.end);
        if tlv.tag.constructed {
            self.open.push(contents.end);
            self.at = contents.start;
        } else {
            self.at = contents.end;
        }
        Ok(Some(tlv))
    }
}

impl<'a> Iterator for DerWalker<'a> {
    type Item = Result<Tlv<'a>, DerFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let read = self.read();
        self.failed = read.is_err();
        read.transpose()
    }
}

impl std::iter::FusedIterator for DerWalker<'_> {}

/// What it means that an element does not fit.
#[derive(Clone, Copy)]
enum Overrun {
    Input,
    Parent,
}

/// The octets in which an element must fit: `..end` of `bytes`.
struct Frame<'a> {
    bytes: &'a [u8],
    base: u64,
    end: usize,
    overrun: Overrun,
}

impl<'a> Frame<'a> {
    /// The element at `at`, and the positions of its contents.
    fn read(&self, at: usize, depth: usize) -> Result<(Tlv<'a>, std::ops::Range<usize>), DerFault> {
        let (tag, length_at) = self.identifier(at)?;
        self.check_form(at, tag)?;
        let (length, start) = self.length(length_at, at)?;
        let end = usize::try_from(length)
            .ok()
            .and_then(|length| start.checked_add(length));
        let end = end.filter(|end| *end <= self.end).ok_or_else(|| self.overrun(at))?;
        let bytes = self.bytes.get(start..end).ok_or_else(|| self.overrun(at))?;
        let encoding = self.bytes.get(at..end).ok_or_else(|| self.overrun(at))?;
        let tlv = Tlv {
            tag,
            header: self.span(at, start),
            value: self.span(start, end),
            depth,
            bytes,
            encoding,
        };
        Ok((tlv, start..end))
    }

    fn identifier(&self, at: usize) -> Result<(Tag, usize), DerFault> {
        let first = self.octet(at, at)?;
        let class = match first >> 6 {
            0 => Class::Universal,
            1 => Class::Application,
            2 => Class::ContextSpecific,
            _ => Class::Private,
        };
        let constructed = first & 0x20 != 0;
        let low = first & 0x1f;
        let mut next = at.saturating_add(1);
        if low != 0x1f {
            return Ok((
                Tag {
                    class,
                    constructed,
                    number: u32::from(low),
                },
                next,
            ));
        }
        let mut number = 0_u32;
        loop {
            let octet = self.octet(next, at)?;
            if number == 0 && octet == 0x80 {
                return Err(self.encoding(next, "high tag number with a leading zero octet (8.1.2.4.2 c)"));
            }
            number = number
                .checked_mul(128)
                .map(|number| number | u32::from(octet & 0x7f))
                .ok_or_else(|| self.fault(at, "tag number over 32 bits", DerFaultKind::Limit))?;
            next = next.saturating_add(1);
            if octet & 0x80 == 0 {
                break;
            }
        }
        if number < 31 {
            return Err(self.encoding(at, "high tag form for a number below 31 (8.1.2.2)"));
        }
        Ok((
            Tag {
                class,
                constructed,
                number,
            },
            next,
        ))
    }

    /// Universal types have one form in DER, save those that X.680 does not assign.
    fn check_form(&self, at: usize, tag: Tag) -> Result<(), DerFault> {
        if tag.class != Class::Universal {
            return Ok(());
        }
        match (tag.number, tag.constructed) {
            (0, _) => Err(self.encoding(at, "end-of-contents octets (8.1.5)")),
            (8 | 11 | 16 | 17, false) => Err(self.encoding(at, "primitive form of a constructed type (8.9.1, 8.11.1)")),
            (1 | 2 | 5 | 6 | 9 | 10 | 13, true) => {
                Err(self.encoding(at, "constructed form of a primitive type (8.2 to 8.20)"))
            }
            (3 | 4 | 7 | 12 | 18..=28 | 30, true) => Err(self.encoding(at, "constructed form of a string (10.2)")),
            _ => Ok(()),
        }
    }

    fn length(&self, at: usize, element: usize) -> Result<(u64, usize), DerFault> {
        let first = self.octet(at, element)?;
        let mut next = at.saturating_add(1);
        let count = match first {
            0..0x80 => return Ok((u64::from(first), next)),
            0x80 => return Err(self.encoding(at, "indefinite length (10.1)")),
            0xff => return Err(self.encoding(at, "reserved length octet (8.1.3.5 c)")),
            _ => first & 0x7f,
        };
        let mut length = 0_u64;
        for index in 0..count {
            let octet = self.octet(next, element)?;
            if index == 0 && octet == 0 {
                return Err(self.encoding(at, NOT_MINIMAL));
            }
            length = length
                .checked_mul(256)
                .map(|length| length | u64::from(octet))
                .ok_or_else(|| self.fault(at, "length over 64 bits", DerFaultKind::Limit))?;
            next = next.saturating_add(1);
        }
        if length < 0x80 {
            return Err(self.encoding(at, NOT_MINIMAL));
        }
        Ok((length, next))
    }

    fn octet(&self, at: usize, element: usize) -> Result<u8, DerFault> {
        let octet = if at < self.end {
            self.bytes.get(at).copied()
        } else {
            None
        };
        octet.ok_or_else(|| self.overrun(element))
    }

    fn overrun(&self, at: usize) -> DerFault {
        match self.overrun {
            Overrun::Input => self.fault(self.bytes.len(), "unexpected end (8.1.1.1)", DerFaultKind::Truncated),
            Overrun::Parent => self.encoding(at, "element exceeds the one around it (8.1.4)"),
        }
    }

    fn encoding(&self, at: usize, rule: &'static str) -> DerFault {
        self.fault(at, rule, DerFaultKind::Encoding)
    }

    fn fault(&self, at: usize, rule: &'static str, kind: DerFaultKind) -> DerFault {
        DerFault {
            offset: absolute(self.base, at),
            rule,
            kind,
        }
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span::new(absolute(self.base, start), absolute(self.base, end))
    }
}

const NOT_MINIMAL: &str = "length not in the fewest octets (10.1)";
