//! Hosts in encodings: each is found and named, its near miss is quiet, and no border changes it.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::*;

fn hex(text: &str) -> String {
    text.bytes().map(|b| format!("{b:02x}")).collect()
}

fn xor(text: &str, key: u8) -> Vec<u8> {
    text.bytes().map(|b| b ^ key).collect()
}

/// The hosts with their encodings, those that plain text gives left out.
fn encoded(bytes: &[u8]) -> String {
    let scan = scan(bytes);
    let hidden = scan.hits.iter().filter(|hit| hit.encoding != Encoding::Ascii);
    hidden
        .map(|hit| format!("{}:{}", hit.encoding.as_str(), hit.host))
        .collect::<Vec<_>>()
        .join(" ")
}

/// Every spelling, with what it gives.
fn table() -> Vec<(Vec<u8>, &'static str)> {
    let mut table: Vec<(Vec<u8>, &'static str)> = Vec::new();
    for prefix in ["", "x", "xy"] {
        for url in [
            "https://h.example.com/a?b",
            "http://h.example.com",
            "wss://h.example.com:81/",
        ] {
            let text = format!("{prefix}{url}");
            table.push((
                format!("f(\"{}\")", STANDARD.encode(&text)).into(),
                "base64:h.example.com",
            ));
            table.push((URL_SAFE_NO_PAD.encode(&text).into(), "base64:h.example.com"));
        }
        let wide: Vec<u8> = format!("{}iwr https://h.example.com/x", prefix.replace('y', ""))
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        table.push((
            format!("powershell -enc {}", STANDARD.encode(wide)).into(),
            "base64:h.example.com",
        ));
    }
    for (text, expect) in [
        (hex("https://h.example.com/a"), "hex:h.example.com"),
        (hex("wss://h.example.com/a").to_uppercase(), ""),
        (hex("http://h.example.com/jz").to_uppercase(), "hex:h.example.com"),
        (
            "[0x68, 0x74, 0x74, 0x70, 0x3a, 0x2f, 0x2f, 0x78, 0x2e, 0x69, 0x6f, 0x2f]".to_owned(),
            "hex:x.io",
        ),
        (
            "fromCharCode(104,116,116,112,58,47,47,120,46,105,111)".to_owned(),
            "escaped:x.io",
        ),
        (
            "fromCharCode(104, 116, 116, 112, 58, 47, 47, 120, 46, 105, 111)".to_owned(),
            "escaped:x.io",
        ),
        (
            r#""\x68\x74\x74\x70\x73\x3a\x2f\x2fh.example.com""#.to_owned(),
            "escaped:h.example.com",
        ),
        (
            r#""\u0068\u0074\u0074\u0070\u003a\u002f\u002fh.example.com""#.to_owned(),
            "escaped:h.example.com",
        ),
        (
            r#""https:\u002F\u002Fh.example.com""#.to_owned(),
            "escaped:h.example.com",
        ),
        (r#""https://h.ex\x61mple.com/""#.to_owned(), "escaped:h.example.com"),
        (r#""ht\u{74}ps://h.example.com/""#.to_owned(), "escaped:h.example.com"),
        (
            "u=%68%74%74%70%3a%2f%2fh.example.com%2Fa".to_owned(),
            "percent:h.example.com",
        ),
        (
            "u=https%3A%2F%2Fh.example.com%2Fa&v".to_owned(),
            "percent:h.example.com",
        ),
        ("u=http%3a%2f%2fh.example.com".to_owned(), "percent:h.example.com"),
        (
            r#""https://" + "h.exa" + "mple.com/a""#.to_owned(),
            "joined:h.example.com",
        ),
        (r"'ht'+'tps://h.exa'+'mple.com'".to_owned(), "joined:h.example.com"),
        (r#""https:" + "//h.example.com/""#.to_owned(), "joined:h.example.com"),
        (
            r#"["https:","//h.exam","ple.com"].join("")"#.to_owned(),
            "joined:h.example.com",
        ),
        (
            r#""https://".concat("h.exam", "ple.com/")"#.to_owned(),
            "joined:h.example.com",
        ),
    ] {
        table.push((text.into_bytes(), expect));
    }
    for key in [1, 0x41, 0x5a, 0xff] {
        let mut bytes = b"\0\0".to_vec();
        bytes.extend(xor("https://h.example.com/a", key));
        bytes.extend(b"\0\0 end");
        table.push((bytes, "xor:h.example.com"));
    }
    table
}

#[test]
fn every_encoding_is_decoded_and_named() {
    for (input, expect) in table() {
        assert_eq!(encoded(&input), expect, "{}", input.escape_ascii());
    }
}

#[test]
fn what_is_no_url_in_an_encoding_is_quiet() {
    for input in [
        &b"aHR0cHM6Ly"[..],
        b"aHR0cHM6Ly8=",
        b"\"aHR0cHM6Ly9leGFtcGxl\"",
        b"6874747073",
        b"68747470733a2f2f",
        br"\x68\x74\x74\x70",
        b"https%3A%2F%2F",
        b"%3A%2F%2Fh.example.com",
        b"\"https://\" + host + \".example.com\"",
        b"[\"https://\", \"h.example.com\"]",
        b"\"https://h.example.com\" + \"/path\"",
        b"\"a:\"+\"//comment\"",
        b"f(\"https://\", \"h.example.com\")",
        b"HTTPS://H.EXAMPLE.COM\x1a\x0f",
        b"C:\\users\\x41 https://",
    ] {
        assert_eq!(encoded(input), "", "{}", input.escape_ascii());
    }
    for key in [0, 0x20] {
        assert_eq!(encoded(&xor("https://h.example.com/a ", key)), "", "key {key}");
    }
    assert_eq!(encoded(&xor("https://nothing ", 7)), "");
}

#[test]
fn pieces_of_a_host_are_surer_than_a_scheme_apart() {
    for (input, expect) in [
        (r#""https://" + "h.example.com""#, Confidence::Possible),
        (r#""https://h.exa" + "mple.com""#, Confidence::Likely),
        (r#""htt" + "ps://h.example.com""#, Confidence::Likely),
    ] {
        let scan = scan(input.as_bytes());
        let found = scan.hits.iter().find(|hit| hit.encoding == Encoding::Joined);
        assert_eq!(found.map(|hit| hit.confidence), Some(expect), "{input}");
    }
}

#[test]
fn no_border_changes_an_encoded_host() {
    let mut bytes = Vec::new();
    for (input, _) in table() {
        bytes.extend(input);
        bytes.extend(b"\n;");
    }
    let whole = scan(&bytes);
    assert!(whole.hits.len() >= 15, "{whole:#?}");
    let mut long = vec![b'.'; 9_000];
    long.extend(&bytes);
    long.resize(long.len() + 9_000, b'=');
    let whole_long = scan(&long);
    for tile in [1, 7, 61, 4096, 4417, 8832] {
        assert_eq!(scan_in_tiles(&bytes, tile), whole, "tiles of {tile}");
        assert_eq!(scan_in_tiles(&long, tile), whole_long, "tiles of {tile}");
    }
}

#[test]
fn a_span_holds_the_spelling_of_its_host() {
    let text = format!("\"{}\"", STANDARD.encode("https://h.example.com/a"));
    let hit = scan(text.as_bytes()).hits.remove(0);
    // Eight bytes stand in eleven characters behind the quote; the host's thirteen reach into the 28th.
    assert_eq!((hit.url_offset, hit.span), (1, Span::new(11, 29)));
    let hit = scan(hex("https://h.example.com/a").as_bytes()).hits.remove(0);
    assert_eq!((hit.url_offset, hit.span), (0, Span::new(16, 42)));
}

#[test]
fn a_user_like_a_host_and_characters_without_a_width_are_told() {
    for (input, expect) in [
        (
            "https://github.com@h.example.com/",
            Some(Disguise::Userinfo("github.com".into())),
        ),
        (
            "https://github.com:443@h.example.com/",
            Some(Disguise::Userinfo("github.com".into())),
        ),
        ("https://user:pass@h.example.com/", None),
        ("https://user@mail.com:pass@h.example.com/", None),
        ("ftp://anonymous@h.example.com/", None),
        ("https://first.name@h.example.com/", None),
        ("https://h.ex\u{202e}ample.com/", Some(Disguise::Invisible('\u{202e}'))),
        ("https://h.example\u{200b}.com/", Some(Disguise::Invisible('\u{200b}'))),
        ("https://h.example.com\u{200b} next", None),
    ] {
        let scan = scan(input.as_bytes());
        let found: Vec<_> = scan
            .hits
            .iter()
            .map(|hit| (hit.host.as_str(), hit.disguise.clone()))
            .collect();
        assert_eq!(found, [("h.example.com", expect)], "{input}");
    }
}

#[test]
fn an_ipv4_address_mapped_into_ipv6_is_itself() {
    for input in ["http://[::ffff:192.0.2.7]/", "http://[::ffff:c000:207]:80/"] {
        let hit = scan(input.as_bytes()).hits.remove(0);
        assert_eq!(hit.host, "192.0.2.7");
        assert!(matches!(hit.kind, HostKind::ObfuscatedIpv4 { written } if written.starts_with("::ffff:")));
    }
}
