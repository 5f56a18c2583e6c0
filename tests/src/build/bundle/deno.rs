//! Payloads of compiled Deno programs (Deno, `cli/standalone/binary.rs`), and the places they are put in.

use super::counted;
use crate::build::bytes::{Built, Out};
use crate::build::elf::Elf;

/// A payload. Start from [`Deno::new`] and change fields.
#[derive(Clone, Debug)]
pub struct Deno {
    /// The metadata.
    pub metadata: String,
    /// Remote modules: specifier, source, transpiled text.
    pub modules: Vec<(String, Vec<u8>, Option<Vec<u8>>)>,
    /// The directory of the file system.
    pub directory: String,
    /// The contents of its files.
    pub files: Vec<u8>,
}

impl Deno {
    /// A local entry point and one remote module.
    pub fn new() -> Self {
        let main = "import 'https://modules.example.com/a.ts';\n";
        let data = "a data file\n";
        let metadata = r#"{"argv":[],"permissions":{"allow_all":false,"allow_net":["api.example.com"],"allow_env":null},"v8_flags":["--expose-gc"],"entrypoint_key":"main.ts"}"#;
        let directory = format!(
            r#"[{{"File":{{"n":"main.ts","o":[0,{}],"u":true,"m":[0,{}]}}}},{{"Dir":{{"n":"data","e":[{{"File":{{"n":"notes.txt","o":[{},{}]}}}}]}}}}]"#,
            main.len(),
            main.len(),
            main.len(),
            data.len()
        );
        Self {
            metadata: metadata.into(),
            modules: vec![(
                "https://modules.example.com/a.ts".into(),
                b"export const a: number = 1;\n".to_vec(),
                Some(b"export const a = 1;\n".to_vec()),
            )],
            directory,
            files: format!("{main}{data}").into_bytes(),
        }
    }

    /// The payload.
    pub fn built(&self) -> Built {
        let mut out = Out::le();
        out.bytes(b"d3n0l4nd").mark();
        counted(&mut out, self.metadata.as_bytes());
        counted(&mut out, b"");
        out.u32(self.modules.len() as u32);
        for (id, (specifier, ..)) in self.modules.iter().enumerate() {
            out.u32(specifier.len() as u32)
                .bytes(specifier.as_bytes())
                .u32(id as u32);
        }
        out.mark().u32(0).mark().u32(self.modules.len() as u32).mark();
        for (id, (_, source, transpiled)) in self.modules.iter().enumerate() {
            out.u32(id as u32)
                .u8(4)
                .u32(source.len() as u32)
                .mark()
                .bytes(source)
                .mark();
            out.u8(u8::from(transpiled.is_some())).mark();
            if let Some(text) = transpiled {
                out.u32(text.len() as u32).mark().bytes(text).mark();
            }
        }
        counted(&mut out, self.directory.as_bytes());
        counted(&mut out, &self.files);
        out.bytes(b"d3n0l4nd");
        out.finish()
    }

    /// The payload's bytes.
    pub fn build(&self) -> Vec<u8> {
        self.built().bytes
    }

    /// An executable with the payload in a note, as libsui writes it since 0.6.
    pub fn in_elf(&self) -> Vec<u8> {
        let mut descriptor = Out::le();
        descriptor.u16(8).bytes(b"d3n0l4nd").bytes(&self.build());
        super::sea::noted(b"SUI\0", &descriptor.into_bytes())
    }

    /// An executable with the payload behind it, as libsui wrote it before.
    pub fn appended(&self) -> Vec<u8> {
        let payload = self.build();
        let mut tail = Out::le();
        tail.bytes(&payload).u32(0x501e).u32(payload.len() as u32 + 8);
        Elf {
            appended: tail.into_bytes(),
            ..Elf::new(true, false)
        }
        .build()
    }
}

impl Default for Deno {
    fn default() -> Self {
        Self::new()
    }
}
