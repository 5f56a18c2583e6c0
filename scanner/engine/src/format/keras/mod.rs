//! Keras' model configurations: the JSON of `config.json` in a `.keras` archive, of the attribute `model_config` of an
//! HDF5 file, of an architecture file; and the YAML that old versions wrote.
//!
//! The containers are ZIP and HDF5. A document is a configuration when objects in it have a class and a config, whatever
//! stands around them: the JSON and text formats ask [`look`], since what is not strict JSON is text, and Python reads it
//! all the same. Here nothing is judged: which classes there are, which code and which files they name are facts.

mod base64;
mod config;
mod lenient;
#[cfg(test)]
mod tests;
mod wide;
mod yaml;

pub(super) use yaml::look_for_classes;

pub(super) use base64::{Base64, is_base64};

use super::{Format, Input, Parse};
use crate::identify::{Match, Probe};
use crate::ledger::Gaps;
use memchr::memmem;

/// A configuration in JSON.
pub(super) struct KerasConfig;

/// What every configuration holds.
const CLASS: &[u8] = b"class_name";
/// The longest document that is looked at.
const LONGEST: u64 = 128 << 20;

impl Format for KerasConfig {
    fn id(&self) -> &'static str {
        "keras-config"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let document = probe.head.trim_ascii_start();
        let named =
            memmem::find(document, b"\"class_name\"").is_some() && memmem::find(document, b"\"config\"").is_some();
        (document.first() == Some(&b'{') && named).then_some(Match::LIKELY)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.gaps(Gaps::Never);
        super::json::Json.parse(input, out);
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["json", "keras"]
    }
}

/// Walks a document that was read whole, when it can be a configuration.
pub(super) fn look(document: &[u8], base: u64, out: &mut Parse) {
    // A key may be written with escapes.
    let named = memmem::find(document, CLASS).is_some() || memmem::find(document, b"\\u00").is_some();
    if named {
        config::walk(document, base, out);
    }
}

/// Walks an artifact that is no strict JSON and may be what Python reads as such.
pub(super) fn look_in_text(input: &Input<'_>, out: &mut Parse) {
    const HEAD: u64 = 64 << 10;
    let Ok(head) = input.read_up_to(0, HEAD.min(input.len())) else {
        return;
    };
    wide::look(&head, input, out);
    let start = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&head);
    let blank = start.trim_ascii_start();
    // A head of nothing but blanks is no text that anyone writes: what follows is looked at.
    if blank.is_empty() || matches!(blank.first(), Some(b'{' | b'[')) {
        match input.read_up_to(0, LONGEST) {
            Ok(bytes) => {
                let base = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
                look(
                    bytes.get(base..).unwrap_or_default(),
                    u64::try_from(base).unwrap_or(0),
                    out,
                );
            }
            Err(fault) => out.fault(&fault, "configuration"),
        }
    } else {
        yaml::look(&head, input, out);
    }
}

/// Looks at an artifact in no known format: a configuration in a wide encoding without a mark is not even text.
pub(super) fn look_in_data(input: &Input<'_>, out: &mut Parse) {
    if let Ok(head) = input.read_up_to(0, 4) {
        wide::look(&head, input, out);
    }
}
