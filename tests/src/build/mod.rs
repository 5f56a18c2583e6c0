//! One builder per format. A plain call gives a valid file; public fields turn it into a hostile one.

pub mod ar;
pub mod bun;
pub mod bytes;
pub mod compressed;
pub mod elf;
pub mod files;
pub mod gguf;
pub mod gzip;
pub mod json;
pub mod macho;
pub mod npy;
pub mod pe;
pub mod pickle;
pub mod quine;
pub mod safetensors;
pub mod sha256;
pub mod tar;
pub mod text;
pub mod zip;
