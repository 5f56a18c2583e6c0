//! The header: packed streams, folders, what folders decode to, and the files (7zFormat.txt, "Header").

use super::number::Bytes;
use crate::span::Span;

/// The id of a packed header.
pub(super) const ENCODED_HEADER: u8 = 0x17;
/// The most coders of a folder, and the most streams of a coder. 7-Zip reads 64 coders, and writes 4.
const MOST_CODERS: usize = 8;

const END: u8 = 0;
const HEADER: u8 = 1;
const ARCHIVE_PROPERTIES: u8 = 2;
const ADDITIONAL_STREAMS: u8 = 3;
const MAIN_STREAMS: u8 = 4;
const FILES: u8 = 5;
const PACK_INFO: u8 = 6;
const UNPACK_INFO: u8 = 7;
const SUBSTREAMS: u8 = 8;
const SIZE: u8 = 9;
const CRC: u8 = 10;
const FOLDER: u8 = 11;
const UNPACK_SIZE: u8 = 12;
const UNPACK_STREAMS: u8 = 13;
const EMPTY_STREAM: u8 = 14;
const EMPTY_FILE: u8 = 15;
const NAMES: u8 = 17;
const ATTRIBUTES: u8 = 21;

/// A coder of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Coder {
    pub(super) method: u64,
    /// Streams on the packed side.
    pub(super) inputs: usize,
    pub(super) properties: Vec<u8>,
    /// How many bytes it puts out.
    pub(super) size: u64,
}

/// One content of a folder's output: its length, and its checksum where there is one.
pub(super) type Part = (u64, Option<u32>);

/// A folder: coders, and how they are put together. Every coder has one output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Folder {
    pub(super) coders: Vec<Coder>,
    /// Which input is fed by which coder's output.
    pub(super) bonds: Vec<(usize, usize)>,
    /// Which input each packed stream feeds.
    pub(super) feeds: Vec<usize>,
    /// Where its packed streams stand, from the end of the signature header on.
    pub(super) packed: Vec<Span>,
    pub(super) crc: Option<u32>,
    /// What it decodes to, one after the other.
    pub(super) parts: Vec<Part>,
}

impl Folder {
    /// The coder whose output is the folder's.
    pub(super) fn main(&self) -> Option<usize> {
        (0..self.coders.len()).find(|at| !self.bonds.iter().any(|(_, from)| from == at))
    }

    /// The length of its output.
    pub(super) fn size(&self) -> u64 {
        self.main()
            .and_then(|at| self.coders.get(at))
            .map_or(0, |coder| coder.size)
    }

    pub(super) fn packed_size(&self) -> u64 {
        self.packed.iter().fold(0, |sum, span| sum.saturating_add(span.len()))
    }

    /// Its packed streams, which follow each other.
    pub(super) fn span(&self, base: u64) -> Span {
        let start = self.packed.first().map_or(0, |span| span.start());
        let end = self.packed.last().map_or(0, |span| span.end());
        Span::new(start, end.max(start)).shifted(base)
    }
}

/// What the streams of an archive are.
#[derive(Debug, Default)]
pub(super) struct Streams {
    pub(super) folders: Vec<Folder>,
    /// Packed streams that no folder uses.
    pub(super) unused: Vec<Span>,
}

/// A member.
#[derive(Clone, Debug, Default)]
pub(super) struct File {
    /// In UTF-8; what is no UTF-16 is replaced.
    pub(super) name: Vec<u8>,
    pub(super) has_stream: bool,
    pub(super) directory: bool,
    attributes: u32,
}

impl File {
    /// Whether Unix attributes say that it is a symbolic link.
    pub(super) fn is_link(&self) -> bool {
        self.attributes & 0x8000 != 0 && self.attributes >> 28 == 0o12
    }
}

/// What an archive holds.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) streams: Streams,
    pub(super) files: Vec<File>,
}

/// Reads a plain header; `None` when it is not one.
pub(super) fn header(bytes: &[u8]) -> Option<Header> {
    let mut bytes = Bytes { rest: bytes };
    if bytes.u8()? != HEADER {
        return None;
    }
    let mut streams = Streams::default();
    let mut files = Vec::new();
    let mut id = bytes.u8()?;
    if id == ARCHIVE_PROPERTIES {
        while bytes.u8()? != END {
            let length = bytes.number()?;
            bytes.take(length)?;
        }
        id = bytes.u8()?;
    }
    if id == ADDITIONAL_STREAMS {
        streams_info(&mut bytes)?;
        id = bytes.u8()?;
    }
    if id == MAIN_STREAMS {
        streams = streams_info(&mut bytes)?;
        id = bytes.u8()?;
    }
    if id == FILES {
        files = files_info(&mut bytes)?;
        id = bytes.u8()?;
    }
    (id == END && bytes.rest.is_empty()).then_some(Header { streams, files })
}

/// Reads what a packed header is packed in.
pub(super) fn encoded(bytes: &[u8]) -> Option<Streams> {
    let mut bytes = Bytes { rest: bytes };
    if bytes.u8()? != ENCODED_HEADER {
        return None;
    }
    streams_info(&mut bytes)
}

fn streams_info(bytes: &mut Bytes<'_>) -> Option<Streams> {
    let mut packed = Vec::new();
    let mut folders = Vec::new();
    let mut id = bytes.u8()?;
    if id == PACK_INFO {
        packed = pack_info(bytes)?;
        id = bytes.u8()?;
    }
    if id == UNPACK_INFO {
        folders = unpack_info(bytes)?;
        id = bytes.u8()?;
    }
    let mut streams = packed.into_iter();
    for folder in &mut folders {
        for _ in 0..folder.feeds.len() {
            folder.packed.push(streams.next()?);
        }
    }
    if id == SUBSTREAMS {
        substreams(bytes, &mut folders)?;
        id = bytes.u8()?;
    } else {
        for folder in &mut folders {
            folder.parts = vec![(folder.size(), folder.crc)];
        }
    }
    (id == END).then(|| Streams {
        folders,
        unused: streams.collect(),
    })
}

fn pack_info(bytes: &mut Bytes<'_>) -> Option<Vec<Span>> {
    let mut at = bytes.number()?;
    let count = bytes.count(1)?;
    let mut spans = Vec::new();
    let mut id = bytes.u8()?;
    if id == SIZE {
        for _ in 0..count {
            let size = bytes.number()?;
            let end = at.checked_add(size).filter(|end| *end < 1 << 62)?;
            spans.push(Span::new(at, end));
            at = end;
        }
        id = bytes.u8()?;
    }
    if id == CRC {
        bytes.digests(count)?;
        id = bytes.u8()?;
    }
    (id == END && spans.len() == count).then_some(spans)
}

fn unpack_info(bytes: &mut Bytes<'_>) -> Option<Vec<Folder>> {
    if bytes.u8()? != FOLDER {
        return None;
    }
    let count = bytes.count(2)?;
    // Folders kept in another stream are written by nobody.
    if bytes.u8()? != 0 {
        return None;
    }
    let mut folders = Vec::new();
    for _ in 0..count {
        folders.push(folder(bytes)?);
    }
    if bytes.u8()? != UNPACK_SIZE {
        return None;
    }
    for coder in folders.iter_mut().flat_map(|folder| &mut folder.coders) {
        coder.size = bytes.number()?;
    }
    let mut id = bytes.u8()?;
    if id == CRC {
        let digests = bytes.digests(folders.len())?;
        for (folder, crc) in folders.iter_mut().zip(digests) {
            folder.crc = crc;
        }
        id = bytes.u8()?;
    }
    (id == END).then_some(folders)
}

fn folder(bytes: &mut Bytes<'_>) -> Option<Folder> {
    let mut folder = Folder::default();
    let count = bytes.count(2)?;
    if !(1..=MOST_CODERS).contains(&count) {
        return None;
    }
    let mut inputs = 0usize;
    for _ in 0..count {
        let flags = bytes.u8()?;
        let length = flags & 15;
        if flags & 0xc0 != 0 || length > 8 {
            return None;
        }
        let method = bytes
            .take(u64::from(length))?
            .iter()
            .fold(0u64, |id, byte| id << 8 | u64::from(*byte));
        let mut own = 1usize;
        if flags & 0x10 != 0 {
            own = usize::try_from(bytes.number()?).ok()?;
            // More than one output is written by nobody since BCJ2 was turned round.
            if bytes.number()? != 1 || !(1..=MOST_CODERS).contains(&own) {
                return None;
            }
        }
        let properties = if flags & 0x20 != 0 {
            let length = bytes.number()?;
            bytes.take(length)?.to_vec()
        } else {
            Vec::new()
        };
        inputs = inputs.checked_add(own)?;
        folder.coders.push(Coder {
            method,
            inputs: own,
            properties,
            size: 0,
        });
    }
    let bonds = count.checked_sub(1)?;
    for _ in 0..bonds {
        let input = usize::try_from(bytes.number()?).ok()?;
        let output = usize::try_from(bytes.number()?).ok()?;
        folder.bonds.push((input, output));
    }
    let feeds = inputs.checked_sub(bonds)?;
    if feeds == 1 {
        folder
            .feeds
            .push((0..inputs).find(|at| !folder.bonds.iter().any(|(input, _)| input == at))?);
    } else {
        for _ in 0..feeds {
            folder.feeds.push(usize::try_from(bytes.number()?).ok()?);
        }
    }
    Some(folder)
}

fn substreams(bytes: &mut Bytes<'_>, folders: &mut [Folder]) -> Option<()> {
    let mut counts = vec![1usize; folders.len()];
    let mut id = bytes.u8()?;
    if id == UNPACK_STREAMS {
        for count in &mut counts {
            let stated = bytes.number()?;
            // All but the last state their size.
            *count = usize::try_from(stated)
                .ok()
                .filter(|count| *count <= bytes.rest.len())?;
        }
        id = bytes.u8()?;
    }
    let sized = id == SIZE;
    for (folder, count) in folders.iter_mut().zip(&counts) {
        let mut left = folder.size();
        for number in 1..=*count {
            let size = if number == *count {
                left
            } else if sized {
                bytes.number()?
            } else {
                return None;
            };
            left = left.checked_sub(size)?;
            folder.parts.push((size, None));
        }
        if let ([only], true) = (folder.parts.as_mut_slice(), folder.crc.is_some()) {
            only.1 = folder.crc;
        }
    }
    if sized {
        id = bytes.u8()?;
    }
    if id == CRC {
        let parts = folders.iter_mut().flat_map(|folder| &mut folder.parts);
        let open: Vec<&mut Part> = parts.filter(|part| part.1.is_none()).collect();
        let digests = bytes.digests(open.len())?;
        for (part, crc) in open.into_iter().zip(digests) {
            part.1 = crc;
        }
        id = bytes.u8()?;
    }
    (id == END).then_some(())
}

fn files_info(bytes: &mut Bytes<'_>) -> Option<Vec<File>> {
    let count = bytes.number()?;
    // A name takes two bytes or more, and so does what stands for an empty file.
    let count = usize::try_from(count).ok().filter(|count| *count <= bytes.rest.len())?;
    let mut files = vec![File::default(); count];
    let mut empty_streams: Vec<bool> = Vec::new();
    let mut empty_files: Vec<bool> = Vec::new();
    loop {
        let id = bytes.u8()?;
        if id == END {
            break;
        }
        let length = bytes.number()?;
        let mut data = Bytes {
            rest: bytes.take(length)?,
        };
        match id {
            EMPTY_STREAM => empty_streams = data.bits(count)?,
            EMPTY_FILE => empty_files = data.bits(empty_streams.iter().filter(|empty| **empty).count())?,
            NAMES if data.u8()? == 0 => names(data.rest, &mut files)?,
            NAMES => return None,
            ATTRIBUTES => {
                let defined = data.optional_bits(count)?;
                if data.u8()? == 0 {
                    for (file, _) in files.iter_mut().zip(defined).filter(|(_, defined)| *defined) {
                        file.attributes = data.u32()?;
                    }
                }
            }
            _ => {}
        }
    }
    let mut empty = empty_files.into_iter();
    let mut without = empty_streams.into_iter();
    for file in &mut files {
        file.has_stream = !without.next().unwrap_or(false);
        if !file.has_stream {
            file.directory = !empty.next().unwrap_or(false);
        }
    }
    Some(files)
}

/// Names in UTF-16LE, each ended by a zero.
fn names(bytes: &[u8], files: &mut [File]) -> Option<()> {
    let mut units = bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair));
    for file in files {
        let mut name = Vec::new();
        loop {
            match units.next()? {
                0 => break,
                unit => name.push(unit),
            }
        }
        file.name = String::from_utf16_lossy(&name).into_bytes();
    }
    Some(())
}
