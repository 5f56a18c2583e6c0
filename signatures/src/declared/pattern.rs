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
//! holds an empty component, matches nothing, and `.` and `..` have no meaning (the kernel's paths hold neither).
//! `P/**` matches what lies below P; P itself is covered for `read` alone ([`Pattern::grants`]), since listing a
//! directory says what is below it.
//!
//! The kernel's automaton is built from [`Pattern::components`] and tested against [`Pattern::matches`].

use super::access::Access;
use super::vars::{Scope, Unit, VarError};
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use thiserror::Error;

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

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PatternError {
    /// A variable.
    #[error(transparent)]
    Variable(#[from] VarError),
    /// No text.
    #[error("an empty pattern matches nothing")]
    Empty,
    /// Not absolute.
    #[error("`{0}` is not an absolute path")]
    Relative(String),
    /// A component that is empty, `.` or `..`.
    #[error("`{0}` has a component `{1}`, which no path of the kernel has")]
    Component(String, &'static str),
    /// A slash at the end.
    #[error("`{0}` ends in `/` and matches nothing")]
    Trailing(String),
    /// `**` beside other characters.
    #[error("`**` stands beside other characters in `{0}`")]
    DoubleStar(String),
    /// `[` without `]`.
    #[error("`[` without its `]`")]
    UnclosedSet,
    /// A set without a byte, or one with `/`.
    #[error("a set `[...]` that is empty or holds `/`")]
    Set,
    /// A range whose end comes before its start.
    #[error("the range `{0}-{1}` in a set is empty")]
    Range(char, char),
    /// A character of several bytes in a set.
    #[error("a character that is not ASCII in a set `[...]`")]
    WideSet,
    /// `{` without `}`.
    #[error("`{{` without its `}}`")]
    UnclosedBrace,
    /// `}` without `{`.
    #[error("`}}` without its `{{`")]
    StrayBrace,
    /// A backslash at the end.
    #[error("a backslash with nothing behind it")]
    Escape,
    /// A NUL byte.
    #[error("a NUL byte, which no path holds")]
    Nul,
    /// Too many alternatives.
    #[error("braces that make more than {MOST} patterns")]
    Many,
    /// Too long.
    #[error("longer than {LONGEST} bytes")]
    Long,
}

impl PatternError {
    /// What to write instead.
    pub fn help(&self) -> String {
        match self {
            Self::Variable(error) => error.help(),
            Self::Empty => "write a path, or take the entry out".to_owned(),
            Self::Relative(text) => format!("write \"/{text}\", \"${{HOME}}/{text}\" or \"/**/{text}\""),
            Self::Component(_, "") => "write one `/` between names".to_owned(),
            Self::Component(..) => "write the path without it, as the kernel resolves it".to_owned(),
            Self::Trailing(text) => format!(
                "write \"{0}\" for the directory itself, \"{0}/**\" for everything below it",
                text.trim_end_matches('/')
            ),
            Self::DoubleStar(_) => {
                "write `*` for any characters of a name, `/**/` for any directories between".to_owned()
            }
            Self::UnclosedSet => "close it, or write \\[ for the character itself".to_owned(),
            Self::Set => "name the characters, such as [0-9]; a set stays within one name".to_owned(),
            Self::Range(from, to) => format!("write [{to}-{from}]"),
            Self::WideSet => "write {\u{e4},\u{f6}} for a choice of such characters".to_owned(),
            Self::UnclosedBrace => "close it, or write \\{ for the character itself".to_owned(),
            Self::StrayBrace => "write \\} for the character itself".to_owned(),
            Self::Escape => "write two backslashes for one".to_owned(),
            Self::Nul => "take it out".to_owned(),
            Self::Many => "write several patterns, or one with `*`".to_owned(),
            Self::Long => "write a shorter pattern with `**`".to_owned(),
        }
    }
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
            if negated && held.is_empty() {
                bytes.push(b'?');
                return;
            }
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

/// The components of a path or name; `None` when it is none.
fn split(space: Space, path: &[u8]) -> Option<Vec<&[u8]>> {
    match (space, path.split_first()?) {
        (Space::Path, (b'/', [])) => Some(Vec::new()),
        (Space::Path, (b'/', rest)) => {
            let parts: Vec<&[u8]> = rest.split(|byte| *byte == b'/').collect();
            parts.iter().all(|part| !part.is_empty()).then_some(parts)
        }
        (Space::Abstract, (b'@', rest)) => Some(rest.split(|byte| *byte == b'/').collect()),
        _ => None,
    }
}

/// Runs the components as a nondeterministic automaton: which of them may come next, part by part.
fn run(components: &[Component], parts: &[&[u8]]) -> bool {
    let end = components.len();
    let mut now = vec![false; end + 1];
    now[0] = true;
    skip(components, &mut now);
    for part in parts {
        let mut next = vec![false; end + 1];
        for (at, component) in components.iter().enumerate().filter(|(at, _)| now[*at]) {
            match component {
                Component::AnyDepth => {
                    next[at] = true;
                    next[at + 1] |= at + 1 == end;
                }
                Component::Name(tokens) => next[at + 1] |= name(tokens, part),
            }
        }
        skip(components, &mut next);
        now = next;
    }
    now[end]
}

/// `**` may stand for no component, except at the end.
fn skip(components: &[Component], states: &mut [bool]) {
    for (at, component) in components.iter().enumerate() {
        if *component == Component::AnyDepth && at + 1 < components.len() {
            states[at + 1] |= states[at];
        }
    }
}

/// Matches one name. Only the last `*` is ever tried again, so that the time is the product of the lengths.
fn name(tokens: &[Token], bytes: &[u8]) -> bool {
    let (mut token, mut byte) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(current) = bytes.get(byte) {
        let fits = match tokens.get(token) {
            Some(Token::AnyRun) => {
                star = Some((token + 1, byte));
                token += 1;
                continue;
            }
            Some(Token::Byte(expected)) => expected == current,
            Some(Token::AnyByte) => true,
            Some(Token::OneOf(set)) => set.contains(*current),
            None => false,
        };
        if fits {
            token += 1;
            byte += 1;
        } else if let Some((after, from)) = star {
            star = Some((after, from + 1));
            token = after;
            byte = from + 1;
        } else {
            return false;
        }
    }
    tokens.iter().skip(token).all(|rest| *rest == Token::AnyRun)
}

/// Reads one component.
fn component(units: &[Unit]) -> Result<Component, PatternError> {
    let syntax = |unit: &Unit, byte: u8| !unit.quoted && unit.byte == byte;
    if units.len() == 2 && units.iter().all(|unit| syntax(unit, b'*')) {
        return Ok(Component::AnyDepth);
    }
    let mut tokens = Vec::new();
    let mut rest = units;
    while let Some((unit, tail)) = rest.split_first() {
        rest = tail;
        let token = if syntax(unit, b'*') {
            if tokens.last() == Some(&Token::AnyRun) {
                let text: Vec<u8> = units.iter().map(|unit| unit.byte).collect();
                return Err(PatternError::DoubleStar(String::from_utf8_lossy(&text).into_owned()));
            }
            Token::AnyRun
        } else if syntax(unit, b'?') {
            Token::AnyByte
        } else if syntax(unit, b'[') {
            let (set, tail) = set(rest)?;
            rest = tail;
            Token::OneOf(set)
        } else {
            Token::Byte(unit.byte)
        };
        tokens.push(token);
    }
    Ok(Component::Name(tokens))
}

/// Reads a set behind its `[`.
fn set(units: &[Unit]) -> Result<(ByteSet, &[Unit]), PatternError> {
    let syntax = |unit: &Unit, byte: u8| !unit.quoted && unit.byte == byte;
    let (negated, mut rest) = match units.split_first() {
        Some((unit, tail)) if syntax(unit, b'!') || syntax(unit, b'^') => (true, tail),
        _ => (false, units),
    };
    let mut found = ByteSet::EMPTY;
    let mut first = true;
    loop {
        let (unit, tail) = rest.split_first().ok_or(PatternError::UnclosedSet)?;
        if syntax(unit, b']') && !first {
            rest = tail;
            break;
        }
        first = false;
        let (last, tail) = match tail {
            [dash, last, after @ ..] if syntax(dash, b'-') && !syntax(last, b']') => (last.byte, after),
            _ => (unit.byte, tail),
        };
        if !unit.byte.is_ascii() || !last.is_ascii() {
            return Err(PatternError::WideSet);
        }
        if last < unit.byte {
            return Err(PatternError::Range(char::from(unit.byte), char::from(last)));
        }
        (unit.byte..=last).for_each(|byte| found.insert(byte));
        rest = tail;
    }
    if negated {
        found = ByteSet(found.0.map(|word| !word));
        found.remove(0);
    }
    // A range such as [+-9] runs over the slash; nobody means it.
    found.remove(b'/');
    if found == ByteSet::EMPTY {
        return Err(PatternError::Set);
    }
    Ok((found, rest))
}

/// Expands braces from the left, breadth first, with a bound on what is made.
fn expand(units: &[Unit]) -> Result<Vec<Vec<Unit>>, PatternError> {
    let mut done = Vec::new();
    let mut open = vec![units.to_vec()];
    let mut steps = 0usize;
    while let Some(text) = open.pop() {
        steps += 1;
        if steps > MOST * 4 || done.len() + open.len() > MOST {
            return Err(PatternError::Many);
        }
        let Some((start, end, commas)) = brace(&text)? else {
            done.push(text);
            continue;
        };
        let (head, tail) = (&text[..start], &text[end + 1..]);
        let mut from = start + 1;
        let mut choices = Vec::new();
        for to in commas.into_iter().chain([end]) {
            choices.push([head, &text[from..to], tail].concat());
            from = to + 1;
        }
        if choices.len() > MOST {
            return Err(PatternError::Many);
        }
        // The last is taken first: they are pushed backwards to come out in the order of the text.
        open.extend(choices.into_iter().rev());
    }
    if done.len() > MOST {
        return Err(PatternError::Many);
    }
    Ok(done)
}

/// The outermost brace that opens first: where it opens and closes, and its own commas. A set hides braces.
fn brace(units: &[Unit]) -> Result<Option<(usize, usize, Vec<usize>)>, PatternError> {
    let (mut start, mut depth, mut commas) = (None, 0usize, Vec::new());
    let mut at = 0;
    while let Some(unit) = units.get(at) {
        match unit.byte {
            _ if unit.quoted => {}
            b'[' => {
                // The same reading as `set`: a `]` that comes first is a member.
                let mut close = at + 1;
                if units
                    .get(close)
                    .is_some_and(|u| !u.quoted && matches!(u.byte, b'!' | b'^'))
                {
                    close += 1;
                }
                close += 1;
                while units.get(close).is_some_and(|u| u.quoted || u.byte != b']') {
                    close += 1;
                }
                if close >= units.len() {
                    return Err(PatternError::UnclosedSet);
                }
                at = close;
            }
            b'{' => {
                if depth == 0 {
                    start = Some(at);
                }
                depth += 1;
            }
            b',' if depth == 1 => commas.push(at),
            b'}' => match (depth, start) {
                (0, _) | (_, None) => return Err(PatternError::StrayBrace),
                (1, Some(start)) => return Ok(Some((start, at, commas))),
                _ => depth -= 1,
            },
            _ => {}
        }
        at += 1;
    }
    if depth > 0 {
        return Err(PatternError::UnclosedBrace);
    }
    Ok(None)
}
