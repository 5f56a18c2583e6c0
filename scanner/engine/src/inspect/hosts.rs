//! URLs that do not say plainly where they lead: by address, in an encoding, or under a name that reads like another.

use super::{Closing, Inspector};
use crate::finding::{Finding, Findings, Value, code};
use crate::format::language;
use crate::sink::hosts::lookalike::{self, Oddity};
use crate::sink::hosts::{Confidence, Disguise, Encoding, HostHit, HostKind};
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
        let Some(case) = hiding(artifact.format, hit) else {
            continue;
        };
        if hit.encoding == Encoding::Base64 && looked < LOOKED_AT {
            looked = looked.saturating_add(1);
            if is_data(artifact, hit) {
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
    let script = language::is_script(format) || format == "text";
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
