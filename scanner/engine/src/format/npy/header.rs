//! What an array's header says: shape, order, element type.

use super::literal::{Broken, Literal, read};

/// Dimensions NumPy allows.
const DIMENSIONS: usize = 64;

/// A header that could be read.
#[derive(Debug)]
pub(super) struct Header {
    /// Outermost dimension first.
    pub(super) shape: Vec<u64>,
    /// The element type as the header spells it.
    pub(super) dtype: String,
    /// Bytes of one element.
    pub(super) item_size: u64,
    /// Whether the elements are objects: a pickle follows.
    pub(super) objects: bool,
    /// Rules that the header breaks without being unreadable.
    pub(super) broken: Vec<&'static str>,
}

impl Header {
    /// Reads the header's text.
    pub(super) fn read(text: &[u8]) -> Result<Self, Broken> {
        let start = |rule| Broken { at: 0, rule };
        if !text.is_ascii() && std::str::from_utf8(text).is_err() {
            return Err(start("npy: the header is text"));
        }
        let Literal::Dictionary(items) = read(text)? else {
            return Err(start("npy: the header is a dictionary"));
        };
        let mut broken = Vec::new();
        if text.last() != Some(&b'\n') {
            broken.push("npy: the header ends with a newline");
        }
        let mut found: [Option<&Literal>; 3] = [None; 3];
        for (key, value) in &items {
            let known = ["descr", "fortran_order", "shape"]
                .iter()
                .position(|k| *key == Literal::Text((*k).to_owned()));
            match known.and_then(|at| found.get_mut(at)) {
                Some(slot) if slot.is_none() => *slot = Some(value),
                Some(_) => return Err(start("npy: a key of the header stands twice")),
                None => broken.push("npy: the header has the keys descr, fortran_order and shape, and no others"),
            }
        }
        let [Some(descr), Some(order), Some(shape)] = found else {
            return Err(start("npy: the header has the keys descr, fortran_order and shape"));
        };
        if !matches!(order, Literal::Bool(_)) {
            return Err(start("npy: fortran_order is True or False"));
        }
        let Literal::Sequence(shape) = shape else {
            return Err(start("npy: shape is a tuple"));
        };
        let dimension = |d: &Literal| match d {
            Literal::Number(n) => Some(*n),
            _ => None,
        };
        let Some(shape) = shape.iter().map(dimension).collect::<Option<Vec<u64>>>() else {
            return Err(start("npy: the dimensions are integers that are not negative"));
        };
        if shape.len() > DIMENSIONS {
            broken.push("npy: an array has at most 64 dimensions");
        }
        let Some(element) = element(descr) else {
            return Err(start("npy: descr is no element type"));
        };
        let dtype = match descr {
            Literal::Text(text) => text.clone(),
            _ => format!("V{}", element.size),
        };
        Ok(Self {
            shape,
            dtype,
            item_size: element.size,
            objects: element.objects,
            broken,
        })
    }
}

#[derive(Clone, Copy)]
struct Element {
    size: u64,
    objects: bool,
}

/// The element type of `descr`: a type string, a list of fields, or a type with a shape.
fn element(descr: &Literal) -> Option<Element> {
    match descr {
        Literal::Text(text) => simple(text),
        Literal::Sequence(fields) => {
            // `(base, shape)` repeats a type.
            if let [
                base @ (Literal::Text(_) | Literal::Sequence(_)),
                shape @ (Literal::Number(_) | Literal::Sequence(_)),
            ] = fields.as_slice()
                && !matches!(base, Literal::Sequence(items) if field(base).is_some() && items.len() >= 2)
                && let (Some(base), Some(count)) = (element(base), count(shape))
            {
                return Some(Element {
                    size: base.size.checked_mul(count)?,
                    ..base
                });
            }
            fields.iter().try_fold(
                Element {
                    size: 0,
                    objects: false,
                },
                |all, one| {
                    let one = field(one)?;
                    Some(Element {
                        size: all.size.checked_add(one.size)?,
                        objects: all.objects || one.objects,
                    })
                },
            )
        }
        _ => None,
    }
}

/// A field: `(name, type)` or `(name, type, shape)`; the name may be `(title, name)`.
fn field(field: &Literal) -> Option<Element> {
    let Literal::Sequence(parts) = field else { return None };
    let (name, base, shape) = match parts.as_slice() {
        [name, base] => (name, base, None),
        [name, base, shape] => (name, base, Some(shape)),
        _ => return None,
    };
    let titled =
        matches!(name, Literal::Sequence(both) if matches!(both.as_slice(), [Literal::Text(_), Literal::Text(_)]));
    if !matches!(name, Literal::Text(_)) && !titled {
        return None;
    }
    let base = element(base)?;
    let count = shape.map_or(Some(1), count)?;
    Some(Element {
        size: base.size.checked_mul(count)?,
        ..base
    })
}

fn count(shape: &Literal) -> Option<u64> {
    match shape {
        Literal::Number(n) => Some(*n),
        Literal::Sequence(all) => all.iter().try_fold(1u64, |n, d| match d {
            Literal::Number(d) => n.checked_mul(*d),
            _ => None,
        }),
        _ => None,
    }
}

/// A type string: byte order, kind, size (`<f8`, `|b1`, `<U12`, `<M8[ns]`, `|O`).
fn simple(text: &str) -> Option<Element> {
    let text = text.strip_prefix(['<', '>', '|', '=']).unwrap_or(text);
    let kind = text.chars().next()?;
    let rest = text.get(kind.len_utf8()..)?;
    let (digits, unit) = rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count());
    if kind == 'O' && unit.is_empty() {
        return Some(Element { size: 8, objects: true });
    }
    let date = matches!(kind, 'M' | 'm') && unit.starts_with('[') && unit.ends_with(']');
    if !unit.is_empty() && !date {
        return None;
    }
    if kind == '?' && digits.is_empty() {
        return Some(Element {
            size: 1,
            objects: false,
        });
    }
    let number: u64 = digits.parse().ok()?;
    let size = match kind {
        'b' if number == 1 => 1,
        'i' | 'u' if matches!(number, 1 | 2 | 4 | 8 | 16) => number,
        'f' if matches!(number, 2 | 4 | 8 | 10 | 12 | 16) => number,
        'c' if matches!(number, 8 | 16 | 20 | 24 | 32) => number,
        'M' | 'm' if number == 8 => 8,
        'S' | 'a' | 'V' => number,
        'U' => number.checked_mul(4)?,
        _ => return None,
    };
    Some(Element { size, objects: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn element_sizes_are_those_of_numpy() {
        for (descr, size) in [
            ("'<f8'", Some(8)),
            ("'|b1'", Some(1)),
            ("'<U12'", Some(48)),
            ("'|S0'", Some(0)),
            ("'<M8[ns]'", Some(8)),
            ("'<m8[25s]'", Some(8)),
            ("'<c32'", Some(32)),
            ("'|V7'", Some(7)),
            ("[('a', '<i4'), ('b', '|S3')]", Some(7)),
            ("[('a', '<i4', (2, 3)), ('', '|V4')]", Some(28)),
            ("[('a', '<i4', 2)]", Some(8)),
            ("[('x', [('y', '<f4'), ('z', '<f8')])]", Some(12)),
            ("[(('title', 'a'), '<i2')]", Some(2)),
            ("('<f4', (3,))", Some(12)),
            ("[]", Some(0)),
            ("'<f7'", None),
            ("'<q8'", None),
            ("'f'", None),
            ("'<i4; import os'", None),
            ("'<i8[ns]'", None),
            ("{'names': ['a'], 'formats': ['<i4']}", None),
            ("7", None),
            ("[('a', '<V18446744073709551615'), ('b', '<i4')]", None),
        ] {
            let header = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': ()}}\n");
            let found = Header::read(header.as_bytes()).ok().map(|h| h.item_size);
            assert_eq!(found, size, "{descr}");
        }
    }

    #[test]
    fn objects_are_found_wherever_they_hide() {
        for (descr, objects) in [
            ("'|O'", true),
            ("'|O8'", true),
            ("[('a', '<i4'), ('b', '|O')]", true),
            ("[('x', [('y', '|O', (2,))])]", true),
            ("'<f4'", false),
        ] {
            let header = format!("{{'descr': {descr}, 'fortran_order': True, 'shape': (1,), }}  \n");
            assert_eq!(
                Header::read(header.as_bytes()).ok().map(|h| h.objects),
                Some(objects),
                "{descr}"
            );
        }
    }
}
