//! GGUF files, versions 1 to 3, either byte order for version 3 (ggml's `docs/gguf.md`).
//!
//! Version 1 counts with `u32` where 2 and 3 use `u64`; a big-endian file is big-endian from `version` on.

use super::bytes::{Built, Out};

/// A metadata value; the discriminant order is the format's type number.
#[derive(Clone, Debug)]
pub enum Value {
    /// Type 0.
    U8(u8),
    /// Type 1.
    I8(i8),
    /// Type 2.
    U16(u16),
    /// Type 3.
    I16(i16),
    /// Type 4.
    U32(u32),
    /// Type 5.
    I32(i32),
    /// Type 6.
    F32(f32),
    /// Type 7, as the byte written.
    Bool(u8),
    /// Type 8.
    String(Vec<u8>),
    /// Type 9: element type, elements. Nested arrays are elements of type 9.
    Array(u32, Vec<Value>),
    /// Type 10.
    U64(u64),
    /// Type 11.
    I64(i64),
    /// Type 12.
    F64(f64),
}

impl Value {
    /// A string value.
    pub fn text(s: &str) -> Self {
        Self::String(s.as_bytes().to_vec())
    }

    fn kind(&self) -> u32 {
        match self {
            Self::U8(_) => 0,
            Self::I8(_) => 1,
            Self::U16(_) => 2,
            Self::I16(_) => 3,
            Self::U32(_) => 4,
            Self::I32(_) => 5,
            Self::F32(_) => 6,
            Self::Bool(_) => 7,
            Self::String(_) => 8,
            Self::Array(..) => 9,
            Self::U64(_) => 10,
            Self::I64(_) => 11,
            Self::F64(_) => 12,
        }
    }
}

/// One tensor: the format's name, ggml type, dimensions and bytes.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// Name.
    pub name: String,
    /// ggml type: 0 F32, 1 F16, 2 Q4_0, 8 Q8_0.
    pub kind: u32,
    /// Dimensions, fastest first.
    pub dims: Vec<u64>,
    /// Bytes, as many as type and dimensions say.
    pub data: Vec<u8>,
    /// The stated offset, when not the truth.
    pub offset: Option<u64>,
}

impl Tensor {
    /// A tensor with well-formed content for its type (0, 1, 2 or 8).
    pub fn new(name: &str, kind: u32, dims: &[u64]) -> Self {
        let n = dims.iter().product::<u64>() as usize;
        let f32s = super::safetensors::weights(n);
        let data = match kind {
            0 => f32s,
            1 => (0..n)
                .flat_map(|i| (0x2000u16 + (i as u16 & 0xff)).to_le_bytes())
                .collect(),
            2 => (0..n / 32).flat_map(|i| block(16, i)).collect(),
            8 => (0..n / 32).flat_map(|i| block(32, i)).collect(),
            other => panic!("no content for ggml type {other}"),
        };
        Self {
            name: name.into(),
            kind,
            dims: dims.to_vec(),
            data,
            offset: None,
        }
    }
}

/// What to build. Start from [`Gguf::new`] and change fields.
#[derive(Clone, Debug)]
pub struct Gguf {
    /// 1, 2 or 3.
    pub version: u32,
    /// Big-endian (version 3 only in the field).
    pub big: bool,
    /// Metadata in file order.
    pub kv: Vec<(String, Value)>,
    /// Tensors in file order.
    pub tensors: Vec<Tensor>,
    /// Alignment used; write `general.alignment` into `kv` when it is not 32.
    pub alignment: usize,
    /// Fill of every pad; zero in real files.
    pub padding: u8,
    /// Bytes after the last tensor.
    pub trailing: Vec<u8>,
    /// The stated tensor count, when not the truth.
    pub tensor_count: Option<u64>,
    /// The stated metadata count, when not the truth.
    pub kv_count: Option<u64>,
}

impl Gguf {
    /// A file with a value of every type and four tensors of four types.
    pub fn new(version: u32, big: bool) -> Self {
        let mut kv = vec![
            ("general.architecture".to_string(), Value::text("llama")),
            ("general.name".into(), Value::text("fixture")),
            ("fixture.u8".into(), Value::U8(1)),
            ("fixture.i8".into(), Value::I8(-1)),
            ("fixture.u16".into(), Value::U16(2)),
            ("fixture.i16".into(), Value::I16(-2)),
            ("fixture.u32".into(), Value::U32(3)),
            ("fixture.i32".into(), Value::I32(-3)),
            ("fixture.f32".into(), Value::F32(0.5)),
            ("fixture.bool".into(), Value::Bool(1)),
            (
                "tokenizer.ggml.tokens".into(),
                Value::Array(8, ["<s>", "</s>", "a"].map(Value::text).to_vec()),
            ),
            ("fixture.nested".into(), nested(2)),
            (
                "tokenizer.chat_template".into(),
                Value::text("{% for m in messages %}{{ m.content }}{% endfor %}"),
            ),
        ];
        if version > 1 {
            kv.push(("fixture.u64".into(), Value::U64(4)));
            kv.push(("fixture.i64".into(), Value::I64(-4)));
            kv.push(("fixture.f64".into(), Value::F64(0.25)));
        }
        Self {
            version,
            big,
            kv,
            tensors: vec![
                Tensor::new("token_embd.weight", 0, &[8, 3]),
                Tensor::new("blk.0.attn_norm.weight", 1, &[8]),
                Tensor::new("blk.0.ffn_up.weight", 2, &[32, 2]),
                Tensor::new("output.weight", 8, &[32, 3]),
            ],
            alignment: 32,
            padding: 0,
            trailing: Vec::new(),
            tensor_count: None,
            kv_count: None,
        }
    }

    /// The file's bytes.
    pub fn build(&self) -> Vec<u8> {
        self.built().bytes
    }

    /// The file's bytes and structure boundaries.
    pub fn built(&self) -> Built {
        let wide = self.version > 1;
        let mut out = Out::with_order(self.big);
        out.bytes(b"GGUF")
            .u32(self.version)
            .word(self.tensor_count.unwrap_or(self.tensors.len() as u64), wide);
        out.word(self.kv_count.unwrap_or(self.kv.len() as u64), wide).mark();
        for (key, value) in &self.kv {
            out.word(key.len() as u64, wide).bytes(key.as_bytes()).u32(value.kind());
            write_value(&mut out, value, wide);
            out.mark();
        }
        let mut at = 0usize;
        for (i, tensor) in self.tensors.iter().enumerate() {
            out.word(tensor.name.len() as u64, wide)
                .bytes(tensor.name.as_bytes())
                .u32(tensor.dims.len() as u32);
            for &dim in &tensor.dims {
                out.word(dim, wide);
            }
            out.u32(tensor.kind).u64(tensor.offset.unwrap_or(at as u64)).mark();
            at += tensor.data.len();
            if i + 1 < self.tensors.len() {
                at = at.next_multiple_of(self.alignment);
            }
        }
        if !self.tensors.is_empty() {
            out.align(self.alignment, self.padding).mark();
        }
        for tensor in &self.tensors {
            out.mark()
                .bytes(&tensor.data)
                .mark()
                .align(self.alignment, self.padding);
        }
        out.mark().bytes(&self.trailing);
        out.finish()
    }
}

/// An array nested `depth` deep around one `u8`.
pub fn nested(depth: usize) -> Value {
    (0..depth).fold(Value::Array(0, vec![Value::U8(7)]), |inner, _| {
        Value::Array(9, vec![inner])
    })
}

/// A small version 3 file.
pub fn small() -> Vec<u8> {
    Gguf::new(3, false).build()
}

/// A quant block: an f16 scale and `n` bytes.
fn block(n: usize, seed: usize) -> Vec<u8> {
    let mut out = vec![0x00, 0x1c];
    out.extend((0..n).map(|i| (i * 37 + seed * 11) as u8));
    out
}

fn write_value(out: &mut Out, value: &Value, wide: bool) {
    match value {
        Value::U8(v) | Value::Bool(v) => out.u8(*v),
        Value::I8(v) => out.u8(*v as u8),
        Value::U16(v) => out.u16(*v),
        Value::I16(v) => out.u16(*v as u16),
        Value::U32(v) => out.u32(*v),
        Value::I32(v) => out.u32(*v as u32),
        Value::F32(v) => out.u32(v.to_bits()),
        Value::U64(v) => out.u64(*v),
        Value::I64(v) => out.u64(*v as u64),
        Value::F64(v) => out.u64(v.to_bits()),
        Value::String(s) => out.word(s.len() as u64, wide).bytes(s),
        Value::Array(kind, items) => {
            out.u32(*kind).word(items.len() as u64, wide);
            for item in items {
                write_value(out, item, wide);
            }
            out
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_four_bytes_in_version_one_and_follow_the_byte_order() {
        let check = |version, big, expect: &[u8]| assert_eq!(&Gguf::new(version, big).build()[4..16], expect);
        check(1, false, &[1, 0, 0, 0, 4, 0, 0, 0, 13, 0, 0, 0]);
        check(2, false, &[2, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]);
        check(3, true, &[0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4]);
    }

    #[test]
    fn file_ends_aligned_after_the_last_tensor() {
        let gguf = Gguf::new(3, false);
        assert_eq!(gguf.build().len() % 32, 0);
        assert_eq!(gguf.tensors[2].data.len(), 2 * 18);
        assert_eq!(gguf.tensors[3].data.len(), 3 * 34);
    }
}
