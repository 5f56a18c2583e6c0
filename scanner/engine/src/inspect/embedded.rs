//! Executables inside other artifacts, validated by their own headers.
//!
//! A magic number alone is nothing: 1 GiB of weights holds one by chance. The header that follows must agree with
//! itself (ELF class, version, machine and header size; the DOS header that points at a PE signature; a Mach-O CPU and
//! file type; a WebAssembly section id).

use super::{Closing, Inspector};
use crate::finding::{Finding, Findings, code};
use crate::format::language::is_text;
use crate::ledger::Role;
use crate::sink::{Magic, MagicHit};
use crate::span::Span;
use std::collections::{BTreeSet, HashSet};

/// `embedded-executable`.
pub(super) struct Embedded;

impl Inspector for Embedded {
    fn inspect(&self, artifact: &Closing<'_>, out: &mut Findings) {
        for (span, format, expected) in artifact.slices {
            if matches!(*format, "elf" | "pe" | "macho" | "macho-fat" | "wasm") && !expected {
                out.push(finding(artifact, *span, format).case("hidden"));
            }
        }
        let known: HashSet<u64> = artifact.slices.iter().map(|(span, ..)| span.start()).collect();
        // Of a PE file both its beginning and its signature may have been found.
        let found: BTreeSet<(u64, &str)> = artifact
            .magics
            .iter()
            .filter_map(|hit| validate(artifact, hit))
            .collect();
        for (offset, what) in found {
            let itself = offset == 0 && matches!(artifact.format, "elf" | "pe" | "macho" | "wasm");
            if !itself && !known.contains(&offset) && !is_encoded(artifact, offset) {
                let case = if is_bundled(artifact, offset) {
                    "bundled"
                } else {
                    "hidden"
                };
                out.push(finding(artifact, Span::saturating_at(offset, 0), what).case(case));
            }
        }
    }
}

fn finding(artifact: &Closing<'_>, span: Span, what: &str) -> Finding {
    let region = artifact.leaf_at(span.start());
    let place = region.map_or("bytes that no region claims", |r| &r.name);
    Finding::new(
        code::EMBEDDED_EXECUTABLE,
        span,
        format!("{what} executable inside {place}"),
    )
    .evidence("type", what)
    .key(what)
}

/// Whether `offset` lies in a compressed stream: a codec that stores what it cannot compress shows it as it is, and what
/// was decoded is examined as an artifact of its own.
fn is_encoded(artifact: &Closing<'_>, offset: u64) -> bool {
    let stream = matches!(
        artifact.format,
        "gzip" | "bzip2" | "xz" | "lzma" | "zstd" | "lz4" | "zlib" | "7z"
    );
    stream
        && artifact
            .leaf_at(offset)
            .is_some_and(|region| region.role == Role::Payload)
}

/// Whether an executable may well stand at `offset`: in the data of another one, or in a file whose content this build
/// does not claim to understand.
fn is_bundled(artifact: &Closing<'_>, offset: u64) -> bool {
    let executable = matches!(artifact.format, "elf" | "pe" | "macho" | "macho-fat" | "wasm");
    match artifact.leaf_at(offset).map(|r| r.role) {
        None | Some(Role::Padding | Role::Tensor | Role::Signature | Role::Header | Role::Table) => false,
        Some(_) => {
            let text = is_text(artifact.format) && artifact.format != "json";
            executable
                || text
                || matches!(
                    artifact.format,
                    "data" | "bun" | "node-sea" | "deno" | "eszip" | "nexe" | "asar"
                )
        }
    }
}

fn validate(artifact: &Closing<'_>, hit: &MagicHit) -> Option<(u64, &'static str)> {
    match hit.magic {
        Magic::Elf => {
            let head = artifact.bytes(hit.offset, 64);
            elf(&head).then_some((hit.offset, "elf"))
        }
        Magic::Pe => pe(artifact, hit.offset).map(|start| (start, "pe")),
        Magic::Dos => {
            let field = artifact.bytes(hit.offset.checked_add(0x3c)?, 4);
            let e_lfanew = u32::from_le_bytes(field.get(..4)?.try_into().ok()?);
            let signature = hit.offset.checked_add(u64::from(e_lfanew))?;
            let signed = artifact.bytes(signature, 4) == b"PE\0\0";
            pe(artifact, signature).filter(|_| signed).map(|start| (start, "pe"))
        }
        Magic::MachO => {
            let head = artifact.bytes(hit.offset, 32);
            mach_o(&head).then_some((hit.offset, "macho"))
        }
        Magic::Wasm => {
            let head = artifact.bytes(hit.offset, 16);
            // The first section is a custom, type or import section.
            matches!(head.get(8), Some(0..=2)).then_some((hit.offset, "wasm"))
        }
    }
}

pub(super) fn elf(head: &[u8]) -> bool {
    let Some([class, data, version]) = head.get(4..7) else {
        return false;
    };
    let word = |at: usize| -> Option<u16> {
        let bytes = head.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if *data == 2 {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        })
    };
    let header_size = match class {
        1 => word(40) == Some(52),
        2 => word(52) == Some(64),
        _ => false,
    };
    header_size && matches!(data, 1 | 2) && *version == 1 && matches!(word(16), Some(1..=4)) && word(18) != Some(0)
}

/// Looks back from `PE\0\0` for the DOS header whose `e_lfanew` points exactly here.
fn pe(artifact: &Closing<'_>, signature: u64) -> Option<u64> {
    const BACK: u64 = 1024;
    let machine = artifact.bytes(signature.checked_add(4)?, 2);
    let machine = u16::from_le_bytes(machine.get(..2)?.try_into().ok()?);
    if !matches!(machine, 0x14c | 0x8664 | 0x1c0 | 0x1c4 | 0xaa64 | 0x200) {
        return None;
    }
    let from = signature.saturating_sub(BACK);
    let before = artifact.bytes(from, signature.checked_sub(from)?);
    memchr::memmem::rfind_iter(&before, b"MZ").find_map(|at| {
        let field = before.get(at.checked_add(0x3c)?..at.checked_add(0x40)?)?;
        let e_lfanew = u64::from(u32::from_le_bytes(field.try_into().ok()?));
        let start = from.checked_add(u64::try_from(at).ok()?)?;
        (start.checked_add(e_lfanew)? == signature).then_some(start)
    })
}

pub(super) fn mach_o(head: &[u8]) -> bool {
    let big = head.first() == Some(&0xfe);
    let word = |at: usize| -> Option<u32> {
        let bytes = head.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if big {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        })
    };
    let cpu = matches!(word(4).map(|c| c & 0x00ff_ffff), Some(7 | 12 | 18));
    let load_commands = matches!((word(16), word(20)), (Some(1..=4096), Some(8..=0x0010_0000)));
    cpu && matches!(word(12), Some(1..=12)) && load_commands
}
