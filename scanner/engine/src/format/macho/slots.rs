//! Leftover slots of an earlier CodeDirectory in the slack of a code signature.
//!
//! When a file is signed again with larger pages, the new SuperBlob is shorter and the tail of the old hash table
//! stays behind it. Slot `i` of that table is the SHA-256 of page `i` of the same file (4 KiB pages, in every file
//! seen), so the bytes explain themselves: nobody can choose them freely. The end of a signature without a certificate may
//! follow: an empty set of requirements and an empty message. Anything else in the slack stays padding that should have
//! been zero.
//!
//! A file that was signed with a certificate and later signed again without one can keep the end of its requirements
//! and the old CMS wrapper there. That cannot be proved by anything else in the file, so it is reported, mildly.
//!
//! Bounds: at most 1 MiB of slack is read. The old table started within [`FRONT`] bytes of the SuperBlob (index, fixed
//! part, identifier and special slots precede it), which leaves a few hundred pages for the first slot; the pages after
//! it follow in order. At most 64 MiB of pages are read.

use crate::format::{Input, Parse, ReadFault};
use crate::ledger::{Fill, Role};
use crate::span::{Span, SpanSet};
use sha2::{Digest, Sha256};

/// The most slack that is looked at, in bytes.
const MOST_SLACK: u64 = 1 << 20;
/// The most bytes of pages that are hashed.
const MOST_PAGES: u64 = 64 << 20;
/// How far into the SuperBlob an old table's first slot may have stood, in bytes.
const FRONT: u64 = 4096;
/// The most bytes of another blob before the CMS wrapper of an earlier signature.
const TAIL: usize = 256;
/// Bytes in a slot.
const SLOT: usize = 32;
/// The page sizes that code is signed with, in bytes.
const PAGES: [u64; 2] = [4096, 16384];

/// Where the leftover slots at the start of `slack` end, when that is what its bytes are: only zeros may follow them.
/// `code_end` is where the signature starts, and the signed pages end.
///
/// # Errors
/// [`ReadFault`] of the slack or a page.
pub(super) fn leftover(slack: Span, code_end: u64, input: &Input<'_>) -> Result<Option<u64>, ReadFault> {
    if slack.len() > MOST_SLACK {
        return Ok(None);
    }
    let bytes = input.read(slack)?;
    if bytes.len() < SLOT.saturating_mul(2) || bytes.iter().all(|b| *b == 0) {
        return Ok(None);
    }
    let mut pages = Pages {
        input,
        code_end,
        size: 0,
        left: MOST_PAGES,
    };
    for size in PAGES {
        pages.size = size;
        if let Some(length) = table(&bytes, slack, &mut pages)? {
            let end = slack.start().saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
            return Ok(Some(end.min(slack.end())));
        }
    }
    Ok(None)
}

/// Claims the gaps between the files of a bundle that was written over an earlier signature, which began at `code_end`,
/// where they are slots of its table.
pub(super) fn under_files(code_end: u64, input: &Input<'_>, out: &mut Parse) {
    /// Gaps that are looked at: each costs a few hundred pages.
    const MOST_GAPS: usize = 64;
    let leaves = out.view().leaves().map(|r| r.span);
    let gaps: Vec<Span> = SpanSet::from_spans(leaves)
        .complement(Span::new(code_end, input.len()))
        .iter()
        .take(MOST_GAPS)
        .collect();
    for gap in gaps {
        match leftover(gap, code_end, input) {
            Ok(Some(end)) => {
                out.leaf(
                    Span::new(gap.start(), end),
                    Role::Padding,
                    "leftover CodeDirectory slots",
                );
                if end < gap.end() {
                    out.padding(Span::new(end, gap.end()), Fill::Zero, "zero fill");
                }
            }
            Ok(None) => {}
            Err(fault) => return out.fault(&fault, "an earlier signature"),
        }
    }
}

/// Where the leftover tail of an earlier signature ends: at most [`TAIL`] bytes of another blob, then a CMS wrapper
/// that holds one DER value of `signedData` and nothing else, then zeros.
///
/// # Errors
/// [`ReadFault`] of the slack.
pub(super) fn earlier_signature(slack: Span, input: &Input<'_>) -> Result<Option<u64>, ReadFault> {
    /// The object identifier 1.2.840.113549.1.7.2.
    const SIGNED_DATA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02";
    if slack.len() > MOST_SLACK {
        return Ok(None);
    }
    let bytes = input.read(slack)?;
    let wrapper = || {
        let front = bytes.get(..bytes.len().min(TAIL))?;
        let at = memchr::memmem::find(front, b"\xfa\xde\x0b\x01")?;
        let length = u32::from_be_bytes(bytes.get(at.checked_add(4)?..at.checked_add(8)?)?.try_into().ok()?);
        let end = at.checked_add(usize::try_from(length).ok()?)?;
        let value = bytes.get(at.checked_add(8)?..end)?;
        let length_octets = match value {
            [0x30, 0x80, ..] => None,
            [0x30, first @ 0..0x80, ..] => Some((2usize, usize::from(*first))),
            [0x30, 0x81, a, ..] => Some((3, usize::from(*a))),
            [0x30, 0x82, a, b, ..] => Some((4, usize::from(u16::from_be_bytes([*a, *b])))),
            _ => return None,
        };
        let (header, length) = length_octets.unwrap_or((2, value.len().saturating_sub(2)));
        let whole = header.checked_add(length) == Some(value.len());
        let signed = value.get(header..)?.starts_with(SIGNED_DATA);
        let zeros = bytes.get(end..)?.iter().all(|b| *b == 0);
        (whole && signed && zeros).then_some(end)
    };
    let end = wrapper()
        .or_else(|| signer_infos(&bytes))
        .and_then(|end| slack.start().checked_add(u64::try_from(end).ok()?));
    Ok(end.map(|end| end.min(slack.end())))
}

/// Where a message ends whose beginning was written over: its certificates, of which the first may be cut, and one
/// `SET OF SignerInfo` of version 1 fill the bytes to the last one that is not zero.
fn signer_infos(bytes: &[u8]) -> Option<usize> {
    /// What a cut certificate may take.
    const CUT: usize = 4096;
    let end = bytes.iter().rposition(|b| *b != 0)?.checked_add(1)?;
    // Long forms of two octets, as everything here is longer than 255 bytes.
    let element = |at: usize, tag: u8| {
        let [found, 0x82, high, low, ..] = bytes.get(at..end)? else {
            return None;
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        (*found == tag).then(|| at.checked_add(4)?.checked_add(length))?
    };
    let certificates = |from: usize| {
        let mut at = from;
        while let Some(next) = element(at, 0x30) {
            at = next;
        }
        at
    };
    let signers = |at: usize| {
        let sound = element(at, 0x31) == Some(end) && element(at.checked_add(4)?, 0x30) == Some(end);
        let version = bytes.get(at.checked_add(8)?..)?.starts_with(b"\x02\x01\x01\x30");
        (sound && version).then_some(end)
    };
    (0..end.min(CUT)).find_map(|from| signers(certificates(from)))
}

/// How many bytes at the start of the slack are a table of slots. Pages can be equal (zeros), so that a first slot
/// may stand for several: each is tried.
fn table(bytes: &[u8], slack: Span, pages: &mut Pages<'_, '_>) -> Result<Option<usize>, ReadFault> {
    let table_end = slack.start().saturating_sub(pages.code_end);
    let (low, high) = (table_end.saturating_sub(FRONT) / 32, table_end.saturating_add(32) / 32);
    let window = bytes
        .get(..SLOT.saturating_mul(2).saturating_sub(1))
        .unwrap_or_default();
    for number in low..=high {
        let Some(hash) = pages.hash(number)? else { break };
        if let Some(phase) = window.windows(SLOT).position(|slot| slot == hash)
            && let Some(length) = follow(bytes, phase, number, pages)?
        {
            return Ok(Some(length));
        }
    }
    Ok(None)
}

/// How many bytes of the slack are the table that holds page `first` at `phase`; `None` when something else follows.
fn follow(bytes: &[u8], phase: usize, first: u64, pages: &mut Pages<'_, '_>) -> Result<Option<usize>, ReadFault> {
    if phase > 0 {
        let Some(before) = first.checked_sub(1) else {
            return Ok(None);
        };
        let Some(hash) = pages.hash(before)? else {
            return Ok(None);
        };
        if bytes.get(..phase) != hash.get(SLOT.saturating_sub(phase)..) {
            return Ok(None);
        }
    }
    let (mut at, mut number) = (phase, first);
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.iter().all(|b| *b == 0) {
            break;
        }
        if let Some(length) = ad_hoc_end(rest) {
            at = at.saturating_add(length);
            break;
        }
        // The last slot may be cut by the end of the slack.
        let Some(hash) = pages.hash(number)? else {
            return Ok(None);
        };
        let length = rest.len().min(SLOT);
        if rest.get(..length) != hash.get(..length) {
            return Ok(None);
        }
        at = at.saturating_add(length);
        number = number.saturating_add(1);
    }
    Ok(Some(at))
}

/// What follows the table in a signature without a certificate: no requirements and an empty message, octet for octet.
/// How long that is, where only zeros follow.
fn ad_hoc_end(rest: &[u8]) -> Option<usize> {
    const END: &[u8] = b"\xfa\xde\x0c\x01\0\0\0\x0c\0\0\0\0\xfa\xde\x0b\x01\0\0\0\x08";
    let zeros = rest.strip_prefix(END)?.iter().all(|b| *b == 0);
    zeros.then_some(END.len())
}

/// The pages of the signed code.
struct Pages<'i, 'a> {
    input: &'i Input<'a>,
    code_end: u64,
    size: u64,
    left: u64,
}

impl Pages<'_, '_> {
    /// The digest of page `number`; `None` past the last page or when enough was read.
    fn hash(&mut self, number: u64) -> Result<Option<[u8; SLOT]>, ReadFault> {
        let page = Span::saturating_at(number.saturating_mul(self.size), self.size);
        let page = page
            .intersect(Span::new(0, self.code_end))
            .intersect(self.input.whole());
        let Some(left) = self.left.checked_sub(page.len()).filter(|_| !page.is_empty()) else {
            return Ok(None);
        };
        self.left = left;
        let bytes = self.input.read(page)?;
        Ok(Some(Sha256::digest(&bytes).into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A `SET OF SignerInfo` behind the end of one certificate and another whole one.
    fn cut_message(version: u8) -> Vec<u8> {
        let element = |tag: u8, content: &[u8]| {
            let length = u16::try_from(content.len()).unwrap().to_be_bytes();
            [&[tag, 0x82][..], &length, content].concat()
        };
        let certificate = element(0x30, &[0x5a; 400]);
        let info = element(0x30, &[&[2, 1, version, 0x30][..], &[0x11; 300]].concat());
        [vec![0xee; 150], certificate, element(0x31, &info), vec![0; 96]].concat()
    }

    #[test]
    fn the_end_of_a_message_is_known_by_its_signers() {
        let bytes = cut_message(1);
        assert_eq!(signer_infos(&bytes), Some(bytes.len() - 96));
        assert_eq!(signer_infos(&cut_message(9)), None);
        assert_eq!(signer_infos(&[bytes, b"and more".to_vec()].concat()), None);
        assert_eq!(signer_infos(b"text in the slack"), None);
        assert_eq!(signer_infos(&[]), None);
    }

    #[test]
    fn slots_between_the_files_of_a_bundle_are_claimed_and_other_bytes_are_not() {
        const CODE: usize = 3 * 4096;
        let code: Vec<u8> = (0..CODE).map(|n| u8::try_from(n / 4096 + 1).unwrap()).collect();
        let table: Vec<u8> = code
            .chunks(4096)
            .flat_map(|page| Sha256::digest(page).to_vec())
            .collect();
        let file = [b'f'; 40];
        let build = |slots: &[u8]| [&code[..], &file, slots, &[0; 20], &file].concat();
        let claimed = |bytes: &[u8]| {
            Input::with_bytes(bytes, |input| {
                let mut out = Parse::new("macho");
                let start = u64::try_from(CODE).unwrap();
                out.leaf(Span::new(0, start + 40), Role::Data, "code and a file");
                out.leaf(Span::new(input.len() - 40, input.len()), Role::Data, "a file");
                under_files(start, input, &mut out);
                let claimed = SpanSet::from_spans(out.view().leaves().map(|r| r.span));
                claimed.complement(input.whole()).iter().next().is_none()
            })
        };
        assert!(claimed(&build(&table[7..])));
        assert!(!claimed(&build(&[0xab; 89])));
    }
}
