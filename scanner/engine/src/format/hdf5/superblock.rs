//! The superblock (HDF5 file format specification 3.0, section II.A).
//!
//! | offset | size | field, versions 0 and 1 | | offset | size | field, versions 2 and 3 |
//! | --- | --- | --- | --- | --- | --- | --- |
//! | 0 | 8 | `\x89HDF\r\n\x1a\n` | | 0 | 8 | the same |
//! | 8 | 1 | version | | 8 | 1 | version |
//! | 9 | 4 | versions of parts | | 9 | 1 | size of offsets, O |
//! | 13 | 1 | size of offsets, O | | 10 | 1 | size of lengths |
//! | 14 | 1 | size of lengths | | 11 | 1 | consistency flags |
//! | 16 | 4 | group leaf and internal K | | 12 | O | base address |
//! | 20 | 4 | consistency flags | | .. | O | superblock extension |
//! | 24 | 4 | chunk index K, reserved (version 1) | | .. | O | end of file |
//! | .. | 4 x O | base, free space, end of file, driver | | .. | O | root group's object header |
//! | .. | 2 x O + 24 | root group's symbol table entry | | .. | 4 | checksum |

use super::fields::{Fields, wide};
use super::file::File;
use crate::ledger::Role;
use crate::span::Span;

/// What every HDF5 file begins with, behind a user block.
pub(super) const MAGIC: &[u8; 8] = b"\x89HDF\r\n\x1a\n";

/// What the superblock says.
pub(super) struct Superblock {
    pub(super) root: u64,
    pub(super) extension: Option<u64>,
    /// Where the file says it ends, as an offset of the artifact.
    pub(super) end: u64,
}

/// Whether a superblock begins here: the signature, a version, and widths that exist.
pub(super) fn is_at(bytes: &[u8]) -> bool {
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        return false;
    };
    let widths = match rest.first() {
        Some(0 | 1) => rest.get(5..7),
        Some(2 | 3) => rest.get(1..3),
        _ => return false,
    };
    widths.is_some_and(|w| w.iter().all(|n| matches!(n, 2 | 4 | 8 | 16 | 32)))
}

/// Reads the superblock at `at`; addresses count from its base from then on.
pub(super) fn read(file: &mut File<'_, '_, '_>, at: u64) -> Option<Superblock> {
    const LONGEST: u64 = 256;
    let bytes = match file.input.read_up_to(at, LONGEST) {
        Ok(bytes) => bytes,
        Err(fault) => {
            file.out.fault(&fault, "superblock");
            return None;
        }
    };
    let mut fields = Fields::new(&bytes);
    fields.skip(8)?;
    let version = fields.u8()?;
    let read = match version {
        0 | 1 => old(file, &mut fields, version),
        2 | 3 => new(file, &mut fields),
        _ => {
            file.unsupported(at, "a superblock of this version");
            return None;
        }
    };
    let Some((superblock, base)) = read else {
        let fault = crate::format::ReadFault::PastEnd {
            offset: at,
            wanted: LONGEST.min(96),
            length: file.input.len(),
        };
        file.out.fault(&fault, "superblock");
        return None;
    };
    let length = wide(fields.at());
    let span = Span::saturating_at(at, length);
    file.claim(span, Role::Header, "superblock");
    if version >= 2 {
        file.check(span, bytes.get(..fields.at()).unwrap_or_default(), "superblock");
    }
    // Libraries correct a base address that is not where the superblock is (a user block was added or removed).
    if base != at {
        file.out.finding(
            crate::finding::Finding::new(
                crate::finding::code::MALFORMED,
                span,
                "hdf5: the base address is not the superblock's place (II.A)",
            )
            .case("lenient")
            .key("hdf5 base address"),
        );
    }
    file.base = at;
    let end = superblock.end.saturating_add(at.saturating_sub(base));
    Some(Superblock { end, ..superblock })
}

fn old(file: &mut File<'_, '_, '_>, fields: &mut Fields<'_>, version: u8) -> Option<(Superblock, u64)> {
    fields.skip(4)?;
    widths(file, fields)?;
    fields.skip(1)?;
    file.leaf_k = u64::from(fields.u16()?).max(1);
    file.group_k = u64::from(fields.u16()?).max(1);
    fields.skip(4)?;
    if version == 1 {
        file.chunk_k = u64::from(fields.u16()?).max(1);
        fields.skip(2)?;
    }
    let base = file.address(fields)??;
    let free = file.address(fields)?;
    let end = file.address(fields)??;
    let driver = file.address(fields)?;
    file.address(fields)?;
    let root = file.address(fields)??;
    fields.skip(24)?;
    if free.is_some() {
        file.unsupported(0, "a free-space index in the superblock");
    }
    if driver.is_some() {
        file.unsupported(0, "a driver information block: the file is one of several");
    }
    let extension = None;
    Some((Superblock { root, extension, end }, base))
}

fn new(file: &mut File<'_, '_, '_>, fields: &mut Fields<'_>) -> Option<(Superblock, u64)> {
    widths(file, fields)?;
    fields.skip(1)?;
    let base = file.address(fields)??;
    let extension = file.address(fields)?;
    let end = file.address(fields)??;
    let root = file.address(fields)??;
    fields.skip(4)?;
    Some((Superblock { root, extension, end }, base))
}

fn widths(file: &mut File<'_, '_, '_>, fields: &mut Fields<'_>) -> Option<()> {
    file.offsets = usize::from(fields.u8()?).clamp(1, 32);
    file.lengths = usize::from(fields.u8()?).clamp(1, 32);
    Some(())
}
