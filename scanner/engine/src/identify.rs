//! Which formats the bytes could be, by magic and structure, never by name.
//!
//! Every format of the table is asked about a [`Probe`]: the first and the last bytes. The primary format is the
//! surest one that starts at offset 0; a second one that is certain is a second view or a nested artifact.

use crate::format::{Encoding, FORMATS, Format, Language};
use std::cell::OnceCell;

/// How many bytes of the start a probe holds.
pub(crate) const HEAD: usize = 8 << 10;
/// How many bytes of the end a probe holds: the longest ZIP comment and its record.
pub(crate) const TAIL: usize = (64 << 10) + 22;

/// The bytes a format may look at to recognise itself.
///
/// What several formats would work out for themselves is worked out once, for the first who asks.
#[derive(Debug)]
pub struct Probe<'a> {
    /// The first bytes, [`HEAD`] at most.
    pub head: &'a [u8],
    /// The last bytes, [`TAIL`] at most; overlaps `head` in small artifacts.
    pub tail: &'a [u8],
    /// The artifact's length in bytes.
    pub length: u64,
    /// How the head reads as text.
    pub(crate) encoding: OnceCell<Option<Encoding>>,
    /// What its first lines are written in.
    pub(crate) language: OnceCell<Option<Language>>,
}

impl<'a> Probe<'a> {
    /// The first and the last bytes of an artifact of `length` bytes.
    pub fn new(head: &'a [u8], tail: &'a [u8], length: u64) -> Self {
        Self {
            head,
            tail,
            length,
            encoding: OnceCell::new(),
            language: OnceCell::new(),
        }
    }

    /// The offset of the first byte of `tail`.
    pub fn tail_offset(&self) -> u64 {
        self.length.saturating_sub(self.tail.len() as u64)
    }

    /// Whether `head` is the whole artifact.
    pub fn is_whole(&self) -> bool {
        self.head.len() as u64 == self.length
    }
}

/// How sure a format is. Ordered: later is surer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// Anything fits: plain data.
    Fallback,
    /// The bytes read like it (text, scripts, JSON, old pickles).
    Likely,
    /// A magic number and a structure that agrees with it.
    Certain,
}

/// A format that recognised itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// How sure it is.
    pub strength: Strength,
    /// Where it starts: 0, except for formats that are read from their end.
    pub start: u64,
}

impl Match {
    /// Certain, from offset 0.
    pub const CERTAIN: Self = Self {
        strength: Strength::Certain,
        start: 0,
    };
    /// Likely, from offset 0.
    pub const LIKELY: Self = Self {
        strength: Strength::Likely,
        start: 0,
    };
}

/// A candidate format.
#[derive(Clone, Copy)]
pub(crate) struct Candidate {
    /// The format.
    pub(crate) format: &'static dyn Format,
    /// What it said.
    pub(crate) matched: Match,
}

/// All formats that recognise themselves, the primary one first: certain ones before others, those that start at 0
/// before those that start later, surer before less sure, table order between equals. Never empty: plain data always
/// fits.
pub(crate) fn identify(probe: &Probe<'_>) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = FORMATS
        .iter()
        .filter_map(|&format| format.identify(probe).map(|matched| Candidate { format, matched }))
        .collect();
    found.sort_by_key(|c| {
        let Match { strength, start } = c.matched;
        (strength != Strength::Certain, start != 0, std::cmp::Reverse(strength))
    });
    found
}
