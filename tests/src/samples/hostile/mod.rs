//! Files with one thing wrong, each with the code that should name it.

mod archives;
mod executables;
mod models;
mod streams;
mod texts;

use super::Hostile;
use crate::build::{gzip, json, pickle, safetensors, tar, zip};

const HIDDEN: &[u8] = b"sixteen or more bytes that nothing refers to";

/// The hostile variants.
pub fn hostile() -> Vec<Hostile> {
    [
        models::models(),
        executables::elves(),
        executables::windows(),
        executables::mac(),
        executables::bundles(),
        archives::zips(),
        archives::tars(),
        archives::gzips(),
        streams::streams(),
        streams::libraries(),
        streams::opaque(),
        streams::structured(),
        texts::pickles(),
        texts::others(),
    ]
    .concat()
    .into_iter()
    .map(|(name, expect_code, bytes)| Hostile {
        name,
        bytes,
        expect_code,
    })
    .collect()
}

/// Names and bytes of inputs whose only demand is to be finished, within limits and without a crash.
pub fn stress() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("stress-safetensors-many", safetensors::many(20_000)),
        ("stress-json-deep", json::nested(1_000_000)),
        ("stress-pickle-deep", pickle::deep(1_000_000)),
        ("stress-pickle-references", pickle::reference_bomb(200)),
        ("stress-pickle-every-opcode", pickle::every_opcode()),
        ("stress-gzip-many-members", gzip::gzip(b"x").repeat(20_000)),
        ("stress-zip-overlapping", zip::overlapping(5_000, 1)),
        (
            "stress-tar-many",
            tar::Tar::of(vec![tar::Entry::file("a", b""); 10_000]).build(),
        ),
    ]
}

type Case = (&'static str, &'static str, Vec<u8>);
