//! Bun standalone module graphs, in every embedding Bun has used.
//!
//! Source: Bun's `StandaloneModuleGraph.zig` (later `.rs`), checked against three published agents of 2026 (ELF, Mach-O,
//! PE; 3,487 to 3,508 modules each). All integers are little-endian; every offset in the graph counts from the payload's
//! first byte.
//!
//! # The container
//!
//! | embedding | bytes |
//! | --- | --- |
//! | section (ELF `.bun`, PE `.bun`, Mach-O `__BUN,__bun`) | `u64 L`, then `L` bytes of payload; nothing follows inside the section. In all three `8 + L` equals the section's size (PE: its `VirtualSize`; Mach-O: the section's, not the segment's) |
//! | section, early macOS | the same with `u32 L` |
//! | appended to an executable | payload, then `u64` total: the whole file's length; the last 8 bytes of the file. The reader only asks that it be 4096 to `u32::MAX` and above `byte_count`, so compare it and report, do not require it |
//!
//! An ELF reader finds the payload by a pointer: eight bytes holding `.bun`'s new address stay where the linker had put
//! `.bun`, right after `.data` in the real file and inside no section any more.
//!
//! # The payload of `L` bytes
//!
//! | offset | length | what |
//! | --- | --- | --- |
//! | 0 | `byte_count` | strings, contents, bytecode, module table, table records, argv |
//! | `byte_count` | 32 | Offsets (24 without the argv pointer, in the oldest) |
//! | `byte_count + 32` | 16 | `"\n---- Bun! ----\n"` |
//!
//! Real: `byte_count == L - 48`.
//!
//! # Offsets, 32 bytes
//!
//! | at | field |
//! | --- | --- |
//! | 0 | `byte_count: u64` |
//! | 8 | `modules_ptr: { offset: u32, length: u32 }` (length in bytes, a multiple of the record size) |
//! | 16 | `entry_point_id: u32` (index into the table; 7 in all three real files) |
//! | 20 | `compile_exec_argv_ptr: { u32, u32 }` |
//! | 28 | `flags: u32`; before flags existed, four bytes of alignment (any content) |
//!
//! Flags: 0 no `.env`, 1 no bunfig, 2 no tsconfig, 3 no package.json, 4 source text contiguous, 5 source hashes,
//! 6 builtin bytecode, 7 bytecode string table, 8 startup module count, 9 module-info string table, 10 cross-compiled
//! bytecode. Bits 11 to 13 are also set in real files (0x3bff; Mach-O 0x3fff) and are not in the public source.
//!
//! # Module record
//!
//! | at (52) | at (36) | field |
//! | --- | --- | --- |
//! | 0 | 0 | `name: { offset: u32, length: u32 }`, under `/$bunfs/` or `B:/~BUN/` |
//! | 8 | 8 | `contents` |
//! | 16 | 16 | `sourcemap` (0, 0 when absent) |
//! | 24 | 24 | `bytecode` (0, 0 when absent) |
//! | 32 | - | `module_info` |
//! | 40 | - | `bytecode_origin_path` (a second copy of the name) |
//! | 48 | 32 | `encoding: u8` 0 binary, 1 latin1, 2 UTF-16LE (utf8 before) |
//! | 49 | 33 | `loader: u8` 0 jsx, 1 js, 2 ts, 3 tsx, 4 css, 5 file, 6 json, 7 jsonc, 8 toml, 9 wasm, 10 napi, 11 base64, 12 dataurl, 13 text |
//! | 50 | 34 | `module_format: u8` 0 none, 1 esm, 2 cjs |
//! | 51 | 35 | `side: u8` 0 server, 1 client (embedded assets) |
//!
//! The oldest records are 32 bytes or less (`side` and `bytecode` absent); not built here.
//!
//! # Order of the payload in the real files
//!
//! 1. 120 zero bytes (so that `8 + 120` is 128-aligned), the shared bytecode string table, the module-info string table,
//!    and one more region that an unpublished record points at; all of it before the first module's bytecode.
//! 2. Bytecode. Every module's slice starts 4-aligned and *ends at the same byte*, the start of the contents: the slices
//!    overlap and sum to 370 GB. Each names only where its own data starts.
//! 3. Contents, in table order, each followed by one NUL, or by two for UTF-16 (which starts at an even offset, so one
//!    more zero byte may precede it).
//! 4. Names and origin paths, alternating, each followed by a NUL; after the last one, the module table at once
//!    (no alignment).
//! 5. The table records, chained after the module table in flag order: `[u32; modules]` source hashes (flag 5);
//!    `u32 n`, then `n` times `{ u32 id, u32 offset, u32 length }` (flag 6; 137 in real files);
//!    `{ u32, u32 }` bytecode string table (flag 7); `u32` startup module count (flag 8; 8 in real files);
//!    `{ u32, u32 }` module-info string table (flag 9); then what bits 11 to 13 mean: about 13 kB that begin with a
//!    `{ u32, u32 }` pointer to region 1's third part and a `u32` count of the script modules.
//! 6. argv, and its NUL. `compile_exec_argv_ptr.offset` is where the records end; its NUL is the last byte before
//!    Offsets.
//!
//! Older builds have neither 1 nor 5, and interleave 2 to 4 per module: bytecode (at `O % 128 == 120`), name NUL,
//! contents NUL, source map.

use super::bytes::{Built, Out};
use super::elf::{self, Elf};
use super::macho::{Cpu, MachO};
use super::pe::{self, Pe};

/// The 16 bytes that end every payload.
pub const TRAILER: &[u8; 16] = b"\n---- Bun! ----\n";

/// One module of the graph.
#[derive(Clone, Debug, Default)]
pub struct Module {
    /// Virtual path.
    pub name: String,
    /// Source text or asset bytes.
    pub contents: Vec<u8>,
    /// Serialised source map; empty for none.
    pub sourcemap: Vec<u8>,
    /// Bytecode; empty for none.
    pub bytecode: Vec<u8>,
    /// 0 binary, 1 latin1, 2 UTF-16.
    pub encoding: u8,
    /// 1 js, 5 file, 10 napi, 13 text.
    pub loader: u8,
    /// 0 none, 1 esm, 2 cjs.
    pub module_format: u8,
    /// 0 server, 1 client.
    pub side: u8,
}

/// A module graph. Start from [`Graph::new`] and change fields.
#[derive(Clone, Debug)]
pub struct Graph {
    /// The modules in table order.
    pub modules: Vec<Module>,
    /// Records of 52 bytes rather than of 36.
    pub wide_records: bool,
    /// Index of the entry point.
    pub entry_point_id: u32,
    /// The command line baked in.
    pub exec_argv: String,
    /// Offsets flags; the table records of bits 5 to 9 are written when set.
    pub flags: u32,
    /// Non-zero bytes between the last name and the module table that nothing refers to.
    pub stuffing: Vec<u8>,
    /// `byte_count`, when not the truth.
    pub byte_count: Option<u64>,
    /// `modules_ptr.length`, when not the truth.
    pub modules_length: Option<u32>,
}

impl Graph {
    /// A script with bytecode, a chunk with bytecode and an asset, under `root`: `/$bunfs/` or `B:/~BUN/`.
    pub fn new(root: &str, wide_records: bool) -> Self {
        let script = |name: &str, text: &str, code: u8| Module {
            name: format!("{root}root/{name}"),
            contents: text.as_bytes().to_vec(),
            bytecode: vec![code; 64],
            encoding: 1,
            loader: 1,
            module_format: 1,
            ..Module::default()
        };
        Self {
            modules: vec![
                script("cli", "// @bun @bytecode\nimport './chunk-a.js';\n", 0xb1),
                script("chunk-a.js", "// @bun\nfetch('https://api.example.com/v1');\n", 0xb2),
                Module {
                    name: format!("{root}root/notes.txt"),
                    contents: b"an embedded asset\n".to_vec(),
                    encoding: 0,
                    loader: 5,
                    side: 1,
                    ..Module::default()
                },
            ],
            wide_records,
            entry_point_id: 0,
            exec_argv: "--smol".into(),
            flags: if wide_records { 0x3ef } else { 0 },
            stuffing: Vec::new(),
            byte_count: None,
            modules_length: None,
        }
    }

    /// The payload: strings, table, records, argv, Offsets and trailer, without a length in front.
    pub fn payload(&self) -> Vec<u8> {
        self.payload_built().bytes
    }

    /// The payload and its structure boundaries.
    pub fn payload_built(&self) -> Built {
        let mut out = Out::le();
        let mut bytecode = vec![(0u32, 0u32); self.modules.len()];
        out.fill(120, 0).mark();
        let (strings, info_strings) = if self.wide_records {
            let strings = place(&mut out, b"shared bytecode strings ");
            (strings, place(&mut out, b"module info strings "))
        } else {
            ((0, 0), (0, 0))
        };
        out.align(4, 0).mark();
        for (i, module) in self.modules.iter().enumerate() {
            if !module.bytecode.is_empty() {
                out.align(4, 0);
                bytecode[i] = place(&mut out, &module.bytecode);
            }
        }
        let bytecode_end = out.len() as u32;
        if self.wide_records {
            for slot in bytecode.iter_mut().filter(|b| b.1 > 0) {
                slot.1 = bytecode_end - slot.0;
            }
        }
        out.mark();
        let contents: Vec<_> = self.modules.iter().map(|m| place_z(&mut out, &m.contents)).collect();
        let sourcemaps: Vec<_> = self.modules.iter().map(|m| place(&mut out, &m.sourcemap)).collect();
        out.mark();
        let mut names = Vec::new();
        for module in &self.modules {
            let name = place_z(&mut out, module.name.as_bytes());
            let origin = if self.wide_records && !module.bytecode.is_empty() {
                place_z(&mut out, module.name.as_bytes())
            } else {
                (0, 0)
            };
            names.push((name, origin));
        }
        out.mark().bytes(&self.stuffing).mark();
        let table = out.len() as u32;
        for (i, module) in self.modules.iter().enumerate() {
            let mut pointers = vec![names[i].0, contents[i], sourcemaps[i], bytecode[i]];
            if self.wide_records {
                pointers.extend([(0, 0), names[i].1]);
            }
            for (offset, length) in pointers {
                out.u32(offset).u32(length);
            }
            out.u8(module.encoding)
                .u8(module.loader)
                .u8(module.module_format)
                .u8(module.side)
                .mark();
        }
        let table_len = out.len() as u32 - table;
        self.records(&mut out, strings, info_strings, bytecode_end);
        out.mark();
        let argv = place_z(&mut out, self.exec_argv.as_bytes());
        out.mark();
        let byte_count = self.byte_count.unwrap_or(out.len() as u64);
        out.u64(byte_count)
            .u32(table)
            .u32(self.modules_length.unwrap_or(table_len))
            .u32(self.entry_point_id);
        out.u32(argv.0).u32(argv.1).u32(self.flags).mark().bytes(TRAILER);
        out.finish()
    }

    fn records(&self, out: &mut Out, strings: (u32, u32), info_strings: (u32, u32), bytecode_end: u32) {
        let has = |bit: u32| self.flags >> bit & 1 == 1;
        if has(5) {
            for i in 0..self.modules.len() as u32 {
                out.u32(0x00ab_0000 + i);
            }
        }
        if has(6) {
            out.u32(1).u32(167).u32(bytecode_end - 16).u32(16);
        }
        if has(7) {
            out.u32(strings.0).u32(strings.1);
        }
        if has(8) {
            out.u32(1);
        }
        if has(9) {
            out.u32(info_strings.0).u32(info_strings.1);
        }
    }

    /// The content of a `.bun` section: the payload behind its length.
    pub fn section(&self) -> Vec<u8> {
        let payload = self.payload();
        let mut out = Out::le();
        out.u64(payload.len() as u64).bytes(&payload);
        out.into_bytes()
    }

    /// An x86-64 ELF with a `.bun` section.
    pub fn in_elf(&self) -> Built {
        let extra = vec![elf::ExtraSection {
            name: ".bun".into(),
            data: self.section(),
        }];
        Elf {
            extra,
            ..Elf::new(true, false)
        }
        .built()
    }

    /// A PE32+ with a `.bun` section.
    pub fn in_pe(&self) -> Built {
        let extra = vec![pe::ExtraSection {
            name: ".bun".into(),
            data: self.section(),
        }];
        Pe { extra, ..Pe::new(true) }.built()
    }

    /// An arm64 Mach-O with a `__BUN,__bun` section.
    pub fn in_macho(&self) -> Built {
        MachO {
            bun: Some(self.section()),
            ..MachO::new(Cpu::Arm64)
        }
        .built()
    }

    /// An ELF (padded to 4 KiB) with the payload and the file's total length appended.
    pub fn appended(&self) -> Built {
        let mut elf = Elf {
            rodata: vec![b'r'; 4096],
            ..Elf::new(true, false)
        }
        .built();
        let payload = self.payload_built();
        let base = elf.bytes.len() as u64;
        elf.boundaries.push(base);
        elf.boundaries.extend(payload.boundaries.iter().map(|b| b + base));
        elf.bytes.extend_from_slice(&payload.bytes);
        elf.boundaries.push(elf.bytes.len() as u64);
        let total = elf.bytes.len() as u64 + 8;
        elf.bytes.extend_from_slice(&total.to_le_bytes());
        elf
    }
}

/// Appends bytes and returns their pointer, (0, 0) when empty.
fn place(out: &mut Out, bytes: &[u8]) -> (u32, u32) {
    if bytes.is_empty() {
        return (0, 0);
    }
    let at = out.len() as u32;
    out.bytes(bytes);
    (at, bytes.len() as u32)
}

/// The same with a NUL that the length does not count.
fn place_z(out: &mut Out, bytes: &[u8]) -> (u32, u32) {
    let pointer = place(out, bytes);
    out.u8(0);
    pointer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::bytes::{find, le32, le64};

    #[test]
    fn offsets_lead_to_names_and_argv_for_both_record_sizes() {
        for (root, wide, size) in [("/$bunfs/", true, 52), ("B:/~BUN/", false, 36)] {
            let payload = Graph::new(root, wide).payload();
            let offsets = payload.len() - 48;
            assert_eq!(le64(&payload, offsets), offsets as u64);
            let (table, length) = (
                le32(&payload, offsets + 8) as usize,
                le32(&payload, offsets + 12) as usize,
            );
            assert_eq!(length, 3 * size);
            for i in 0..3 {
                let name = le32(&payload, table + i * size) as usize;
                assert!(payload[name..].starts_with(root.as_bytes()));
            }
            let (argv, n) = (
                le32(&payload, offsets + 20) as usize,
                le32(&payload, offsets + 24) as usize,
            );
            assert_eq!(&payload[argv..argv + n + 1], b"--smol\0");
            assert_eq!(argv + n + 1, offsets);
        }
    }

    #[test]
    fn every_embedding_carries_the_same_payload() {
        let graph = Graph::new("/$bunfs/", true);
        let section = graph.section();
        for built in [graph.in_elf(), graph.in_pe(), graph.in_macho()] {
            assert!(find(&built.bytes, &section).is_some());
        }
        let appended = graph.appended().bytes;
        let end = appended.len();
        assert_eq!(le64(&appended, end - 8), end as u64);
        assert_eq!(&appended[end - 24..end - 8], TRAILER);
    }
}
