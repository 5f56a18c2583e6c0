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

impl ReadLog {
    /// An empty log whose hashes can join those of `self`.
    pub(crate) fn another(&self) -> Self {
        Self {
            reads: Vec::new(),
            key: self.key.clone(),
        }
    }

    /// Notes that `bytes` stood at `place` of the source.
    fn note(&mut self, place: Span, bytes: &[u8]) {
        let mut hasher = self.key.build_hasher();
        hasher.write(bytes);
        let hash = hasher.finish();
        self.reads.push((place, hash));
    }
}

/// An artifact that was read at once. Who reads it is told the same bytes every time, and what was asked for again is
/// logged once.
#[derive(Debug, Default)]
pub(crate) struct Held {
    bytes: Vec<u8>,
    /// What was asked for since the last [`Held::log`], apart from each other; the artifact's offsets.
    asked: RefCell<Vec<Span>>,
    /// What is in a log.
    logged: Vec<Span>,
    /// Nobody else can change it: nothing of it needs to be logged.
    private: bool,
}

impl Held {
    /// Spans that are kept apart; of more, everything between the first and the last counts as asked for.
    const MOST: usize = 32;

    /// The bytes of a whole artifact; `private` says that nobody else can change them.
    pub(crate) fn new(bytes: Vec<u8>, private: bool) -> Self {
        Self {
            bytes,
            private,
            ..Self::default()
        }
    }

    /// The whole artifact.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn ask(&self, span: Span) -> Option<&[u8]> {
        let from = usize::try_from(span.start()).ok()?;
        let to = usize::try_from(span.end()).ok()?;
        let bytes = self.bytes.get(from..to)?;
        if self.private || span.is_empty() {
            return Some(bytes);
        }
        let mut asked = self.asked.borrow_mut();
        let known = self.logged.iter().chain(asked.iter()).any(|known| known.encloses(span));
        if known {
            return Some(bytes);
        }
        let hull = |a: Span, b: Span| Span::new(a.start().min(b.start()), a.end().max(b.end()));
        let mut joined = span;
        let crowded = asked.len() >= Self::MOST;
        asked.retain(|other| {
            let apart = !crowded && (other.end() < joined.start() || other.start() > joined.end());
            if !apart {
                joined = hull(*other, joined);
            }
            apart
        });
        asked.push(joined);
        Some(bytes)
    }

    /// Logs what was asked for since the last time; the artifact begins at `base` of its source.
    pub(crate) fn log(&mut self, base: u64, log: &mut ReadLog) {
        for span in self.asked.take() {
            let from = usize::try_from(span.start()).unwrap_or(usize::MAX);
            let to = usize::try_from(span.end()).unwrap_or(usize::MAX);
            log.note(span.shifted(base), self.bytes.get(from..to).unwrap_or_default());
            self.logged.push(span);
        }
    }
}

/// One artifact's bytes, as its format may read them. Offsets are the artifact's own.
pub struct Input<'a> {
    source: &'a dyn ReadAt,
    held: Option<&'a Held>,
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
            held: None,
            window,
            structure_left,
            log,
            deadline,
            quick,
        }
    }

    /// The same input, read from `held`, which is the whole artifact.
    pub(crate) fn holding(self, held: Option<&'a Held>) -> Self {
        Self { held, ..self }
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
        if let Some(held) = self.held {
            let bytes = held.ask(span).ok_or(ReadFault::PastEnd {
                offset,
                wanted: span.len(),
                length: self.len(),
            })?;
            return Ok(Cow::Borrowed(bytes));
        }
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
            self.log.borrow_mut().note(place, &bytes);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_logged_once_however_often_it_is_asked_for() {
        let bytes: Vec<u8> = (0..=255).collect();
        let mut log = ReadLog::default();
        let mut held = Held::new(bytes.clone(), false);
        for (from, to) in [(0, 4), (0, 16), (8, 20), (100, 100), (50, 60), (60, 70), (2, 3)] {
            let expected = &bytes[usize::try_from(from).unwrap()..usize::try_from(to).unwrap()];
            assert_eq!(held.ask(Span::new(from, to)), Some(expected));
        }
        assert_eq!(held.ask(Span::new(250, 257)), None);
        held.log(1000, &mut log);
        held.ask(Span::new(55, 65));
        held.log(1000, &mut log);
        let spans: Vec<Span> = log.reads.iter().map(|(span, _)| *span).collect();
        assert_eq!(spans, [Span::new(1000, 1020), Span::new(1050, 1070)]);
        let mut sweep = log.another();
        sweep.note(spans[0], &bytes[..20]);
        assert_eq!(sweep.reads[0], log.reads[0]);
    }

    #[test]
    fn of_many_places_the_span_around_them_is_logged() {
        let mut log = ReadLog::default();
        let mut held = Held::new(vec![7; 1000], false);
        (0..100).for_each(|n| assert!(held.ask(Span::new(n * 10, n * 10 + 1)).is_some()));
        held.log(0, &mut log);
        assert!(log.reads.len() <= Held::MOST);
        let covered = |at: u64| log.reads.iter().any(|(span, _)| span.encloses(Span::new(at, at + 1)));
        assert!((0..100).all(|n| covered(n * 10)));
        let mut private = Held::new(vec![7; 1000], true);
        private.ask(Span::new(0, 1000));
        private.log(0, &mut log);
        assert!(log.reads.len() <= Held::MOST);
    }
}
