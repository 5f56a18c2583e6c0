//! URLs that do not say plainly where they lead: by address, in an encoding, or under a name that reads like another.

use super::{Closing, Inspector};
use crate::finding::{Finding, Findings, Value, code};
use crate::format::language;
use crate::sink::hosts::lookalike::{self, Oddity};
use crate::sink::hosts::{Confidence, Disguise, Encoding, HostHit, HostKind};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Hosts that one finding names.
const MOST: usize = 16;

/// Hosts in base64 whose surroundings are looked at.
const LOOKED_AT: usize = 256;

/// `ip-literal-url`, `encoded-host`, `disguised-host`.
pub(super) struct Hosts;

impl Inspector for Hosts {
    fn inspect(&self, artifact: &Closing<'_>, out: &mut Findings) {
        encoded(artifact, out);
        for hit in artifact.hosts {
            disguised(hit, out);
            let (case, note) = match (&hit.kind, hit.host.parse::<IpAddr>()) {
                (HostKind::ObfuscatedIpv4 { written }, Ok(ip)) if !is_local(ip) => {
                    let case = match is_deliberate(written) {
                        _ if written.contains(':') => "public",
                        true => "obfuscated",
                        false => "short",
                    };
                    (case, format!(", written as {written}"))
                }
                (HostKind::Name | HostKind::Localhost, _) | (_, Err(_)) => continue,
                (_, Ok(ip)) => (if is_local(ip) { "private" } else { "public" }, String::new()),
            };
            let message = format!("a URL ({}) goes to the address {}{note}", hit.scheme, hit.host);
            let finding = Finding::new(code::IP_LITERAL_URL, hit.span, message).case(case);
            out.push(
                finding
                    .evidence("address", hit.host.clone())
                    .evidence("count", hit.count)
                    .key(hit.host.clone()),
            );
        }
    }
}

/// One finding for each way in which hosts are hidden, with the hosts.
fn encoded(artifact: &Closing<'_>, out: &mut Findings) {
    let mut found: BTreeMap<&'static str, Vec<&HostHit>> = BTreeMap::new();
    let mut looked = 0_usize;
    for hit in artifact.hosts {
        let Some(mut case) = hiding(artifact.format, hit) else {
            continue;
        };
        if case == "xor" && is_brotli(artifact, hit) {
            continue;
        }
        if matches!(hit.encoding, Encoding::Base64 | Encoding::Base64Wide) && looked < LOOKED_AT {
            looked = looked.saturating_add(1);
            if case == "command" && !is_command(artifact, hit) {
                if !is_code(artifact.format) {
                    continue;
                }
                case = "base64";
            }
            if case == "base64" && is_data(artifact, hit) {
                continue;
            }
        }
        found.entry(case).or_default().push(hit);
    }
    for (case, hits) in found {
        let Some(first) = hits.first() else { continue };
        let mut hosts: Vec<String> = hits.iter().map(|hit| hit.host.clone()).collect();
        hosts.sort_unstable();
        hosts.dedup();
        let how = match case {
            "xor" => "under one byte of exclusive or",
            "joined" => "in pieces that a program joins",
            "command" => "in base64 of UTF-16",
            "base64" => "in base64",
            "hex" => "in hexadecimal",
            _ => "in escapes",
        };
        let others = match hosts.len() {
            0 | 1 => String::new(),
            n => format!(" and {} more", n.saturating_sub(1)),
        };
        let message = format!("a URL to {}{others} is written {how}", first.host);
        let key = format!("{case}:{}", hosts.first().map_or("", String::as_str));
        let number = u64::try_from(hosts.len()).unwrap_or(u64::MAX);
        hosts.truncate(MOST);
        let finding = Finding::new(code::ENCODED_HOST, first.span, message).case(case);
        out.push(
            finding
                .evidence("hosts", Value::List(hosts))
                .evidence("number", number)
                .evidence("encoding", first.encoding.as_str())
                .key(key),
        );
    }
}

/// The case of an encoding that hides a host from whoever reads or searches the file.
///
/// Encodings that are usual in data (base64 of a source map, hexadecimal of a certificate, percent-encoding of an
/// address inside an address) count only in scripts, where they have to be undone on purpose.
fn hiding(format: &str, hit: &HostHit) -> Option<&'static str> {
    let script = is_code(format);
    let likely = hit.confidence == Confidence::Likely;
    match hit.encoding {
        Encoding::Xor => Some("xor"),
        Encoding::Joined if likely => Some("joined"),
        Encoding::Base64Wide => Some("command"),
        Encoding::Base64 if script => Some("base64"),
        Encoding::Hex if script => Some("hex"),
        Encoding::Escaped if script => Some("escaped"),
        _ => None,
    }
}

/// Whether the URL is one of the dictionary of Brotli (RFC 7932, appendix A), which decoders in JavaScript hold under a key:
/// the words that follow it there follow it here.
fn is_brotli(artifact: &Closing<'_>, hit: &HostHit) -> bool {
    const WORDS: [&[u8]; 2] = [b"://www.w3.org/shortcut icon\" href=\"", b"://www.\" alt=\""];
    let bytes = artifact.bytes(hit.url_offset, 64);
    let Some(key) = bytes.first().map(|first| first ^ b'h') else {
        return false;
    };
    let plain: Vec<u8> = bytes.iter().map(|b| b ^ key).collect();
    WORDS
        .iter()
        .any(|words| plain.get(4..).is_some_and(|rest| rest.starts_with(words)))
}

fn is_code(format: &str) -> bool {
    language::is_script(format) || format == "text"
}

/// Whether base64 is UTF-16 from its beginning on, low byte first, as the encoded command of a shell is. The notice of a
/// certificate and the names in a font have UTF-16 in their midst, and the high byte first.
fn is_command(artifact: &Closing<'_>, hit: &HostHit) -> bool {
    /// Digits of base64 in front of the URL that are looked at, and from the URL on.
    const BACK: u64 = 16 << 10;
    const AHEAD: u64 = 24;
    let digit = |b: &u8| match b {
        b'-' => Some(b'+'),
        b'_' => Some(b'/'),
        b'+' | b'/' => Some(*b),
        _ => b.is_ascii_alphanumeric().then_some(*b),
    };
    let inside = |b: &&u8| digit(b).is_some() || matches!(b, b'\r' | b'\n');
    let start = hit.url_offset.saturating_sub(BACK);
    let before = artifact.bytes(start, hit.url_offset.saturating_sub(start));
    let run = before.iter().rev().take_while(inside).count();
    let begin = hit.url_offset.saturating_sub(u64::try_from(run).unwrap_or(0));
    let text = artifact.bytes(begin, hit.url_offset.saturating_add(AHEAD).saturating_sub(begin));
    let digits: Vec<u8> = text.iter().take_while(inside).filter_map(digit).collect();
    let letters = |skip: usize, odd: usize| {
        let digits = digits.get(skip..).unwrap_or_default();
        let whole = digits.len() / 4 * 4;
        let decoded = STANDARD
            .decode(digits.get(..whole).unwrap_or_default())
            .unwrap_or_default();
        let units = decoded.get(odd..).unwrap_or_default().chunks_exact(2);
        let number = units.len();
        let letters = units.filter(|unit| matches!(unit, [letter, 0] if *letter != 0)).count();
        // A word in another script may stand among the letters.
        number > 0 && letters.saturating_mul(8) >= number.saturating_mul(7)
    };
    // Where the beginning is further back, it does not say how the digits and the bytes are grouped.
    let unknown = start > 0 && begin == start;
    let (skips, odds) = if unknown { (4, 2) } else { (1, 1) };
    (0..skips).any(|skip| (0..odds).any(|odd| letters(skip, odd)))
}

/// Whether base64 is that of a PEM or of a `data:` URL: certificates, pictures and source maps name hosts.
fn is_data(artifact: &Closing<'_>, hit: &HostHit) -> bool {
    const BACK: u64 = 64 << 10;
    let start = hit.url_offset.saturating_sub(BACK);
    let bytes = artifact.bytes(start, hit.url_offset.saturating_sub(start));
    let last = |what: &[u8]| memchr::memmem::rfind(&bytes, what);
    let in_pem = last(b"-----BEGIN ").is_some_and(|begin| last(b"-----END ").is_none_or(|end| end < begin));
    let digit = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_' | b'=');
    let digits = bytes.iter().rev().take_while(digit).count();
    let before = bytes.get(..bytes.len().saturating_sub(digits)).unwrap_or_default();
    in_pem || before.ends_with(b";base64,") || (before.is_empty() && start > 0)
}

/// Names that read like others.
fn disguised(hit: &HostHit, out: &mut Findings) {
    let (case, message, reads) = match &hit.disguise {
        Some(Disguise::Userinfo(user)) if !related(user, &hit.host) => (
            "userinfo",
            format!("a URL that begins like {user} goes to {}", hit.host),
            user.clone(),
        ),
        Some(Disguise::Invisible(ch)) => {
            let case = if matches!(ch, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
                "bidi"
            } else {
                "invisible"
            };
            let message = format!("the host {} is written with U+{:04X} inside", hit.host, u32::from(*ch));
            (case, message, hit.host.clone())
        }
        _ => match lookalike::oddity(&hit.host) {
            Some((oddity, label)) => {
                let (case, what) = match oddity {
                    Oddity::Mixed => ("mixed", "mixes the letters of several scripts"),
                    Oddity::Alike => ("alike", "is made of letters that are drawn like others"),
                    Oddity::Styled => ("styled", "has letters that stand for others"),
                };
                (case, format!("the host {} {what}", hit.host), label)
            }
            None => return,
        },
    };
    let finding = Finding::new(code::DISGUISED_HOST, hit.span, message).case(case);
    out.push(
        finding
            .evidence("host", hit.host.clone())
            .evidence("reads", reads)
            .evidence("count", hit.count)
            .key(hit.host.clone()),
    );
}

/// Whether the part before `@` and the host are of one owner, or the host is only a machine's own name.
fn related(user: &str, host: &str) -> bool {
    let domain = |name: &str| psl::domain_str(name).unwrap_or(name).to_owned();
    domain(user) == domain(host) || host == "localhost"
}

/// Whether a numeric host is an address that somebody took care to write unusually: one number that needs all four
/// bytes, or four parts of which one is hexadecimal or octal. `1.2.3` and `0x10` are versions and examples.
fn is_deliberate(written: &str) -> bool {
    let number = |text: &str| match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse::<u64>().ok(),
    };
    match written.split('.').count() {
        1 => number(written).is_some_and(|n| n >= 1 << 24),
        4 => true,
        _ => false,
    }
}

/// Loopback, private, link-local (metadata services), documentation, benchmarking, unspecified, multicast.
fn is_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            ip.is_loopback()
                || ip.is_private()
                || ip.is_link_local()
                || ip.is_documentation()
                || ip.is_unspecified()
                || ip.is_broadcast()
                || ip.is_multicast()
                || a == 0
                || (a == 100 && (64..128).contains(&b))
                || (a == 198 && (18..20).contains(&b))
        }
        IpAddr::V6(ip) => {
            let [first, second, ..] = ip.segments();
            ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_multicast()
                || (first & 0xffc0) == 0xfe80
                || (first & 0xfe00) == 0xfc00
                || (first == 0x2001 && second == 0xdb8)
                || ip.to_ipv4_mapped().is_some_and(|v4| is_local(IpAddr::V4(v4)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_deliberate;

    #[test]
    fn numbers_that_hide_an_address_are_told_from_versions() {
        for (written, deliberate) in [
            ("3232235777", true),
            ("0xC0A80101", true),
            ("0300.0250.01.01", true),
            ("0x7f.1", false),
            ("1.2.3", false),
            ("16", false),
            ("0x10", false),
        ] {
            assert_eq!(is_deliberate(written), deliberate, "{written}");
        }
    }
}
