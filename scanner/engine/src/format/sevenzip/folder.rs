//! Decoding a folder: into its only member, or into the members one after the other.

use super::coders::{self, Stop};
use super::header::{File, Folder, Part};
use crate::finding::{Finding, code};
use crate::format::{Decoder, Layout, Parse, Piece};
use crate::ledger::Role;
use crate::policy::shown;
use crate::span::Span;
use std::io::{self, Read, Write};
use std::sync::Arc;

/// A folder to decode.
pub(super) struct Stored {
    folder: Folder,
    span: Span,
    name: String,
    /// The name of each part; members that the archive does not list have none.
    names: Vec<Vec<u8>>,
    links: Vec<bool>,
}

impl Stored {
    pub(super) fn new(folder: Folder, span: Span, name: &str, files: &[Option<&File>]) -> Self {
        let named = |file: &Option<&File>| {
            file.map(|file| file.name.clone())
                .unwrap_or_else(|| b"unlisted".to_vec())
        };
        Self {
            folder,
            span,
            name: name.to_owned(),
            names: files.iter().map(named).collect(),
            links: files.iter().map(|file| file.is_some_and(File::is_link)).collect(),
        }
    }

    /// Whether it is one member and nothing else.
    fn alone(&self) -> bool {
        self.names.len() == 1 && self.links == [false]
    }

    /// What the nested artifact is called.
    pub(super) fn child_name(&self) -> Vec<u8> {
        match self.names.first() {
            Some(name) if self.alone() => name.clone(),
            _ => self.name.clone().into_bytes(),
        }
    }
}

impl Decoder for Stored {
    fn decode(&mut self, input: &mut dyn Read, output: &mut dyn Write, parent: &mut Parse) -> io::Result<u64> {
        for (number, packed) in (1u64..).zip(&self.folder.packed) {
            let span = packed.shifted(super::START).intersect(self.span);
            parent.leaf(span, Role::Payload, format!("{}: packed stream {number}", self.name));
        }
        let mut summed = Summed {
            output,
            crc: crc32fast::Hasher::new(),
        };
        let mut packed = input.take(self.span.len());
        let outcome = coders::unpack(&self.folder, &mut packed, &mut summed);
        // What no decoder asked for is no part of the members. Decoders read some kilobytes ahead.
        let unread = packed.limit();
        let actual = summed.crc.finalize();
        match outcome {
            Ok(()) => {
                if unread > 0 {
                    let rest = Span::new(self.span.end().saturating_sub(unread), self.span.end());
                    parent.malformed(rest, "7z: a packed stream goes on behind its content");
                }
                // What several parts have as checksums is compared when they are swept.
                let stated = match self.folder.parts.as_slice() {
                    [(_, Some(stated))] if self.alone() => Some(*stated),
                    _ => self.folder.crc,
                };
                if let Some(stated) = stated.filter(|stated| *stated != actual) {
                    let what = shown(&self.child_name());
                    let message = format!("{what} decodes to CRC-32 {actual:08x}, the archive says {stated:08x}");
                    let finding = Finding::new(code::HEADER_MISMATCH, self.span, message);
                    parent.finding(finding.case("crc").key(what));
                }
            }
            Err(Stop::Output(error)) => return Err(error),
            Err(stop) => stop.tell(parent, self.span, &self.name),
        }
        Ok(self.span.len())
    }

    fn layout(&self) -> Option<Layout> {
        if self.alone() {
            return None;
        }
        let parts: &[Part] = &self.folder.parts;
        let pieces = parts
            .iter()
            .zip(&self.names)
            .zip(&self.links)
            .map(|((part, name), link)| Piece {
                name: name.clone(),
                length: part.0,
                crc32: part.1,
                link: *link,
            });
        Some(Layout {
            format: "7z-folder",
            pieces: Arc::from(pieces.collect::<Vec<Piece>>()),
        })
    }
}

/// Sums what passes.
struct Summed<'o> {
    output: &'o mut dyn Write,
    crc: crc32fast::Hasher,
}

impl Write for Summed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.output.write(bytes)?;
        self.crc.update(bytes.get(..n).unwrap_or_default());
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}
