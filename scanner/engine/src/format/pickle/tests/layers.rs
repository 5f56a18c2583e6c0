//! What stands inside texts and bytes, and around a whole stream.

use super::*;

/// The formats of everything nested in `bytes`, and whether `os.system` is said to be called.
fn nested(bytes: Vec<u8>) -> (Vec<&'static str>, bool) {
    let scanner = Scanner::new(Options {
        jobs: 1,
        ..Options::default()
    })
    .unwrap();
    let report = scanner.scan_bytes("model.pkl", bytes);
    let formats = report.artifacts.iter().skip(1).map(|a| a.format).collect();
    let all = report.artifacts.iter().flat_map(|a| &a.findings);
    let found = all.into_iter().any(|f| f.finding.code == code::UNSAFE_CALLABLE);
    (formats, found)
}

#[test]
fn layers_inside_texts_and_bytes_are_taken_off() {
    let inner = build::os_system(4);
    let old = String::from_utf8(build::os_system(0)).unwrap();
    let zipped = probity_tests::build::gzip::gzip(&inner);
    let base64 = base64(&inner);
    let table: Vec<(&str, Vec<u8>, &[&str])> = vec![
        ("bytes", Asm::proto(4).short_binbytes(&inner).stop().done(), &["pickle"]),
        ("text", Asm::proto(4).short_binunicode(&old).stop().done(), &["pickle"]),
        (
            "gzip",
            Asm::proto(4).short_binbytes(&zipped).stop().done(),
            &["gzip", "pickle"],
        ),
        (
            "base64",
            Asm::proto(4).short_binunicode(&base64).stop().done(),
            &["pickle"],
        ),
        (
            "plain pickle with one inside",
            Asm::proto(4)
                .short_binbytes(&Asm::proto(4).short_binbytes(&inner).memoize().stop().done())
                .stop()
                .done(),
            &["pickle", "pickle"],
        ),
        (
            "base64 in base64",
            Asm::proto(4).binunicode(&self::base64(base64.as_bytes())).stop().done(),
            &["text", "pickle"],
        ),
    ];
    for (name, bytes, formats) in table {
        let (found, said) = nested(bytes);
        assert_eq!((found.as_slice(), said), (formats, !formats.is_empty()), "{name}");
    }
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0u32, |n, b| (n << 8) | u32::from(*b)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let digit = ALPHABET[(bits >> (18 - 6 * at)) as usize & 63];
            out.push(if at > chunk.len() { '=' } else { char::from(digit) });
        }
    }
    out
}

#[test]
fn ordinary_texts_are_no_layers() {
    let words = [
        "characterisation of the problem",
        "(see the figure on page three)",
        "eJust a text that goes on and on and on",
        "gAtsby and others in a line of text",
        "YouTube0123456789012345678901234567890123",
        "c\nd\nthese are lines of a poem\n",
        "KGKGKGKGKGKGKGKGKGKGKGKGKGKGKGKGKGKGKGKGKGKG",
        "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]",
    ];
    for text in words {
        let bytes = Asm::proto(4).short_binunicode(text).stop().done();
        assert!(parse(&bytes).children().is_empty(), "{text}");
    }
}

#[test]
fn compressed_files_of_old_joblib_are_taken_off() {
    use flate2::{Compression, write::ZlibEncoder};
    use std::io::Write;
    let inner = build::os_system(2);
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&inner).unwrap();
    let header = format!("ZF{:<19}", format!("{:#x}", inner.len()));
    let bytes = [header.as_bytes(), &encoder.finish().unwrap()].concat();
    assert_eq!(nested(bytes.clone()), (vec!["zlib", "pickle"], true));
    assert_eq!(matched(&bytes), Some(Strength::Certain));
    assert_eq!(matched(&bytes[1..]), None);
    assert_eq!(unclaimed(&bytes, &parse(&bytes)), 0);
}
