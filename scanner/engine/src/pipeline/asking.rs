//! Asking the formats: what an artifact is, and what its format says about it.
//!
//! Both are functions of the bytes and the limits alone. So a bundle's thousands of modules are asked about ahead of
//! their turn, by two threads; what is done with the answers (children, quotas, errors) keeps its order in `tree`.

use super::Context;
use super::root::STACK;
use super::tree::Place;
use crate::finding::{ErrorCode, ScanError};
use crate::format::language::is_text;
use crate::format::{Format, Held, Input, Layout, Parse, ReadLog};
use crate::identify::{self, Candidate, HEAD, Probe, TAIL};
use crate::source::{Quota, ReadAt, read_full_at};
use crate::span::Span;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Artifacts up to this length are read at once: what is looked at to identify them is nearly all of them.
const SMALL: u64 = 128 << 10;
/// Texts up to this length are read at once: what looks through them looks through all of them.
const TEXT: u64 = 8 << 20;
/// Artifacts that are asked about ahead, and the bytes they may have all together, which bounds what is held.
const MOST: usize = 512;
const BYTES: u64 = 16 << 20;
/// Fewer artifacts than this are not worth a thread, nor less bytes than this of fewer than can be asked about at once.
const FEW: usize = 8;
const LITTLE: u64 = 1 << 20;

/// As what an artifact is read.
#[derive(Clone, Copy)]
pub(super) enum Reading<'r> {
    Format(&'static dyn Format),
    Layout(&'r Layout),
}

impl Reading<'_> {
    pub(super) fn id(&self) -> &'static str {
        match self {
            Self::Format(format) => format.id(),
            Self::Layout(layout) => layout.format,
        }
    }
}

/// A slice whose turn has not come.
pub(super) struct Queued {
    /// The node that holds it, and the place in its list of children.
    pub(super) parent: Option<(usize, usize)>,
    pub(super) place: Place,
    pub(super) window: Span,
    /// What was said about it ahead of its turn.
    pub(super) said: Option<Said>,
}

/// What the formats said about an artifact.
pub(super) struct Said {
    /// What it could be, or why it cannot be known.
    pub(super) candidates: Result<Vec<Candidate>, ScanError>,
    /// Its bytes, when they were read at once.
    pub(super) held: Option<Held>,
    /// The view of the first candidate.
    pub(super) viewed: Option<Viewed>,
    /// What was read.
    pub(super) log: ReadLog,
}

/// One format's account.
pub(super) struct Viewed {
    /// `None` when the parser panicked.
    pub(super) parse: Option<Parse>,
    /// Bytes of structure.
    pub(super) used: u64,
}

/// The bytes and the limits.
pub(super) struct Asking<'p, 'c> {
    ctx: &'p Context<'c>,
    source: &'p dyn ReadAt,
    max_structure: u64,
    deadline: Option<Instant>,
}

impl<'p, 'c> Asking<'p, 'c> {
    pub(super) fn new(ctx: &'p Context<'c>, quota: &Quota, source: &'p dyn ReadAt) -> Self {
        Self {
            ctx,
            source,
            max_structure: quota.limits().max_structure,
            deadline: quota.deadline(),
        }
    }

    /// Has those answered whose turn comes next, when there are many and nothing was said about the first of them.
    pub(super) fn ahead(&self, queue: &mut [Queued], log: &ReadLog) {
        if !self.ctx.two_threads {
            return;
        }
        let (mut open, mut bytes) = (0usize, 0u64);
        for next in queue.iter().rev().take(MOST) {
            let all = bytes.saturating_add(next.window.len());
            if next.said.is_some() || next.place.layout.is_some() || all > BYTES {
                break;
            }
            (open, bytes) = (open.saturating_add(1), all);
        }
        if open < FEW || bytes < LITTLE && open < MOST {
            return;
        }
        let Some(queue) = queue.get_mut(queue.len().saturating_sub(open)..) else {
            return;
        };
        let windows: Vec<Span> = queue.iter().map(|next| next.window).collect();
        let keys = [log.another(), log.another()];
        let taken = AtomicUsize::new(0);
        let work = |key: &ReadLog| {
            let mut done = Vec::new();
            loop {
                let index = taken.fetch_add(1, Ordering::Relaxed);
                let Some(window) = windows.get(index) else { break };
                done.push((index, self.about(*window, key)));
            }
            done
        };
        let [first, second] = keys;
        let done = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(STACK);
            let helper = thread.spawn_scoped(scope, || work(&second));
            let mut done = work(&first);
            // What a thread did not bring is asked for when its turn comes.
            done.extend(helper.ok().and_then(|helper| helper.join().ok()).unwrap_or_default());
            done
        });
        for (index, said) in done {
            if let Some(next) = queue.get_mut(index) {
                next.said = Some(said);
            }
        }
    }

    /// What the artifact at `window` is, and what the format it most likely has says about it.
    pub(super) fn about(&self, window: Span, log: &ReadLog) -> Said {
        let log = RefCell::new(log.another());
        let whole = Span::new(0, window.len());
        let mut held = None;
        let candidates = if window.len() <= SMALL && self.source.as_slice().is_none() {
            self.read(window, whole).map(|bytes| {
                self.ctx.count_read(bytes.len() as u64);
                among(held.insert(self.hold(bytes)).bytes())
            })
        } else {
            self.identify(window, whole)
        };
        let first = candidates.as_ref().ok().and_then(|all| all.first()).copied();
        let viewed = first.map(|first| {
            let text = is_text(first.format.id()) && window.len() <= TEXT;
            if text && held.is_none() && self.source.as_slice().is_none() {
                // What cannot be read now is told by whoever reads it piece by piece.
                held = self.read(window, whole).ok().map(|bytes| self.hold(bytes));
            }
            let viewed = self.view(Reading::Format(first.format), window, held.as_ref(), &log);
            if let Some(held) = &mut held {
                held.log(window.start(), &mut log.borrow_mut());
            }
            viewed
        });
        Said {
            candidates,
            held,
            viewed,
            log: log.into_inner(),
        }
    }

    /// Reads the artifact at `window` as one format.
    pub(super) fn view(
        &self,
        reading: Reading<'_>,
        window: Span,
        held: Option<&Held>,
        log: &RefCell<ReadLog>,
    ) -> Viewed {
        let left = Cell::new(self.max_structure);
        let quick = self.ctx.quick();
        let input = Input::new(self.source, window, &left, log, self.deadline, quick).holding(held);
        // A parser must not panic; should one do so all the same, its artifact is incomplete and the scan goes on.
        let parsed = catch_unwind(AssertUnwindSafe(|| match reading {
            Reading::Format(format) => Parse::of(format, &input),
            Reading::Layout(layout) => Parse::of_layout(layout, &input),
        }));
        Viewed {
            parse: parsed.ok(),
            used: self.max_structure.saturating_sub(left.get()),
        }
    }

    /// What `span` of the artifact at `window` could be.
    pub(super) fn identify(&self, window: Span, span: Span) -> Result<Vec<Candidate>, ScanError> {
        let place = span.shifted(window.start());
        if let Some(all) = self.source.as_slice() {
            let from = usize::try_from(place.start()).unwrap_or(usize::MAX);
            let to = usize::try_from(place.end()).unwrap_or(usize::MAX);
            return Ok(among(all.get(from..to).unwrap_or_default()));
        }
        let head = self.read(window, Span::saturating_at(span.start(), (HEAD as u64).min(span.len())))?;
        let tail = self.read(
            window,
            Span::new(span.end().saturating_sub((TAIL as u64).min(span.len())), span.end()),
        )?;
        self.ctx.count_read((head.len() + tail.len()) as u64);
        Ok(identify::identify(&Probe::new(&head, &tail, span.len())))
    }

    fn hold(&self, bytes: Vec<u8>) -> Held {
        Held::new(bytes, self.source.is_private())
    }

    /// The bytes of `span`. Errors speak of offsets in the artifact, reads of offsets in the source.
    fn read(&self, window: Span, span: Span) -> Result<Vec<u8>, ScanError> {
        let mut bytes = vec![0u8; usize::try_from(span.len()).unwrap_or(0)];
        let place = span.shifted(window.start());
        let n = read_full_at(self.source, &mut bytes, place.start())
            .map_err(|e| ScanError::new(ErrorCode::Unreadable, format!("cannot read: {e}")).at(span.start()))?;
        if n < bytes.len() {
            let at = span.start().saturating_add(n as u64);
            return Err(ScanError::new(ErrorCode::ChangedDuringScan, "the file became shorter").at(at));
        }
        Ok(bytes)
    }
}

/// What `bytes`, an artifact from its first to its last, could be.
fn among(bytes: &[u8]) -> Vec<Candidate> {
    let head = bytes.get(..HEAD).unwrap_or(bytes);
    let tail = bytes.get(bytes.len().saturating_sub(TAIL)..).unwrap_or(bytes);
    identify::identify(&Probe::new(head, tail, bytes.len() as u64))
}
