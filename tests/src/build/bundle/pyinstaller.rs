//! PyInstaller archives (PyInstaller, `archive/writers.py`): the archive of members, and the one of modules in it.

use crate::build::bytes::{Built, Out};
use crate::build::compressed::zlib;
use crate::build::marshal::{Code, Layout};

/// A member of the archive.
#[derive(Clone, Debug)]
pub struct Member {
    /// The name.
    pub name: String,
    /// `s`, `m`, `z`, `b`, `x` ...
    pub kind: u8,
    /// The content.
    pub data: Vec<u8>,
    /// Whether it is stored as a zlib stream.
    pub compressed: bool,
}

/// An archive. Start from [`PyInstaller::new`] and change fields.
#[derive(Clone, Debug)]
pub struct PyInstaller {
    /// The members in the order of the table.
    pub members: Vec<Member>,
    /// Bytes between the last member and the table that nothing names.
    pub stuffing: Vec<u8>,
}

impl PyInstaller {
    /// A bootstrap script, the program, its modules, a library and a data file.
    pub fn new() -> Self {
        let code = |name: &str| Code::naming(Layout::Eleven, &["print", name]).build();
        let member = |name: &str, kind: u8, data: Vec<u8>, compressed: bool| Member {
            name: name.into(),
            kind,
            data,
            compressed,
        };
        Self {
            members: vec![
                member("pyi-contents-directory _internal", b'o', Vec::new(), false),
                member("struct", b'm', code("struct"), true),
                member("pyiboot01_bootstrap", b's', code("sys"), true),
                member("agent", b's', code("agent"), true),
                member("lib/data.txt", b'x', b"https://data.example.com/v1\n".to_vec(), true),
                member("libinert.so", b'b', crate::build::elf::small(), true),
                member("PYZ.pyz", b'z', Pyz::new().build(), false),
            ],
            stuffing: Vec::new(),
        }
    }

    /// The archive.
    pub fn built(&self) -> Built {
        let mut out = Out::be();
        let mut table = Out::be();
        for member in &self.members {
            let at = out.len() as u32;
            let stored = if member.compressed {
                zlib(&member.data)
            } else {
                member.data.clone()
            };
            out.bytes(&stored).mark();
            let size = (18 + member.name.len() + 1).next_multiple_of(16);
            table
                .u32(size as u32)
                .u32(at)
                .u32(stored.len() as u32)
                .u32(member.data.len() as u32);
            table.u8(u8::from(member.compressed)).u8(member.kind);
            table.fixed(member.name.as_bytes(), size - 18);
        }
        out.bytes(&self.stuffing).mark();
        let (at, table) = (out.len(), table.into_bytes());
        out.bytes(&table).mark();
        let length = out.len() + 88;
        out.bytes(b"MEI\x0c\x0b\x0a\x0b\x0e").u32(length as u32).u32(at as u32);
        out.u32(table.len() as u32).u32(311).fixed(b"libpython3.11.so", 64);
        out.finish()
    }

    /// The archive's bytes.
    pub fn build(&self) -> Vec<u8> {
        self.built().bytes
    }
}

impl Default for PyInstaller {
    fn default() -> Self {
        Self::new()
    }
}

/// An archive of modules. Start from [`Pyz::new`] and change fields.
#[derive(Clone, Debug)]
pub struct Pyz {
    /// Modules: name, 0 for a module and 1 for a package, and marshalled code.
    pub modules: Vec<(String, u32, Vec<u8>)>,
    /// Whether the members are said to be encrypted.
    pub encrypted: bool,
    /// As older versions wrote the table: a dictionary.
    pub dictionary: bool,
}

impl Pyz {
    /// A package with one module.
    pub fn new() -> Self {
        let code = |name: &str| Code::naming(Layout::Eleven, &["len", name]).build();
        Self {
            modules: vec![
                ("agent".into(), 1, code("agent")),
                ("agent.tools".into(), 0, code("tools")),
            ],
            encrypted: false,
            dictionary: false,
        }
    }

    /// The archive's bytes.
    pub fn build(&self) -> Vec<u8> {
        let mut out = Out::be();
        out.bytes(b"PYZ\0\xa7\x0d\x0d\x0a")
            .u32(0)
            .u8(u8::from(self.encrypted))
            .fill(4, 0);
        let mut table = Out::le();
        if self.dictionary {
            table.u8(b'{');
        } else {
            table.u8(b'[' | 0x80).u32(self.modules.len() as u32);
        }
        // Python remembers small numbers, and refers to them.
        let mut known: Vec<u32> = Vec::new();
        let mut refs = u32::from(!self.dictionary);
        for (name, kind, code) in &self.modules {
            let stored = zlib(code);
            let at = out.len() as u32;
            out.bytes(&stored);
            if !self.dictionary {
                table.u8(b')').u8(2);
            }
            table.u8(b'z').u8(name.len() as u8).bytes(name.as_bytes());
            table.u8(b')').u8(3);
            match known.iter().position(|k| k == kind) {
                Some(index) => {
                    table.u8(b'r').u32(index as u32 + u32::from(!self.dictionary));
                }
                None => {
                    table.u8(b'i' | 0x80).u32(*kind);
                    known.push(*kind);
                    refs += 1;
                }
            }
            table.u8(b'i').u32(at).u8(b'i').u32(stored.len() as u32);
        }
        assert!(refs >= known.len() as u32, "every remembered number has a place");
        if self.dictionary {
            table.u8(b'0');
        }
        let start = out.len() as u32;
        out.patch32(8, start);
        out.bytes(&table.into_bytes());
        out.into_bytes()
    }
}

impl Default for Pyz {
    fn default() -> Self {
        Self::new()
    }
}
