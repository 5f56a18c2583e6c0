//! Two rings, one order of time.
//!
//! Violations have a ring of their own, so that a flood of inventory cannot push one out. An event becomes visible in its
//! ring a moment after its time was taken: what is younger than the start of a pass waits for the next, so that a name
//! arrives before the connection that it explains.

use std::os::fd::{AsFd, BorrowedFd};

use aya::maps::{MapData, RingBuf};

/// How long an event may be under way between its time and its ring, in nanoseconds.
const UNDER_WAY: u64 = 5_000_000;

/// Both rings, and what waits.
pub(super) struct Drain {
    violations: RingBuf<MapData>,
    events: RingBuf<MapData>,
    waiting: Vec<(u64, Vec<u8>)>,
}

impl Drain {
    /// Of these rings.
    pub(super) fn new(violations: RingBuf<MapData>, events: RingBuf<MapData>) -> Self {
        Self {
            violations,
            events,
            waiting: Vec::new(),
        }
    }

    /// Readable when an event has come.
    pub(super) fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.violations.as_fd(), self.events.as_fd()]
    }

    /// Hands on, in the order of time, every event older than `now` by what one may be under way; all of them when `last`.
    pub(super) fn pass(&mut self, now: u64, last: bool, absorb: &mut dyn FnMut(&[u8])) {
        for ring in [&mut self.violations, &mut self.events] {
            while let Some(event) = ring.next() {
                let time = event
                    .get(..8)
                    .and_then(|eight| eight.try_into().ok())
                    .map_or(0, u64::from_ne_bytes);
                self.waiting.push((time, event.to_vec()));
            }
        }
        self.waiting.sort_by_key(|(time, _)| *time);
        let until = now.saturating_sub(UNDER_WAY);
        let ready = if last {
            self.waiting.len()
        } else {
            self.waiting.partition_point(|(time, _)| *time < until)
        };
        for (_, bytes) in self.waiting.drain(..ready) {
            absorb(&bytes);
        }
    }
}
