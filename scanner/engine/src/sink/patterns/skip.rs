//! A table that says, from the last bytes of a window, how far the window may move, and where it must be looked at.
//!
//! Letters are folded on both sides (bit 5 is set), so that one table serves patterns in either case; what the table
//! finds is a candidate only.

/// Keys of the table.
const KEYS: usize = 1 << 16;

/// The table over windows of one length.
pub(super) struct Skip {
    window: usize,
    /// Whether a key is four bytes hashed, rather than two bytes as they are.
    wide: bool,
    shift: Box<[u8; KEYS]>,
    /// What ends in a key whose shift is zero.
    buckets: Vec<Vec<usize>>,
    /// Which bucket a key has.
    bucket_of: Box<[u32; KEYS]>,
}

impl Skip {
    /// An empty table over windows of `window` bytes: at least 2, and at least 4 for wide keys.
    pub(super) fn new(window: usize, wide: bool) -> Self {
        let farthest = window.saturating_sub(block(wide)).saturating_add(1);
        Self {
            window,
            wide,
            shift: Box::new([u8::try_from(farthest).unwrap_or(1); KEYS]),
            buckets: vec![Vec::new()],
            bucket_of: Box::new([0; KEYS]),
        }
    }

    /// How bad a window is: how many end in the same key, and whether it is what fills files.
    pub(super) fn cost(&self, window: &[u8]) -> usize {
        let end = window.len().saturating_sub(block(self.wide));
        let last = window.get(end..).unwrap_or_default();
        let common = last.iter().filter(|byte| matches!(byte, 0 | b' ' | 0xff)).count();
        let same = last.iter().all(|byte| Some(byte) == last.first());
        let crowd = key(self.wide, last)
            .and_then(|key| self.bucket(key))
            .map_or(0, <[usize]>::len);
        crowd
            .saturating_mul(4)
            .saturating_add(common)
            .saturating_add(if same { 8 } else { 0 })
    }

    /// Adds a window of the entry `index`.
    pub(super) fn add(&mut self, window: &[u8], index: usize) {
        let size = block(self.wide);
        let last = window.len().saturating_sub(size);
        for (at, part) in window.windows(size).enumerate() {
            let Some(key) = key(self.wide, part) else { continue };
            let shift = u8::try_from(last.saturating_sub(at)).unwrap_or(u8::MAX);
            if let Some(slot) = self.shift.get_mut(key) {
                *slot = (*slot).min(shift);
            }
            if at == last
                && let Some(number) = self.bucket_of.get_mut(key)
            {
                if *number == 0 {
                    *number = u32::try_from(self.buckets.len()).unwrap_or(0);
                    self.buckets.push(Vec::new());
                }
                let bucket = usize::try_from(*number)
                    .ok()
                    .and_then(|number| self.buckets.get_mut(number));
                if let Some(bucket) = bucket {
                    bucket.push(index);
                }
            }
        }
    }

    /// Calls `found` with each entry that may have its window at a place in `from..to`, ascending by place.
    pub(super) fn each(&self, bytes: &[u8], from: usize, to: usize, found: impl FnMut(usize, usize)) {
        if self.wide {
            self.search::<4>(bytes, from, to, found);
        } else {
            self.search::<2>(bytes, from, to, found);
        }
    }

    fn search<const BLOCK: usize>(&self, bytes: &[u8], from: usize, to: usize, mut found: impl FnMut(usize, usize)) {
        let ahead = self.window.saturating_sub(BLOCK);
        let Some(tail) = bytes.get(ahead..) else { return };
        let mut at = from;
        while at < to {
            let Some(key) = tail
                .get(at..)
                .and_then(|rest| rest.first_chunk::<BLOCK>())
                .and_then(|b| key(self.wide, b))
            else {
                return;
            };
            match self.shift.get(key).copied().unwrap_or(1) {
                0 => {
                    for index in self.bucket(key).unwrap_or_default() {
                        found(*index, at);
                    }
                    at = at.saturating_add(1);
                }
                shift => at = at.saturating_add(usize::from(shift)),
            }
        }
    }

    fn bucket(&self, key: usize) -> Option<&[usize]> {
        let number = usize::try_from(*self.bucket_of.get(key)?).ok()?;
        self.buckets.get(number).map(Vec::as_slice)
    }
}

const fn block(wide: bool) -> usize {
    if wide { 4 } else { 2 }
}

/// The key of a block; `None` when it is too short.
#[inline(always)]
fn key(wide: bool, block: &[u8]) -> Option<usize> {
    if wide {
        let word = u32::from_le_bytes(*block.first_chunk::<4>()?) | 0x2020_2020;
        let [_, _, low, high] = word.wrapping_mul(0x9e37_79b1).to_le_bytes();
        Some(usize::from(u16::from_le_bytes([low, high])))
    } else {
        Some(usize::from(u16::from_le_bytes(*block.first_chunk::<2>()?) | 0x2020))
    }
}
