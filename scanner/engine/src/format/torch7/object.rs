//! Objects, with a stack of how many are still to come instead of recursion.

use crate::fact::Fact;
use crate::format::{Cursor, Input, Parse, ReadFault};
use crate::ledger::Role;
use crate::name::printable;
use crate::span::Span;
use std::collections::HashSet;

/// What stops the walk.
pub(super) enum Stop {
    Fault(ReadFault),
    Malformed(Span, &'static str),
    Limit,
}

impl From<ReadFault> for Stop {
    fn from(fault: ReadFault) -> Self {
        Self::Fault(fault)
    }
}

/// A function that was met.
pub(super) struct Function {
    pub(super) bytes: Span,
    pub(super) begins: Vec<u8>,
}

const DEEPEST: usize = 1 << 16;
const FUNCTIONS: usize = 64;
/// The most objects that are remembered by their index.
const INDEXED: usize = 4 << 20;

pub(super) struct Walk<'i, 'a> {
    cursor: Cursor<'i, 'a>,
    text: bool,
    /// Objects that are still to come, level by level.
    open: Vec<u64>,
    known: HashSet<u64>,
    functions: Vec<Function>,
    /// Elements of storages, which are leaves of their own.
    storages: Vec<Span>,
    /// The type and shape of the tensor whose storage comes next.
    tensor: Option<(String, Vec<u64>)>,
}

impl<'i, 'a> Walk<'i, 'a> {
    pub(super) fn new(input: &'i Input<'a>, text: bool) -> Self {
        Self {
            cursor: Cursor::new(input, input.whole()),
            text,
            open: vec![1],
            known: HashSet::new(),
            functions: Vec::new(),
            storages: Vec::new(),
            tensor: None,
        }
    }

    pub(super) fn position(&self) -> u64 {
        self.cursor.position()
    }

    pub(super) fn functions(&self) -> &[Function] {
        &self.functions
    }

    /// Claims what was read, up to `end`: elements, and the structure between them.
    pub(super) fn claim(&self, end: u64, out: &mut Parse) {
        let mut at = 0;
        for span in &self.storages {
            if at < span.start() {
                out.leaf(Span::new(at, span.start()), Role::Data, "objects");
            }
            out.leaf(*span, Role::Tensor, "elements");
            at = span.end();
        }
        if at < end {
            out.leaf(Span::new(at, end), Role::Data, "objects");
        }
    }

    pub(super) fn run(&mut self, out: &mut Parse) -> Result<(), Stop> {
        while let Some(left) = self.open.last_mut() {
            match left.checked_sub(1) {
                None => {
                    self.open.pop();
                }
                Some(fewer) => {
                    *left = fewer;
                    self.object(out)?;
                }
            }
            if self.open.len() > DEEPEST || self.known.len() > INDEXED {
                return Err(Stop::Limit);
            }
        }
        Ok(())
    }

    /// An `int`, of which none is negative here.
    fn int(&mut self) -> Result<u64, Stop> {
        if self.text {
            return self.word();
        }
        let at = self.position();
        let value = self.cursor.u32_le()?;
        if value > 0x7fff_ffff {
            return Err(Stop::Malformed(
                Span::saturating_at(at, 4),
                "t7: a negative length or index (File.lua)",
            ));
        }
        Ok(u64::from(value))
    }

    fn long(&mut self) -> Result<u64, Stop> {
        if self.text {
            self.word()
        } else {
            Ok(self.cursor.u64_le()?)
        }
    }

    /// A word of text, as a number; what follows it is passed over.
    fn word(&mut self) -> Result<u64, Stop> {
        let start = self.position();
        let mut digits = Vec::new();
        while let Some(byte) = self.cursor.peek()? {
            let blank = matches!(byte, b'\n' | b' ' | b'\r' | b'\t');
            if blank && !digits.is_empty() {
                break;
            }
            self.cursor.skip(1)?;
            if !blank {
                digits.push(byte);
            }
            if digits.len() > 40 {
                break;
            }
        }
        if digits.is_empty() {
            return Err(Stop::Fault(ReadFault::PastEnd {
                offset: start,
                wanted: 1,
                length: self.position(),
            }));
        }
        let text = std::str::from_utf8(&digits).unwrap_or_default();
        let whole = text.split('.').next().unwrap_or_default();
        whole.parse().map_err(|_| {
            let span = Span::new(start, self.position());
            Stop::Malformed(span, "t7: a word that is no number (File.lua)")
        })
    }

    fn number(&mut self) -> Result<(), Stop> {
        if !self.text {
            self.cursor.skip(8)?;
            return Ok(());
        }
        // Any word: numbers of text may be negative, fractions, `nan`.
        let mut length = 0u64;
        while let Some(byte) = self.cursor.peek()? {
            let blank = matches!(byte, b'\n' | b' ');
            if blank && length > 0 || length > 64 {
                break;
            }
            self.cursor.skip(1)?;
            length = length.saturating_add(u64::from(!blank));
        }
        Ok(())
    }

    /// A length and so many bytes: where they are, and the first 64 of them.
    fn string(&mut self) -> Result<(Span, Vec<u8>), Stop> {
        let length = self.int()?;
        if self.text {
            // The line's end behind the length.
            self.cursor.skip(1)?;
        }
        if length > self.cursor.remaining() {
            self.cursor.skip(length)?;
        }
        let begins = self.cursor.ahead(length.min(64))?.into_owned();
        Ok((self.cursor.skip(length)?, begins))
    }

    fn object(&mut self, out: &mut Parse) -> Result<(), Stop> {
        let at = self.position();
        match self.int()? {
            0 => {}
            1 => self.number()?,
            2 => {
                self.string()?;
            }
            5 => {
                self.int()?;
            }
            3 => {
                if self.is_new()? {
                    let place = self.position();
                    let count = self.int()?;
                    // A key and a value have four bytes each at least, two in text.
                    let least = if self.text { 4 } else { 8 };
                    if count.saturating_mul(least) > self.cursor.remaining() {
                        return Err(Stop::Malformed(
                            Span::saturating_at(place, 4),
                            "t7: a table of more entries than there are bytes (File.lua)",
                        ));
                    }
                    self.open.push(count.saturating_mul(2));
                }
            }
            4 => {
                if self.is_new()? {
                    self.class(out)?;
                }
            }
            kind @ 6..=8 => {
                if kind == 6 || self.is_new()? {
                    let (bytes, begins) = self.string()?;
                    if self.functions.len() < FUNCTIONS {
                        self.functions.push(Function { bytes, begins });
                    }
                    self.open.push(1);
                }
            }
            _ => {
                let span = Span::new(at, self.position());
                return Err(Stop::Malformed(span, "t7: an object of no known type (File.lua)"));
            }
        }
        Ok(())
    }

    fn is_new(&mut self) -> Result<bool, Stop> {
        let index = self.int()?;
        Ok(self.known.insert(index))
    }

    fn class(&mut self, out: &mut Parse) -> Result<(), Stop> {
        let (_, mut name) = self.string()?;
        // Files of the first version name the class at once.
        if name.starts_with(b"V ") {
            name = self.string()?.1;
        }
        let name = printable(&name);
        let Some(kind) = name.strip_prefix("torch.") else {
            self.open.push(1);
            return Ok(());
        };
        if let Some(element) = kind.strip_suffix("Tensor") {
            let place = self.position();
            let dimensions = self.int()?;
            if dimensions > 64 {
                let span = Span::saturating_at(place, 4);
                return Err(Stop::Malformed(
                    span,
                    "t7: a tensor of more than 64 dimensions (File.lua)",
                ));
            }
            let mut shape = Vec::new();
            for _ in 0..dimensions {
                shape.push(self.long()?);
            }
            for _ in 0..dimensions {
                self.long()?;
            }
            self.long()?;
            self.tensor = Some((element.to_owned(), shape));
            self.open.push(1);
        } else if let Some(element) = kind.strip_suffix("Storage") {
            let count = self.long()?;
            let span = self.elements(element, count)?;
            if let Some((dtype, shape)) = self.tensor.take() {
                out.fact(Fact::Tensor {
                    name: format!("tensor {}", self.storages.len()).into(),
                    dtype: dtype.into(),
                    shape,
                    span,
                });
            }
            if !span.is_empty() {
                self.storages.push(span);
            }
        } else {
            self.open.push(1);
        }
        Ok(())
    }

    fn elements(&mut self, element: &str, count: u64) -> Result<Span, Stop> {
        if self.text {
            // The size's line, then all elements on one.
            self.cursor.line(0)?;
            let start = self.position();
            if count > 0 {
                self.cursor.line(0)?;
            }
            return Ok(Span::new(start, self.position()));
        }
        let size = match element {
            "Byte" | "Char" | "CudaByte" | "CudaChar" => 1,
            "Short" | "Half" | "CudaShort" | "CudaHalf" => 2,
            "Double" | "Long" | "CudaDouble" | "CudaLong" => 8,
            _ => 4,
        };
        Ok(self.cursor.skip(count.saturating_mul(size))?)
    }
}
