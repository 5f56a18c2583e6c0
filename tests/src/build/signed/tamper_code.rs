//! Ways of changing a signed Mach-O image, each as a tool or an attacker would do it. They work on any image of one
//! architecture with a SHA-256 CodeDirectory and a CMS message, built here or published.

use super::Hash;
use super::codesign::command;
use crate::build::bytes::{find, le32};
use crate::build::tamper::{Tamper, hidden};

fn be32(bytes: &[u8], at: usize) -> usize {
    u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize
}

fn put_be(bytes: &mut [u8], at: usize, value: usize) {
    bytes[at..at + 4].copy_from_slice(&(value as u32).to_be_bytes());
}

/// The data of `LC_CODE_SIGNATURE`: where, and how long.
fn data(image: &[u8]) -> (usize, usize) {
    let at = command(image, 0x1d);
    (le32(image, at + 8) as usize, le32(image, at + 12) as usize)
}

/// Where the blob of a slot stands, and its length.
fn slot(image: &[u8], slot: usize) -> Option<(usize, usize)> {
    let (start, _) = data(image);
    let entries = (0..be32(image, start + 8)).map(|n| start + 12 + 8 * n);
    let found = entries.into_iter().find(|at| be32(image, *at) == slot)?;
    let at = start + be32(image, found + 4);
    Some((at, be32(image, at + 4)))
}

/// The first byte of code: that of the section `__text`.
fn code(image: &[u8]) -> usize {
    let segment = find(image, b"__text\0\0\0\0\0\0\0\0\0\0__TEXT\0").expect("a section of code");
    le32(image, segment + 48) as usize
}

/// Writes the digest of the page that holds `at` into the CodeDirectory of slot 0.
fn rehash(image: &mut [u8], at: usize) {
    let (directory, _) = slot(image, 0).expect("a CodeDirectory");
    let page = 1usize << image[directory + 39];
    let limit = be32(image, directory + 32);
    let number = at / page;
    let digest = Hash::Sha256.of(&image[number * page..limit.min((number + 1) * page)]);
    let place = directory + be32(image, directory + 16) + 32 * number;
    image[place..place + 32].copy_from_slice(&digest);
}

/// Adds `LC_LOAD_DYLIB` behind the last load command, where there is room.
fn inject(image: &[u8]) -> Option<Vec<u8>> {
    const LIBRARY: &[u8] = b"/data/added.dylib\0\0\0\0\0\0\0";
    let size = 24 + LIBRARY.len();
    let end = 32 + le32(image, 20) as usize;
    if image[end..end + size].iter().any(|b| *b != 0) {
        return None;
    }
    let mut out = image.to_vec();
    out[16..20].copy_from_slice(&(le32(image, 16) + 1).to_le_bytes());
    out[20..24].copy_from_slice(&(le32(image, 20) + size as u32).to_le_bytes());
    for (number, word) in [0xc, size as u32, 24, 2, 0x1_0000, 0x1_0000].into_iter().enumerate() {
        out[end + 4 * number..end + 4 * number + 4].copy_from_slice(&word.to_le_bytes());
    }
    out[end + 24..end + size].copy_from_slice(LIBRARY);
    Some(out)
}

fn flip(image: &[u8], at: usize) -> Vec<u8> {
    let mut out = image.to_vec();
    out[at] ^= 0x20;
    out
}

/// Every way.
pub const TAMPERS: &[Tamper] = &[
    Tamper {
        name: "a byte of code changed",
        apply: |image| Some(flip(image, code(image))),
        told: ("signature-invalid", "digest"),
        intact: false,
    },
    Tamper {
        name: "a byte of code changed, and its page digested anew",
        apply: |image| {
            let mut out = flip(image, code(image));
            rehash(&mut out, code(image));
            Some(out)
        },
        told: ("signature-invalid", "code-directory"),
        intact: false,
    },
    Tamper {
        name: "the last byte that is signed changed",
        apply: |image| Some(flip(image, data(image).0 - 1)),
        told: ("signature-invalid", "digest"),
        intact: false,
    },
    Tamper {
        name: "a library added to the load commands",
        apply: inject,
        told: ("signature-invalid", "digest"),
        intact: false,
    },
    Tamper {
        name: "a library added, and the first page digested anew",
        apply: |image| {
            let mut out = inject(image)?;
            rehash(&mut out, 0);
            Some(out)
        },
        told: ("signature-invalid", "code-directory"),
        intact: false,
    },
    Tamper {
        name: "512 bytes hidden behind the SuperBlob",
        apply: |image| {
            let (start, size) = data(image);
            let end = start + be32(image, start + 4);
            let room = start + size - end;
            let mut out = image.to_vec();
            (room >= 512).then(|| out[end + room - 512..end + room].copy_from_slice(&hidden(512)))?;
            Some(out)
        },
        told: ("uncovered-bytes", ""),
        intact: true,
    },
    Tamper {
        name: "bytes appended to the file",
        apply: |image| Some([image, &hidden(512)].concat()),
        told: ("uncovered-bytes", ""),
        intact: true,
    },
    Tamper {
        name: "another team in the CodeDirectory",
        apply: |image| {
            let (directory, _) = slot(image, 0)?;
            let at = be32(image, directory + 48);
            (at > 0).then(|| flip(image, directory + at))
        },
        told: ("signature-invalid", "team"),
        intact: false,
    },
    Tamper {
        name: "the flags of the CodeDirectory changed",
        apply: |image| {
            let (directory, _) = slot(image, 0)?;
            Some(flip(image, directory + 14))
        },
        told: ("signature-invalid", "code-directory"),
        intact: false,
    },
    Tamper {
        name: "the message emptied",
        apply: |image| {
            let (message, length) = slot(image, 0x1_0000)?;
            let mut out = image.to_vec();
            put_be(&mut out, message + 4, 8);
            out[message + 8..message + length].fill(0);
            Some(out)
        },
        told: ("signature-invalid", "emptied"),
        intact: false,
    },
    Tamper {
        name: "the message emptied, and the code said to be ad-hoc",
        apply: |image| {
            let (message, length) = slot(image, 0x1_0000)?;
            let (directory, _) = slot(image, 0)?;
            let mut out = image.to_vec();
            put_be(&mut out, message + 4, 8);
            out[message + 8..message + length].fill(0);
            out[directory + 15] |= 2;
            Some(out)
        },
        told: ("signature-invalid", "team"),
        intact: false,
    },
    Tamper {
        name: "a bit of the signer's signature flipped",
        apply: |image| {
            // The signature follows the second naming of its algorithm: rsaEncryption or sha256WithRSAEncryption, then an
            // octet string of 256.
            let (message, length) = slot(image, 0x1_0000)?;
            let bytes = &image[message..message + length];
            let at = find(bytes, b"\x05\x00\x04\x82\x01\x00")?;
            Some(flip(image, message + at + 40))
        },
        told: ("signature-invalid", "signer"),
        intact: false,
    },
    Tamper {
        name: "the requirements changed",
        apply: |image| {
            let (requirements, length) = slot(image, 2)?;
            Some(flip(image, requirements + length - 1))
        },
        told: ("signature-invalid", "special-slot"),
        intact: false,
    },
    Tamper {
        name: "a digest of the CodeDirectory changed",
        apply: |image| {
            let (directory, length) = slot(image, 0)?;
            Some(flip(image, directory + length - 1))
        },
        told: ("signature-invalid", "code-directory"),
        intact: false,
    },
    Tamper {
        name: "the length of the SuperBlob said to be more than there is room for",
        apply: |image| {
            let (start, size) = data(image);
            let mut out = image.to_vec();
            put_be(&mut out, start + 4, size + 1);
            Some(out)
        },
        told: ("signature-invalid", "malformed"),
        intact: false,
    },
    Tamper {
        name: "the SuperBlob said to hold four thousand million blobs",
        apply: |image| {
            let (start, _) = data(image);
            let mut out = image.to_vec();
            put_be(&mut out, start + 8, 0xffff_ffff);
            Some(out)
        },
        told: ("signature-invalid", "malformed"),
        intact: false,
    },
];
