//! XML documents (XML 1.0, fifth edition), PMML among them: claimed whole as text, their prolog read.
//!
//! What makes an XML document dangerous stands in front: the document type declaration, with entities that lead to
//! files and hosts or that expand without end. Elements are not parsed. A document without a declaration is known by a
//! root element that names itself.

mod entities;
#[cfg(test)]
mod tests;

use super::text::Encoding;
use super::{Format, Input, Parse};
use crate::finding::{ErrorCode, ScanError};
use crate::identify::{Match, Probe};
use crate::ledger::Role;
use std::borrow::Cow;

/// The most bytes of a document in which its root element must begin.
const PROLOG: u64 = 1 << 20;

/// An XML document.
pub(super) struct Xml;

/// A PMML model: an XML document whose root says so (PMML 4.4).
pub(super) struct Pmml;

impl Format for Xml {
    fn id(&self) -> &'static str {
        "xml"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let text = begins_with_markup(probe)?;
        let declared = text.trim_start().starts_with("<?xml");
        let root = entities::prolog(&text).root;
        let known = matches!(
            root.as_deref(),
            Some("svg" | "plist" | "project" | "rss" | "feed" | "kml" | "gml")
        );
        (declared || known).then_some(Match::LIKELY)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        document(input, out);
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["xml", "svg", "xsd", "xsl", "xslt", "plist", "rdf", "dtd", "pom"]
    }
}

impl Format for Pmml {
    fn id(&self) -> &'static str {
        "pmml"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let text = begins_with_markup(probe)?;
        let root = entities::prolog(&text).root?;
        let local = root.rsplit(':').next().unwrap_or(&root);
        (local == "PMML").then_some(Match::LIKELY)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        document(input, out);
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["pmml", "xml"]
    }
}

/// The head as text, when its first character is that of a tag.
fn begins_with_markup<'p>(probe: &Probe<'p>) -> Option<Cow<'p, str>> {
    let start = probe.head.get(..64).unwrap_or(probe.head);
    let first = start
        .iter()
        .find(|byte| !matches!(byte, 0 | 0xef | 0xbb | 0xbf | 0xfe | 0xff | b' ' | 9..=13));
    if first != Some(&b'<') {
        return None;
    }
    Encoding::of_probe(probe)?;
    Some(decoded(probe.head))
}

/// UTF-8 and UTF-16 as text; what is neither is replaced.
pub(super) fn decoded(bytes: &[u8]) -> Cow<'_, str> {
    let wide = |rest: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = rest.as_chunks::<2>().0.iter().map(|pair| unit(*pair)).collect();
        Cow::Owned(String::from_utf16_lossy(&units))
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] | rest => match std::str::from_utf8(rest) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => String::from_utf8_lossy(rest),
        },
    }
}

fn document(input: &Input<'_>, out: &mut Parse) {
    out.leaf(input.whole(), Role::Text, "document");
    let bytes = match input.read_up_to(0, PROLOG) {
        Ok(bytes) => bytes,
        Err(fault) => return out.fault(&fault, "the prolog"),
    };
    let prolog = entities::prolog(&decoded(&bytes));
    if prolog.root.is_none() && input.len() > PROLOG {
        let message = format!("the root element does not begin within {PROLOG} bytes: entities were not all read");
        out.error(ScanError::new(ErrorCode::LimitExceeded, message).at(0));
    }
    entities::judge(&prolog, input.whole(), out);
}
