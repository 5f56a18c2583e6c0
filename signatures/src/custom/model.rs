//! What a rule of the user is, once it is read.

use super::Expression;
use crate::declared::HostPattern;
use crate::rules::Rule;
use globset::GlobMatcher;

/// A rule of the user.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CustomRule {
    /// Its code, severity and documentation, as for a code of Probity's own.
    pub rule: Rule,
    /// Why it matters, in the words of whoever wrote it, on one line.
    pub reason: String,
    /// The file it stands in, as named by the caller.
    pub file: String,
    /// The line its id stands on, counted from 1.
    pub line: u32,
    /// What it looks for.
    pub detect: Detect,
    /// Where it looks.
    pub place: Place,
    /// What it must and must not find.
    pub tests: Vec<Vector>,
}

/// What a rule looks for.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Detect {
    /// Bytes.
    Patterns {
        /// The patterns, in the order of the file: strings, byte sequences, expressions.
        patterns: Vec<Pattern>,
        /// How many of them must be there: 1 to all of them.
        needed: usize,
    },
    /// Hosts that the artifact names.
    Hosts(Vec<HostPattern>),
    /// The SHA-256 of a whole artifact.
    Digests {
        /// The digests.
        digests: Vec<[u8; 32]>,
        /// What they stand for.
        known: Known,
    },
}

/// What a known digest stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// A finding.
    Bad,
    /// A note at `info`, which suppresses nothing.
    Good,
}

/// One thing to look for, and how people know it.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// The pattern as the file writes it.
    pub shown: String,
    /// What is looked for.
    pub sought: Sought,
}

/// What is looked for.
#[derive(Debug, Clone)]
pub enum Sought {
    /// Byte strings, each the same text in another encoding.
    Literals(Vec<Literal>),
    /// A compiled expression.
    Expression(Box<Expression>),
}

/// A byte string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Literal {
    /// The bytes: at least [`Literal::SHORTEST`].
    pub bytes: Vec<u8>,
    /// Whether ASCII letters match in either case.
    pub nocase: bool,
    /// How the bytes spell the text.
    pub encoding: Encoding,
}

impl Literal {
    /// The fewest bytes of a string: fewer stand everywhere.
    pub const SHORTEST: usize = 3;
    /// The most bytes of a string's text.
    pub const LONGEST: usize = 1024;
}

/// How bytes spell a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Encoding {
    /// ASCII, or UTF-8.
    Ascii,
    /// UTF-16, low byte first.
    Utf16Le,
    /// UTF-16, high byte first.
    Utf16Be,
}

impl Encoding {
    /// The name shown to people and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ascii => "ascii",
            Self::Utf16Le => "utf-16le",
            Self::Utf16Be => "utf-16be",
        }
    }

    /// `text` in this encoding.
    pub(super) fn encode(self, text: &str) -> Vec<u8> {
        match self {
            Self::Ascii => text.as_bytes().to_vec(),
            Self::Utf16Le => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            Self::Utf16Be => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        }
    }
}

/// Where a rule looks. What is empty restricts nothing.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Place {
    /// Globs over the names and roles of regions; `unclaimed` is where no region is.
    pub regions: Vec<GlobMatcher>,
    /// Format ids.
    pub formats: Vec<String>,
    /// Globs over paths as reports show them.
    pub paths: Vec<String>,
}

impl Place {
    /// Whether it holds the region called `name` with `role`.
    pub fn holds_region(&self, name: &str, role: &str) -> bool {
        self.regions.is_empty()
            || self
                .regions
                .iter()
                .any(|glob| glob.is_match(name) || glob.is_match(role))
    }

    /// Whether it holds the format with the id `format`.
    pub fn holds_format(&self, format: &str) -> bool {
        self.formats.is_empty() || self.formats.iter().any(|id| id == format)
    }
}

/// A test vector: an input, and whether the rule must fire on it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Vector {
    /// The line it stands on, counted from 1.
    pub line: u32,
    /// The input.
    pub content: VectorContent,
    /// Whether the rule must fire.
    pub fires: bool,
    /// The region the input is taken to stand in; without it, one that the rule looks at.
    pub region: Option<String>,
    /// The format of the artifact; without it, one that the rule looks at.
    pub format: Option<String>,
    /// The path of the artifact; without it, one that the rule looks at.
    pub path: Option<String>,
}

/// The input of a test vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VectorContent {
    /// The bytes of an artifact.
    Bytes(Vec<u8>),
    /// The SHA-256 of one.
    Sha256([u8; 32]),
}
