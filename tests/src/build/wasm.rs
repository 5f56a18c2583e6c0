//! WebAssembly modules and components.

use super::bytes::{Built, Out};

/// A section: its id, the length of its content in LEB128, the content.
pub fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id][..], &leb(content.len() as u32), content].concat()
}

/// A custom section called `name`.
pub fn custom(name: &str, content: &[u8]) -> Vec<u8> {
    section(0, &[&text(name), content].concat())
}

/// An unsigned LEB128 integer.
pub fn leb(mut value: u32) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            out.push(byte);
            return out;
        }
        out.push(byte | 0x80);
    }
}

/// A name: its length, its bytes.
pub fn text(name: &str) -> Vec<u8> {
    [&leb(name.len() as u32), name.as_bytes()].concat()
}

/// A module of the given sections.
pub fn module(sections: &[Vec<u8>]) -> Built {
    preamble(b"\0asm\x01\0\0\0", sections)
}

/// A component of the given sections.
pub fn component(sections: &[Vec<u8>]) -> Built {
    preamble(b"\0asm\x0d\0\x01\0", sections)
}

fn preamble(magic: &[u8], sections: &[Vec<u8>]) -> Built {
    let mut out = Out::le();
    out.bytes(magic);
    for section in sections {
        out.mark().bytes(section);
    }
    out.finish()
}

/// A module that imports a function, exports another that returns its argument, and says who made it.
pub fn small() -> Built {
    let import = [&[1][..], &text("env"), &text("log"), &[0, 0]].concat();
    let export = [&[1][..], &text("same"), &[0, 1]].concat();
    module(&[
        section(1, &[1, 0x60, 1, 0x7f, 1, 0x7f]),
        section(2, &import),
        section(3, &[1, 0]),
        section(5, &[1, 0, 1]),
        section(7, &export),
        section(12, &[1]),
        section(10, &[1, 4, 0, 0x20, 0, 0x0b]),
        section(11, &[1, 0, 0x41, 0, 0x0b, 2, b'h', b'i']),
        custom("name", &[0, 2, 1, b'm']),
        custom("producers", &[0]),
        custom("sourceMappingURL", &text("m.wasm.map")),
    ])
}
