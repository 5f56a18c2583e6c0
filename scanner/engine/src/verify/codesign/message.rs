//! The CMS message of a code signature: detached, over the octets of the CodeDirectory of slot 0.
//!
//! Two attributes that only Apple has say of which CodeDirectories the signer knew: without them an alternate one, which
//! newer systems prefer, would be anybody's.

use super::blob::{Fault, Unread, offset};
use super::directory::Directory;
use crate::finding::{ErrorCode, ScanError};
use crate::span::Span;
use crate::verify::algorithm::Algorithm;
use crate::verify::cms::ber;
use crate::verify::cms::element::Elements;
use crate::verify::cms::{LONGEST, SignerInfo, oid};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem;

/// The most digests that the attributes may state.
const MOST: usize = 16;
/// Bytes of a digest in the property list.
const CUT: usize = 20;

/// A message, as DER.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) der: Vec<u8>,
    /// Where its first octet lies, when the file has it as DER; else 0.
    pub(super) base: u64,
    /// Its octets in the file.
    pub(super) span: Span,
    /// Whether places in `der` are places in the file.
    exact: bool,
}

impl Message {
    /// The message that `content`, which begins at `start`, holds; `None` when there is none.
    ///
    /// # Errors
    /// When it is not BER, or too long to be read.
    pub(super) fn load(content: &[u8], start: u64) -> Result<Option<Self>, Unread> {
        if content.is_empty() {
            return Ok(None);
        }
        let whole = Span::saturating_at(start, offset(content.len()));
        if whole.len() > LONGEST {
            let message = "a signature was not verified: its message has more than 4 MiB";
            let error = ScanError::new(ErrorCode::LimitExceeded, message);
            return Err(Unread::Error(error.at(start)));
        }
        let (der, used) = ber::to_der(content).map_err(|fault| Fault {
            span: Span::saturating_at(start.saturating_add(fault.offset), 1).intersect(whole),
            rule: fault.rule,
        })?;
        let exact = content.get(..used) == Some(&der);
        Ok(Some(Self {
            base: if exact { start } else { 0 },
            span: Span::saturating_at(start, offset(used)),
            der,
            exact,
        }))
    }

    /// Where in the file the octets at `span` of the DER stand: found again where BER moved them, else the whole message.
    pub(super) fn in_file(&self, span: Span, content: &[u8]) -> Span {
        if self.exact {
            return span;
        }
        let from = usize::try_from(span.start()).unwrap_or(usize::MAX);
        let to = usize::try_from(span.end()).unwrap_or(usize::MAX);
        let octets = self.der.get(from..to).filter(|octets| !octets.is_empty());
        match octets.and_then(|octets| memmem::find(content, octets)) {
            Some(at) => Span::saturating_at(self.span.start().saturating_add(offset(at)), span.len()),
            None => self.span,
        }
    }
}

/// Whether the signer names exactly these CodeDirectories, `bytes` of each.
///
/// # Errors
/// What is wrong, in one clause.
pub(super) fn names_all(signer: &SignerInfo<'_>, all: &[(&Directory, &[u8])]) -> Result<(), &'static str> {
    let values = |oid: &'static [u8]| {
        let named = signer.signed_attributes().iter().filter(move |a| a.oid == oid);
        named.flat_map(|a| &a.values).copied().take(MOST)
    };
    let own: Vec<(Algorithm, Vec<u8>)> = all
        .iter()
        .map(|(d, bytes)| (d.algorithm, d.algorithm.digest(bytes)))
        .collect();
    let mut listed = Vec::new();
    for value in values(oid::APPLE_CDHASHES) {
        let list = value
            .string()
            .map_err(|_| "the list of CodeDirectories cannot be read")?;
        listed.extend(data(list).ok_or("the list of CodeDirectories cannot be read")?);
    }
    let mut stated = Vec::new();
    for value in values(oid::APPLE_CDHASHES_2) {
        let mut parts = Elements::of(value);
        let mut read = || {
            let algorithm = parts.universal(6).ok()?.oid().ok()?;
            Some((algorithm, parts.universal(4).ok()?.string().ok()?))
        };
        stated.push(read().ok_or("the digests of CodeDirectories cannot be read")?);
    }
    let known = |(algorithm, digest): &(&[u8], &[u8])| {
        let same = |(a, d): &(Algorithm, Vec<u8>)| Algorithm::from_oid(algorithm) == Some(*a) && d == digest;
        own.iter().any(same)
    };
    if !stated.iter().all(known) {
        return Err("the signer signed another CodeDirectory than those that are there");
    }
    let cut = |digest: &[u8]| own.iter().any(|(_, d)| d.get(..CUT) == Some(digest));
    if !listed.iter().all(|digest| cut(digest)) {
        return Err("the signer lists another CodeDirectory than those that are there");
    }
    let (in_list, in_stated) = (!listed.is_empty(), !stated.is_empty());
    for (number, (algorithm, digest)) in own.iter().enumerate() {
        let in_first = listed.iter().any(|d| digest.get(..CUT) == Some(d));
        let mut second = stated.iter();
        let in_second = second.any(|(a, d)| Algorithm::from_oid(a) == Some(*algorithm) && d == digest);
        // The first one is what is signed; before 2016 nothing else was said of it.
        let needed = number > 0 || in_list || in_stated;
        if needed && ((in_list && !in_first) || (in_stated && !in_second) || !(in_first || in_second)) {
            return Err("a CodeDirectory is there that the signer did not list");
        }
    }
    Ok(())
}

/// The contents of the `<data>` elements of a property list.
fn data(list: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    let mut rest = list;
    while let Some(at) = memmem::find(rest, b"<data>") {
        let value = rest.get(at.checked_add(6)?..)?;
        let end = memmem::find(value, b"</data>")?;
        let plain: Vec<u8> = value
            .get(..end)?
            .iter()
            .copied()
            .filter(|b| !b.is_ascii_whitespace())
            .collect();
        found.push(STANDARD.decode(plain).ok()?);
        if found.len() > MOST {
            return None;
        }
        rest = value.get(end..)?;
    }
    Some(found)
}
