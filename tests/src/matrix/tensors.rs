//! Values, bytes and planes of tensors, in the formats that hold them.

use super::Fixture::{Benign, Built};
use super::{Row, row};
use crate::build::gguf::{self, Gguf};
use crate::build::hdf5::{Hdf5, Node};
use crate::build::npy::Npy;
use crate::build::onnx::Onnx;
use crate::build::pickle::torch_state_dict;
use crate::build::protobuf::Proto;
use crate::build::safetensors::{SafeTensors, Tensor, weights};
use crate::build::tflite::Tflite;
use crate::build::zip::{Entry, Zip};
use crate::build::{flax, zip};

const NAN: &str = "weight that is no number";
const PAYLOAD: &str = "program hidden in weights";
const ELF: &[u8] = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0\0\x10\x40\0\0\0\0\0\x40\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x40\0\x38\0\x01\0\x40\0\0\0\0\0";
const URL: &str = "https://example.org/a/path/to/some/resource?of=that&name=here\n";

#[rustfmt::skip]
pub(super) static ROWS: &[Row] = &[
    row(NAN, "safetensors", ("tensor-nonfinite", "nan"), Built("one NaN in 4096", || model("F32", with_nan(4096))), Built("none", || model("F32", weights(4096)))),
    row(NAN, "GGUF", ("tensor-nonfinite", "nan"), Built("one NaN in 256", || in_gguf(0, with_nan(256))), Built("none", || in_gguf(0, weights(256)))),
    row(NAN, "NumPy", ("tensor-nonfinite", "nan"), Built("one NaN in twelve", || array(with_nan(12))), Built("none", || array(weights(12)))),
    row(NAN, "npz", ("tensor-nonfinite", "nan"), Built("deflated array with a NaN", || npz(with_nan(12))), Built("deflated array without", || npz(weights(12)))),
    row(NAN, "PyTorch archive", ("tensor-nonfinite", "nan"), Built("stored storage with a NaN", || torch(with_nan(12), false)), Benign("torch-zip")),
    row(NAN, "PyTorch archive: deflated", ("tensor-nonfinite", "nan"), Built("deflated storage with a NaN", || torch(with_nan(12), true)), Built("deflated storage without", || torch(weights(12), true))),
    row(NAN, "ONNX", ("tensor-nonfinite", "nan"), Built("initialiser with a NaN", || onnx(with_nan(12))), Built("initialiser without", || onnx(weights(12)))),
    row(NAN, "HDF5", ("tensor-nonfinite", "nan"), Built("dataset with a NaN", || dataset(with_nan(64))), Built("dataset without", || dataset(weights(64)))),
    row(NAN, "TFLite", ("tensor-nonfinite", "nan"), Built("buffer with a NaN", || Tflite { data: with_nan(12), ..Tflite::new() }.build()), Built("buffer without", || Tflite::new().build())),
    row(NAN, "Flax", ("tensor-nonfinite", "nan"), Built("kernel with a NaN", || kernel(&with_nan(4))), Built("kernel without", || kernel(&weights(4)))),
    row("weight that switches", "safetensors", ("tensor-magnitude", "outlier"), Built("one element of 1e30", || model("F32", put(weights(4096), 4 * 77, &1e30f32.to_le_bytes()))), Built("none", || model("F32", weights(4096)))),
    row(PAYLOAD, "safetensors: bytes as they stand", ("tensor-payload", "raw"), Built("ELF header at byte 1001", || model("F32", put(weights(4096), 1001, ELF))), Built("its first three bytes", || model("F32", put(weights(4096), 1000, &ELF[..3])))),
    row(PAYLOAD, "safetensors: low bytes", ("tensor-payload", "bytes"), Built("ELF header, a byte an element", || model("F32", low_bytes(weights(4096), ELF))), Built("the same with a broken header size", || model("F32", low_bytes(weights(4096), &put(ELF.to_vec(), 52, &[0, 0]))))),
    row(PAYLOAD, "safetensors: low bits", ("tensor-payload", "bits"), Built("ELF header, a bit an element", || model("F32", low_bits(weights(4096), ELF))), Built("the same with a broken header size", || model("F32", low_bits(weights(4096), &put(ELF.to_vec(), 52, &[0, 0]))))),
    row(PAYLOAD, "safetensors: archive in a table of bytes", ("tensor-payload", "integer-archive"), Built("zip in a U8 tensor", || model("U8", put(vec![0x55; 4096], 100, &zip::small()))), Built("no zip", || model("U8", vec![0x55; 4096]))),
    row(PAYLOAD, "GGUF: low bytes", ("tensor-payload", "bytes"), Built("ELF header, a byte an element", || in_gguf(0, low_bytes(weights(256), ELF))), Built("none", || in_gguf(0, weights(256)))),
    row("program in a table of integers", "safetensors", ("tensor-integer-executable", ""), Built("script in a U8 tensor", || model("U8", put(vec![0x90; 4096], 64, b"#!/bin/sh\n# inert\ntrue\n"))), Built("its first line cut", || model("U8", put(vec![0x90; 4096], 64, b"#!/bin/s")))),
    row("text among weights", "safetensors", ("tensor-text", "long"), Built("list of addresses", || model("F32", put(weights(4096), 33, URL.repeat(20).as_bytes()))), Built("three letters", || model("F32", put(weights(4096), 32, b"url")))),
    row("scales that break a quantised model", "GGUF", ("tensor-quant-scale", "nonfinite"), Built("block with an infinite scale", || quantised(&[0, 0x7c])), Built("sound blocks", || quantised(&[0x66, 0x2e]))),
    row("constant weights", "safetensors", ("tensor-constant", ""), Built("matrix of one number", || model("F32", 1.5f32.to_le_bytes().repeat(4096))), Built("matrix of many", || model("F32", weights(4096)))),
];

fn put(mut into: Vec<u8>, at: usize, what: &[u8]) -> Vec<u8> {
    into[at..at + what.len()].copy_from_slice(what);
    into
}

fn with_nan(n: usize) -> Vec<u8> {
    put(weights(n), 4, &f32::NAN.to_le_bytes())
}

fn low_bytes(mut into: Vec<u8>, payload: &[u8]) -> Vec<u8> {
    for (at, byte) in payload.iter().enumerate() {
        into[4 * (9 + at)] = *byte;
    }
    into
}

fn low_bits(mut into: Vec<u8>, payload: &[u8]) -> Vec<u8> {
    for (at, byte) in payload.iter().enumerate() {
        for bit in 0..8 {
            let slot = &mut into[4 * (9 + 8 * at + bit)];
            *slot = *slot & 0xfe | (byte >> bit & 1);
        }
    }
    into
}

fn model(dtype: &str, data: Vec<u8>) -> Vec<u8> {
    let width = if dtype == "U8" { 1 } else { 4 };
    let rows = data.len() as u64 / width / 64;
    SafeTensors {
        tensors: vec![Tensor::new("layers.0.mlp.weight", dtype, &[rows, 64], data)],
        align: 8,
        ..SafeTensors::default()
    }
    .build()
}

fn in_gguf(kind: u32, data: Vec<u8>) -> Vec<u8> {
    let mut tensor = gguf::Tensor::new("blk.0.attn_q.weight", kind, &[32, 8]);
    tensor.data = data;
    Gguf {
        tensors: vec![tensor],
        ..Gguf::new(3, false)
    }
    .build()
}

fn quantised(scale: &[u8]) -> Vec<u8> {
    let mut tensor = gguf::Tensor::new("blk.0.attn_q.weight", 8, &[32, 8]);
    tensor.data = put(tensor.data, 34 * 3, scale);
    Gguf {
        tensors: vec![tensor],
        ..Gguf::new(3, false)
    }
    .build()
}

fn array(data: Vec<u8>) -> Vec<u8> {
    Npy { data, ..Npy::new(1) }.build()
}

fn npz(data: Vec<u8>) -> Vec<u8> {
    Zip::of(vec![Entry::deflated("a.npy", &array(data))]).build()
}

fn torch(data: Vec<u8>, deflated: bool) -> Vec<u8> {
    let entry = if deflated { Entry::deflated } else { Entry::stored };
    Zip::of(vec![
        entry("archive/data/0", &data),
        entry("archive/data.pkl", &torch_state_dict()),
        entry("archive/version", b"3\n"),
    ])
    .build()
}

fn onnx(data: Vec<u8>) -> Vec<u8> {
    let mut model = Onnx::new();
    let tensor = Proto::new()
        .packed(1, &[4, 3])
        .number(2, 1)
        .text(8, "w")
        .bytes(9, &data);
    model.initializers[0] = tensor;
    model.build()
}

fn dataset(data: Vec<u8>) -> Vec<u8> {
    Hdf5::of(vec![("w".to_owned(), Node::dataset(&[8, 8], data))]).build()
}

fn kernel(data: &[u8]) -> Vec<u8> {
    flax::checkpoint(
        &flax::array(&[2, 2], "float32", data),
        &flax::array(&[2], "float32", &[0; 8]),
    )
}
