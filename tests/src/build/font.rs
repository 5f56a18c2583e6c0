//! Fonts whose tables hold nothing.

use super::bytes::Out;

/// A font of two tables.
pub fn sfnt() -> Vec<u8> {
    let mut out = Out::be();
    out.bytes(&[0, 1, 0, 0]).u16(2).u16(32).u16(1).u16(0);
    out.bytes(b"head").u32(0).u32(44).u32(54);
    out.bytes(b"name").u32(0).u32(100).u32(7);
    out.fill(54, 3).align(4, 0).bytes(b"strings").align(4, 0);
    out.into_bytes()
}

/// A WOFF 1.0 font of one table and metadata.
pub fn woff() -> Vec<u8> {
    let mut out = Out::be();
    out.bytes(b"wOFF")
        .bytes(&[0, 1, 0, 0])
        .u32(81)
        .u16(1)
        .u16(0)
        .u32(0)
        .u16(1)
        .u16(0);
    out.u32(76).u32(5).u32(9).u32(0).u32(0);
    out.bytes(b"glyf").u32(64).u32(10).u32(30).u32(0);
    out.fill(10, 7).align(4, 0).fill(5, 9);
    out.into_bytes()
}

/// A WOFF 2.0 font of two tables, one of them transformed.
pub fn woff2() -> Vec<u8> {
    let mut out = Out::be();
    out.bytes(b"wOF2")
        .bytes(&[0, 1, 0, 0])
        .u32(68)
        .u16(2)
        .u16(0)
        .u32(100)
        .u32(14)
        .u16(1)
        .u16(0);
    out.u32(0).u32(0).u32(0).u32(0).u32(0);
    out.bytes(&[1, 54, 10, 0x81, 0, 40]);
    out.fill(14, 7).align(4, 0);
    out.into_bytes()
}
