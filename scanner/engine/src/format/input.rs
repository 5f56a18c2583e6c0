//! Bounded, positioned reads of structure bytes.

use crate::finding::{ErrorCode, ScanError};
use crate::source::{Limits, ReadAt, read_full_at};
use crate::span::Span;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Instant;

/// Why structure bytes could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadFault {
    /// The structure points past the end: the artifact is truncated or lies.
    #[error("{wanted} bytes at offset {offset:#x} lie past the end ({length} bytes)")]
    PastEnd {
        /// Where the read starts.
        offset: u64,
        /// How many bytes were wanted.
        wanted: u64,
        /// The artifact's length.
        length: u64,
    },
    /// `--max-structure` is used up.
    #[error("more than --max-structure bytes of structure, at offset {offset:#x}")]
    Limit {
        /// Where the read starts.
        offset: u64,
    },
    /// The time is up.
    #[error("not finished within --timeout, at offset {offset:#x}")]
    Timeout {
        /// Where the read starts.
        offset: u64,
    },
    /// The operating system could not read.
    #[error("cannot read at offset {offset:#x}: {message}")]
    Io {
        /// Where the read starts.
        offset: u64,
        /// What it said.
        message: String,
    },
    /// The file became shorter than it was.
    #[error("the file ended at offset {offset:#x} although it was longer when it was opened")]
    Shrunk {
        /// Where the bytes ended.
        offset: u64,
    },
}

impl ReadFault {
    /// The offset of the read.
    pub fn offset(&self) -> u64 {
        match self {
            Self::PastEnd { offset, .. }
            | Self::Limit { offset }
            | Self::Timeout { offset }
            | Self::Io { offset, .. }
            | Self::Shrunk { offset } => *offset,
        }
    }

    /// The error it is, unless it is the artifact's own fault (`PastEnd`).
    pub fn as_error(&self) -> Option<ScanError> {
        let code = match self {
            Self::PastEnd { .. } => return None,
            Self::Limit { .. } | Self::Timeout { .. } => ErrorCode::LimitExceeded,
            Self::Io { .. } => ErrorCode::Unreadable,
            Self::Shrunk { .. } => ErrorCode::ChangedDuringScan,
        };
        Some(ScanError::new(code, self.to_string()).at(self.offset()))
    }
}

/// What was read before the sweep, so that the sweep can tell whether it still stands: a keyed hash for each read.
#[derive(Debug, Default)]
pub(crate) struct ReadLog {
    pub(crate) reads: Vec<(Span, u64)>,
    pub(crate) key: RandomState,
}

/// One artifact's bytes, as its format may read them. Offsets are the artifact's own.
pub struct Input<'a> {
    source: &'a dyn ReadAt,
    window: Span,
    structure_left: &'a Cell<u64>,
    log: &'a RefCell<ReadLog>,
    deadline: Option<Instant>,
    quick: bool,
}

impl<'a> Input<'a> {
    pub(crate) fn new(
        source: &'a dyn ReadAt,
        window: Span,
        structure_left: &'a Cell<u64>,
        log: &'a RefCell<ReadLog>,
        deadline: Option<Instant>,
        quick: bool,
    ) -> Self {
        Self {
            source,
            window,
            structure_left,
            log,
            deadline,
            quick,
        }
    }

    /// An input over bytes in memory, for tests and fuzz targets.
    pub fn with_bytes<R>(bytes: &[u8], run: impl FnOnce(&Input<'_>) -> R) -> R {
        let source = crate::source::MemorySource::new(bytes);
        let left = Cell::new(Limits::default().max_structure);
        let log = RefCell::new(ReadLog::default());
        let window = Span::new(0, source.len());
        run(&Input::new(&source, window, &left, &log, None, false))
    }

    /// The artifact's length in bytes.
    pub fn len(&self) -> u64 {
        self.window.len()
    }

    /// Whether the artifact holds no byte.
    pub fn is_empty(&self) -> bool {
        self.window.is_empty()
    }

    /// The whole artifact.
    pub fn whole(&self) -> Span {
        Span::new(0, self.len())
    }

    /// Whether only structure is examined (`--depth quick`): payloads are not decoded.
    pub fn is_quick(&self) -> bool {
        self.quick
    }

    /// Exactly the bytes of `span`. Borrowed when the artifact is in memory. Counts against `--max-structure`.
    ///
    /// # Errors
    /// [`ReadFault`]; `PastEnd` when the artifact is too short.
    pub fn read(&self, span: Span) -> Result<Cow<'a, [u8]>, ReadFault> {
        let offset = span.start();
        if span.end() > self.len() {
            return Err(ReadFault::PastEnd {
                offset,
                wanted: span.len(),
                length: self.len(),
            });
        }
        if self.deadline.is_some_and(|at| Instant::now() >= at) {
            return Err(ReadFault::Timeout { offset });
        }
        let left = self
            .structure_left
            .get()
            .checked_sub(span.len())
            .ok_or(ReadFault::Limit { offset })?;
        self.structure_left.set(left);
        let place = span.shifted(self.window.start());
        if let Some(all) = self.source.as_slice() {
            let from = usize::try_from(place.start()).ok();
            let to = usize::try_from(place.end()).ok();
            if let (Some(from), Some(to)) = (from, to)
                && let Some(bytes) = all.get(from..to)
            {
                return Ok(Cow::Borrowed(bytes));
            }
            return Err(ReadFault::PastEnd {
                offset,
                wanted: span.len(),
                length: self.len(),
            });
        }
        let length = usize::try_from(span.len()).map_err(|_| ReadFault::Limit { offset })?;
        let mut bytes = vec![0u8; length];
        let n = read_full_at(self.source, &mut bytes, place.start()).map_err(|e| ReadFault::Io {
            offset,
            message: e.to_string(),
        })?;
        if n < length {
            return Err(ReadFault::Shrunk {
                offset: offset.saturating_add(u64::try_from(n).unwrap_or(u64::MAX)),
            });
        }
        if !self.source.is_private() && !bytes.is_empty() {
            let mut log = self.log.borrow_mut();
            let mut hasher = log.key.build_hasher();
            hasher.write(&bytes);
            let hash = hasher.finish();
            log.reads.push((place, hash));
        }
        Ok(Cow::Owned(bytes))
    }

    /// Up to `length` bytes at `offset`, fewer at the end of the artifact, none past it.
    ///
    /// # Errors
    /// [`ReadFault`], never `PastEnd`.
    pub fn read_up_to(&self, offset: u64, length: u64) -> Result<Cow<'a, [u8]>, ReadFault> {
        self.read(Span::saturating_at(offset, length).intersect(self.whole()))
    }
}
