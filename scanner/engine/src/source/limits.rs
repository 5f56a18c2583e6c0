//! Limits on what one root artifact may cost. Reaching one makes the artifact incomplete, never clean.

use crate::finding::{ErrorCode, ScanError};
use std::time::{Duration, Instant};

/// What one root artifact (a file, an archive with all it holds) may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Levels of nesting.
    pub max_depth: u32,
    /// Decoded bytes for each encoded byte, once [`Self::RATIO_FLOOR`] bytes were decoded.
    pub max_ratio: u64,
    /// Members and nested artifacts of one root.
    pub max_members: u64,
    /// Decoded bytes of one root, all levels together.
    pub max_decoded: u64,
    /// Structure bytes that are parsed in one artifact.
    pub max_structure: u64,
    /// Wall-clock time for one root.
    pub timeout: Duration,
}

impl Limits {
    /// Ratios are not judged below this many decoded bytes: short runs of zeros compress a thousandfold.
    pub const RATIO_FLOOR: u64 = 32 << 20;
    /// Bytes that the members of one root hand up to what holds them.
    pub const EXPORTS: u64 = 64 << 20;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_depth: 16,
            max_ratio: 250,
            max_members: 2_000_000,
            max_decoded: 32 << 30,
            max_structure: 256 << 20,
            timeout: Duration::from_secs(600),
        }
    }
}

/// What one root has used so far.
#[derive(Debug)]
pub(crate) struct Quota {
    limits: Limits,
    root_length: u64,
    decoded: u64,
    members: u64,
    exported: u64,
    deadline: Option<Instant>,
}

/// A limit that stops decoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DecodeStop {
    /// More decoded bytes for the input than `max_ratio` allows: a bomb.
    Ratio,
    /// More decoded bytes for the whole root than `max_ratio` allows: a bomb made of many parts.
    TotalRatio,
    /// `max_decoded` reached.
    Decoded,
    /// `timeout` reached.
    Timeout,
}

impl Quota {
    /// A fresh quota for a root of `root_length` bytes.
    pub(crate) fn new(limits: &Limits, root_length: u64) -> Self {
        Self {
            limits: limits.clone(),
            root_length,
            decoded: 0,
            members: 0,
            exported: 0,
            deadline: Instant::now().checked_add(limits.timeout),
        }
    }

    /// The limits in force.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Counts `n` decoded bytes, which come from an input of `input` bytes that has given `output` bytes so far.
    ///
    /// # Errors
    /// The limit that was reached.
    pub(crate) fn decode(&mut self, n: u64, input: u64, output: u64) -> Result<(), DecodeStop> {
        self.decoded = self.decoded.saturating_add(n);
        if self.decoded > self.limits.max_decoded {
            return Err(DecodeStop::Decoded);
        }
        let over = |out: u64, input: u64| {
            out > Limits::RATIO_FLOOR && out > input.max(1).saturating_mul(self.limits.max_ratio)
        };
        if over(output, input) {
            return Err(DecodeStop::Ratio);
        }
        if over(self.decoded, self.root_length) {
            return Err(DecodeStop::TotalRatio);
        }
        if self.expired() {
            return Err(DecodeStop::Timeout);
        }
        Ok(())
    }

    /// Counts one nested artifact or member; `false` when there are too many.
    pub(crate) fn member(&mut self) -> bool {
        self.members = self.members.saturating_add(1);
        self.members <= self.limits.max_members
    }

    /// Keeps `n` bytes that members hand up to what holds them; `false` when there is no room for them.
    pub(crate) fn export(&mut self, n: u64) -> bool {
        let all = self.exported.saturating_add(n);
        let room = all <= Limits::EXPORTS;
        if room {
            self.exported = all;
        }
        room
    }

    /// Gives room back.
    pub(crate) fn release(&mut self, n: u64) {
        self.exported = self.exported.saturating_sub(n);
    }

    /// Whether the time is up.
    pub(crate) fn expired(&self) -> bool {
        self.deadline.is_some_and(|at| Instant::now() >= at)
    }

    /// Decoded bytes so far.
    pub(crate) fn decoded(&self) -> u64 {
        self.decoded
    }

    /// The root's length in bytes.
    pub(crate) fn root_length(&self) -> u64 {
        self.root_length
    }

    /// When the time is up.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The error for an expired deadline.
    pub(crate) fn timeout_error(&self) -> ScanError {
        ScanError::new(
            ErrorCode::LimitExceeded,
            format!("not finished within --timeout {} s", self.limits.timeout.as_secs_f64()),
        )
    }
}
