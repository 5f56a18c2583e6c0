//! Apple code signatures (`cs_blobs.h`): an image of one architecture, 64 bits, little-endian, signed again.

use super::der::{octets, oid, sequence, set};
use super::{Certificate, Hash, Message};
use crate::build::bytes::{Out, le32};

/// The team of the fixtures.
pub const TEAM: &str = "PROBITY001";
const CODE_SIGNATURE: u32 = 0x1d;
const SEGMENT_64: u32 = 0x19;
/// The octets of a CodeDirectory before its strings.
const FIXED: usize = 96;

/// Who signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// A certificate.
    Certificate,
    /// Nobody, with an empty message as `codesign` leaves it.
    Nobody,
    /// A linker, which writes no message.
    Linker,
}

/// How an image is signed. Start from [`CodeSigning::default`].
#[derive(Clone, Debug)]
pub struct CodeSigning {
    /// Who signs.
    pub by: By,
    /// The digest of each CodeDirectory: that of slot 0, then alternates.
    pub hashes: Vec<Hash>,
    /// The logarithm of the bytes of a page; 0 for one page.
    pub page: u8,
    /// The flags, besides those that say who signs.
    pub flags: u32,
    /// The identifier.
    pub identifier: &'static str,
    /// The team, in the CodeDirectory.
    pub team: &'static str,
    /// The team, in the certificate.
    pub unit: &'static str,
    /// The entitlements; empty for none.
    pub entitlements: &'static [u8],
    /// What the digest of slot 1 is over; empty for none.
    pub info_plist: Vec<u8>,
    /// A notarization ticket; empty for none.
    pub ticket: &'static [u8],
    /// Whether the message names the CodeDirectories.
    pub listed: bool,
    /// Room behind the SuperBlob, in bytes.
    pub slack: usize,
    /// Whether the message has lengths that are not stated, as `codesign` writes it.
    pub indefinite: bool,
    /// Changes the message before it is built.
    pub change: fn(&mut Message),
}

impl Default for CodeSigning {
    fn default() -> Self {
        Self {
            by: By::Certificate,
            hashes: vec![Hash::Sha256],
            page: 12,
            flags: 0x1_0000,
            identifier: "com.example.fixture",
            team: TEAM,
            unit: TEAM,
            entitlements: b"",
            info_plist: Vec::new(),
            ticket: b"",
            listed: true,
            slack: 1024,
            indefinite: false,
            change: |_| {},
        }
    }
}

impl CodeSigning {
    /// Without a certificate.
    pub fn ad_hoc() -> Self {
        Self {
            by: By::Nobody,
            flags: 0,
            team: "",
            ..Self::default()
        }
    }

    /// By a linker.
    pub fn linker() -> Self {
        Self {
            by: By::Linker,
            slack: 0,
            ..Self::ad_hoc()
        }
    }

    /// `image`, whose signature ends it, with this signature in its place.
    pub fn sign(&self, image: &[u8]) -> Vec<u8> {
        let at = command(image, CODE_SIGNATURE);
        let data = le32(image, at + 8) as usize;
        let mut out = image[..data].to_vec();
        // RSA signs in a fixed length, so that the first attempt shows how much room is needed.
        for _ in 0..2 {
            let signature = self.super_blob(&out[..data]);
            let size = (signature.len() + self.slack).next_multiple_of(16);
            out.truncate(data);
            resize(&mut out, size);
            out.extend(signature);
            out.resize(data + size, 0);
        }
        out
    }

    fn super_blob(&self, code: &[u8]) -> Vec<u8> {
        let mut blobs: Vec<(u32, Vec<u8>)> = Vec::new();
        if self.by != By::Linker {
            blobs.push((2, blob(0xfade_0c01, &0u32.to_be_bytes())));
        }
        if !self.entitlements.is_empty() {
            blobs.push((5, blob(0xfade_7171, self.entitlements)));
        }
        let mut directories: Vec<(u32, Vec<u8>)> = Vec::new();
        for (number, hash) in self.hashes.iter().enumerate() {
            let slot = if number == 0 { 0 } else { 0xfff + number as u32 };
            directories.push((slot, self.directory(code, *hash, &blobs)));
        }
        let mut all = directories.clone();
        all.extend(blobs);
        match self.by {
            By::Certificate => all.push((0x1_0000, blob(0xfade_0b01, &self.message(&directories)))),
            By::Nobody => all.push((0x1_0000, blob(0xfade_0b01, &[]))),
            By::Linker => {}
        }
        if !self.ticket.is_empty() {
            all.push((0x1_0002, blob(0xfade_0b01, self.ticket)));
        }
        super_blob(&all)
    }

    /// One CodeDirectory, of version 0x20500.
    fn directory(&self, code: &[u8], hash: Hash, blobs: &[(u32, Vec<u8>)]) -> Vec<u8> {
        let kind = match hash {
            Hash::Sha1 => 1,
            Hash::Sha256 => 2,
            Hash::Sha384 => 4,
            Hash::Sha512 => 5,
        };
        let size = hash.of(b"").len();
        let mut special: Vec<Vec<u8>> = vec![vec![0; size]; 7];
        for (slot, bytes) in blobs {
            special[*slot as usize - 1] = hash.of(bytes);
        }
        if !self.info_plist.is_empty() {
            special[0] = hash.of(&self.info_plist);
        }
        while special.last().is_some_and(|digest| digest.iter().all(|b| *b == 0)) {
            special.pop();
        }
        let mut strings = [self.identifier.as_bytes(), b"\0"].concat();
        let team = if self.team.is_empty() { 0 } else { FIXED + strings.len() };
        if team > 0 {
            strings.extend([self.team.as_bytes(), b"\0"].concat());
        }
        let pages: Vec<&[u8]> = match self.page {
            0 => vec![code],
            page => code.chunks(1 << page).collect(),
        };
        let hashes = FIXED + strings.len() + size * special.len();
        let by = match self.by {
            By::Certificate => 0,
            By::Nobody => 2,
            By::Linker => 0x2_0002,
        };
        let mut out = Out::be();
        for word in [
            0xfade_0c02,
            (hashes + size * pages.len()) as u32,
            0x2_0500,
            self.flags | by,
            hashes as u32,
            FIXED as u32,
            special.len() as u32,
            pages.len() as u32,
            code.len() as u32,
            u32::from_be_bytes([size as u8, kind, 0, self.page]),
            0,
            0,
            team as u32,
            0,
        ] {
            out.u32(word);
        }
        out.u64(0).u64(0).u64(0x4000).u64(1);
        out.u32(if self.flags & 0x1_0000 == 0 { 0 } else { 0x000e_0000 }).u32(0);
        out.bytes(&strings);
        for digest in special.iter().rev() {
            out.bytes(digest);
        }
        for page in pages {
            out.bytes(&hash.of(page));
        }
        out.into_bytes()
    }

    fn message(&self, directories: &[(u32, Vec<u8>)]) -> Vec<u8> {
        let attribute = |kind: &str, values: &[Vec<u8>]| sequence(&[oid(kind), set(values)]);
        let mut message = Message::new("1.2.840.113549.1.7.1", directories[0].1.clone());
        message.header = 0;
        message.detached = true;
        message.signer = Certificate {
            unit: self.unit,
            ..Certificate::leaf()
        };
        if self.listed {
            let both = || self.hashes.iter().zip(directories);
            let mut list = "<plist version=\"1.0\"><dict><key>cdhashes</key><array>".to_owned();
            for (hash, (_, bytes)) in both() {
                list += &format!("<data>\n{}\n</data>", base64(&hash.of(bytes)[..20]));
            }
            list += "</array></dict></plist>\n";
            let stated: Vec<Vec<u8>> = both()
                .map(|(hash, (_, bytes))| {
                    let identifier = hash.identifier();
                    let id = identifier[2..2 + 2 + usize::from(identifier[3])].to_vec();
                    sequence(&[id, octets(&hash.of(bytes))])
                })
                .collect();
            message
                .attributes
                .push(attribute("1.2.840.113635.100.9.1", &[octets(list.as_bytes())]));
            message.attributes.push(attribute("1.2.840.113635.100.9.2", &stated));
        }
        (self.change)(&mut message);
        let built = message.build();
        if self.indefinite { indefinite(&built) } else { built }
    }
}

/// The two outermost values and the one inside them without stated lengths.
fn indefinite(message: &[u8]) -> Vec<u8> {
    let inside = |element: &[u8]| element[super::der::header_length(element)..].to_vec();
    let outer = inside(message);
    let kind = oid("1.2.840.113549.1.7.2");
    let signed = inside(&inside(&outer[kind.len()..]));
    [&[0x30, 0x80][..], &kind, &[0xa0, 0x80, 0x30, 0x80], &signed, &[0; 6]].concat()
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let mut word = [0; 4];
        word[1..1 + three.len()].copy_from_slice(three);
        let word = u32::from_be_bytes(word);
        for number in 0..4 {
            let letter = ALPHABET[(word >> (18 - 6 * number)) as usize & 63];
            out.push(if number <= three.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

/// A blob: magic number, length, content.
pub fn blob(magic: u32, content: &[u8]) -> Vec<u8> {
    let mut out = magic.to_be_bytes().to_vec();
    out.extend((content.len() as u32 + 8).to_be_bytes());
    out.extend(content);
    out
}

/// A SuperBlob over blobs, by slot.
pub fn super_blob(blobs: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut at = 12 + 8 * blobs.len();
    let total = at + blobs.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
    let mut out = Out::be();
    out.u32(0xfade_0cc0).u32(total as u32).u32(blobs.len() as u32);
    for (slot, bytes) in blobs {
        out.u32(*slot).u32(at as u32);
        at += bytes.len();
    }
    for (_, bytes) in blobs {
        out.bytes(bytes);
    }
    out.into_bytes()
}

/// Where the load command `cmd` stands.
///
/// # Panics
/// When there is none.
pub fn command(image: &[u8], cmd: u32) -> usize {
    let mut at = 32;
    for _ in 0..le32(image, 16) {
        if le32(image, at) == cmd {
            return at;
        }
        at += le32(image, at + 4) as usize;
    }
    panic!("there is no load command {cmd:#x}")
}

/// Gives the signature `size` bytes of room, and `__LINKEDIT` as many more or fewer.
fn resize(image: &mut [u8], size: usize) {
    let at = command(image, CODE_SIGNATURE);
    let end = le32(image, at + 8) as usize + size;
    image[at + 12..at + 16].copy_from_slice(&(size as u32).to_le_bytes());
    let mut at = 32;
    for _ in 0..le32(image, 16) {
        if le32(image, at) == SEGMENT_64 && image[at + 8..].starts_with(b"__LINKEDIT\0") {
            let file = end as u64 - u64::from(le32(image, at + 40));
            image[at + 32..at + 40].copy_from_slice(&file.next_multiple_of(0x4000).to_le_bytes());
            image[at + 48..at + 56].copy_from_slice(&file.to_le_bytes());
        }
        at += le32(image, at + 4) as usize;
    }
}

/// An unsigned attribute that nobody knows, with `content`.
pub fn strange_attribute(content: &[u8]) -> Vec<u8> {
    sequence(&[oid("1.2.3.4.5"), set(&[octets(content)])])
}
