//! The name against the bytes: what the extension promises and what the content is.
//!
//! Names decide nothing here but this finding. Extensions shared by several formats promise nothing, and neither does
//! an extension of a format that this build does not read, except that it is no program and no serialised code.

use super::{Closing, Inspector};
use crate::finding::{Finding, Findings, code};
use crate::format::language::{is_script, is_text};
use crate::span::Span;

/// `name-mismatch`.
pub(super) struct Naming;

impl Inspector for Naming {
    fn inspect(&self, artifact: &Closing<'_>, out: &mut Findings) {
        let Some(extension) = extension(artifact.name).filter(|_| artifact.ledger.length() > 0) else {
            return;
        };
        let Some(mut habit) = judge(&extension, artifact.format) else {
            return;
        };
        // Bundles keep their assets compressed under the names of what they are.
        if STREAMS.contains(&artifact.format) && artifact.within.iter().any(|f| BUNDLES.contains(f)) {
            habit = Habit::Harmless;
        }
        let message = format!("the name ends in .{extension}, the bytes are {}", artifact.format);
        let finding = Finding::new(code::NAME_MISMATCH, Span::new(0, 0), message)
            .case(match habit {
                Habit::Harmless => "benign",
                Habit::Unread => "unreadable",
                Habit::None => "extension",
            })
            .key(extension.clone());
        out.push(
            finding
                .evidence("extension", extension)
                .evidence("format", artifact.format),
        );
    }
}

/// Whether a mismatch is a known habit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Habit {
    None,
    /// The bytes are nothing that is known, under the name of weights.
    Unread,
    Harmless,
}

/// What an extension promises.
enum Promise {
    /// One of these formats; their magic numbers are known, so unknown data is a mismatch too.
    Formats(&'static [&'static str]),
    /// Text of some kind: anything that reads as text, or data in an encoding this build does not know.
    Text,
    /// Media and documents that this build does not read: anything but programs, serialised code and archives.
    Media,
}

/// Formats of weights that begin with a magic number or a header, so that their readers refuse anything else.
const WEIGHTS: &[&str] = &["safetensors", "gguf", "tflite", "npy", "keras", "npz", "pte", "mlmodel"];
/// What carries the files of a program.
const BUNDLES: &[&str] = &["bun", "node-sea", "deno", "eszip", "pyinstaller", "nexe", "asar"];
/// Compressed streams of one content.
const STREAMS: &[&str] = &["gzip", "bzip2", "xz", "lzma", "zstd", "lz4", "zlib"];
/// The formats that begin programs.
const PROGRAMS: &[&str] = &[
    "elf",
    "pe",
    "macho",
    "macho-fat",
    "wasm",
    "bun",
    "node-sea",
    "deno",
    "eszip",
    "pyinstaller",
];
/// The formats that hold or run something when they are opened as something else.
const CARRIERS: &[&str] = &[
    "java-class",
    "elf",
    "pe",
    "macho",
    "macho-fat",
    "wasm",
    "bun",
    "pickle",
    "zip",
    "tar",
    "gzip",
    "bzip2",
    "xz",
    "zstd",
    "lz4",
    "ar",
    "7z",
    "rar",
    "cab",
    "squashfs",
    "cpio",
    "xar",
    "dmg",
    "lzip",
    "lzo",
    "rpm",
    "wim",
];

fn promise(extension: &str) -> Option<Promise> {
    use Promise::{Formats, Media, Text};
    Some(match extension {
        "safetensors" => Formats(&["safetensors"]),
        "gguf" => Formats(&["gguf"]),
        "onnx" => Formats(&["onnx"]),
        "tflite" => Formats(&["tflite"]),
        "mlmodel" => Formats(&["coreml"]),
        "pte" => Formats(&["executorch"]),
        "npy" => Formats(&["npy", "gzip"]),
        "whl" | "jar" | "npz" | "keras" | "docx" | "xlsx" | "pptx" | "apk" | "zip" | "vsix" | "nupkg" | "ipa"
        | "egg" | "epub" | "odt" | "aar" | "xpi" | "mar" => Formats(&["zip"]),
        "gz" | "tgz" | "gzip" | "svgz" => Formats(&["gzip"]),
        "tar" | "gem" | "ova" => Formats(&["tar"]),
        "bz2" | "tbz" | "tbz2" => Formats(&["bzip2"]),
        "xz" | "txz" => Formats(&["xz"]),
        "lzma" | "tlz" => Formats(&["lzma"]),
        "zst" | "tzst" => Formats(&["zstd"]),
        "lz4" => Formats(&["lz4"]),
        "deb" | "udeb" | "rlib" => Formats(&["ar"]),
        "7z" => Formats(&["7z"]),
        "rar" => Formats(&["rar"]),
        "elf" | "ko" | "so" | "node" => Formats(&["elf", "macho", "macho-fat", "pe"]),
        "dll" | "exe" | "pyd" | "sys" | "efi" | "scr" | "cpl" | "ocx" => Formats(&["pe"]),
        "wasm" => Formats(&["wasm"]),
        "class" => Formats(&["java-class"]),
        "dylib" => Formats(&["macho", "macho-fat"]),
        "json" | "ipynb" | "geojson" | "jsonl" | "ndjson" | "webmanifest" | "txt" | "md" | "rst" | "py" | "pyi"
        | "js" | "mjs" | "cjs" | "ts" | "tsx" | "jsx" | "css" | "html" | "htm" | "xml" | "yml" | "yaml" | "toml"
        | "ini" | "cfg" | "conf" | "csv" | "tsv" | "c" | "h" | "cc" | "cpp" | "hpp" | "rs" | "go" | "java" | "sh"
        | "bash" | "zsh" | "bat" | "cmd" | "ps1" | "rb" | "pl" | "lua" | "sql" | "log" | "jinja" | "j2" | "map"
        | "svg" | "tex" | "proto" => Text,
        "png" | "jpg" | "jpeg" | "gif" | "bmp" | "ico" | "webp" | "tif" | "tiff" | "avif" | "heic" | "mp3" | "mp4"
        | "m4a" | "wav" | "ogg" | "flac" | "webm" | "mov" | "avi" | "mkv" | "pdf" | "ttf" | "otf" | "woff"
        | "woff2" | "eot" => Media,
        _ => return None,
    })
}

fn judge(extension: &str, format: &str) -> Option<Habit> {
    match promise(extension)? {
        Promise::Formats(formats) if formats.contains(&format) => None,
        // A zip that is an executable as well carries its own stub; a bundle is the executable it stands in.
        Promise::Formats(formats) if format == "bun" && formats.iter().any(|f| PROGRAMS.contains(f)) => None,
        // Linker scripts and stubs stand in for libraries, shell scripts are called .exe in packages for all systems.
        Promise::Formats(formats) if formats.iter().any(|f| PROGRAMS.contains(f)) => match format {
            _ if is_text(format) && format != "json" => Some(Habit::Harmless),
            // Programs for another system than the name's, and images that firmware or a debugger knows.
            _ if PROGRAMS.contains(&format) => Some(Habit::Harmless),
            "data" => None,
            _ => Some(Habit::None),
        },
        // A download that failed leaves a page or a pointer file (git-lfs) under the name of the artifact.
        Promise::Formats(_) if is_text(format) && !is_script(format) => Some(Habit::Harmless),
        Promise::Formats(_) if format == "data" && WEIGHTS.contains(&extension) => Some(Habit::Unread),
        Promise::Formats(_) => Some(Habit::None),
        Promise::Text | Promise::Media => CARRIERS.contains(&format).then_some(Habit::None),
    }
}

/// The last extension, lower case; version numbers behind `.so` are passed over. `None` for dot files, names without
/// one, and what cannot be an extension.
fn extension(name: &[u8]) -> Option<String> {
    let last = name.rsplit(|byte| matches!(*byte, b'/' | b'\\')).next()?;
    let last = std::str::from_utf8(last).ok()?;
    let mut parts: Vec<&str> = last.split('.').collect();
    while parts.len() > 2
        && parts
            .last()
            .is_some_and(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
    {
        parts.pop();
    }
    match parts.as_slice() {
        [first, .., last] if parts.len() > 2 || !first.is_empty() => {
            let fits = !last.is_empty() && last.len() <= 12 && last.bytes().all(|byte| byte.is_ascii_alphanumeric());
            fits.then(|| last.to_ascii_lowercase())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_extension_counts() {
        for (name, expected) in [
            (&b"model.safetensors"[..], Some("safetensors")),
            (b"dir.d/libc.so.6", Some("so")),
            (b"libfoo.so.1.2.3", Some("so")),
            (b"archive.tar.GZ", Some("gz")),
            (b".gitignore", None),
            (b"README", None),
            (b"a.", None),
            (b"notes.1", Some("1")),
            (b"x.\xff", None),
        ] {
            assert_eq!(
                extension(name).as_deref(),
                expected,
                "{}",
                String::from_utf8_lossy(name)
            );
        }
    }

    #[test]
    fn a_name_that_lies_is_told_from_one_that_promises_nothing() {
        use Habit::{Harmless, None as Lie};
        for (extension, format, expected) in [
            ("safetensors", "pickle", Some(Lie)),
            ("safetensors", "zip", Some(Lie)),
            ("safetensors", "data", Some(Habit::Unread)),
            ("safetensors", "safetensors", None),
            ("safetensors", "text", Some(Harmless)),
            ("gguf", "data", Some(Habit::Unread)),
            ("onnx", "data", Some(Lie)),
            ("onnx", "pickle", Some(Lie)),
            ("onnx", "onnx", None),
            ("tflite", "text", Some(Harmless)),
            ("bin", "pickle", None),
            ("pt", "zip", None),
            ("pt", "tar", None),
            ("pkl", "gzip", None),
            ("json", "elf", Some(Lie)),
            ("json", "text", None),
            ("json", "data", None),
            ("txt", "pickle", Some(Lie)),
            ("md", "elf", Some(Lie)),
            ("png", "pe", Some(Lie)),
            ("png", "data", None),
            ("png", "text", None),
            ("exe", "script", Some(Harmless)),
            ("exe", "pickle", Some(Lie)),
            ("node", "macho", None),
            ("so", "text", Some(Harmless)),
            ("so", "elf", None),
            ("dylib", "elf", Some(Harmless)),
            ("whl", "tar", Some(Lie)),
            ("whl", "zip", None),
            ("tgz", "gzip", None),
            ("wasm", "wasm", None),
            ("wasm", "javascript", Some(Harmless)),
            ("wasm", "zip", Some(Lie)),
            ("class", "java-class", None),
            ("png", "java-class", Some(Lie)),
            ("png", "jpeg", None),
            ("yaml", "toml", None),
            ("exe", "shell", Some(Harmless)),
            ("whl", "python", Some(Lie)),
            ("whl", "xml", Some(Harmless)),
            ("xyz", "elf", None),
        ] {
            assert_eq!(judge(extension, format), expected, ".{extension} that is {format}");
        }
    }
}
