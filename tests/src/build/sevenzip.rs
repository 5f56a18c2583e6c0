//! 7z archives: folders of members, coded as asked.

use super::bytes::{Built, Out};
use std::io::Write as _;

/// How a folder is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// As it is.
    Copy,
    /// Deflate.
    Deflate,
    /// bzip2.
    Bzip2,
    /// LZMA.
    Lzma,
    /// LZMA2: stored in chunks.
    Lzma2,
    /// LZMA behind the x86 filter, which leaves text alone.
    BcjLzma,
    /// AES-256 over what is not really encrypted.
    Aes,
    /// PPMd over what is not really packed.
    Ppmd,
    /// LZMA that asks for a dictionary of 4 GiB less one byte, for an output as large.
    HugeLzma,
}

/// A folder: members one after the other.
#[derive(Clone, Debug)]
pub struct Folder {
    /// How it is packed.
    pub coding: Coding,
    /// Names and contents.
    pub members: Vec<(String, Vec<u8>)>,
}

/// An archive to be.
#[derive(Clone, Debug, Default)]
pub struct SevenZip {
    /// Its folders.
    pub folders: Vec<Folder>,
    /// Members without content: name, and whether it is a directory.
    pub empty: Vec<(String, bool)>,
    /// Unix modes of the members with content, by place; 0 leaves it out.
    pub modes: Vec<u32>,
    /// Whether the header is packed itself.
    pub packed_header: bool,
    /// States one file more than there are names for.
    pub lying_count: Option<u64>,
}

/// A number as 7z writes it: always with all eight bytes when it is large.
fn number(value: u64) -> Vec<u8> {
    if value < 0x80 {
        return vec![value as u8];
    }
    [&[0xff][..], &value.to_le_bytes()].concat()
}

fn bits(flags: &[bool]) -> Vec<u8> {
    let mut out = vec![0u8; flags.len().div_ceil(8)];
    for (at, _) in flags.iter().enumerate().filter(|(_, set)| **set) {
        out[at / 8] |= 0x80 >> (at % 8);
    }
    out
}

fn pack(coding: Coding, data: &[u8]) -> Vec<u8> {
    match coding {
        Coding::Copy | Coding::Aes | Coding::Ppmd => data.to_vec(),
        Coding::Deflate => {
            let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
            encoder
                .write_all(data)
                .and_then(|()| encoder.finish())
                .expect("writing to memory")
        }
        Coding::Bzip2 => super::compressed::bzip2(data),
        Coding::Lzma | Coding::BcjLzma | Coding::HugeLzma => super::compressed::lzma(data)[13..].to_vec(),
        Coding::Lzma2 => {
            let mut out = Vec::new();
            for (number, chunk) in data.chunks(65_536).enumerate() {
                out.push(if number == 0 { 1 } else { 2 });
                out.extend_from_slice(&((chunk.len() - 1) as u16).to_be_bytes());
                out.extend_from_slice(chunk);
            }
            out.push(0);
            out
        }
    }
}

/// The folder's description, and the output sizes of its coders.
fn describe(coding: Coding, size: u64) -> (Vec<u8>, Vec<u64>) {
    let lzma = [0x23, 3, 1, 1, 5, 0x5d, 0, 0, 0x10, 0];
    match coding {
        Coding::Copy => (vec![1, 1, 0], vec![size]),
        Coding::Deflate => (vec![1, 3, 4, 1, 8], vec![size]),
        Coding::Bzip2 => (vec![1, 3, 4, 2, 2], vec![size]),
        Coding::Lzma => ([&[1][..], &lzma].concat(), vec![size]),
        Coding::HugeLzma => (vec![1, 0x23, 3, 1, 1, 5, 0x5d, 0xff, 0xff, 0xff, 0xff], vec![1 << 33]),
        Coding::Lzma2 => (vec![1, 0x21, 0x21, 1, 12], vec![size]),
        // The filter comes first; its input is fed by the output of LZMA.
        Coding::BcjLzma => ([&[2, 4, 3, 3, 1, 3][..], &lzma, &[0, 1]].concat(), vec![size, size]),
        Coding::Aes => (vec![1, 0x24, 6, 0xf1, 7, 1, 2, 0x13, 0], vec![size]),
        Coding::Ppmd => (vec![1, 0x23, 3, 4, 1, 5, 6, 0, 0, 0, 1], vec![size]),
    }
}

/// The pack information, the folders and what they hold.
fn streams(position: u64, packed: &[Vec<u8>], folders: &[Folder], substreams: bool) -> Vec<u8> {
    let mut out = vec![6];
    out.extend(number(position));
    out.extend(number(packed.len() as u64));
    out.push(9);
    packed.iter().for_each(|stream| out.extend(number(stream.len() as u64)));
    out.extend([0, 7, 11]);
    out.extend(number(folders.len() as u64));
    out.push(0);
    let mut sizes = Vec::new();
    let whole = |folder: &Folder| -> Vec<u8> { folder.members.iter().flat_map(|(_, data)| data.clone()).collect() };
    for folder in folders {
        let (description, outputs) = describe(folder.coding, whole(folder).len() as u64);
        out.extend(description);
        sizes.extend(outputs);
    }
    out.push(12);
    sizes.iter().for_each(|size| out.extend(number(*size)));
    if !substreams {
        out.extend([10, 1]);
        folders
            .iter()
            .for_each(|folder| out.extend(crc32fast::hash(&whole(folder)).to_le_bytes()));
    }
    out.push(0);
    if substreams {
        out.extend([8, 13]);
        folders
            .iter()
            .for_each(|folder| out.extend(number(folder.members.len() as u64)));
        out.push(9);
        for folder in folders {
            let but_last = folder.members.iter().take(folder.members.len().saturating_sub(1));
            but_last.for_each(|(_, data)| out.extend(number(data.len() as u64)));
        }
        out.extend([10, 1]);
        for (_, data) in folders.iter().flat_map(|folder| &folder.members) {
            out.extend(crc32fast::hash(data).to_le_bytes());
        }
        out.push(0);
    }
    out.push(0);
    out
}

impl SevenZip {
    /// One folder of one or more members.
    pub fn of(coding: Coding, members: &[(&str, &[u8])]) -> Self {
        let members = members
            .iter()
            .map(|(name, data)| ((*name).to_owned(), data.to_vec()))
            .collect();
        Self {
            folders: vec![Folder { coding, members }],
            ..Self::default()
        }
    }

    /// The archive.
    pub fn build(&self) -> Built {
        let mut packed: Vec<Vec<u8>> = Vec::new();
        for folder in &self.folders {
            let data: Vec<u8> = folder.members.iter().flat_map(|(_, data)| data.clone()).collect();
            packed.push(pack(folder.coding, &data));
        }
        let mut header = self.header(&packed);
        if self.packed_header {
            let position = packed.iter().map(|stream| stream.len() as u64).sum();
            let folder = Folder {
                coding: Coding::Lzma,
                members: vec![(String::new(), header)],
            };
            let stream = pack(Coding::Lzma, &folder.members[0].1);
            header = vec![0x17];
            header.extend(streams(
                position,
                std::slice::from_ref(&stream),
                std::slice::from_ref(&folder),
                false,
            ));
            packed.push(stream);
        }
        let body: Vec<u8> = packed.concat();
        let mut start = Out::le();
        start
            .u64(body.len() as u64)
            .u64(header.len() as u64)
            .u32(crc32fast::hash(&header));
        let start = start.into_bytes();
        let mut out = Out::le();
        out.bytes(b"7z\xbc\xaf\x27\x1c\0\x04")
            .u32(crc32fast::hash(&start))
            .bytes(&start)
            .mark();
        for stream in &packed {
            out.bytes(stream).mark();
        }
        out.bytes(&header);
        out.finish()
    }

    fn header(&self, packed: &[Vec<u8>]) -> Vec<u8> {
        let mut out = vec![1];
        if !self.folders.is_empty() {
            out.push(4);
            out.extend(streams(0, packed, &self.folders, true));
        }
        let with: Vec<&str> = self
            .folders
            .iter()
            .flat_map(|f| &f.members)
            .map(|(name, _)| name.as_str())
            .collect();
        let without = self.empty.iter().map(|(name, _)| name.as_str());
        let count = with.len() + self.empty.len();
        out.push(5);
        out.extend(number(self.lying_count.unwrap_or(count as u64)));
        let mut property = |id: u8, data: Vec<u8>| {
            out.push(id);
            out.extend(number(data.len() as u64));
            out.extend(data);
        };
        if !self.empty.is_empty() {
            let flags: Vec<bool> = (0..count).map(|at| at >= with.len()).collect();
            property(14, bits(&flags));
            property(
                15,
                bits(
                    &self
                        .empty
                        .iter()
                        .map(|(_, directory)| !directory)
                        .collect::<Vec<bool>>(),
                ),
            );
        }
        let mut names = vec![0];
        for name in with.iter().copied().chain(without) {
            names.extend(name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes));
        }
        property(17, names);
        if self.modes.iter().any(|mode| *mode != 0) {
            let mode = |at: usize| self.modes.get(at).copied().unwrap_or(0);
            let mut data = vec![0];
            data.extend(bits(&(0..count).map(|at| mode(at) != 0).collect::<Vec<bool>>()));
            data.push(0);
            for at in (0..count).filter(|at| mode(*at) != 0) {
                data.extend((mode(at) << 16 | 0x8000).to_le_bytes());
            }
            property(21, data);
        }
        out.extend([0, 0]);
        out
    }
}
