//! Candidates for payloads in a tensor: in its bytes as they stand, and in what its elements carry in their low bytes
//! and low bits.
//!
//! A plane is what remains when of each element only the lowest bytes or bits are kept, and put one behind the other. A
//! payload of n bytes that was written into a plane may begin at any element. Searched are: the bytes as they stand; the
//! lowest 1, 2, ... bytes of each element in both orders, the whole element backwards among them; the lowest 1, 2 and 4
//! bits of each element, packed from the first or from the last bit of each byte on.
//!
//! What is not seen: a payload that is encrypted, or that is spread over other planes than these.

use super::magic::{LOOK, PAIRS, PayloadKind, first_look};
use super::pairs::{Pairs, low_bytes, pack_bits, pack_nibbles, pack_twos};
use std::sync::LazyLock;

/// Elements that are looked at together: whole bytes of every plane of bits, and whole words of bytes.
const GROUP: usize = 64;
/// Bytes of a plane that are gathered before they are searched.
const BATCH: usize = 32 << 10;
/// Elements from the start among which planes of 2 and 4 bits may begin anywhere; behind them, at each eighth.
const ANYWHERE: u64 = 1 << 16;
/// Candidates that are kept of one tensor.
const MOST: usize = 64;

/// Where in its elements a payload lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Carrier {
    /// In the bytes as they stand.
    Raw,
    /// In the lowest bytes of each element.
    Bytes {
        /// How many of each.
        low: u8,
        /// Whether each element holds them from the most significant on.
        high_first: bool,
    },
    /// In the lowest bits of each element.
    Bits {
        /// How many of each: 1, 2 or 4.
        low: u8,
        /// Whether the first element of a byte is its highest bits.
        high_first: bool,
    },
}

/// A candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PayloadHit {
    /// The byte of the tensor at which the first element begins that carries it.
    pub offset: u64,
    /// Where in the elements it lies.
    pub carrier: Carrier,
    /// What it could be.
    pub kind: PayloadKind,
}

struct Sets {
    plain: Pairs,
    bits: Pairs,
    twos: Pairs,
    nibbles: Pairs,
}

static SETS: LazyLock<Sets> = LazyLock::new(|| {
    let turned = |turn: fn(u8) -> u8| PAIRS.map(|(a, b, group)| (turn(a), turn(b), group));
    Sets {
        plain: Pairs::new(&PAIRS),
        bits: Pairs::new(&turned(u8::reverse_bits)),
        twos: Pairs::new(&turned(reverse_twos)),
        nibbles: Pairs::new(&turned(|byte| byte.rotate_left(4))),
    }
});

/// The four pairs of bits of a byte, backwards.
pub(crate) fn reverse_twos(byte: u8) -> u8 {
    let swapped = byte.rotate_left(4);
    ((swapped & 0x33) << 2) | ((swapped & 0xcc) >> 2)
}

/// A byte of a plane of `low` bits whose first element is its highest bits, from one whose first is its lowest.
pub(crate) fn turn(low: u8, byte: u8) -> u8 {
    match low {
        1 => byte.reverse_bits(),
        2 => reverse_twos(byte),
        _ => byte.rotate_left(4),
    }
}

/// A plane as it grows: what was searched already is dropped.
struct Plane {
    bytes: Vec<u8>,
    /// The element at which `bytes` begins.
    element: u64,
}

/// The hits so far.
#[derive(Default)]
struct Hits {
    kept: Vec<PayloadHit>,
    dropped: u64,
}

impl Hits {
    fn push(&mut self, offset: u64, carrier: Carrier, kind: PayloadKind) {
        if self.kept.len() < MOST {
            self.kept.push(PayloadHit { offset, carrier, kind });
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
    }
}

/// A running search over one tensor.
pub(super) struct PayloadSearch {
    /// Bytes of an element; 1 where elements have no bytes of their own.
    width: usize,
    big_endian: bool,
    /// Whether elements have planes at all.
    planes: bool,
    carry: Vec<u8>,
    /// The offset in the tensor at which `carry` begins.
    base: u64,
    low: Plane,
    bits: [Plane; 3],
    shifted: Vec<u8>,
    found: Vec<usize>,
    others: Vec<usize>,
    hits: Hits,
    hash: super::hash::Hash,
}

impl PayloadSearch {
    /// A search over elements of `width` bytes (1, 2, 4 or 8); of 0 where elements have no bytes of their own, which
    /// have no planes.
    pub(super) fn new(width: usize, big_endian: bool) -> Self {
        let plane = || Plane {
            bytes: Vec::new(),
            element: 0,
        };
        Self {
            width: width.max(1),
            big_endian,
            planes: width > 0,
            carry: Vec::new(),
            base: 0,
            low: plane(),
            bits: [plane(), plane(), plane()],
            shifted: Vec::new(),
            found: Vec::new(),
            others: Vec::new(),
            hits: Hits::default(),
            hash: super::hash::Hash::default(),
        }
    }

    /// Takes the next bytes of the tensor.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        let group = GROUP.saturating_mul(self.width);
        let ahead = LOOK.saturating_mul(self.width);
        if !self.carry.is_empty() {
            let old = self.carry.len();
            let more = group.saturating_add(ahead).min(bytes.len());
            self.carry.extend_from_slice(bytes.get(..more).unwrap_or_default());
            let whole = old.next_multiple_of(group);
            let carry = std::mem::take(&mut self.carry);
            if carry.len() < whole.saturating_add(ahead) {
                // Everything new is in the carry: what has enough behind it is looked at.
                let known = carry.len().saturating_sub(ahead);
                let ready = known.saturating_sub(known.checked_rem(group).unwrap_or(0));
                self.examine(&carry, ready);
                self.carry.extend_from_slice(carry.get(ready..).unwrap_or_default());
                // The carry held less than a group and what is ahead, so that `more` was all of `bytes`.
                return;
            }
            self.examine(&carry, whole);
            bytes = bytes.get(whole.saturating_sub(old)..).unwrap_or_default();
        }
        let known = bytes.len().saturating_sub(ahead);
        let ready = known.saturating_sub(known.checked_rem(group).unwrap_or(0));
        self.examine(bytes, ready);
        self.carry.clear();
        self.carry.extend_from_slice(bytes.get(ready..).unwrap_or_default());
    }

    /// The candidates by place, how many more there are, and a hash of all bytes.
    pub(super) fn finish(mut self) -> (Vec<PayloadHit>, u64, u64) {
        let rest = std::mem::take(&mut self.carry);
        self.examine(&rest, rest.len());
        self.search_planes(true);
        let mut hits = self.hits.kept;
        hits.sort_unstable();
        hits.dedup();
        (hits, self.hits.dropped, self.hash.finish())
    }

    /// Looks at the first `ready` bytes of `window`, which begins at `base`; the others are what may follow.
    fn examine(&mut self, window: &[u8], ready: usize) {
        let Some(own) = window.get(..ready).filter(|own| !own.is_empty()) else {
            return;
        };
        // Equal tensors are told by this and by all their statistics: a part of the bytes is enough.
        for group in own.chunks(GROUP.saturating_mul(self.width)) {
            self.hash.feed(group.get(..32).unwrap_or(group));
        }
        self.search_bytes(window, ready);
        if self.planes {
            let before = self.low.bytes.len();
            low_bytes(own, self.width, self.big_endian, &mut self.low.bytes);
            let fresh = self.low.bytes.get(before..).unwrap_or_default();
            let [ones, twos, nibbles] = &mut self.bits;
            pack_bits(fresh, &mut ones.bytes);
            pack_twos(fresh, &mut twos.bytes);
            pack_nibbles(fresh, &mut nibbles.bytes);
            if self.low.bytes.len() >= BATCH {
                self.search_planes(false);
            }
        }
        self.base = self.base.saturating_add(wide(ready));
    }

    /// The bytes as they stand, and the lowest two bytes and more of each element: the first two bytes of a payload
    /// are neighbours in all of these.
    fn search_bytes(&mut self, window: &[u8], ready: usize) {
        let seen = window.get(..ready.saturating_add(1)).unwrap_or(window);
        let (mut found, mut others) = (std::mem::take(&mut self.found), std::mem::take(&mut self.others));
        if self.width > 1 && self.planes {
            SETS.plain.find_either_way(seen, &mut found, &mut others);
        } else {
            SETS.plain.find(seen, &mut found);
        }
        for at in found.drain(..) {
            let here = window.get(at..).unwrap_or_default();
            if let Some(kind) = first_look(here.get(..LOOK).unwrap_or(here)) {
                self.hits.push(self.base.saturating_add(wide(at)), Carrier::Raw, kind);
            }
            if self.planes && self.width > 2 {
                self.look_low(window, at, false);
            }
        }
        for at in others.drain(..) {
            self.look_low(window, at, true);
        }
        (self.found, self.others) = (found, others);
    }

    /// A pair at `at` may be the first two of the lowest bytes of an element; `swapped` when the second comes first.
    fn look_low(&mut self, window: &[u8], at: usize, swapped: bool) {
        let width = self.width;
        let Some(lane) = at.checked_rem(width) else { return };
        let start = at.saturating_sub(lane);
        for low in 2..=width {
            // In memory the lowest bytes are the first of an element, or its last when it is big-endian.
            let first = if self.big_endian { width.saturating_sub(low) } else { 0 };
            let place = if swapped {
                first.saturating_add(low).saturating_sub(2)
            } else {
                first
            };
            // The whole element forwards is the bytes as they stand.
            if place != lane || (low == width && !swapped) {
                continue;
            }
            let mut look = [0u8; LOOK];
            let mut length = 0usize;
            'look: for element in window.get(start..).unwrap_or_default().chunks_exact(width) {
                for nth in 0..low {
                    let nth = if swapped {
                        low.saturating_sub(1).saturating_sub(nth)
                    } else {
                        nth
                    };
                    let Some(byte) = element.get(first.saturating_add(nth)) else {
                        break 'look;
                    };
                    let Some(slot) = look.get_mut(length) else { break 'look };
                    *slot = *byte;
                    length = length.saturating_add(1);
                }
            }
            if let Some(kind) = first_look(look.get(..length).unwrap_or_default()) {
                let carrier = Carrier::Bytes {
                    low: u8::try_from(low).unwrap_or(u8::MAX),
                    high_first: swapped != self.big_endian,
                };
                self.hits.push(self.base.saturating_add(wide(start)), carrier, kind);
            }
        }
    }

    fn search_planes(&mut self, last: bool) {
        let mut found = std::mem::take(&mut self.found);
        let mut others = std::mem::take(&mut self.others);
        let width = wide(self.width);
        let searched = |bytes: &[u8]| {
            if last {
                bytes.len()
            } else {
                bytes.len().saturating_sub(LOOK)
            }
        };
        if self.width > 1 {
            let carrier = Carrier::Bytes {
                low: 1,
                high_first: false,
            };
            let upto = searched(&self.low.bytes);
            SETS.plain.find(upto_one_more(&self.low.bytes, upto), &mut found);
            for at in found.drain(..) {
                let here = self.low.bytes.get(at..).unwrap_or_default();
                if let Some(kind) = first_look(here.get(..LOOK).unwrap_or(here)) {
                    let element = self.low.element.saturating_add(wide(at));
                    self.hits.push(element.saturating_mul(width), carrier, kind);
                }
            }
            self.low.bytes.drain(..upto);
            self.low.element = self.low.element.saturating_add(wide(upto));
        } else {
            self.low.bytes.clear();
        }
        for (plane, (low, turned)) in self
            .bits
            .iter_mut()
            .zip([(1u8, &SETS.bits), (2, &SETS.twos), (4, &SETS.nibbles)])
        {
            let per_byte = 8u8.checked_div(low).unwrap_or(8);
            // One byte more is needed where bytes begin between those that were packed.
            let upto = searched(
                plane
                    .bytes
                    .get(..plane.bytes.len().saturating_sub(1))
                    .unwrap_or_default(),
            );
            let upto = if last { plane.bytes.len() } else { upto };
            for phase in 0..per_byte {
                if low > 1 && phase > 0 && plane.element >= ANYWHERE {
                    break;
                }
                let bytes: &[u8] = if phase == 0 {
                    &plane.bytes
                } else {
                    shift(&plane.bytes, phase.saturating_mul(low), &mut self.shifted);
                    &self.shifted
                };
                SETS.plain
                    .find_both(turned, upto_one_more(bytes, upto), &mut found, &mut others);
                let mut look = |at: usize, high_first: bool| {
                    let here = bytes.get(at..).unwrap_or_default();
                    let mut seen = [0u8; LOOK];
                    let length = here.len().min(LOOK);
                    for (slot, byte) in seen.iter_mut().zip(here) {
                        *slot = if high_first { turn(low, *byte) } else { *byte };
                    }
                    if let Some(kind) = first_look(seen.get(..length).unwrap_or_default()) {
                        let element = wide(at)
                            .saturating_mul(u64::from(per_byte))
                            .saturating_add(u64::from(phase))
                            .saturating_add(plane.element);
                        if low > 1 && phase > 0 && element >= ANYWHERE {
                            return;
                        }
                        self.hits
                            .push(element.saturating_mul(width), Carrier::Bits { low, high_first }, kind);
                    }
                };
                for at in found.drain(..) {
                    look(at, false);
                }
                for at in others.drain(..) {
                    look(at, true);
                }
            }
            plane.bytes.drain(..upto.min(plane.bytes.len()));
            plane.element = plane
                .element
                .saturating_add(wide(upto).saturating_mul(u64::from(per_byte)));
        }
        (self.found, self.others) = (found, others);
    }
}

/// Positions below `upto`, each with the byte behind it.
fn upto_one_more(bytes: &[u8], upto: usize) -> &[u8] {
    bytes.get(..upto.saturating_add(1)).unwrap_or(bytes)
}

/// The bytes that begin `bits` bits behind those of `bytes`; the last one has no end and is left out.
fn shift(bytes: &[u8], bits: u8, out: &mut Vec<u8>) {
    out.clear();
    let (down, up) = (u32::from(bits & 7), u32::from(8u8.saturating_sub(bits) & 7));
    let next = bytes.get(1..).unwrap_or_default();
    out.extend(
        bytes
            .iter()
            .zip(next)
            .map(|(a, b)| (a.wrapping_shr(down)) | (b.wrapping_shl(up))),
    );
}

fn wide(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "payload_tests.rs"]
mod tests;
