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
    let by_key: HashMap<&str, (&str, u64)> = named.iter().map(|(key, class, n)| (&**key, (&**class, *n))).collect();
    for key in keys {
        let at = Span::saturating_at(cursor.position(), 8);
        let count = match cursor.u64_le() {
            Ok(count) => count,
            Err(fault) => return out.fault(&fault, "torch: storage size"),
        };
        let Some((class, size, stated)) = by_key.get(&**key).and_then(|(c, n)| Some((*c, element_size(c)?, *n))) else {
            return out.malformed(
                at,
                "torch: a storage that the object does not name, or of an unknown type",
            );
        };
        if count != stated {
            return out.malformed(at, "torch: a storage's size is not the one its persistent id states");
        }
        let data = count.checked_mul(size).map_or(u64::MAX, |n| n);
        match cursor.skip(data) {
            Ok(span) => {
                out.leaf(at, Role::Header, format!("storage {key} size"));
                out.leaf(span, Role::Tensor, format!("storage {key}"));
                let dtype = class.trim_end_matches("Storage");
                out.fact(Fact::Tensor {
                    name: key.clone(),
                    dtype: dtype.into(),
                    shape: vec![count],
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

/// Bytes of one element of a storage class.
fn element_size(class: &str) -> Option<u64> {
    Some(match class {
        "ComplexDoubleStorage" => 16,
        "DoubleStorage" | "LongStorage" | "ComplexFloatStorage" => 8,
        "FloatStorage" | "IntStorage" | "QInt32Storage" => 4,
        "HalfStorage" | "BFloat16Storage" | "ShortStorage" => 2,
        "CharStorage" | "ByteStorage" | "BoolStorage" | "QInt8Storage" | "QUInt8Storage" | "QUInt4x2Storage"
        | "QUInt2x4Storage" | "UntypedStorage" => 1,
        _ => return None,
    })
}
