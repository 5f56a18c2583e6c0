//! PE32 and PE32+ images (Microsoft PE format specification), to the last byte.
//!
//! | offset | size | structure |
//! | --- | --- | --- |
//! | 0 | 64 | DOS header; `e_lfanew` at 0x3c |
//! | 64 | .. | DOS stub, and the Rich header that Microsoft's linker leaves in it |
//! | `e_lfanew` | 4 | `PE\0\0` |
//! | +4 | 20 | COFF header |
//! | +24 | `SizeOfOptionalHeader` | optional header, with the data directories at its end |
//! | .. | 40 each | section table |
//! | .. | to `SizeOfHeaders` | zero fill, and bound imports where there are any |
//! | `PointerToRawData` | `SizeOfRawData` | each section; its tail beyond `VirtualSize` is fill |
//! | `PointerToSymbolTable` | 18 each | COFF symbols and their string table (MinGW, Go) |
//! | .. | .. | an overlay, which no field describes: unclaimed, unless the certificate table follows it |
//! | directory 4 | .. | the certificate table, which ends the file |
//!
//! Of overlays, the `#!` line of Python's script launchers is known.
//!
//! Inside sections the data directories and the resource tree are told apart. Signatures are not verified here, code is
//! not disassembled, and object files and TE images are not PE images.

mod build;
mod certificate;
mod directory;
mod header;
mod image;
mod interior;
mod launcher;
mod resource;
mod second;
mod section;
mod stub;
mod symbols;
#[cfg(test)]
mod tests;

use super::{Format, Input, Parse, bun, bundle};
use crate::identify::{Match, Probe};
use image::{le16, le32};

/// A PE image.
pub(super) struct Pe;

/// The length of the DOS header in bytes.
const DOS_HEADER: u64 = 64;
/// The length of the signature and the COFF header in bytes.
const SIGNATURE_AND_COFF: u64 = 24;

impl Format for Pe {
    fn id(&self) -> &'static str {
        "pe"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        if !probe.head.starts_with(b"MZ") {
            return None;
        }
        let e_lfanew = u64::from(le32(probe.head, 0x3c)?);
        let at = usize::try_from(e_lfanew).ok()?;
        let after = e_lfanew.checked_add(SIGNATURE_AND_COFF)?;
        if let Some(rest) = probe.head.get(at..).filter(|rest| rest.len() >= 26) {
            let optional = le16(rest, 24);
            let sound = rest.starts_with(b"PE\0\0") && matches!(optional, Some(header::PE32 | header::PE32_PLUS));
            return sound.then_some(Match::CERTAIN);
        }
        // The signature lies beyond the probe, or the file was cut before it: DOS programs have no e_lfanew.
        let extended = matches!(le16(probe.head, 0x18), Some(0x40..=0x1ff));
        let cut = (DOS_HEADER..=0x1000).contains(&e_lfanew) && after.saturating_add(2) > probe.length;
        let beyond = !probe.is_whole() && after <= probe.length;
        (extended && (cut || beyond)).then_some(Match::LIKELY)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        let Some(headers) = header::parse(input, out) else {
            return;
        };
        let window = image::Window::new(input);
        let sections = section::parse(&window, &headers, out);
        let image = image::Image::new(window, &headers, sections);
        let mut interior = interior::Interior::default();
        symbols::claim(&image, &mut interior, out);
        directory::claim(&image, &mut interior, out);
        interior.settle(&image, out);
        launcher::claim(&image, out);
        bun::claim_appended(input, out);
        bundle::appended::claim(input, certificate::start(&image), out);
        certificate::claim(&image, out);
        section::entry_point(&image, out);
        build::describe(&image, out);
        second::compare(&image, out);
    }

    fn extensions(&self) -> &'static [&'static str] {
        &[
            "exe", "dll", "pyd", "node", "sys", "efi", "ocx", "cpl", "scr", "drv", "mui", "com", "ax", "acm", "tlb",
            "winmd",
        ]
    }
}
