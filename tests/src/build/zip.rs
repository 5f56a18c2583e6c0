//! ZIP archives (APPNOTE 6.3) with a knob for every way two readers can disagree.

use super::bytes::{Built, Out};
use super::gzip::deflate;
use super::pickle;
use super::sha256::sha256;

/// What follows an entry's data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Descriptor {
    /// Nothing: sizes and CRC stand in the local header.
    #[default]
    None,
    /// `PK\x07\x08`, CRC, sizes.
    Signed,
    /// CRC and sizes alone.
    Bare,
}

/// One member. Start from [`Entry::stored`] or [`Entry::deflated`] and change fields.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Name in the central directory.
    pub name: Vec<u8>,
    /// Name in the local header, when another.
    pub local_name: Option<Vec<u8>>,
    /// Decoded bytes.
    pub data: Vec<u8>,
    /// Compressed bytes in place of what `data` compresses to.
    pub raw: Option<Vec<u8>>,
    /// Compression method: 0 and 8 are done, any other writes `data` as it is.
    pub method: u16,
    /// Method in the local header, when another.
    pub local_method: Option<u16>,
    /// General purpose flags beyond those the other fields set.
    pub flags: u16,
    /// Flags in the local header, when others.
    pub local_flags: Option<u16>,
    /// Data descriptor; sets flag bit 3 and zeroes the local sizes.
    pub descriptor: Descriptor,
    /// Writes sizes and offset as `ffffffff` with a ZIP64 extra field.
    pub zip64: bool,
    /// Further extra fields in the local header.
    pub local_extra: Vec<u8>,
    /// Pads the local extra field as PyTorch does (id `FB`), so that data starts at a multiple of this. 0 for none.
    pub data_align: usize,
    /// Further extra fields in the central record.
    pub central_extra: Vec<u8>,
    /// Comment in the central record.
    pub comment: Vec<u8>,
    /// CRC in both records, when not the truth.
    pub crc: Option<u32>,
    /// Uncompressed size in the central record, when not the truth.
    pub central_size: Option<u32>,
    /// Uncompressed size in the local header, when not the truth.
    pub local_size: Option<u32>,
    /// Compressed size in the central record, when not the truth.
    pub central_compressed: Option<u32>,
    /// External attributes: Unix mode in the upper half.
    pub external: u32,
    /// Bytes before the local header that nothing refers to.
    pub gap: Vec<u8>,
    /// No local header of its own: the central record points at this entry's.
    pub shares: Option<usize>,
    /// No central record.
    pub hidden: bool,
    /// Sets flag bit 0 and puts a 12-byte encryption header before the data.
    pub encrypted: bool,
}

impl Entry {
    /// A stored regular file.
    pub fn stored(name: &str, data: &[u8]) -> Self {
        Self {
            name: name.into(),
            data: data.to_vec(),
            external: 0o100_644 << 16,
            ..Self::default()
        }
    }

    /// A deflated regular file.
    pub fn deflated(name: &str, data: &[u8]) -> Self {
        Self {
            method: 8,
            ..Self::stored(name, data)
        }
    }

    /// A symbolic link.
    pub fn symlink(name: &str, target: &str) -> Self {
        Self {
            external: 0o120_777 << 16,
            ..Self::stored(name, target.as_bytes())
        }
    }

    fn encoded(&self) -> Vec<u8> {
        let body = match &self.raw {
            Some(raw) => raw.clone(),
            None if self.method == 8 => deflate(&self.data),
            None => self.data.clone(),
        };
        if self.encrypted {
            [&[0xee; 12], &body[..]].concat()
        } else {
            body
        }
    }

    fn all_flags(&self) -> u16 {
        let descriptor = if self.descriptor == Descriptor::None { 0 } else { 8 };
        self.flags | descriptor | u16::from(self.encrypted)
    }
}

/// What to build. Start from [`Zip::of`] and change fields.
#[derive(Clone, Debug, Default)]
pub struct Zip {
    /// Bytes before the first local header.
    pub prefix: Vec<u8>,
    /// Offsets count from the end of `prefix` rather than from the file's start.
    pub relative_offsets: bool,
    /// The members in file order.
    pub entries: Vec<Entry>,
    /// Bytes between the last member and the central directory.
    pub gap: Vec<u8>,
    /// Writes a ZIP64 end record and locator.
    pub zip64: bool,
    /// Archive comment.
    pub comment: Vec<u8>,
    /// Stated number of entries, when not the truth.
    pub count: Option<u16>,
    /// Bytes after the end record and its comment.
    pub trailing: Vec<u8>,
}

impl Zip {
    /// An archive of these members and nothing else.
    pub fn of(entries: Vec<Entry>) -> Self {
        Self {
            entries,
            ..Self::default()
        }
    }

    /// The file's bytes.
    pub fn build(&self) -> Vec<u8> {
        self.built().bytes
    }

    /// The file's bytes and structure boundaries.
    pub fn built(&self) -> Built {
        let mut out = Out::le();
        out.bytes(&self.prefix).mark();
        let base = if self.relative_offsets { self.prefix.len() } else { 0 };
        let mut offsets = Vec::new();
        for entry in &self.entries {
            if let Some(other) = entry.shares {
                offsets.push(offsets[other]);
                continue;
            }
            out.bytes(&entry.gap).mark();
            offsets.push(out.len() - base);
            local(&mut out, entry);
        }
        out.bytes(&self.gap).mark();
        let central_at = out.len() - base;
        let mut count = 0u16;
        for (i, entry) in self.entries.iter().enumerate().filter(|(_, e)| !e.hidden) {
            central(
                &mut out,
                entry,
                &self.entries[entry.shares.unwrap_or(i)],
                offsets[i] as u64,
            );
            count += 1;
        }
        let central_len = out.len() - base - central_at;
        if self.zip64 {
            let at = out.len() - base;
            out.bytes(b"PK\x06\x06")
                .u64(44)
                .u16(45)
                .u16(45)
                .u32(0)
                .u32(0)
                .u64(count.into())
                .u64(count.into());
            out.u64(central_len as u64).u64(central_at as u64).mark();
            out.bytes(b"PK\x06\x07").u32(0).u64(at as u64).u32(1).mark();
        }
        let stated = self.count.unwrap_or(count);
        out.bytes(b"PK\x05\x06").u16(0).u16(0).u16(stated).u16(stated);
        if self.zip64 {
            out.u32(u32::MAX).u32(u32::MAX);
        } else {
            out.u32(central_len as u32).u32(central_at as u32);
        }
        out.u16(self.comment.len() as u16)
            .mark()
            .bytes(&self.comment)
            .mark()
            .bytes(&self.trailing);
        out.finish()
    }
}

fn local(out: &mut Out, entry: &Entry) {
    let name = entry.local_name.as_ref().unwrap_or(&entry.name);
    let body = entry.encoded();
    let crc = entry.crc.unwrap_or_else(|| crc32fast::hash(&entry.data));
    let (size, compressed) = (entry.data.len() as u64, body.len() as u64);
    let deferred = entry.descriptor != Descriptor::None;
    let mut extra = Out::le();
    if entry.zip64 {
        let (a, b) = if deferred { (0, 0) } else { (size, compressed) };
        extra.u16(1).u16(16).u64(a).u64(b);
    }
    extra.bytes(&entry.local_extra);
    if entry.data_align > 0 {
        let data_at = out.len() + 30 + name.len() + extra.len() + 4;
        let pad = data_at.next_multiple_of(entry.data_align) - data_at;
        extra.bytes(b"FB").u16(pad as u16).fill(pad, b'Z');
    }
    let extra = extra.into_bytes();
    out.bytes(b"PK\x03\x04").u16(if entry.zip64 { 45 } else { 20 });
    out.u16(entry.local_flags.unwrap_or_else(|| entry.all_flags()))
        .u16(entry.local_method.unwrap_or(entry.method));
    out.u16(0).u16(0x21).u32(if deferred { 0 } else { crc });
    if entry.zip64 {
        out.u32(u32::MAX).u32(u32::MAX);
    } else if deferred {
        out.u32(0).u32(0);
    } else {
        out.u32(compressed as u32).u32(entry.local_size.unwrap_or(size as u32));
    }
    out.u16(name.len() as u16)
        .u16(extra.len() as u16)
        .mark()
        .bytes(name)
        .bytes(&extra)
        .mark()
        .bytes(&body)
        .mark();
    if deferred {
        if entry.descriptor == Descriptor::Signed {
            out.bytes(b"PK\x07\x08");
        }
        out.u32(crc)
            .word(compressed, entry.zip64)
            .word(size, entry.zip64)
            .mark();
    }
}

fn central(out: &mut Out, entry: &Entry, body: &Entry, offset: u64) {
    let crc = entry.crc.unwrap_or_else(|| crc32fast::hash(&body.data));
    let (size, compressed) = (body.data.len() as u64, body.encoded().len() as u64);
    let mut extra = Out::le();
    if entry.zip64 {
        extra.u16(1).u16(24).u64(size).u64(compressed).u64(offset);
    }
    extra.bytes(&entry.central_extra);
    let extra = extra.into_bytes();
    out.bytes(b"PK\x01\x02")
        .u16(0x0314)
        .u16(if entry.zip64 { 45 } else { 20 })
        .u16(entry.all_flags());
    out.u16(entry.method).u16(0).u16(0x21).u32(crc);
    if entry.zip64 {
        out.u32(u32::MAX).u32(u32::MAX);
    } else {
        out.u32(entry.central_compressed.unwrap_or(compressed as u32));
        out.u32(entry.central_size.unwrap_or(size as u32));
    }
    out.u16(entry.name.len() as u16)
        .u16(extra.len() as u16)
        .u16(entry.comment.len() as u16)
        .u16(0)
        .u16(0);
    out.u32(entry.external)
        .u32(if entry.zip64 { u32::MAX } else { offset as u32 });
    out.bytes(&entry.name).bytes(&extra).bytes(&entry.comment).mark();
}

/// Two members: one stored, one deflated.
pub fn sample() -> Zip {
    Zip::of(vec![
        Entry::stored("readme.txt", b"a stored member\n"),
        Entry::deflated("src/lib.txt", &b"a deflated member, ".repeat(20)),
    ])
}

/// The bytes of [`sample`].
pub fn small() -> Vec<u8> {
    sample().build()
}

/// An archive as `torch.save` writes it: stored, data descriptors, storages aligned to 64 by `FB` extra fields.
pub fn torch_like(data_pkl: &[u8]) -> Built {
    let member = |name: &str, data: &[u8]| Entry {
        flags: 0x0800,
        descriptor: Descriptor::Signed,
        data_align: 64,
        external: 0,
        ..Entry::stored(name, data)
    };
    Zip::of(vec![
        member("archive/data.pkl", data_pkl),
        member("archive/byteorder", b"little"),
        member("archive/data/0", &super::safetensors::weights(12)),
        member("archive/version", b"3\n"),
    ])
    .built()
}

/// A benign torch archive with one 3x4 tensor.
pub fn torch_benign() -> Built {
    torch_like(&pickle::torch_state_dict())
}

/// A wheel with a RECORD whose digests are right, except for a changed member or an unlisted one when asked.
pub fn wheel(edited: bool, unlisted: bool) -> Built {
    let mut files = vec![
        ("fixture/__init__.py", b"VERSION = \"1.0\"\n".to_vec()),
        (
            "fixture-1.0.dist-info/METADATA",
            b"Metadata-Version: 2.1\nName: fixture\nVersion: 1.0\n".to_vec(),
        ),
        (
            "fixture-1.0.dist-info/WHEEL",
            b"Wheel-Version: 1.0\nGenerator: fixture\nRoot-Is-Purelib: true\nTag: py3-none-any\n".to_vec(),
        ),
    ];
    let mut record = String::new();
    for (name, data) in &files {
        record += &format!("{name},sha256={},{}\n", base64url(&sha256(data)), data.len());
    }
    record += "fixture-1.0.dist-info/RECORD,,\n";
    if edited {
        files[0].1 = b"VERSION = \"1.1\"\n".to_vec();
    }
    if unlisted {
        files.push(("fixture.pth", b"# a path file that RECORD does not list\n".to_vec()));
    }
    let mut entries: Vec<_> = files.iter().map(|(name, data)| Entry::deflated(name, data)).collect();
    entries.push(Entry::deflated("fixture-1.0.dist-info/RECORD", record.as_bytes()));
    Zip::of(entries).built()
}

/// A well-formed wheel.
pub fn wheel_like() -> Built {
    wheel(false, false)
}

/// `n` central records that all name one deflated kernel of `mib` MiB of zeros.
pub fn overlapping(n: usize, mib: usize) -> Vec<u8> {
    let zeros = vec![0; mib << 20];
    let kernel = Entry {
        raw: Some(deflate(&zeros)),
        crc: Some(crc32fast::hash(&zeros)),
        local_size: Some(zeros.len() as u32),
        central_size: Some(zeros.len() as u32),
        ..Entry::deflated("0", b"")
    };
    let sharing = (1..n).map(|i| Entry {
        shares: Some(0),
        name: i.to_string().into(),
        raw: None,
        ..kernel.clone()
    });
    Zip::of(std::iter::once(kernel.clone()).chain(sharing).collect()).build()
}

/// Archives inside archives, as 42.zip: `levels` of them, `fanout` members each, around `leaf_mib` MiB of zeros.
///
/// It expands to `fanout.pow(levels) * leaf_mib` MiB; the file itself stays small, since equal members compress well.
pub fn bomb_nested(levels: u32, fanout: usize, leaf_mib: usize) -> Vec<u8> {
    let mut inner = Zip::of(vec![Entry::deflated("0.bin", &vec![0; leaf_mib << 20])]).build();
    for _ in 0..levels {
        let entries = (0..fanout)
            .map(|i| Entry::deflated(&format!("lib {i}.zip"), &inner))
            .collect();
        inner = Zip::of(entries).build();
    }
    inner
}

pub(crate) fn base64url(data: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for chunk in data.chunks(3) {
        let b = [
            chunk[0],
            chunk.get(1).copied().unwrap_or(0),
            chunk.get(2).copied().unwrap_or(0),
        ];
        let bits = u32::from_be_bytes([0, b[0], b[1], b[2]]);
        for i in 0..=chunk.len() {
            out.push(ALPHABET[(bits >> (18 - 6 * i) & 63) as usize] as char);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::bytes::{find, le32};

    #[test]
    fn end_record_leads_to_the_central_directory_and_it_to_the_members() {
        for zip in [
            sample(),
            Zip {
                prefix: vec![1; 7],
                comment: b"note".to_vec(),
                ..sample()
            },
        ] {
            let file = zip.build();
            let end = find(&file, b"PK\x05\x06").unwrap();
            let central = le32(&file, end + 16) as usize;
            assert_eq!(&file[central..central + 4], b"PK\x01\x02");
            assert_eq!(central + le32(&file, end + 12) as usize, end);
            let first = le32(&file, central + 42) as usize;
            assert_eq!(&file[first..first + 4], b"PK\x03\x04");
        }
    }

    #[test]
    fn torch_storages_are_aligned() {
        let file = torch_benign().bytes;
        let at = find(&file, &super::super::safetensors::weights(12)).unwrap();
        assert_eq!(at % 64, 0);
    }

    #[test]
    fn record_digests_are_unpadded_base64url() {
        assert_eq!(base64url(b"\xfb\xff"), "-_8");
        assert_eq!(base64url(b"abc"), "YWJj");
        assert_eq!(base64url(&[0; 32]).len(), 43);
    }

    #[test]
    fn overlapping_members_share_one_kernel() {
        let file = overlapping(50, 1);
        assert_eq!(file.windows(4).filter(|w| w == b"PK\x03\x04").count(), 1);
        assert_eq!(file.windows(4).filter(|w| w == b"PK\x01\x02").count(), 50);
    }
}
