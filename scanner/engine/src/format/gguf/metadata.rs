//! Metadata: key, type, value; one leaf each, however long its array is.

use super::reader::Reader;
use super::{LONG_NAME, Names, length_overflow, name_fact};
use crate::finding::{ErrorCode, Finding, ScanError, code};
use crate::format::{Parse, ReadFault};
use crate::ledger::Role;
use crate::name;
use crate::span::Span;

/// The longest key, in bytes (gguf.md, `gguf_metadata_kv_t`).
const LONGEST_KEY: u64 = 65_535;
/// Arrays inside each other that are followed.
const MAX_DEPTH: usize = 64;
/// `general.alignment` when it is not stated.
const DEFAULT_ALIGNMENT: u64 = 32;

const U32: u32 = 4;
const BOOL: u32 = 7;
const STRING: u32 = 8;
const ARRAY: u32 = 9;

/// What a value was.
enum Value {
    /// A number of up to 8 bytes, and its type.
    Number(u64, u32),
    /// A string, and where its bytes stand.
    Text(Span),
    /// An array of so many elements.
    Array(u64),
    /// Anything else.
    Other,
    /// A value whose end cannot be told.
    Endless,
}

/// The size in bytes of a value of a type that is not a string or an array.
fn fixed(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | BOOL => Some(1),
        2 | 3 => Some(2),
        U32 | 5 | 6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

/// Reads `count` pairs and claims each. The alignment they state; `None` when the end of a value cannot be told.
pub(super) fn read(reader: &mut Reader<'_, '_>, count: u64, out: &mut Parse) -> Result<Option<u64>, ReadFault> {
    let mut alignment = DEFAULT_ALIGNMENT;
    let mut names = Names::default();
    let mut vocabulary = Vocabulary::default();
    for _ in 0..count {
        let start = reader.position();
        let (key, key_span) = string(reader, "a key", out)?;
        names.add("metadata key", &key, key_span, out);
        name_fact("key", &key, key_span, out);
        if key.is_empty() {
            out.malformed(key_span, "gguf: an empty metadata key (gguf.cpp)");
        } else if key_span.len() > LONGEST_KEY {
            out.malformed(
                key_span,
                "gguf: a metadata key longer than 65,535 bytes (gguf.md, gguf_metadata_kv_t)",
            );
        }
        let type_place = reader.position();
        let kind = reader.u32()?;
        let value = value(reader, kind, type_place, out)?;
        let span = Span::new(start, reader.position());
        let shown = if key.is_empty() {
            "(empty key)".to_owned()
        } else {
            name::printable(&key)
        };
        match value {
            Value::Endless => return Ok(None),
            Value::Text(text) if key.starts_with(b"tokenizer.chat_template") && !text.is_empty() => {
                out.leaf(Span::new(start, text.start()), Role::Metadata, shown);
                out.slice(text, key, true);
                continue;
            }
            Value::Array(count) if key.starts_with(b"tokenizer.") => vocabulary.add(&key, count, span),
            Value::Number(number, kind) if *key == *b"general.alignment" => {
                alignment = self::alignment(number, kind, span, out);
            }
            Value::Text(_) | Value::Array(_) | Value::Other if *key == *b"general.alignment" => {
                out.malformed(
                    span,
                    "gguf: general.alignment is not a u32 (gguf.md, general.alignment)",
                );
            }
            _ => {}
        }
        out.leaf(span, Role::Metadata, shown);
    }
    vocabulary.report(out);
    Ok(Some(alignment))
}

/// The arrays about one vocabulary, which readers index alike.
#[derive(Default)]
struct Vocabulary {
    arrays: Vec<(&'static str, u64, Span)>,
}

impl Vocabulary {
    fn add(&mut self, key: &[u8], count: u64, span: Span) {
        let name = match key {
            b"tokenizer.ggml.tokens" => "tokens",
            b"tokenizer.ggml.scores" => "scores",
            b"tokenizer.ggml.token_type" => "token_type",
            _ => return,
        };
        // A key that stands twice is told by itself.
        if !self.arrays.iter().any(|(known, ..)| *known == name) {
            self.arrays.push((name, count, span));
        }
    }

    fn report(&self, out: &mut Parse) {
        let Some((_, tokens, first)) = self.arrays.iter().find(|(name, ..)| *name == "tokens") else {
            return;
        };
        for (name, count, span) in self.arrays.iter().filter(|(_, count, _)| count != tokens) {
            let message = format!("tokenizer.ggml.{name} has {count} elements, tokenizer.ggml.tokens {tokens}");
            let finding = Finding::new(code::TOKENIZER_ODDITY, *span, message).case("lengths");
            let finding = finding.evidence("tokens", *tokens).evidence("elements", *count);
            out.finding(finding.related("tokens", *first).key(*name));
        }
    }
}

/// The alignment that a value states, or the default when it cannot be one.
fn alignment(number: u64, kind: u32, span: Span, out: &mut Parse) -> u64 {
    if kind != U32 {
        out.malformed(
            span,
            "gguf: general.alignment is not a u32 (gguf.md, general.alignment)",
        );
    }
    if number == 0 {
        let rule = "gguf: general.alignment is 0, by which a reader divides (gguf.md, general.alignment)";
        out.finding(Finding::new(code::MALFORMED, span, rule).case("crash").key(rule));
    } else if !number.is_power_of_two() {
        out.malformed(span, "gguf: general.alignment is not a power of two (gguf.cpp)");
    } else {
        if number < 8 {
            let rule = "gguf: general.alignment is not a multiple of 8 (gguf.md, general.alignment)";
            out.finding(Finding::new(code::MALFORMED, span, rule).case("lenient").key(rule));
        }
        return number;
    }
    DEFAULT_ALIGNMENT
}

fn string(reader: &mut Reader<'_, '_>, what: &str, out: &mut Parse) -> Result<(Vec<u8>, Span), ReadFault> {
    let start = reader.position();
    match reader.string(LONG_NAME) {
        Err(ReadFault::PastEnd { offset, wanted, length }) => {
            if offset > start {
                length_overflow(wanted, start, what, out);
            }
            Err(ReadFault::PastEnd { offset, wanted, length })
        }
        read => read,
    }
}

fn value(reader: &mut Reader<'_, '_>, kind: u32, place: u64, out: &mut Parse) -> Result<Value, ReadFault> {
    match kind {
        STRING => Ok(Value::Text(text(reader, out)?)),
        ARRAY => array(reader, out),
        0 | 1 | BOOL => {
            let start = reader.position();
            let byte = reader.u8()?;
            if kind == BOOL && byte > 1 {
                let rule = "gguf: a bool is neither 0 nor 1 (gguf.md, GGUF_METADATA_VALUE_TYPE_BOOL)";
                let finding = Finding::new(code::MALFORMED, Span::saturating_at(start, 1), rule);
                out.finding(finding.case("lenient").key(rule));
            }
            Ok(Value::Number(u64::from(byte), kind))
        }
        U32 | 5 | 6 => Ok(Value::Number(u64::from(reader.u32()?), kind)),
        10..=12 => Ok(Value::Number(reader.u64()?, kind)),
        _ => match fixed(kind) {
            Some(size) => reader.skip(size).map(|_| Value::Other),
            None => Ok(unknown(kind, place, out)),
        },
    }
}

/// Passes over a string and returns where its bytes stand.
fn text(reader: &mut Reader<'_, '_>, out: &mut Parse) -> Result<Span, ReadFault> {
    let start = reader.position();
    let length = reader.word()?;
    if length > reader.remaining() {
        length_overflow(length, start, "a string", out);
    }
    reader.skip(length)
}

/// Passes over an array, and over those inside it, without recursion.
fn array(reader: &mut Reader<'_, '_>, out: &mut Parse) -> Result<Value, ReadFault> {
    // The arrays of arrays that are open: how many elements of each are still to come.
    let mut open: Vec<u64> = Vec::new();
    let mut outermost = None;
    loop {
        let place = reader.position();
        let kind = reader.u32()?;
        let count = reader.word()?;
        outermost.get_or_insert(count);
        let size = match kind {
            STRING => Some(reader.word_size()),
            ARRAY => Some(reader.word_size().saturating_add(4)),
            _ => fixed(kind),
        };
        let Some(size) = size else {
            return Ok(unknown(kind, place, out));
        };
        let Some(needed) = count.checked_mul(size) else {
            let rule = "gguf: the size of an array overflows 64 bits (CVE-2024-21825, gguf.cpp)";
            let span = Span::new(place, reader.position());
            out.finding(
                Finding::new(code::MALFORMED, span, rule)
                    .case("crash")
                    .evidence("count", count)
                    .key(rule),
            );
            return reader.skip(u64::MAX).map(|_| Value::Endless);
        };
        if needed > reader.remaining() {
            return reader.skip(needed).map(|_| Value::Endless);
        }
        match kind {
            ARRAY if count > 0 => {
                if open.len() >= MAX_DEPTH {
                    let message = format!("arrays nest more than {MAX_DEPTH} levels deep and were not read past that");
                    out.error(ScanError::new(ErrorCode::LimitExceeded, message).at(place));
                    let rule = "gguf: arrays inside arrays, deeper than any reader follows (gguf.cpp reads one level)";
                    let span = Span::new(place, reader.position());
                    out.finding(Finding::new(code::MALFORMED, span, rule).case("crash").key(rule));
                    return Ok(Value::Endless);
                }
                open.push(count);
            }
            ARRAY => {}
            STRING => {
                for _ in 0..count {
                    text(reader, out)?;
                }
            }
            _ => {
                reader.skip(needed)?;
            }
        }
        loop {
            match open.last_mut() {
                None => return Ok(Value::Array(outermost.unwrap_or(0))),
                Some(0) => {
                    open.pop();
                }
                Some(left) => {
                    *left = left.saturating_sub(1);
                    break;
                }
            }
        }
    }
}

fn unknown(kind: u32, place: u64, out: &mut Parse) -> Value {
    let span = Span::saturating_at(place, 4);
    let rule = "gguf: an unknown metadata type (gguf.md, gguf_metadata_value_type)";
    out.finding(
        Finding::new(code::MALFORMED, span, rule)
            .evidence("type", u64::from(kind))
            .key(rule),
    );
    let message = format!("metadata of type {kind} has no known size; nothing after it was read");
    out.error(ScanError::new(ErrorCode::Unsupported, message).at(place));
    Value::Endless
}
