//! Model files with one thing wrong.

use super::{Case, HIDDEN};
use crate::build::zip::Zip;
use crate::build::{elf, gguf, json, npy, safetensors, zip};

pub(super) fn models() -> Vec<Case> {
    let st = safetensors::sample;
    let edit = |change: fn(&mut safetensors::Tensor)| {
        let mut file = st();
        change(&mut file.tensors[1]);
        file.build()
    };
    let deep = [b"{\"a\":".to_vec(), json::nested(100_000), b"}".to_vec()].concat();
    let with_zip = {
        let mut file = st();
        let place = |file: &safetensors::SafeTensors| file.build().len() - zip::small().len();
        file.tensors.push(safetensors::Tensor::new(
            "z",
            "U8",
            &[zip::small().len() as u64],
            zip::small(),
        ));
        let prefix = vec![0; place(&file)];
        let placed = Zip {
            prefix: prefix.clone(),
            ..zip::sample()
        }
        .build()
        .split_off(prefix.len());
        file.tensors[3].data = placed;
        file.build()
    };
    let g = || gguf::Gguf::new(3, false);
    let kv = |key: &str, value| {
        let mut file = g();
        file.kv.push((key.into(), value));
        file.build()
    };
    let tensor = |change: fn(&mut gguf::Tensor)| {
        let mut file = g();
        change(&mut file.tensors[1]);
        file.build()
    };
    let long_string = [
        &b"GGUF\x03\0\0\0"[..],
        &[0; 8],
        &[1, 0, 0, 0, 0, 0, 0, 0],
        &[0xff; 8],
        b"name",
    ]
    .concat();
    vec![
        (
            "safetensors-hole",
            "unclaimed-bytes",
            edit(|t| t.hole = HIDDEN.to_vec()),
        ),
        (
            "safetensors-executable-in-hole",
            "embedded-executable",
            edit(|t| t.hole = elf::small()),
        ),
        ("safetensors-overlap", "overlapping-regions", edit(|t| t.overlap = 8)),
        ("safetensors-size-lie", "malformed", edit(|t| t.shape = vec![4, 5])),
        (
            "safetensors-unknown-dtype",
            "malformed",
            edit(|t| t.dtype = "X99".into()),
        ),
        (
            "safetensors-trailing",
            "trailing-bytes",
            safetensors::SafeTensors {
                trailing: HIDDEN.into(),
                ..st()
            }
            .build(),
        ),
        (
            "safetensors-duplicate-key",
            "duplicate-key",
            safetensors::SafeTensors {
                duplicate_key: true,
                ..st()
            }
            .build(),
        ),
        (
            "safetensors-length-lie",
            "truncated",
            safetensors::SafeTensors {
                header_length: Some(100_000),
                ..st()
            }
            .build(),
        ),
        (
            "safetensors-deep-header",
            "limit-exceeded",
            safetensors::SafeTensors {
                header: Some(deep),
                ..st()
            }
            .build(),
        ),
        ("safetensors-zip-polyglot", "polyglot", with_zip),
        (
            "gguf-tensor-count",
            "truncated",
            gguf::Gguf {
                tensor_count: Some(1 << 60),
                ..g()
            }
            .build(),
        ),
        (
            "gguf-kv-count",
            "truncated",
            gguf::Gguf {
                kv_count: Some(u64::MAX),
                ..g()
            }
            .build(),
        ),
        ("gguf-string-length", "truncated", long_string),
        (
            "gguf-padding",
            "nonzero-padding",
            gguf::Gguf { padding: 0x41, ..g() }.build(),
        ),
        (
            "gguf-trailing",
            "trailing-bytes",
            gguf::Gguf {
                trailing: HIDDEN.into(),
                ..g()
            }
            .build(),
        ),
        ("gguf-overlap", "overlapping-regions", tensor(|t| t.offset = Some(32))),
        (
            "gguf-dims-overflow",
            "malformed",
            tensor(|t| t.dims = vec![1 << 40, 1 << 40]),
        ),
        ("gguf-offset-outside", "truncated", tensor(|t| t.offset = Some(1 << 40))),
        ("gguf-unknown-type", "malformed", tensor(|t| t.kind = 9999)),
        (
            "gguf-alignment-zero",
            "malformed",
            kv("general.alignment", gguf::Value::U32(0)),
        ),
        (
            "gguf-duplicate-key",
            "duplicate-key",
            kv("general.name", gguf::Value::text("again")),
        ),
        (
            "gguf-deep-array",
            "limit-exceeded",
            kv("fixture.deep", gguf::nested(2_000)),
        ),
        ("npy-object-system", "unsafe-callable", npy::object_hostile()),
        (
            "npy-header-length",
            "truncated",
            npy::Npy {
                header_length: Some(60_000),
                ..npy::Npy::new(1)
            }
            .build(),
        ),
        (
            "npy-shape-lie",
            "truncated",
            npy::Npy {
                shape: vec![1 << 40, 4],
                ..npy::Npy::new(1)
            }
            .build(),
        ),
        (
            "npy-trailing",
            "trailing-bytes",
            npy::Npy {
                trailing: HIDDEN.into(),
                ..npy::Npy::new(1)
            }
            .build(),
        ),
        (
            "npy-header-code",
            "malformed",
            npy::Npy {
                header: Some("__import__('os')".into()),
                ..npy::Npy::new(1)
            }
            .build(),
        ),
    ]
}
