//! The same statistics from every instruction set, every cut and every thread.

use super::super::*;
use proptest::prelude::*;

/// Every layout there is; both byte orders where they differ.
fn layouts() -> impl Iterator<Item = Layout> {
    let plain = Dtype::PLAIN.into_iter().chain(QuantKind::all().map(Dtype::Quant));
    plain.flat_map(|dtype| [false, true].map(|big_endian| Layout { dtype, big_endian }))
}

fn stats(layout: Layout, isa: Isa, bytes: &[u8], tile: usize) -> Stats {
    let mut accumulator = Accumulator::with(layout, isa);
    bytes.chunks(tile).for_each(|piece| accumulator.feed(piece));
    accumulator.finish()
}

/// Equal to the last bit, signs of zeros included.
fn same(one: &Stats, other: &Stats, what: &str) {
    assert_eq!(one, other, "{what}");
    let bits = |s: &Stats| [s.min, s.max, s.abs_max, s.mean, s.rms, s.fourth_moment, s.kurtosis].map(f64::to_bits);
    assert_eq!(bits(one), bits(other), "{what}");
}

fn check(bytes: &[u8], tiles: &[usize]) {
    for layout in layouts() {
        let expected = stats(layout, Isa::Portable, bytes, usize::MAX);
        for isa in Isa::all() {
            for tile in tiles {
                let what = format!("{layout:?} {} tiles of {tile}", isa.name());
                same(&expected, &stats(layout, isa, bytes, *tile), &what);
            }
        }
    }
}

pub(super) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut bytes = Vec::new();
    while bytes.len() < length {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(&(state ^ (state >> 31)).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Arrays that are hard in one way or another, as bytes for any type.
pub(super) fn hard(length: usize) -> Vec<Vec<u8>> {
    let repeat = |pattern: &[u8]| pattern.iter().copied().cycle().take(length).collect::<Vec<u8>>();
    let mut ends_badly = noise(5, length).iter().map(|b| b & 0x3f).collect::<Vec<u8>>();
    ends_badly.splice(length.saturating_sub(8).., [0xff; 8]);
    let mut runs = noise(6, length);
    for (at, size) in [(3, 200), (length / 2, 515), (length - length / 3, length / 3)] {
        runs[at..(at + size).min(length)].fill(0x3c);
    }
    vec![
        vec![0; length],
        vec![0xff; length],
        vec![0x80; length],
        // Denormals of every float, of either byte order.
        repeat(&[1, 0, 0, 0, 0, 0, 0, 0]),
        repeat(&[0, 0, 0, 0, 0, 0, 0, 1]),
        repeat(&[0, 0, 0, 0x80]),
        // Infinities of 32, 16 and 64 bits between numbers.
        repeat(&[0, 0, 0x80, 0x7f, 0, 0, 0x80, 0xff, 1, 2, 3, 4]),
        repeat(&[0, 0x7c, 0, 0xfc, 1, 2]),
        repeat(&[
            0, 0, 0, 0, 0, 0, 0xf0, 0x7f, 0, 0, 0, 0, 0, 0, 0xf0, 0xff, 1, 2, 3, 4, 5, 6, 7, 8,
        ]),
        // The greatest of 32 and 64 bits, cancelling each other.
        repeat(&[0xff, 0xff, 0x7f, 0x7f, 0xff, 0xff, 0x7f, 0xff]),
        repeat(&[
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xef, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xef, 0xff,
        ]),
        ends_badly,
        runs,
    ]
}

#[test]
fn instruction_sets_and_cuts_change_nothing() {
    for bytes in hard(5003) {
        check(&bytes, &[1, 7, 4096, usize::MAX]);
    }
    check(&noise(1, 5003), &[1, 7, 4096, usize::MAX]);
}

#[test]
fn blocks_and_chunks_change_nothing() {
    // More than two blocks of the narrowest of the wide types, and of finite floats.
    let tame: Vec<u8> = noise(2, 300_017).iter().map(|b| b & 0xbf).collect();
    check(&tame, &[4096, 16_383, 100_003]);
    check(&noise(3, 300_017), &[100_003]);
}

#[test]
fn threads_change_nothing() {
    let bytes = noise(4, 100_000);
    let layout = Dtype::F32.into();
    let expected = stats(layout, Isa::Portable, &bytes, usize::MAX);
    std::thread::scope(|scope| {
        for tile in [64, 1000, 4096, 65_536, 100_000] {
            let (bytes, expected) = (&bytes, &expected);
            scope.spawn(move || same(expected, &stats(layout, Isa::best(), bytes, tile), "thread"));
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_bytes_give_the_same(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..1500),
        mask in prop_oneof![Just(0xff_u8), Just(0xbf), Just(0x3f), Just(0x80)],
        tile in 1usize..600,
        skip in 0usize..9,
    ) {
        bytes.iter_mut().for_each(|b| *b &= mask);
        // Addresses that no element is aligned to.
        let bytes = bytes.get(skip..).unwrap_or_default();
        check(bytes, &[tile]);
    }

    #[test]
    fn runs_are_those_that_one_sees(
        pieces in proptest::collection::vec((0u8..4, 1usize..200), 0..30),
        tile in 1usize..700,
    ) {
        let values: Vec<u8> = pieces.iter().flat_map(|(value, count)| vec![*value; *count]).collect();
        let longest = values.chunk_by(|a, b| a == b).map(<[u8]>::len).max().unwrap_or(0);
        let constant = longest > 0 && longest == values.len();
        let told = if constant || longest >= 64 { longest as u64 } else { 0 };
        for dtype in [Dtype::U8, Dtype::Bf16, Dtype::I32, Dtype::F64, Dtype::C128] {
            let width = dtype.bytes_for(1).unwrap() as usize;
            let bytes: Vec<u8> = values.iter().flat_map(|v| vec![*v; width]).collect();
            let s = stats(dtype.into(), Isa::best(), &bytes, tile);
            prop_assert_eq!((s.longest_run, s.constant), (told, constant));
        }
    }
}
