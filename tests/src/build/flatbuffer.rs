//! FlatBuffers, written front to back: each table with its vtable before it, what it refers to behind it.

/// A field's value.
#[derive(Clone, Debug)]
pub enum Value {
    /// The field is absent.
    None,
    /// A scalar or struct, as its bytes.
    Scalar(Vec<u8>),
    /// A string.
    Text(String),
    /// A vector: the number of elements, and their bytes.
    Vector(u32, Vec<u8>),
    /// A vector of bytes, aligned to 16.
    Bulk(Vec<u8>),
    /// A table.
    Table(Vec<Value>),
    /// A vector of tables.
    Tables(Vec<Vec<Value>>),
}

/// A `u32` scalar.
pub fn number(value: u32) -> Value {
    Value::Scalar(value.to_le_bytes().to_vec())
}

/// A `u64` scalar.
pub fn wide(value: u64) -> Value {
    Value::Scalar(value.to_le_bytes().to_vec())
}

/// A byte scalar.
pub fn byte(value: u8) -> Value {
    Value::Scalar(vec![value])
}

/// A vector of 32-bit integers.
pub fn ints(values: &[i32]) -> Value {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    Value::Vector(values.len() as u32, bytes)
}

/// A text.
pub fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// The buffer with file identifier `magic` and the root table's fields `root`.
pub fn build(magic: &[u8; 4], root: &[Value]) -> Vec<u8> {
    let mut out = vec![0u8; 8];
    out[4..8].copy_from_slice(magic);
    let at = table(&mut out, root);
    patch(&mut out, 0, at);
    out
}

fn align(out: &mut Vec<u8>, to: usize) {
    out.resize(out.len().next_multiple_of(to), 0);
}

/// Makes the reference at `place` lead to `target`.
fn patch(out: &mut [u8], place: usize, target: usize) {
    out[place..place + 4].copy_from_slice(&((target - place) as u32).to_le_bytes());
}

fn table(out: &mut Vec<u8>, fields: &[Value]) -> usize {
    align(out, 2);
    let vtable = out.len();
    let mut places = Vec::new();
    // Wide fields first would save space; in order is simpler, each aligned to its size from the table's start.
    let mut size = 4usize;
    for field in fields {
        let width = match field {
            Value::None => {
                places.push(0u16);
                continue;
            }
            Value::Scalar(bytes) => bytes.len(),
            _ => 4,
        };
        size = size.next_multiple_of(width.min(8));
        places.push(size as u16);
        size += width;
    }
    out.extend(((4 + 2 * fields.len()) as u16).to_le_bytes());
    out.extend((size as u16).to_le_bytes());
    for place in &places {
        out.extend(place.to_le_bytes());
    }
    align(out, 8);
    let at = out.len();
    out.extend(((at - vtable) as i32).to_le_bytes());
    out.resize(at + size, 0);
    for (field, place) in fields.iter().zip(&places) {
        let place = at + usize::from(*place);
        if let Value::Scalar(bytes) = field {
            out[place..place + bytes.len()].copy_from_slice(bytes);
        }
    }
    for (field, place) in fields.iter().zip(&places) {
        let place = at + usize::from(*place);
        let target = match field {
            Value::None | Value::Scalar(_) => continue,
            Value::Text(text) => {
                align(out, 4);
                let target = out.len();
                out.extend((text.len() as u32).to_le_bytes());
                out.extend(text.as_bytes());
                out.push(0);
                target
            }
            Value::Vector(count, bytes) => {
                align(out, 4);
                let target = out.len();
                out.extend(count.to_le_bytes());
                out.extend(bytes);
                target
            }
            Value::Bulk(bytes) => {
                let start = (out.len() + 4).next_multiple_of(16);
                out.resize(start - 4, 0);
                out.extend((bytes.len() as u32).to_le_bytes());
                out.extend(bytes);
                start - 4
            }
            Value::Table(fields) => table(out, fields),
            Value::Tables(tables) => {
                align(out, 4);
                let target = out.len();
                out.extend((tables.len() as u32).to_le_bytes());
                let first = out.len();
                out.resize(first + 4 * tables.len(), 0);
                for (index, fields) in tables.iter().enumerate() {
                    let at = table(out, fields);
                    patch(out, first + 4 * index, at);
                }
                target
            }
        };
        patch(out, place, target);
    }
    at
}
