//! MessagePack values in order, with a stack of how many are still to come instead of recursion.

use crate::format::{Cursor, Input, ReadFault};
use crate::name::printable;
use crate::span::Span;

/// What stops the walk.
pub(super) enum Stop {
    Fault(ReadFault),
    Malformed(Span, &'static str),
    Limit(&'static str),
}

impl From<ReadFault> for Stop {
    fn from(fault: ReadFault) -> Self {
        Self::Fault(fault)
    }
}

/// Something that is told about.
pub(super) struct Event {
    /// The keys above it, joined by points.
    pub(super) key: String,
    pub(super) span: Span,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    Array(Array),
    /// An extension of this type.
    Unknown(u8),
}

/// An array.
pub(super) struct Array {
    pub(super) shape: Vec<u64>,
    pub(super) dtype: String,
    pub(super) data: Span,
    /// Whether the bytes are not as many as shape and type say.
    pub(super) broken: bool,
}

/// A container that is open.
struct Level {
    left: u64,
    map: bool,
    key: Option<String>,
}

/// Containers inside each other; decoders refuse at 512 or 1024.
const DEEPEST: usize = 1024;
/// The most arrays.
const MOST: usize = 1_000_000;

pub(super) struct Reader<'i, 'a> {
    cursor: Cursor<'i, 'a>,
    open: Vec<Level>,
    events: usize,
    begun: bool,
}

/// What a value's head says.
enum Head {
    Fixed(u64),
    Text(u64),
    Bytes(u64),
    Items(u64),
    Pairs(u64),
    Extension(u64),
    Number(u64),
    Reserved,
}

impl<'i, 'a> Reader<'i, 'a> {
    pub(super) fn new(input: &'i Input<'a>) -> Self {
        Self {
            cursor: Cursor::new(input, input.whole()),
            open: Vec::new(),
            events: 0,
            begun: false,
        }
    }

    pub(super) fn position(&self) -> u64 {
        self.cursor.position()
    }

    /// Whether an array began, even if it did not end.
    pub(super) fn begun_array(&self) -> bool {
        self.begun
    }

    /// Reads one value to its end.
    pub(super) fn walk(&mut self, see: &mut dyn FnMut(Event)) -> Result<(), Stop> {
        self.value(see)?;
        while let Some(level) = self.open.last_mut() {
            if level.left == 0 {
                self.open.pop();
                continue;
            }
            level.left = level.left.saturating_sub(1);
            // In a map, keys and values take turns; an even number is left before a value is read.
            let is_key = level.map && level.left % 2 == 1;
            if is_key {
                let start = self.position();
                let key = match self.head()? {
                    Head::Text(length) if length <= 4096 => {
                        let raw = self.cursor.bytes(length)?;
                        printable(&raw)
                    }
                    Head::Text(length) => {
                        self.cursor.skip(length)?;
                        "(long key)".to_owned()
                    }
                    Head::Number(length) | Head::Fixed(length) | Head::Bytes(length) => {
                        self.cursor.skip(length)?;
                        format!("{start:#x}")
                    }
                    _ => {
                        let span = Span::new(start, self.position());
                        return Err(Stop::Malformed(
                            span,
                            "msgpack: a key that is a container (flax/serialization.py)",
                        ));
                    }
                };
                if let Some(level) = self.open.last_mut() {
                    level.key = Some(key);
                }
            } else {
                self.value(see)?;
            }
            if self.open.len() > DEEPEST {
                return Err(Stop::Limit("containers nest deeper than is followed"));
            }
            if self.events > MOST {
                return Err(Stop::Limit("more arrays than are kept"));
            }
        }
        Ok(())
    }

    fn head(&mut self) -> Result<Head, Stop> {
        let byte = self.cursor.u8()?;
        let low = |mask: u8| u64::from(byte & mask);
        Ok(match byte {
            0..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => Head::Fixed(0),
            0x80..=0x8f => Head::Pairs(low(0x0f)),
            0x90..=0x9f => Head::Items(low(0x0f)),
            0xa0..=0xbf => Head::Text(low(0x1f)),
            0xc1 => Head::Reserved,
            0xc4 | 0xd9 | 0xc7 => self.sized(byte, 1)?,
            0xc5 | 0xda | 0xc8 | 0xdc | 0xde => self.sized(byte, 2)?,
            0xc6 | 0xdb | 0xc9 | 0xdd | 0xdf => self.sized(byte, 4)?,
            0xcc | 0xd0 => Head::Number(1),
            0xcd | 0xd1 => Head::Number(2),
            0xca | 0xce | 0xd2 => Head::Number(4),
            0xcb | 0xcf | 0xd3 => Head::Number(8),
            0xd4..=0xd8 => Head::Extension(1u64.wrapping_shl(u32::from(byte.wrapping_sub(0xd4)))),
        })
    }

    fn sized(&mut self, byte: u8, width: u64) -> Result<Head, Stop> {
        let mut length = 0u64;
        for _ in 0..width {
            length = length.saturating_mul(256).saturating_add(u64::from(self.cursor.u8()?));
        }
        Ok(match byte {
            0xc4..=0xc6 => Head::Bytes(length),
            0xd9..=0xdb => Head::Text(length),
            0xc7..=0xc9 => Head::Extension(length),
            0xdc | 0xdd => Head::Items(length),
            _ => Head::Pairs(length),
        })
    }

    fn value(&mut self, see: &mut dyn FnMut(Event)) -> Result<(), Stop> {
        let start = self.position();
        match self.head()? {
            Head::Fixed(length) | Head::Number(length) | Head::Text(length) | Head::Bytes(length) => {
                self.cursor.skip(length)?;
            }
            Head::Items(count) => self.push(count, false)?,
            Head::Pairs(count) => self.push(count.saturating_mul(2), true)?,
            Head::Extension(length) => self.extension(start, length, see)?,
            Head::Reserved => {
                let span = Span::saturating_at(start, 1);
                return Err(Stop::Malformed(
                    span,
                    "msgpack: the byte 0xc1, which is never used (formats)",
                ));
            }
        }
        Ok(())
    }

    fn push(&mut self, left: u64, map: bool) -> Result<(), Stop> {
        if left > self.cursor.remaining() {
            return Err(Stop::Fault(ReadFault::PastEnd {
                offset: self.position(),
                wanted: left,
                length: self.position().saturating_add(self.cursor.remaining()),
            }));
        }
        self.open.push(Level { left, map, key: None });
        Ok(())
    }

    fn key(&self) -> String {
        let keys: Vec<&str> = self.open.iter().filter_map(|l| l.key.as_deref()).collect();
        keys.join(".")
    }

    fn extension(&mut self, start: u64, length: u64, see: &mut dyn FnMut(Event)) -> Result<(), Stop> {
        let kind = self.cursor.u8()?;
        let inside = self.position();
        if matches!(kind, 1 | 3) {
            self.begun = true;
        }
        let end = Span::saturating_at(inside, length).end();
        if length > self.cursor.remaining() {
            self.cursor.skip(length)?;
        }
        let span = Span::new(start, end);
        let event = match kind {
            1 | 3 => Some(Kind::Array(self.array(end)?)),
            2 => None,
            other => Some(Kind::Unknown(other)),
        };
        self.cursor.skip(end.saturating_sub(self.position()))?;
        if let Some(kind) = event {
            self.events = self.events.saturating_add(1);
            see(Event {
                key: self.key(),
                span,
                kind,
            });
        }
        Ok(())
    }

    /// (shape, dtype, bytes)
    fn array(&mut self, end: u64) -> Result<Array, Stop> {
        let start = self.position();
        let broken = |at: u64| {
            Stop::Malformed(
                Span::new(start, at),
                "flax: an array that is not (shape, type, bytes) (flax/serialization.py)",
            )
        };
        let Head::Items(3) = self.head()? else {
            return Err(broken(self.position()));
        };
        let Head::Items(dimensions @ 0..=64) = self.head()? else {
            return Err(broken(self.position()));
        };
        let mut shape = Vec::new();
        for _ in 0..dimensions {
            let byte = self.cursor.u8()?;
            let width = match byte {
                0..=0x7f => {
                    shape.push(u64::from(byte));
                    continue;
                }
                0xcc => 1,
                0xcd => 2,
                0xce => 4,
                0xcf => 8,
                _ => return Err(broken(self.position())),
            };
            let mut value = 0u64;
            for _ in 0..width {
                value = value.wrapping_shl(8) | u64::from(self.cursor.u8()?);
            }
            shape.push(value);
        }
        let (Head::Text(length @ 0..=64) | Head::Bytes(length @ 0..=64)) = self.head()? else {
            return Err(broken(self.position()));
        };
        let dtype = printable(&self.cursor.bytes(length)?);
        let (Head::Bytes(length) | Head::Text(length)) = self.head()? else {
            return Err(broken(self.position()));
        };
        let data = self.cursor.skip(length)?;
        if data.end() > end {
            return Err(broken(data.end()));
        }
        let expected = size(&dtype).and_then(|size| shape.iter().try_fold(size, |n, d| n.checked_mul(*d)));
        Ok(Array {
            broken: size(&dtype).is_some() && expected != Some(data.len()),
            shape,
            dtype,
            data,
        })
    }
}

/// The bytes of an element, for types whose name says it.
fn size(dtype: &str) -> Option<u64> {
    Some(match dtype {
        "bool" | "int8" | "uint8" => 1,
        "float16" | "bfloat16" | "int16" | "uint16" => 2,
        "float32" | "int32" | "uint32" => 4,
        "float64" | "int64" | "uint64" | "complex64" => 8,
        "complex128" => 16,
        _ => return None,
    })
}
