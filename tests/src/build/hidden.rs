//! Scripts that hide where a URL leads, and texts with made-up keys and tokens. Nothing here opens anything.

use super::keras::base64;

const LETTERS: &str = "q7ZrB2mXk9LdWv4TnYc8HsJf3GpQe6UaRi1Vo5EbNtKxMwCzPyDgFhSjAlIuO0";

/// A script of Python that holds `value` as it stands.
pub fn script(value: &str) -> Vec<u8> {
    format!("#!/usr/bin/env python3\nvalue = {value}\n").into_bytes()
}

/// The same with base64 of `text`.
pub fn in_base64(text: &str) -> Vec<u8> {
    script(&format!("\"{}\"", base64(text.as_bytes())))
}

/// The same with hexadecimal of `text`.
pub fn in_hex(text: &str) -> Vec<u8> {
    let digits: String = text.bytes().map(|b| format!("{b:02x}")).collect();
    script(&format!("\"{digits}\""))
}

/// A command of PowerShell, encoded as it takes one.
pub fn command(text: &str) -> Vec<u8> {
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    format!("#!/bin/sh\npwsh -enc {}\n", base64(&wide)).into_bytes()
}

/// A program with `text` under `key` among its code.
pub fn under_key(text: &str, key: u8) -> Vec<u8> {
    let mut code = vec![0x90; 64];
    code.extend(text.bytes().map(|b| b ^ key));
    code.extend([0x90; 64]);
    super::elf::Elf {
        text: code,
        ..super::elf::Elf::new(true, false)
    }
    .build()
}

/// `len` varied letters and digits.
fn letters(seed: usize, len: usize) -> String {
    LETTERS.chars().cycle().skip(seed).take(len).collect()
}

/// A token of GitHub with its checksum, or one that is off by `wrong`.
pub fn github(wrong: u32) -> Vec<u8> {
    let body = letters(3, 30);
    let mut value = crc32fast::hash(body.as_bytes()) ^ wrong;
    let mut sum = String::new();
    for _ in 0..6 {
        let digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        sum.insert(0, char::from(digits.as_bytes()[(value % 62) as usize]));
        value /= 62;
    }
    script(&format!("\"ghp_{body}{sum}\""))
}

/// An access key of AWS, beside a secret or beside forty digits.
pub fn aws(secret: bool) -> Vec<u8> {
    let beside = if secret {
        letters(20, 40)
    } else {
        "0123456789".repeat(4)
    };
    script(&format!("[\"AKIA2Q7ZRB4MXK3LDWVT\", \"{beside}\"]"))
}

/// PEM of a key for Ed25519: a varied one, or zeros.
pub fn private_key(varied: bool) -> Vec<u8> {
    let secret = if varied {
        letters(7, 32).into_bytes()
    } else {
        vec![0; 32]
    };
    let mut der = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".to_vec();
    der.extend(secret);
    let dashes = "-----";
    let body = base64(&der);
    format!("{dashes}BEGIN PRIVATE KEY{dashes}\n{body}\n{dashes}END PRIVATE KEY{dashes}\n").into_bytes()
}
