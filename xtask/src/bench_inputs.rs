//! The benchmarks' inputs, generated once under `target/bench` from a fixed seed.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::corpus;
use crate::run::target_dir;
use crate::tools;

mod torch;

const MIB: u64 = 1 << 20;

fn dir() -> PathBuf {
    target_dir().join("bench")
}

/// A safetensors file of 1 GiB: 64 float tensors of 16 MiB.
pub(crate) fn safetensors() -> Result<PathBuf> {
    let path = dir().join("model-1g.safetensors");
    write_once(&path, |out| write_safetensors(out, 64, 16 * MIB, 1))?;
    Ok(path)
}

/// A directory of 96 safetensors files of 8 MiB: many files, none large enough for threads of its own.
pub(crate) fn medium_files() -> Result<PathBuf> {
    let home = dir().join("medium");
    for number in 0..96_u64 {
        write_once(&home.join(format!("shard-{number:05}.safetensors")), |out| {
            write_safetensors(out, 4, 2 * MIB, number + 2)
        })?;
    }
    Ok(home)
}

/// A directory of 2,000 pickles of about 200 bytes: settings dictionaries, as pickle protocol 2 writes them.
pub(crate) fn pickles() -> Result<PathBuf> {
    let home = dir().join("pickles");
    for number in 0..2000_u32 {
        write_once(&home.join(format!("{number:04}.pkl")), |out| {
            Ok(out.write_all(&pickle(number))?)
        })?;
    }
    Ok(home)
}

/// A checkpoint of 512 MiB as `torch.save` writes it: 32 float tensors of 16 MiB, stored.
pub(crate) fn torch() -> Result<PathBuf> {
    let path = dir().join("model-512m.pt");
    write_once(&path, |out| torch::write(out, 32, 4 << 20, &mut Noise(9)))?;
    Ok(path)
}

/// One pickle of 100 MB and about sixteen million opcodes: lists of small numbers and short texts.
pub(crate) fn opcodes() -> Result<PathBuf> {
    let path = dir().join("opcodes-100m.pkl");
    write_once(&path, |out| write_opcodes(out, 100_000_000))?;
    Ok(path)
}

/// A directory of 100,000 small files, as a front end's `node_modules` holds them: 2,000 packages of 50.
pub(crate) fn small_files() -> Result<PathBuf> {
    let home = dir().join("node_modules");
    let mut noise = Noise(77);
    for package in 0..2000_u32 {
        let package = home.join(format!("package-{package:04}"));
        write_once(&package.join("package.json"), |out| {
            Ok(out
                .write_all(b"{\n  \"name\": \"package\",\n  \"version\": \"1.0.0\",\n  \"main\": \"lib/0.js\"\n}\n")?)
        })?;
        for number in 0..49_u32 {
            let length = 200 + noise.next() % 4000;
            write_once(&package.join("lib").join(format!("{number}.js")), |out| {
                write_words(out, length, &mut noise)
            })?;
        }
    }
    Ok(home)
}

/// 96 MiB of words, compressed by a tool.
pub(crate) fn compressed(tool: &str) -> Result<PathBuf> {
    tools::need(tool, "Debian calls it so, but for xz: xz-utils")?;
    let plain = dir().join("words.txt");
    write_once(&plain, |out| write_words(out, 96 * MIB, &mut Noise(5)))?;
    let path = dir().join(format!("words.{tool}"));
    write_once(&path, |out| {
        let mut made = Command::new(tool)
            .args(["-c", "-k"])
            .arg(&plain)
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| tool.to_owned())?;
        let mut bytes = made.stdout.take().context("no output")?;
        std::io::copy(&mut bytes, out)?;
        anyhow::ensure!(made.wait()?.success(), "{tool} failed");
        Ok(())
    })?;
    Ok(path)
}

/// About `length` bytes of text that repeats itself as source code does.
fn write_words(out: &mut impl Write, length: u64, noise: &mut Noise) -> Result<()> {
    const WORDS: [&str; 24] = [
        "const",
        "return",
        "function",
        "value",
        "(",
        ")",
        "{",
        "}",
        "=>",
        "this.state",
        "await",
        "import",
        "from",
        "module",
        "exports",
        "index",
        "length",
        "if",
        "else",
        "for",
        "let",
        "of",
        "Object.keys",
        "undefined",
    ];
    let mut written = 0;
    while written < length {
        let roll = noise.next();
        let at = (roll as usize >> 8) % WORDS.len();
        let word = WORDS.get(at).copied().unwrap_or("const");
        let end = if roll & 15 == 0 { ";\n" } else { " " };
        let text = if roll & 7 == 7 {
            format!("{word}{:x}{end}", roll >> 40)
        } else {
            format!("{word}{end}")
        };
        out.write_all(text.as_bytes())?;
        written += text.len() as u64;
    }
    Ok(())
}

/// The largest ELF file of the unpacked corpus.
pub(crate) fn largest_elf() -> Result<PathBuf> {
    let mut names = Vec::new();
    corpus::list(&corpus::corpus_dir().join("unpacked"), &mut names).context("no corpus: cargo xtask corpus")?;
    let mut sized: Vec<(u64, PathBuf)> = Vec::new();
    for path in names.into_iter().map(PathBuf::from) {
        let length = fs::symlink_metadata(&path)?.len();
        sized.push((length, path));
    }
    sized.sort();
    let elf = sized
        .into_iter()
        .rev()
        .map(|(_, path)| path)
        .find(|path| starts_with(path, b"\x7fELF"));
    elf.context("the corpus holds no ELF file: cargo xtask corpus")
}

/// The archive that `largest_elf` came in.
pub(crate) fn its_tarball(elf: &Path) -> Result<PathBuf> {
    let home = corpus::corpus_dir();
    let name = elf
        .strip_prefix(home.join("unpacked"))?
        .iter()
        .next()
        .context("no corpus name")?;
    let entry = fs::read_dir(home.join("packed").join(name))?
        .next()
        .context("the packed artifact is missing")?;
    Ok(entry?.path())
}

fn starts_with(path: &Path, magic: &[u8]) -> bool {
    let mut first = [0; 4];
    let read = File::open(path).and_then(|mut file| std::io::Read::read_exact(&mut file, &mut first));
    read.is_ok() && first == magic
}

/// Writes `path` unless it is there; under another name until it is whole.
fn write_once(path: &Path, fill: impl FnOnce(&mut BufWriter<File>) -> Result<()>) -> Result<()> {
    if path.exists() {
        return Ok(());
    }
    fs::create_dir_all(path.parent().context("no parent")?)?;
    let partial = path.with_extension("partial");
    let mut out = BufWriter::with_capacity(1 << 20, File::create(&partial)?);
    fill(&mut out)?;
    out.into_inner().context("cannot flush")?;
    Ok(fs::rename(partial, path)?)
}

fn write_safetensors(out: &mut impl Write, tensors: u64, bytes: u64, seed: u64) -> Result<()> {
    let side = (bytes / 4).isqrt();
    let rows = bytes / 4 / side;
    let length = rows * side * 4;
    let mut header = String::from("{\"__metadata__\":{\"format\":\"pt\"}");
    for number in 0..tensors {
        let start = number * length;
        header.push_str(&format!(
            ",\"model.layers.{number}.mlp.down_proj.weight\":{{\"dtype\":\"F32\",\"shape\":[{rows},{side}],\"data_offsets\":[{start},{}]}}",
            start + length
        ));
    }
    header.push('}');
    while header.len() % 8 != 0 {
        header.push(' ');
    }
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(header.as_bytes())?;
    let mut noise = Noise(seed);
    for _ in 0..tensors * length / 4 {
        out.write_all(&noise.weight().to_le_bytes())?;
    }
    Ok(())
}

/// `[[1, 2, ..., "text"], ...]` in protocol 4 without frames.
fn write_opcodes(out: &mut impl Write, length: u64) -> Result<()> {
    out.write_all(b"\x80\x04](")?;
    let mut written = 4_u64;
    let mut number = 0_u32;
    while written < length {
        let mut part = b"](".to_vec();
        for step in 0..64 {
            part.push(b'J');
            part.extend((number + step).to_le_bytes());
        }
        for step in 0..32_u32 {
            let text = format!("key-{:05}", (number + step) % 100_000);
            part.push(0x8c);
            part.push(text.len() as u8);
            part.extend(text.as_bytes());
        }
        part.push(b'e');
        number += 64;
        out.write_all(&part)?;
        written += part.len() as u64;
    }
    Ok(out.write_all(b"e.")?)
}

/// SplitMix64.
pub(crate) struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A sum of four uniform numbers: near enough to a normal one of standard deviation 0.02, as weights are.
    pub(crate) fn weight(&mut self) -> f32 {
        let bits = self.next();
        let sum: u64 = (0..4).map(|part| (bits >> (part * 16)) & 0xffff).sum();
        // The variance of four uniform numbers in 0..1 is a third.
        let centred = sum as f32 / 65536.0 - 2.0;
        // The lowest bits would repeat: sixteen-bit parts fill only some of the mantissa.
        centred * 0.034_641 + (bits >> 40) as f32 * 1e-13
    }
}

/// `{"name": "sample-N", "index": N, "labels": [N, N+1, ...], "score": 0.5}` in protocol 2.
fn pickle(number: u32) -> Vec<u8> {
    let mut out = b"\x80\x02}q\x00(".to_vec();
    let text = |out: &mut Vec<u8>, value: &str| {
        out.push(b'X');
        out.extend((value.len() as u32).to_le_bytes());
        out.extend(value.as_bytes());
    };
    let int = |out: &mut Vec<u8>, value: u32| {
        out.push(b'J');
        out.extend(value.to_le_bytes());
    };
    text(&mut out, "name");
    text(&mut out, &format!("sample-{number}"));
    text(&mut out, "index");
    int(&mut out, number);
    text(&mut out, "labels");
    out.extend(b"](");
    for step in 0..16 {
        int(&mut out, number + step);
    }
    out.push(b'e');
    text(&mut out, "score");
    out.push(b'G');
    out.extend(0.5_f64.to_be_bytes());
    out.extend(b"u.");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_look_like_weights() {
        let mut noise = Noise(1);
        let values: Vec<f64> = (0..100_000).map(|_| f64::from(noise.weight())).collect();
        let mean = values.iter().sum::<f64>() / 1e5;
        let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 1e5).sqrt();
        assert!(
            mean.abs() < 1e-3 && (0.019..0.021).contains(&deviation),
            "{mean} {deviation}"
        );
    }

    #[test]
    fn a_safetensors_file_is_exactly_its_header_and_tensors() {
        let mut out = Vec::new();
        write_safetensors(&mut out, 2, 4096, 1).unwrap();
        let header = u64::from_le_bytes(*out.first_chunk::<8>().unwrap()) as usize;
        let value: serde_json::Value = serde_json::from_slice(&out[8..8 + header]).unwrap();
        assert_eq!(value["model.layers.1.mlp.down_proj.weight"]["data_offsets"][1], 8192);
        assert_eq!(out.len(), 8 + header + 8192);
    }
}
