//! Ways of changing a signed PE image, each as a tool or an attacker would do it. They work on any image with one
//! certificate table that ends it, built here or published.

use super::bytes::le32;
use super::pe::security_directory;

/// One way.
#[derive(Clone, Copy, Debug)]
pub struct Tamper {
    /// What it does.
    pub name: &'static str,
    /// Does it; `None` where the image has no place for it.
    pub apply: fn(&[u8]) -> Option<Vec<u8>>,
    /// The finding that names it, and its case; empty for none.
    pub told: (&'static str, &'static str),
    /// Whether the signature still holds over what it covers.
    pub intact: bool,
}

/// What is hidden: a host, so that it can be named. Nothing runs.
pub const HIDDEN: &[u8] = b"https://stage-two.example.com/next ";

fn directory(image: &[u8]) -> usize {
    let nt = le32(image, 0x3c) as usize;
    nt + 24 + if image[nt + 24 + 1] == 2 { 112 } else { 96 } + 4 * 8
}

fn put(image: &mut [u8], at: usize, value: u32) {
    image[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

/// `length` bytes of it, again and again.
pub(super) fn hidden(length: usize) -> Vec<u8> {
    HIDDEN.iter().copied().cycle().take(length).collect()
}

/// The first byte of the first section's content.
fn first_section(image: &[u8]) -> usize {
    let nt = le32(image, 0x3c) as usize;
    let table = nt + 24 + usize::from(u16::from_le_bytes([image[nt + 20], image[nt + 21]]));
    le32(image, table + 20) as usize
}

/// Where the DER value of the first certificate ends.
fn der_end(image: &[u8]) -> usize {
    let value = security_directory(image).0 as usize + 8;
    let length = match image[value + 1] {
        0x82 => 4 + usize::from(u16::from_be_bytes([image[value + 2], image[value + 3]])),
        0x83 => 5 + le32(&[image[value + 4], image[value + 3], image[value + 2], 0], 0) as usize,
        short => 2 + usize::from(short),
    };
    value + length
}

/// Grows the entry and the table to hold `more` bytes after the DER value; the file's length stays a multiple of eight.
fn stuffed(image: &[u8], more: &[u8]) -> Vec<u8> {
    let (table, _) = security_directory(image);
    let end = der_end(image);
    let mut out = image[..end].to_vec();
    out.extend(more);
    while !(out.len() - table as usize).is_multiple_of(8) {
        out.push(0);
    }
    let size = (out.len() - table as usize) as u32;
    put(&mut out, table as usize, size);
    let at = directory(image);
    put(&mut out, at + 4, size);
    out
}

/// Every way.
pub const TAMPERS: &[Tamper] = &[
    Tamper {
        name: "a byte of code changed",
        apply: |image| {
            let mut out = image.to_vec();
            out[first_section(image)] ^= 0x20;
            Some(out)
        },
        told: ("signature-invalid", "digest"),
        intact: false,
    },
    Tamper {
        name: "the time in the header changed",
        apply: |image| {
            let mut out = image.to_vec();
            let nt = le32(image, 0x3c) as usize;
            out[nt + 8] ^= 1;
            Some(out)
        },
        told: ("signature-invalid", "digest"),
        intact: false,
    },
    Tamper {
        name: "bytes appended to the file",
        apply: |image| Some([image, &hidden(512)].concat()),
        told: ("uncovered-bytes", ""),
        intact: true,
    },
    Tamper {
        name: "the table grown around appended bytes",
        apply: |image| {
            let mut out = [image, &hidden(64)].concat();
            let at = directory(image);
            let size = security_directory(image).1;
            put(&mut out, at + 4, size + 64);
            Some(out)
        },
        told: ("uncovered-bytes", ""),
        intact: true,
    },
    Tamper {
        name: "512 bytes stuffed in the certificate's entry (CVE-2013-3900)",
        apply: |image| Some(stuffed(image, &hidden(512))),
        told: ("uncovered-bytes", ""),
        intact: true,
    },
    Tamper {
        name: "zeros stuffed in the certificate's entry",
        apply: |image| Some(stuffed(image, &[0; 4096])),
        told: ("uncovered-bytes", "zeros"),
        intact: true,
    },
    Tamper {
        name: "a byte of the pad changed",
        apply: |image| {
            let end = der_end(image);
            let mut out = image.to_vec();
            *out.get_mut(end)? = 0x41;
            Some(out)
        },
        told: ("uncovered-bytes", "small"),
        intact: true,
    },
    Tamper {
        name: "the checksum changed",
        apply: |image| {
            let mut out = image.to_vec();
            let at = le32(image, 0x3c) as usize + 24 + 64;
            out[at] ^= 0x10;
            Some(out)
        },
        told: ("image-checksum", "signed"),
        intact: true,
    },
    Tamper {
        name: "the signature taken off",
        apply: |image| {
            let (table, _) = security_directory(image);
            let mut out = image[..table as usize].to_vec();
            let at = directory(image);
            put(&mut out, at, 0);
            put(&mut out, at + 4, 0);
            Some(out)
        },
        told: ("image-checksum", ""),
        intact: false,
    },
    Tamper {
        name: "only the table's directory entry cleared",
        apply: |image| {
            let mut out = image.to_vec();
            let at = directory(image);
            put(&mut out, at, 0);
            put(&mut out, at + 4, 0);
            Some(out)
        },
        told: ("trailing-bytes", ""),
        intact: false,
    },
    Tamper {
        name: "bytes inserted before the table",
        apply: |image| {
            let (table, _) = security_directory(image);
            let (before, after) = image.split_at(table as usize);
            let mut out = [before, &hidden(512), after].concat();
            let at = directory(image);
            put(&mut out, at, table + 512);
            Some(out)
        },
        told: ("signature-invalid", "digest"),
        intact: false,
    },
    Tamper {
        name: "a byte of the signature changed",
        apply: |image| {
            // Near the end of the message stand the signature or the time stamp, both of which are verified.
            let mut out = image.to_vec();
            let at = der_end(image) - 20;
            out[at] ^= 1;
            Some(out)
        },
        told: ("signature-time", "broken"),
        intact: true,
    },
];
