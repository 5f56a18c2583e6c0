//! Patterns of paths and of abstract socket names, and the reference matcher.
//!
//! | written | matches |
//! | --- | --- |
//! | `?` | one byte, not `/` |
//! | `*` | any number of bytes, not `/`; as a whole component at least one |
//! | `[a-z]`, `[!a-z]` | one byte in, or not in, the set; never `/` |
//! | `{a,b}` | each of the texts; they are expanded when the pattern is read and may nest |
//! | `**` | only as a whole component: any number of components; at the end at least one |
//! | `\x` | the character itself |
//!
//! A leading `.` is a byte like any other. Matching is on bytes, component by component: a path that is not absolute, or
//! has a component that is empty, `.` or `..`, matches nothing (the kernel's paths have none).
//! `P/**` matches what lies below P; P itself is covered for `read` alone ([`Pattern::grants`]), since listing a
//! directory says what is below it.
//!
//! The kernel's automaton is built from [`Pattern::components`] and tested against [`Pattern::matches`].

mod error;
mod read;
mod run;
#[cfg(test)]
mod tests;

pub use error::PatternError;

use super::access::Access;
use super::vars::{Scope, Unit};
use read::{component, expand};
use run::{run, split};
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

/// The longest pattern, in bytes, after variables (`PATH_MAX`).
pub const LONGEST: usize = 4096;
/// The most patterns that one text may expand to.
pub const MOST: usize = 256;

/// What a pattern is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Space {
    /// Absolute paths.
    Path,
    /// Abstract socket names, written `@name`.
    Abstract,
}

/// A set of bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSet([u64; 4]);

impl ByteSet {
    const EMPTY: Self = Self([0; 4]);

    /// Whether it holds a byte.
    pub fn contains(&self, byte: u8) -> bool {
        let word = self.0.get(usize::from(byte >> 6)).copied().unwrap_or(0);
        word >> (byte & 63) & 1 == 1
    }

    fn insert(&mut self, byte: u8) {
        if let Some(word) = self.0.get_mut(usize::from(byte >> 6)) {
            *word |= 1 << (byte & 63);
        }
    }

    fn remove(&mut self, byte: u8) {
        if let Some(word) = self.0.get_mut(usize::from(byte >> 6)) {
            *word &= !(1 << (byte & 63));
        }
    }
}

impl fmt::Debug for ByteSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held: Vec<u8> = (0..=255).filter(|byte| self.contains(*byte)).collect();
        write!(f, "ByteSet({})", held.escape_ascii())
    }
}

/// One piece of a component.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Token {
    /// This byte.
    Byte(u8),
    /// Any byte but `/`.
    AnyByte,
    /// Any number of bytes but `/`.
    AnyRun,
    /// One byte of the set, which never holds `/`.
    OneOf(ByteSet),
}

/// One component of a pattern.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Component {
    /// `**`: any number of components; as the last one, at least one. Two never follow each other.
    AnyDepth,
    /// A name. Empty only in abstract socket names.
    Name(Vec<Token>),
}

/// One pattern, variables replaced and braces expanded.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    original: String,
    text: String,
    space: Space,
    components: Vec<Component>,
}

impl Pattern {
    /// The patterns of one text without variables, in the order of its alternatives.
    ///
    /// # Errors
    ///
    /// Why it is no pattern.
    pub fn parse(text: &str) -> Result<Vec<Self>, PatternError> {
        let nowhere = |_: &str| None;
        let scope = Scope {
            overrides: &BTreeMap::new(),
            own: BTreeMap::new(),
            environment: &nowhere,
        };
        Self::read(text, &scope)
    }

    /// The patterns of one text.
    pub(super) fn read(text: &str, scope: &Scope<'_>) -> Result<Vec<Self>, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        let trailing = text.bytes().rev().take_while(|byte| *byte == b'\\').count();
        if trailing % 2 == 1 {
            return Err(PatternError::Escape);
        }
        let units = scope.units(text)?;
        if units.iter().any(|unit| unit.byte == 0) {
            return Err(PatternError::Nul);
        }
        if units.len() > LONGEST * 4 {
            return Err(PatternError::Long);
        }
        let mut patterns: Vec<Self> = Vec::new();
        for units in expand(&units)? {
            if units.len() > LONGEST {
                return Err(PatternError::Long);
            }
            let pattern = Self::one(text, &units)?;
            if !patterns.iter().any(|other| other.text == pattern.text) {
                patterns.push(pattern);
            }
        }
        Ok(patterns)
    }

    fn one(original: &str, units: &[Unit]) -> Result<Self, PatternError> {
        let shown = || String::from_utf8_lossy(&units.iter().map(|unit| unit.byte).collect::<Vec<u8>>()).into_owned();
        let (space, rest) = match units.split_first() {
            Some((Unit { byte: b'/', .. }, rest)) => (Space::Path, rest),
            Some((Unit { byte: b'@', .. }, rest)) => (Space::Abstract, rest),
            Some(_) => return Err(PatternError::Relative(shown())),
            None => return Err(PatternError::Empty),
        };
        let mut components = Vec::new();
        if space == Space::Path && !rest.is_empty() && rest.last().is_some_and(|unit| unit.byte == b'/') {
            return Err(PatternError::Trailing(shown()));
        }
        let whole = space == Space::Path && rest.is_empty();
        for part in rest.split(|unit| unit.byte == b'/').filter(|_| !whole) {
            let raw: Vec<u8> = part.iter().map(|unit| unit.byte).collect();
            if space == Space::Path {
                for odd in ["", ".", ".."] {
                    if raw == odd.as_bytes() {
                        return Err(PatternError::Component(shown(), odd));
                    }
                }
            }
            let component = component(part)?;
            // `**/**` says no more than `**`.
            if component != Component::AnyDepth || components.last() != Some(&Component::AnyDepth) {
                components.push(component);
            }
        }
        let mut pattern = Self {
            original: original.to_owned(),
            text: String::new(),
            space,
            components,
        };
        pattern.text = pattern.canonical();
        Ok(pattern)
    }

    /// The text as written, before variables and braces.
    pub fn original(&self) -> &str {
        &self.original
    }

    /// The pattern by itself, in the same notation: equal for equal patterns.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What it is about.
    pub fn space(&self) -> Space {
        self.space
    }

    /// The components behind the leading `/` or `@`; empty for `/` itself.
    pub fn components(&self) -> &[Component] {
        &self.components
    }

    /// Whether `path` (absolute, or `@name`) is matched. Time is bounded by the product of the lengths.
    pub fn matches(&self, path: &[u8]) -> bool {
        split(self.space, path).is_some_and(|parts| run(&self.components, &parts))
    }

    /// Whether `path` is the directory P of a pattern `P/**`.
    pub fn covers_directory_itself(&self, path: &[u8]) -> bool {
        let Some((Component::AnyDepth, directory)) = self.components.split_last() else {
            return false;
        };
        self.space == Space::Path && split(self.space, path).is_some_and(|parts| run(directory, &parts))
    }

    /// Which accesses to `path` a rule with this pattern is about.
    pub fn grants(&self, path: &[u8]) -> Access {
        if self.matches(path) {
            Access::ALL
        } else if self.covers_directory_itself(path) {
            Access::READ
        } else {
            Access::NONE
        }
    }

    /// The path or name, when the pattern is one and no pattern at all.
    pub fn literal(&self) -> Option<Vec<u8>> {
        let (bytes, rest) = self.literal_prefix();
        rest.is_empty().then_some(bytes)
    }

    /// The longest leading run of components that are plain names, and the components that follow. `/usr` for
    /// `/usr/**`; `/` when there is no such component.
    pub fn literal_prefix(&self) -> (Vec<u8>, &[Component]) {
        let lead = match self.space {
            Space::Path => b'/',
            Space::Abstract => b'@',
        };
        let (mut bytes, mut rest) = (vec![lead], self.components.as_slice());
        while let Some((Component::Name(tokens), tail)) = rest.split_first() {
            let name: Option<Vec<u8>> = tokens
                .iter()
                .map(|token| match token {
                    Token::Byte(byte) => Some(*byte),
                    _ => None,
                })
                .collect();
            let Some(name) = name else { break };
            if rest.len() < self.components.len() {
                bytes.push(b'/');
            }
            bytes.extend(name);
            rest = tail;
        }
        (bytes, rest)
    }

    /// Whether everything that `other` matches is matched here too. `false` may also mean that it is hard to say.
    pub fn includes(&self, other: &Self) -> bool {
        if self.space != other.space {
            return false;
        }
        if self.components == other.components {
            return true;
        }
        if let Some(path) = other.literal() {
            return self.matches(&path);
        }
        let Some((Component::AnyDepth, head)) = self.components.split_last() else {
            return false;
        };
        if other.components.len() <= head.len() {
            return false;
        }
        head.iter()
            .zip(&other.components)
            .all(|(mine, theirs)| match (mine, theirs) {
                (_, Component::AnyDepth) | (Component::AnyDepth, _) => false,
                (Component::Name(mine), Component::Name(theirs)) => {
                    mine == theirs || mine.as_slice() == [Token::AnyRun]
                }
            })
    }

    fn canonical(&self) -> String {
        let mut bytes = Vec::new();
        for (index, component) in self.components.iter().enumerate() {
            if index > 0 {
                bytes.push(b'/');
            }
            match component {
                Component::AnyDepth => bytes.extend(b"**"),
                Component::Name(tokens) => tokens.iter().for_each(|token| push(&mut bytes, token)),
            }
        }
        let lead = match self.space {
            Space::Path => '/',
            Space::Abstract => '@',
        };
        format!("{lead}{}", String::from_utf8_lossy(&bytes))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

fn push(bytes: &mut Vec<u8>, token: &Token) {
    match token {
        Token::Byte(byte) => {
            if b"?*[{}\\".contains(byte) {
                bytes.push(b'\\');
            }
            bytes.push(*byte);
        }
        Token::AnyByte => bytes.push(b'?'),
        Token::AnyRun => bytes.push(b'*'),
        Token::OneOf(set) => {
            // A set that holds a byte beyond ASCII can only have been written as what it does not hold.
            let negated = set.contains(0xff);
            let held: Vec<u8> = (1..0x80)
                .filter(|byte| set.contains(*byte) != negated && *byte != b'/')
                .collect();
            let mut text = String::from(if negated { "[!" } else { "[" });
            for run in held.chunk_by(|a, b| a.checked_add(1) == Some(*b)) {
                let (Some(first), Some(last)) = (run.first(), run.last()) else {
                    continue;
                };
                let escape = |byte: &u8| {
                    let slash = if b"]!^-\\".contains(byte) { "\\" } else { "" };
                    format!("{slash}{}", char::from(*byte))
                };
                if run.len() > 2 {
                    let _ = write!(text, "{}-{}", escape(first), escape(last));
                } else {
                    run.iter().for_each(|byte| text.push_str(&escape(byte)));
                }
            }
            text.push(']');
            bytes.extend(text.into_bytes());
        }
    }
}
