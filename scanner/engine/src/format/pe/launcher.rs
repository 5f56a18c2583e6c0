//! The script launchers of Python's installers (distlib): an image, a `#!` line, and a ZIP archive with the script.
//!
//! Only the line is claimed, and only when an archive follows it: the archive stays an overlay, judged as one.

use super::image::Image;
use crate::format::Parse;
use crate::ledger::Role;
use crate::span::Span;

/// The longest line that is taken for one, in bytes.
const LONGEST: u64 = 1024;

/// Claims the line when it stands right behind the last claimed byte.
pub(super) fn claim(image: &Image<'_, '_, '_>, out: &mut Parse) {
    let end = out.view().leaves().map(|r| r.span.end()).max().unwrap_or(0);
    let head = match image.window.input().read_up_to(end, LONGEST) {
        Ok(head) => head,
        Err(fault) => return out.fault(&fault, "overlay"),
    };
    let Some(line) = memchr::memchr(b'\n', &head).and_then(|last| last.checked_add(1)) else {
        return;
    };
    let (line, rest) = head.split_at(line);
    let text = str::from_utf8(line).is_ok_and(|text| !text.trim_end().contains(crate::name::hidden));
    if line.starts_with(b"#!") && text && rest.starts_with(b"PK\x03\x04") {
        let length = u64::try_from(line.len()).unwrap_or(0);
        out.leaf(Span::saturating_at(end, length), Role::Text, "launcher #! line");
    }
}
