//! The APK signing block, between the last member and the central directory (Android APK Signature Scheme v2).
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 8 | size of the block without this field |
//! | 8 | .. | pairs: length (8), ID (4), value |
//! | -24 | 8 | the same size |
//! | -16 | 16 | `APK Sig Block 42` |

use super::fields::Fields;
use crate::format::Input;
use crate::span::Span;

const MAGIC: &[u8] = b"APK Sig Block 42";
/// Size and magic at the end.
const FOOTER: u64 = 24;

/// The block that ends at `directory`, when its two sizes agree.
pub(super) fn block(input: &Input<'_>, directory: u64) -> Option<Span> {
    let footer = input.read(Span::new(directory.checked_sub(FOOTER)?, directory)).ok()?;
    if footer.get(8..) != Some(MAGIC) {
        return None;
    }
    let size = Fields(&footer).u64(0);
    let start = directory.checked_sub(size.checked_add(8)?)?;
    let head = input.read(Span::at(start, 8)?).ok()?;
    (size >= FOOTER && Fields(&head).u64(0) == size).then(|| Span::new(start, directory))
}
