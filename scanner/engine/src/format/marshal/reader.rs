//! The reader of the marshal notation (CPython, `Python/marshal.c`), versions 0 to 5.
//!
//! | code | value | | code | value |
//! | --- | --- | --- | --- | --- |
//! | `N F T S .` | constants | | `( [ < >` | sequence, count of 4 bytes |
//! | `i I f g x y l` | numbers | | `)` | tuple, count of 1 byte |
//! | `s` | bytes | | `{` | dictionary, ends with `0` |
//! | `u t a A z Z` | text | | `c` | code object |
//! | `r R` | an earlier value | | `:` | slice |
//!
//! Bit 7 of a code puts the value into the table that `r` names. Nothing is built: values are nodes of an arena, and a
//! reference is the number of its node, so that what references multiply stays as small as the file.

use super::layout::Layout;

/// The deepest nesting: CPython refuses more.
const DEPTH: usize = 2000;
/// The most values of one stream.
const NODES: usize = 1 << 20;

/// A value's number.
pub(super) type Id = u32;

/// What a value is, as far as anyone asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A constant or a number.
    Plain,
    Bytes,
    Text,
    Tuple(Vec<Id>),
    /// A list, set, dictionary or slice.
    Collection,
    /// The object fields in the order of the layout.
    Code(Vec<Id>),
}

/// A value: what it is, and where its content stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Why reading ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The bytes end inside a value.
    Cut,
    /// A rule is broken at this offset.
    Broken { at: usize, rule: &'static str },
    /// Deeper than loaders go, at this offset.
    Deep { at: usize },
    /// More values than are kept, at this offset.
    Many { at: usize },
}

/// A stream, read.
pub(super) struct Stream {
    pub(super) nodes: Vec<Node>,
    /// Bytes used.
    pub(super) end: usize,
    pub(super) fault: Option<Fault>,
}

/// A container that is being read.
struct Open {
    node: Id,
    items: Vec<Id>,
    /// Values still to come; `None` for a dictionary, which says where it ends.
    left: Option<usize>,
    code: bool,
}

/// Reads one value from the start of `bytes`, its code objects by `layout`.
pub(super) fn read(bytes: &[u8], layout: &Layout) -> Stream {
    let mut reader = Reader {
        bytes,
        at: 0,
        layout,
        nodes: Vec::new(),
        refs: Vec::new(),
        open: Vec::new(),
    };
    let fault = reader.run().err();
    Stream {
        nodes: reader.nodes,
        end: reader.at,
        fault,
    }
}

struct Reader<'b, 'l> {
    bytes: &'b [u8],
    at: usize,
    layout: &'l Layout,
    nodes: Vec<Node>,
    refs: Vec<Option<Id>>,
    open: Vec<Open>,
}

impl Reader<'_, '_> {
    fn run(&mut self) -> Result<(), Fault> {
        loop {
            let mut done = self.value()?;
            // A value completes its container, which completes the one around it.
            loop {
                if let Some(id) = done {
                    let Some(top) = self.open.last_mut() else {
                        return Ok(());
                    };
                    top.items.push(id);
                    top.left = top.left.map(|n| n.saturating_sub(1));
                }
                let Some(top) = self.open.last() else {
                    return Ok(());
                };
                if top.code {
                    let filled = top.items.len();
                    self.between(filled)?;
                }
                if self.open.last().is_none_or(|top| top.left != Some(0)) {
                    break;
                }
                done = self.close()?;
            }
        }
    }

    /// The numbers that stand between a code object's values.
    fn between(&mut self, filled: usize) -> Result<(), Fault> {
        if filled == self.layout.objects {
            self.skip(4)?;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<Option<Id>, Fault> {
        let Some(top) = self.open.pop() else {
            return Ok(None);
        };
        let at = self.at;
        let kind = if top.code {
            let types = |id: &Id| self.node(*id).map(|n| n.kind.clone());
            if !self.layout.fits(&top.items, types) {
                return Err(Fault::Broken {
                    at,
                    rule: "marshal: a code object's fields are of the wrong types",
                });
            }
            Kind::Code(top.items)
        } else {
            match self.node(top.node).map(|n| &n.kind) {
                Some(Kind::Collection) => Kind::Collection,
                _ => Kind::Tuple(top.items),
            }
        };
        if let Some(node) = usize::try_from(top.node).ok().and_then(|n| self.nodes.get_mut(n)) {
            node.kind = kind;
            node.end = at;
        }
        Ok(Some(top.node))
    }

    fn node(&self, id: Id) -> Option<&Node> {
        self.nodes.get(usize::try_from(id).ok()?)
    }

    fn add(&mut self, kind: Kind, start: usize, reference: bool) -> Result<Id, Fault> {
        if self.nodes.len() >= NODES {
            return Err(Fault::Many { at: start });
        }
        let id = Id::try_from(self.nodes.len()).unwrap_or(Id::MAX);
        let end = self.at;
        self.nodes.push(Node { kind, start, end });
        if reference {
            self.refs.push(Some(id));
        }
        Ok(id)
    }

    /// Reads one value's code and content; `None` when it opened a container, or ended a dictionary.
    fn value(&mut self) -> Result<Option<Id>, Fault> {
        let at = self.at;
        let code = self.byte()?;
        let reference = code & 0x80 != 0;
        let broken = |rule| Fault::Broken { at, rule };
        match code & 0x7f {
            b'0' => {
                if let Some(top) = self.open.last_mut()
                    && top.left.is_none()
                {
                    top.left = Some(0);
                    return Ok(None);
                }
                Err(broken("marshal: a NULL where a value must be"))
            }
            b'N' | b'F' | b'T' | b'S' | b'.' => self.add(Kind::Plain, at, reference).map(Some),
            b'i' => self.fixed(4, at, reference),
            b'I' | b'g' => self.fixed(8, at, reference),
            b'y' => self.fixed(16, at, reference),
            b'f' => {
                let n = usize::from(self.byte()?);
                self.fixed(n, at, reference)
            }
            b'x' => {
                for _ in 0..2 {
                    let n = usize::from(self.byte()?);
                    self.skip(n)?;
                }
                self.fixed(0, at, reference)
            }
            b'l' => {
                // A signed count of digits of 15 bits.
                let count = self.u32()?;
                let digits = i32::from_le_bytes(count.to_le_bytes()).unsigned_abs();
                let bytes = usize::try_from(digits).unwrap_or(usize::MAX).saturating_mul(2);
                self.fixed(bytes, at, reference)
            }
            b's' => {
                let n = self.count(1)?;
                self.string(Kind::Bytes, n, reference)
            }
            b'u' | b't' | b'a' | b'A' => {
                let n = self.count(1)?;
                self.string(Kind::Text, n, reference || code & 0x7f == b't' && self.layout.interns)
            }
            b'z' | b'Z' => {
                let n = usize::from(self.byte()?);
                self.string(Kind::Text, n, reference)
            }
            b'(' => {
                let n = self.count(1)?;
                self.enter(Kind::Tuple(Vec::new()), Some(n), at, reference)
            }
            b')' => {
                let n = usize::from(self.byte()?);
                self.enter(Kind::Tuple(Vec::new()), Some(n), at, reference)
            }
            b'[' | b'<' | b'>' => {
                let n = self.count(1)?;
                self.enter(Kind::Collection, Some(n), at, reference)
            }
            b':' => self.enter(Kind::Collection, Some(3), at, reference),
            b'{' => self.enter(Kind::Collection, None, at, reference),
            b'c' => {
                self.skip(self.layout.numbers.saturating_mul(4))?;
                let fields = self.layout.objects.saturating_add(self.layout.tables);
                self.enter(Kind::Code(Vec::new()), Some(fields), at, reference)
            }
            b'r' | b'R' => {
                let number = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
                match self.refs.get(number).copied().flatten() {
                    Some(id) => Ok(Some(id)),
                    None => Err(broken("marshal: a reference to a value that was not read")),
                }
            }
            _ => Err(broken("marshal: an unknown type code")),
        }
    }

    fn enter(&mut self, kind: Kind, left: Option<usize>, at: usize, reference: bool) -> Result<Option<Id>, Fault> {
        if self.open.len() >= DEPTH {
            return Err(Fault::Deep { at });
        }
        let code = matches!(kind, Kind::Code(_));
        let node = self.add(kind, at, reference)?;
        self.open.push(Open {
            node,
            items: Vec::new(),
            left,
            code,
        });
        Ok(None)
    }

    fn fixed(&mut self, n: usize, at: usize, reference: bool) -> Result<Option<Id>, Fault> {
        self.skip(n)?;
        self.add(Kind::Plain, at, reference).map(Some)
    }

    fn string(&mut self, kind: Kind, n: usize, reference: bool) -> Result<Option<Id>, Fault> {
        let start = self.at;
        self.skip(n)?;
        self.add(kind, start, reference).map(Some)
    }

    /// A count of values of `each` bytes or more, which must be there.
    fn count(&mut self, each: usize) -> Result<usize, Fault> {
        let n = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        if n.saturating_mul(each) > self.bytes.len().saturating_sub(self.at) {
            return Err(Fault::Cut);
        }
        Ok(n)
    }

    fn byte(&mut self) -> Result<u8, Fault> {
        let byte = self.bytes.get(self.at).copied().ok_or(Fault::Cut)?;
        self.at = self.at.saturating_add(1);
        Ok(byte)
    }

    fn u32(&mut self) -> Result<u32, Fault> {
        let bytes = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<4>());
        let bytes = bytes.ok_or(Fault::Cut)?;
        self.at = self.at.saturating_add(4);
        Ok(u32::from_le_bytes(*bytes))
    }

    fn skip(&mut self, n: usize) -> Result<(), Fault> {
        let end = self.at.checked_add(n).ok_or(Fault::Cut)?;
        if end > self.bytes.len() {
            return Err(Fault::Cut);
        }
        self.at = end;
        Ok(())
    }
}
