//! Planted cases, each found with its tensor named, and what must stay quiet.

use crate::artifact::Report;
use crate::pipeline::{Options, Scanner};
use probity_signatures::Severity;
use probity_tests::build::safetensors::{SafeTensors, Tensor, weights};

const ELF: &[u8] = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0\0\x10\x40\0\0\0\0\0\x40\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x40\0\x38\0\x01\0\x40\0\0\0\0\0";
const SCRIPT: &[u8] = b"#!/bin/sh\n# inert\ntrue\ntrue\n";

fn pe() -> Vec<u8> {
    let mut file = vec![0u8; 0x200];
    file[..2].copy_from_slice(b"MZ");
    file[0x3c] = 0x80;
    file[0x80..0x88].copy_from_slice(b"PE\0\0\x64\x86\x03\0");
    file[0x94] = 0xf0;
    file
}

fn zip() -> Vec<u8> {
    probity_tests::build::zip::small()
}

/// Numbers around zero, as weights are, with random low bits.
fn floats(n: usize) -> Vec<f32> {
    let mut state = 7u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        f64::from((state >> 33) as u32) / f64::from(1u32 << 31)
    };
    (0..n)
        .map(|_| ((next() + next() + next() - 1.5) * 0.05) as f32)
        .collect()
}

fn f32s(n: usize) -> Vec<u8> {
    floats(n).iter().flat_map(|x| x.to_le_bytes()).collect()
}

fn bf16s(n: usize) -> Vec<u8> {
    floats(n)
        .iter()
        .flat_map(|x| [x.to_le_bytes()[2], x.to_le_bytes()[3]])
        .collect()
}

fn scan(bytes: Vec<u8>) -> Report {
    let options = Options {
        jobs: 1,
        ..Options::default()
    };
    Scanner::new(options).unwrap().scan_bytes("model.safetensors", bytes)
}

/// `code case tensor` of every finding at low or above, and of every note about tensors.
fn found(report: &Report) -> Vec<String> {
    let all = report.artifacts.iter().flat_map(|a| &a.findings);
    let named = all
        .filter(|f| f.severity > Severity::Info || f.finding.code.starts_with("tensor-"))
        .map(|f| {
            let tensor = f.finding.evidence.iter().find(|(key, _)| *key == "tensor");
            let tensor = match tensor {
                Some((_, crate::finding::Value::Text(name))) => name.as_str(),
                _ => "",
            };
            format!("{} {} {tensor}", f.finding.code, f.finding.case.unwrap_or("-"))
        });
    let errors = report
        .artifacts
        .iter()
        .flat_map(|a| &a.errors)
        .map(|e| format!("error {}", e.message));
    named.chain(errors).collect()
}

fn model(tensors: Vec<Tensor>) -> Vec<u8> {
    SafeTensors {
        tensors,
        align: 8,
        ..SafeTensors::default()
    }
    .build()
}

/// The model with `data` between two sound tensors.
fn around(dtype: &str, shape: &[u64], data: Vec<u8>) -> Vec<u8> {
    model(vec![
        Tensor::new("layers.0.first.weight", "F32", &[64, 64], f32s(4096)),
        Tensor::new("layers.1.mlp.weight", dtype, shape, data),
        Tensor::new("layers.2.last.weight", "F32", &[64, 65], f32s(64 * 65)),
    ])
}

fn check(bytes: Vec<u8>, expected: &[&str]) {
    let all = found(&scan(bytes));
    assert!(
        expected.iter().all(|e| all.iter().any(|f| f == e)),
        "{expected:?} in {all:?}"
    );
    let others: Vec<_> = all
        .iter()
        .filter(|f| !expected.contains(&f.as_str()) && !follows(f))
        .collect();
    assert_eq!(others, Vec::<&String>::new(), "nothing but {expected:?}");
}

/// What bytes that are no numbers look like besides: the rule about executables anywhere, and numbers out of scale.
fn follows(finding: &str) -> bool {
    ["embedded-executable", "tensor-magnitude", "tensor-nonfinite"]
        .iter()
        .any(|code| finding.starts_with(code))
}

fn put(mut into: Vec<u8>, at: usize, what: &[u8]) -> Vec<u8> {
    into[at..at + what.len()].copy_from_slice(what);
    into
}

/// Writes `payload` into the lowest `low` bytes of each element from `element` on.
fn low_bytes(mut into: Vec<u8>, width: usize, low: usize, reversed: bool, element: usize, payload: &[u8]) -> Vec<u8> {
    for (at, byte) in payload.iter().enumerate() {
        let nth = if reversed { low - 1 - at % low } else { at % low };
        into[(element + at / low) * width + nth] = *byte;
    }
    into
}

fn low_bits(mut into: Vec<u8>, width: usize, msb: bool, element: usize, payload: &[u8]) -> Vec<u8> {
    for (at, byte) in payload.iter().enumerate() {
        for bit in 0..8 {
            let value = byte >> (if msb { 7 - bit } else { bit }) & 1;
            let slot = &mut into[(element + at * 8 + bit) * width];
            *slot = *slot & 0xfe | value;
        }
    }
    into
}

#[test]
fn sound_models_are_quiet() {
    for model in [
        around("F32", &[256, 256], f32s(65536)),
        around("BF16", &[256, 256], bf16s(65536)),
        around("F32", &[300, 100], weights(30_000)),
    ] {
        assert_eq!(found(&scan(model)), Vec::<String>::new());
    }
}

#[test]
fn payloads_in_raw_bytes_are_named() {
    for payload in [ELF.to_vec(), pe(), zip(), SCRIPT.to_vec()] {
        let data = put(f32s(65536), 12_345, &payload);
        check(
            around("F32", &[256, 256], data),
            &["tensor-payload raw layers.1.mlp.weight"],
        );
    }
    for payload in [ELF.to_vec(), pe(), SCRIPT.to_vec()] {
        let data = put(vec![0x55; 65536], 777, &payload);
        check(
            around("U8", &[65536], data),
            &["tensor-integer-executable - layers.1.mlp.weight"],
        );
    }
    let data = put(vec![0x55; 65536], 777, &zip());
    check(
        around("U8", &[65536], data),
        &["tensor-payload integer-archive layers.1.mlp.weight"],
    );
}

#[test]
fn payloads_in_low_bytes_are_named() {
    let expected = ["tensor-payload bytes layers.1.mlp.weight"];
    for payload in [ELF.to_vec(), pe(), zip(), SCRIPT.to_vec()] {
        for (low, reversed) in [(1, false), (2, false), (2, true), (3, false), (3, true)] {
            let data = low_bytes(f32s(65536), 4, low, reversed, 4321, &payload);
            check(around("F32", &[256, 256], data), &expected);
        }
        let data = low_bytes(bf16s(65536), 2, 1, false, 4321, &payload);
        check(around("BF16", &[256, 256], data), &expected);
    }
    let data = low_bytes(bf16s(65536), 2, 2, true, 4321, ELF);
    let all = found(&scan(around("BF16", &[256, 256], data)));
    assert!(all.contains(&expected[0].to_owned()), "{all:?}");
}

#[test]
fn payloads_in_single_low_bits_are_named() {
    let expected = ["tensor-payload bits layers.1.mlp.weight"];
    for payload in [ELF.to_vec(), pe(), zip(), SCRIPT.to_vec()] {
        for msb in [false, true] {
            let data = low_bits(f32s(65536), 4, msb, 4321, &payload);
            check(around("F32", &[256, 256], data), &expected);
            let data = low_bits(bf16s(65536), 2, msb, 4321, &payload);
            check(around("BF16", &[256, 256], data), &expected);
        }
    }
}

#[test]
fn headers_that_do_not_agree_with_themselves_are_no_payloads() {
    let broken = put(ELF.to_vec(), 52, &[0; 2]);
    check(
        around("F32", &[256, 256], low_bytes(f32s(65536), 4, 1, false, 99, &broken)),
        &[],
    );
    check(
        around(
            "F32",
            &[256, 256],
            put(f32s(65536), 4096, b"PK\x03\x04\x14\0\0\0\x08\0"),
        ),
        &[],
    );
    check(
        around(
            "F32",
            &[256, 256],
            put(f32s(65536), 4096, b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xff\xff\xff"),
        ),
        &[],
    );
    check(
        around("F32", &[256, 256], put(f32s(65536), 4096, b"#!/bin/xy\x80\x01\x02")),
        &[],
    );
    // A pickle that calls nothing dangerous.
    let pickle = probity_tests::build::pickle::benign(4);
    check(
        around("F32", &[256, 256], low_bytes(f32s(65536), 4, 1, false, 99, &pickle)),
        &[],
    );
}

#[test]
fn a_pickle_that_calls_is_a_payload() {
    for proto in [2, 4] {
        let pickle = probity_tests::build::pickle::os_system(proto);
        let data = low_bytes(f32s(65536), 4, 1, false, 99, &pickle);
        check(
            around("F32", &[256, 256], data),
            &["tensor-payload bytes layers.1.mlp.weight"],
        );
    }
}

#[test]
fn one_nan_is_found_exactly() {
    let mut data = f32s(1 << 18);
    data[4 * 131_077..][..4].copy_from_slice(&f32::NAN.to_le_bytes());
    let report = scan(around("F32", &[512, 512], data));
    assert_eq!(found(&report), ["tensor-nonfinite nan layers.1.mlp.weight"]);
    let finding = &report.artifacts[0].findings[0].finding;
    assert!(
        finding.message.ends_with("the first is element 131077"),
        "{}",
        finding.message
    );
    assert_eq!(finding.span.len(), 4);
    for (value, case) in [(f32::INFINITY, "infinite"), (f32::NEG_INFINITY, "infinite")] {
        let mut data = f32s(1 << 18);
        data[40..44].copy_from_slice(&value.to_le_bytes());
        let expected = format!("tensor-nonfinite {case} layers.1.mlp.weight");
        check(around("F32", &[512, 512], data), &[&expected]);
    }
}

#[test]
fn masks_and_buffers_may_be_infinite() {
    let mask: Vec<u8> = (0..4096)
        .flat_map(|at| if at % 64 > at / 64 { f32::NEG_INFINITY } else { 0.0 }.to_le_bytes())
        .collect();
    check(
        around("F32", &[64, 64], mask),
        &["tensor-nonfinite mask layers.1.mlp.weight"],
    );
    let mut data = f32s(4096);
    data[..4].copy_from_slice(&f32::INFINITY.to_le_bytes());
    let model = model(vec![Tensor::new("attn.inv_freq", "F32", &[64, 64], data)]);
    check(model, &["tensor-nonfinite mask attn.inv_freq"]);
}

#[test]
fn one_enormous_element_is_an_outlier() {
    let mut data = bf16s(1 << 16);
    data[2 * 31_337..][..2].copy_from_slice(&[0x49, 0x71]);
    let report = scan(around("BF16", &[256, 256], data));
    assert_eq!(found(&report), ["tensor-magnitude outlier layers.1.mlp.weight"]);
    assert!(
        report.artifacts[0].findings[0]
            .finding
            .message
            .contains("element 31337")
    );
    let many: Vec<u8> = floats(4096).iter().flat_map(|x| (x * 1e6).to_le_bytes()).collect();
    check(
        around("F32", &[64, 64], many.clone()),
        &["tensor-magnitude large layers.1.mlp.weight"],
    );
    let model = model(vec![Tensor::new("bn.running_var", "F32", &[4096], many)]);
    check(model, &["tensor-magnitude other bn.running_var"]);
}

/// A convolution into which a normalisation was folded: a long tail, whose last elements are large. Published ones in half
/// precision reach 2^16 over the middle element.
#[test]
fn the_end_of_a_long_tail_is_no_outlier() {
    let tail = |n: usize| {
        let place = n.wrapping_mul(2_654_435_761) % 4096;
        let power = 16.5 * (place as f64 / 4096.0).powi(6) - 6.0;
        (power.exp2() as f32).to_le_bytes()
    };
    let data: Vec<u8> = (0..4096).flat_map(tail).collect();
    check(
        around("F32", &[64, 64], data),
        &["tensor-magnitude large layers.1.mlp.weight"],
    );
}

#[test]
fn an_outlier_is_far_from_the_bulk_or_from_the_middle() {
    let outlier = ["tensor-magnitude outlier layers.1.mlp.weight"];
    let mut one = f32s(1 << 16);
    one[4 * 3001..][..4].copy_from_slice(&2048f32.to_le_bytes());
    check(around("F32", &[256, 256], one), &outlier);
    // Few of all, and many of those that are sampled: the first 1,024 all are.
    let mut crowded = f32s(1 << 16);
    for element in crowded.chunks_exact_mut(4).take(200) {
        element.copy_from_slice(&1e30f32.to_le_bytes());
    }
    check(around("F32", &[256, 256], crowded), &outlier);
}

/// What `cargo xtask calibrate` counts is what a scan finds.
#[test]
fn measured_tensors_have_the_findings_and_their_numbers() {
    let mut data = f32s(1 << 16);
    data[4 * 3001..][..4].copy_from_slice(&2048f32.to_le_bytes());
    let options = Options {
        measure_tensors: true,
        ..Options::default()
    };
    let report = Scanner::new(options)
        .unwrap()
        .scan_bytes("m.safetensors", around("F32", &[256, 256], data));
    let measured = &report.artifacts[0].measured;
    let known = measured
        .iter()
        .find(|tensor| tensor.name == "layers.1.mlp.weight")
        .unwrap();
    let fired: Vec<_> = known.fired.iter().map(|fired| (fired.code, fired.case)).collect();
    assert_eq!(fired, [("tensor-magnitude", Some("outlier"))]);
    let numbers = known.numbers.as_ref().unwrap();
    assert_eq!((numbers.abs_max, numbers.large, known.weight), (2048.0, 1, true));
    assert!(numbers.over_bulk().unwrap() < numbers.over_middle().unwrap());
    let others: usize = measured.iter().map(|tensor| tensor.fired.len()).sum();
    assert_eq!(others, report.artifacts[0].findings.len());
    assert!(scan(around("F32", &[4, 4], f32s(16))).artifacts[0].measured.is_empty());
}

#[test]
fn text_among_floats_is_told_by_length() {
    let urls = "https://example.org/path/to/a/resource?number=1234&word=some\n".repeat(70);
    check(
        around("F32", &[256, 256], put(f32s(65536), 4097, urls.as_bytes())),
        &["tensor-text long layers.1.mlp.weight"],
    );
    check(
        around("BF16", &[256, 256], put(bf16s(65536), 4097, urls.as_bytes())),
        &["tensor-text long layers.1.mlp.weight"],
    );
    let words =
        b"The quick brown fox jumps over the lazy dog; some more words follow here, so that it is a line of text.";
    check(
        around("F32", &[256, 256], put(f32s(65536), 4097, words)),
        &["tensor-text short layers.1.mlp.weight"],
    );
    // Tables of bytes hold texts.
    check(
        around("U8", &[65536], put(vec![0x90; 65536], 5, &urls.as_bytes()[..4096])),
        &[],
    );
    // One number over and over, all bytes of which are printable.
    check(
        around("F16", &[256, 256], [0x66, 0x2e].repeat(65536)),
        &["tensor-constant - layers.1.mlp.weight"],
    );
}

#[test]
fn constant_equal_and_odd_tensors_are_notes() {
    check(
        around("F32", &[64, 64], 1.5f32.to_le_bytes().repeat(4096)),
        &["tensor-constant - layers.1.mlp.weight"],
    );
    let twice = model(vec![
        Tensor::new("a.weight", "F32", &[64, 64], f32s(4096)),
        Tensor::new("b.weight", "F32", &[64, 64], f32s(4096)),
    ]);
    check(twice, &["tensor-duplicate - a.weight"]);
    let layers = |odd: f32| {
        let layer = |at: usize| {
            let scale = if at == 5 { odd } else { 1.0 + 0.01 * at as f32 };
            let data = floats(4096).iter().flat_map(|x| (x * scale).to_le_bytes()).collect();
            Tensor::new(&format!("layers.{at}.mlp.down_proj.weight"), "F32", &[64, 64], data)
        };
        model((0..8).map(layer).collect())
    };
    check(layers(1.2), &[]);
    check(layers(9.0), &["tensor-sibling - layers.5.mlp.down_proj.weight"]);
}

#[test]
fn low_bytes_unlike_those_of_siblings_are_a_note() {
    let layer = |at: usize| {
        let numbers = floats(8192);
        let data = numbers.iter().flat_map(|x| {
            let mut bytes = (x * (1.0 + 0.01 * at as f32)).to_le_bytes();
            // Weights that came from a narrower type.
            if at != 3 {
                bytes[0] = 0;
            }
            bytes
        });
        Tensor::new(
            &format!("layers.{at}.mlp.up_proj.weight"),
            "F32",
            &[64, 128],
            data.collect(),
        )
    };
    let model = model((0..8).map(layer).collect());
    check(model, &["tensor-low-bits - layers.3.mlp.up_proj.weight"]);
}

#[test]
fn odd_tensors_are_examined_without_a_word() {
    check(
        model(vec![
            Tensor::new("scalar", "F32", &[], 1.0f32.to_le_bytes().to_vec()),
            Tensor::new("empty", "F32", &[0, 5], Vec::new()),
            Tensor::new("denormals", "F32", &[64, 64], 1u32.to_le_bytes().repeat(4096)),
        ]),
        &["tensor-constant - denormals"],
    );
    let nan = f32::NAN.to_le_bytes().repeat(4096);
    let all = found(&scan(around("F32", &[64, 64], nan)));
    assert!(
        all.contains(&"tensor-nonfinite nan layers.1.mlp.weight".to_owned()),
        "{all:?}"
    );
}

#[test]
fn many_tensors_over_the_same_bytes_are_bounded() {
    let count = 2000u64;
    let size = 64u64 << 10;
    let mut header = String::from("{");
    for at in 0..count {
        let begin = at * 4;
        let end = begin + size;
        let comma = if at > 0 { "," } else { "" };
        header.push_str(&format!(
            "{comma}\"t{at}\":{{\"dtype\":\"F32\",\"shape\":[{}],\"data_offsets\":[{begin},{end}]}}",
            size / 4
        ));
    }
    header.push('}');
    let length = header.len().next_multiple_of(8);
    let mut bytes = (length as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes().chain(std::iter::repeat(b' ')).take(length));
    bytes.extend(f32s(((size + count * 4) / 4) as usize));
    let report = scan(bytes);
    let errors: Vec<&str> = report.artifacts[0].errors.iter().map(|e| e.message.as_str()).collect();
    assert!(
        errors.iter().any(|e| e.contains("sum to more than twice")),
        "{errors:?}"
    );
}
