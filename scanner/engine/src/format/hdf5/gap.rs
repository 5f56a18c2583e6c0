//! What lies between the structures that the root leads to.
//!
//! Libraries write in place: an attribute that grows, a dataset that is deleted, a chunk that compresses better leave
//! their old bytes, and most writers keep no list of free space. So what is in the file's space and belongs to nothing is
//! told as freed; a nested format in it, and bytes past the end that the superblock states, as in any other format.

use super::extension;
use super::file::File;
use crate::ledger::Role;
use crate::span::Span;

/// Claims what names itself: global heaps, which elements of datasets lead to. `end` is where the file says it ends.
pub(super) fn known(file: &mut File<'_, '_, '_>, end: u64) {
    let space = Span::new(file.base, end.min(file.input.len()));
    file.out.parent(space, Role::Data, crate::format::FREED_SPACE);
    global_heaps(file);
}

fn global_heaps(file: &mut File<'_, '_, '_>) {
    const MOST: usize = 1 << 16;
    for _ in 0..MOST {
        let gaps = file.gaps();
        let mut found = false;
        for gap in gaps {
            let at = gap.start();
            let Ok(head) = file.input.read_up_to(at, 8.min(gap.len())) else {
                return;
            };
            let address = at.saturating_sub(file.base);
            if head.starts_with(b"GCOL\x01\0\0\0") && !file.was_read(address) {
                found |= extension::global_heap(file, address);
            }
        }
        if !found {
            return;
        }
    }
}
