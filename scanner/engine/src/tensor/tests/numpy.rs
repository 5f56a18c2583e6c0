//! The same statistics as numpy in float64, for every element type.

use super::super::*;
use super::equal::{hard, noise};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A Python that has numpy and `ml_dtypes`: `PROBITY_NUMPY`, the build directory's own, or the system's.
fn python() -> Option<PathBuf> {
    let target = std::env::current_exe().ok()?;
    let own = target.ancestors().map(|dir| dir.join("tools/numpy/bin/python"));
    let named = std::env::var_os("PROBITY_NUMPY").map(PathBuf::from);
    named
        .into_iter()
        .chain(own)
        .chain([PathBuf::from("python3")])
        .find(|python| {
            let probe = Command::new(python)
                .args(["-c", "import numpy, ml_dtypes"])
                .stderr(Stdio::null())
                .status();
            probe.is_ok_and(|status| status.success())
        })
}

/// Numbers as a trained model has them: sums of bytes, small, of either sign.
fn weights(count: usize, seed: u64) -> impl Iterator<Item = f64> {
    let noise = noise(seed, count * 8);
    let value = |bytes: &[u8; 8]| bytes.iter().map(|b| f64::from(*b) - 127.5).sum::<f64>() / 8192.0;
    noise
        .as_chunks::<8>()
        .0
        .iter()
        .map(value)
        .collect::<Vec<f64>>()
        .into_iter()
}

fn arrays(layout: Layout) -> Vec<Vec<u8>> {
    let mut arrays = hard(1531);
    arrays.extend([
        vec![],
        vec![0x3c],
        noise(7, 9_001),
        noise(8, 9_001).iter().map(|b| b & 0xbf).collect(),
    ]);
    let floats = weights(70_000, 9);
    let order = |bytes: &mut [u8]| {
        if layout.big_endian {
            bytes.reverse();
        }
    };
    match layout.dtype {
        Dtype::F32 | Dtype::C64 => arrays.push(
            floats
                .flat_map(|v| {
                    let mut bytes = (v as f32).to_le_bytes();
                    order(&mut bytes);
                    bytes
                })
                .collect(),
        ),
        Dtype::F64 | Dtype::C128 => arrays.push(
            floats
                .flat_map(|v| {
                    let mut bytes = v.to_le_bytes();
                    order(&mut bytes);
                    bytes
                })
                .collect(),
        ),
        Dtype::Bf16 => arrays.push(
            floats
                .flat_map(|v| {
                    let [_, _, a, b] = (v as f32).to_le_bytes();
                    let mut bytes = [a, b];
                    order(&mut bytes);
                    bytes
                })
                .collect(),
        ),
        _ => arrays.push(noise(10, 40_000)),
    }
    arrays
}

/// Relative difference, to what the summands amount to.
fn near(ours: f64, theirs: f64, scale: f64) -> bool {
    ours == theirs || (ours - theirs).abs() <= 1e-6 * theirs.abs().min(scale).max(scale * 1e-6)
}

fn compare(layout: Layout, bytes: &[u8], line: &str, what: &str) {
    let mut accumulator = Accumulator::new(layout);
    bytes.chunks(4099).for_each(|piece| accumulator.feed(piece));
    let s = accumulator.finish();
    let theirs: Vec<f64> = line.split(' ').map(|n| n.parse().unwrap()).collect();
    let parts = if matches!(layout.dtype, Dtype::C64 | Dtype::C128) {
        2
    } else {
        1
    };
    let first = |place: Option<u64>| place.map_or(-1.0, |at| at as f64);
    // The places are of values there, of elements here; for GGUF of a block's first element.
    let place = |value: f64| match (value < 0.0, layout.dtype) {
        (true, _) => -1.0,
        (_, Dtype::Quant(kind)) => {
            let name = kind.name();
            let (scales, blocks) = match name {
                "NVFP4" => (4.0, 1.0),
                _ if name.ends_with("_8_8") => (8.0, 8.0),
                _ if name.ends_with("_4_4") || name.ends_with("_4_8") => (4.0, 4.0),
                _ => (1.0, 1.0),
            };
            (value / scales).floor() * blocks * kind.block_elements() as f64
        }
        _ => (value / f64::from(parts)).floor(),
    };
    let counts = [s.values, s.nan, s.pos_inf, s.neg_inf, s.zeros, s.large].map(|n| n as f64);
    assert_eq!(counts, theirs[..6], "counts: {what}");
    assert_eq!([s.min, s.max, s.abs_max], theirs[6..9], "extremes: {what}");
    let [mean, mean_abs, rms, fourth, kurtosis] = theirs[9..14] else {
        panic!("{what}")
    };
    assert!(near(s.mean, mean, mean_abs), "mean {} {mean}: {what}", s.mean);
    assert!(near(s.rms, rms, rms), "rms {} {rms}: {what}", s.rms);
    assert!(
        near(s.fourth_moment, fourth, fourth),
        "fourth moment {} {fourth}: {what}",
        s.fourth_moment
    );
    assert!(
        near(s.kurtosis, kurtosis, kurtosis),
        "kurtosis {} {kurtosis}: {what}",
        s.kurtosis
    );
    assert_eq!(
        [first(s.first_nonfinite), first(s.first_abs_max)],
        [place(theirs[14]), place(theirs[15])],
        "places: {what}"
    );
    let quant = s.quant.unwrap_or_default();
    assert_eq!(
        [quant.mins as f64, quant.min_nonfinite as f64, quant.min_abs_max],
        theirs[16..19],
        "minima: {what}"
    );
    let exponents: Vec<f64> = s.exponents.iter().map(|n| *n as f64).collect();
    assert_eq!(exponents, theirs[19..], "exponents: {what}");
}

#[test]
fn statistics_equal_numpys() {
    let Some(python) = python() else {
        eprintln!("probity-skip: no python3 with numpy and ml_dtypes to compare with");
        return;
    };
    let dtypes = Dtype::PLAIN.into_iter().chain(QuantKind::all().map(Dtype::Quant));
    let layouts = dtypes.flat_map(|dtype| {
        let both = dtype.bytes_for(1) > Some(1) && !matches!(dtype, Dtype::Quant(_));
        [false, true]
            .into_iter()
            .take(if both { 2 } else { 1 })
            .map(move |big_endian| Layout { dtype, big_endian })
    });
    let cases: Vec<(Layout, Vec<u8>)> = layouts
        .flat_map(|layout| arrays(layout).into_iter().map(move |bytes| (layout, bytes)))
        .collect();
    let mut child = Command::new(python)
        .args(["-c", include_str!("numpy.py")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: String = cases
        .iter()
        .map(|(layout, bytes)| {
            let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
            let order = if layout.big_endian { "big" } else { "little" };
            format!("{} {order} {hex}\n", layout.dtype.name())
        })
        .collect();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), cases.len());
    assert!(cases.len() > 800, "{}", cases.len());
    for (at, ((layout, bytes), line)) in cases.iter().zip(text.lines()).enumerate() {
        let what = format!(
            "case {at}, {layout:?}, {} bytes, from {:02x?}",
            bytes.len(),
            &bytes[..bytes.len().min(16)]
        );
        compare(*layout, bytes, line, &what);
    }
}
