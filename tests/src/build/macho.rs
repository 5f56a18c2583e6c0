//! Mach-O executables, thin and fat (`mach-o/loader.h`, `mach-o/fat.h`), with an ad-hoc code signature
//! (`cs_blobs.h`: SuperBlob, CodeDirectory, Requirements, empty CMS wrapper) whose page hashes are right.

use super::bytes::{Built, Out};
use super::sha256::sha256;

/// The processor a slice is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cpu {
    /// 64-bit, pages of 16 KiB.
    Arm64,
    /// 64-bit, pages of 4 KiB.
    X86_64,
    /// 32-bit, pages of 4 KiB.
    I386,
}

impl Cpu {
    fn kind(self) -> (u32, u32) {
        match self {
            Self::Arm64 => (0x0100_000c, 0),
            Self::X86_64 => (0x0100_0007, 3),
            Self::I386 => (7, 3),
        }
    }

    fn page(self) -> usize {
        if self == Self::Arm64 { 0x4000 } else { 0x1000 }
    }
}

/// What to build. Start from [`MachO::new`] and change fields.
#[derive(Clone, Debug)]
pub struct MachO {
    /// Processor.
    pub cpu: Cpu,
    /// Content of `__TEXT,__text`.
    pub text: Vec<u8>,
    /// Content of `__BUN,__bun`, when there is such a segment.
    pub bun: Option<Vec<u8>>,
    /// Whether LC_CODE_SIGNATURE and a signature are there.
    pub signed: bool,
    /// Bytes between the SuperBlob and the end of its `datasize`, zero-filled to 64 bytes; zeros in real files.
    pub slack: Vec<u8>,
    /// Bytes at the start of the pad between the load commands and `__text`; zeros in real files.
    pub padding: Vec<u8>,
    /// A payload at the end of the string table, where bundlers hide it from `codesign`.
    pub carried: Vec<u8>,
    /// Bytes after `__LINKEDIT`.
    pub appended: Vec<u8>,
    /// A byte of `__text` changed after signing, by its index.
    pub tampered: Option<usize>,
    /// Gives `__TEXT` write permission.
    pub writable_text: bool,
}

impl MachO {
    /// A well-formed executable with an ad-hoc signature.
    pub fn new(cpu: Cpu) -> Self {
        let text: &[u8] = match cpu {
            Cpu::Arm64 => b"\x00\x00\x80\x52\xc0\x03\x5f\xd6",
            _ => b"\x31\xc0\xc3",
        };
        Self {
            cpu,
            text: text.to_vec(),
            bun: None,
            signed: true,
            slack: Vec::new(),
            padding: Vec::new(),
            carried: Vec::new(),
            appended: Vec::new(),
            tampered: None,
            writable_text: false,
        }
    }

    /// The file's bytes.
    pub fn build(&self) -> Vec<u8> {
        self.built().bytes
    }

    /// The file's bytes and structure boundaries.
    pub fn built(&self) -> Built {
        let wide = self.cpu != Cpu::I386;
        let page = self.cpu.page();
        let base: u64 = if wide { 0x1_0000_0000 } else { 0x1000 };
        let header = if wide { 32 } else { 28 };
        let (segment_size, section_size) = if wide { (72, 80) } else { (56, 68) };
        let bun_segment = usize::from(self.bun.is_some());
        let mut command_size = segment_size * (3 + bun_segment) + section_size * (1 + bun_segment) + 24 + 24 + 24;
        let mut commands = 3 + bun_segment + 3;
        if self.signed {
            command_size += 16;
            commands += 1;
        }
        let text_at = (header + command_size + self.padding.len() + 64).next_multiple_of(64);
        let text_end = (text_at + self.text.len()).next_multiple_of(page);
        let bun_len = self.bun.as_ref().map_or(0, Vec::len);
        let bun_end = text_end + bun_len.next_multiple_of(page);
        let symbol_size = if wide { 16 } else { 12 };
        let mut strings = b" \0_main\0__mh_execute_header\0".to_vec();
        strings.extend_from_slice(&self.carried);
        let symbols_at = bun_end;
        let strings_at = symbols_at + 2 * symbol_size;
        let code_limit = (strings_at + strings.len()).next_multiple_of(16);
        let blob_len = signature_len(code_limit, page);
        let signature_len = if self.signed {
            (blob_len + self.slack.len()).next_multiple_of(64)
        } else {
            0
        };
        let end = code_limit + signature_len;

        let mut out = Out::le();
        let (cpu, sub) = self.cpu.kind();
        out.u32(if wide { 0xfeed_facf } else { 0xfeed_face })
            .u32(cpu)
            .u32(sub)
            .u32(2)
            .u32(commands as u32);
        out.u32(command_size as u32).u32(0x20_0085);
        if wide {
            out.u32(0);
        }
        let segment = |out: &mut Out, name: &str, vm: (u64, u64), file: (usize, usize), prot: u32, sections: u32| {
            out.mark().u32(if wide { 0x19 } else { 1 });
            out.u32(segment_size as u32 + sections * section_size as u32)
                .fixed(name.as_bytes(), 16);
            for v in [vm.0, vm.1, file.0 as u64, file.1 as u64] {
                out.word(v, wide);
            }
            out.u32(prot).u32(prot).u32(sections).u32(0);
        };
        let section = |out: &mut Out, names: (&str, &str), at: usize, size: usize, align: u32, flags: u32| {
            out.fixed(names.0.as_bytes(), 16).fixed(names.1.as_bytes(), 16);
            out.word(base + at as u64, wide).word(size as u64, wide);
            out.u32(at as u32).u32(align).u32(0).u32(0).u32(flags).u32(0).u32(0);
            if wide {
                out.u32(0);
            }
        };
        segment(&mut out, "__PAGEZERO", (0, base), (0, 0), 0, 0);
        let prot = if self.writable_text { 7 } else { 5 };
        segment(&mut out, "__TEXT", (base, text_end as u64), (0, text_end), prot, 1);
        section(&mut out, ("__text", "__TEXT"), text_at, self.text.len(), 4, 0x8000_0400);
        if self.bun.is_some() {
            let size = bun_end - text_end;
            segment(
                &mut out,
                "__BUN",
                (base + text_end as u64, size as u64),
                (text_end, size),
                3,
                1,
            );
            section(&mut out, ("__bun", "__BUN"), text_end, bun_len, 14, 0);
        }
        let linkedit = end - bun_end;
        let linkedit_vm = (base + bun_end as u64, linkedit.next_multiple_of(page) as u64);
        segment(&mut out, "__LINKEDIT", linkedit_vm, (bun_end, linkedit), 1, 0);
        out.mark()
            .u32(2)
            .u32(24)
            .u32(symbols_at as u32)
            .u32(2)
            .u32(strings_at as u32)
            .u32(strings.len() as u32);
        out.mark().u32(0x1b).u32(24).bytes(&[0xcd; 16]);
        out.mark().u32(0x8000_0028).u32(24).u64(text_at as u64).u64(0);
        if self.signed {
            out.mark()
                .u32(0x1d)
                .u32(16)
                .u32(code_limit as u32)
                .u32(signature_len as u32);
        }
        out.mark()
            .bytes(&self.padding)
            .zeros_to(text_at)
            .mark()
            .bytes(&self.text)
            .mark()
            .zeros_to(text_end)
            .mark();
        out.bytes(self.bun.as_deref().unwrap_or(&[]))
            .mark()
            .zeros_to(bun_end)
            .mark();
        out.u32(2).u8(0x0f).u8(1).u16(0).word(base + text_at as u64, wide);
        out.u32(8).u8(0x0f).u8(1).u16(0x10).word(base, wide);
        out.mark().bytes(&strings).mark().zeros_to(code_limit).mark();
        if self.signed {
            let mut signed = out.clone().into_bytes();
            let blob = signature(&signed, page, text_end);
            if let Some(index) = self.tampered {
                signed[text_at + index] ^= 0x01;
                let mut marks = out.finish().boundaries;
                marks.push(signed.len() as u64);
                out = Out::le();
                for m in marks {
                    let from = out.len();
                    out.bytes(&signed[from..m as usize]).mark();
                }
            }
            out.bytes(&blob[..12])
                .mark()
                .bytes(&blob[12..])
                .mark()
                .bytes(&self.slack)
                .zeros_to(end)
                .mark();
        }
        out.bytes(&self.appended);
        out.finish()
    }
}

/// A small well-formed arm64 executable.
pub fn small() -> Vec<u8> {
    MachO::new(Cpu::Arm64).build()
}

/// What a fat file holds. Start from [`Fat::new`].
#[derive(Clone, Debug)]
pub struct Fat {
    /// `fat_arch_64` entries (magic `cafebabf`) rather than `fat_arch` (`cafebabe`).
    pub wide: bool,
    /// Slices: processor, log2 of the alignment, bytes.
    pub slices: Vec<(Cpu, u32, Vec<u8>)>,
    /// Bytes at the start of the pad before the first slice; zeros in real files.
    pub padding: Vec<u8>,
    /// Bytes after the last slice.
    pub appended: Vec<u8>,
    /// Makes every slice after the first start this many bytes before its place.
    pub overlap: usize,
}

impl Fat {
    /// An x86-64 and an arm64 slice, both signed.
    pub fn new(wide: bool) -> Self {
        Self {
            wide,
            slices: vec![
                (Cpu::X86_64, 12, MachO::new(Cpu::X86_64).build()),
                (Cpu::Arm64, 14, MachO::new(Cpu::Arm64).build()),
            ],
            padding: Vec::new(),
            appended: Vec::new(),
            overlap: 0,
        }
    }

    /// The file's bytes.
    pub fn build(&self) -> Vec<u8> {
        self.built().bytes
    }

    /// The file's bytes and structure boundaries.
    pub fn built(&self) -> Built {
        let mut out = Out::be();
        out.u32(if self.wide { 0xcafe_babf } else { 0xcafe_babe })
            .u32(self.slices.len() as u32)
            .mark();
        let table = 8 + self.slices.len() * if self.wide { 32 } else { 20 };
        let mut at = table + self.padding.len();
        let mut places = Vec::new();
        for (cpu, align, bytes) in &self.slices {
            at = at.next_multiple_of(1 << align);
            places.push(at);
            let stated = if places.len() > 1 { at - self.overlap } else { at };
            let (kind, sub) = cpu.kind();
            out.u32(kind)
                .u32(sub)
                .word(stated as u64, self.wide)
                .word(bytes.len() as u64, self.wide)
                .u32(*align);
            if self.wide {
                out.u32(0);
            }
            out.mark();
            at += bytes.len();
        }
        out.bytes(&self.padding);
        for ((_, _, bytes), place) in self.slices.iter().zip(places) {
            out.zeros_to(place).mark().bytes(bytes).mark();
        }
        out.bytes(&self.appended);
        out.finish()
    }
}

const IDENT: &[u8] = b"fixture\0";
const DIRECTORY_HEADER: usize = 88;
const SPECIAL: usize = 2;

fn directory_len(code_limit: usize, page: usize) -> usize {
    DIRECTORY_HEADER + IDENT.len() + 32 * (SPECIAL + code_limit.div_ceil(page))
}

fn signature_len(code_limit: usize, page: usize) -> usize {
    12 + 3 * 8 + directory_len(code_limit, page) + 12 + 8
}

/// SuperBlob { CodeDirectory (slot 0), Requirements (slot 2), CMS wrapper (slot 0x10000) }; all fields big-endian.
fn signature(code: &[u8], page: usize, text_segment: usize) -> Vec<u8> {
    let directory = directory_len(code.len(), page);
    let mut requirements = Out::be();
    requirements.u32(0xfade_0c01).u32(12).u32(0);
    let requirements = requirements.into_bytes();

    let mut out = Out::be();
    out.u32(0xfade_0cc0).u32(signature_len(code.len(), page) as u32).u32(3);
    out.u32(0)
        .u32(36)
        .u32(2)
        .u32(36 + directory as u32)
        .u32(0x1_0000)
        .u32(36 + directory as u32 + 12);
    out.u32(0xfade_0c02).u32(directory as u32).u32(0x2_0400).u32(2);
    out.u32((DIRECTORY_HEADER + IDENT.len() + 32 * SPECIAL) as u32)
        .u32(DIRECTORY_HEADER as u32);
    out.u32(SPECIAL as u32)
        .u32(code.len().div_ceil(page) as u32)
        .u32(code.len() as u32);
    out.u8(32)
        .u8(2)
        .u8(0)
        .u8(page.trailing_zeros() as u8)
        .u32(0)
        .u32(0)
        .u32(0)
        .u32(0);
    out.u64(0).u64(0).u64(text_segment as u64).u64(1);
    out.bytes(IDENT).bytes(&sha256(&requirements)).fill(32, 0);
    for chunk in code.chunks(page) {
        out.bytes(&sha256(chunk));
    }
    out.bytes(&requirements).u32(0xfade_0b01).u32(8);
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::bytes::find;

    #[test]
    fn super_blob_length_and_slots_add_up() {
        for cpu in [Cpu::Arm64, Cpu::X86_64, Cpu::I386] {
            let file = MachO::new(cpu).build();
            let at = find(&file, &[0xfa, 0xde, 0x0c, 0xc0]).unwrap();
            let be = |i: usize| u32::from_be_bytes(super::super::bytes::take(&file, at + i)) as usize;
            assert_eq!(be(4), signature_len(at, cpu.page()));
            assert!(at + be(4) <= file.len());
            let directory = at + be(16);
            assert_eq!(&file[directory..directory + 4], &[0xfa, 0xde, 0x0c, 0x02]);
            let wrapper = at + be(32);
            assert_eq!(wrapper + 8, at + be(4));
        }
    }

    #[test]
    fn tampering_changes_one_byte_of_text_and_nothing_else() {
        let plain = MachO::new(Cpu::Arm64).build();
        let changed = MachO {
            tampered: Some(0),
            ..MachO::new(Cpu::Arm64)
        }
        .build();
        assert_eq!(plain.len(), changed.len());
        assert_eq!(plain.iter().zip(&changed).filter(|(a, b)| a != b).count(), 1);
    }
}
