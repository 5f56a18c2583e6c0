//! Datatype and dataspace messages (sections IV.A.2.b and d).
//!
//! | offset | size | datatype | | offset | size | dataspace, version 1 (2) |
//! | --- | --- | --- | --- | --- | --- | --- |
//! | 0 | 1 | class, low nibble; version | | 0 | 1 | version |
//! | 1 | 3 | bits of the class | | 1 | 1 | rank |
//! | 4 | 4 | bytes of an element | | 2 | 1 | flags |
//! | 8 | .. | properties of the class | | 8 (4) | .. | dimensions, then largest dimensions |

use super::fields::Fields;
use super::file::File;

/// An element type, as far as names and references into heaps go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Datatype {
    /// As people spell it: `float32`, `int8`, `string`, `compound`.
    pub(super) name: Box<str>,
    /// Bytes of an element in the file.
    pub(super) size: u32,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Characters, all of one length.
    Text,
    /// Opaque bytes.
    Opaque,
    /// A string of its own length, in a global heap.
    TextInHeap,
    /// A sequence of its own length, in a global heap.
    SequenceInHeap,
    Other,
}

/// Reads a datatype message.
pub(super) fn read(body: &[u8]) -> Option<Datatype> {
    let mut fields = Fields::new(body);
    let class = fields.u8()? & 0x0f;
    let (bits, _, _) = (fields.u8()?, fields.u8()?, fields.u8()?);
    let size = fields.u32()?;
    let mut kind = Kind::Other;
    let wide = u64::from(size).saturating_mul(8);
    let name = match class {
        0 if bits & 8 == 0 => format!("uint{wide}"),
        0 => format!("int{wide}"),
        1 if size == 2 => {
            // Offset and precision, then the exponent's place and size.
            fields.skip(5)?;
            let exponent = fields.u8()?;
            if exponent == 8 { "bfloat16" } else { "float16" }.to_owned()
        }
        1 => format!("float{wide}"),
        2 => "time".to_owned(),
        3 => {
            kind = Kind::Text;
            "string".to_owned()
        }
        4 => format!("bits{wide}"),
        5 => {
            kind = Kind::Opaque;
            "opaque".to_owned()
        }
        6 => "compound".to_owned(),
        7 => "reference".to_owned(),
        8 => "enum".to_owned(),
        9 if bits & 0x0f == 1 => {
            kind = Kind::TextInHeap;
            "string".to_owned()
        }
        9 => {
            kind = Kind::SequenceInHeap;
            "sequence".to_owned()
        }
        10 => "array".to_owned(),
        _ => return None,
    };
    // Bit 0 is the byte order (IV.A.2.d); such elements are spelled as NumPy does.
    let name = match class {
        0 if bits & 1 == 1 && bits & 8 == 0 => format!(">u{size}"),
        0 if bits & 1 == 1 => format!(">i{size}"),
        1 if bits & 1 == 1 => format!(">f{size}"),
        _ => name,
    };
    let name = name.into();
    Some(Datatype { name, size, kind })
}

/// A dataspace message's dimensions; empty for a scalar, `None` for a null dataspace or a broken one.
pub(super) fn dimensions(file: &File<'_, '_, '_>, body: &[u8]) -> Option<Vec<u64>> {
    let mut fields = Fields::new(body);
    let version = fields.u8()?;
    let rank = fields.u8()?;
    fields.skip(1)?;
    match version {
        1 => fields.skip(5)?,
        2 => {
            if fields.u8()? == 2 {
                return None;
            }
        }
        _ => return None,
    }
    (0..rank).map(|_| file.length(&mut fields)).collect()
}
