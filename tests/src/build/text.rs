//! Plain texts, scripts and bytes of no format.

/// English prose with a URL.
pub fn small() -> Vec<u8> {
    b"This file documents a fixture.\nSee https://docs.example.com/fixture for more.\n".to_vec()
}

/// UTF-16LE with a byte order mark and a URL that has no ASCII spelling in the file.
pub fn utf16_url() -> Vec<u8> {
    let text = "Settings are read from https://collector.example.net/v1 at start.\r\n";
    let mut out = vec![0xff, 0xfe];
    out.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    out
}

/// A URL whose host is an address literal.
pub fn ip_literal_url() -> Vec<u8> {
    b"endpoint = \"http://203.0.113.7:8080/upload\"\n".to_vec()
}

/// A shell script that does nothing.
pub fn script() -> Vec<u8> {
    b"#!/bin/sh\nset -eu\ntrue\n".to_vec()
}

/// `n` bytes without structure: a fixed xorshift sequence that begins with no known magic.
pub fn noise(n: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut out = Vec::with_capacity(n);
    for _ in 0..n {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.push((state >> 32) as u8);
    }
    out
}
