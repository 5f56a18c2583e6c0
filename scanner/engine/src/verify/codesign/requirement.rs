//! Code requirements (Security framework, `requirement.h`) as `codesign` spells them: which code another one's signer means.
//!
//! | offset | size | field of a requirement set (`fade0c01`) |
//! | --- | --- | --- |
//! | 8 | 4 | `count` |
//! | 12 | 8 each | type (3: designated), offset |
//! | ... | | requirements: `fade0c00`, length, kind (1: an expression), the expression in prefix order |
//!
//! Nothing is decided by them here: they say whom other code would accept in this one's place.

use super::blob::{place, word};
use crate::name::printable;
use std::fmt::Write as _;

const DESIGNATED: u32 = 3;
const REQUIREMENT: u32 = 0xfade_0c00;
const EXPRESSION: u32 = 1;
/// The most requirements of a set, operators of an expression, and levels of it.
const MOST: usize = 256;
/// The longest text, in bytes.
const LONGEST: usize = 4096;

/// The designated requirement of a set; `None` when there is none, or none that can be spelled.
pub(super) fn designated(set: &[u8]) -> Option<String> {
    let count = place(set, 8)?.min(MOST);
    let at = (0..count).find_map(|number| {
        let entry = number.checked_mul(8)?.checked_add(12)?;
        (word(set, entry)? == DESIGNATED).then(|| place(set, entry.checked_add(4)?))?
    })?;
    let blob = set.get(at..)?;
    let expression = (word(blob, 0)? == REQUIREMENT && word(blob, 8)? == EXPRESSION)
        .then_some(())
        .and_then(|()| blob.get(12..place(blob, 4)?))?;
    Reader {
        bytes: expression,
        at: 0,
    }
    .expression()
}

/// An operator that waits for what it joins.
enum Open {
    Not,
    Both(&'static str, Option<String>),
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn word(&mut self) -> Option<u32> {
        let value = word(self.bytes, self.at)?;
        self.at = self.at.checked_add(4)?;
        Some(value)
    }

    /// A length and so many bytes, filled to whole words.
    fn data(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.word()?).ok()?;
        let data = self.bytes.get(self.at..self.at.checked_add(length)?)?;
        self.at = self.at.checked_add(length.checked_next_multiple_of(4)?)?;
        Some(data)
    }

    fn quoted(&mut self) -> Option<String> {
        Some(format!("\"{}\"", printable(self.data()?)))
    }

    fn hash(&mut self) -> Option<String> {
        let mut text = "H\"".to_owned();
        for byte in self.data()? {
            let _ = write!(text, "{byte:02x}");
        }
        text.push('"');
        Some(text)
    }

    /// Which certificate of the chain.
    fn certificate(&mut self) -> Option<String> {
        Some(match self.word()? {
            0 => "certificate leaf".to_owned(),
            u32::MAX => "certificate root".to_owned(),
            number => format!("certificate {}", i32::from_be_bytes(number.to_be_bytes())),
        })
    }

    fn identifier(&mut self) -> Option<String> {
        dotted(self.data()?)
    }

    /// What a field must satisfy.
    fn matching(&mut self) -> Option<String> {
        let kind = self.word()?;
        let (before, after) = match kind {
            0 => return Some(" exists".to_owned()),
            14 => return Some(" absent".to_owned()),
            1 => (" = ", ""),
            2 => (" ~ ", ""),
            3 => (" = ", "*"),
            4 => (" = *", ""),
            5 => (" < ", ""),
            6 => (" > ", ""),
            7 => (" <= ", ""),
            8 => (" >= ", ""),
            _ => return None,
        };
        Some(format!("{before}{}{after}", self.quoted()?))
    }

    /// One operand, or the operator that waits for its own.
    fn next(&mut self) -> Option<Result<String, Open>> {
        // The highest byte says what a reader does that does not know the operator.
        let operator = self.word()? & 0x00ff_ffff;
        Some(Ok(match operator {
            0 => "never".to_owned(),
            1 => "always".to_owned(),
            2 => format!("identifier {}", self.quoted()?),
            3 => "anchor apple".to_owned(),
            4 => format!("{} = {}", self.certificate()?, self.hash()?),
            5 => format!("info[{}] = {}", printable(self.data()?), self.quoted()?),
            6 => return Some(Err(Open::Both("and", None))),
            7 => return Some(Err(Open::Both("or", None))),
            8 => format!("cdhash {}", self.hash()?),
            9 => return Some(Err(Open::Not)),
            10 => format!("info[{}]{}", printable(self.data()?), self.matching()?),
            11 => format!(
                "{}[{}]{}",
                self.certificate()?,
                printable(self.data()?),
                self.matching()?
            ),
            12 => format!("{} trusted", self.certificate()?),
            13 => "anchor trusted".to_owned(),
            14 => format!(
                "{}[field.{}]{}",
                self.certificate()?,
                self.identifier()?,
                self.matching()?
            ),
            15 => "anchor apple generic".to_owned(),
            16 => format!("entitlement[{}]{}", printable(self.data()?), self.matching()?),
            17 => format!(
                "{}[policy.{}]{}",
                self.certificate()?,
                self.identifier()?,
                self.matching()?
            ),
            18 => format!("anchor apple {}", printable(self.data()?)),
            19 => format!("({})", printable(self.data()?)),
            20 => format!("platform = {}", self.word()?),
            21 => "notarized".to_owned(),
            23 => "legacy".to_owned(),
            _ => return None,
        }))
    }

    fn expression(&mut self) -> Option<String> {
        let mut open: Vec<Open> = Vec::new();
        for _ in 0..MOST {
            let mut text = match self.next()? {
                Err(operator) => {
                    open.push(operator);
                    continue;
                }
                Ok(text) => text,
            };
            loop {
                if text.len() > LONGEST {
                    return None;
                }
                text = match open.pop() {
                    None => return Some(text),
                    Some(Open::Not) => format!("! {}", grouped(text)),
                    Some(Open::Both(word, None)) => {
                        open.push(Open::Both(word, Some(text)));
                        break;
                    }
                    Some(Open::Both("or", Some(first))) => format!("{first} or {text}"),
                    Some(Open::Both(word, Some(first))) => format!("{} {word} {}", grouped(first), grouped(text)),
                };
            }
        }
        None
    }
}

/// In parentheses where it is a choice.
fn grouped(text: String) -> String {
    if text.contains(" or ") && !text.starts_with('(') {
        format!("({text})")
    } else {
        text
    }
}

/// The numbers of an object identifier.
fn dotted(octets: &[u8]) -> Option<String> {
    let mut numbers: Vec<u64> = Vec::new();
    let mut value = 0u64;
    for octet in octets {
        value = value.checked_mul(128)?.checked_add(u64::from(octet & 0x7f))?;
        if octet & 0x80 == 0 {
            if numbers.is_empty() {
                let first = (value / 40).min(2);
                numbers.push(first);
                value = value.checked_sub(first.checked_mul(40)?)?;
            }
            numbers.push(value);
            value = 0;
        }
    }
    let texts: Vec<String> = numbers.iter().map(u64::to_string).collect();
    (octets.last()? & 0x80 == 0).then(|| texts.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(expression: &[u8]) -> Vec<u8> {
        let length = u32::try_from(expression.len()).unwrap().saturating_add(12);
        let header = [
            0xfade_0c01,
            length.saturating_add(20),
            1,
            DESIGNATED,
            20,
            REQUIREMENT,
            length,
            EXPRESSION,
        ];
        [words(&header), expression.to_vec()].concat()
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|w| w.to_be_bytes()).collect()
    }

    #[test]
    fn expressions_are_spelled_as_codesign_spells_them() {
        let id = [words(&[2, 3]), b"abc\0".to_vec()].concat();
        let team = [
            words(&[11, 0, 10]),
            b"subject.OU\0\0".to_vec(),
            words(&[1, 4]),
            b"TEAM".to_vec(),
        ]
        .concat();
        let marker = [
            words(&[14, 1, 10]),
            b"\x2a\x86\x48\x86\xf7\x63\x64\x06\x02\x06\0\0".to_vec(),
            words(&[0]),
        ]
        .concat();
        let whole = [words(&[6]), id.clone(), words(&[6, 15, 7]), marker, words(&[9]), team].concat();
        assert_eq!(
            designated(&set(&whole)).unwrap(),
            "identifier \"abc\" and (anchor apple generic and (certificate 1[field.1.2.840.113635.100.6.2.6] exists or ! \
             certificate leaf[subject.OU] = \"TEAM\"))"
        );
        assert_eq!(designated(&set(&id)).unwrap(), "identifier \"abc\"");
    }

    #[test]
    fn what_cannot_be_spelled_is_left_out() {
        for broken in [
            words(&[]),
            words(&[99]),
            words(&[6, 3]),
            words(&[2, 0x4000_0000]),
            words(&[9; 1000]),
        ] {
            assert_eq!(designated(&set(&broken)), None);
        }
        let sound = set(&words(&[9, 3]));
        assert_eq!(designated(&sound).unwrap(), "! anchor apple");
        for cut in 0..sound.len() {
            assert_eq!(designated(&sound[..cut]), None);
        }
    }
}
