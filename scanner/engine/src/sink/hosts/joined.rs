//! Literals that a program joins: `"https://" + "exa" + "mple.com"`, `"https://".concat("a.", "b")` and
//! `["https:", "//a.b"].join("")`. Nothing but literals: a variable between them ends what is read.

use super::view::View;
use super::{Candidate, Confidence};

/// Beginnings of a literal's end behind a colon, where `://` is not whole in it.
pub(super) const SPLITS: &[&str] = &[":\"+", ":'+", ":\" +", ":' +", ":\",\"/", ":','/", ":\", \"/", ":', '/"];

/// Literals put together at most.
const MOST: usize = 64;

/// Bytes of the literals together.
const LONGEST: usize = 1024;

/// White space between a literal and its operator.
const BLANKS: usize = 64;

/// The URL whose colon is at `colon`, when literals are joined inside its scheme, or between it and its host's end.
pub(super) fn read(bytes: &[u8], colon: usize) -> Option<Candidate> {
    if !may_be_joined(bytes, colon) {
        return None;
    }
    let mut seams = Vec::new();
    let mut view = View::default();
    let mut listed = false;
    for (from, to) in fragments_before(bytes, colon, &mut listed) {
        take(&mut view, bytes, from, to);
        seams.push(view.len());
    }
    let scheme = scheme_start(bytes, colon);
    take(&mut view, bytes, scheme, colon);
    let at = view.len();
    let concatenated = forward(bytes, colon, &mut view, &mut seams, &mut listed)?;
    if seams.is_empty() || (listed && !concatenated) {
        return None;
    }
    let mut found = view.url(at)?;
    let start = view.index_of(found.url_at)?;
    let host = view.index_of(found.host_at)?;
    let end = view.index_of(found.host_end).unwrap_or_else(|| view.len());
    let within = |from: usize, to: usize| seams.iter().any(|&seam| from < seam && seam < to);
    if !within(start, end) {
        return None;
    }
    // A scheme kept apart from its host is common; a host in pieces is not.
    if !within(host, end) && !within(start, at.saturating_add(2)) {
        found.confidence = Confidence::Possible;
    }
    Some(found)
}

/// Whether a quote ends the authority, or stands in front of the scheme: most URLs are sorted out here.
fn may_be_joined(bytes: &[u8], colon: usize) -> bool {
    let before = scheme_start(bytes, colon).checked_sub(1);
    let joined = before.is_some_and(|at| {
        bytes.get(at).is_some_and(|b| is_quote(*b)) && fragment_before(bytes, at.saturating_add(1)).is_some()
    });
    let host = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'@');
    let rest = bytes.get(colon.saturating_add(1)..).unwrap_or_default();
    let slashes = rest.iter().take(2).take_while(|b| **b == b'/').count();
    let rest = rest.get(slashes..).unwrap_or_default();
    let len = rest.iter().take(256).take_while(host).count();
    joined || rest.get(len).is_some_and(|b| is_quote(*b))
}

fn take(view: &mut View, bytes: &[u8], from: usize, to: usize) {
    for (index, &byte) in bytes.get(from..to).unwrap_or_default().iter().enumerate() {
        let place = from.saturating_add(index);
        view.push(byte, place, place.saturating_add(1));
    }
}

fn is_scheme(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

fn is_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'`')
}

/// Where the letters before `colon` start.
fn scheme_start(bytes: &[u8], colon: usize) -> usize {
    let before = bytes.get(colon.saturating_sub(8)..colon).unwrap_or_default();
    let len = before.iter().rev().take_while(|b| is_scheme(**b)).count();
    colon.saturating_sub(len)
}

/// The literals that are joined in front of the one whose letters before `colon` are all of it, first to last.
fn fragments_before(bytes: &[u8], colon: usize, listed: &mut bool) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut start = scheme_start(bytes, colon);
    let mut total = 0_usize;
    while total <= 8 && found.len() < 8 {
        let Some((fragment, comma)) = fragment_before(bytes, start) else {
            break;
        };
        *listed |= comma;
        total = total.saturating_add(fragment.1.saturating_sub(fragment.0));
        start = fragment.0;
        found.push(fragment);
    }
    found.reverse();
    found
}

/// The literal before the one that starts at `start`, and whether a comma is between them.
fn fragment_before(bytes: &[u8], start: usize) -> Option<((usize, usize), bool)> {
    let quoted = |at: usize| bytes.get(at).copied().filter(|b| is_quote(*b));
    let open = start.checked_sub(1)?;
    quoted(open)?;
    let sign = blanks_before(bytes, open).checked_sub(1)?;
    let comma = match bytes.get(sign)? {
        b'+' => false,
        b',' => true,
        _ => return None,
    };
    let close = blanks_before(bytes, sign).checked_sub(1)?;
    let quote = quoted(close)?;
    let text = bytes.get(close.saturating_sub(8)..close)?;
    let len = text.iter().rev().take_while(|b| is_scheme(**b)).count();
    let from = close.checked_sub(len)?;
    (len > 0 && quoted(from.checked_sub(1)?) == Some(quote)).then_some(((from, close), comma))
}

fn blanks_before(bytes: &[u8], end: usize) -> usize {
    let before = bytes.get(end.saturating_sub(16)..end).unwrap_or_default();
    let blanks = before.iter().rev().take_while(|b| b.is_ascii_whitespace()).count();
    end.saturating_sub(blanks)
}

fn blanks_after(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    let blanks = rest.iter().take(BLANKS).take_while(|b| b.is_ascii_whitespace()).count();
    at.saturating_add(blanks)
}

/// Adds the rest of the literal at `at` and those joined behind it; whether a list of them is joined without a
/// separator. `None` when nothing like a literal is there.
fn forward(bytes: &[u8], mut at: usize, view: &mut View, seams: &mut Vec<usize>, listed: &mut bool) -> Option<bool> {
    let mut concatenated = false;
    for _ in 0..MOST {
        while let Some(&byte) = bytes.get(at).filter(|b| !is_quote(**b)) {
            if !(b'!'..=b'~').contains(&byte) || byte == b'\\' || view.len() > LONGEST {
                return Some(concatenated);
            }
            view.push(byte, at, at.saturating_add(1));
            at = at.saturating_add(1);
        }
        let sign = blanks_after(bytes, at.checked_add(1)?);
        let rest = bytes.get(sign..)?;
        let skip = if rest.starts_with(b"+") {
            1
        } else if rest.starts_with(b",") {
            *listed = true;
            1
        } else if rest.starts_with(b".concat(") {
            concatenated = true;
            8
        } else {
            return Some(concatenated || (*listed && is_joined(bytes, sign)));
        };
        let open = blanks_after(bytes, sign.checked_add(skip)?);
        if !bytes.get(open).is_some_and(|b| is_quote(*b)) {
            return Some(concatenated);
        }
        seams.push(view.len());
        at = open.checked_add(1)?;
    }
    Some(concatenated)
}

/// Whether a list ends here and its items are joined with nothing between them.
fn is_joined(bytes: &[u8], at: usize) -> bool {
    let Some(rest) = bytes.get(at..).and_then(|rest| rest.strip_prefix(b"]")) else {
        return false;
    };
    [&b".join(\"\")"[..], b".join('')", b".join(``)"]
        .iter()
        .any(|join| rest.starts_with(join))
}
