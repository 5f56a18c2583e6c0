//! Where URLs lead, and what opens something.

use super::Fixture::Built;
use super::{Row, row};
use crate::build::hidden::{aws, command, github, in_base64, in_hex, private_key, script, under_key};

const HIDDEN: &str = "host that a search does not find";
const ALIKE: &str = "host that reads like another";
const SECRET: &str = "secret in the artifact";
const URL: &str = "https://h.example.com/a";

#[rustfmt::skip]
pub(super) static ROWS: &[Row] = &[
    row(HIDDEN, "ELF", ("encoded-host", "xor"), Built("URL under the key 0x5a", || under_key(URL, 0x5a)), Built("the same under no key", || under_key(URL, 0))),
    row(HIDDEN, "script, in pieces", ("encoded-host", "joined"), Built("a host in two literals that are joined", || script("\"https://h.exa\" + \"mple.com/a\"")), Built("a path joined to a host", || script("\"https://h.example.com\" + \"/a\""))),
    row(HIDDEN, "script, command of PowerShell", ("encoded-host", "command"), Built("base64 of UTF-16", || command("iwr https://h.example.com/a")), Built("base64 of a command without a URL", || command("Get-Date -Format o"))),
    row(HIDDEN, "script, base64", ("encoded-host", "base64"), Built("base64 of a URL", || in_base64(URL)), Built("base64 of a sentence", || in_base64("a sentence about https"))),
    row(HIDDEN, "script, hexadecimal", ("encoded-host", "hex"), Built("hexadecimal of a URL", || in_hex(URL)), Built("hexadecimal of https alone", || in_hex("https"))),
    row(HIDDEN, "script, escapes", ("encoded-host", "escaped"), Built("\\x68\\x74\\x74\\x70 before the host", || script(r#""\x68\x74\x74\x70\x73://h.example.com""#)), Built("an escape behind the host", || script(r#""https://h.example.com/\x61""#))),
    row(ALIKE, "text, letters of two scripts", ("disguised-host", "mixed"), Built("Cyrillic i in example", || script("\"https://h.exampl\u{435}.com/\"")), Built("a name in Cyrillic", || script("\"https://\u{43f}\u{440}\u{438}\u{43c}\u{435}\u{440}.com/\""))),
    row(ALIKE, "text, letters that are drawn alike", ("disguised-host", "alike"), Built("xn--80ak6aa92e.com", || script("\"https://xn--80ak6aa92e.com/\"")), Built("xn--bcher-kva.example.com", || script("\"https://xn--bcher-kva.example.com/\""))),
    row(ALIKE, "text, direction of letters", ("disguised-host", "bidi"), Built("U+202E in a host", || script("\"https://h.ex\u{202e}ample.com/\"")), Built("plain host", || script("\"https://h.example.com/\""))),
    row(ALIKE, "text, characters without a width", ("disguised-host", "invisible"), Built("U+200B in a host", || script("\"https://h.ex\u{200b}ample.com/\"")), Built("U+200B behind a host", || script("\"https://h.example.com\u{200b} a\""))),
    row(ALIKE, "text, user like a host", ("disguised-host", "userinfo"), Built("github.com before the @", || script("\"https://github.com@h.example.com/\"")), Built("user and password before the @", || script("\"https://user:pass@h.example.com/\""))),
    row(SECRET, "token of GitHub", ("embedded-secret", "checked"), Built("checksum that holds", || github(0)), Built("checksum off by one", || github(1))),
    row(SECRET, "access key of AWS", ("embedded-secret", "token"), Built("key beside a secret", || aws(true)), Built("key beside digits", || aws(false))),
    row(SECRET, "PEM", ("embedded-secret", "private-key"), Built("key for Ed25519", || private_key(true)), Built("key of zeros", || private_key(false))),
];
