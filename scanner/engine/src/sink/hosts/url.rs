//! One URL around its `://`: scheme behind it, authority after it, and the host inside the authority.

use std::net::Ipv6Addr;

use super::authority::{self, Authority, Glyph, PLACEHOLDER};
use super::name::{self, Found, Tail};
use super::scheme;
use super::{Candidate, Confidence, Disguise, Encoding, HostKind};

/// The host of the URL whose colon is at `colon` and whose authority starts at `after`.
pub(super) fn read(encoding: Encoding, bytes: &[u8], colon: usize, after: usize) -> Option<Candidate> {
    let scheme = scheme::read(encoding, bytes, colon)?;
    let authority = authority::read(encoding, bytes, after);
    let user = authority.glyphs.iter().rposition(|glyph| glyph.ch == '@');
    let first = user.map_or(Some(0), |at| at.checked_add(1))?;
    let glyphs = authority.glyphs.get(first..)?;
    let (start, found, port) = match glyphs.first()?.ch {
        '[' => bracketed(glyphs)?,
        _ => named(glyphs, scheme.is_web())?,
    };
    let confidence = if scheme.known {
        found.confidence
    } else {
        let reverse = matches!(found.host.split('.').next(), Some("com" | "dev" | "io" | "net" | "org"));
        if found.confidence == Confidence::Possible || reverse {
            return None;
        }
        Confidence::Possible
    };
    let before = authority.glyphs.get(..user.unwrap_or(0)).unwrap_or_default();
    let disguise = userinfo(before)
        .filter(|_| scheme.is_web())
        .map(Disguise::Userinfo)
        .or(authority.invisible.map(Disguise::Invisible));
    let host_at = first.checked_add(start)?;
    let host_last = host_at.checked_add(found.len)?;
    Some(Candidate {
        url_at: scheme.at,
        host_at: offset(&authority, host_at),
        host_end: offset(&authority, host_last),
        scheme: scheme.text,
        host: found.host,
        kind: found.kind,
        confidence,
        disguise,
        port,
    })
}

/// The host that the part before `@` reads like: the whole of it, or all before a `:` and a port.
fn userinfo(glyphs: &[Glyph]) -> Option<String> {
    let text: String = glyphs.iter().map(|glyph| glyph.ch).collect();
    let (host, port) = text.split_once(':').unwrap_or((&text, ""));
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let is_port = port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit());
    let lower = host.to_ascii_lowercase();
    // People have names with dots as well: only a common domain makes one a host.
    let host = host.chars().all(plain) && name::is_public(&lower) && name::ends_in_a_common_domain(&lower);
    (is_port && host).then_some(lower)
}

fn offset(authority: &Authority, index: usize) -> usize {
    authority.glyphs.get(index).map_or(authority.end, |glyph| glyph.at)
}

/// A name or IPv4 address at the start of `glyphs`: its first glyph, itself (length in glyphs) and the port.
fn named(glyphs: &[Glyph], web: bool) -> Option<(usize, Found, Option<u16>)> {
    let count = glyphs.iter().take_while(|glyph| is_host_char(glyph.ch)).count();
    let written: String = glyphs.get(..count)?.iter().map(|glyph| glyph.ch).collect();
    let rest = glyphs.get(count..)?;
    let mut port = None;
    let tail = match rest.first().map(|glyph| glyph.ch) {
        Some(':') => {
            port = read_port(rest.get(1..)?);
            Tail::Delimiter
        }
        Some(PLACEHOLDER) => {
            let behind = rest.iter().find(|glyph| glyph.ch != PLACEHOLDER);
            if behind.is_some_and(|glyph| is_host_char(glyph.ch)) {
                return None;
            }
            Tail::Placeholder
        }
        Some('*') => {
            let behind = rest.iter().find(|glyph| glyph.ch != '*');
            if written.is_empty() || written.ends_with('.') || behind.is_some_and(|glyph| is_host_char(glyph.ch)) {
                return None;
            }
            Tail::Delimiter
        }
        Some('%') if !is_escaped_delimiter(rest) => return None,
        _ => Tail::Delimiter,
    };
    let mut found = name::resolve(&written, tail, web)?;
    let taken = written.get(..found.len)?.chars().count();
    if found.len != written.len() && written.get(found.len..) != Some(".") {
        port = None;
    }
    found.len = taken;
    Some((0, found, port))
}

fn is_host_char(ch: char) -> bool {
    ch.is_ascii_alphanumeric() || matches!(ch, '.' | '-' | '_') || !ch.is_ascii()
}

/// Whether `%XX` stands for a character that no host holds, so that it ends the host (`%2F`, `%22`).
fn is_escaped_delimiter(rest: &[Glyph]) -> bool {
    let digit = |index: usize| rest.get(index).and_then(|glyph| glyph.ch.to_digit(16));
    let (Some(high), Some(low)) = (digit(1), digit(2)) else {
        return true;
    };
    let code = high.saturating_mul(16).saturating_add(low);
    char::from_u32(code).is_some_and(|c| c.is_ascii() && !is_host_char(c))
}

fn read_port(glyphs: &[Glyph]) -> Option<u16> {
    let digits: String = glyphs
        .iter()
        .map(|glyph| glyph.ch)
        .take_while(char::is_ascii_digit)
        .take(6)
        .collect();
    digits.parse().ok()
}

/// An IPv6 address in brackets, with an optional zone (RFC 6874), which is not part of the host.
fn bracketed(glyphs: &[Glyph]) -> Option<(usize, Found, Option<u16>)> {
    let close = glyphs.iter().take(64).position(|glyph| glyph.ch == ']')?;
    let inside: String = glyphs.get(1..close)?.iter().map(|glyph| glyph.ch).collect();
    let written = inside.split('%').next()?;
    let address: Ipv6Addr = written.parse().ok()?;
    let rest = glyphs.get(close.checked_add(1)?..)?;
    let port = match rest.split_first() {
        Some((colon, digits)) if colon.ch == ':' => read_port(digits),
        _ => None,
    };
    let (host, kind) = match address.to_ipv4_mapped() {
        Some(mapped) => (
            mapped.to_string(),
            HostKind::ObfuscatedIpv4 {
                written: written.to_owned(),
            },
        ),
        None => (address.to_string(), HostKind::Ipv6),
    };
    let found = Found {
        len: written.len(),
        host,
        kind,
        confidence: Confidence::Likely,
    };
    Some((1, found, port))
}
