//! Items: flags, then what the type has. A stack of what is still to come stands in for recursion.

use crate::format::{Cursor, ReadFault};
use crate::span::Span;

/// What stops the walk.
pub(super) enum Stop {
    Fault(ReadFault),
    Malformed(Span, &'static str),
    Limit(Span, &'static str),
}

impl From<ReadFault> for Stop {
    fn from(fault: ReadFault) -> Self {
        Self::Fault(fault)
    }
}

/// A promise that was not evaluated.
pub(super) struct Promise {
    pub(super) span: Span,
    /// Whether it stands in an environment, as arguments of unfinished calls do.
    pub(super) captured: bool,
    /// The first symbols of its expression.
    pub(super) names: Vec<Vec<u8>>,
}

/// What the walk met.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) promises: Vec<Promise>,
    pub(super) closures: u64,
    pub(super) first_closure: Option<Span>,
    pub(super) bytecode: u64,
    pub(super) first_bytecode: Option<Span>,
}

/// What is still to be read, the next one last.
#[derive(Clone, Copy)]
enum Task {
    /// So many items.
    Items { left: u64, captured: bool },
    /// A promise's value, which says whether it was evaluated.
    Evaluated { at: u64, captured: bool },
    /// The name of a symbol.
    Symbol,
    /// The code vector and the constants of byte code.
    Code,
    /// So many constants of byte code.
    Constants(u64),
    /// An element of a language constant.
    Language,
}

/// The most promises that are kept.
const PROMISES: usize = 64;
/// The most symbols of one promise's expression that are kept.
const NAMES: usize = 6;
/// Items that may be open inside each other; R itself stops at its stack.
const DEEPEST: usize = 1 << 20;

pub(super) struct Walk<'i, 'a> {
    cursor: Cursor<'i, 'a>,
    tasks: Vec<Task>,
    pub(super) seen: Seen,
    /// Symbols that the last promise still wants.
    wanted: usize,
}

const ATTRIBUTES: u32 = 1 << 9;
const TAG: u32 = 1 << 10;

impl<'i, 'a> Walk<'i, 'a> {
    pub(super) fn new(cursor: Cursor<'i, 'a>) -> Self {
        Self {
            cursor,
            tasks: vec![Task::Items {
                left: 1,
                captured: false,
            }],
            seen: Seen::default(),
            wanted: 0,
        }
    }

    /// The offset of the next byte.
    pub(super) fn position(&self) -> u64 {
        self.cursor.position()
    }

    /// Reads to the end of the first item.
    pub(super) fn run(&mut self) -> Result<(), Stop> {
        while let Some(task) = self.tasks.pop() {
            if self.tasks.len() > DEEPEST {
                let span = Span::saturating_at(self.position(), 4);
                return Err(Stop::Limit(span, "R objects nest deeper than is followed"));
            }
            match task {
                Task::Items { left: 0, .. } => {}
                Task::Items { left, captured } => {
                    self.tasks.push(Task::Items {
                        left: left.saturating_sub(1),
                        captured,
                    });
                    self.item(captured)?;
                }
                Task::Evaluated { at, captured } => self.evaluated(at, captured)?,
                Task::Symbol => self.symbol()?,
                Task::Code => {
                    self.constants()?;
                }
                Task::Constants(left) => {
                    if let Some(left) = left.checked_sub(1) {
                        self.tasks.push(Task::Constants(left));
                        self.constant()?;
                    }
                }
                Task::Language => self.language()?,
            }
        }
        Ok(())
    }

    fn items(&mut self, left: u64, captured: bool) {
        if left > 0 {
            self.tasks.push(Task::Items { left, captured });
        }
    }

    /// A length of 4 bytes, or of 8 behind -1.
    fn length(&mut self) -> Result<u64, Stop> {
        let at = self.position();
        let length = self.cursor.u32_be()?;
        match length {
            u32::MAX => {
                let high = u64::from(self.cursor.u32_be()?);
                let low = u64::from(self.cursor.u32_be()?);
                Ok(high.saturating_mul(1 << 32).saturating_add(low))
            }
            0x8000_0000.. => Err(Stop::Malformed(
                Span::saturating_at(at, 4),
                "rds: a negative length (serialize.c, ReadLENGTH)",
            )),
            _ => Ok(u64::from(length)),
        }
    }

    /// So many elements of `size` bytes.
    fn elements(&mut self, size: u64) -> Result<(), Stop> {
        let count = self.length()?;
        self.cursor.skip(count.saturating_mul(size))?;
        Ok(())
    }

    /// So many items, each of 4 bytes at least.
    fn list(&mut self, captured: bool) -> Result<(), Stop> {
        let at = self.position();
        let count = self.length()?;
        if count > self.cursor.remaining() / 4 {
            let wanted = count.saturating_mul(4);
            return Err(Stop::Fault(ReadFault::PastEnd {
                offset: at,
                wanted,
                length: at.saturating_add(self.cursor.remaining()),
            }));
        }
        self.items(count, captured);
        Ok(())
    }

    fn item(&mut self, captured: bool) -> Result<(), Stop> {
        let at = self.position();
        let flags = self.cursor.u32_be()?;
        self.typed(at, flags, captured)
    }

    fn typed(&mut self, at: u64, flags: u32, captured: bool) -> Result<(), Stop> {
        let kind = flags & 0xff;
        let attributes = u64::from(flags & ATTRIBUTES != 0);
        let tag = u64::from(flags & TAG != 0);
        let here = Span::saturating_at(at, 4);
        match kind {
            // NULL, the environments and values that have no more.
            0 | 241 | 242 | 250..=254 => {}
            // A reference to an earlier item.
            255 => {
                if flags >> 8 == 0 {
                    self.cursor.skip(4)?;
                }
            }
            1 => self.tasks.push(Task::Symbol),
            // Pair lists, calls and dots: attributes, tag and value, then the rest, which is of this kind again.
            2 | 6 | 17 => self.items(attributes.saturating_add(tag).saturating_add(2), captured),
            3 => {
                self.seen.closures = self.seen.closures.saturating_add(1);
                self.seen.first_closure.get_or_insert(here);
                self.items(2, captured);
                self.items(tag, true);
                self.items(attributes, captured);
            }
            5 => {
                self.items(1, captured);
                self.tasks.push(Task::Evaluated { at, captured });
                self.items(attributes.saturating_add(tag), true);
            }
            4 => {
                self.cursor.skip(4)?;
                self.items(4, true);
            }
            22 => self.items(attributes.saturating_add(2), captured),
            // A weak reference or an S4 object has nothing but attributes.
            23 | 25 => self.items(attributes, captured),
            7 | 8 => {
                let length = u64::from(self.cursor.u32_be()?);
                self.cursor.skip(length)?;
                self.items(attributes, captured);
            }
            9 => {
                let length = self.cursor.u32_be()?;
                if length != u32::MAX {
                    self.cursor.skip(u64::from(length))?;
                }
                self.items(attributes, captured);
            }
            10 | 13 => self.vector(4, attributes, captured)?,
            14 => self.vector(8, attributes, captured)?,
            15 => self.vector(16, attributes, captured)?,
            24 => self.vector(1, attributes, captured)?,
            16 | 19 | 20 => {
                self.items(attributes, captured);
                self.list(captured)?;
            }
            21 => {
                self.seen.bytecode = self.seen.bytecode.saturating_add(1);
                self.seen.first_bytecode.get_or_insert(here);
                // How many repeated expressions there are.
                self.cursor.skip(4)?;
                self.items(attributes, captured);
                self.tasks.push(Task::Code);
                self.items(1, captured);
            }
            // ALTREP: class, state, attributes.
            238 => self.items(3, captured),
            // Names of a namespace, a package, a persistent object.
            247..=249 => {
                self.cursor.skip(4)?;
                let count = u64::from(self.cursor.u32_be()?);
                if count > self.cursor.remaining() / 8 {
                    return Err(Stop::Malformed(
                        here,
                        "rds: more names than there are bytes (serialize.c, InStringVec)",
                    ));
                }
                self.items(count, captured);
            }
            _ => {
                return Err(Stop::Malformed(
                    here,
                    "rds: an item of no known type (serialize.c, ReadItem)",
                ));
            }
        }
        Ok(())
    }

    fn vector(&mut self, size: u64, attributes: u64, captured: bool) -> Result<(), Stop> {
        self.elements(size)?;
        self.items(attributes, captured);
        Ok(())
    }

    /// A promise's value: unbound when it was never evaluated.
    fn evaluated(&mut self, promise: u64, captured: bool) -> Result<(), Stop> {
        let at = self.position();
        let flags = self.cursor.u32_be()?;
        if flags & 0xff == 252 {
            if self.seen.promises.len() < PROMISES {
                self.seen.promises.push(Promise {
                    span: Span::saturating_at(promise, 4),
                    captured,
                    names: Vec::new(),
                });
                self.wanted = NAMES;
            }
            return Ok(());
        }
        self.typed(at, flags, captured)
    }

    /// A symbol's name, kept when a promise wants it.
    fn symbol(&mut self) -> Result<(), Stop> {
        let at = self.position();
        let flags = self.cursor.u32_be()?;
        if flags & 0xff != 9 {
            return Err(Stop::Malformed(
                Span::saturating_at(at, 4),
                "rds: a symbol without a name (serialize.c, ReadItem)",
            ));
        }
        let length = self.cursor.u32_be()?;
        if length == u32::MAX {
            return Ok(());
        }
        let length = u64::from(length);
        if self.wanted > 0
            && length <= 64
            && let Some(promise) = self.seen.promises.last_mut()
        {
            self.wanted = self.wanted.saturating_sub(1);
            promise.names.push(self.cursor.bytes(length)?.into_owned());
            return Ok(());
        }
        self.cursor.skip(length)?;
        Ok(())
    }

    fn constants(&mut self) -> Result<(), Stop> {
        let at = self.position();
        let count = u64::from(self.cursor.u32_be()?);
        if count > self.cursor.remaining() / 4 {
            let span = Span::saturating_at(at, 4);
            return Err(Stop::Malformed(
                span,
                "rds: more constants than there are bytes (serialize.c, ReadBCConsts)",
            ));
        }
        self.tasks.push(Task::Constants(count));
        Ok(())
    }

    fn constant(&mut self) -> Result<(), Stop> {
        match self.cursor.u32_be()? {
            21 => {
                self.tasks.push(Task::Code);
                self.items(1, false);
            }
            kind @ (2 | 6 | 239 | 240 | 243 | 244) => self.language_of(kind)?,
            _ => self.item(false)?,
        }
        Ok(())
    }

    fn language(&mut self) -> Result<(), Stop> {
        let kind = self.cursor.u32_be()?;
        self.language_of(kind)
    }

    fn language_of(&mut self, kind: u32) -> Result<(), Stop> {
        let mut kind = kind;
        match kind {
            243 => {
                self.cursor.skip(4)?;
                return Ok(());
            }
            244 => {
                self.cursor.skip(4)?;
                kind = self.cursor.u32_be()?;
            }
            _ => {}
        }
        if !matches!(kind, 2 | 6 | 239 | 240) {
            return self.item(false);
        }
        self.tasks.push(Task::Language);
        self.tasks.push(Task::Language);
        // The tag, behind the attributes where there are any.
        self.items(if matches!(kind, 239 | 240) { 2 } else { 1 }, false);
        Ok(())
    }
}
