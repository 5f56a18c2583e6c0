//! One pattern of a path, read into components and tokens.
//!
//! | written | matches |
//! | --- | --- |
//! | `?` | one byte, not `/` |
//! | `*` | any number of bytes, not `/` |
//! | `[a-z]`, `[!a-z]` | one byte in, or not in, the set; never `/` |
//! | `**` as a whole component | any number of components |
//! | `\x` | the character itself |
//!
//! Braces and variables are expanded before. Matching is on bytes: a set holds ASCII only, and what it does not hold
//! includes every byte beyond ASCII. This reading is the declared set's; nothing here touches the file system.

use super::CompileError;

/// The longest pattern, in bytes (`PATH_MAX`).
pub(crate) const LONGEST: usize = 4096;

/// A set of bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct ByteSet([u64; 4]);

impl ByteSet {
    /// The set of one byte.
    pub(crate) fn of(byte: u8) -> Self {
        let mut set = Self::default();
        set.insert(byte);
        set
    }

    /// Whether it holds a byte.
    pub(crate) fn contains(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1
    }

    fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    fn remove(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] &= !(1 << (byte & 63));
    }
}

/// One piece of a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Token {
    /// This byte.
    Byte(u8),
    /// Any byte but `/`.
    AnyByte,
    /// Any number of bytes but `/`.
    AnyRun,
    /// One byte of the set, which never holds `/`.
    OneOf(ByteSet),
}

/// One component.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Component {
    /// `**`; two never follow each other.
    AnyDepth,
    /// A name.
    Name(Vec<Token>),
}

impl Component {
    /// A name without wildcards.
    pub(crate) fn literal(name: &[u8]) -> Self {
        Self::Name(name.iter().copied().map(Token::Byte).collect())
    }

    /// The name, when it has no wildcard.
    pub(crate) fn as_literal(&self) -> Option<Vec<u8>> {
        let Self::Name(tokens) = self else { return None };
        tokens
            .iter()
            .map(|token| match token {
                Token::Byte(byte) => Some(*byte),
                _ => None,
            })
            .collect()
    }
}

/// Splits a pattern after its longest run of names without wildcards: `["usr"]` and `[**]` for `/usr/**`.
pub(crate) fn literal_prefix(components: &[Component]) -> (Vec<Vec<u8>>, &[Component]) {
    let names: Vec<Vec<u8>> = components.iter().map_while(Component::as_literal).collect();
    let rest = &components[names.len()..];
    (names, rest)
}

/// Reads an absolute pattern.
///
/// # Errors
///
/// [`CompileError::Pattern`], with the offset of what is wrong.
pub(crate) fn parse(text: &[u8]) -> Result<Vec<Component>, CompileError> {
    let bad = |offset: usize, what: &'static str| CompileError::Pattern {
        pattern: String::from_utf8_lossy(text).into_owned(),
        offset,
        what,
    };
    if text.len() > LONGEST {
        return Err(bad(LONGEST, "longer than a path can be"));
    }
    if text.first() != Some(&b'/') {
        return Err(bad(0, "not an absolute path"));
    }
    if let Some(nul) = text.iter().position(|byte| *byte == 0) {
        return Err(bad(nul, "a NUL byte, which no path holds"));
    }
    let mut components = Vec::new();
    let mut at = 1;
    while at < text.len() {
        let start = at;
        let mut tokens = Vec::new();
        while let Some(byte) = text.get(at).copied().filter(|byte| *byte != b'/') {
            at += 1;
            match byte {
                b'\\' => {
                    let escaped = text
                        .get(at)
                        .ok_or_else(|| bad(at - 1, "a backslash with nothing behind it"))?;
                    if *escaped == b'/' {
                        return Err(bad(at, "an escaped `/`, which no name holds"));
                    }
                    tokens.push(Token::Byte(*escaped));
                    at += 1;
                }
                b'*' => {
                    if tokens.last() != Some(&Token::AnyRun) {
                        tokens.push(Token::AnyRun);
                    }
                }
                b'?' => tokens.push(Token::AnyByte),
                b'[' => {
                    let (set, end) = set(text, at).map_err(|(offset, what)| bad(offset, what))?;
                    tokens.push(Token::OneOf(set));
                    at = end;
                }
                b'{' | b'}' => return Err(bad(at - 1, "a brace that was not expanded")),
                _ => tokens.push(Token::Byte(byte)),
            }
        }
        match &text[start..at] {
            b"" => return Err(bad(start, "an empty component, which no path holds")),
            b"." | b".." => return Err(bad(start, "a component `.` or `..`, which no path of the kernel holds")),
            b"**" => {
                if components.last() != Some(&Component::AnyDepth) {
                    components.push(Component::AnyDepth);
                }
            }
            _ => components.push(Component::Name(tokens)),
        }
        at += 1;
        if at == text.len() {
            return Err(bad(at - 1, "a `/` at the end"));
        }
    }
    Ok(components)
}

/// Reads a set behind its `[`; gives the offset behind its `]`.
fn set(text: &[u8], open: usize) -> Result<(ByteSet, usize), (usize, &'static str)> {
    let mut at = open;
    let negated = matches!(text.get(at), Some(b'!' | b'^'));
    if negated {
        at += 1;
    }
    let first = at;
    let member = |at: usize| -> Result<(u8, usize), (usize, &'static str)> {
        let (byte, next) = match (text.get(at), text.get(at + 1)) {
            (Some(b'\\'), Some(escaped)) => (*escaped, at + 2),
            (Some(b'\\'), None) | (None, _) => return Err((open, "`[` without its `]`")),
            (Some(byte), _) => (*byte, at + 1),
        };
        match byte {
            b'/' => Err((at, "a set `[...]` that holds `/`")),
            0x80.. => Err((at, "a character that is not ASCII in a set `[...]`")),
            _ => Ok((byte, next)),
        }
    };
    let mut found = ByteSet::default();
    while text.get(at) != Some(&b']') || at == first {
        let (low, next) = member(at)?;
        let (high, next) = match (text.get(next), text.get(next + 1)) {
            (Some(b'-'), Some(end)) if *end != b']' => member(next + 1)?,
            _ => (low, next),
        };
        if high < low {
            return Err((at, "a range that ends before it starts"));
        }
        (low..=high).for_each(|byte| found.insert(byte));
        at = next;
    }
    if negated {
        found = ByteSet(found.0.map(|word| !word));
        found.remove(0);
    }
    // A range such as [+-9] runs over the slash; nobody means it.
    found.remove(b'/');
    if found == ByteSet::default() {
        return Err((open, "a set `[...]` that holds nothing"));
    }
    Ok((found, at + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<Component> {
        parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_pattern_is_its_components() {
        assert_eq!(names("/"), []);
        assert_eq!(
            names("/a/**/**/b"),
            [Component::literal(b"a"), Component::AnyDepth, Component::literal(b"b")]
        );
        assert_eq!(names(r"/\*\[").first(), Some(&Component::literal(b"*[")));
        assert_eq!(names(r"/\*\*").first(), Some(&Component::literal(b"**")));
        assert_eq!(names("/a**b"), names("/a*b"));
        let (prefix, rest) = (names("/usr/lib/*.so"), Component::Name(vec![Token::AnyRun]));
        assert_eq!(literal_prefix(&prefix).0, [b"usr".to_vec(), b"lib".to_vec()]);
        assert_ne!(literal_prefix(&prefix).1, [rest]);
    }

    #[test]
    fn a_set_holds_what_it_says_and_never_a_slash() {
        let check = |text: &str, holds: &[u8], lacks: &[u8]| {
            let Some(Component::Name(tokens)) = names(text).pop() else {
                panic!("{text}")
            };
            let [Token::OneOf(set)] = tokens.as_slice() else {
                panic!("{text}: {tokens:?}")
            };
            for byte in holds {
                assert!(set.contains(*byte), "{text} lacks {byte:#x}");
            }
            for byte in lacks.iter().chain(b"/\0") {
                assert!(!set.contains(*byte), "{text} holds {byte:#x}");
            }
        };
        check("/[a-c]", b"abc", b"d-");
        check("/[!a-c]", b"d-\xc3\xff", b"abc");
        check("/[^a]", b"^b", b"a");
        check("/[]a]", b"]a", b"[");
        check("/[!]a]", b"b", b"]a");
        check("/[a-]", b"a-", b"b");
        check(r"/[\]\-x]", b"]-x", b"\\");
        check("/[+-9]", b"+,-.0", b"");
    }

    #[test]
    fn what_is_no_pattern_is_refused_where_it_goes_wrong() {
        let check = |text: &[u8], offset: usize| match parse(text) {
            Err(CompileError::Pattern { offset: found, .. }) => assert_eq!(found, offset, "{}", text.escape_ascii()),
            other => panic!("{}: {other:?}", text.escape_ascii()),
        };
        check(b"a", 0);
        check(b"", 0);
        check(b"/a/", 2);
        check(b"//a", 1);
        check(b"/a/../b", 3);
        check(b"/a\\", 2);
        check(b"/a[", 3);
        check(b"/[z-a]", 2);
        check(b"/[a/b]", 3);
        check("/[\u{e9}]".as_bytes(), 2);
        check(b"/{a,b}", 1);
        check(b"/a\0", 2);
        check(b"/a\\/b", 3);
    }
}
