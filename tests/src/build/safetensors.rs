//! safetensors files: `u64` header length, JSON header, tensor bytes (the format's README, "Format").

use super::bytes::{Built, Out};

/// One tensor.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// Name.
    pub name: String,
    /// Dtype as the header writes it.
    pub dtype: String,
    /// Shape.
    pub shape: Vec<u64>,
    /// Bytes.
    pub data: Vec<u8>,
    /// Bytes between the previous tensor and this one that no tensor names.
    pub hole: Vec<u8>,
    /// Moves the stated offsets this many bytes before the truth, into the previous tensor.
    pub overlap: u64,
}

impl Tensor {
    /// A tensor that says what it holds.
    pub fn new(name: &str, dtype: &str, shape: &[u64], data: Vec<u8>) -> Self {
        let (name, dtype, shape) = (name.into(), dtype.into(), shape.to_vec());
        Self {
            name,
            dtype,
            shape,
            data,
            hole: Vec::new(),
            overlap: 0,
        }
    }
}

/// What to build. Start from [`SafeTensors::default`] and change fields.
#[derive(Clone, Debug, Default)]
pub struct SafeTensors {
    /// The tensors in file order.
    pub tensors: Vec<Tensor>,
    /// `__metadata__` pairs; absent when empty.
    pub metadata: Vec<(String, String)>,
    /// Replaces the whole JSON header.
    pub header: Option<Vec<u8>>,
    /// The stated header length, when not the truth.
    pub header_length: Option<u64>,
    /// Spaces the header to a multiple of this (8 in real files; 0 leaves it unaligned).
    pub align: usize,
    /// Bytes after the last tensor.
    pub trailing: Vec<u8>,
    /// Writes the first tensor's key twice.
    pub duplicate_key: bool,
}

impl SafeTensors {
    /// The JSON header this description produces, without its padding.
    pub fn json(&self) -> Vec<u8> {
        if let Some(header) = &self.header {
            return header.clone();
        }
        let mut parts = Vec::new();
        if !self.metadata.is_empty() {
            let pairs: Vec<_> = self.metadata.iter().map(|(k, v)| format!("\"{k}\":\"{v}\"")).collect();
            parts.push(format!("\"__metadata__\":{{{}}}", pairs.join(",")));
        }
        let mut at = 0u64;
        for tensor in &self.tensors {
            at += tensor.hole.len() as u64;
            let begin = at - tensor.overlap;
            at += tensor.data.len() as u64;
            let shape: Vec<_> = tensor.shape.iter().map(u64::to_string).collect();
            parts.push(format!(
                "\"{}\":{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{begin},{}]}}",
                tensor.name,
                tensor.dtype,
                shape.join(","),
                at - tensor.overlap,
            ));
        }
        if self.duplicate_key {
            let first = usize::from(!self.metadata.is_empty());
            parts.push(parts[first].clone());
        }
        format!("{{{}}}", parts.join(",")).into_bytes()
    }

    /// The file's bytes.
    pub fn build(&self) -> Vec<u8> {
        self.built().bytes
    }

    /// The file's bytes and structure boundaries.
    pub fn built(&self) -> Built {
        let mut header = self.json();
        let json_len = header.len();
        if self.align > 0 {
            header.resize(json_len.next_multiple_of(self.align), b' ');
        }
        let mut out = Out::le();
        out.u64(self.header_length.unwrap_or(header.len() as u64)).mark();
        out.bytes(&header[..json_len]).mark().bytes(&header[json_len..]).mark();
        for tensor in &self.tensors {
            out.bytes(&tensor.hole).mark().bytes(&tensor.data).mark();
        }
        out.bytes(&self.trailing);
        out.finish()
    }
}

/// `n` little-endian `f32` values that look like small weights.
pub fn weights(n: usize) -> Vec<u8> {
    let mut state = 0x2545_f491u32;
    let mut out = Vec::with_capacity(n * 4);
    for _ in 0..n {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let value = (f64::from(state) / f64::from(u32::MAX) - 0.5) * 0.08;
        out.extend_from_slice(&(value as f32).to_le_bytes());
    }
    out
}

/// The same as bfloat16: the upper half of each `f32`.
pub fn weights_bf16(n: usize) -> Vec<u8> {
    weights(n).chunks_exact(4).flat_map(|v| [v[2], v[3]]).collect()
}

/// Three tensors (F32 8x8, BF16 4x4, I64 3) with metadata.
pub fn sample() -> SafeTensors {
    let ids: Vec<u8> = [1i64, 2, 3].iter().flat_map(|v| v.to_le_bytes()).collect();
    SafeTensors {
        tensors: vec![
            Tensor::new("model.embed.weight", "F32", &[8, 8], weights(64)),
            Tensor::new("model.norm.weight", "BF16", &[4, 4], weights_bf16(16)),
            Tensor::new("model.position_ids", "I64", &[3], ids),
        ],
        metadata: vec![("format".into(), "pt".into())],
        align: 8,
        ..SafeTensors::default()
    }
}

/// The bytes of [`sample`].
pub fn small() -> Vec<u8> {
    sample().build()
}

/// `n` F32 tensors of four elements each.
pub fn many(n: usize) -> Vec<u8> {
    let tensors = (0..n)
        .map(|i| Tensor::new(&format!("layers.{i}.weight"), "F32", &[2, 2], weights(4)))
        .collect();
    SafeTensors {
        tensors,
        align: 8,
        ..SafeTensors::default()
    }
    .build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::bytes::le64;

    #[test]
    fn header_length_and_offsets_account_for_every_byte() {
        for file in [small(), many(0), many(500)] {
            let header = le64(&file, 0) as usize;
            assert_eq!(header % 8, 0);
            let json = std::str::from_utf8(&file[8..8 + header]).unwrap();
            let last = json.rmatch_indices("data_offsets\":[").next();
            let end = last.map_or(0, |(at, _)| {
                let list = &json[at + 15..];
                list[list.find(',').unwrap() + 1..list.find(']').unwrap()]
                    .parse::<usize>()
                    .unwrap()
            });
            assert_eq!(8 + header + end, file.len());
        }
    }
}
