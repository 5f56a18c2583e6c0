//! The byte strings that mark a possible host, and the reading of each.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::packed::Searcher;
use aho_corasick::{AhoCorasick, Input};
use memchr::memmem::Finder;

use super::scan::{AHEAD, BEHIND, wide};
use super::{Candidate, Encoding, bare, url};

/// The byte strings that mark a possible host.
pub(super) struct Needles {
    finders: [(Needle, Finder<'static>); 3],
    bare: Endings,
}

/// The search for endings of bare names; vector code where the machine has it, with the same matches elsewhere.
enum Endings {
    Packed(Searcher),
    Automaton(AhoCorasick),
    /// Both builders refused the constant patterns, which the tests rule out.
    None,
}

impl Endings {
    fn new() -> Self {
        match Searcher::new(bare::ENDINGS) {
            Some(searcher) => Self::Packed(searcher),
            None => AhoCorasick::new(bare::ENDINGS).map_or(Self::None, Self::Automaton),
        }
    }

    fn find(&self, bytes: &[u8], from: usize) -> Option<Range<usize>> {
        let hit = match self {
            Self::Packed(searcher) => searcher.find_in(bytes, (from..bytes.len()).into()),
            Self::Automaton(automaton) => automaton.find(Input::new(bytes).range(from..)),
            Self::None => None,
        }?;
        Some(hit.start()..hit.end())
    }
}

#[derive(Clone, Copy)]
enum Needle {
    /// `://`
    Plain,
    /// `:\/\/`, as JSON and regular expressions write it.
    Escaped,
    /// `://` in UTF-16, without the zero byte that tells the byte orders apart.
    Wide,
}

impl Needles {
    /// Built once: a scan of a tree makes a sink for each of its files.
    pub(super) fn shared() -> &'static Self {
        static SHARED: LazyLock<Needles> = LazyLock::new(Needles::new);
        &SHARED
    }

    fn new() -> Self {
        Self {
            finders: [
                (Needle::Plain, Finder::new(b"://")),
                (Needle::Escaped, Finder::new(br":\/\/")),
                (Needle::Wide, Finder::new(b":\0/\0/")),
            ],
            bare: Endings::new(),
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
        let mut heads = [Some(from); 3];
        for (head, (_, finder)) in heads.iter_mut().zip(&self.finders) {
            *head = find(finder, window, from, to);
        }
        let mut name = self.find_bare(window, from, to);
        loop {
            let first = heads
                .iter()
                .enumerate()
                .filter_map(|(index, head)| Some(((*head)?, index)))
                .min();
            match (first, name) {
                (None, None) => return,
                (Some((at, index)), next) if next.is_none_or(|(dot, _)| at < dot) => {
                    let Some((needle, finder)) = self.finders.get(index) else {
                        return;
                    };
                    let behind = at.saturating_sub(BEHIND);
                    let reach = clamp(window, behind, at);
                    if let Some((encoding, candidate)) = read(
                        *needle,
                        reach,
                        at.saturating_sub(behind),
                        base.saturating_add(wide(behind)),
                    ) {
                        found(encoding, candidate.shifted(behind));
                    }
                    if let Some(head) = heads.get_mut(index) {
                        *head = find(finder, window, at.saturating_add(1), to);
                    }
                }
                (_, Some((dot, len))) => {
                    let behind = dot.saturating_sub(BEHIND);
                    if let Some(candidate) = bare::read(clamp(window, behind, dot), dot.saturating_sub(behind), len) {
                        found(Encoding::Ascii, candidate.shifted(behind));
                    }
                    name = self.find_bare(window, dot.saturating_add(1), to);
                }
                (Some(_), None) => return,
            }
        }
    }

    /// The next ending of a bare name that starts in `from..to` and that a quote or backslash follows.
    fn find_bare(&self, window: &[u8], mut from: usize, to: usize) -> Option<(usize, usize)> {
        let cut = window.get(..to.saturating_add(16).min(window.len()))?;
        loop {
            let hit = self.bare.find(cut, from).filter(|hit| hit.start < to)?;
            if matches!(cut.get(hit.end), Some(b'"' | b'\'' | b'`' | b'\\')) {
                return Some((hit.start, hit.len()));
            }
            from = hit.start.saturating_add(1);
        }
    }
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

fn read(needle: Needle, reach: &[u8], colon: usize, base: u64) -> Option<(Encoding, Candidate)> {
    match needle {
        Needle::Plain => Some((
            Encoding::Ascii,
            url::read(Encoding::Ascii, reach, colon, colon.checked_add(3)?)?,
        )),
        Needle::Escaped => Some((
            Encoding::Ascii,
            url::read(Encoding::Ascii, reach, colon, colon.checked_add(5)?)?,
        )),
        Needle::Wide => {
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
