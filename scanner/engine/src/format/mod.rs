//! The formats: one file or folder each, and the table that lists them.
//!
//! A format recognises itself in a `Probe`, then reads its structure through an [`Input`] and says what it found in a
//! [`Parse`]: regions, facts, findings, errors and children. It never fails and never panics: a malformed artifact is
//! data. It does no I/O of its own, sees no name, and judges nothing that an inspector can judge from facts.

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

mod ar;
mod buildinfo;
mod bun;
mod bundle;
mod caffe;
mod checkpoint;
mod compressed;
mod coreml;
mod cursor;
mod data;
mod elf;
mod encoded;
mod executorch;
mod flat;
mod flax;
mod font;
mod ggml;
mod gguf;
mod gzip;
mod hdf5;
mod input;
mod json;
mod keras;
pub(crate) mod language;
#[cfg(test)]
mod law;
#[cfg(test)]
mod laws;
mod leaves;
mod macho;
mod marshal;
mod media;
mod mxnet;
mod npy;
mod onnx;
mod opaque;
mod openvino;
mod paddle;
mod parse;
mod pdf;
mod pe;
mod pickle;
mod proto;
mod rds;
mod records;
mod safetensors;
mod script;
mod sentencepiece;
mod sevenzip;
mod tar;
mod tensorflow;
mod text;
mod tflite;
mod torch7;
mod ubjson;
mod wasm;
mod weights;
mod xml;
mod yaml;
mod zip;

pub use cursor::Cursor;
pub(crate) use input::{Held, ReadLog};
pub use input::{Input, ReadFault};
pub(crate) use language::Language;
pub use parse::{Child, Codec, Decoder, Layout, Parse, Piece, Source};
pub(crate) use text::Encoding;

use crate::identify::{Match, Probe};

/// The decoder of the compressed stream of `length` bytes that begins with `head`; `None` for gzip and what is none.
pub(crate) fn decoder_of(head: &[u8], length: u64) -> Option<Box<dyn Decoder>> {
    if head.starts_with(b"\xfd7zXZ\0") {
        Some(compressed::xz::decoder(length))
    } else if head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        Some(compressed::zstd::decoder(length))
    } else if head.starts_with(b"BZh") {
        Some(compressed::bzip2::decoder(length))
    } else {
        None
    }
}

/// The name of a parent region over space that a format allocates and frees in place, like a heap: bytes there that
/// nothing refers to were in use once.
pub const FREED_SPACE: &str = "allocated space";
/// The same, in a file that its writer completes in one go and leaves alone: nothing is freed there.
pub const UNTOUCHED_SPACE: &str = "allocated space of a model";

/// The name of the one array of an `.npy`, which has none of its own.
pub const UNNAMED_ARRAY: &str = "array";

/// A file format.
pub trait Format: Sync {
    /// The id in reports: lower case, stable.
    fn id(&self) -> &'static str;

    /// Whether the bytes could be this format, and how sure that is.
    fn identify(&self, probe: &Probe<'_>) -> Option<Match>;

    /// Reads the structure and accounts for the bytes.
    fn parse(&self, input: &Input<'_>, out: &mut Parse);

    /// File name extensions (lower case, no dot) that fit; empty when every name does.
    fn extensions(&self) -> &'static [&'static str] {
        &[]
    }
}

/// Every format, in the order in which equals are preferred.
pub static FORMATS: &[&dyn Format] = &[
    &safetensors::Safetensors,
    &gguf::Gguf,
    &tflite::Tflite,
    &executorch::ExecuTorch,
    &mxnet::Mxnet,
    &elf::Elf,
    &pe::Pe,
    &macho::MachO,
    &macho::Fat,
    &wasm::Wasm,
    &records::class::Class,
    &media::png::Png,
    &media::jpeg::Jpeg,
    &media::gif::Gif,
    &media::riff::Riff,
    &media::isobmff::IsoBmff,
    &media::ogg::Ogg,
    &media::flac::Flac,
    &font::sfnt::Sfnt,
    &font::woff::Woff,
    &font::woff::Woff2,
    &pdf::Pdf,
    &records::sqlite::Sqlite,
    &records::mo::Mo,
    &records::bitcode::Bitcode,
    &records::icu::Icu,
    &records::terminfo::Terminfo,
    &records::tzif::TzIf,
    &zip::Zip,
    &gzip::Gzip,
    &tar::Tar,
    // Before what its data may begin like.
    &opaque::DMG,
    &compressed::bzip2::Bzip2,
    &compressed::xz::Xz,
    &compressed::zstd::Zstd,
    &compressed::lz4::Lz4,
    &ar::Ar,
    &sevenzip::SevenZip,
    &opaque::RAR,
    &opaque::CAB,
    &opaque::SQUASHFS,
    &opaque::CPIO,
    &opaque::XAR,
    &opaque::LZIP,
    &opaque::LZOP,
    &opaque::LUKS,
    &opaque::RPM,
    &opaque::WIM,
    &opaque::QCOW,
    &opaque::TENSORRT,
    &opaque::RKNN,
    &opaque::ORT,
    &bun::Bun,
    &bundle::sea::Sea,
    &bundle::deno::Deno,
    &bundle::eszip::Eszip,
    &bundle::pyinstaller::PyInstaller,
    &bundle::pyinstaller::pyz::Pyz,
    &bundle::nexe::Nexe,
    &bundle::asar::Asar,
    &npy::Npy,
    &rds::Rds,
    &torch7::Torch7,
    &ggml::Ggml,
    &ubjson::XgBoost,
    &weights::FASTTEXT,
    &weights::CATBOOST,
    &weights::WORD2VEC,
    // Protobuf messages, which have no magic number: before what short texts may be taken for.
    &onnx::Onnx,
    &tensorflow::TensorFlow,
    &checkpoint::Checkpoint,
    &coreml::CoreMl,
    &paddle::Paddle,
    &paddle::Params,
    &sentencepiece::SentencePiece,
    &caffe::Caffe,
    &hdf5::Hdf5,
    &keras::KerasConfig,
    &json::Json,
    &flax::Flax,
    &marshal::Pyc,
    &marshal::Marshal,
    &pickle::Pickle,
    &compressed::lzma::Lzma,
    &compressed::zlib::Zlib,
    &opaque::COMPRESS,
    &media::mp3::Mp3,
    &media::ico::Ico,
    &openvino::OpenVino,
    &xml::Pmml,
    &xml::Xml,
    &yaml::Yaml,
    &language::Toml,
    &language::Ini,
    &language::Python,
    &language::JavaScript,
    &language::Shell,
    &script::Script,
    &text::Text,
    &data::Data,
];

/// What the pickle at `input` says, whoever holds it.
pub(crate) fn pickled(input: &Input<'_>) -> Parse {
    Parse::of(&pickle::Pickle, input)
}

/// The ids of all formats that are parsed or recognised, as [`Artifact::format`](crate::artifact::Artifact::format) has
/// them, in the order in which equals are preferred.
pub fn ids() -> impl ExactSizeIterator<Item = &'static str> {
    FORMATS.iter().map(|format| format.id())
}

/// The facts of `bytes` as the format `id`, for the fuzz target of what is built on them.
pub(crate) fn parse_for_fuzzing(id: &str, bytes: &[u8]) -> Vec<crate::fact::Fact> {
    let format = FORMATS.iter().find(|f| f.id() == id);
    format
        .map(|format| Parse::of_bytes(*format, bytes).facts)
        .unwrap_or_default()
}

/// Parses `bytes` as the format called `id` and checks the laws that hold for any bytes: claims add up, children lie
/// inside. For fuzz targets and property tests.
///
/// # Panics
/// When a law is broken, or when there is no such format.
#[expect(clippy::panic, reason = "a broken law must stop the fuzzer")]
pub fn fuzz(id: &str, bytes: &[u8]) {
    let Some(format) = FORMATS.iter().find(|f| f.id() == id) else {
        panic!("no format {id}")
    };
    let parse = Parse::of_bytes(*format, bytes);
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let whole = crate::span::Span::new(0, length);
    for child in &parse.children {
        let inside = match &child.source {
            Source::Slice(span) | Source::Decoded { span, .. } => whole.encloses(*span),
            Source::Assembled(parts) => parts.iter().all(|span| whole.encloses(*span)),
        };
        assert!(inside, "a child of {id} lies outside its parent");
    }
    let mut ledger = crate::ledger::Ledger::new(length);
    ledger.push(parse.view);
    let sum = ledger.claimed().total().checked_add(ledger.unclaimed().total());
    assert_eq!(sum, Some(length), "claimed and unclaimed bytes do not add up in {id}");
}
