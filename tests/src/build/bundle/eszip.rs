//! Eszips (eszip, `src/v2.rs`), and the payloads of Deno 1 and 2.0 around them.

use super::deno::Deno;
use crate::build::bytes::{Built, Out};
use crate::build::elf::Elf;
use crate::build::sha256::sha256;

/// An eszip. Start from [`Eszip::new`] and change fields.
#[derive(Clone, Debug)]
pub struct Eszip {
    /// `_V2`, `2.1`, `2.2` or `2.3`.
    pub version: &'static str,
    /// Since 2.2: 0 for no checksums, 1 for SHA-256, 2 for XXH3, of which zeros stand in.
    pub checksum: u8,
    /// Specifier, source, source map.
    pub modules: Vec<(String, Vec<u8>, Vec<u8>)>,
    /// Specifier and target.
    pub redirects: Vec<(String, String)>,
    /// npm packages that are asked for, by specifier.
    pub packages: Vec<String>,
    /// Bytes of the npm part.
    pub npm: Vec<u8>,
}

impl Eszip {
    /// A main module, one that it imports, a redirect and an npm package.
    pub fn new(version: &'static str) -> Self {
        Self {
            version,
            checksum: 1,
            modules: vec![
                (
                    "file:///main.ts".into(),
                    b"import 'https://modules.example.com/a.ts';\n".to_vec(),
                    br#"{"version":3,"sources":["main.ts"],"mappings":""}"#.to_vec(),
                ),
                (
                    "https://modules.example.com/a.ts".into(),
                    b"export const a = 1;\n".to_vec(),
                    Vec::new(),
                ),
            ],
            redirects: vec![(
                "https://modules.example.com/a".into(),
                "https://modules.example.com/a.ts".into(),
            )],
            packages: if version == "_V2" {
                Vec::new()
            } else {
                vec!["npm:left-pad".into()]
            },
            npm: b"\0\0\0\x0eleft-pad@1.3.0\0\0\0\0".to_vec(),
        }
    }

    fn has_options(&self) -> bool {
        matches!(self.version, "2.2" | "2.3")
    }

    fn digest(&self, bytes: &[u8]) -> Vec<u8> {
        match self.checksum {
            _ if !self.has_options() => sha256(bytes).to_vec(),
            0 => Vec::new(),
            1 => sha256(bytes).to_vec(),
            _ => vec![0; 8],
        }
    }

    /// A part behind its length, with its checksum.
    fn part(&self, out: &mut Out, bytes: &[u8]) {
        out.u32(bytes.len() as u32).mark().bytes(bytes).mark();
        out.bytes(&self.digest(bytes)).mark();
    }

    /// The eszip.
    pub fn built(&self) -> Built {
        let mut out = Out::be();
        out.bytes(b"ESZIP").bytes(self.version.as_bytes()).mark();
        if self.has_options() {
            self.part(&mut out, &[0, self.checksum]);
        }
        let mut areas = [Vec::new(), Vec::new()];
        let mut table = Out::be();
        let text = |table: &mut Out, text: &str| {
            table.u32(text.len() as u32).bytes(text.as_bytes());
        };
        for (specifier, source, map) in &self.modules {
            text(&mut table, specifier);
            table.u8(0);
            for (area, content) in areas.iter_mut().zip([source, map]) {
                let offset = if content.is_empty() { 0 } else { area.len() };
                table.u32(offset as u32).u32(content.len() as u32);
                if !content.is_empty() {
                    area.extend(content);
                    area.extend(self.digest(content));
                }
            }
            table.u8(0);
        }
        for (specifier, target) in &self.redirects {
            text(&mut table, specifier);
            table.u8(1);
            text(&mut table, target);
        }
        for specifier in &self.packages {
            text(&mut table, specifier);
            table.u8(2).u32(0);
        }
        self.part(&mut out, &table.into_bytes());
        if self.version != "_V2" {
            self.part(&mut out, &self.npm);
        }
        for area in &areas {
            out.u32(area.len() as u32).mark().bytes(area).mark();
        }
        out.finish()
    }

    /// The eszip's bytes.
    pub fn build(&self) -> Vec<u8> {
        self.built().bytes
    }
}

/// The parts of a payload around an eszip, and where each begins, from `base` on.
fn parts(eszip: &Eszip, positions: usize, base: u64) -> (Vec<u8>, Vec<u64>) {
    let other = Deno::new();
    let directory = r#"{"name":"root","entries":[{"Dir":{"name":"data","entries":[{"File":{"name":"notes.txt","offset":0,"len":12}}]}}]}"#;
    let all = [
        eszip.build(),
        other.metadata.into_bytes(),
        directory.into(),
        b"a data file\n".to_vec(),
    ];
    let (mut bytes, mut starts) = (Vec::new(), Vec::new());
    for part in &all[..positions] {
        starts.push(base + bytes.len() as u64);
        bytes.extend(part);
    }
    (bytes, starts)
}

fn mark(starts: &[u64]) -> Vec<u8> {
    let mut out = Out::be();
    out.bytes(b"d3n0l4nd");
    for start in starts {
        out.u64(*start);
    }
    out.into_bytes()
}

/// An executable as Deno 1 compiled it: four positions at its end, or two as before 1.33.
pub fn deno_1(eszip: &Eszip, positions: usize) -> Vec<u8> {
    let host = |appended| {
        let elf = Elf {
            appended,
            ..Elf::new(true, false)
        };
        elf.build()
    };
    let length = parts(eszip, positions, 0).0.len() + 8 + 8 * positions;
    let base = host(vec![1; length]).len() - length;
    let (payload, starts) = parts(eszip, positions, base as u64);
    host([payload, mark(&starts)].concat())
}

/// The section of a program that Deno 2.0 compiled.
pub fn deno_2(eszip: &Eszip) -> Vec<u8> {
    let (payload, starts) = parts(eszip, 4, 0);
    [mark(&starts), payload].concat()
}
