//! Small arrays with known answers, cuts of every kind, and equality between instruction sets.

#![expect(
    clippy::as_conversions,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a test may panic, and its numbers are small"
)]

mod equal;
mod numpy;

use super::*;

fn stats(dtype: Dtype, bytes: &[u8]) -> Stats {
    let mut accumulator = Accumulator::new(dtype.into());
    accumulator.feed(bytes);
    accumulator.finish()
}

fn f32s(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

#[test]
fn small_arrays_have_known_statistics() {
    let s = stats(
        Dtype::F32,
        &f32s(&[1.0, -2.0, 0.0, f32::NAN, f32::INFINITY, -0.0, 2048.0]),
    );
    assert_eq!(
        (s.elements, s.values, s.nan, s.pos_inf, s.neg_inf, s.zeros),
        (7, 7, 1, 1, 0, 2)
    );
    assert_eq!((s.min, s.max, s.abs_max, s.large), (-2.0, 2048.0, 2048.0, 1));
    assert_eq!((s.first_nonfinite, s.first_abs_max), (Some(3), Some(6)));
    assert_eq!(s.mean, 2047.0 / 5.0);
    assert_eq!(s.rms, ((1.0 + 4.0 + 2048.0f64.powi(2)) / 5.0).sqrt());
    assert_eq!(s.fourth_moment, (1.0 + 16.0 + 2048.0f64.powi(4)) / 5.0);
    assert_eq!(s.exponents[48], 1);
    assert_eq!(s.exponents[49], 1);
    assert_eq!(s.exponents[59], 1);
    assert_eq!(s.low_byte.unwrap().samples(), 7);
    assert!(!s.constant);
}

#[test]
fn nothing_and_cut_elements_are_told() {
    for dtype in Dtype::PLAIN {
        let s = stats(dtype, &[]);
        assert_eq!((s.elements, s.finite(), s.constant, s.partial_bytes), (0, 0, false, 0));
        assert_eq!(
            (s.min, s.max, s.mean, s.rms, s.kurtosis, s.longest_run),
            (0.0, 0.0, 0.0, 0.0, 0.0, 0)
        );
    }
    let s = stats(Dtype::F64, &[0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 1, 2, 3]);
    assert_eq!(
        (s.elements, s.partial_bytes, s.mean, s.constant, s.longest_run),
        (1, 3, 1.0, true, 1)
    );
    let s = stats(Dtype::C64, &f32s(&[1.0, 2.0, 3.0]));
    assert_eq!((s.elements, s.values, s.partial_bytes, s.max), (1, 2, 4, 2.0));
    let q4 = Dtype::parse("Q4_0").unwrap();
    let s = stats(q4, &[0; 35]);
    assert_eq!(
        (s.elements, s.values, s.partial_bytes, s.quant.unwrap().blocks),
        (32, 1, 17, 1)
    );
    assert_eq!(s.quant.unwrap().scale_zero, 1);
}

#[test]
fn sizes_end_with_whole_bytes_and_blocks() {
    assert_eq!(Dtype::F32.bytes_for(3), Some(12));
    assert_eq!(Dtype::F4.bytes_for(3), Some(2));
    assert_eq!(Dtype::F6E2M3.bytes_for(4), Some(3));
    assert_eq!(Dtype::F6E3M2.bytes_for(5), Some(4));
    assert_eq!(Dtype::C128.bytes_for(u64::MAX), None);
    assert_eq!(Dtype::I4.bytes_for(u64::MAX), Some(1 << 63));
    assert_eq!(Dtype::parse("Q4_K").unwrap().bytes_for(512), Some(288));
    assert_eq!(Dtype::parse("Q4_K").unwrap().bytes_for(257), Some(288));
    assert_eq!(Dtype::parse("Q8_0").unwrap().bytes_for(u64::MAX), None);
}

#[test]
fn formats_spellings_are_known() {
    for (spelling, dtype) in [
        ("F32", Dtype::F32),
        ("F8_E4M3FNUZ", Dtype::F8E4M3Fnuz),
        ("F6_E2M3", Dtype::F6E2M3),
        ("F4", Dtype::F4),
        ("BF16", Dtype::Bf16),
        ("FloatStorage", Dtype::F32),
        ("ComplexDouble", Dtype::C128),
        ("torch.float16", Dtype::F16),
        ("torch.FloatTensor", Dtype::F32),
        ("Long", Dtype::I64),
        ("<f4", Dtype::F32),
        ("|b1", Dtype::Bool),
        ("=u2", Dtype::U16),
        ("c16", Dtype::C128),
        ("f8", Dtype::F64),
        ("f4", Dtype::F32),
        ("FLOAT", Dtype::F32),
        ("FLOAT8E5M2FNUZ", Dtype::F8E5M2Fnuz),
        ("UINT4", Dtype::U4),
        ("DT_BFLOAT16", Dtype::Bf16),
        ("DT_QUINT8", Dtype::U8),
        ("FP8_E4M3FN", Dtype::F8E4M3),
        ("float8_e8m0fnu", Dtype::F8E8M0),
        ("complex64", Dtype::C64),
        ("QUInt4x2", Dtype::U4),
    ] {
        assert_eq!(Layout::parse(spelling), Some(dtype.into()), "{spelling}");
    }
    let big = Layout::parse(">f8").unwrap();
    assert_eq!((big.dtype, big.big_endian), (Dtype::F64, true));
    for unknown in [
        "", "<", "V2", "<f16", "f16x", "O", "STRING", "DT_OTHER", "type 99", "<M8[ns]", "compound", "Untyped",
    ] {
        assert_eq!(Layout::parse(unknown), None, "{unknown}");
    }
    for dtype in Dtype::PLAIN.into_iter().chain(QuantKind::all().map(Dtype::Quant)) {
        assert_eq!(Dtype::parse(dtype.name()), Some(dtype));
    }
}
