//! `tests`: what a rule must fire on, and what it must leave alone.

use super::expression;
use super::load::{Loader, digest};
use super::model::{Detect, Encoding, Vector, VectorContent};
use std::ops::Range;
use toml::de::DeTable;

const VECTOR: &[&str] = &["text", "hex", "utf16", "sha256", "expect", "region", "format", "path"];

impl<'t> Loader<'t, '_> {
    /// One test vector of a rule that looks for `detect`.
    pub(super) fn vector(
        &mut self,
        table: &DeTable<'t>,
        span: Range<usize>,
        detect: Option<&Detect>,
    ) -> Option<Vector> {
        self.known(table, VECTOR, "a test vector");
        let contents: Vec<&'static str> = ["text", "hex", "utf16", "sha256"]
            .into_iter()
            .filter(|key| table.contains_key(*key))
            .collect();
        let [kind] = contents[..] else {
            let title = "a test vector has one input";
            self.wrong(
                span,
                title,
                "write text, hex, utf16 (text in UTF-16) or sha256, and one of them",
            );
            return None;
        };
        let (input, at) = self.text(table, kind)?;
        let content = match kind {
            "text" => VectorContent::Bytes(input.into_bytes()),
            "utf16" => VectorContent::Bytes(Encoding::Utf16Le.encode(&input)),
            "sha256" => match (digest(&input), detect) {
                (Some(digest), Some(Detect::Digests { .. }) | None) => VectorContent::Sha256(digest),
                (Some(_), _) => {
                    self.wrong(at, "this rule knows no digests", "write the bytes: text, hex or utf16");
                    return None;
                }
                (None, _) => {
                    self.wrong(at, "not a SHA-256 digest", "write its 64 hexadecimal digits");
                    return None;
                }
            },
            _ => match expression::hex(&input) {
                Some(bytes) => VectorContent::Bytes(bytes),
                None => {
                    self.wrong(at, "not bytes", "write two hexadecimal digits for each byte, and no ??");
                    return None;
                }
            },
        };
        let help = "write expect = \"fire\" or expect = \"quiet\"";
        let fires = match self.text(table, "expect") {
            Some((text, _)) if text == "fire" => true,
            Some((text, _)) if text == "quiet" => false,
            Some((text, at)) => {
                self.wrong(at, format!("nothing is expected as `{text}`"), help);
                return None;
            }
            None => {
                if !table.contains_key("expect") {
                    self.wrong(span, "a test vector that expects nothing", help);
                }
                return None;
            }
        };
        Some(Vector {
            line: self.line(span.start),
            content,
            fires,
            region: self.text(table, "region").map(|(text, _)| text),
            format: self.text(table, "format").map(|(text, _)| text),
            path: self.text(table, "path").map(|(text, _)| text),
        })
    }
}
