//! Binary content in what begins as text: a payload behind a script, a JSON document or prose.
//!
//! A few control characters are ordinary (minified sources spell character classes raw, logs hold stray bytes), and so
//! are bytes of an 8-bit encoding. Binary content has both: many sequences that are no UTF-8 and control characters
//! between them, or NULs in number.
//!
//! A string literal that spells binary content character by character is told apart: such a text is sound to its end.

use super::{Closing, Inspector};
use crate::finding::{Finding, Findings, code};
use crate::sink::TextResult;
use crate::span::Span;

/// `trailing-bytes`, cases `binary`, `encoded` and `self-extracting`.
pub(super) struct Texts;

impl Inspector for Texts {
    fn inspect(&self, artifact: &Closing<'_>, out: &mut Findings) {
        let Some(seen) = artifact.text.filter(|seen| is_binary(seen)) else {
            return;
        };
        let Some(controls) = seen.span else { return };
        // What stays unclaimed is reported by itself.
        if artifact.leaf_at(controls.start()).is_none() {
            return;
        }
        let start = line_start(artifact, controls.start());
        let span = Span::new(start, controls.end());
        let message = format!("the {} holds binary content from offset {start:#x} on", artifact.format);
        let finding = Finding::new(code::TRAILING_BYTES, span, message)
            .key("binary")
            .evidence("nuls", seen.nuls)
            .evidence("controls", seen.controls)
            .evidence("invalid", seen.invalid);
        let extracts =
            crate::format::language::is_script(artifact.format) && begins_archive(&artifact.bytes(start, 16));
        out.push(finding.case(match (extracts, is_encoded(seen)) {
            (true, _) => "self-extracting",
            (false, true) => "encoded",
            (false, false) => "binary",
        }));
    }
}

fn is_binary(seen: &TextResult) -> bool {
    let eight_bit = seen.invalid_in_head > 0;
    seen.nuls >= 16 || seen.controls >= if eight_bit { 32 } else { 3 } && seen.invalid >= 8
}

/// Whether the text is sound UTF-8 all the same: compilers write a whole WebAssembly module as one string literal, each
/// byte a character. Bytes that were appended are not UTF-8, and zeros alone are no string.
fn is_encoded(seen: &TextResult) -> bool {
    seen.invalid == 0 && seen.controls >= seen.nuls.saturating_add(16)
}

/// Behind the last line feed before `offset`, when there is one near.
fn line_start(artifact: &Closing<'_>, offset: u64) -> u64 {
    const NEAR: u64 = 64;
    let from = offset.saturating_sub(NEAR);
    let before = artifact.bytes(from, offset.saturating_sub(from));
    let line = before.iter().rev().position(|byte| *byte == b'\n');
    offset.saturating_sub(line.and_then(|n| u64::try_from(n).ok()).unwrap_or(0))
}

fn begins_archive(bytes: &[u8]) -> bool {
    const MAGICS: [&[u8]; 9] = [
        b"\x1f\x8b\x08",
        b"BZh",
        b"\xfd7zXZ\0",
        b"(\xb5/\xfd",
        b"PK\x03\x04",
        b"7z\xbc\xaf\x27\x1c",
        b"\x7fELF",
        b"\x04\x22\x4d\x18",
        b"\x5d\0\0",
    ];
    MAGICS.iter().any(|magic| bytes.starts_with(magic))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::{Options, Scanner};
    use probity_tests::build::text::noise;

    #[test]
    fn stray_bytes_are_no_binary_content() {
        let seen = |nuls, controls, invalid, invalid_in_head| TextResult {
            nuls,
            controls,
            invalid,
            invalid_in_head,
            span: None,
        };
        for (what, seen, expected) in [
            ("plain", seen(0, 0, 0, 0), false),
            ("character classes in minified source", seen(2, 15, 0, 0), false),
            ("Latin-1 strings", seen(0, 0, 900, 0), false),
            ("Latin-1 with stray controls", seen(0, 9, 900, 20), false),
            ("an appended key", seen(0, 6, 25, 0), true),
            ("an appended program", seen(5000, 6000, 700, 0), true),
            ("zeros", seen(64, 64, 0, 0), true),
        ] {
            assert_eq!(is_binary(&seen), expected, "{what}");
        }
    }

    /// The cases of `trailing-bytes` in a scan of `bytes`, and the offset of the first.
    fn scan(bytes: &[u8]) -> (Vec<&'static str>, u64) {
        let scanner = Scanner::new(Options {
            jobs: 1,
            ..Options::default()
        })
        .unwrap();
        let report = scanner.scan_bytes("name", bytes.to_vec());
        let own: Vec<&Finding> = report.artifacts[0]
            .findings
            .iter()
            .map(|j| &j.finding)
            .filter(|f| f.code == code::TRAILING_BYTES)
            .collect();
        (
            own.iter().map(|f| f.case.unwrap_or("-")).collect(),
            own.first().map_or(0, |f| f.span.start()),
        )
    }

    #[test]
    fn binary_content_behind_text_is_found_wherever_it_begins() {
        let script = [&b"#!/bin/sh\nexit 0\n"[..], &b"# prose\n".repeat(3000)].concat();
        let prose = b"prose, line after line\n".repeat(1000);
        let behind = |text: &[u8], payload: &[u8]| scan(&[text, payload].concat());
        let program = [&b"\x7fELF\x02\x01\x01"[..], &[0; 57]].concat();
        let archive = [&b"\x1f\x8b\x08\0\0\0\0\0\0\x03"[..], &noise(4000)].concat();
        assert_eq!(behind(&prose, &noise(64)).0, ["binary"]);
        assert_eq!(behind(&prose, &program), (vec!["binary"], prose.len() as u64));
        assert_eq!(behind(&script, &noise(64)).0, ["binary"]);
        assert_eq!(
            behind(&script, &archive),
            (vec!["self-extracting"], script.len() as u64)
        );
        assert_eq!(behind(&prose, &archive).0, ["binary"]);
        assert_eq!(behind(&prose, b"").0, [""; 0]);
        assert_eq!(
            behind(&prose, b"/[\x01-\x08\x0e-\x1f\x7f]/.test(\"caf\xe9\")").0,
            [""; 0]
        );
        assert_eq!(
            behind(&prose, "\u{65e5}\u{672c}\u{8a9e} \u{1b}[0m\u{c}".as_bytes()).0,
            [""; 0]
        );
        let module: String = b"\0asm\x01\0\0\0\x01\x7f"
            .repeat(8)
            .iter()
            .chain(&noise(400))
            .map(|byte| char::from(*byte))
            .collect();
        assert_eq!(behind(&prose, format!("load('{module}');\n").as_bytes()).0, ["encoded"]);
        assert_eq!(behind(&prose, &[0; 400]).0, ["binary"]);
        let documents = [&b"[\""[..], &b"prose ".repeat(3000), b"\"]\n"].concat();
        assert_eq!(
            behind(&documents, &program).0,
            ["-"],
            "unclaimed bytes are reported once"
        );
    }
}
