//! The integrity checks of xz blocks (2.1.1.2): CRC-32, CRC-64 and SHA-256; others are passed over by their size.

use sha2::{Digest, Sha256};

/// A running check.
pub(super) enum Check {
    Crc32(crc32fast::Hasher),
    Crc64(u64),
    Sha256(Box<Sha256>),
    /// None, or one that nobody has defined: its size in bytes.
    Unknown(usize),
}

impl Check {
    /// The check of this id, 15 at most.
    pub(super) fn new(id: u8) -> Self {
        match id {
            1 => Self::Crc32(crc32fast::Hasher::new()),
            4 => Self::Crc64(!0),
            10 => Self::Sha256(Box::new(Sha256::new())),
            0 => Self::Unknown(0),
            2..=3 => Self::Unknown(4),
            5..=6 => Self::Unknown(8),
            7..=9 => Self::Unknown(16),
            11..=12 => Self::Unknown(32),
            _ => Self::Unknown(64),
        }
    }

    /// Its size in bytes.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Crc32(_) => 4,
            Self::Crc64(_) => 8,
            Self::Sha256(_) => 32,
            Self::Unknown(size) => *size,
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc32(state) => state.update(bytes),
            Self::Crc64(state) => *state = crc64(*state, bytes),
            Self::Sha256(state) => state.update(bytes),
            Self::Unknown(_) => {}
        }
    }

    /// Its bytes as they stand in the file; `None` when it is not known how to compute it.
    pub(super) fn finish(self) -> Option<Vec<u8>> {
        match self {
            Self::Crc32(state) => Some(state.finalize().to_le_bytes().to_vec()),
            Self::Crc64(state) => Some((!state).to_le_bytes().to_vec()),
            Self::Sha256(state) => Some(state.finalize().to_vec()),
            Self::Unknown(_) => None,
        }
    }
}

/// ECMA-182, reflected; eight tables, so that eight bytes go at a time.
static TABLES: [[u64; 256]; 8] = tables();

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "runs at compile time, where a fault is an error of the build"
)]
const fn tables() -> [[u64; 256]; 8] {
    const POLYNOMIAL: u64 = 0xc96c_5795_d787_0f42;
    let mut tables = [[0u64; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ POLYNOMIAL
            } else {
                crc >> 1
            };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut table = 1;
    while table < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[table - 1][byte];
            tables[table][byte] = tables[0][(before & 0xff) as usize] ^ (before >> 8);
            byte += 1;
        }
        table += 1;
    }
    tables
}

fn crc64(mut state: u64, bytes: &[u8]) -> u64 {
    let (eights, rest) = bytes.as_chunks::<8>();
    for eight in eights {
        let mixed = (state ^ u64::from_le_bytes(*eight)).to_le_bytes();
        // The first byte has the longest way to go: the last table.
        state = mixed.iter().zip(TABLES.iter().rev()).fold(0, |sum, (byte, table)| {
            sum ^ table.get(usize::from(*byte)).copied().unwrap_or(0)
        });
    }
    for byte in rest {
        let [low, ..] = state.to_le_bytes();
        let first = TABLES.first().and_then(|table| table.get(usize::from(low ^ byte)));
        state = first.copied().unwrap_or(0) ^ (state >> 8);
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crc_of_the_specification_s_test_string() {
        assert_eq!(!crc64(!0, b"123456789"), 0x995d_c9bb_df19_39fa);
        let long: Vec<u8> = (0..=255u8).cycle().take(1003).collect();
        let (head, tail) = long.split_at(5);
        assert_eq!(crc64(!0, &long), crc64(crc64(!0, head), tail));
    }
}
