//! What a payload hidden in a tensor may begin with, and the first look at it: sixteen bytes, and
//! of a PE file the sixty-four of its DOS header.
//!
//! A hit here is a candidate; whoever uses it parses the header that should follow.

/// What a payload could be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PayloadKind {
    /// An ELF file.
    Elf,
    /// A PE file, from its DOS header on.
    Pe,
    /// A thin or universal Mach-O.
    MachO,
    /// WebAssembly; the hit is at the second byte of the magic number.
    Wasm,
    /// A local header or the end record of a zip archive.
    Zip,
    /// A gzip stream.
    Gzip,
    /// An xz stream.
    Xz,
    /// A Zstandard frame.
    Zstd,
    /// A 7z archive.
    SevenZip,
    /// A script with a `#!` line.
    Script,
    /// A PHP script.
    Php,
    /// A pickle.
    Pickle,
}

/// Bytes of the first look.
pub(super) const LOOK: usize = 64;

/// First bytes, second bytes, and groups for the search.
pub(super) const PAIRS: [(u8, u8, u8); 18] = [
    (0x7f, b'E', 2),
    (b'P', b'K', 3),
    (b'M', b'Z', 3),
    (0xcf, 0xfa, 1),
    (0xce, 0xfa, 1),
    (0x80, 2, 5),
    (0x80, 3, 5),
    (0x80, 4, 5),
    (0x80, 5, 5),
    (0x1f, 0x8b, 2),
    (0x28, 0xb5, 6),
    (0x37, 0x7a, 7),
    (0xfd, 0x37, 0),
    (b'#', b'!', 6),
    (b'<', b'?', 0),
    (b'a', b's', 7),
    (0xfe, 0xed, 4),
    (0xca, 0xfe, 1),
];

/// What the up to [`LOOK`] bytes from a pair on begin.
pub(super) fn first_look(bytes: &[u8]) -> Option<PayloadKind> {
    Some(match *bytes {
        [0x7f, b'E', b'L', b'F', 1 | 2, 1 | 2, 1, ..] => PayloadKind::Elf,
        [b'P', b'K', 3, 4, 0..=63, _, _, flags, 0..=14 | 93 | 95..=99, 0, ..] if flags & 0xc0 == 0 => PayloadKind::Zip,
        [b'P', b'K', 5, 6, 0, 0, 0, 0, a, b, c, d, ..] if [a, b] == [c, d] && [a, b] != [0, 0] => PayloadKind::Zip,
        [b'M', b'Z', ..] => match bytes.get(0x3c..0x40) {
            // Where the PE signature stands: behind this header, within the first kilobytes.
            Some([a, b, 0, 0]) if (0x40..0x0e00).contains(&u16::from_le_bytes([*a, *b])) => PayloadKind::Pe,
            _ => return None,
        },
        [0xcf | 0xce, 0xfa, 0xed, 0xfe, 7 | 12 | 18, 0, 0, 0..=1, ..]
        | [0xfe, 0xed, 0xfa, 0xcf | 0xce, 0..=1, 0, 0, 7 | 12 | 18, ..]
        | [0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 1..=8, 0..=1, 0, 0, 7 | 12 | 18, ..] => PayloadKind::MachO,
        [0x1f, 0x8b, 8, 0..=0x1f, _, _, _, _, 0 | 2 | 4, 0..=13 | 255, ..] => PayloadKind::Gzip,
        [0xfd, b'7', b'z', b'X', b'Z', 0, 0, 0 | 1 | 4 | 10, ..] => PayloadKind::Xz,
        [0x28, 0xb5, 0x2f, 0xfd, descriptor, ..] if descriptor & 0x08 == 0 => PayloadKind::Zstd,
        [b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c, 0, ..] => PayloadKind::SevenZip,
        [b'#', b'!', ref line @ ..] if is_interpreter(line) => PayloadKind::Script,
        [
            b'<',
            b'?',
            b'p' | b'P',
            b'h' | b'H',
            b'p' | b'P',
            b' ' | b'\n' | b'\r' | b'\t',
            ..,
        ] => PayloadKind::Php,
        [b'a', b's', b'm', 1, 0, 0, 0, 0..=2, ..] => PayloadKind::Wasm,
        // Protocol 4 and later: a frame, whose length no payload needs five bytes for.
        [0x80, 4 | 5, 0x95, _, _, _, _, 0, 0, 0, 0, ..] => PayloadKind::Pickle,
        // A payload that calls right away; a class or callable by name.
        [0x80, 2..=5, b'c', ref name @ ..] if is_module(name) => PayloadKind::Pickle,
        // A payload too short for a frame: two names and the opcode that joins them.
        [0x80, 4 | 5, 0x8c, length @ 2..=32, ref name @ ..] if is_named(name, length) => PayloadKind::Pickle,
        _ => return None,
    })
}

/// A path, printable as far as it is seen.
fn is_interpreter(line: &[u8]) -> bool {
    let path = match line {
        [b' ', b'/', path @ ..] | [b'/', path @ ..] => path,
        _ => return false,
    };
    let seen = path.get(..12).unwrap_or(path);
    let mut path = seen
        .split(|b| *b == b'\n' || *b == b'\r')
        .next()
        .unwrap_or_default()
        .iter();
    path.len() >= 4 && path.all(|b| (0x20..0x7f).contains(b))
}

fn is_module(name: &[u8]) -> bool {
    let mut parts = name.splitn(2, |b| *b == b'\n');
    let module = parts.next().unwrap_or_default();
    let complete = parts.next().is_some();
    let word = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.');
    module.iter().all(word) && (module.len() >= 8 || (complete && module.len() >= 2))
}

fn is_named(name: &[u8], length: u8) -> bool {
    let shown = name.get(..usize::from(length)).unwrap_or(name);
    shown.len() >= 2
        && shown
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_magic_number_begins_with_a_pair_that_is_searched_for() {
        for (bytes, kind) in [
            (&b"\x7fELF\x02\x01\x01\0"[..], PayloadKind::Elf),
            (b"PK\x03\x04\x14\0\0\0\x08\0", PayloadKind::Zip),
            (b"PK\x05\x06\0\0\0\0\x01\0\x01\0", PayloadKind::Zip),
            (b"\xcf\xfa\xed\xfe\x07\0\0\x01", PayloadKind::MachO),
            (b"\xfe\xed\xfa\xcf\x01\0\0\x07", PayloadKind::MachO),
            (b"\xca\xfe\xba\xbe\0\0\0\x02\x01\0\0\x07", PayloadKind::MachO),
            (b"\x1f\x8b\x08\0\0\0\0\0\0\x03", PayloadKind::Gzip),
            (b"\xfd7zXZ\0\0\x04", PayloadKind::Xz),
            (b"\x28\xb5\x2f\xfd\x04", PayloadKind::Zstd),
            (b"7z\xbc\xaf\x27\x1c\0\x04", PayloadKind::SevenZip),
            (b"#!/bin/sh\n", PayloadKind::Script),
            (b"<?php echo", PayloadKind::Php),
            (b"asm\x01\0\0\0\x01", PayloadKind::Wasm),
            (b"\x80\x04\x95\x20\0\0\0\0\0\0\0", PayloadKind::Pickle),
            (b"\x80\x02cposix\nsystem\n", PayloadKind::Pickle),
            (b"\x80\x04\x8c\x02os\x8c\x06system", PayloadKind::Pickle),
        ] {
            assert_eq!(first_look(bytes), Some(kind), "{bytes:x?}");
            assert!(PAIRS.iter().any(|(a, b, _)| bytes[..2] == [*a, *b]), "{bytes:x?}");
        }
    }

    #[test]
    fn a_dos_header_leads_to_its_signature() {
        let mut header = [0u8; LOOK];
        header[..2].copy_from_slice(b"MZ");
        assert_eq!(first_look(&header), None);
        header[0x3c] = 0x80;
        assert_eq!(first_look(&header), Some(PayloadKind::Pe));
        header[0x3e] = 1;
        assert_eq!(first_look(&header), None);
    }

    #[test]
    fn magic_numbers_alone_are_no_candidates() {
        for bytes in [
            &b"\x7fELF\x07\x01\x01\0"[..],
            b"MZ\x90\0\x03\0\0\0",
            b"PK\x03\x04\xff\xff\xff\xff\xff\xff",
            b"\xca\xfe\xba\xbe\0\0\0\x37\0\x10",
            b"\x1f\x8b\x08\xe0\0\0\0\0\0\x03",
            b"#!\x01\x02\x03\x04",
            b"#!/\xff\xfe\xfd",
            b"\x80\x04\x95\x20\xff\xff\xff\xff\xff\xff\xff",
        ] {
            assert_eq!(first_look(bytes), None, "{bytes:x?}");
        }
    }
}
