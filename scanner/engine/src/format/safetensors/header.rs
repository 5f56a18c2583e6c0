//! The JSON header: `__metadata__`, a map of strings, and one entry a tensor.
//!
//! | field of an entry | value |
//! | --- | --- |
//! | `dtype` | a string of the table in `dtype` |
//! | `shape` | an array of non-negative integers, outermost dimension first |
//! | `data_offsets` | two such integers: first byte and end, from the end of the header |
//!
//! Read in one pass, in any order of keys. A tensor claims the bytes that both its offsets and its shape account for.

use super::dtype::{self, NoSize};
use super::keys::Keys;
use super::{MAX_DEPTH, PREFIX};
use crate::fact::Fact;
use crate::finding::{ErrorCode, Finding, ScanError, code};
use crate::format::Parse;
use crate::ledger::{Region, Role};
use crate::name;
use crate::span::Span;
use crate::walk::json::{JsonFault, JsonWalker, Token, TokenKind, as_u64};

/// The longest tensor name or metadata key without a fact of its own, in bytes.
const LONG_NAME: usize = 4096;

/// What the pass over a header came to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Account {
    /// Where the JSON value ends, in bytes from the header's start; where the fault is, when it has one.
    pub(super) text_end: u64,
    /// Whether the header is one JSON value with nothing but white space after it.
    pub(super) complete: bool,
    /// Whether a rule is broken that every reader must check.
    pub(super) broken: bool,
    /// Whether a key stands twice.
    pub(super) repeats: bool,
    /// Tensor entries.
    pub(super) tensors: u64,
    /// JSON tokens.
    pub(super) tokens: u64,
}

/// A pass over one header.
pub(super) struct Header<'h, 'o> {
    bytes: &'h [u8],
    walker: JsonWalker<'h>,
    /// The tensors' bytes; `None` when the header does not end inside the file.
    data: Option<Span>,
    out: &'o mut Parse,
    account: Account,
    fault: Option<JsonFault>,
    names: Keys,
    labels: Keys,
    shape: Vec<u64>,
    offsets: Vec<u64>,
    missing: Missing,
}

/// Tensors whose bytes lie past the end of the file.
#[derive(Default)]
struct Missing {
    count: u64,
    end: u64,
    first: String,
}

/// The fields of a tensor's entry seen so far; a shape and offsets are in the pass's buffers.
#[derive(Default)]
struct Entry {
    dtype: Option<String>,
    shape: bool,
    offsets: bool,
    broken: bool,
}

impl<'h, 'o> Header<'h, 'o> {
    /// A pass over `bytes`, the header as far as the file holds it.
    pub(super) fn new(bytes: &'h [u8], data: Option<Span>, out: &'o mut Parse) -> Self {
        Self {
            bytes,
            walker: JsonWalker::new(bytes, PREFIX, MAX_DEPTH),
            data,
            out,
            account: Account::default(),
            fault: None,
            names: Keys::default(),
            labels: Keys::default(),
            shape: Vec::new(),
            offsets: Vec::new(),
            missing: Missing::default(),
        }
    }

    /// Reads the header: claims the tensors, emits their facts, says which rules are broken.
    pub(super) fn read(mut self) -> Account {
        self.account.text_end = self.length();
        if self.bytes.first().is_some_and(u8::is_ascii_whitespace) {
            self.lenient(
                Span::saturating_at(PREFIX, 1),
                "safetensors: the header does not begin with { (README, Format)",
            );
        }
        let read = self.top();
        if read.is_some() {
            let rest = self.walker.next();
            self.account.complete = rest.is_none();
            self.fault = self.fault.or(rest.and_then(Result::err));
        }
        if let Some(fault) = self.fault {
            self.unreadable(fault, read.is_some());
        }
        self.past_the_end();
        let Self {
            bytes,
            out,
            mut account,
            names,
            labels,
            ..
        } = self;
        account.repeats |= names.report(bytes, "tensor", out);
        account.repeats |= labels.report(bytes, "metadata key", out);
        account
    }

    fn top(&mut self) -> Option<()> {
        let first = self.next()?;
        if first.kind != TokenKind::ObjectStart {
            self.broken(
                first.span,
                "safetensors: the header is not a JSON object (README, Format)",
            );
            self.skip(&first)?;
            self.account.text_end = self.here();
            return Some(());
        }
        loop {
            let token = self.next()?;
            let TokenKind::Key(key) = token.kind else { break };
            self.names.push(&key, token.span);
            if key == "__metadata__" {
                self.metadata()?;
            } else {
                self.tensor(&key, token.span)?;
            }
        }
        self.account.text_end = self.here();
        Some(())
    }

    fn metadata(&mut self) -> Option<()> {
        let first = self.next()?;
        match first.kind {
            TokenKind::ObjectStart => {}
            TokenKind::Null => {
                self.lenient(first.span, "safetensors: __metadata__ is null (README, Format)");
                return Some(());
            }
            _ => {
                self.broken(first.span, "safetensors: __metadata__ is not a map (README, Format)");
                return self.skip(&first);
            }
        }
        loop {
            let token = self.next()?;
            let TokenKind::Key(key) = token.kind else {
                return Some(());
            };
            self.labels.push(&key, token.span);
            self.name("key", &key, token.span);
            let value = self.next()?;
            if !matches!(value.kind, TokenKind::String(_)) {
                self.broken(
                    value.span,
                    "safetensors: a value of __metadata__ is not a string (README, Format)",
                );
                self.skip(&value)?;
            }
        }
    }

    fn tensor(&mut self, name: &str, place: Span) -> Option<()> {
        self.account.tensors = self.account.tensors.saturating_add(1);
        self.name("tensor", name, place);
        let first = self.next()?;
        if first.kind != TokenKind::ObjectStart {
            self.broken(
                first.span,
                "safetensors: a tensor's entry is not an object (README, Format)",
            );
            return self.skip(&first);
        }
        let mut entry = Entry::default();
        loop {
            let token = self.next()?;
            let TokenKind::Key(key) = token.kind else { break };
            match &*key {
                "dtype" => self.dtype(&mut entry, token.span)?,
                "shape" => self.shape(&mut entry, token.span)?,
                "data_offsets" => self.data_offsets(&mut entry, token.span)?,
                _ => {
                    self.lenient(
                        token.span,
                        "safetensors: an unknown key in a tensor's entry (README, Format)",
                    );
                    let value = self.next()?;
                    self.skip(&value)?;
                }
            }
        }
        let entry_span = Span::new(place.start(), self.walker.position());
        self.settle(name, entry_span, &entry);
        Some(())
    }

    fn dtype(&mut self, entry: &mut Entry, key: Span) -> Option<()> {
        self.once(entry.dtype.is_some(), "dtype", key);
        let value = self.next()?;
        if let TokenKind::String(text) = value.kind {
            entry.dtype = Some(text.into_owned());
            return Some(());
        }
        entry.broken = true;
        self.broken(value.span, "safetensors: a dtype is not a string (README, Format)");
        self.skip(&value)
    }

    fn shape(&mut self, entry: &mut Entry, key: Span) -> Option<()> {
        self.once(entry.shape, "shape", key);
        let mut shape = std::mem::take(&mut self.shape);
        let sound = self.numbers(
            &mut shape,
            "safetensors: a shape is not an array of non-negative integers (README, Format)",
        );
        self.shape = shape;
        entry.shape = true;
        entry.broken |= !sound?;
        Some(())
    }

    fn data_offsets(&mut self, entry: &mut Entry, key: Span) -> Option<()> {
        const RULE: &str = "safetensors: data_offsets are not two non-negative integers (README, Format)";
        self.once(entry.offsets, "data_offsets", key);
        let start = self.walker.position();
        let mut offsets = std::mem::take(&mut self.offsets);
        let sound = self.numbers(&mut offsets, RULE);
        self.offsets = offsets;
        entry.offsets = true;
        let sound = sound?;
        if sound && self.offsets.len() != 2 {
            self.broken(Span::new(start, self.walker.position()), RULE);
        }
        entry.broken |= !sound || self.offsets.len() != 2;
        Some(())
    }

    /// Reads an array of integers into `into`; `Some(false)`, having said `rule`, when it is something else.
    fn numbers(&mut self, into: &mut Vec<u64>, rule: &str) -> Option<bool> {
        into.clear();
        let first = self.next()?;
        if first.kind != TokenKind::ArrayStart {
            self.broken(first.span, rule);
            self.skip(&first)?;
            return Some(false);
        }
        let mut sound = true;
        loop {
            let token = self.next()?;
            let number = match token.kind {
                TokenKind::ArrayEnd => return Some(sound),
                TokenKind::Number(raw) => as_u64(raw),
                _ => None,
            };
            match number {
                Some(number) => into.push(number),
                None => {
                    if sound {
                        self.broken(token.span, rule);
                    }
                    sound = false;
                    self.skip(&token)?;
                }
            }
        }
    }

    /// An entry is read: checks its fields against each other and against the file, and claims its bytes.
    fn settle(&mut self, name: &str, place: Span, entry: &Entry) {
        let (Some(dtype), true, true) = (&entry.dtype, entry.shape, entry.offsets) else {
            if !entry.broken {
                self.broken(
                    place,
                    "safetensors: a tensor's entry lacks dtype, shape or data_offsets (README, Format)",
                );
            }
            return;
        };
        let (false, &[begin, end]) = (entry.broken, self.offsets.as_slice()) else {
            return;
        };
        let size = match dtype::size(dtype, &self.shape) {
            Ok(size) => Some(size),
            Err(why) => {
                self.no_size(why, dtype, place);
                None
            }
        };
        let Some(declared) = end.checked_sub(begin) else {
            return self.broken(place, "safetensors: data_offsets run backwards (README, Format)");
        };
        if let Some(size) = size.filter(|size| *size != declared) {
            let rule = "safetensors: data_offsets span another size than shape and dtype (README, Format)";
            let finding = Finding::new(code::MALFORMED, place, rule).key(rule);
            let finding = finding.evidence("tensor", name::printable(name.as_bytes()));
            self.out
                .finding(finding.evidence("declared", declared).evidence("size", size));
            self.account.broken = true;
        }
        let Some(data) = self.data else { return };
        let length = size.map_or(declared, |size| size.min(declared));
        let start = data
            .start()
            .checked_add(begin)
            .filter(|start| start.checked_add(declared).is_some());
        let Some(start) = start else {
            return self.crash(place, "safetensors: data_offsets overflow 64 bits (README, Format)");
        };
        let span = Span::saturating_at(start, length);
        if start.saturating_add(declared) > data.end() {
            if self.missing.count == 0 {
                self.missing.first = name::printable(name.as_bytes());
            }
            self.missing.count = self.missing.count.saturating_add(1);
            self.missing.end = self.missing.end.max(end);
        }
        self.out.region(Region {
            span,
            role: Role::Tensor,
            name: format!("tensor {}", name::printable(name.as_bytes())).into(),
            parent: None,
            leaf: true,
            fill: None,
            shares: Some("tensors"),
        });
        self.out.fact(Fact::Tensor {
            name: name.into(),
            dtype: dtype.as_str().into(),
            shape: self.shape.clone(),
            span: span.intersect(Span::new(0, data.end())),
        });
    }

    fn no_size(&mut self, why: NoSize, dtype: &str, place: Span) {
        match why {
            NoSize::Unknown => {
                self.broken(place, "safetensors: an unknown dtype (README, Format)");
                let message = format!(
                    "tensors of dtype {} were not examined",
                    name::printable(dtype.as_bytes())
                );
                self.out
                    .error(ScanError::new(ErrorCode::Unsupported, message).at(place.start()));
            }
            NoSize::Overflow => self.crash(
                place,
                "safetensors: the size of a shape overflows 64 bits (README, Format)",
            ),
            NoSize::Fraction => self.broken(place, "safetensors: a tensor ends inside a byte (README, Format)"),
        }
    }

    /// The JSON could not be read to its end.
    fn unreadable(&mut self, fault: JsonFault, value_ended: bool) {
        self.account.broken = true;
        if !value_ended {
            self.account.text_end = fault.offset.saturating_sub(PREFIX).min(self.length());
        }
        if self.data.is_none() {
            // The file does not hold the header to its end: `truncated` says so.
            return;
        }
        let span = Span::saturating_at(fault.offset, 1);
        let rule = format!("safetensors: the header is not JSON: {} (RFC 8259)", fault.rule);
        if self.walker.depth() >= MAX_DEPTH {
            let message = format!("the header nests more than {MAX_DEPTH} levels deep and was not read past that");
            self.out
                .error(ScanError::new(ErrorCode::LimitExceeded, message).at(fault.offset));
            self.out
                .finding(Finding::new(code::MALFORMED, span, &*rule).case("crash").key(rule));
        } else {
            self.out.malformed(span, &rule);
        }
    }

    fn past_the_end(&mut self) {
        let Some(data) = self.data else { return };
        let Missing { count, end, first } = &self.missing;
        if *count > 0 {
            let message = format!(
                "{count} tensors, {first} first, lie past the end: {end} bytes of data needed, {} there",
                data.len()
            );
            let finding = Finding::new(code::TRUNCATED, data, message)
                .evidence("tensors", *count)
                .key("tensor data");
            self.out.finding(finding.evidence("needed", *end));
        }
    }

    fn once(&mut self, again: bool, field: &'static str, key: Span) {
        if again {
            let message = format!("{field} stands twice in a tensor's entry, and readers differ in which one counts");
            self.out
                .finding(Finding::new(code::DUPLICATE_KEY, key, message).key(field));
            self.account.repeats = true;
        }
    }

    fn name(&mut self, what: &'static str, text: &str, span: Span) {
        let plain =
            text.len() <= LONG_NAME && (text.bytes().all(|b| b.is_ascii_graphic()) || !text.chars().any(name::hidden));
        if !plain {
            let raw = text.as_bytes();
            let length = u64::try_from(raw.len()).unwrap_or(u64::MAX);
            let raw = raw.get(..LONG_NAME).unwrap_or(raw).into();
            self.out.fact(Fact::Name {
                what,
                raw,
                length,
                span,
            });
        }
    }

    fn next(&mut self) -> Option<Token<'h>> {
        match self.walker.next()? {
            Ok(token) => {
                self.account.tokens = self.account.tokens.saturating_add(1);
                Some(token)
            }
            Err(fault) => {
                self.fault = Some(fault);
                None
            }
        }
    }

    /// Passes over the rest of the value that `token` begins.
    fn skip(&mut self, token: &Token<'h>) -> Option<()> {
        if matches!(token.kind, TokenKind::ObjectStart | TokenKind::ArrayStart) {
            self.walker
                .skip_value()
                .map_err(|fault| self.fault = Some(fault))
                .ok()?;
        }
        Some(())
    }

    fn here(&self) -> u64 {
        self.walker.position().saturating_sub(PREFIX)
    }

    fn length(&self) -> u64 {
        u64::try_from(self.bytes.len()).unwrap_or(u64::MAX)
    }

    fn broken(&mut self, span: Span, rule: &str) {
        self.out.malformed(span, rule);
        self.account.broken = true;
    }

    fn crash(&mut self, span: Span, rule: &str) {
        self.out
            .finding(Finding::new(code::MALFORMED, span, rule).case("crash").key(rule));
        self.account.broken = true;
    }

    fn lenient(&mut self, span: Span, rule: &str) {
        self.out
            .finding(Finding::new(code::MALFORMED, span, rule).case("lenient").key(rule));
    }
}
