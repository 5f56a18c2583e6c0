//! A walker over FlatBuffers that accounts for every reachable byte ("FlatBuffer Internals", flatbuffers.dev).
//!
//! | structure | bytes |
//! | --- | --- |
//! | buffer | `u32` offset of the root table, 4 bytes of file identifier |
//! | table | `i32` distance back to its vtable, then its fields as the vtable places them |
//! | vtable | `u16` own size, `u16` size of the table, `u16` for each field: its place in the table, 0 when absent |
//! | vector | `u32` count, elements |
//! | string | `u32` length, bytes, a zero |
//! | reference | `u32` distance forward from itself |
//! | union | a `u8` field that says which table, then a reference |
//!
//! The bytes do not describe themselves: a [`Table`] says what the fields are. Whatever is reachable is told once as a
//! [`Claim`], also when several places refer to it, so cycles end. Vectors marked [`Item::Bulk`] are never read. There is
//! no recursion, and nothing is built: a caller that wants values reads them through [`Flat`].

use crate::span::Span;
use std::collections::{HashMap, HashSet};

#[cfg(test)]
mod tests;

/// The most references that one [`Flat`] follows.
const REFERENCES: u64 = 1 << 22;

/// A table type.
#[derive(Debug)]
pub struct Table {
    /// Its name in the schema.
    pub name: &'static str,
    /// Its fields, by their place in the vtable: a union takes two, [`Kind::Scalar`] for its type and [`Kind::Union`].
    pub fields: &'static [Field],
}

/// A field of a table.
#[derive(Debug)]
pub struct Field {
    /// Its name in the schema.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
}

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A scalar or a struct of this many bytes.
    Scalar(u16),
    /// A reference to a string.
    String,
    /// A reference to a table.
    Table(&'static Table),
    /// A reference to a vector.
    Vector(Item),
    /// A reference to the table that the field before it selects; others are tables without references.
    Union(&'static [(u8, &'static Table)]),
}

/// What a vector holds.
#[derive(Clone, Copy, Debug)]
pub enum Item {
    /// Scalars or structs of this many bytes.
    Scalar(u16),
    /// Bytes that are a payload of their own.
    Bulk,
    /// References to strings.
    String,
    /// References to tables.
    Table(&'static Table),
}

/// A table of which nothing is known but that it refers to nothing.
pub static PLAIN: Table = Table {
    name: "options",
    fields: &[],
};

/// Where a walker's bytes come from.
pub trait Source {
    /// Why bytes could not be had.
    type Fault;

    /// The number of bytes.
    fn length(&self) -> u64;

    /// Exactly the bytes of `span`, which lies inside.
    ///
    /// # Errors
    /// A fault of the source.
    fn read(&mut self, span: Span) -> Result<Vec<u8>, Self::Fault>;
}

impl<S: Source> Source for &mut S {
    type Fault = S::Fault;

    fn length(&self) -> u64 {
        (**self).length()
    }

    fn read(&mut self, span: Span) -> Result<Vec<u8>, S::Fault> {
        (**self).read(span)
    }
}

/// What a claim is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// The root offset and the file identifier.
    Header,
    /// A vtable.
    Vtable,
    /// A table's own bytes, or a part of them.
    Table,
    /// Bytes of a table that none of its fields takes.
    Hole,
    /// A string.
    String,
    /// A vector, or the count of a [`Item::Bulk`] one.
    Vector,
    /// The payload of a [`Item::Bulk`] vector.
    Bulk,
}

/// Bytes that are accounted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// The bytes.
    pub span: Span,
    /// What they are.
    pub what: What,
    /// The table's name, or that of the field that refers to them.
    pub name: &'static str,
}

/// A broken rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlatFault {
    /// Where.
    pub span: Span,
    /// The rule, in a few words.
    pub rule: &'static str,
    /// The table or field.
    pub name: &'static str,
}

/// What a walk found.
#[derive(Debug)]
pub struct Walked<F> {
    /// Everything reachable, in no order; nothing twice.
    pub claims: Vec<Claim>,
    /// Broken rules, 256 at most.
    pub faults: Vec<FlatFault>,
    /// What ended the walk early: the source's fault, or `None` inside when there were too many objects.
    pub stopped: Option<Option<F>>,
}

/// A table that was found, and where its fields are.
#[derive(Clone, Debug)]
pub struct Found {
    /// The offset of the table.
    pub at: u64,
    vtable: Vec<u16>,
    /// The vtable's bytes.
    vtable_span: Span,
    size: u16,
}

impl Found {
    /// The offset of the field in `slot`, when it is present.
    pub fn field(&self, slot: usize) -> Option<u64> {
        let place = self.vtable.get(slot).copied().filter(|place| *place != 0)?;
        self.at.checked_add(u64::from(place))
    }
}

/// Reads values of a FlatBuffer. Every answer is `None` where the bytes are not as they must be.
#[derive(Debug)]
pub struct Flat<S> {
    source: S,
    /// References that may still be followed by [`Flat::references`].
    left: u64,
}

impl<S: Source> Flat<S> {
    /// A reader over `source`, whose first byte is the buffer's.
    pub fn new(source: S) -> Self {
        Self {
            source,
            left: REFERENCES,
        }
    }

    /// Whether there were more references than are followed: vectors may share their elements, so that their sum is not
    /// bounded by the length.
    pub fn is_exhausted(&self) -> bool {
        self.left == 0
    }

    fn array<const N: usize>(&mut self, at: u64) -> Result<Option<[u8; N]>, S::Fault> {
        let length = u64::try_from(N).unwrap_or(u64::MAX);
        let Some(span) = Span::at(at, length).filter(|span| span.end() <= self.source.length()) else {
            return Ok(None);
        };
        let bytes = self.source.read(span)?;
        Ok(bytes.first_chunk::<N>().copied())
    }

    /// The `u32` at `at`.
    ///
    /// # Errors
    /// A fault of the source.
    pub fn u32(&mut self, at: u64) -> Result<Option<u32>, S::Fault> {
        Ok(self.array(at)?.map(u32::from_le_bytes))
    }

    /// The `u64` at `at`.
    ///
    /// # Errors
    /// A fault of the source.
    pub fn u64(&mut self, at: u64) -> Result<Option<u64>, S::Fault> {
        Ok(self.array(at)?.map(u64::from_le_bytes))
    }

    /// The byte at `at`.
    ///
    /// # Errors
    /// A fault of the source.
    pub fn u8(&mut self, at: u64) -> Result<Option<u8>, S::Fault> {
        Ok(self.array::<1>(at)?.map(|[byte]| byte))
    }

    /// Where the reference at `at` leads.
    ///
    /// # Errors
    /// A fault of the source.
    pub fn follow(&mut self, at: u64) -> Result<Option<u64>, S::Fault> {
        let distance = self.u32(at)?.filter(|distance| *distance != 0);
        let target = distance.and_then(|distance| at.checked_add(u64::from(distance)));
        Ok(target.filter(|target| *target < self.source.length()))
    }

    /// The table at `at`.
    ///
    /// # Errors
    /// A fault of the source.
    pub fn table(&mut self, at: u64) -> Result<Option<Found>, S::Fault> {
        let Some(back) = self.array(at)?.map(i32::from_le_bytes) else {
            return Ok(None);
        };
        let vtable_at = i64::try_from(at).ok().and_then(|at| at.checked_sub(i64::from(back)));
        let Some(vtable_at) = vtable_at.and_then(|at| u64::try_from(at).ok()) else {
            return Ok(None);
        };
        let Some(size) = self.array(vtable_at)?.map(u16::from_le_bytes) else {
            return Ok(None);
        };
        let span = Span::saturating_at(vtable_at, u64::from(size));
        if size < 4 || !size.is_multiple_of(2) || span.end() > self.source.length() {
            return Ok(None);
        }
        let bytes = self.source.read(span)?;
        let mut words = bytes.as_chunks::<2>().0.iter().map(|word| u16::from_le_bytes(*word));
        let (_, size) = (words.next(), words.next().unwrap_or(0));
        let vtable: Vec<u16> = words.collect();
        let fits = Span::saturating_at(at, u64::from(size)).end() <= self.source.length();
        let inside = vtable.iter().all(|place| *place == 0 || (4..size).contains(place));
        Ok((size >= 4 && fits && inside).then_some(Found {
            at,
            vtable,
            vtable_span: span,
            size,
        }))
    }

    /// The root table.
    ///
    /// # Errors
    /// A fault of the source.
    pub fn root(&mut self) -> Result<Option<Found>, S::Fault> {
        match self.follow(0)? {
            Some(at) => self.table(at),
            None => Ok(None),
        }
    }

    /// The table that the field in `slot` refers to.
    ///
    /// # Errors
    /// A fault of the source.
    pub fn child(&mut self, table: &Found, slot: usize) -> Result<Option<Found>, S::Fault> {
        match self.target(table, slot)? {
            Some(at) => self.table(at),
            None => Ok(None),
        }
    }

    /// Where the reference in `slot` leads.
    ///
    /// # Errors
    /// A fault of the source.
    pub fn target(&mut self, table: &Found, slot: usize) -> Result<Option<u64>, S::Fault> {
        match table.field(slot) {
            Some(at) => self.follow(at),
            None => Ok(None),
        }
    }

    /// The elements of the vector in `slot`: how many of `size` bytes, and where the first is.
    ///
    /// # Errors
    /// A fault of the source.
    pub fn vector(&mut self, table: &Found, slot: usize, size: u64) -> Result<Option<(u64, u64)>, S::Fault> {
        let Some(at) = self.target(table, slot)? else {
            return Ok(None);
        };
        let count = self.u32(at)?.map(u64::from);
        let start = at.saturating_add(4);
        let fits = |count: &u64| {
            let length = count.checked_mul(size);
            length
                .and_then(|length| start.checked_add(length))
                .is_some_and(|end| end <= self.source.length())
        };
        Ok(count.filter(fits).map(|count| (count, start)))
    }

    /// The tables of the vector in `slot`, where they are; fewer when [`Flat::is_exhausted`].
    ///
    /// # Errors
    /// A fault of the source.
    pub fn references(&mut self, table: &Found, slot: usize) -> Result<Vec<u64>, S::Fault> {
        let Some((count, start)) = self.vector(table, slot, 4)? else {
            return Ok(Vec::new());
        };
        let count = count.min(self.left);
        self.left = self.left.saturating_sub(count);
        let bytes = self.source.read(Span::saturating_at(start, count.saturating_mul(4)))?;
        Ok(references(&bytes, start).collect())
    }

    /// The first `most` bytes of the string in `slot`, and where all of them are.
    ///
    /// # Errors
    /// A fault of the source.
    pub fn string(&mut self, table: &Found, slot: usize, most: u64) -> Result<Option<(Vec<u8>, Span)>, S::Fault> {
        let Some((length, start)) = self.vector(table, slot, 1)? else {
            return Ok(None);
        };
        let bytes = self.source.read(Span::saturating_at(start, length.min(most)))?;
        Ok(Some((bytes, Span::saturating_at(start, length))))
    }
}

/// Where the references in `bytes`, which stand at `start`, lead.
fn references(bytes: &[u8], start: u64) -> impl Iterator<Item = u64> + '_ {
    let places = (start..).step_by(4);
    bytes.as_chunks::<4>().0.iter().zip(places).map(|(distance, at)| {
        let distance = u64::from(u32::from_le_bytes(*distance));
        at.saturating_add(distance)
    })
}

/// Something that is to be visited.
#[derive(Clone, Copy)]
struct Visit {
    at: u64,
    kind: Target,
    name: &'static str,
    from: u64,
}

#[derive(Clone, Copy)]
enum Target {
    Table(&'static Table),
    String,
    Vector(Item),
}

impl Target {
    fn is_like(self, other: Self) -> bool {
        match (self, other) {
            (Self::Table(a), Self::Table(b)) => std::ptr::eq(a, b),
            (Self::Table(_), _) | (_, Self::Table(_)) => false,
            // A string is a vector of bytes, and writers share equal ones.
            _ => true,
        }
    }
}

struct Walk<S: Source> {
    flat: Flat<S>,
    todo: Vec<Visit>,
    seen: HashMap<u64, Target>,
    vtables: HashSet<Span>,
    most: usize,
    visits: usize,
    crowded: bool,
    out: Walked<S::Fault>,
}

/// Visits everything that the root table, which is of type `root`, leads to; `most` objects at most.
pub fn walk<S: Source>(source: S, root: &'static Table, most: usize) -> Walked<S::Fault> {
    let mut walk = Walk {
        flat: Flat::new(source),
        todo: Vec::new(),
        seen: HashMap::new(),
        vtables: HashSet::new(),
        most,
        visits: 0,
        crowded: false,
        out: Walked {
            claims: Vec::new(),
            faults: Vec::new(),
            stopped: None,
        },
    };
    if let Err(fault) = walk.run(root) {
        walk.out.stopped = Some(Some(fault));
    }
    walk.out
}

impl<S: Source> Walk<S> {
    fn run(&mut self, root: &'static Table) -> Result<(), S::Fault> {
        let Some(at) = self.flat.follow(0)? else {
            self.fault(Span::new(0, 4), "the root offset leads outside", root.name);
            return Ok(());
        };
        self.claim(Span::new(0, 8), What::Header, root.name);
        self.todo.push(Visit {
            at,
            kind: Target::Table(root),
            name: root.name,
            from: 0,
        });
        while let Some(visit) = self.todo.pop() {
            if self.seen.len() >= self.most || self.crowded {
                self.out.stopped = Some(None);
                return Ok(());
            }
            match self.seen.insert(visit.at, visit.kind) {
                Some(before) if before.is_like(visit.kind) => continue,
                Some(_) => {
                    let rule = "an object that is read as two types";
                    self.fault(Span::saturating_at(visit.from, 4), rule, visit.name);
                    continue;
                }
                None => {}
            }
            match visit.kind {
                Target::Table(table) => self.table(visit, table)?,
                Target::String => self.string(visit)?,
                Target::Vector(item) => self.vector(visit, item)?,
            }
        }
        Ok(())
    }

    fn claim(&mut self, span: Span, what: What, name: &'static str) {
        if !span.is_empty() {
            self.out.claims.push(Claim { span, what, name });
        }
    }

    fn fault(&mut self, span: Span, rule: &'static str, name: &'static str) {
        const MOST: usize = 256;
        if self.out.faults.len() < MOST {
            self.out.faults.push(FlatFault { span, rule, name });
        }
    }

    fn table(&mut self, visit: Visit, table: &'static Table) -> Result<(), S::Fault> {
        let Some(found) = self.flat.table(visit.at)? else {
            let rule = "a table or its vtable that lies outside, or fields outside of their table";
            self.fault(Span::saturating_at(visit.at, 4), rule, table.name);
            return Ok(());
        };
        if self.vtables.insert(found.vtable_span) {
            self.claim(found.vtable_span, What::Vtable, table.name);
        }
        self.inline(&found, table);
        for (slot, field) in table.fields.iter().enumerate() {
            let kind = match field.kind {
                Kind::Scalar(_) => continue,
                Kind::String => Target::String,
                Kind::Table(inner) => Target::Table(inner),
                Kind::Vector(item) => Target::Vector(item),
                Kind::Union(types) => {
                    let selector = slot.checked_sub(1).and_then(|slot| found.field(slot));
                    let selected = match selector {
                        Some(at) => self.flat.u8(at)?.unwrap_or(0),
                        None => 0,
                    };
                    let listed = types.iter().find(|(number, _)| *number == selected);
                    Target::Table(listed.map_or(&PLAIN, |(_, table)| table))
                }
            };
            if let Some(at) = found.field(slot) {
                self.refer(at, kind, field.name)?;
            }
        }
        Ok(())
    }

    /// The table's own bytes: what its fields take, and the holes between them.
    fn inline(&mut self, found: &Found, table: &'static Table) {
        let end = u64::from(found.size);
        let sizes = |slot: usize| match table.fields.get(slot).map(|field| field.kind) {
            Some(Kind::Scalar(size)) => u64::from(size),
            Some(_) => 4,
            // A field that the schema does not have: as much as a scalar may take.
            None => 8,
        };
        let slots = found.vtable.iter().enumerate().filter(|(_, place)| **place != 0);
        let mut taken: Vec<(u64, u64)> = slots.map(|(slot, place)| (u64::from(*place), sizes(slot))).collect();
        taken.sort_unstable();
        let (mut start, mut at) = (0u64, 4u64);
        for (place, size) in taken {
            if place > at {
                self.part(found, start, at, What::Table, table.name);
                self.part(found, at, place, What::Hole, table.name);
                start = place;
            }
            at = at.max(place.saturating_add(size)).min(end);
        }
        self.part(found, start, at, What::Table, table.name);
        self.part(found, at, end, What::Hole, table.name);
    }

    fn part(&mut self, found: &Found, from: u64, to: u64, what: What, name: &'static str) {
        let span = Span::new(found.at.saturating_add(from), found.at.saturating_add(to));
        self.claim(span, what, name);
    }

    fn visit(&mut self, visit: Visit) {
        // Vectors may share their elements, so that neither the length nor the number of objects bounds this sum.
        self.visits = self.visits.saturating_add(1);
        if self.todo.len() < self.most.saturating_mul(2) && self.visits < self.most.saturating_mul(8) {
            self.todo.push(visit);
        } else {
            self.crowded = true;
        }
    }

    /// Notes where the reference at `at` leads.
    fn refer(&mut self, at: u64, kind: Target, name: &'static str) -> Result<(), S::Fault> {
        match self.flat.follow(at)? {
            Some(target) => self.visit(Visit {
                at: target,
                kind,
                name,
                from: at,
            }),
            None => self.fault(Span::saturating_at(at, 4), "a reference that leads outside", name),
        }
        Ok(())
    }

    fn string(&mut self, visit: Visit) -> Result<(), S::Fault> {
        let length = self.flat.u32(visit.at)?.map(u64::from);
        let span = length.and_then(|length| Span::at(visit.at, length.checked_add(5)?));
        let Some(span) = span.filter(|span| span.end() <= self.flat.source.length()) else {
            self.fault(Span::saturating_at(visit.at, 4), "a string past the end", visit.name);
            return Ok(());
        };
        if self.flat.u8(span.end().saturating_sub(1))? != Some(0) {
            self.fault(span, "a string without its final zero", visit.name);
        }
        self.claim(span, What::String, visit.name);
        Ok(())
    }

    fn vector(&mut self, visit: Visit, item: Item) -> Result<(), S::Fault> {
        let size = match item {
            Item::Scalar(size) => u64::from(size),
            Item::Bulk => 1,
            Item::String | Item::Table(_) => 4,
        };
        let count = self.flat.u32(visit.at)?.map(u64::from);
        let length = count.and_then(|count| count.checked_mul(size));
        let span = length.and_then(|length| Span::at(visit.at, length.checked_add(4)?));
        let Some(span) = span.filter(|span| span.end() <= self.flat.source.length()) else {
            self.fault(Span::saturating_at(visit.at, 4), "a vector past the end", visit.name);
            return Ok(());
        };
        let elements = Span::new(visit.at.saturating_add(4), span.end());
        let kind = match item {
            Item::Bulk => {
                self.claim(Span::new(span.start(), elements.start()), What::Vector, visit.name);
                self.claim(elements, What::Bulk, visit.name);
                return Ok(());
            }
            Item::Scalar(_) => {
                self.claim(span, What::Vector, visit.name);
                return Ok(());
            }
            Item::String => Target::String,
            Item::Table(table) => Target::Table(table),
        };
        self.claim(span, What::Vector, visit.name);
        let bytes = self.flat.source.read(elements)?;
        let end = self.flat.source.length();
        for (target, from) in references(&bytes, elements.start()).zip((elements.start()..).step_by(4)) {
            if target >= end || target == from {
                self.fault(
                    Span::saturating_at(from, 4),
                    "a reference that leads outside",
                    visit.name,
                );
                continue;
            }
            self.visit(Visit {
                at: target,
                kind,
                name: visit.name,
                from,
            });
        }
        Ok(())
    }
}
