//! The byte strings that mark a possible host, and the reading of each.

use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::scan::{AHEAD, BEHIND, wide};
use super::{Candidate, Encoding, bare, joined, spelled, url, xor};
use crate::sink::packed::Packed;

/// What marks a possible host, by the index of its head.
#[derive(Clone, Copy)]
enum Needle {
    /// `://`
    Plain,
    /// `:\/\/`, as JSON and regular expressions write it.
    Escaped,
    /// `://` in UTF-16, without the zero byte that tells the byte orders apart.
    Wide,
    /// The ending of a bare quoted name.
    Bare,
    /// The beginning of a URL, encoded.
    Spelled,
    /// A literal that ends in a colon and is joined to the next.
    Split,
    /// `http` under a byte of exclusive or.
    Xor,
}

const NEEDLES: [Needle; 7] = [
    Needle::Plain,
    Needle::Escaped,
    Needle::Wide,
    Needle::Bare,
    Needle::Spelled,
    Needle::Split,
    Needle::Xor,
];

/// Bytes behind the last place searched that a needle may reach into.
const LONGEST: usize = 32;

/// The byte strings that mark a possible host.
pub(super) struct Needles {
    plain: Finder<'static>,
    escaped: Finder<'static>,
    wide: Finder<'static>,
    bare: Packed,
    spelled: Packed,
    split: Packed,
}

impl Needles {
    /// Built once: a scan of a tree makes a sink for each of its files.
    pub(super) fn shared() -> &'static Self {
        static SHARED: LazyLock<Needles> = LazyLock::new(Needles::new);
        &SHARED
    }

    fn new() -> Self {
        Self {
            plain: Finder::new(b"://"),
            escaped: Finder::new(br":\/\/"),
            wide: Finder::new(b":\0/\0/"),
            bare: Packed::new(bare::ENDINGS),
            spelled: Packed::new(&spelled::patterns()),
            split: Packed::new(joined::SPLITS),
        }
    }

    /// Calls `found` for every host whose needle starts in the range, ascending; `window` starts at offset `base`.
    pub(super) fn each(
        &self,
        window: &[u8],
        base: u64,
        Range { start: from, end: to }: Range<usize>,
        mut found: impl FnMut(Encoding, Candidate),
    ) {
        let mut heads = NEEDLES.map(|needle| self.next(needle, window, from, to));
        loop {
            let first = heads.iter().zip(NEEDLES).enumerate();
            let first = first
                .filter_map(|(index, (head, needle))| head.map(|(at, which)| (at, index, which, needle)))
                .min_by_key(|&(at, index, ..)| (at, index));
            let Some((at, index, which, needle)) = first else {
                return;
            };
            let behind = at.saturating_sub(BEHIND);
            let reach = clamp(window, behind, at);
            let at_in_reach = at.saturating_sub(behind);
            let base = base.saturating_add(wide(behind));
            read(needle, which, reach, at_in_reach, base, &mut |encoding, candidate| {
                found(encoding, candidate.shifted(behind));
            });
            if let Some(head) = heads.get_mut(index) {
                *head = self.next(needle, window, at.saturating_add(1), to);
            }
        }
    }

    /// The next place of `needle` in `from..to`, and which of its patterns stands there.
    fn next(&self, needle: Needle, window: &[u8], from: usize, to: usize) -> Option<(usize, usize)> {
        let single = |finder| find(finder, window, from, to).map(|at| (at, 0));
        match needle {
            Needle::Plain => single(&self.plain),
            Needle::Escaped => single(&self.escaped),
            Needle::Wide => single(&self.wide),
            Needle::Bare => self.find_bare(window, from, to),
            Needle::Spelled => several(&self.spelled, window, from, to),
            Needle::Split => several(&self.split, window, from, to),
            Needle::Xor => xor::find(window, from, to).map(|at| (at, 0)),
        }
    }

    /// The next ending of a bare name that starts in `from..to` and that a quote or backslash follows.
    fn find_bare(&self, window: &[u8], mut from: usize, to: usize) -> Option<(usize, usize)> {
        let cut = window.get(..to.saturating_add(16).min(window.len()))?;
        loop {
            let (_, hit) = self.bare.find(cut, from).filter(|(_, hit)| hit.start < to)?;
            if matches!(cut.get(hit.end), Some(b'"' | b'\'' | b'`' | b'\\')) {
                return Some((hit.start, hit.len()));
            }
            from = hit.start.saturating_add(1);
        }
    }
}

fn several(packed: &Packed, window: &[u8], from: usize, to: usize) -> Option<(usize, usize)> {
    let cut = window.get(..to.saturating_add(LONGEST).min(window.len()))?;
    let (which, hit) = packed.find(cut, from)?;
    (hit.start < to).then_some((hit.start, which))
}

/// The next `finder` match that starts in `from..to`.
fn find(finder: &Finder<'static>, window: &[u8], from: usize, to: usize) -> Option<usize> {
    let end = to
        .saturating_add(finder.needle().len())
        .saturating_sub(1)
        .min(window.len());
    finder.find(window.get(from..end)?).map(|at| from.saturating_add(at))
}

/// The part of `window` that reading a needle at `at` may look at.
fn clamp(window: &[u8], behind: usize, at: usize) -> &[u8] {
    window
        .get(behind..at.saturating_add(AHEAD).min(window.len()))
        .unwrap_or_default()
}

/// Reads what stands at the needle at `at`.
fn read(needle: Needle, which: usize, reach: &[u8], at: usize, base: u64, found: &mut impl FnMut(Encoding, Candidate)) {
    let mut give = |encoding, candidate: Option<Candidate>| {
        if let Some(candidate) = candidate {
            found(encoding, candidate);
        }
    };
    match needle {
        Needle::Plain => {
            give(
                Encoding::Ascii,
                url::read(Encoding::Ascii, reach, at, at.saturating_add(3)),
            );
            give(Encoding::Escaped, spelled::around(reach, at));
            give(Encoding::Joined, joined::read(reach, at));
        }
        Needle::Escaped => give(
            Encoding::Ascii,
            url::read(Encoding::Ascii, reach, at, at.saturating_add(5)),
        ),
        Needle::Wide => {
            if let Some((encoding, candidate)) = read_wide(reach, at, base) {
                give(encoding, Some(candidate));
            }
        }
        Needle::Bare => give(Encoding::Ascii, bare::read(reach, at, which)),
        Needle::Spelled => {
            if let Some((encoding, candidate)) = spelled::read(reach, at, which) {
                give(encoding, Some(candidate));
            }
        }
        Needle::Split => give(Encoding::Joined, joined::read(reach, at)),
        Needle::Xor => give(Encoding::Xor, xor::read(reach, at)),
    }
}

fn read_wide(reach: &[u8], colon: usize, base: u64) -> Option<(Encoding, Candidate)> {
    let low = url::read(Encoding::Utf16Le, reach, colon, colon.checked_add(6)?)
        .filter(|_| reach.get(colon.saturating_add(5)) == Some(&0));
    let high = colon
        .checked_sub(1)
        .filter(|&zero| reach.get(zero) == Some(&0))
        .and_then(|zero| url::read(Encoding::Utf16Be, reach, zero, zero.checked_add(6)?));
    match (low, high) {
        (Some(low), Some(high)) => Some(likelier(low, high, base)),
        (Some(low), None) => Some((Encoding::Utf16Le, low)),
        (None, Some(high)) => Some((Encoding::Utf16Be, high)),
        (None, None) => None,
    }
}

/// Of two readings of the same bytes the one with the longer scheme, else the one whose scheme starts at an even offset:
/// UTF-16 text behind a zero byte reads alike in both byte orders, one byte apart.
fn likelier(low: Candidate, high: Candidate, base: u64) -> (Encoding, Candidate) {
    let rank = |c: &Candidate| (c.scheme.len(), base.saturating_add(wide(c.url_at)).is_multiple_of(2));
    if rank(&low) >= rank(&high) {
        (Encoding::Utf16Le, low)
    } else {
        (Encoding::Utf16Be, high)
    }
}

impl Candidate {
    fn shifted(self, by: usize) -> Self {
        Self {
            url_at: self.url_at.saturating_add(by),
            host_at: self.host_at.saturating_add(by),
            host_end: self.host_end.saturating_add(by),
            ..self
        }
    }
}
