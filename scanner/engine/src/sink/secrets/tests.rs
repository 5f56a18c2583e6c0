//! What is a secret and what only looks like one, and the law that tiles leave no trace.
//!
//! Tokens are put together here, so that no file of this repository holds one.

use super::*;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

const LETTERS: &str = "q7ZrB2mXk9LdWv4TnYc8HsJf3GpQe6UaRi1Vo5EbNtKxMwCzPyDgFhSjAlIuO0";

fn scan_in_tiles(bytes: &[u8], tile: usize) -> SecretScan {
    let mut sink = SecretSink::new(100);
    for (piece, offset) in bytes.chunks(tile).zip((0_u64..).step_by(tile)) {
        sink.feed(offset, piece);
    }
    sink.finish()
}

fn kinds(text: &[u8]) -> Vec<SecretKind> {
    let whole = scan_in_tiles(text, text.len().max(1));
    whole.hits.iter().map(|hit| hit.kind).collect()
}

/// `len` varied letters and digits, another text for another `seed`.
fn letters(seed: usize, len: usize) -> String {
    LETTERS.chars().cycle().skip(seed).take(len).collect()
}

/// A token with its checksum.
fn checked(prefix: &str) -> String {
    let body = letters(3, 30);
    let mut value = crc32fast::hash(body.as_bytes());
    let mut sum = Vec::new();
    for _ in 0..6 {
        let digit = usize::try_from(value % 62).unwrap();
        sum.push(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[digit]);
        value /= 62;
    }
    sum.reverse();
    format!("{prefix}{body}{}", String::from_utf8(sum).unwrap())
}

fn macaroon() -> String {
    let mut bytes = b"\x02\x01\x08pypi.org\x02\x24".to_vec();
    bytes.extend(letters(1, 36).bytes());
    bytes.extend(b"\x00\x00\x06\x20");
    bytes.extend(letters(9, 32).bytes());
    format!("pypi-{}", URL_SAFE_NO_PAD.encode(bytes))
}

fn jwt(header: &str) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.{}", part(header), part(r#"{"sub":"1"}"#), letters(0, 43))
}

/// An element of DER.
fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match u16::try_from(contents.len()).unwrap() {
        short @ 0..=0x7f => out.push(u8::try_from(short).unwrap()),
        long => {
            out.push(0x82);
            out.extend(long.to_be_bytes());
        }
    }
    out.extend(contents);
    out
}

/// An RSA key whose last bits fit: not one that a library would take, and one that nobody uses.
fn rsa(sound: bool) -> Vec<u8> {
    let number = |seed: usize, len: usize| {
        let mut bytes = letters(seed, len).into_bytes();
        *bytes.last_mut().unwrap() |= 1;
        bytes
    };
    let (p, q) = (number(5, 128), number(17, 128));
    let mut n = number(40, 256);
    let product = low(&p).wrapping_mul(low(&q)).wrapping_add(u64::from(!sound));
    n[248..].copy_from_slice(&product.to_be_bytes());
    let mut all = element(2, &[0]);
    for value in [
        n,
        vec![1, 0, 1],
        number(2, 256),
        p,
        q,
        number(8, 128),
        number(9, 128),
        number(10, 128),
    ] {
        all.extend(element(2, &value));
    }
    element(0x30, &all)
}

fn low(bytes: &[u8]) -> u64 {
    u64::from_be_bytes(*bytes.last_chunk().unwrap())
}

fn ed25519(secret: &[u8]) -> Vec<u8> {
    let key = element(4, &element(4, secret));
    element(
        0x30,
        &[element(2, &[0]), element(0x30, b"\x06\x03\x2b\x65\x70"), key].concat(),
    )
}

fn pem(label: &str, der: &[u8], newline: &str) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|c| std::str::from_utf8(c).unwrap())
        .collect();
    let dashes = "-----";
    format!(
        "{dashes}BEGIN {label}{dashes}{newline}{}{newline}{dashes}END {label}{dashes}{newline}",
        lines.join(newline)
    )
}

fn openssh(cipher: &str) -> Vec<u8> {
    let string = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
    let private = [
        &b"abcdabcd"[..],
        &string(b"ssh-ed25519"),
        &string(letters(0, 64).as_bytes()),
    ]
    .concat();
    let mut out = b"openssh-key-v1\0".to_vec();
    for text in [cipher, "none", ""] {
        out.extend(string(text.as_bytes()));
    }
    out.extend([0, 0, 0, 1]);
    out.extend(string(b"public"));
    out.extend(string(&private));
    out
}

fn table() -> Vec<(Vec<u8>, SecretKind)> {
    let secret = letters(20, 40);
    let text = |text: String| format!("key = \"{text}\"\n").into_bytes();
    let mut table = vec![
        (text(checked("ghp_")), SecretKind::GitHub),
        (text(checked("ghs_")), SecretKind::GitHub),
        (text(checked("npm_")), SecretKind::Npm),
        (
            text(format!("github_pat_{}_{}", letters(1, 22), letters(2, 59))),
            SecretKind::GitHubFineGrained,
        ),
        (text(format!("AKIA2Q7ZRB4MXK3LDWVT\", \"{secret}")), SecretKind::Aws),
        (text(format!("AIza{}", letters(4, 35))), SecretKind::GoogleApi),
        (
            text(format!("xoxb-123456789012-234567890123-{}", letters(4, 24))),
            SecretKind::Slack,
        ),
        (text(format!("sk_live_{}", letters(6, 24))), SecretKind::Stripe),
        (
            text(format!("sk-ant-api03-{}AA", letters(6, 93))),
            SecretKind::Anthropic,
        ),
        (
            text(format!("sk-{}T3BlbkFJ{}", letters(6, 20), letters(11, 20))),
            SecretKind::OpenAi,
        ),
        (
            text(format!("sk-proj-{}T3BlbkFJ{}", letters(6, 74), letters(11, 74))),
            SecretKind::OpenAi,
        ),
        (
            text(format!(
                "hf_{}",
                letters(0, 62)
                    .replace(|c: char| c.is_ascii_digit(), "")
                    .split_off(6)
                    .split_at(34)
                    .0
            )),
            SecretKind::HuggingFace,
        ),
        (text(macaroon()), SecretKind::PyPi),
        (text(jwt(r#"{"alg":"HS256","typ":"JWT"}"#)), SecretKind::Jwt),
        (
            b"\0\0".iter().copied().chain(rsa(true)).chain(*b"\0end").collect(),
            SecretKind::PrivateKey,
        ),
    ];
    for (label, der) in [
        ("RSA PRIVATE KEY", rsa(true)),
        ("PRIVATE KEY", ed25519(letters(7, 32).as_bytes())),
        ("OPENSSH PRIVATE KEY", openssh("none")),
    ] {
        for newline in ["\n", "\r\n", "\\n", "\\n\" +\n  \""] {
            table.push((text(pem(label, &der, newline)), SecretKind::PrivateKey));
        }
    }
    table
}

#[test]
fn secrets_that_hold_are_found() {
    for (input, kind) in table() {
        assert_eq!(kinds(&input), [kind], "{}", input.escape_ascii());
    }
}

#[test]
fn what_only_looks_like_a_secret_is_quiet() {
    let mut wrong = checked("ghp_");
    let last = wrong.pop().unwrap();
    wrong.push(if last == 'a' { 'b' } else { 'a' });
    let dashes = "-----";
    for input in [
        wrong,
        format!("x{}", checked("ghp_")),
        format!("{}x", checked("npm_")),
        "npm_config_registry npm_package_name".to_owned(),
        format!("AKIA2Q7ZRB4MXK3LDWVT {}", letters(20, 39)),
        format!("AKIAIOSFODNN7EXAMPLE {}", letters(20, 40)),
        "AKIA2Q7ZRB4MXK3LDWVT 0123456789abcdef0123456789abcdef01234567".to_owned(),
        format!("AIza{}", "x".repeat(35)),
        "xoxb-000000000000-000000000000-xxxxxxxxxxxxxxxxxxxxxxxx".to_owned(),
        format!("sk_test_{}", letters(6, 24)),
        format!("sk-ant-api03-{}AB", letters(6, 93)),
        "sk-ant-api03-your-key-here".to_owned(),
        "hf_hub_download hf_transformers_with_a_long_name_of_it".to_owned(),
        "pypi-AgEIcHlwaS5vcmcCJD".to_owned(),
        jwt(r#"{"alg":"none"}"#),
        jwt(r#"{"typ":"JWT"}"#),
        "https://0123456789abcdef0123456789abcdef@o1.ingest.sentry.io/1".to_owned(),
        format!("{dashes}BEGIN PRIVATE KEY{dashes}"),
        format!("{dashes}BEGIN RSA PRIVATE KEY{dashes}\\n${{key}}\\n{dashes}END RSA PRIVATE KEY{dashes}"),
        pem("RSA PRIVATE KEY", &rsa(false), "\n"),
        pem("PUBLIC KEY", &rsa(true), "\n"),
        pem("PRIVATE KEY", &ed25519(&[0; 32]), "\n"),
        pem("OPENSSH PRIVATE KEY", &openssh("aes256-ctr"), "\n"),
        pem("RSA PRIVATE KEY", &rsa(true)[..400], "\n"),
    ] {
        assert_eq!(kinds(input.as_bytes()), [], "{input}");
    }
    // A template for Ed25519 in a program, and whatever stands behind it.
    assert_eq!(kinds(&ed25519(letters(7, 32).as_bytes())), []);
}

#[test]
fn a_key_that_the_world_has_is_known() {
    let text = pem(
        "PRIVATE KEY",
        &STANDARD
            .decode("MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC")
            .unwrap(),
        "\n",
    );
    let scan = scan_in_tiles(text.as_bytes(), 4096);
    assert_eq!(scan.hits.iter().map(|hit| hit.published).collect::<Vec<_>>(), [true]);
}

#[test]
fn a_hit_shows_six_characters_at_most() {
    let token = checked("ghp_");
    let text = format!("{token} {token}");
    let scan = scan_in_tiles(text.as_bytes(), 4096);
    let hit = &scan.hits[0];
    assert_eq!(
        (hit.shown.as_str(), hit.count),
        (&*format!("ghp_...{}", &token[38..]), 2)
    );
    assert_eq!(hit.span, Span::new(0, 40));
}

#[test]
fn every_tile_size_gives_the_same_scan() {
    let mut bytes = vec![b' '; 9_000];
    for (input, _) in table() {
        bytes.extend(input);
        bytes.extend(b" ;\n");
    }
    bytes.resize(bytes.len() + 9_000, b' ');
    let whole = scan_in_tiles(&bytes, bytes.len());
    assert!(whole.hits.len() >= 17, "{whole:#?}");
    for tile in [1, 7, 4096, 8704, 8705] {
        assert_eq!(scan_in_tiles(&bytes, tile), whole, "tiles of {tile}");
    }
}

#[test]
fn a_limit_counts_what_it_drops_and_owners_keep_their_own() {
    let token = checked("ghp_");
    let text = format!("{token} {token}");
    let mut sink = SecretSink::with_owners(1, vec![0, 41]);
    sink.feed(0, text.as_bytes());
    let scan = sink.finish();
    assert_eq!((scan.hits.len(), scan.dropped, scan.hits[0].segment), (1, 1, 0));
}
