//! PE32 and PE32+ images (Microsoft PE/COFF specification), with imports, a version resource, relocations, an overlay and
//! an Authenticode certificate table.
//!
//! A certificate of its own choosing is shaped like DER and signs nothing; [`Pe::signed`] signs. The code returns zero.

use super::bytes::{Built, Out, le32};
use super::signed::authenticode::Signing;

/// An additional section.
#[derive(Clone, Debug)]
pub struct ExtraSection {
    /// Section name, at most eight bytes.
    pub name: String,
    /// Section content (`VirtualSize` is its length).
    pub data: Vec<u8>,
}

/// What to build. Start from [`Pe::new`] and change fields.
#[derive(Clone, Debug)]
pub struct Pe {
    /// PE32+ (x86-64) rather than PE32 (i386).
    pub plus: bool,
    /// Content of `.text`.
    pub text: Vec<u8>,
    /// Content of `.data`.
    pub data: Vec<u8>,
    /// Bytes at the start of `.text`'s tail beyond `VirtualSize`; zeros in real files.
    pub text_slack: Vec<u8>,
    /// More sections after `.reloc`.
    pub extra: Vec<ExtraSection>,
    /// Bytes after the last section and before the certificate table.
    pub overlay: Vec<u8>,
    /// The `bCertificate` bytes; none leaves the security directory empty.
    pub certificate: Option<Vec<u8>>,
    /// Signs what the other fields make; `certificate` is then not looked at.
    pub signing: Option<Signing>,
    /// Fill of the pad that brings the certificate to eight bytes; zero in real files.
    pub certificate_pad: u8,
    /// Bytes inside the certificate table after the certificate: certificate stuffing (CVE-2013-3900).
    pub certificate_stuffing: Vec<u8>,
    /// Bytes after the certificate table.
    pub appended: Vec<u8>,
    /// Makes `.text` writable.
    pub writable_text: bool,
    /// `AddressOfEntryPoint`, when not the start of `.text`.
    pub entry: Option<u32>,
    /// `NumberOfSections`, when not the truth.
    pub section_count: Option<u16>,
    /// `CheckSum`, when not the right one.
    pub checksum: Option<u32>,
}

const FILE_ALIGN: usize = 0x200;
const SECTION_ALIGN: u32 = 0x1000;
const E_LFANEW: usize = 0x80;

impl Pe {
    /// A well-formed unsigned console executable.
    pub fn new(plus: bool) -> Self {
        Self {
            plus,
            text: b"\x31\xc0\xc3".to_vec(),
            data: (0..96).collect(),
            text_slack: Vec::new(),
            extra: Vec::new(),
            overlay: Vec::new(),
            certificate: None,
            signing: None,
            certificate_pad: 0,
            certificate_stuffing: Vec::new(),
            appended: Vec::new(),
            writable_text: false,
            entry: None,
            section_count: None,
            checksum: None,
        }
    }

    /// The same, signed by the key of the fixtures.
    pub fn signed(plus: bool) -> Self {
        Self {
            signing: Some(Signing::default()),
            ..Self::new(plus)
        }
    }

    /// The file's bytes.
    pub fn build(&self) -> Vec<u8> {
        self.built().bytes
    }

    /// The file's bytes and structure boundaries.
    pub fn built(&self) -> Built {
        if let Some(signing) = &self.signing {
            // What is signed is the same whatever the table holds: only its place counts.
            let with = |certificate| Self {
                signing: None,
                certificate: Some(certificate),
                ..self.clone()
            };
            let certificate = signing.message(&with(vec![0x30, 0]).build());
            return with(certificate).built();
        }
        let plus = self.plus;
        let text_flags = 0x6000_0020 | if self.writable_text { 0x8000_0000 } else { 0 };
        let mut sections: Vec<(&str, Vec<u8>, u32, Vec<u8>)> = vec![
            (".text", self.text.clone(), text_flags, self.text_slack.clone()),
            (".rdata", Vec::new(), 0x4000_0040, Vec::new()),
            (".data", self.data.clone(), 0xc000_0040, Vec::new()),
            (".rsrc", Vec::new(), 0x4000_0040, Vec::new()),
            (".reloc", relocations(), 0x4200_0040, Vec::new()),
        ];
        for extra in &self.extra {
            sections.push((&extra.name, extra.data.clone(), 0x4000_0040, Vec::new()));
        }
        let mut rvas = Vec::new();
        let mut rva = SECTION_ALIGN;
        for (name, data, _, _) in &mut sections {
            rvas.push(rva);
            match *name {
                ".rdata" => *data = imports(rva, plus),
                ".rsrc" => *data = resources(rva),
                _ => {}
            }
            rva += (data.len().max(1) as u32).next_multiple_of(SECTION_ALIGN);
        }
        let size_of_image = rva;
        let optional_size = if plus { 240 } else { 224 };
        let headers_end = E_LFANEW + 24 + optional_size + 40 * sections.len();
        let size_of_headers = headers_end.next_multiple_of(FILE_ALIGN);

        let mut raw = size_of_headers;
        let mut placed = Vec::new();
        for (_, data, _, slack) in &sections {
            let size = (data.len() + slack.len()).next_multiple_of(FILE_ALIGN);
            placed.push((raw, size));
            raw += size;
        }
        let table_at = (raw + self.overlay.len()).next_multiple_of(8);
        let table = self.certificate_table();

        let mut out = Out::le();
        out.bytes(b"MZ")
            .u16(0x90)
            .u16(3)
            .u16(0)
            .u16(4)
            .u16(0)
            .u16(0xffff)
            .u16(0)
            .u16(0xb8)
            .zeros_to(24);
        out.u16(0x40).zeros_to(60).u32(E_LFANEW as u32).mark();
        out.bytes(b"\x0e\x1f\xba\x0e\x00\xb4\x09\xcd\x21\xb8\x01\x4c\xcd\x21");
        out.bytes(b"This program cannot be run in DOS mode.\r\r\n$")
            .zeros_to(E_LFANEW)
            .mark();
        out.bytes(b"PE\0\0").u16(if plus { 0x8664 } else { 0x14c });
        out.u16(self.section_count.unwrap_or(sections.len() as u16))
            .u32(0x6000_0000)
            .u32(0)
            .u32(0);
        out.u16(optional_size as u16)
            .u16(if plus { 0x22 } else { 0x102 })
            .mark();
        out.u16(if plus { 0x20b } else { 0x10b })
            .u8(14)
            .u8(0)
            .u32(placed[0].1 as u32);
        out.u32(placed[1..].iter().map(|p| p.1 as u32).sum()).u32(0);
        out.u32(self.entry.unwrap_or(rvas[0])).u32(rvas[0]);
        if plus {
            out.u64(0x1_4000_0000);
        } else {
            out.u32(rvas[1]).u32(0x40_0000);
        }
        out.u32(SECTION_ALIGN)
            .u32(FILE_ALIGN as u32)
            .u16(6)
            .u16(0)
            .u16(0)
            .u16(0)
            .u16(6)
            .u16(0)
            .u32(0);
        out.u32(size_of_image).u32(size_of_headers as u32);
        let checksum_at = out.len();
        out.u32(0).u16(3).u16(0x8160);
        for size in [0x10_0000, 0x1000, 0x10_0000, 0x1000] {
            out.word(size, plus);
        }
        out.u32(0).u32(16);
        let mut directories = [(0u32, 0u32); 16];
        directories[1] = (rvas[1], 40);
        directories[2] = (rvas[3], sections[3].1.len() as u32);
        if !table.is_empty() {
            directories[4] = (table_at as u32, table.len() as u32);
        }
        directories[5] = (rvas[4], sections[4].1.len() as u32);
        for (at, size) in directories {
            out.u32(at).u32(size);
        }
        out.mark();
        for (i, (name, data, flags, _)) in sections.iter().enumerate() {
            out.fixed(name.as_bytes(), 8)
                .u32(data.len() as u32)
                .u32(rvas[i])
                .u32(placed[i].1 as u32);
            out.u32(placed[i].0 as u32)
                .u32(0)
                .u32(0)
                .u16(0)
                .u16(0)
                .u32(*flags)
                .mark();
        }
        for (i, (_, data, _, slack)) in sections.iter().enumerate() {
            out.zeros_to(placed[i].0).mark().bytes(data).mark().bytes(slack);
        }
        out.zeros_to(raw).mark().bytes(&self.overlay).mark();
        if !table.is_empty() {
            out.zeros_to(table_at)
                .mark()
                .bytes(&table[..8])
                .mark()
                .bytes(&table[8..])
                .mark();
        }
        out.bytes(&self.appended);
        let mut built = out.finish();
        let checksum = self
            .checksum
            .unwrap_or_else(|| image_checksum(&built.bytes, checksum_at));
        built.bytes[checksum_at..checksum_at + 4].copy_from_slice(&checksum.to_le_bytes());
        built
    }

    fn certificate_table(&self) -> Vec<u8> {
        let Some(certificate) = &self.certificate else {
            return Vec::new();
        };
        let body = certificate.len() + self.certificate_stuffing.len();
        let length = (8 + body).next_multiple_of(8);
        let mut out = Out::le();
        out.u32(length as u32)
            .u16(0x0200)
            .u16(0x0002)
            .bytes(certificate)
            .bytes(&self.certificate_stuffing);
        out.fill(length - 8 - body, self.certificate_pad);
        out.into_bytes()
    }
}

/// A small well-formed PE32+ executable, unsigned.
pub fn small() -> Vec<u8> {
    Pe::new(true).build()
}

/// A DER ContentInfo of exactly `len` bytes (320 to 65,539): a PKCS#7 SignedData over opaque data, without signers.
pub fn dummy_signed_data(len: usize) -> Vec<u8> {
    const PKCS7: [u8; 10] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07];
    let mut out = Out::be();
    let mut open = |tag: u8, before: usize, after: usize, then: &[u8]| {
        out.u8(tag).u8(0x82).u16((len - before - 4 - after) as u16).bytes(then);
    };
    let named = |kind: u8| [&PKCS7[..], &[kind]].concat();
    open(0x30, 0, 0, &named(2));
    open(0xa0, 15, 0, b"");
    open(0x30, 19, 0, &[0x02, 0x01, 0x01, 0x31, 0x00]);
    open(0x30, 28, 2, &named(1));
    open(0xa0, 43, 2, b"");
    open(0x04, 47, 2, b"");
    out.fill(len - 51 - 2, 0x5a).u8(0x31).u8(0);
    out.into_bytes()
}

/// The PE image checksum: 16-bit one's-complement sum with the field itself as zero, plus the file length.
pub fn image_checksum(file: &[u8], checksum_at: usize) -> u32 {
    let mut sum = 0u64;
    for (i, pair) in file.chunks(2).enumerate() {
        let at = i * 2;
        if at >= checksum_at && at < checksum_at + 4 {
            continue;
        }
        sum += u64::from(u16::from_le_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
    }
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    (sum + file.len() as u64) as u32
}

fn imports(rva: u32, plus: bool) -> Vec<u8> {
    let width = if plus { 8 } else { 4 };
    let ilt = rva + 40;
    let iat = ilt + 2 * width;
    let hint = iat + 2 * width;
    let dll = hint + 14;
    let mut out = Out::le();
    out.u32(ilt).u32(0).u32(0).u32(dll).u32(iat).fill(20, 0);
    for _ in 0..2 {
        out.word(u64::from(hint), plus).word(0, plus);
    }
    out.u16(0).bytes(b"ExitProcess\0").bytes(b"KERNEL32.dll\0");
    out.into_bytes()
}

fn relocations() -> Vec<u8> {
    let mut out = Out::le();
    out.u32(0x3000).u32(12).u16(0).u16(0);
    out.into_bytes()
}

/// Type 16 (RT_VERSION), name 1, language 0x409, one leaf.
fn resources(rva: u32) -> Vec<u8> {
    let version = version_info();
    let mut out = Out::le();
    for (level, id) in [16u32, 1, 0x409].into_iter().enumerate() {
        out.u32(0).u32(0).u16(0).u16(0).u16(0).u16(1).u32(id);
        let next = (level as u32 + 1) * 24;
        out.u32(if level < 2 { next | 0x8000_0000 } else { next });
    }
    out.u32(rva + 88)
        .u32(version.len() as u32)
        .u32(1200)
        .u32(0)
        .bytes(&version);
    out.into_bytes()
}

fn version_info() -> Vec<u8> {
    let mut out = Out::le();
    out.u16(92).u16(52).u16(0);
    for unit in "VS_VERSION_INFO\0".encode_utf16() {
        out.u16(unit);
    }
    out.align(4, 0)
        .u32(0xfeef_04bd)
        .u32(0x1_0000)
        .u32(0x1_0002)
        .u32(0x3_0000)
        .u32(0x1_0002)
        .u32(0x3_0000);
    out.u32(0x3f).u32(0).u32(0x4_0004).u32(1).fill(12, 0);
    out.into_bytes()
}

/// The file offset and size of the security directory, as the header states them.
pub fn security_directory(file: &[u8]) -> (u32, u32) {
    let nt = le32(file, 0x3c) as usize;
    let plus = file[nt + 24 + 1] == 2;
    let at = nt + 24 + if plus { 112 } else { 96 } + 4 * 8;
    (le32(file, at), le32(file, at + 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificate_table_is_aligned_and_ends_the_file() {
        for plus in [true, false] {
            for overlay in [0, 5, 4096] {
                let file = Pe {
                    overlay: vec![7; overlay],
                    ..Pe::signed(plus)
                }
                .build();
                let (at, size) = security_directory(&file);
                assert_eq!(at % 8, 0);
                assert_eq!((at + size) as usize, file.len());
                assert_eq!(le32(&file, at as usize), size);
            }
        }
    }

    #[test]
    fn dummy_certificate_has_nested_lengths_that_add_up() {
        let der = dummy_signed_data(333);
        assert_eq!(der.len(), 333);
        assert_eq!(u16::from_be_bytes([der[2], der[3]]) as usize + 4, 333);
        assert_eq!(u16::from_be_bytes([der[17], der[18]]) as usize + 19, 333);
        assert_eq!(u16::from_be_bytes([der[49], der[50]]) as usize + 51 + 2, 333);
    }
}
