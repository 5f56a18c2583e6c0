//! Private keys in PEM (RFC 7468, and OpenSSH's own form) and in DER: PKCS#1 and PKCS#8 (RFC 8017, RFC 5958), SEC 1
//! (RFC 5915).
//!
//! A key counts when all of it parses and its numbers belong together. In DER, only keys count whose structure goes on
//! behind the secret: programs hold the beginnings of others as templates.

use super::{Found, SecretKind};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// The beginnings: a PEM header, and what stands behind the first tag and length of keys in DER.
pub(super) const NEEDLES: &[&[u8]] = &[
    b"-----BEGIN ",
    // PKCS#8: version 0 and the algorithm RSA.
    b"\x02\x01\x00\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01",
    // PKCS#8: version 0 and an elliptic curve.
    b"\x02\x01\x00\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01",
    // PKCS#1: version 0 and a modulus of 1024 bits, or of more.
    b"\x02\x01\x00\x02\x81\x81\x00",
    b"\x02\x01\x00\x02\x82",
    // SEC 1 over P-256: version 1 and a secret of 32 bytes.
    b"\x30\x77\x02\x01\x01\x04\x20",
];

/// SHA-256 of the encodings of keys that are public on purpose.
pub(super) const PUBLISHED: &[[u8; 32]] = &[
    // RFC 8410, section 10.3: Ed25519.
    [
        0x80, 0xb8, 0x85, 0xd1, 0xaf, 0x82, 0x66, 0x8a, 0xd7, 0x6d, 0x1c, 0x5a, 0x1a, 0x91, 0x6b, 0x5b, 0xfc, 0x23,
        0xd2, 0x47, 0xe2, 0xf7, 0xf4, 0x50, 0xe4, 0x5b, 0x5c, 0x10, 0x24, 0x84, 0x3e, 0x96,
    ],
    // Vagrant's insecure key.
    [
        0x56, 0xfb, 0x53, 0x26, 0xa1, 0xd7, 0x2a, 0x40, 0x80, 0xd4, 0x87, 0x00, 0x34, 0xec, 0xac, 0x85, 0xb4, 0xae,
        0x11, 0x59, 0xf8, 0x4b, 0x9b, 0xc4, 0x58, 0xd4, 0x63, 0x27, 0x08, 0x39, 0x21, 0xe0,
    ],
    // CPython's keycert.pem.
    [
        0x97, 0x6f, 0x79, 0x36, 0xbc, 0xfa, 0x85, 0x4f, 0xcc, 0xe1, 0xa4, 0x0c, 0xc4, 0xb6, 0x5d, 0x51, 0x98, 0xcf,
        0xb4, 0x22, 0x01, 0x94, 0x6d, 0x60, 0x9f, 0xd3, 0xe1, 0x72, 0xe6, 0x4a, 0xb6, 0xf7,
    ],
    // Go's testcert.LocalhostKey.
    [
        0x91, 0x15, 0x74, 0x2b, 0xff, 0xb7, 0xe2, 0x78, 0x7e, 0xa8, 0x0a, 0xb3, 0x6b, 0x3b, 0x95, 0x48, 0x22, 0x93,
        0x86, 0x3a, 0xb4, 0x4d, 0xb6, 0x2b, 0xcf, 0x57, 0x89, 0x0a, 0xc7, 0x09, 0xdf, 0x2b,
    ],
    // The keys that `openssl speed` measures with, of 7680 bits ...
    [
        0x32, 0x62, 0x0d, 0x7d, 0x2a, 0xe5, 0x2c, 0x11, 0xdb, 0x7c, 0xc9, 0x5e, 0x33, 0x3e, 0x58, 0x5c, 0x25, 0x52,
        0xab, 0xe2, 0x0d, 0xa6, 0xbd, 0x51, 0x69, 0xc0, 0x10, 0xfe, 0xdf, 0xa4, 0xc7, 0x3e,
    ],
    // ... of 4096,
    [
        0xbb, 0x6a, 0x6a, 0xbd, 0x96, 0x9e, 0x3f, 0xfb, 0x52, 0x3c, 0x30, 0x3f, 0xc9, 0x51, 0xee, 0x4e, 0xe5, 0x63,
        0x49, 0xd8, 0xf8, 0x6f, 0x52, 0xd3, 0x38, 0x6a, 0xda, 0xe5, 0xcd, 0x4d, 0xb0, 0x04,
    ],
    // ... of 3072,
    [
        0x54, 0xda, 0x0d, 0xf6, 0x07, 0x08, 0x51, 0x12, 0x7a, 0x23, 0xe0, 0x0c, 0x28, 0x36, 0xe3, 0xdd, 0x2c, 0x6b,
        0x3b, 0x78, 0xf6, 0x50, 0xce, 0x69, 0x04, 0x42, 0xa0, 0x24, 0x3f, 0xde, 0x31, 0xbd,
    ],
    // ... of 2048,
    [
        0xc0, 0x69, 0xf7, 0xeb, 0xcd, 0x21, 0x49, 0x01, 0xcd, 0x19, 0x6c, 0xdf, 0xd4, 0xf7, 0x85, 0xff, 0xe3, 0xd6,
        0x46, 0x50, 0x62, 0x17, 0xf7, 0x90, 0xae, 0xe5, 0x15, 0x76, 0xee, 0xf3, 0x63, 0xde,
    ],
    // ... and of 1024.
    [
        0xd5, 0xad, 0x6f, 0x88, 0xcf, 0x91, 0x47, 0x34, 0xf6, 0x25, 0xce, 0x2f, 0xb8, 0x86, 0xc8, 0x1e, 0x24, 0x9e,
        0x11, 0xa5, 0x98, 0x55, 0x40, 0x89, 0xf8, 0xbb, 0x42, 0x99, 0xd7, 0xed, 0x68, 0x1f,
    ],
    // The Ed25519 key that the ssh2 package tries the runtime with.
    [
        0xb7, 0x39, 0x68, 0xba, 0x56, 0xe2, 0x41, 0x66, 0x30, 0xb2, 0x09, 0xe9, 0x63, 0x39, 0x86, 0xd9, 0xa5, 0x0f,
        0x0d, 0xbe, 0x67, 0x60, 0x99, 0x10, 0x91, 0x32, 0x52, 0xe2, 0xab, 0xd7, 0xf8, 0xef,
    ],
    // The key of the certificate for localhost that miniflare serves with.
    [
        0xcb, 0x7a, 0x6f, 0x8a, 0x56, 0x3b, 0x3e, 0xdf, 0x54, 0xc5, 0xaa, 0x86, 0xc1, 0x65, 0x83, 0x57, 0xad, 0xf1,
        0x91, 0x82, 0x7c, 0x36, 0x34, 0x85, 0x9d, 0xea, 0x1b, 0x4f, 0x70, 0x08, 0xd1, 0x9d,
    ],
    // The key in the examples of Cloudflare's documentation of its interface.
    [
        0x51, 0x45, 0x56, 0xac, 0xcc, 0x15, 0x3d, 0xc9, 0x36, 0x94, 0xca, 0xc9, 0x28, 0x4c, 0x22, 0x73, 0x3e, 0x26,
        0x8a, 0x7f, 0x62, 0x5d, 0x9e, 0x94, 0x7c, 0xb3, 0x27, 0x20, 0x59, 0x7d, 0x01, 0x95,
    ],
    // The key that Netty asks a TLS library for its ciphers with.
    [
        0x91, 0x86, 0x40, 0x8b, 0x83, 0x99, 0xcd, 0x7b, 0xd9, 0x56, 0x51, 0xa7, 0x6d, 0x3f, 0x60, 0x3b, 0x0b, 0x91,
        0x63, 0x1f, 0x5e, 0x6a, 0x22, 0x6e, 0xf0, 0x57, 0xcc, 0x48, 0xb4, 0x22, 0x43, 0x98,
    ],
];

/// Labels of PEM that hold a private key.
const LABELS: &[&[u8]] = &[
    b"PRIVATE KEY-----",
    b"RSA PRIVATE KEY-----",
    b"EC PRIVATE KEY-----",
    b"OPENSSH PRIVATE KEY-----",
];

/// The key that the needle `which` at `at` begins.
pub(super) fn read(bytes: &[u8], at: usize, which: usize) -> Option<Found> {
    let needle = NEEDLES.get(which)?;
    let (place, encoding) = match which {
        0 => pem(bytes, at, at.checked_add(needle.len())?)?,
        5 => der(bytes, at)?,
        _ => {
            // A sequence of 128 bytes or more, of 256 or more: the tag stands two to four bytes ahead.
            let starts = [4, 3, 2].into_iter().filter_map(|back: usize| at.checked_sub(back));
            let (start, found) = starts.into_iter().find_map(|start| Some((start, der(bytes, start)?)))?;
            // The inner structure of PKCS#8 is told with its outer one.
            let wrapped = matches!(which, 3 | 4) && is_wrapped(bytes, start);
            (!wrapped).then_some(found)?
        }
    };
    Some(Found {
        at: place,
        kind: SecretKind::PrivateKey,
        identity: encoding,
    })
}

/// Whether the algorithm RSA and the header of an octet string stand in front.
fn is_wrapped(bytes: &[u8], start: usize) -> bool {
    [4_usize, 3].into_iter().any(|back| {
        start
            .checked_sub(back)
            .and_then(|at| bytes.get(..=at)?.strip_suffix(b"\x04"))
            .is_some_and(|before| before.ends_with(b"\x01\x01\x01\x05\x00"))
    })
}

type Key = (std::ops::Range<usize>, Vec<u8>);

fn der(bytes: &[u8], start: usize) -> Option<Key> {
    let rest = bytes.get(start..)?;
    let (_, _, after) = element(rest)?;
    let encoding = rest.get(..rest.len().checked_sub(after.len())?)?;
    let sound = pkcs1(encoding).is_some() || sec1(encoding, true).is_some() || pkcs8(encoding, true).is_some();
    sound.then(|| (start..start.saturating_add(encoding.len()), encoding.to_vec()))
}

fn pem(bytes: &[u8], start: usize, label: usize) -> Option<Key> {
    let rest = bytes.get(label..)?;
    let label_text = LABELS.iter().find(|text| rest.starts_with(text))?;
    let body = label.checked_add(label_text.len())?;
    let (text, len) = body_of(bytes.get(body..)?)?;
    let encoding = STANDARD_NO_PAD.decode(&text).ok()?;
    let sound = if label_text.starts_with(b"OPENSSH") {
        openssh(&encoding)
    } else {
        pkcs1(&encoding)
            .or_else(|| sec1(&encoding, false))
            .or_else(|| pkcs8(&encoding, false))
    };
    sound?;
    let end = body.checked_add(len)?;
    let tail = bytes
        .get(end..)?
        .iter()
        .take(48)
        .position(|b| matches!(b, b'\n' | b'"' | b'\''));
    let end = end.saturating_add(tail.unwrap_or(0));
    Some((start..end, encoding))
}

/// The characters of base64 up to the footer, without padding, and how many bytes they take; line breaks and the marks
/// of string literals between them are passed over.
fn body_of(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut text = Vec::new();
    let mut at = 0_usize;
    loop {
        match *bytes.get(at)? {
            b'-' => break,
            b'\\' if matches!(bytes.get(at.checked_add(1)?)?, b'n' | b'r' | b't' | b'\\') => at = at.checked_add(1)?,
            b'"' | b'\'' | b'`' => {
                // Literals on several lines: the sign that joins them is no base64.
                let behind = bytes.get(at.checked_add(1)?..)?;
                let blanks = behind.iter().take(64).take_while(|b| b.is_ascii_whitespace()).count();
                if behind.get(blanks) == Some(&b'+') {
                    at = at.checked_add(blanks)?.checked_add(1)?;
                }
            }
            b'=' | b',' | b'\\' => (),
            byte if byte.is_ascii_whitespace() => (),
            byte if byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/') => text.push(byte),
            _ => return None,
        }
        at = at.checked_add(1)?;
    }
    bytes.get(at..)?.starts_with(b"-----END ").then_some((text, at))
}

/// The tag and contents of the first element, and what is behind it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => {
            let (&length, rest) = rest.split_first()?;
            (usize::from(length), rest)
        }
        0x82 => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        _ => return None,
    };
    let (contents, after) = rest.split_at_checked(length)?;
    Some((tag, contents, after))
}

/// The contents of an element with `tag`, and what is behind it.
fn expect(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, contents, after) = element(bytes)?;
    (found == tag).then_some((contents, after))
}

/// The contents of a sequence that is all of `bytes`.
fn sequence(bytes: &[u8]) -> Option<&[u8]> {
    expect(bytes, 0x30)
        .filter(|(_, after)| after.is_empty())
        .map(|(c, _)| c)
}

fn pkcs1(bytes: &[u8]) -> Option<()> {
    let (version, mut rest) = expect(sequence(bytes)?, 0x02)?;
    let mut numbers = [&[][..]; 8];
    for number in &mut numbers {
        let (value, after) = expect(rest, 0x02)?;
        let value = value.strip_prefix(b"\x00").unwrap_or(value);
        (*number, rest) = (value, after);
    }
    let [n, e, d, p, q, ..] = numbers;
    let sizes = n.len() >= 64 && !e.is_empty() && e.len() <= 8 && d.len() > n.len() / 4;
    let halves = p.len().checked_add(q.len())?.abs_diff(n.len()) <= 1;
    // The product of the primes is the modulus: its last 64 bits say so.
    let product = low(p)?.wrapping_mul(low(q)?) == low(n)?;
    (version == [0] && rest.is_empty() && sizes && halves && product).then_some(())
}

fn low(number: &[u8]) -> Option<u64> {
    number.last_chunk().map(|bytes| u64::from_be_bytes(*bytes))
}

/// `ECPrivateKey`; `whole` asks for the public key behind the secret.
fn sec1(bytes: &[u8], whole: bool) -> Option<()> {
    let (version, rest) = expect(sequence(bytes)?, 0x02)?;
    let (secret, mut rest) = expect(rest, 0x04)?;
    if rest.first() == Some(&0xa0) {
        (_, rest) = expect(rest, 0xa0)?;
    }
    let public = match rest {
        [] => None,
        _ => Some(expect(rest, 0xa1).filter(|(_, after)| after.is_empty())?.0),
    };
    let point = |bits: &[u8]| {
        let (bits, after) = expect(bits, 0x03)?;
        (after.is_empty() && bits.starts_with(&[0, 4])).then_some(())
    };
    let public_is_sound = public.map_or(!whole, |bits| point(bits).is_some());
    (version == [1] && (20..=66).contains(&secret.len()) && is_varied(secret) && public_is_sound).then_some(())
}

/// `OneAsymmetricKey`.
fn pkcs8(bytes: &[u8], whole: bool) -> Option<()> {
    let (version, rest) = expect(sequence(bytes)?, 0x02)?;
    let (algorithm, rest) = expect(rest, 0x30)?;
    let (oid, _) = expect(algorithm, 0x06)?;
    let (key, _) = expect(rest, 0x04)?;
    matches!(version, [0 | 1]).then_some(())?;
    match oid {
        b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01" => pkcs1(key),
        b"\x2a\x86\x48\xce\x3d\x02\x01" => sec1(key, whole),
        // X25519, X448, Ed25519 and Ed448 (RFC 8410).
        b"\x2b\x65\x6e" | b"\x2b\x65\x6f" | b"\x2b\x65\x70" | b"\x2b\x65\x71" => {
            let (secret, after) = expect(key, 0x04)?;
            let fits = matches!(secret.len(), 32 | 56 | 57) && after.is_empty() && is_varied(secret);
            (fits && !whole).then_some(())
        }
        _ => None,
    }
}

/// OpenSSH's own form (`PROTOCOL.key`), without a passphrase.
fn openssh(bytes: &[u8]) -> Option<()> {
    let mut rest = bytes.strip_prefix(b"openssh-key-v1\0")?;
    let mut strings = [&[][..]; 3];
    for string in &mut strings {
        (*string, rest) = ssh_string(rest)?;
    }
    let rest = rest.strip_prefix(&[0, 0, 0, 1])?;
    let (_, rest) = ssh_string(rest)?;
    let (private, rest) = ssh_string(rest)?;
    let (first, more) = private.split_first_chunk::<4>()?;
    let (second, more) = more.split_first_chunk::<4>()?;
    let (kind, _) = ssh_string(more)?;
    let known = kind.starts_with(b"ssh-") || kind.starts_with(b"ecdsa-") || kind.starts_with(b"sk-");
    (strings == [&b"none"[..], b"none", b""] && first == second && known && rest.is_empty()).then_some(())
}

fn ssh_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

/// Whether a secret has the variety of a random one: zeros and counting are templates and examples.
fn is_varied(secret: &[u8]) -> bool {
    let mut sorted = secret.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let steps = secret
        .windows(2)
        .filter(|w| matches!(w, [a, b] if a.wrapping_add(1) == *b))
        .count();
    sorted.len() >= secret.len() / 2 && steps < secret.len() / 2
}
