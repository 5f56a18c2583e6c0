//! Weights in simple binary files.

use super::bytes::Out;

/// A fastText model of two words and two columns; quantised ones end in tables that are not read.
pub fn fasttext(quantised: bool) -> Vec<u8> {
    let mut out = Out::le();
    out.u32(793_712_314).u32(12).fill(56, 1);
    out.u32(2).u32(2).u32(0).u64(10).u64(u64::MAX);
    for word in [&b"the\0"[..], b"of\0"] {
        out.bytes(word).u64(5).u8(0);
    }
    if quantised {
        out.mark().u8(1).fill(40, 7);
        return out.into_bytes();
    }
    for _ in 0..2 {
        out.mark().u8(0).u64(2).u64(2).fill(16, 0x3f);
    }
    out.into_bytes()
}

/// A word2vec file of two words and three columns.
pub fn word2vec() -> Vec<u8> {
    let mut out = b"2 3\n".to_vec();
    for word in ["the", "of"] {
        out.extend_from_slice(word.as_bytes());
        out.push(b' ');
        out.extend_from_slice(&[0x3f, 0x80, 0, 1].repeat(3));
        out.push(b'\n');
    }
    out
}

/// A CatBoost model whose FlatBuffer is `size` bytes of nothing, and what follows it.
pub fn catboost(size: u32, behind: &[u8]) -> Vec<u8> {
    let mut out = Out::le();
    out.bytes(b"CBM1").u32(size).fill(size as usize, 0).bytes(behind);
    out.into_bytes()
}
