//! Distinguished names (RFC 5280, 4.1.2.4), for people and for pins.

use super::element::Elements;
use super::oid;
use crate::walk::der::Tlv;
use std::fmt;

/// The most attributes of a name that are kept.
const MOST: usize = 32;
/// The most bytes of a value that are kept.
const LONGEST: usize = 256;

/// A name: its attributes, most specific last, as the certificate has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Name {
    parts: Vec<(String, String)>,
}

impl Name {
    /// Reads the encoding of a name; what cannot be read is left out.
    pub(crate) fn parse(encoding: &[u8]) -> Self {
        let mut parts = Vec::new();
        if let Ok(sequence) = Elements::one(encoding, 0) {
            let sets = sequence.children().flatten();
            for pair in sets.flat_map(|set| set.children().flatten()).take(MOST) {
                let mut fields = pair.children().flatten();
                let (Some(id), Some(value)) = (fields.next(), fields.next()) else {
                    continue;
                };
                let Ok(id) = id.oid() else { continue };
                let known = oid::NAMES.iter().find(|(other, _)| *other == id);
                let Some((_, kind)) = known else { continue };
                parts.push(((*kind).to_owned(), text(value)));
            }
        }
        Self { parts }
    }

    /// The value of an attribute: `CN`, `O` ...
    pub(crate) fn get(&self, kind: &str) -> Option<&str> {
        let found = self.parts.iter().rev().find(|(other, _)| other == kind);
        found.map(|(_, value)| value.as_str())
    }

    /// What a person calls it: the common name, else the organisation, else all of it.
    pub(crate) fn short(&self) -> String {
        match self.get("CN").or_else(|| self.get("O")) {
            Some(name) => name.to_owned(),
            None => self.to_string(),
        }
    }
}

impl fmt::Display for Name {
    /// `CN=..., O=..., C=...`: most specific first, with a backslash before what would end a value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (kind, value)) in self.parts.iter().rev().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{kind}=")?;
            for c in value.chars() {
                if matches!(c, ',' | '\\' | '=' | '+' | '"') {
                    f.write_str("\\")?;
                }
                write!(f, "{c}")?;
            }
        }
        Ok(())
    }
}

fn text(value: Tlv<'_>) -> String {
    let bytes = value.bytes.get(..LONGEST).unwrap_or(value.bytes);
    match value.tag.number {
        // BMPString, UniversalString.
        30 => {
            let units = bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair));
            char::decode_utf16(units)
                .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect()
        }
        28 => {
            let units = bytes.as_chunks::<4>().0.iter().map(|four| u32::from_be_bytes(*four));
            units
                .map(|c| char::from_u32(c).unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect()
        }
        // TeletexString: in practice Latin-1.
        20 => bytes.iter().map(|b| char::from(*b)).collect(),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}
