//! What joblib before 0.10 wrote when it compressed: a prefix, the decoded length, a zlib stream.
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 2 | `ZF` |
//! | 2 | 19 | the decoded length as `0x` and hexadecimal digits, filled with blanks |
//! | 21 | .. | zlib stream (RFC 1950) |

use crate::format::{Input, Parse};
use crate::ledger::Role;
use crate::span::Span;

/// Bytes before the zlib stream.
const HEADER: usize = 21;

/// Whether `head` begins such a file.
pub(super) fn is(head: &[u8]) -> bool {
    let Some(length) = head
        .strip_prefix(b"ZF0x")
        .and_then(|rest| rest.get(..HEADER.saturating_sub(4)))
    else {
        return false;
    };
    let digits = length.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    digits > 0
        && length
            .get(digits..)
            .is_some_and(|rest| rest.iter().all(|byte| *byte == b' '))
}

/// Claims the prefix and hands the stream on.
pub(super) fn parse(input: &Input<'_>, out: &mut Parse) {
    let at = u64::try_from(HEADER).unwrap_or(u64::MAX).min(input.len());
    out.leaf(Span::new(0, at), Role::Header, "joblib compression header");
    out.slice(Span::new(at, input.len()), "content", true);
}
