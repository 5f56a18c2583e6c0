//! Measures the tensor statistics in cache: GB/s of each element type and instruction set, on one core.
//!
//! ```sh
//! cargo run --release -p probity-engine --example kernels
//! ```
//!
//! The floor is what it takes to read the same bytes and do nothing but combine them.

use probity_engine::tensor::{Accumulator, Dtype, Isa, QuantKind};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Bytes of the array: they stay in the second-level cache.
const BYTES: usize = 512 * 1024;
/// How long passes are measured.
const LONG_ENOUGH: Duration = Duration::from_millis(200);

fn main() {
    let isas: Vec<Isa> = Isa::all().collect();
    let noise = noise(BYTES);
    let floor = best(|| {
        let words = noise.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word));
        black_box(words.fold(0, |all, word| all ^ word));
    });
    println!("memory-read floor {floor:6.1} GB/s");
    print!("{:12}", "");
    isas.iter().for_each(|isa| print!("{:>10}", isa.name()));
    println!();
    let quants = [
        QuantKind::Q4_0,
        QuantKind::Q8_0,
        QuantKind::Q4K,
        QuantKind::Q6K,
        QuantKind::Mxfp4,
    ];
    for dtype in Dtype::PLAIN.into_iter().chain(quants.map(Dtype::Quant)) {
        let array = weights(dtype, &noise);
        print!("{:12}", dtype.name());
        for isa in &isas {
            let speed = best(|| {
                let mut accumulator = Accumulator::with(dtype.into(), *isa);
                accumulator.feed(black_box(&array));
                black_box(accumulator.finish());
            });
            print!("{speed:10.1}");
        }
        println!();
    }
}

/// The speed of the fastest of many passes, in GB/s: other work on the machine slows some, but not all of them.
fn best(mut pass: impl FnMut()) -> f64 {
    let (begin, mut least) = (Instant::now(), Duration::MAX);
    while begin.elapsed() < LONG_ENOUGH {
        let start = Instant::now();
        pass();
        least = least.min(start.elapsed());
    }
    BYTES as f64 / least.as_secs_f64() / 1e9
}

fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(&(state ^ (state >> 29)).to_le_bytes());
    }
    bytes
}

/// Bytes as a trained model has them: floats of either sign between 2^-8 and 1/4 in magnitude, anything else as it comes.
fn weights(dtype: Dtype, noise: &[u8]) -> Vec<u8> {
    let unit = |bytes: &[u8]| f64::from(i16::from_le_bytes([bytes[0], bytes[1]])) / 131_072.0;
    let fill = |width: usize, write: &dyn Fn(f64, &[u8]) -> Vec<u8>| -> Vec<u8> {
        noise
            .chunks_exact(width)
            .flat_map(|element| write(unit(element), element))
            .collect()
    };
    match dtype {
        Dtype::F64 | Dtype::C128 => fill(8, &|v, e| (v + f64::from(e[4]) * 1e-12).to_le_bytes().to_vec()),
        Dtype::F32 | Dtype::C64 => fill(4, &|v, e| (v as f32 + f32::from(e[2]) * 1e-7).to_le_bytes().to_vec()),
        Dtype::Bf16 => fill(2, &|v, _| (v as f32).to_le_bytes()[2..].to_vec()),
        Dtype::F16 => fill(2, &|_, e| vec![e[0], (e[1] & 0x83) | 0x28]),
        Dtype::Quant(QuantKind::Q4_0 | QuantKind::Q8_0 | QuantKind::Q4K | QuantKind::Q6K) => {
            noise.iter().map(|b| b & 0x3b).collect()
        }
        _ => noise.to_vec(),
    }
}
