//! What is taken for a pickle, and what is not.

use super::{build, matched};
use crate::format::pickle::identify::next_stream;
use crate::format::pickle::scan::{End, look};
use proptest::prelude::*;

#[test]
fn text_and_data_are_not_pickles() {
    let long_base64 = "VGhlIHF1aWNrIGJyb3duIGZveCBqdW1wcyBvdmVyIHRoZSBsYXp5IGRvZy4g".repeat(400);
    let long_numbers = "0.5\n1.5\n2.5\n".repeat(2000);
    let dna = "NNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNN\n".repeat(500);
    let texts: [&[u8]; 48] = [
        b"",
        b".",
        b"N.",
        b"].",
        b").",
        b"}.",
        b"hello.",
        b"Now is the time.",
        b"In the beginning.\n",
        b"I am.\n",
        b"It.\nis.\n",
        b"(a.",
        b"(t.",
        b"(l.",
        b"K.",
        b"Kx.",
        b"M12.",
        b"cat\ndog\n.gitignore\n",
        b"coverage\ndist\n.env\n",
        b"class Foo:\n    pass\n",
        b"c\nd\n",
        b"camel\ncase\n.",
        b"import os\nos.system('true')\n",
        b"create table t (a int);\n",
        b"config\nlocal\n.cache\n",
        b"{\"a\": [1, 2]}",
        b"[1, 2, 3]",
        b"a,b,c\n1,2,3\n",
        b"1\n2\n3\n",
        b"I,II,III\nIV\n.\n",
        b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
        b"Version: 1.0\n.\n",
        b"Subject: hi\nFrom: x\n\n.\n",
        b"S'unfinished\n.",
        b"F one\n.",
        b"L12x\n.",
        b"p0\n.",
        b"g0\n.",
        b"Vtext\n.",
        b"#!/bin/sh\ntrue\n",
        b"(in a bracket\nor two\n.",
        b"\x80",
        b"\x80\x07]q\x00.",
        b"\x80abc",
        b"PK\x03\x04",
        long_base64.as_bytes(),
        long_numbers.as_bytes(),
        dna.as_bytes(),
    ];
    for text in texts {
        assert_eq!(matched(text), None, "{:.40}", String::from_utf8_lossy(text));
    }
}

#[test]
fn streams_without_a_magic_number_are_recognised() {
    let padded = [b"N0".repeat(9000), build::os_system(0)].concat();
    let hidden = [b"V", "x".repeat(20_000).as_bytes(), b"\n0", &build::os_system(0)[..]].concat();
    for bytes in [
        &b"cos\nsystem\n(S'true'\ntR."[..],
        b"I1\n.",
        b"L5L\n.",
        b"F0.5\n.",
        b"K\x01.",
        b"]q\x00.",
        b"(dp0\n.",
        b"(lp0\nI1\na.",
        b"cos\nsystem\n.",
        b"(ios\nsystem\n.",
        b"(cos\nsystem\no.",
        b"cposixpath\njoin\np0\n.",
        b"Vtext\np0\n.",
        b"\x80\x02N.",
        b"\x80\x02cos\nsystem\n\xff",
        b"cos\nsystem\n(S'true'\ntR\xff",
        b"cos\nsystem\n(S'true'\ntR",
        &padded,
        &hidden,
    ] {
        assert!(matched(bytes).is_some(), "{:.40}", String::from_utf8_lossy(bytes));
    }
}

/// Every start is tried: what [`next_stream`] leaves out must not be found by this.
fn every_start(bytes: &[u8]) -> Option<usize> {
    (0..bytes.len()).find(|at| {
        let seen = look(&bytes[*at..]);
        let named = bytes[*at] != b'c'
            || bytes[*at + 1..]
                .iter()
                .position(|b| !(b.is_ascii_alphanumeric() || matches!(*b, b'_' | b'.') || *b >= 0x80))
                .is_some_and(|length| length > 0 && bytes[*at + 1 + length] == b'\n');
        matches!(bytes[*at], b'c' | b'(')
            && named
            && seen.globals > 0
            && seen.calls > 0
            && matches!(seen.end, End::Stop | End::Enough)
    })
}

proptest! {
    #[test]
    fn no_stream_is_left_out_for_want_of_a_name(
        pieces in proptest::collection::vec(
            proptest::sample::select(vec![
                &b"cos\n"[..], b"system\n", b"(", b"t", b"R", b".", b"S'x'\n", b"ios\nsystem\n", b"\n", b"\r\n", b"c",
                b"a.b", b"\x8c\x02os", b"\x93", b"prose ", b"}\n", b"o", b"<m>-", b"\xc3\xa9", b"cos\r\nsystem\r\n",
            ]),
            0..14,
        ),
    ) {
        let bytes = pieces.concat();
        prop_assert_eq!(next_stream(&bytes, true), every_start(&bytes), "{}", bytes.escape_ascii());
    }
}
