//! Configurations in UTF-16 and UTF-32, which Python's JSON reader tells by their first bytes, with or without a byte
//! order mark.
//!
//! The text is read in UTF-8, so positions are lost: what is told stands for the whole document, and code in it is not
//! decoded, which is said.

use super::config;
use crate::fact::Fact;
use crate::finding::{ErrorCode, ScanError};
use crate::format::{Input, Parse};

/// The longest document that is read.
const LONGEST: u64 = 32 << 20;

/// How the bytes of one character are put together.
#[derive(Clone, Copy)]
struct Encoding {
    bytes: usize,
    big: bool,
    mark: usize,
}

fn encoding(head: &[u8]) -> Option<Encoding> {
    let of = |bytes, big, mark| Some(Encoding { bytes, big, mark });
    match head {
        [0xff, 0xfe, 0, 0, ..] => of(4, false, 4),
        [0, 0, 0xfe, 0xff, ..] => of(4, true, 4),
        [0xff, 0xfe, ..] => of(2, false, 2),
        [0xfe, 0xff, ..] => of(2, true, 2),
        [b'{', 0, 0, 0, ..] => of(4, false, 0),
        [0, 0, 0, b'{', ..] => of(4, true, 0),
        [b'{', 0, ..] => of(2, false, 0),
        [0, b'{', ..] => of(2, true, 0),
        _ => None,
    }
}

/// Walks a document in a wide encoding, when it is one.
pub(super) fn look(head: &[u8], input: &Input<'_>, out: &mut Parse) {
    let Some(encoding) = encoding(head) else { return };
    let bytes = match input.read_up_to(0, LONGEST) {
        Ok(bytes) => bytes,
        Err(fault) => return out.fault(&fault, "configuration"),
    };
    let content = bytes.get(encoding.mark..).unwrap_or_default();
    let mut text = String::with_capacity(content.len() / 2);
    for unit in content.chunks_exact(encoding.bytes) {
        let digits = unit.iter().rev();
        let number = if encoding.big {
            unit.iter().fold(0u32, |n, b| (n << 8) | u32::from(*b))
        } else {
            digits.fold(0u32, |n, b| (n << 8) | u32::from(*b))
        };
        // Halves of pairs stand in texts that nobody asks for.
        text.push(char::from_u32(number).unwrap_or('?'));
    }
    if !text.trim_start().starts_with('{') || !text.contains("class_name") {
        return;
    }
    let mut inner = Parse::new("keras-config");
    config::walk(text.as_bytes(), 0, &mut inner);
    for error in inner.errors {
        out.error(error);
    }
    let whole = input.whole();
    for fact in inner.facts {
        let fact = match fact {
            Fact::ConfigObject(mut object) => {
                object.span = whole;
                Fact::ConfigObject(object)
            }
            Fact::Resource(mut resource) => {
                resource.span = whole;
                Fact::Resource(resource)
            }
            Fact::ConfigLambda { layer, .. } => Fact::ConfigLambda { layer, span: whole },
            Fact::ConfigCode { layer, .. } => {
                let message = "keras: code in a configuration that is not UTF-8 was not decoded";
                out.error(ScanError::new(ErrorCode::Unsupported, message).at(0));
                Fact::ConfigCode { layer, span: whole }
            }
            other => other,
        };
        out.fact(fact);
    }
}
