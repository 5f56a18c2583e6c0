//! One builder per format. A plain call gives a valid file; public fields turn it into a hostile one.

pub mod ar;
pub mod bun;
pub mod bytes;
pub mod compressed;
pub mod documents;
pub mod elf;
pub mod files;
pub mod font;
pub mod gguf;
pub mod gzip;
pub mod json;
pub mod macho;
pub mod media;
pub mod npy;
pub mod pe;
pub mod pickle;
pub mod quine;
pub mod records;
pub mod safetensors;
pub mod sevenzip;
pub mod sha256;
pub mod tar;
pub mod template;
pub mod text;
pub mod wasm;
pub mod zip;
