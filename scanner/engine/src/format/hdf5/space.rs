//! Free-space managers (section III.H).
//!
//! | offset | size | header | | offset | size | sections |
//! | --- | --- | --- | --- | --- | --- | --- |
//! | 0 | 6 | `FSHD`, version 0, client | | 0 | 5 | `FSSE`, version 0 |
//! | 6 | 4 L | space, sections: all, listed, unlisted | | 5 | O | the header |
//! | .. | 8 | classes, percents, address bits | | .. | .. | sections, checksum |
//! | .. | L | largest section | | | | |
//! | .. | O, 2 L | the list: place, bytes in use, bytes allocated | | | | |
//! | .. | 4 | checksum | | | | |

use super::fields::Fields;
use super::file::File;
use crate::ledger::Role;

/// Reads and claims the manager at `address` and its list.
pub(super) fn manager(file: &mut File<'_, '_, '_>, address: u64, of: &str) -> Option<()> {
    if !file.first(address) {
        return None;
    }
    let length = file.sized(18, 1, 7);
    let bytes = file.signed(address, length, b"FSHD", "free-space manager")?;
    let span = file.place(address, length);
    file.claim(span, Role::Table, format!("free space of {of}"));
    file.check(span, &bytes, "free-space manager");
    let mut fields = Fields::new(&bytes);
    fields.skip(6)?;
    fields.skip(file.lengths.saturating_mul(4))?;
    fields.skip(8)?;
    file.length(&mut fields)?;
    let list = file.address(&mut fields)?;
    file.length(&mut fields)?;
    let allocated = file.length(&mut fields)?;
    if let Some(list) = list {
        file.signed(list, allocated.min(4), b"FSSE", "free-space list")?;
        file.claim(
            file.place(list, allocated),
            Role::Table,
            format!("free sections of {of}"),
        );
    }
    Some(())
}
