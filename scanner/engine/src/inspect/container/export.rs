//! What a file hands up to the container that holds it: bounded, and only where its name says that a container needs it.
//!
//! A container is judged when its members are closed and gone. What their names, digests and formats do not tell is kept
//! here until then: the text of a manifest, the names of a shard's tensors, what a Python source does when it is imported.

use super::model::Outline;
use super::python::{self, Act};
use crate::fact::Fact;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What a container wants to know of a file, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// Its name, digest and format are enough.
    Nothing,
    /// The names of its tensors, should it hold any.
    Tensors,
    /// Its text, or the names of its tensors: a file whose name is its digest may be anything.
    Blob(u64),
    /// What it has, but others have taken the room: that is said.
    NoRoom,
    /// Its text, when it is not longer than this.
    Text(u64),
    /// What it does when it is imported.
    Python,
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

impl Want {
    /// What is wanted of the file at `path`, whose levels are separated by `/`.
    pub(crate) fn of(path: &[u8]) -> Self {
        let mut levels = path.rsplit(|b| *b == b'/');
        let name = levels.next().unwrap_or_default();
        let folder = levels.next().unwrap_or_default();
        let ends = |suffix: &[u8]| name.len() > suffix.len() && name.ends_with(suffix);
        let installed = folder.ends_with(b".dist-info");
        match name {
            b"package.json"
            | b"config.json"
            | b"tokenizer_config.json"
            | b"generation_config.json"
            | b"model_index.json"
            | b"modules.json"
            | b"adapter_config.json"
            | b"processor_config.json"
            | b"preprocessor_config.json"
            | b"video_preprocessor_config.json"
            | b"image_processor_config.json"
            | b"feature_extractor_config.json"
            | b"quantization_config.json"
            | b"MLmodel"
            | b"MANIFEST.json"
            | b"Manifest.json"
            | b"requirements.txt"
            | b"conda.yaml"
            | b"conda.yml"
            | b"python_env.yaml"
            | b"cog.yaml"
            | b"meta.json"
            | b"chat_template.json"
            | b"chat_template.jinja"
            | b"manifest.json"
            | b"index.json"
            | b"link.json"
            | b"special_tokens_map.json"
            | b"config_sentence_transformers.json" => Self::Text(MIB),
            b"oci-layout" => Self::Text(64 * KIB),
            b"model.sig" => Self::Text(16 * MIB),
            b"RECORD" if installed => Self::Text(16 * MIB),
            b"WHEEL" | b"METADATA" | b"entry_points.txt" | b"RECORD.jws" if installed => Self::Text(MIB),
            // `NAME.safetensors.index.json`, `NAME.safetensors.index.fp16.json`
            _ if ends(b".index.json") || (ends(b".json") && memchr::memmem::find(name, b".index.").is_some()) => {
                Self::Text(32 * MIB)
            }
            _ if ends(b".pth") => Self::Text(64 * KIB),
            _ if ends(b".jinja") || ends(b".jinja2") => Self::Text(MIB),
            _ if ends(b".py") => Self::Python,
            // Blobs of a model cache are small files under the SHA-1 git gave them, and large ones under their SHA-256;
            // an image's manifests and configurations lie among its layers.
            _ if matches!(name.len(), 40 | 64) && is_hex(name) && (folder == b"blobs" || folder == b"sha256") => {
                Self::Blob(4 * MIB)
            }
            _ if name.len() == 69 && ends(b".json") && name.get(..64).is_some_and(is_hex) => Self::Text(4 * MIB),
            _ if ends(b".safetensors") => Self::Tensors,
            _ => Self::Nothing,
        }
    }

    /// About how many bytes a file of `length` bytes hands up at most.
    pub(crate) fn share(self, length: u64) -> u64 {
        /// Eight bytes for each entry of a header, which takes sixty and more.
        const TENSORS: u64 = 512 * KIB;
        match self {
            Self::Nothing | Self::NoRoom => 0,
            Self::Python => length.min(KIB),
            Self::Text(most) if length > most => 0,
            Self::Blob(most) if length > most => (length / 64).min(TENSORS),
            Self::Tensors => (length / 64).min(TENSORS),
            Self::Text(_) | Self::Blob(_) => length,
        }
    }

    /// The most bytes of a file that are read for it.
    pub(crate) const fn most(self) -> u64 {
        match self {
            Self::Nothing | Self::Tensors | Self::NoRoom => 0,
            Self::Text(most) | Self::Blob(most) => most,
            Self::Python => MIB,
        }
    }
}

/// Whether all bytes are lower-case hexadecimal digits.
pub(super) fn is_hex(text: &[u8]) -> bool {
    text.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// What a file hands up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Export {
    /// Its text.
    Text(Box<[u8]>),
    /// It is wanted, and longer than what is taken: its length.
    TooLong(u64),
    /// What it does when it is imported.
    Python(Box<[Act]>),
    /// The tensors it holds, sorted by the hash of their names, the sum of their bytes, and what their shapes say.
    Tensors(Box<[u64]>, u64, Outline),
    /// It holds more tensors than are taken.
    ManyTensors,
}

/// Names of more tensors than this are not kept: the largest published shard holds a few thousand.
const MOST_TENSORS: usize = 64 << 10;

impl Export {
    /// What the text of a file becomes.
    pub(crate) fn of_text(want: Want, text: &[u8]) -> Option<Self> {
        match want {
            Want::Nothing | Want::Tensors | Want::NoRoom => None,
            Want::Text(_) | Want::Blob(_) => Some(Self::Text(text.into())),
            Want::Python => {
                let acts = python::acts(text);
                (!acts.is_empty()).then(|| Self::Python(acts.into()))
            }
        }
    }

    /// What the facts of a tensor file become.
    pub(crate) fn of_tensors(facts: &[Fact]) -> Option<Self> {
        let mut hashes = Vec::new();
        let mut bytes = 0u64;
        let mut outline = Outline::default();
        for fact in facts {
            if let Fact::Tensor { name, span, .. } = fact {
                if hashes.len() >= MOST_TENSORS {
                    return Some(Self::ManyTensors);
                }
                outline.add(fact);
                hashes.push(tensor_hash(name));
                bytes = bytes.saturating_add(span.len());
            }
        }
        hashes.sort_unstable();
        (!hashes.is_empty()).then(|| Self::Tensors(hashes.into(), bytes, outline))
    }

    /// About how many bytes it takes.
    pub(crate) fn weight(&self) -> u64 {
        let bytes = match self {
            Self::Text(text) => text.len(),
            Self::TooLong(_) | Self::ManyTensors => 0,
            Self::Python(acts) => acts.iter().fold(0usize, |n, act| n.saturating_add(act.weight())),
            Self::Tensors(hashes, ..) => hashes.len().saturating_mul(8),
        };
        u64::try_from(bytes).unwrap_or(u64::MAX).saturating_add(64)
    }
}

/// The hash under which a tensor's name is kept.
pub(super) fn tensor_hash(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_container_is_judged_by_is_wanted() {
        for (path, expected) in [
            ("config.json", Want::Text(MIB)),
            ("a/b/package.json", Want::Text(MIB)),
            ("model.safetensors.index.json", Want::Text(32 * MIB)),
            ("x-1.0.dist-info/RECORD", Want::Text(16 * MIB)),
            ("x/RECORD", Want::Nothing),
            ("a/modeling.py", Want::Python),
            ("tokenizer.json", Want::Nothing),
            ("model.safetensors", Want::Tensors),
            ("a/model.sig", Want::Text(16 * MIB)),
            ("blobs/0123456789012345678901234567890123456789", Want::Blob(4 * MIB)),
            ("blobs/x123456789012345678901234567890123456789", Want::Nothing),
            ("0123456789012345678901234567890123456789", Want::Nothing),
        ] {
            assert_eq!(Want::of(path.as_bytes()), expected, "{path}");
        }
    }
}
