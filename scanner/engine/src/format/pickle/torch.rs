//! The layout of PyTorch files before 1.6: a magic number, a version, the machine's sizes, the object, the storages'
//! keys, each a pickle; then, for each key, a count of elements (u64) and the elements.

use super::stream::StorageKey;
use crate::fact::Fact;
use crate::format::{Cursor, Parse};
use crate::ledger::Role;
use crate::span::Span;
use std::collections::HashMap;

/// Claims the storages that stand at the cursor, for `keys`, whose classes and counts `named` tells.
pub(super) fn storages(cursor: &mut Cursor<'_, '_>, keys: &[Box<str>], named: &[StorageKey], out: &mut Parse) {
    let by_key: HashMap<&str, &StorageKey> = named.iter().rev().map(|named| (&*named.key, named)).collect();
    for key in keys {
        let at = Span::saturating_at(cursor.position(), 8);
        let count = match cursor.u64_le() {
            Ok(count) => count,
            Err(fault) => return out.fault(&fault, "torch: storage size"),
        };
        let known = by_key.get(&**key).copied();
        let Some((known, size)) = known.and_then(|known| Some((known, element_size(&known.dtype)?))) else {
            return out.malformed(
                at,
                "torch: a storage that the object does not name, or of an unknown type",
            );
        };
        if count != known.elements {
            return out.malformed(at, "torch: a storage's size is not the one its persistent id states");
        }
        let data = count.checked_mul(size).map_or(u64::MAX, |n| n);
        match cursor.skip(data) {
            Ok(span) => {
                out.leaf(at, Role::Header, format!("storage {key} size"));
                out.leaf(span, Role::Tensor, format!("storage {key}"));
                out.fact(Fact::Tensor {
                    name: known.name.clone().unwrap_or_else(|| key.clone()),
                    dtype: known.dtype.clone(),
                    shape: known.shape.clone(),
                    span,
                });
            }
            Err(fault) => {
                out.leaf(at, Role::Header, format!("storage {key} size"));
                let rest = Span::saturating_at(cursor.position(), cursor.remaining());
                out.leaf(rest, Role::Tensor, format!("storage {key}, cut short"));
                return out.fault(&fault, "torch: storage");
            }
        }
    }
}

/// Bytes of one element of a storage, by its class without `Storage`.
fn element_size(dtype: &str) -> Option<u64> {
    Some(match dtype {
        "ComplexDouble" => 16,
        "Double" | "Long" | "ComplexFloat" => 8,
        "Float" | "Int" | "QInt32" => 4,
        "Half" | "BFloat16" | "Short" => 2,
        "Char" | "Byte" | "Bool" | "QInt8" | "QUInt8" | "QUInt4x2" | "QUInt2x4" | "Untyped" => 1,
        _ => return None,
    })
}
