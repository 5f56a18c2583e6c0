//! One 512-byte tar header.
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 100 | `name`, ends at its first NUL |
//! | 100 | 24 | `mode uid gid` |
//! | 124 | 12 | `size`: octal digits, or base-256 with the top bit set (GNU) |
//! | 136 | 12 | `mtime` |
//! | 148 | 8 | `chksum`: sum of the header's bytes with this field blank |
//! | 156 | 1 | `typeflag` |
//! | 157 | 100 | `linkname` |
//! | 257 | 8 | `magic version`: `ustar\0` `00` (POSIX), `ustar  \0` (GNU), else v7 |
//! | 265 | 80 | `uname gname devmajor devminor` |
//! | 345 | 155 | `prefix` (POSIX; star keeps times in its last 24 bytes and `tar\0` at 508) |
//! | 386 | 96 | sparse map (GNU, type `S`): four pairs of offset and length, 12 bytes each |
//! | 482 | 13 | `isextended realsize` (GNU, type `S`) |

/// The length of a header, and of every block.
pub(super) const BLOCK: u64 = 512;

/// The dialect a header is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// No magic: what came before POSIX.
    V7,
    /// POSIX ustar, with a prefix for the name.
    Posix,
    /// POSIX ustar as `star` writes it: a shorter prefix.
    Star,
    /// GNU: no prefix.
    Gnu,
}

/// A number field that holds no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadNumber {
    /// Neither octal digits nor base-256.
    NotANumber,
    /// Base-256, below zero.
    Negative,
    /// Base-256, more than 63 bits.
    TooLarge,
}

/// A header block.
#[derive(Clone, Copy)]
pub(super) struct Header<'a> {
    block: &'a [u8; 512],
}

impl<'a> Header<'a> {
    /// The header in the first 512 bytes of `bytes`.
    pub(super) fn new(bytes: &'a [u8]) -> Option<Self> {
        bytes.first_chunk::<512>().map(|block| Self { block })
    }

    fn field(&self, start: usize, length: usize) -> &'a [u8] {
        let block: &'a [u8] = self.block;
        block.get(start..start.saturating_add(length)).unwrap_or_default()
    }

    /// Whether every byte is zero: half of the end marker.
    pub(super) fn is_zero(&self) -> bool {
        self.block.iter().fold(0, |all, byte| all | byte) == 0
    }

    /// Whether `chksum` is the sum of the bytes, taken as unsigned or, as some old writers did, signed.
    pub(super) fn checksum_is_right(&self) -> bool {
        let Ok(stated) = number(self.field(148, 8)) else {
            return false;
        };
        let (mut unsigned, mut signed) = (0i64, 0i64);
        for (at, byte) in self.block.iter().enumerate() {
            let byte = if (148..156).contains(&at) { b' ' } else { *byte };
            unsigned = unsigned.saturating_add(i64::from(byte));
            signed = signed.saturating_add(i64::from(i8::from_ne_bytes([byte])));
        }
        i64::try_from(stated).is_ok_and(|stated| stated == unsigned || stated == signed)
    }

    /// Whether a `ustar` magic stands in its place.
    pub(super) fn has_magic(&self) -> bool {
        self.field(257, 5) == b"ustar"
    }

    /// Whether this begins a member: a right checksum, and a magic or fields that could not be anything else.
    pub(super) fn is_plausible(&self) -> bool {
        let octal = |start, length| {
            let field = self.field(start, length);
            number(field).is_ok() && field.iter().any(u8::is_ascii_digit)
        };
        // GNU's volume labels have a time and nothing else.
        let rest = || self.kind() == b'V' || (octal(100, 8) && octal(124, 12));
        let v7 = || !self.name_field().is_empty() && octal(136, 12) && rest();
        !self.is_zero() && self.checksum_is_right() && (self.has_magic() || v7())
    }

    /// The dialect.
    pub(super) fn dialect(&self) -> Dialect {
        match self.field(257, 8) {
            b"ustar  \0" => Dialect::Gnu,
            magic if magic.starts_with(b"ustar") && self.field(508, 4) == b"tar\0" => Dialect::Star,
            magic if magic.starts_with(b"ustar") => Dialect::Posix,
            _ => Dialect::V7,
        }
    }

    /// `typeflag`; NUL, as v7 wrote for files, becomes `0`.
    pub(super) fn kind(&self) -> u8 {
        match self.field(156, 1) {
            [0] | [] => b'0',
            [kind, ..] => *kind,
        }
    }

    /// The size in bytes.
    pub(super) fn size(&self) -> Result<u64, BadNumber> {
        number(self.field(124, 12))
    }

    /// The permission bits; `None` when they are no number.
    pub(super) fn mode(&self) -> Option<u32> {
        u32::try_from(number(self.field(100, 8)).ok()?).ok()
    }

    /// The name, with the prefix where the dialect has one.
    pub(super) fn name(&self) -> Vec<u8> {
        let name = self.name_field();
        let prefix = match self.dialect() {
            Dialect::Posix => until_nul(self.field(345, 155)),
            Dialect::Star => until_nul(self.field(345, 131)),
            Dialect::Gnu | Dialect::V7 => &[],
        };
        if prefix.is_empty() {
            name.to_vec()
        } else {
            [prefix, b"/", name].concat()
        }
    }

    fn name_field(&self) -> &'a [u8] {
        until_nul(self.field(0, 100))
    }

    /// The link's target.
    pub(super) fn link(&self) -> &'a [u8] {
        until_nul(self.field(157, 100))
    }

    /// Bytes of the name, prefix and link fields behind the NUL that ends them: no reader looks there.
    pub(super) fn hidden_bytes(&self) -> u64 {
        let prefix = match self.dialect() {
            Dialect::Posix => self.field(345, 155),
            Dialect::Star => self.field(345, 131),
            Dialect::Gnu | Dialect::V7 => &[],
        };
        let after = |field: &[u8]| {
            let rest = field.get(until_nul(field).len()..).unwrap_or_default();
            u64::try_from(rest.iter().filter(|byte| **byte != 0).count()).unwrap_or(0)
        };
        after(self.field(0, 100))
            .saturating_add(after(self.field(157, 100)))
            .saturating_add(after(prefix))
    }

    /// The pairs of the old GNU sparse map, whether more blocks of it follow, and the file's real size.
    pub(super) fn sparse(&self) -> (Vec<(u64, u64)>, bool, Result<u64, BadNumber>) {
        (
            pairs(self.field(386, 96)),
            self.field(482, 1) != [0],
            number(self.field(483, 12)),
        )
    }
}

/// The pairs of offset and length in part of a GNU sparse map, up to the first empty one.
pub(super) fn pairs(map: &[u8]) -> Vec<(u64, u64)> {
    let pair = |entry: &[u8]| -> Option<(u64, u64)> {
        let (offset, length) = entry.split_at_checked(12)?;
        (length.first() != Some(&0)).then_some((number(offset).ok()?, number(length).ok()?))
    };
    map.chunks_exact(24).map_while(pair).collect()
}

/// A number field: blanks, octal digits, then blanks or NULs; or base-256 with the top bit set. Empty means 0.
pub(super) fn number(field: &[u8]) -> Result<u64, BadNumber> {
    match field {
        [first, rest @ ..] if first & 0x80 != 0 => {
            if first & 0x40 != 0 {
                return Err(BadNumber::Negative);
            }
            let mut value = u64::from(first & 0x3f);
            for byte in rest {
                if value >> 55 != 0 {
                    return Err(BadNumber::TooLarge);
                }
                value = (value << 8) | u64::from(*byte);
            }
            Ok(value)
        }
        _ => {
            let digits = until_nul(field).trim_ascii();
            digits.iter().try_fold(0u64, |value, digit| match digit {
                b'0'..=b'7' if value >> 60 == 0 => Ok((value << 3) | u64::from(digit & 7)),
                b'0'..=b'7' => Err(BadNumber::TooLarge),
                _ => Err(BadNumber::NotANumber),
            })
        }
    }
}

/// The bytes before the first NUL.
pub(super) fn until_nul(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_base_256_and_nothing_else() {
        for (field, expected) in [
            (&b"00000000017\0"[..], Ok(15)),
            (b"      17 \0\0\0", Ok(15)),
            (b"77777777777 ", Ok(0o77_777_777_777)),
            (b"\0\0\0\0", Ok(0)),
            (b"   ", Ok(0)),
            (b"\x80\0\0\0\0\0\0\x02\0\0\0\0", Ok(1 << 33)),
            (
                b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff",
                Ok(i64::MAX.unsigned_abs()),
            ),
            (b"\x80\0\0\0\x80\0\0\0\0\0\0\0", Err(BadNumber::TooLarge)),
            (b"\x80\0\x01\0\0\0\0\0\0\0\0\0", Err(BadNumber::TooLarge)),
            (
                b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
                Err(BadNumber::Negative),
            ),
            (b"0000000008\0\0", Err(BadNumber::NotANumber)),
            (b"-1\0", Err(BadNumber::NotANumber)),
            (b"1 2\0", Err(BadNumber::NotANumber)),
        ] {
            assert_eq!(number(field), expected, "{field:x?}");
        }
    }
}
