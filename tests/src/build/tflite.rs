//! TensorFlow Lite models.

use super::flatbuffer::{self, Value, byte, ints, number, text, wide};
use super::safetensors::weights;

/// An operator code: a builtin one, or a custom one by name.
#[derive(Clone, Debug)]
pub enum Code {
    /// Its number.
    Builtin(u8),
    /// Its name.
    Custom(String),
}

/// What to build. Start from [`Tflite::new`] and change fields.
#[derive(Clone, Debug)]
pub struct Tflite {
    /// Operator codes; each has one operator.
    pub codes: Vec<Code>,
    /// Data of the one constant tensor `w`.
    pub data: Vec<u8>,
    /// Its shape.
    pub shape: Vec<i32>,
    /// Metadata: a name and the content of its buffer.
    pub metadata: Vec<(String, Vec<u8>)>,
    /// The content of a further buffer that nothing names.
    pub unnamed: Option<Vec<u8>>,
    /// Offset and size of a further buffer that lies outside of the FlatBuffer.
    pub outside: Option<(u64, u64)>,
    /// Bytes behind the model.
    pub trailing: Vec<u8>,
}

impl Tflite {
    /// A model of one operator, one constant tensor and one entry of metadata.
    pub fn new() -> Self {
        Self {
            codes: vec![Code::Builtin(9)],
            data: weights(12),
            shape: vec![4, 3],
            metadata: vec![("min_runtime_version".into(), b"1.5.0\0\0\0\0\0\0\0\0\0\0\0".to_vec())],
            unnamed: None,
            outside: None,
            trailing: Vec::new(),
        }
    }

    /// The file.
    pub fn build(&self) -> Vec<u8> {
        let codes = self.codes.iter().map(|code| match code {
            Code::Builtin(number) => vec![byte(*number)],
            Code::Custom(name) => vec![byte(32), text(name)],
        });
        let operators = (0..self.codes.len()).map(|at| {
            vec![
                number(at as u32),
                ints(&[0]),
                ints(&[1]),
                byte(17),
                Value::Table(vec![ints(&[3, 4])]),
            ]
        });
        let tensors = vec![
            vec![ints(&self.shape), byte(0), number(1), text("w")],
            vec![ints(&[4]), byte(0), number(0), text("out")],
        ];
        let graph = vec![
            Value::Tables(tensors),
            ints(&[0]),
            ints(&[1]),
            Value::Tables(operators.collect()),
            text("main"),
        ];
        let mut buffers = vec![vec![], vec![Value::Bulk(self.data.clone())]];
        let first = buffers.len();
        buffers.extend(
            self.metadata
                .iter()
                .map(|(_, content)| vec![Value::Bulk(content.clone())]),
        );
        buffers.extend(self.unnamed.iter().map(|content| vec![Value::Bulk(content.clone())]));
        if let Some((offset, size)) = self.outside {
            buffers.push(vec![Value::None, wide(offset), wide(size)]);
        }
        let metadata = self.metadata.iter().enumerate();
        let metadata = metadata.map(|(at, (name, _))| vec![text(name), number((first + at) as u32)]);
        let root = [
            number(3),
            Value::Tables(codes.collect()),
            Value::Tables(vec![graph]),
            text("fixture"),
            Value::Tables(buffers),
            Value::None,
            Value::Tables(metadata.collect()),
        ];
        let mut out = flatbuffer::build(b"TFL3", &root);
        out.extend_from_slice(&self.trailing);
        out
    }
}

impl Default for Tflite {
    fn default() -> Self {
        Self::new()
    }
}
