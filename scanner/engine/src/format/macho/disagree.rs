//! Images of one universal file, held against each other.
//!
//! They are compiled from one source: the same kind of file, with the same libraries but for those of the system, of which
//! older processors need others. An image that was changed alone shows here. Who signed them is compared where signatures
//! are verified: linkers sign for arm64 and leave x86_64 alone.

use super::command;
use super::header::Header;
use crate::finding::{Finding, Value, code};
use crate::format::{Input, Parse};
use crate::name::printable;
use crate::span::Span;
use object::macho as raw;
use std::collections::BTreeSet;

/// What is compared of an image.
pub(super) struct Image {
    name: String,
    filetype: u32,
    /// Libraries and search paths that are not the system's.
    libraries: BTreeSet<Vec<u8>>,
    span: Span,
}

impl Image {
    /// Reads the header and the load commands of the image at `span`; `None` for what is no executable image.
    pub(super) fn read(input: &Input<'_>, span: Span, name: &str) -> Option<Self> {
        let head = input.read_up_to(span.start(), span.len().min(32)).ok()?;
        let header = Header::read(&head)?;
        let length = u64::from(header.sizeofcmds).min(command::MOST_BYTES);
        let place = Span::saturating_at(span.start().saturating_add(header.size()), length).intersect(span);
        let bytes = input.read(place).ok()?;
        // What is broken in the commands is told where the image is read by itself.
        let commands = command::walk(&header, &bytes, &mut Parse::new("macho"));
        let mut libraries = BTreeSet::new();
        for command in &commands {
            let at = match command.cmd {
                raw::LC_LOAD_DYLIB
                | raw::LC_LOAD_WEAK_DYLIB
                | raw::LC_REEXPORT_DYLIB
                | raw::LC_LAZY_LOAD_DYLIB
                | raw::LC_LOAD_UPWARD_DYLIB
                | raw::LC_RPATH => 8,
                _ => continue,
            };
            if let Some((text, _)) = command.string(at)
                && !text.starts_with(b"/usr/lib/")
                && !text.starts_with(b"/System/")
                && !text.starts_with(b"@rpath/libswift")
            {
                let text = match command.cmd {
                    raw::LC_RPATH if text.starts_with(b"/") => without_hashes(text),
                    _ => text.to_vec(),
                };
                libraries.insert(text);
            }
        }
        Some(Self {
            name: name.to_owned(),
            filetype: header.filetype,
            libraries,
            span: place,
        })
    }
}

/// A folder in which hexadecimal numbers of eight digits and more stand for themselves: package managers build each image
/// in a folder that is called after a digest.
fn without_hashes(path: &[u8]) -> Vec<u8> {
    const LEAST: usize = 8;
    let mut out = Vec::with_capacity(path.len());
    for run in path.chunk_by(|a, b| a.is_ascii_hexdigit() == b.is_ascii_hexdigit()) {
        let number = run.len() >= LEAST && run.iter().all(u8::is_ascii_hexdigit) && run.iter().any(u8::is_ascii_digit);
        out.extend_from_slice(if number { b"#" } else { run });
    }
    out
}

/// Emits what the images do not agree about.
pub(super) fn compare(images: &[Image], out: &mut Parse) {
    let Some((first, others)) = images.split_first() else {
        return;
    };
    for other in others {
        let mut differences: Vec<String> = Vec::new();
        if first.filetype != other.filetype {
            differences.push(format!("file type {} and {}", first.filetype, other.filetype));
        }
        let only = |a: &Image, b: &Image| -> Vec<String> {
            let of = a.libraries.difference(&b.libraries).take(16);
            of.map(|l| format!("only {} takes {}", a.name, printable(l))).collect()
        };
        differences.extend(only(first, other));
        differences.extend(only(other, first));
        if differences.is_empty() {
            continue;
        }
        let message = format!(
            "the images {} and {} differ: {}",
            first.name,
            other.name,
            differences.join(", ")
        );
        let finding = Finding::new(code::UNUSUAL_STRUCTURE, other.span, message).case("fat-differs");
        let finding = finding.related(first.name.clone(), first.span);
        out.finding(
            finding
                .evidence("differences", Value::List(differences))
                .key("fat-differs"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::without_hashes;

    #[test]
    fn folders_called_after_digests_are_told_from_others() {
        for (path, expected) in [
            (
                &b"/Users/r/.conan2/p/b/opensde34374a1fc87/p/lib"[..],
                &b"/Users/r/.conan2/p/b/opens#/p/lib"[..],
            ),
            (
                b"/Users/r/.conan2/p/b/opens61c2f30aa9e10/p/lib",
                b"/Users/r/.conan2/p/b/opens#/p/lib",
            ),
            (b"/opt/lib64/v12", b"/opt/lib64/v12"),
            (b"/opt/deadbeef/lib", b"/opt/deadbeef/lib"),
        ] {
            assert_eq!(without_hashes(path), expected);
        }
    }
}
