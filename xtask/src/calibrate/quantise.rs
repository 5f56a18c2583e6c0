//! Single precision to the blocks of GGUF (`ggml-quants.c`, the reference functions), without their search for better scales:
//! the nearest number on the first scale.

use super::cast::{F16, from_f16};

/// A block type that is made.
#[derive(Clone, Copy)]
pub(super) struct Block {
    /// ggml's name.
    pub(super) name: &'static str,
    /// ggml's number.
    pub(super) kind: u32,
    /// Elements of a block.
    pub(super) elements: usize,
    make: fn(&[f32], &mut Vec<u8>),
}

pub(super) const BLOCKS: [Block; 4] = [
    Block {
        name: "Q4_0",
        kind: 2,
        elements: 32,
        make: q4_0,
    },
    Block {
        name: "Q8_0",
        kind: 8,
        elements: 32,
        make: q8_0,
    },
    Block {
        name: "Q4_K",
        kind: 12,
        elements: 256,
        make: q4_k,
    },
    Block {
        name: "Q6_K",
        kind: 14,
        elements: 256,
        make: q6_k,
    },
];

impl Block {
    /// The blocks of `values`, of which there are whole blocks.
    pub(super) fn quantise(&self, values: &[f32]) -> Vec<u8> {
        let mut out = Vec::new();
        for block in values.chunks_exact(self.elements) {
            (self.make)(block, &mut out);
        }
        out
    }
}

/// A scale as it is stored, and as it is read again.
fn half(scale: f32, out: &mut Vec<u8>) -> f32 {
    let code = F16.of(scale);
    out.extend_from_slice(&(code as u16).to_le_bytes());
    from_f16(code)
}

fn inverse(scale: f32) -> f32 {
    if scale == 0.0 { 0.0 } else { 1.0 / scale }
}

/// Of the greatest magnitude, with its sign.
fn greatest(values: &[f32]) -> f32 {
    values.iter().fold(
        0.0,
        |most: f32, value| if value.abs() > most.abs() { *value } else { most },
    )
}

fn q4_0(values: &[f32], out: &mut Vec<u8>) {
    let scale = greatest(values) / -8.0;
    half(scale, out);
    let code = |value: f32| (value.mul_add(inverse(scale), 8.5) as i32).clamp(0, 15) as u8;
    let (low, high) = values.split_at(16);
    out.extend(low.iter().zip(high).map(|(a, b)| code(*a) | (code(*b) << 4)));
}

fn q8_0(values: &[f32], out: &mut Vec<u8>) {
    let scale = greatest(values).abs() / 127.0;
    half(scale, out);
    out.extend(values.iter().map(|value| (value * inverse(scale)).round() as i8 as u8));
}

/// Eight parts of 32, each with a scale and a minimum of six bits.
fn q4_k(values: &[f32], out: &mut Vec<u8>) {
    let parts: Vec<(f32, f32)> = values
        .chunks_exact(32)
        .map(|part| {
            let least = part.iter().copied().fold(0.0, f32::min);
            let most = part.iter().copied().fold(least, f32::max);
            ((most - least) / 15.0, -least)
        })
        .collect();
    let most = |pick: fn(&(f32, f32)) -> f32| parts.iter().map(pick).fold(0.0, f32::max) / 63.0;
    let (scale, minimum) = (most(|part| part.0), most(|part| part.1));
    let six = |value: f32, by: f32| ((value * inverse(by)).round() as i32).clamp(0, 63) as u8;
    let codes: Vec<(u8, u8)> = parts
        .iter()
        .map(|part| (six(part.0, scale), six(part.1, minimum)))
        .collect();
    let (scale, minimum) = (half(scale, out), half(minimum, out));
    let mut packed = [0u8; 12];
    for (at, (scale, minimum)) in codes.iter().enumerate() {
        if at < 4 {
            packed[at] |= scale;
            packed[at + 4] |= minimum;
        } else {
            packed[at + 4] = (scale & 15) | ((minimum & 15) << 4);
            packed[at - 4] |= (scale >> 4) << 6;
            packed[at] |= (minimum >> 4) << 6;
        }
    }
    out.extend_from_slice(&packed);
    let mut levels = Vec::with_capacity(256);
    for (part, code) in values.chunks_exact(32).zip(&codes) {
        let (step, below) = (scale * f32::from(code.0), minimum * f32::from(code.1));
        levels.extend(
            part.iter()
                .map(|value| (((value + below) * inverse(step)).round() as i32).clamp(0, 15) as u8),
        );
    }
    for pair in levels.chunks_exact(64) {
        let (low, high) = pair.split_at(32);
        out.extend(low.iter().zip(high).map(|(a, b)| a | (b << 4)));
    }
}

/// Sixteen parts of 16, each with a scale of eight bits.
fn q6_k(values: &[f32], out: &mut Vec<u8>) {
    let scales: Vec<f32> = values.chunks_exact(16).map(|part| greatest(part) / -32.0).collect();
    let scale = greatest(&scales) / -128.0;
    let codes: Vec<i32> = scales
        .iter()
        .map(|part| ((part * inverse(scale)).round() as i32).clamp(-128, 127))
        .collect();
    let stored = from_f16(F16.of(scale));
    let mut levels = Vec::with_capacity(256);
    for (part, code) in values.chunks_exact(16).zip(&codes) {
        let step = stored * (*code as f32);
        let level = |value: &f32| (((value * inverse(step)).round() as i32).clamp(-32, 31) + 32) as u8;
        levels.extend(part.iter().map(level));
    }
    let (mut low, mut high) = (Vec::with_capacity(128), Vec::with_capacity(64));
    for half in levels.chunks_exact(128) {
        let at = |quarter: usize, n: usize| half[quarter * 32 + n];
        low.extend((0..32).map(|n| (at(0, n) & 15) | (at(2, n) << 4)));
        low.extend((0..32).map(|n| (at(1, n) & 15) | (at(3, n) << 4)));
        high.extend(
            (0..32).map(|n| (at(0, n) >> 4) | (at(1, n) >> 4 << 2) | (at(2, n) >> 4 << 4) | (at(3, n) >> 4 << 6)),
        );
    }
    out.extend(low);
    out.extend(high);
    out.extend(codes.iter().map(|code| *code as i8 as u8));
    half(scale, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(n: usize) -> Vec<f32> {
        let mut state = 7u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 16_777_216.0 - 0.5
        };
        (0..n).map(|_| next() * 0.2).collect()
    }

    fn f16(block: &[u8], at: usize) -> f32 {
        from_f16(u32::from(u16::from_le_bytes([block[at], block[at + 1]])))
    }

    /// ggml's own readers, `dequantize_row_*`.
    fn read(name: &str, block: &[u8]) -> Vec<f32> {
        match name {
            "Q4_0" => {
                let d = f16(block, 0);
                let nibble = |shift: u32| block[2..].iter().map(move |byte| f32::from((byte >> shift) & 15) - 8.0);
                nibble(0).chain(nibble(4)).map(|q| q * d).collect()
            }
            "Q8_0" => block[2..].iter().map(|q| f32::from(*q as i8) * f16(block, 0)).collect(),
            "Q4_K" => {
                let (d, dmin, scales) = (f16(block, 0), f16(block, 2), &block[4..16]);
                let pair = |j: usize| {
                    if j < 4 {
                        (scales[j] & 63, scales[j + 4] & 63)
                    } else {
                        (
                            (scales[j + 4] & 15) | ((scales[j - 4] >> 6) << 4),
                            (scales[j + 4] >> 4) | ((scales[j] >> 6) << 4),
                        )
                    }
                };
                let level = |j: usize, n: usize| (block[16 + j / 2 * 32 + n] >> (4 * (j % 2))) & 15;
                (0..256)
                    .map(|i| {
                        let (scale, minimum) = pair(i / 32);
                        d * f32::from(scale) * f32::from(level(i / 32, i % 32)) - dmin * f32::from(minimum)
                    })
                    .collect()
            }
            _ => {
                let (low, high, scales, d) = (&block[..128], &block[128..192], &block[192..208], f16(block, 208));
                (0..256)
                    .map(|i| {
                        let (half, quarter, n) = (i / 128, i % 128 / 32, i % 32);
                        let nibble = low[half * 64 + (quarter % 2) * 32 + n] >> (4 * (quarter / 2)) & 15;
                        let two = high[half * 32 + n] >> (2 * quarter) & 3;
                        d * f32::from(scales[i / 16] as i8) * (f32::from(nibble | (two << 4)) - 32.0)
                    })
                    .collect()
            }
        }
    }

    #[test]
    fn what_is_read_from_a_block_is_near_to_what_went_in() {
        let values = values(256);
        for (block, (bytes, near)) in BLOCKS
            .iter()
            .zip([(18, 0.013), (34, 0.0005), (144, 0.0105), (210, 0.0033)])
        {
            let packed = block.quantise(&values);
            assert_eq!(packed.len(), 256 / block.elements * bytes, "{}", block.name);
            let back: Vec<f32> = packed.chunks(bytes).flat_map(|one| read(block.name, one)).collect();
            let off = values.iter().zip(&back).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(off < near, "{}: {off}", block.name);
        }
    }

    #[test]
    fn zeros_stay_zeros() {
        for block in BLOCKS {
            let packed = block.quantise(&[0.0; 256]);
            let bytes = packed.len() / (256 / block.elements);
            assert!(
                packed
                    .chunks(bytes)
                    .flat_map(|one| read(block.name, one))
                    .all(|v| v == 0.0),
                "{}",
                block.name
            );
        }
    }
}
