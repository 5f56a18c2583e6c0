//! SQLite databases (Database File Format, section 1.3): pages of one size.
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 16 | `SQLite format 3\0` |
//! | 16 | 2 | page size, big-endian, a power of two; 1 means 65,536 |
//! | 18 | 10 | versions, reserved space, fractions 64 32 32, change counter |
//! | 28 | 4 | size of the database in pages, valid when the change counter (24) equals the one at 92 |
//!
//! Pages are not looked into: what is deleted stays in them, and is swept like the rest.

use crate::format::{Format, Input, Parse};
use crate::identify::{Match, Probe};
use crate::ledger::Role;
use crate::span::Span;

/// A SQLite 3 database.
pub(in crate::format) struct Sqlite;

impl Format for Sqlite {
    fn id(&self) -> &'static str {
        "sqlite"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let magic = probe.head.starts_with(b"SQLite format 3\0");
        // The payload fractions are constants.
        (magic && probe.head.get(21..24) == Some(&[64, 32, 32])).then_some(Match::CERTAIN)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        let head = match input.read(Span::new(0, 100)) {
            Ok(head) => head,
            Err(fault) => return out.fault(&fault, "the database header"),
        };
        out.leaf(Span::new(0, 100), Role::Header, "database header");
        let word = |at: usize| {
            let bytes = head.get(at..).and_then(|rest| rest.first_chunk::<4>());
            bytes.map_or(0, |bytes| u64::from(u32::from_be_bytes(*bytes)))
        };
        let page = match head.get(16..18) {
            Some([0, 1]) => 65_536,
            Some([a, b]) => u64::from(u16::from_be_bytes([*a, *b])),
            _ => 0,
        };
        if !page.is_power_of_two() || page < 512 {
            return out.malformed(
                Span::new(16, 18),
                "sqlite: the page size is no power of two from 512 on (1.3.2)",
            );
        }
        // Writers before 3.7.0 do not keep the count: then whole pages are the database.
        let stated = word(28);
        let pages = if stated > 0 && word(24) == word(92) {
            stated
        } else {
            input.len().checked_div(page).unwrap_or(0)
        };
        let end = pages.saturating_mul(page);
        if end > input.len() {
            let fault = crate::format::ReadFault::PastEnd {
                offset: 0,
                wanted: end,
                length: input.len(),
            };
            out.fault(&fault, "the database");
        }
        out.leaf(
            Span::new(100, end.min(input.len()).max(100)),
            Role::Data,
            format!("{pages} pages of {page} bytes"),
        );
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["sqlite", "sqlite3", "db", "db3"]
    }
}
