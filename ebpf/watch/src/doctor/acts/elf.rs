//! The smallest program: an ELF64 file whose only act is `exit(0)`, so that an exec needs no interpreter and no library.
//!
//! Layout: the gABI's `Elf64_Ehdr` (64 bytes), one `Elf64_Phdr` (56), the code.

const BASE: u64 = 0x40_0000;
const HEADERS: u64 = 64 + 56;

#[cfg(target_arch = "aarch64")]
const MACHINE: u16 = 183;
#[cfg(target_arch = "aarch64")]
const TEXT: &[u8] = &[0x00, 0x00, 0x80, 0xd2, 0xa8, 0x0b, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4];

#[cfg(not(target_arch = "aarch64"))]
const MACHINE: u16 = 62;
#[cfg(not(target_arch = "aarch64"))]
const TEXT: &[u8] = &[0xb8, 0x3c, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05];

/// The file's bytes.
pub(super) fn exits_with_zero() -> Vec<u8> {
    let size = HEADERS + TEXT.len() as u64;
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
