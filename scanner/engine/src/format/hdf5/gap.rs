//! What lies between the structures that the root leads to.
//!
//! Libraries write in place: an attribute that grows, a dataset that is deleted, a chunk that compresses better leave
//! their old bytes, and most writers keep no list of free space. So what is in the file's space and belongs to nothing is
//! told as freed; a nested format in it, and bytes past the end that the superblock states, as in any other format.

use super::file::File;
use super::heap;
use crate::ledger::Role;
use crate::span::Span;

/// Claims what names itself: global heaps, which elements of datasets lead to. `end` is where the file says it ends.
pub(super) fn known(file: &mut File<'_, '_, '_>, end: u64) {
    let space = Span::new(file.base, end.min(file.input.len()));
    let name = if file.model {
        crate::format::UNTOUCHED_SPACE
    } else {
        crate::format::FREED_SPACE
    };
    file.out.parent(space, Role::Data, name);
    global_heaps(file);
}

fn global_heaps(file: &mut File<'_, '_, '_>) {
    for gap in file.gaps() {
        let mut at = gap.start();
        while at < gap.end() {
            let Ok(head) = file.input.read_up_to(at, 8.min(gap.end().saturating_sub(at))) else {
                return;
            };
            if !head.starts_with(b"GCOL\x01\0\0\0") {
                break;
            }
            match heap::collection(file, at.saturating_sub(file.base)) {
                Some((_, length)) if length > 0 => at = at.saturating_add(length),
                _ => break,
            }
        }
    }
}
