//! A gzip that decompresses to itself.
//!
//! The construction is the one Russ Cox describes in "Zip Files All The Way Down" (2010), written anew: a program of
//! `literal n` (a stored DEFLATE block of `n` bytes) and `repeat n` (copy the last `n` bytes), each exactly five bytes
//! long, that prints itself between a head and a tail. The checksum has to cover its own copies; since CRC-32 is affine
//! over GF(2), the fixed point is the solution of 32 linear equations.

use super::bytes::Out;

/// The length of every instruction.
const UNIT: usize = 5;
const CRC_MARK: [u8; 4] = [0xaa, 0xbb, 0xcc, 0xdd];

/// A gzip member whose decoded bytes are the member itself, CRC and ISIZE right.
pub fn gzip_quine() -> Vec<u8> {
    // The equations have a solution for about a third of all heads: the name is varied until one does.
    for letter in b'a'..=b'z' {
        let mut head = vec![0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 0xff];
        head.extend_from_slice(b"again-and-again-");
        head.push(letter);
        head.push(0);
        if let Some(file) = quine(&head) {
            return file;
        }
    }
    unreachable!("26 names without a solution")
}

fn quine(head: &[u8]) -> Option<Vec<u8>> {
    let mut tail = CRC_MARK.to_vec();
    tail.extend_from_slice(&[0; 4]);
    let len = (head.len() + program(head, &tail).len() + tail.len()) as u32;
    tail[4..].copy_from_slice(&len.to_le_bytes());
    let mut file = head.to_vec();
    file.extend(program(head, &tail));
    file.extend_from_slice(&tail);
    fix_crc(&mut file).then_some(file)
}

/// The DEFLATE stream that prints `head`, itself and `tail`.
fn program(head: &[u8], tail: &[u8]) -> Vec<u8> {
    let mut prefix = literal(head.len());
    prefix.extend_from_slice(head);
    // Two empty blocks make the suffix long enough to be copied by one five-byte repeat.
    let mut suffix = [literal(0), literal(0)].concat();
    suffix.extend_from_slice(&[1, tail.len() as u8, 0, !(tail.len() as u8), 0xff]);
    suffix.extend_from_slice(tail);
    let p = prefix.len() + UNIT;
    let s = suffix.len() + 2 * UNIT;
    let four = 4 * UNIT;

    let mut out = Vec::new();
    let mut push = |parts: &[&[u8]]| parts.iter().for_each(|part| out.extend_from_slice(part));
    let (lp, rp, l1, l4, r4) = (literal(p), repeat(p), literal(UNIT), literal(four), repeat(four));
    let (nop, ls, rs) = (literal(0), literal(s), repeat(s));
    push(&[&prefix, &lp, &prefix, &lp, &rp]);
    push(&[&l1, &rp, &l1, &l1]);
    push(&[&l4, &rp, &l1, &l1, &l4, &r4]);
    push(&[&l4, &r4, &l4, &r4, &l4, &r4]);
    push(&[&l4, &r4, &nop, &nop, &ls, &r4]);
    push(&[&nop, &nop, &ls, &rs, &nop, &suffix, &rs, &nop, &suffix]);
    out
}

/// A stored block's header: the next `n` bytes are printed as they are.
fn literal(n: usize) -> Vec<u8> {
    let n = n as u16;
    let mut out = Out::le();
    out.u8(0).u16(n).u16(!n);
    out.into_bytes()
}

/// A fixed-Huffman block that copies `n` bytes from `n` bytes back, padded to five whole bytes.
///
/// The bit count must be 38 to 40: fewer would let the next block's three header bits share the last byte.
fn repeat(n: usize) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.fixed_block();
    if n == 4 * UNIT {
        bits.copy(n / 2, n);
        bits.copy(n / 2, n);
        bits.end_of_block();
    } else {
        bits.copy(n, n);
        bits.end_of_block();
        bits.fixed_block();
        bits.end_of_block();
    }
    assert!((38..=40).contains(&bits.count), "repeat {n} takes {} bits", bits.count);
    bits.value.to_le_bytes()[..UNIT].to_vec()
}

#[derive(Default)]
struct Bits {
    value: u64,
    count: u32,
}

impl Bits {
    fn put(&mut self, value: u64, count: u32) {
        self.value |= value << self.count;
        self.count += count;
    }

    /// Huffman codes go in with their most significant bit first.
    fn code(&mut self, code: u64, count: u32) {
        self.put(code.reverse_bits() >> (64 - count), count);
    }

    fn fixed_block(&mut self) {
        self.put(0b010, 3);
    }

    fn end_of_block(&mut self) {
        self.code(0, 7);
    }

    fn copy(&mut self, length: usize, distance: usize) {
        let (symbol, extra, base) = bucket(length as u64 - 3, 4);
        self.code(symbol + 1, 7);
        self.put(length as u64 - 3 - base, extra);
        let (symbol, extra, base) = bucket(distance as u64 - 1, 2);
        self.code(symbol, 5);
        self.put(distance as u64 - 1 - base, extra);
    }
}

/// DEFLATE's length and distance buckets: `per` symbols share each count of extra bits (4 for lengths, 2 for
/// distances), the first two counts being none. Returns symbol, extra bits and the bucket's first value.
fn bucket(value: u64, per: u64) -> (u64, u32, u64) {
    let (mut symbol, mut base) = (0, 0);
    loop {
        let extra = if symbol < 2 * per { 0 } else { symbol / per - 1 };
        if value < base + (1 << extra) {
            return (symbol, extra as u32, base);
        }
        base += 1 << extra;
        symbol += 1;
    }
}

/// Solves for the value of every [`CRC_MARK`] that equals the CRC-32 of the whole file. False when there is none.
fn fix_crc(file: &mut [u8]) -> bool {
    let places: Vec<usize> = (0..file.len() - 3).filter(|&at| file[at..at + 4] == CRC_MARK).collect();
    let with = |file: &mut [u8], value: u32| {
        for &at in &places {
            file[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
        crc32fast::hash(file)
    };
    let constant = with(file, 0);
    // Column i of the system: how bit i of the value changes the checksum, plus the value itself.
    let columns: Vec<u32> = (0..32).map(|i| with(file, 1 << i) ^ constant ^ (1 << i)).collect();
    let mut rows: Vec<u64> = (0..32)
        .map(|r| {
            let left = (0..32).fold(0u64, |row, c| row | (u64::from(columns[c] >> r & 1) << c));
            left | (u64::from(constant >> r & 1) << 32)
        })
        .collect();
    let mut value = 0u32;
    let mut rank = 0;
    let mut pivots = Vec::new();
    for column in 0..32 {
        let Some(found) = (rank..32).find(|&r| rows[r] >> column & 1 == 1) else {
            continue;
        };
        rows.swap(rank, found);
        for r in 0..32 {
            if r != rank && rows[r] >> column & 1 == 1 {
                rows[r] ^= rows[rank];
            }
        }
        pivots.push(column);
        rank += 1;
    }
    for (row, column) in pivots.iter().enumerate() {
        value |= ((rows[row] >> 32 & 1) as u32) << column;
    }
    with(file, value) == value
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn quine_decodes_to_itself() {
        let file = gzip_quine();
        let mut decoded = Vec::new();
        flate2::read::GzDecoder::new(&file[..])
            .read_to_end(&mut decoded)
            .unwrap();
        assert_eq!(decoded, file);
    }

    #[test]
    fn buckets_follow_the_deflate_tables() {
        let check = |value, per, expect| assert_eq!(bucket(value, per), expect);
        check(0, 4, (0, 0, 0));
        check(7, 4, (7, 0, 7));
        check(8, 4, (8, 1, 8));
        check(16, 4, (12, 2, 16));
        check(4, 2, (4, 1, 4));
        check(16, 2, (8, 3, 16));
    }
}
