//! .NET single-file programs (.NET runtime, `Microsoft.NET.HostModel/Bundle`).

use crate::build::bytes::Out;
use crate::build::elf::Elf;
use crate::build::gzip::deflate;

/// The marker behind the offset of the bundle's header.
pub const MARKER: [u8; 32] = [
    0x8b, 0x12, 0x02, 0xb9, 0x6a, 0x61, 0x20, 0x38, 0x72, 0x7b, 0x93, 0x02, 0x14, 0xd7, 0xa0, 0x32, 0x13, 0xf5, 0xb9,
    0xe6, 0xef, 0xae, 0x33, 0x18, 0xee, 0x3b, 0x2d, 0xce, 0x24, 0xb3, 0x6a, 0xae,
];

/// A program. Start from [`DotNet::new`] and change fields.
#[derive(Clone, Debug)]
pub struct DotNet {
    /// 1, 2 or 6.
    pub version: u32,
    /// Files: path, type, content, whether it is deflated.
    pub files: Vec<(String, u8, Vec<u8>, bool)>,
}

impl DotNet {
    /// An assembly (a PE image), a deflated library and the two configurations.
    pub fn new(version: u32) -> Self {
        let json = |name: &str| (name.to_owned(), 3, b"{\"runtimeTarget\": {}}\n".to_vec(), false);
        Self {
            version,
            files: vec![
                ("agent.dll".into(), 1, crate::build::pe::small(), false),
                ("libinert.so".into(), 2, crate::build::elf::small(), version >= 6),
                json("agent.deps.json"),
                json("agent.runtimeconfig.json"),
            ],
        }
    }

    /// The host with the bundle behind it.
    pub fn build(&self) -> Vec<u8> {
        let host = |header: u64| {
            let mut data = header.to_le_bytes().to_vec();
            data.extend_from_slice(&MARKER);
            Elf {
                data,
                ..Elf::new(true, false)
            }
            .build()
        };
        let base = host(0).len();
        let mut out = Out::le();
        let mut places = Vec::new();
        for (.., content, deflated) in &self.files {
            while !(base + out.len()).is_multiple_of(16) {
                out.u8(0);
            }
            let stored = if *deflated { deflate(content) } else { content.clone() };
            places.push((base + out.len(), content.len(), stored.len()));
            out.bytes(&stored);
        }
        let header = base + out.len();
        out.u32(self.version).u32(0).u32(self.files.len() as u32);
        out.u8(12).bytes(b"AbCdEf012345");
        if self.version >= 2 {
            out.fill(40, 0);
        }
        for ((path, kind, _, deflated), (offset, size, stored)) in self.files.iter().zip(places) {
            out.u64(offset as u64).u64(size as u64);
            if self.version >= 6 {
                out.u64(if *deflated { stored as u64 } else { 0 });
            }
            out.u8(*kind).u8(path.len() as u8).bytes(path.as_bytes());
        }
        [host(header as u64), out.into_bytes()].concat()
    }
}
