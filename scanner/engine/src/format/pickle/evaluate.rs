//! Texts that a stream makes while it loads: `"".join(["o", "s"])`, `bytes.fromhex`, rot13, base64.
//!
//! None of these callables is reviewed, so using one is a finding by itself; evaluating it names what is really meant.
//! Nothing here runs longer than its arguments are, and what it does not know stays unknown.

use super::machine::Machine;
use super::term::{Node, Value};
use super::uses::GlobalId;
use crate::format::encoded::{Encoding, decode};

/// The longest text, in bytes, that is read or made.
const LONGEST: usize = 1 << 16;

impl Machine<'_, '_, '_> {
    /// What calling `id` with `args` returns, where that is text, bytes or an item of an argument.
    pub(super) fn evaluate(&mut self, id: GlobalId, args: &[Value]) -> Option<Value> {
        let (module, name) = self.uses.names(id);
        let module = module.trim_start_matches('_');
        let name = match (module, name) {
            ("builtins", name) => name
                .strip_prefix("bytearray.")
                .or(name.strip_prefix("bytes."))
                .or(name.strip_prefix("str."))
                .unwrap_or(name),
            ("operator" | "codecs" | "base64" | "binascii", name) => name,
            _ => return None,
        }
        .to_owned();
        let made = match name.as_str() {
            "getitem" | "__getitem__" => return self.item_of(args),
            "join" => self.join(args)?,
            "chr" => match args {
                [Value::Int(code)] => char::from_u32(u32::try_from(*code).ok()?)?.to_string().into_bytes(),
                _ => return None,
            },
            "concat" | "iconcat" | "add" | "iadd" | "__add__" => {
                let [left, right] = args else { return None };
                [self.bytes(*left)?, self.bytes(*right)?].concat()
            }
            "format" => self.format(args)?,
            "replace" => {
                let [text, from, to, ..] = args else { return None };
                let (text, from, to) = (self.string(*text)?, self.string(*from)?, self.string(*to)?);
                if from.is_empty() || to.len() > 64 {
                    return None;
                }
                text.replace(&from, &to).into_bytes()
            }
            "lower" | "casefold" => self.string(*args.first()?)?.to_lowercase().into_bytes(),
            "upper" => self.string(*args.first()?)?.to_uppercase().into_bytes(),
            "strip" | "__str__" | "__format__" => self.string(*args.first()?)?.trim().to_owned().into_bytes(),
            "fromhex" | "unhexlify" | "a2b_hex" | "b16decode" => unhex(&self.bytes(*args.last()?)?)?,
            "b64decode" | "urlsafe_b64decode" | "standard_b64decode" | "decodebytes" | "decodestring"
            | "a2b_base64" => decode(Encoding::Base64, &self.bytes(*args.first()?)?)?,
            "b32decode" => decode(Encoding::Base32, &self.bytes(*args.first()?)?)?,
            "b85decode" => decode(Encoding::Base85, &self.bytes(*args.first()?)?)?,
            "a85decode" => decode(Encoding::Ascii85, &self.bytes(*args.first()?)?)?,
            "str" | "bytes" | "bytearray" | "decode" | "encode" => self.recode(args)?,
            _ => return None,
        };
        (made.len() <= LONGEST).then(|| self.arena.string(made))
    }

    fn bytes(&self, value: Value) -> Option<Vec<u8>> {
        match value {
            Value::Text(text) if usize::try_from(text.length).is_ok_and(|n| n <= LONGEST) => {
                let raw = self.raw(text.offset, text.length)?;
                Some(text.spelling.decode(&raw).into_bytes())
            }
            Value::Bytes { offset, length } if usize::try_from(length).is_ok_and(|n| n <= LONGEST) => {
                self.raw(offset, length)
            }
            Value::Made(id) => self.arena.made(id).map(<[u8]>::to_vec),
            _ => None,
        }
    }

    fn string(&self, value: Value) -> Option<String> {
        self.bytes(value)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    fn parts(&self, value: Value) -> Option<Vec<Value>> {
        match self.arena.get(value)? {
            Node::Tuple { items, length } if u64::try_from(items.len()).ok() == Some(*length) => Some(items.to_vec()),
            Node::List { items, length } if u64::try_from(items.len()).ok() == Some(*length) => Some(items.clone()),
            _ => None,
        }
    }

    fn item_of(&mut self, args: &[Value]) -> Option<Value> {
        let [of, at] = args else { return None };
        match (self.arena.get(*of)?, at) {
            (Node::Object { made: None, items, .. }, key) => {
                let items = items.clone();
                let wanted = self.bytes(*key)?;
                items
                    .into_iter()
                    .rev()
                    .find(|(key, _)| self.bytes(*key).is_some_and(|k| k == wanted))
                    .map(|(_, v)| v)
            }
            (_, Value::Int(at)) => self.parts(*of)?.get(usize::try_from(*at).ok()?).copied(),
            _ => None,
        }
    }

    fn join(&self, args: &[Value]) -> Option<Vec<u8>> {
        let [between, parts] = args else { return None };
        let between = self.bytes(*between)?;
        let parts: Vec<Vec<u8>> = self
            .parts(*parts)?
            .into_iter()
            .map(|part| self.bytes(part))
            .collect::<Option<_>>()?;
        let length = parts
            .iter()
            .fold(0usize, |n, p| n.saturating_add(p.len()).saturating_add(between.len()));
        (length <= LONGEST).then(|| parts.join(&between[..]))
    }

    /// `"{}{}".format(...)`: fields in order or by number.
    fn format(&self, args: &[Value]) -> Option<Vec<u8>> {
        let (pattern, args) = args.split_first()?;
        let pattern = self.string(*pattern)?;
        let mut out = String::new();
        let mut rest = pattern.as_str();
        let mut next = 0usize;
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            let (field, after) = after.split_once('}')?;
            let at = if field.is_empty() { next } else { field.parse().ok()? };
            next = next.saturating_add(1);
            match args.get(at)? {
                Value::Int(number) => out.push_str(&number.to_string()),
                other => out.push_str(&self.string(*other)?),
            }
            rest = after;
            if out.len() > LONGEST {
                return None;
            }
        }
        out.push_str(rest);
        Some(out.into_bytes())
    }

    /// `str(b"..", codec)`, `b"..".decode(codec)`, `codecs.encode(text, codec)`, `bytes([111, 115])`.
    fn recode(&self, args: &[Value]) -> Option<Vec<u8>> {
        let (first, rest) = args.split_first()?;
        if let Some(numbers) = self.parts(*first) {
            let byte = |value: Value| match value {
                Value::Int(n) => u8::try_from(n).ok(),
                _ => None,
            };
            return numbers.into_iter().map(byte).collect();
        }
        let bytes = self.bytes(*first)?;
        let codec = rest.first().and_then(|codec| self.string(*codec)).unwrap_or_default();
        match codec.to_ascii_lowercase().replace('-', "_").as_str() {
            "rot13" | "rot_13" => Some(bytes.iter().map(|byte| rot13(*byte)).collect()),
            "hex" | "hex_codec" => unhex(&bytes),
            "base64" | "base64_codec" => decode(Encoding::Base64, &bytes),
            "utf_16" | "utf_16_le" | "utf16" => {
                let units: Vec<u16> = bytes
                    .chunks_exact(2)
                    .filter_map(|c| c.first_chunk())
                    .map(|c| u16::from_le_bytes(*c))
                    .collect();
                Some(
                    String::from_utf16_lossy(&units)
                        .trim_start_matches('\u{feff}')
                        .to_owned()
                        .into_bytes(),
                )
            }
            _ => Some(bytes),
        }
    }
}

fn rot13(byte: u8) -> u8 {
    match byte {
        b'a'..=b'm' | b'A'..=b'M' => byte.saturating_add(13),
        b'n'..=b'z' | b'N'..=b'Z' => byte.saturating_sub(13),
        other => other,
    }
}

fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let (pairs, odd) = digits.as_chunks::<2>();
    if !odd.is_empty() {
        return None;
    }
    pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
        .collect()
}
