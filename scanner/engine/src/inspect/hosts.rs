//! URLs whose host is an address: no name, no certificate, nothing to look up.

use super::{Closing, Inspector};
use crate::finding::{Finding, Findings, code};
use crate::sink::hosts::HostKind;
use std::net::IpAddr;

/// `ip-literal-url`.
pub(super) struct Hosts;

impl Inspector for Hosts {
    fn inspect(&self, artifact: &Closing<'_>, out: &mut Findings) {
        for hit in artifact.hosts {
            let (case, note) = match (&hit.kind, hit.host.parse::<IpAddr>()) {
                (HostKind::ObfuscatedIpv4 { written }, Ok(ip)) if !is_local(ip) => {
                    let case = if is_deliberate(written) { "obfuscated" } else { "short" };
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
