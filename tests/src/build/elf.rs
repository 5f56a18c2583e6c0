//! ELF executables of both classes and byte orders (System V gABI, chapters 4 and 5), with sections and segments.
//!
//! The code is an `exit(0)` or a bare return; nothing links dynamically.

use super::bytes::{Built, Out};

/// An additional section, in its own read-write `PT_LOAD` and page-aligned in the file, as Bun places `.bun`.
#[derive(Clone, Debug)]
pub struct ExtraSection {
    /// Section name.
    pub name: String,
    /// Section content.
    pub data: Vec<u8>,
}

/// What to build. Start from [`Elf::new`] and change fields.
#[derive(Clone, Debug)]
pub struct Elf {
    /// ELFCLASS64 rather than ELFCLASS32.
    pub wide: bool,
    /// ELFDATA2MSB rather than ELFDATA2LSB.
    pub big: bool,
    /// Content of `.text`.
    pub text: Vec<u8>,
    /// Content of `.rodata`.
    pub rodata: Vec<u8>,
    /// Content of `.data`.
    pub data: Vec<u8>,
    /// Size of `.bss` in memory.
    pub bss: u64,
    /// Bytes between `.rodata` and `.text` that no section or segment names; zeros in real files.
    pub gap: Vec<u8>,
    /// More sections after `.data`.
    pub extra: Vec<ExtraSection>,
    /// Bytes after the section header table.
    pub appended: Vec<u8>,
    /// Makes the code segment writable and executable.
    pub writable_text: bool,
    /// `e_entry`, when not the start of `.text`.
    pub entry: Option<u64>,
    /// `e_shnum`, when not the truth.
    pub shnum: Option<u16>,
}

const BASE: u64 = 0x40_0000;

struct Section {
    name: &'static str,
    owned: Option<String>,
    kind: u32,
    flags: u64,
    addr: u64,
    offset: usize,
    size: u64,
    link: u32,
    info: u32,
    align: u64,
    entsize: u64,
}

impl Elf {
    /// A well-formed executable: x86-64, s390x, i386 or PowerPC by class and byte order.
    pub fn new(wide: bool, big: bool) -> Self {
        let text: &[u8] = match (wide, big) {
            (true, false) => b"\x31\xff\xb8\x3c\x00\x00\x00\x0f\x05",
            (false, false) => b"\x31\xdb\xb8\x01\x00\x00\x00\xcd\x80",
            (true, true) => b"\xa7\x29\x00\x00\x0a\x01\x07\xfe",
            (false, true) => b"\x38\x60\x00\x00\x4e\x80\x00\x20",
        };
        Self {
            wide,
            big,
            text: text.to_vec(),
            rodata: b"inert fixture\0https://updates.example.com/v1\0".to_vec(),
            data: (0..64).collect(),
            bss: 256,
            gap: vec![0; 40],
            extra: Vec::new(),
            appended: Vec::new(),
            writable_text: false,
            entry: None,
            shnum: None,
        }
    }

    /// The file's bytes.
    pub fn build(&self) -> Vec<u8> {
        self.built().bytes
    }

    /// The file's bytes and structure boundaries.
    pub fn built(&self) -> Built {
        let wide = self.wide;
        let (ehsize, phentsize, shentsize, symsize) = if wide { (64, 56, 64, 24) } else { (52, 32, 40, 16) };
        let phnum = 5 + self.extra.len();
        let word = if wide { 8 } else { 4 };

        // The body is laid out first at its final offsets, then prefixed with headers that describe it.
        let mut body = Out::with_order(self.big);
        body.zeros_to(ehsize + phentsize * phnum).mark();
        let note_at = body.len();
        body.u32(4).u32(20).u32(3).bytes(b"GNU\0").bytes(&[0xab; 20]);
        body.mark().align(16, 0).mark();
        let rodata_at = body.len();
        body.bytes(&self.rodata).mark();
        let head_end = body.len();
        body.bytes(&self.gap).mark().align(16, 0).mark();
        let text_at = body.len();
        body.bytes(&self.text).mark().align(16, 0).mark();
        let data_at = body.len();
        body.bytes(&self.data).mark();
        let mut extra_at = Vec::new();
        for extra in &self.extra {
            body.align(0x1000, 0).mark();
            extra_at.push(body.len());
            body.bytes(&extra.data).mark();
        }

        let address = |at: usize, page: u64| BASE + page * 0x1_0000 + at as u64;
        let text_addr = address(text_at, 1);
        let data_addr = address(data_at, 2);
        let bss_addr = data_addr + self.data.len() as u64;

        let plain = |name, kind, flags, addr, offset, size: usize, align| Section {
            name,
            owned: None,
            kind,
            flags,
            addr,
            offset,
            size: size as u64,
            link: 0,
            info: 0,
            align,
            entsize: 0,
        };
        let mut sections = vec![
            plain("", 0, 0, 0, 0, 0, 0),
            plain(".note.gnu.build-id", 7, 2, address(note_at, 0), note_at, 36, 4),
            plain(".rodata", 1, 2, address(rodata_at, 0), rodata_at, self.rodata.len(), 16),
            plain(
                ".text",
                1,
                if self.writable_text { 7 } else { 6 },
                text_addr,
                text_at,
                self.text.len(),
                16,
            ),
            plain(".data", 1, 3, data_addr, data_at, self.data.len(), 16),
            plain(".bss", 8, 3, bss_addr, data_at + self.data.len(), self.bss as usize, 1),
        ];
        for (i, extra) in self.extra.iter().enumerate() {
            let mut s = plain(
                "",
                1,
                3,
                extra_address(extra_at[i], i),
                extra_at[i],
                extra.data.len(),
                8,
            );
            s.owned = Some(extra.name.clone());
            sections.push(s);
        }

        body.align(8, 0).mark();
        let symtab_at = body.len();
        let names: [(&str, u64, u16); 2] = [("_start", text_addr, 3), ("counter", data_addr, 4)];
        let mut strtab = vec![0u8];
        symbol(&mut body, wide, 0, 0, 0, 0, 0);
        for (name, value, shndx) in names {
            symbol(&mut body, wide, strtab.len() as u32, value, 0, 0x12, shndx);
            strtab.extend_from_slice(name.as_bytes());
            strtab.push(0);
        }
        body.mark();
        let strtab_at = body.len();
        body.bytes(&strtab).mark();
        let mut symtab = plain(".symtab", 2, 0, 0, symtab_at, symsize * 3, word);
        symtab.link = sections.len() as u32 + 1;
        symtab.info = 1;
        symtab.entsize = symsize as u64;
        sections.push(symtab);
        sections.push(plain(".strtab", 3, 0, 0, strtab_at, strtab.len(), 1));

        let shstrtab_at = body.len();
        let mut shstrtab = vec![0u8];
        let mut name_offsets = Vec::new();
        sections.push(plain(".shstrtab", 3, 0, 0, shstrtab_at, 0, 1));
        for s in &sections {
            let name = s.owned.as_deref().unwrap_or(s.name);
            name_offsets.push(if name.is_empty() { 0 } else { shstrtab.len() as u32 });
            if !name.is_empty() {
                shstrtab.extend_from_slice(name.as_bytes());
                shstrtab.push(0);
            }
        }
        let last = sections.len() - 1;
        sections[last].size = shstrtab.len() as u64;
        body.bytes(&shstrtab).mark().align(8, 0).mark();
        let shoff = body.len();
        for (s, name) in sections.iter().zip(&name_offsets) {
            body.u32(*name)
                .u32(s.kind)
                .word(s.flags, wide)
                .word(s.addr, wide)
                .word(s.offset as u64, wide);
            body.word(s.size, wide)
                .u32(s.link)
                .u32(s.info)
                .word(s.align, wide)
                .word(s.entsize, wide);
        }
        body.mark().bytes(&self.appended);
        let mut built = body.finish();

        let mut head = Out::with_order(self.big);
        let machine = match (wide, self.big) {
            (true, false) => 62,
            (false, false) => 3,
            (true, true) => 22,
            (false, true) => 20,
        };
        head.bytes(b"\x7fELF")
            .u8(if wide { 2 } else { 1 })
            .u8(if self.big { 2 } else { 1 })
            .u8(1)
            .fill(9, 0);
        head.u16(2).u16(machine).u32(1);
        head.word(self.entry.unwrap_or(text_addr), wide)
            .word(ehsize as u64, wide)
            .word(shoff as u64, wide);
        head.u32(0)
            .u16(ehsize as u16)
            .u16(phentsize as u16)
            .u16(phnum as u16)
            .u16(shentsize);
        head.u16(self.shnum.unwrap_or(sections.len() as u16)).u16(last as u16);
        let note_addr = address(note_at, 0);
        let code_flags = if self.writable_text { 7 } else { 5 };
        let mut segments = vec![
            (1, 4, 0, BASE, head_end as u64, head_end as u64, 0x1_0000),
            (
                1,
                code_flags,
                text_at,
                text_addr,
                self.text.len() as u64,
                self.text.len() as u64,
                0x1_0000,
            ),
            (
                1,
                6,
                data_at,
                data_addr,
                self.data.len() as u64,
                self.data.len() as u64 + self.bss,
                0x1_0000,
            ),
        ];
        for (i, extra) in self.extra.iter().enumerate() {
            let n = extra.data.len() as u64;
            segments.push((1, 6, extra_at[i], extra_address(extra_at[i], i), n, n, 0x1000));
        }
        segments.push((4, 4, note_at, note_addr, 36, 36, 4));
        segments.push((0x6474_e551, 6, 0, 0, 0, 0, 16));
        for (kind, flags, offset, addr, filesz, memsz, align) in segments {
            head.u32(kind);
            if wide {
                head.u32(flags);
            }
            head.word(offset as u64, wide)
                .word(addr, wide)
                .word(addr, wide)
                .word(filesz, wide)
                .word(memsz, wide);
            if !wide {
                head.u32(flags);
            }
            head.word(align, wide);
        }
        let head = head.into_bytes();
        built.bytes[..head.len()].copy_from_slice(&head);
        built.boundaries.insert(0, ehsize as u64);
        built
    }
}

/// A program with a dynamic table of `entries` in `.data`, behind those of its strings, which are `.rodata`.
///
/// # Panics
///
/// Never: the builder's own files are read.
pub fn dynamic(strings: &[u8], entries: &[(u64, u64)]) -> Vec<u8> {
    let length = (entries.len() + 3) * 16;
    let mut bytes = Elf {
        rodata: strings.to_vec(),
        data: vec![0; length],
        ..Elf::new(true, false)
    }
    .build();
    let word = |bytes: &[u8], at: usize| super::bytes::le64(bytes, at);
    let headers = word(&bytes, 40) as usize;
    let base = word(&bytes, headers + 2 * 64 + 16);
    let table = word(&bytes, headers + 4 * 64 + 24) as usize;
    let own = [(5, base), (10, strings.len() as u64)];
    for (i, (tag, value)) in own.iter().chain(entries).enumerate() {
        bytes[table + 16 * i..][..8].copy_from_slice(&tag.to_le_bytes());
        bytes[table + 16 * i + 8..][..8].copy_from_slice(&value.to_le_bytes());
    }
    // The header of the notes becomes that of the table.
    let note = 64 + 3 * 56;
    bytes[note] = 2;
    bytes[note + 8..][..8].copy_from_slice(&(table as u64).to_le_bytes());
    bytes[note + 32..][..8].copy_from_slice(&(length as u64).to_le_bytes());
    bytes
}

/// A program that takes `path` by the entry `tag` of its dynamic table.
pub fn asking(tag: u64, path: &str) -> Vec<u8> {
    dynamic(&[b"\0", path.as_bytes(), b"\0"].concat(), &[(tag, 1)])
}

/// A small well-formed x86-64 executable.
pub fn small() -> Vec<u8> {
    Elf::new(true, false).build()
}

fn extra_address(at: usize, index: usize) -> u64 {
    0x1000_0000 + 0x100_0000 * index as u64 + at as u64
}

fn symbol(out: &mut Out, wide: bool, name: u32, value: u64, size: u64, info: u8, shndx: u16) {
    out.u32(name);
    if wide {
        out.u8(info).u8(0).u16(shndx).u64(value).u64(size);
    } else {
        out.u32(value as u32).u32(size as u32).u8(info).u8(0).u16(shndx);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::bytes::{le64, take};

    #[test]
    fn section_table_and_names_are_where_the_header_says() {
        let file = small();
        let shoff = le64(&file, 0x28) as usize;
        let shnum = u16::from_le_bytes(take(&file, 0x3c)) as usize;
        assert_eq!(shoff + shnum * 64, file.len());
        let shstrndx = u16::from_le_bytes(take(&file, 0x3e)) as usize;
        let names = le64(&file, shoff + shstrndx * 64 + 0x18) as usize;
        assert_eq!(&file[names..names + 20], b"\0.note.gnu.build-id\0");
    }

    #[test]
    fn entry_lies_in_the_executable_segment_for_every_class_and_order() {
        for (wide, big) in [(true, false), (true, true), (false, false), (false, true)] {
            let elf = Elf::new(wide, big);
            let file = elf.build();
            assert_eq!(&file[..4], b"\x7fELF");
            let at = file.windows(elf.text.len()).position(|w| w == elf.text).unwrap();
            assert_eq!(at % 16, 0);
        }
    }
}
