//! IPv4 hosts in every form that URL parsers accept (WHATWG URL standard, "IPv4 parser").

use std::net::Ipv4Addr;

/// An IPv4 host.
pub(super) struct V4 {
    pub(super) addr: Ipv4Addr,
    pub(super) form: Form,
}

/// How an IPv4 host is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// Four decimal parts without leading zeros.
    Dotted,
    /// A hexadecimal or octal part, or one number too large to be anything but an address.
    Encoded,
    /// Two or three decimal parts, as a version number has too.
    Short,
}

/// Whether the last label of `host` makes URL parsers read all of it as IPv4.
pub(super) fn is_numeric(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    !last.is_empty() && (last.bytes().all(|b| b.is_ascii_digit()) || part(last).is_some())
}

/// The address that `host` writes, or `None`.
pub(super) fn v4(host: &str) -> Option<V4> {
    let mut values = Vec::with_capacity(4);
    let mut encoded = false;
    for text in host.split('.') {
        if values.len() == 4 {
            return None;
        }
        let (value, decimal) = part(text)?;
        encoded |= !decimal;
        values.push(value);
    }
    let (&last, leading) = values.split_last()?;
    let spare = 4_usize.checked_sub(leading.len())?;
    let room = 1_u64.checked_shl(u32::try_from(spare.checked_mul(8)?).ok()?)?;
    if last >= room {
        return None;
    }
    let mut number = 0_u64;
    for &value in leading {
        number = number
            .checked_mul(256)?
            .checked_add(u64::from(u8::try_from(value).ok()?))?;
    }
    let addr = Ipv4Addr::from(u32::try_from(number.checked_mul(room)?.checked_add(last)?).ok()?);
    let form = match values.len() {
        _ if encoded => Form::Encoded,
        4 => Form::Dotted,
        1 if last >= 1 << 24 => Form::Encoded,
        1 => return None,
        _ => Form::Short,
    };
    // "0x7f" or "010" alone says too little: a word of few digits is no address.
    (values.len() > 1 || last >= 1 << 24).then_some(V4 { addr, form })
}

/// The value of one part, and whether it is plain decimal.
fn part(text: &str) -> Option<(u64, bool)> {
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        let clean = !hex.is_empty() && hex.len() <= 16 && hex.bytes().all(|b| b.is_ascii_hexdigit());
        return clean
            .then(|| u64::from_str_radix(hex, 16).ok())
            .flatten()
            .map(|v| (v, false));
    }
    if text.is_empty() || text.len() > 20 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    if text.len() > 1 && text.starts_with('0') {
        return u64::from_str_radix(text, 8).ok().map(|v| (v, false));
    }
    text.parse().ok().map(|v| (v, true))
}

/// The length of a dotted address that `host` begins with when letters run on behind it.
pub(super) fn dotted_prefix(host: &str) -> Option<usize> {
    let mut at = 0_usize;
    for index in 0..4_u8 {
        let rest = host.get(at..)?;
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 || digits > 3 {
            return None;
        }
        at = at.checked_add(digits)?;
        if index < 3 {
            if host.as_bytes().get(at) != Some(&b'.') {
                return None;
            }
            at = at.checked_add(1)?;
        }
    }
    let runs_on = host.as_bytes().get(at).is_some_and(|b| b.is_ascii_alphabetic());
    (runs_on && host.get(..at)?.parse::<Ipv4Addr>().is_ok()).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numeric_hosts_read_as_url_parsers_read_them() {
        for (text, expect) in [
            ("127.0.0.1", Some(("127.0.0.1", Form::Dotted))),
            ("3232235777", Some(("192.168.1.1", Form::Encoded))),
            ("0x7f.1", Some(("127.0.0.1", Form::Encoded))),
            ("0177.0.0.1", Some(("127.0.0.1", Form::Encoded))),
            ("0xC0A80101", Some(("192.168.1.1", Form::Encoded))),
            ("127.1", Some(("127.0.0.1", Form::Short))),
            ("1.2.3", Some(("1.2.0.3", Form::Short))),
            ("256.1.1.1", None),
            ("1.1.1.256", None),
            ("1.2.3.4.5", None),
            ("4294967296", None),
            ("8080", None),
            ("1..2", None),
            ("09.1", None),
        ] {
            assert_eq!(
                v4(text).map(|v| (v.addr.to_string(), v.form)),
                expect.map(|(a, f)| (a.to_owned(), f)),
                "{text}"
            );
        }
    }
}
