//! The smallest program: an ELF64 file whose only act is `exit(42)`.
//!
//! It is built by code so that an exec act needs no interpreter and no library, and cannot be confused with another
//! program: nothing else ends with 42. Layout: the gABI's `Elf64_Ehdr` (64 bytes), one `Elf64_Phdr` (56), the code.

/// The exit code by which the program is recognised.
pub(crate) const CODE: i32 = 42;

const BASE: u64 = 0x40_0000;
const HEADERS: u64 = 64 + 56;

#[cfg(target_arch = "x86_64")]
const MACHINE: u16 = 62;
#[cfg(target_arch = "x86_64")]
const TEXT: &[u8] = &[0xb8, 0x3c, 0, 0, 0, 0xbf, 42, 0, 0, 0, 0x0f, 0x05];

#[cfg(target_arch = "aarch64")]
const MACHINE: u16 = 183;
#[cfg(target_arch = "aarch64")]
const TEXT: &[u8] = &[0x40, 0x05, 0x80, 0xd2, 0xa8, 0x0b, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4];

/// The file's bytes.
pub(crate) fn exit_42() -> Vec<u8> {
    let size = HEADERS + u64::try_from(TEXT.len()).unwrap_or(0);
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for half in [2_u16, MACHINE] {
        file.extend(half.to_le_bytes());
    }
    file.extend(1_u32.to_le_bytes());
    for wide in [BASE + HEADERS, 64, 0] {
        file.extend(wide.to_le_bytes());
    }
    file.extend(0_u32.to_le_bytes());
    for half in [64_u16, 56, 1, 0, 0, 0] {
        file.extend(half.to_le_bytes());
    }
    for word in [1_u32, 5] {
        file.extend(word.to_le_bytes());
    }
    for wide in [0, BASE, BASE, size, size, 0x1000] {
        file.extend(wide.to_le_bytes());
    }
    file.extend(TEXT);
    file
}
