//! The structures of the module graph, little-endian, offsets from the payload's first byte.
//!
//! Offsets: `byte_count: u64`, `modules: {u32, u32}`, `entry_point_id: u32`, `compile_exec_argv: {u32, u32}`, `flags: u32`.
//!
//! Module record:
//!
//! | at (52) | at (36) | field |
//! | --- | --- | --- |
//! | 0 | 0 | `name: { offset: u32, length: u32 }` |
//! | 8 | 8 | `contents` |
//! | 16 | 16 | `sourcemap` |
//! | 24 | 24 | `bytecode` |
//! | 32 | - | `module_info` |
//! | 40 | - | `bytecode_origin_path` |
//! | 48 | 32 | `encoding loader module_format side: u8` |

use crate::span::Span;

/// A pointer into the payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pointer {
    pub(super) offset: u32,
    pub(super) length: u32,
}

impl Pointer {
    fn take(bytes: &mut &[u8]) -> Option<Self> {
        Some(Self {
            offset: u32_le(bytes)?,
            length: u32_le(bytes)?,
        })
    }

    pub(super) fn is_empty(self) -> bool {
        self.length == 0
    }

    /// The bytes meant, when they lie in the first `count` bytes.
    pub(super) fn within(self, count: u64) -> Option<Span> {
        let span = Span::at(u64::from(self.offset), u64::from(self.length))?;
        (span.end() <= count).then_some(span)
    }
}

/// The next four bytes of `bytes`, which moves on.
pub(super) fn u32_le(bytes: &mut &[u8]) -> Option<u32> {
    let (field, rest) = bytes.split_first_chunk::<4>()?;
    *bytes = rest;
    Some(u32::from_le_bytes(*field))
}

/// The structure in front of the trailer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offsets {
    pub(super) byte_count: u64,
    pub(super) modules: Pointer,
    pub(super) entry_point_id: u32,
    pub(super) exec_argv: Pointer,
    pub(super) flags: u32,
}

impl Offsets {
    pub(super) fn parse(mut bytes: &[u8]) -> Option<Self> {
        let low = u64::from(u32_le(&mut bytes)?);
        let high = u64::from(u32_le(&mut bytes)?);
        Some(Self {
            byte_count: low | high << 32,
            modules: Pointer::take(&mut bytes)?,
            entry_point_id: u32_le(&mut bytes)?,
            exec_argv: Pointer::take(&mut bytes)?,
            flags: u32_le(&mut bytes)?,
        })
    }

    /// The record sizes that divide the table's length, with the number of modules each means.
    pub(super) fn sizes(&self) -> impl Iterator<Item = (usize, u32)> {
        let length = self.modules.length;
        [(52usize, 52u32), (36, 36)]
            .into_iter()
            .filter_map(move |(size, divisor)| {
                let whole = length.checked_rem(divisor) == Some(0) && length > 0;
                Some((size, length.checked_div(divisor)?)).filter(|_| whole)
            })
    }

    pub(super) fn has(&self, bit: u32) -> bool {
        self.flags.checked_shr(bit).unwrap_or(0) & 1 == 1
    }
}

/// One record of the module table.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Module {
    pub(super) name: Pointer,
    pub(super) contents: Pointer,
    pub(super) sourcemap: Pointer,
    pub(super) bytecode: Pointer,
    pub(super) module_info: Pointer,
    pub(super) origin_path: Pointer,
}

impl Module {
    pub(super) fn parse(mut bytes: &[u8]) -> Option<Self> {
        let wide = bytes.len() >= 52;
        let mut next = || Pointer::take(&mut bytes);
        let mut module = Self {
            name: next()?,
            contents: next()?,
            sourcemap: next()?,
            bytecode: next()?,
            ..Self::default()
        };
        if wide {
            (module.module_info, module.origin_path) = (next()?, next()?);
        }
        Some(module)
    }
}

/// Whether a module's name lies under a root that Bun gives to embedded files.
pub(super) fn rooted(name: &[u8]) -> bool {
    [&b"/$bunfs/"[..], b"B:/~BUN/", b"B:\\~BUN\\", b"compiled://"]
        .iter()
        .any(|root| name.starts_with(root))
}
