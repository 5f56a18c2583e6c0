//! URLs under one byte of exclusive or: the differences of neighbours do not depend on the key.

use super::view::{self, View};
use super::{Candidate, Confidence, HostKind};

/// Places looked at together.
const LANES: usize = 64;

/// Zero where `http` stands under any key: h^t, t^t and t^p.
const fn difference(a: u8, b: u8, c: u8, d: u8) -> u8 {
    (a ^ b ^ 0x1c) | (b ^ c) | (c ^ d ^ 0x04)
}

/// Keys that are none: plain text, and the other case of letters.
const fn is_key(key: u8) -> bool {
    key != 0 && key != 0x20
}

/// The next place in `from..to` where `http` stands under a key.
pub(super) fn find(bytes: &[u8], from: usize, to: usize) -> Option<usize> {
    let mut at = from;
    while at < to {
        if quiet(bytes, at) {
            at = at.saturating_add(LANES);
            continue;
        }
        let end = at.saturating_add(LANES).min(to);
        let here = bytes.get(at..end.saturating_add(3).min(bytes.len()))?;
        let hit = here
            .windows(4)
            .position(|w| matches!(w, &[a, b, c, d] if difference(a, b, c, d) == 0 && is_key(a ^ b'h')));
        if let Some(hit) = hit {
            return Some(at.saturating_add(hit));
        }
        at = end;
    }
    None
}

/// Whether no place of the next lanes holds `http` under any key; `false` also when the bytes do not suffice.
fn quiet(bytes: &[u8], at: usize) -> bool {
    let lanes = |skip: usize| bytes.get(at.saturating_add(skip)..)?.first_chunk::<LANES>();
    let (Some(a), Some(b), Some(c), Some(d)) = (lanes(0), lanes(1), lanes(2), lanes(3)) else {
        return false;
    };
    let each = a.iter().zip(b).zip(c).zip(d);
    each.fold(u8::MAX, |least, (((a, b), c), d)| least.min(difference(*a, *b, *c, *d))) != 0
}

/// The host of the URL under the key that `http` at `at` gives. Only whole names and written addresses count.
pub(super) fn read(bytes: &[u8], at: usize) -> Option<Candidate> {
    let key = bytes.get(at)? ^ b'h';
    let tail = bytes.get(at.checked_add(4)?..)?;
    let plain = |text: &[u8]| tail.iter().zip(text).all(|(b, t)| b ^ key == *t) && tail.len() >= text.len();
    if !(plain(b"://") || plain(b"s://")) {
        return None;
    }
    let decode = |most: usize, stop: bool| {
        let mut view = View::default();
        let bytes = bytes.get(at..).unwrap_or_default().iter().enumerate();
        // The end of the text may stand outside the key: a zero byte ends it in the second reading.
        for (index, &byte) in bytes.take(most).take_while(|(_, b)| !stop || **b != 0) {
            let place = at.saturating_add(index);
            view.push(byte ^ key, place, place.saturating_add(1));
        }
        view
    };
    let sure = |found: &Candidate| {
        found.confidence == Confidence::Likely
            && found.host.len() >= 4
            && matches!(found.kind, HostKind::Name | HostKind::Ipv4)
            && found.host.is_ascii()
    };
    let found = view::read(|most| decode(most, false)).filter(sure);
    let stops = tail.iter().take(view::MOST).any(|b| *b == 0);
    found.or_else(|| stops.then(|| view::read(|most| decode(most, true)).filter(sure))?)
}
