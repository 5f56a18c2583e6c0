//! Models that differ from each other in one known way: the base of a comparison, and what became of it.

use super::gguf::{self, Gguf};
use super::safetensors::{SafeTensors, Tensor};
use super::zip;

/// A matrix of a made-up model, as floats.
#[derive(Clone, Debug)]
pub struct Matrix {
    /// Name, as Hugging Face writes it.
    pub name: String,
    /// Rows and columns; one dimension for a vector.
    pub shape: Vec<u64>,
    /// Elements, row by row.
    pub values: Vec<f32>,
}

/// A model of a few layers.
#[derive(Clone, Debug)]
pub struct Model {
    /// Its tensors in the order of the file.
    pub tensors: Vec<Matrix>,
}

/// A generator of numbers that look like small weights.
pub struct Weights(u64);

impl Weights {
    /// A generator; equal seeds give equal numbers.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next: about normal, of variance 1.
    pub fn normal(&mut self) -> f32 {
        let mut sum = 0.0;
        for _ in 0..12 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            sum += (self.0 >> 40) as f32 / (1u64 << 24) as f32;
        }
        sum - 6.0
    }

    /// So many of them, scaled.
    pub fn take(&mut self, n: usize, scale: f32) -> Vec<f32> {
        (0..n).map(|_| self.normal() * scale).collect()
    }
}

/// Rows and columns of the feed-forward matrices, small enough for a test and large enough for a rank.
const HIDDEN: u64 = 96;
const INNER: u64 = 160;

impl Model {
    /// A model of so many layers: embeddings, four projections and a norm a layer.
    pub fn new(layers: usize) -> Self {
        let mut random = Weights::new(7);
        let mut tensors = vec![matrix("model.embed_tokens.weight", 256, HIDDEN, &mut random)];
        for layer in 0..layers {
            let name = |part: &str| format!("model.layers.{layer}.{part}.weight");
            tensors.push(matrix(&name("self_attn.q_proj"), HIDDEN, HIDDEN, &mut random));
            tensors.push(matrix(&name("self_attn.v_proj"), HIDDEN, HIDDEN, &mut random));
            tensors.push(matrix(&name("mlp.up_proj"), INNER, HIDDEN, &mut random));
            tensors.push(matrix(&name("mlp.down_proj"), HIDDEN, INNER, &mut random));
            tensors.push(Matrix {
                name: name("input_layernorm"),
                shape: vec![HIDDEN],
                values: vec![1.0; HIDDEN as usize],
            });
        }
        Self { tensors }
    }

    /// The tensors whose names hold `part`.
    pub fn named<'m>(&'m mut self, part: &'m str) -> impl Iterator<Item = &'m mut Matrix> {
        self.tensors.iter_mut().filter(move |t| t.name.contains(part))
    }

    /// Changes each tensor whose name holds `part` by a product of the given rank and relative size.
    #[must_use]
    pub fn low_rank(mut self, part: &str, rank: usize, size: f32) -> Self {
        let mut random = Weights::new(11);
        for tensor in self.named(part).filter(|t| t.shape.len() == 2) {
            let (rows, columns) = (tensor.shape[0] as usize, tensor.shape[1] as usize);
            for _ in 0..rank {
                let (u, v) = (
                    random.take(rows, 1.0),
                    random.take(columns, 0.05 * size / (rank as f32).sqrt()),
                );
                for (row, u) in tensor.values.chunks_exact_mut(columns).zip(&u) {
                    for (x, v) in row.iter_mut().zip(&v) {
                        *x += u * v;
                    }
                }
            }
        }
        self
    }

    /// Changes every element of the tensors whose names hold `part`, a little and independently.
    #[must_use]
    pub fn noise(mut self, part: &str, size: f32) -> Self {
        let mut random = Weights::new(13);
        for tensor in self.named(part) {
            for x in &mut tensor.values {
                *x += random.normal() * 0.05 * size;
            }
        }
        self
    }

    /// Writes a payload into the lowest `bits` of each element of the tensors whose names hold `part`.
    #[must_use]
    pub fn low_bits(mut self, part: &str, bits: u32) -> Self {
        let mask = (1u32 << bits) - 1;
        let mut state = 0x1234_5678u32;
        for tensor in self.named(part) {
            for x in &mut tensor.values {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *x = f32::from_bits(x.to_bits() & !mask | (state >> 16) & mask);
            }
        }
        self
    }

    /// As safetensors, with elements of `dtype`: `F32`, `F16` or `BF16`.
    pub fn safetensors(&self, dtype: &str) -> Vec<u8> {
        self.shard(dtype, |_| true)
    }

    /// The tensors that `wanted` wants, as one file of several.
    pub fn shard(&self, dtype: &str, wanted: impl Fn(usize) -> bool) -> Vec<u8> {
        let tensors = self
            .tensors
            .iter()
            .enumerate()
            .filter(|(n, _)| wanted(*n))
            .map(|(_, t)| {
                let data = t.values.iter().flat_map(|v| encode(*v, dtype)).collect();
                Tensor::new(&t.name, dtype, &t.shape, data)
            });
        SafeTensors {
            tensors: tensors.collect(),
            metadata: vec![("format".into(), "pt".into())],
            align: 8,
            ..SafeTensors::default()
        }
        .build()
    }

    /// As an archive of PyTorch: a pickle with the names, a member a storage.
    pub fn torch(&self) -> Vec<u8> {
        let mut pickle = b"\x80\x02ccollections\nOrderedDict\n)R(".to_vec();
        let mut members = Vec::new();
        let text = |out: &mut Vec<u8>, text: &str| {
            out.push(b'X');
            out.extend((text.len() as u32).to_le_bytes());
            out.extend(text.as_bytes());
        };
        let number = |out: &mut Vec<u8>, n: u64| {
            out.push(b'J');
            out.extend((n as u32).to_le_bytes());
        };
        for (key, tensor) in self.tensors.iter().enumerate() {
            text(&mut pickle, &tensor.name);
            pickle.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
            text(&mut pickle, "storage");
            pickle.extend(b"ctorch\nFloatStorage\n");
            text(&mut pickle, &key.to_string());
            text(&mut pickle, "cpu");
            number(&mut pickle, tensor.values.len() as u64);
            pickle.extend(b"tQK\x00");
            for list in [tensor.shape.clone(), strides(&tensor.shape)] {
                pickle.push(b'(');
                for n in list {
                    number(&mut pickle, n);
                }
                pickle.push(b't');
            }
            pickle.extend(b"\x89ccollections\nOrderedDict\n)RtR");
            let data: Vec<u8> = tensor.values.iter().flat_map(|v| v.to_le_bytes()).collect();
            members.push(zip::Entry::stored(&format!("archive/data/{key}"), &data));
        }
        pickle.extend(b"u.");
        let mut entries = vec![zip::Entry::stored("archive/data.pkl", &pickle)];
        entries.append(&mut members);
        entries.push(zip::Entry::stored("archive/version", b"3\n"));
        zip::Zip::of(entries).build()
    }

    /// As GGUF with the names of llama.cpp: matrices as `Q8_0`, vectors as `F32`.
    pub fn gguf(&self) -> Vec<u8> {
        let tensors = self.tensors.iter().map(|t| {
            let mut dims = t.shape.clone();
            dims.reverse();
            let (kind, data) = match dims.len() {
                1 => (0, t.values.iter().flat_map(|v| v.to_le_bytes()).collect()),
                _ => (8, t.values.chunks_exact(32).flat_map(q8_0).collect()),
            };
            gguf::Tensor {
                name: gguf_name(&t.name),
                kind,
                dims,
                data,
                offset: None,
            }
        });
        let mut file = Gguf::new(3, false);
        file.kv.truncate(2);
        file.tensors = tensors.collect();
        file.build()
    }
}

fn strides(shape: &[u64]) -> Vec<u64> {
    (0..shape.len()).map(|n| shape[n + 1..].iter().product()).collect()
}

fn matrix(name: &str, rows: u64, columns: u64, random: &mut Weights) -> Matrix {
    Matrix {
        name: name.to_owned(),
        shape: vec![rows, columns],
        values: random.take((rows * columns) as usize, 0.05),
    }
}

fn encode(value: f32, dtype: &str) -> Vec<u8> {
    match dtype {
        "F32" => value.to_le_bytes().to_vec(),
        // Round to nearest, halves up: the values are finite and far from the ends.
        "BF16" => (((value.to_bits() + 0x8000) >> 16) as u16).to_le_bytes().to_vec(),
        "F16" => half(value).to_le_bytes().to_vec(),
        other => panic!("no elements of {other}"),
    }
}

/// binary16 of a value of ordinary size.
fn half(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = ((bits >> 16) & 0x8000) as u16;
    let exponent = ((bits >> 23) & 0xff) as i32 - 112;
    match exponent {
        1..31 => sign | ((((bits & 0x7fff_ffff) - (112 << 23) + 0x1000) >> 13) as u16),
        _ => sign | (value.abs() * 16_777_216.0).round() as u16,
    }
}

fn q8_0(block: &[f32]) -> Vec<u8> {
    let most = block.iter().fold(0f32, |m, x| m.max(x.abs()));
    let scale = most / 127.0;
    let mut out = half(scale).to_le_bytes().to_vec();
    out.extend(block.iter().map(|x| {
        if scale > 0.0 {
            (x / scale).round() as i8 as u8
        } else {
            0
        }
    }));
    out
}

fn gguf_name(name: &str) -> String {
    let name = name.trim_start_matches("model.").replace("layers.", "blk.");
    [
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.v_proj", "attn_v"),
        ("mlp.up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
        ("input_layernorm", "attn_norm"),
        ("embed_tokens", "token_embd"),
    ]
    .iter()
    .fold(name, |name, (from, to)| name.replace(from, to))
}
