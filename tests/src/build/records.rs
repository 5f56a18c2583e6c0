//! Small binary formats of exact lengths.

use super::bytes::Out;

/// A Java class of one field and one method that returns.
pub fn class() -> Vec<u8> {
    let mut out = Out::be();
    out.u32(0xcafe_babe).u16(0).u16(61).u16(9);
    for text in ["A", "java/lang/Object", "run", "()V", "Code"] {
        out.u8(1).u16(text.len() as u16).bytes(text.as_bytes());
    }
    out.u8(7).u16(1).u8(5).u64(1);
    out.u16(0x21).u16(6).u16(6).u16(0);
    out.u16(1).u16(2).u16(3).u16(4).u16(0);
    out.u16(1).u16(1).u16(3).u16(4).u16(1);
    out.u16(5).u32(13).u16(0).u16(1).u32(1).u8(0xb1).u16(0).u16(0);
    out.u16(0);
    out.into_bytes()
}

/// A SQLite database of two empty pages.
pub fn sqlite() -> Vec<u8> {
    let mut out = Out::be();
    out.bytes(b"SQLite format 3\0").u16(512).bytes(&[1, 1, 0, 64, 32, 32]);
    out.u32(5).u32(2).zeros_to(92);
    out.u32(5).u32(3_045_000).bytes(&[13, 0, 0, 0, 0, 2]).zeros_to(1024);
    out.into_bytes()
}

/// A message catalogue of two messages, without a hash table.
pub fn mo(big: bool) -> Vec<u8> {
    let mut out = Out::with_order(big);
    out.u32(0x9504_12de).u32(0).u32(2).u32(28).u32(44).u32(0).u32(60);
    out.u32(0).u32(60).u32(3).u32(61);
    out.u32(4).u32(65).u32(5).u32(70);
    out.bytes(b"\0yes\0Head\0gewis\0");
    out.into_bytes()
}

/// LLVM bitcode of an empty module block and a string table.
pub fn bitcode() -> Vec<u8> {
    let mut out = Out::le();
    out.bytes(b"BC\xc0\xde");
    for (id, words) in [(8u32, 2u32), (23, 1)] {
        out.u32(1 | id << 2 | 4 << 10).u32(words).fill(words as usize * 4, 0x5a);
    }
    out.into_bytes()
}

/// The same in its wrapper, filled to 16 bytes.
pub fn wrapped_bitcode() -> Vec<u8> {
    let inner = bitcode();
    let mut out = Out::le();
    out.u32(0x0b17_c0de)
        .u32(0)
        .u32(20)
        .u32(inner.len() as u32)
        .u32(7)
        .bytes(&inner)
        .align(16, 0);
    out.into_bytes()
}

/// A package of ICU data with nothing in it.
pub fn icu() -> Vec<u8> {
    let mut out = Out::le();
    out.u16(32)
        .bytes(&[0xda, 0x27])
        .u16(20)
        .u16(0)
        .bytes(&[0, 0, 2, 0])
        .bytes(b"CmnD");
    out.bytes(&[1, 0, 0, 0, 72, 1, 0, 0]).zeros_to(32);
    out.u32(0).fill(12, 9);
    out.into_bytes()
}

/// A terminal description with extended capabilities.
pub fn terminfo() -> Vec<u8> {
    let mut out = Out::le();
    out.u16(0x011a)
        .u16(5)
        .u16(2)
        .u16(1)
        .u16(1)
        .u16(3)
        .bytes(b"term\0")
        .bytes(&[1, 0])
        .align(2, 0);
    out.u16(80).u16(0).bytes(b"\x07x\0").align(2, 0);
    out.u16(1)
        .u16(0)
        .u16(0)
        .u16(1)
        .u16(3)
        .u8(1)
        .align(2, 0)
        .u16(0)
        .bytes(b"AX\0");
    out.into_bytes()
}

/// A time zone with one transition.
pub fn tzif() -> Vec<u8> {
    let mut out = Out::be();
    for (width, times) in [(4u32, 0u32), (8, 1)] {
        out.bytes(b"TZif2")
            .fill(15, 0)
            .u32(0)
            .u32(0)
            .u32(0)
            .u32(times)
            .u32(1)
            .u32(4);
        out.fill((times * (width + 1)) as usize, 1)
            .u32(3600)
            .u8(0)
            .u8(0)
            .bytes(b"CET\0");
    }
    out.bytes(b"\nCET-1\n");
    out.into_bytes()
}
