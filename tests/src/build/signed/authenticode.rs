//! Authenticode: the message that signs a PE image.

use super::der::{element, explicit, octets, oid, sequence, set};
use super::{Hash, Message};
use crate::build::bytes::le32;
use crate::build::pe::security_directory;

/// The type of the content of a signature.
pub const INDIRECT_DATA: &str = "1.3.6.1.4.1.311.2.1.4";

/// How an image is signed. Start from [`Signing::default`].
#[derive(Clone, Debug)]
pub struct Signing {
    /// The digest of the image.
    pub hash: Hash,
    /// Whether the digest of each page is signed too.
    pub page_hashes: bool,
    /// Changes the digest of the last page.
    pub wrong_page: bool,
    /// A second signature inside, by another digest.
    pub nested: Option<Hash>,
    /// Changes the message before it is built.
    pub change: fn(&mut Message),
}

impl Default for Signing {
    fn default() -> Self {
        Self {
            hash: Hash::Sha256,
            page_hashes: false,
            wrong_page: false,
            nested: None,
            change: |_| {},
        }
    }
}

impl Signing {
    /// The message that signs `image`, whose certificate table, if any, ends it.
    pub fn message(&self, image: &[u8]) -> Vec<u8> {
        let pages = self.page_hashes.then(|| page_hashes(image, self.wrong_page));
        let mut message = Message::new(INDIRECT_DATA, indirect(image, self.hash, pages));
        message.hash = self.hash;
        if let Some(hash) = self.nested {
            let inner = Self {
                hash,
                nested: None,
                ..self.clone()
            };
            let attribute = sequence(&[oid("1.3.6.1.4.1.311.2.4.1"), set(&[inner.message(image)])]);
            message.unsigned.push(attribute);
        }
        (self.change)(&mut message);
        message.build()
    }
}

fn indirect(image: &[u8], hash: Hash, pages: Option<Vec<u8>>) -> Vec<u8> {
    // A link to an empty file name, as signers write it, or the page hashes.
    let link = match pages {
        None => explicit(2, &[element(0x80, b"")]),
        Some(pages) => {
            let class = [
                0xa6, 0xb5, 0x86, 0xd5, 0xb4, 0xa1, 0x24, 0x66, 0xae, 0x05, 0xa2, 0x17, 0xda, 0x8e, 0x60, 0xd6,
            ];
            let attribute = sequence(&[oid("1.3.6.1.4.1.311.2.3.2"), set(&[octets(&pages)])]);
            explicit(1, &[octets(&class), octets(&set(&[attribute]))])
        }
    };
    let value = sequence(&[vec![0x03, 0x01, 0x00], explicit(0, &[link])]);
    let digest = hash.of(&covered(image));
    sequence(&[
        sequence(&[oid("1.3.6.1.4.1.311.2.1.15"), value]),
        sequence(&[hash.identifier(), octets(&digest)]),
    ])
}

/// Where the checksum and the directory entry stand.
fn fields(image: &[u8]) -> (usize, usize) {
    let nt = le32(image, 0x3c) as usize;
    let plus = image[nt + 24 + 1] == 2;
    (nt + 24 + 64, nt + 24 + if plus { 112 } else { 96 } + 4 * 8)
}

fn without_fields(image: &[u8], end: usize) -> Vec<u8> {
    let (checksum, directory) = fields(image);
    [
        &image[..checksum],
        &image[checksum + 4..directory],
        &image[directory + 8..end],
    ]
    .concat()
}

/// The bytes that the digest of `image` is over.
pub fn covered(image: &[u8]) -> Vec<u8> {
    let (table, size) = security_directory(image);
    let end = if size == 0 { image.len() } else { table as usize };
    without_fields(image, end)
}

/// SHA-256 of the headers and of each 4096 bytes of each section, filled up with zeros, after where they begin.
fn page_hashes(image: &[u8], wrong: bool) -> Vec<u8> {
    const PAGE: usize = 4096;
    let nt = le32(image, 0x3c) as usize;
    let optional = nt + 24;
    let headers = le32(image, optional + 60) as usize;
    let count = usize::from(u16::from_le_bytes([image[nt + 6], image[nt + 7]]));
    let table = optional + usize::from(u16::from_le_bytes([image[nt + 20], image[nt + 21]]));
    let mut out = Vec::new();
    let mut add = |offset: usize, bytes: &[u8], fill: usize| {
        out.extend((offset as u32).to_le_bytes());
        out.extend(Hash::Sha256.of(&[bytes, &vec![0; fill]].concat()));
    };
    add(0, &without_fields(image, headers), PAGE - headers);
    let mut end = headers;
    for index in 0..count {
        let entry = table + 40 * index;
        let (size, start) = (le32(image, entry + 16) as usize, le32(image, entry + 20) as usize);
        for at in (start..start + size).step_by(PAGE) {
            let page = &image[at..(at + PAGE).min(start + size)];
            add(at, page, PAGE - page.len());
        }
        end = end.max(start + size);
    }
    if wrong {
        let last = out.len() - 1;
        out[last] ^= 1;
    }
    out.extend((end as u32).to_le_bytes());
    out.extend([0; 32]);
    out
}
