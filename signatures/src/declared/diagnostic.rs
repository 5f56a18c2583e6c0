//! What is wrong with a declared set: the place, the reason, and what to write instead.
//!
//! Nothing here is rendered for a terminal; the command line does that.

use std::fmt;
use std::ops::Range;
use thiserror::Error;

/// How bad a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The set loads; a person should read it.
    Warning,
    /// The set does not load.
    Error,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnostic {
    /// How bad it is.
    pub level: Level,
    /// The file, as named by the caller.
    pub file: String,
    /// The line, counted from 1.
    pub line: u32,
    /// The column in characters, counted from 1.
    pub column: u32,
    /// The bytes of the file's text.
    pub span: Range<usize>,
    /// The line's text.
    pub quoted: String,
    /// What is wrong: one sentence, lower case, no full stop.
    pub title: String,
    /// What to write instead.
    pub help: String,
}

impl Diagnostic {
    /// An error about the whole of a file, shown at its start.
    pub fn at_start(file: impl Into<String>, title: impl Into<String>) -> Self {
        Self {
            level: Level::Error,
            file: file.into(),
            line: 1,
            column: 1,
            span: 0..0,
            quoted: String::new(),
            title: title.into(),
            help: String::new(),
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.title)
    }
}

/// Why declared sets do not load: every error, and the warnings beside them, in the order of the files.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}", self.first())]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    fn first(&self) -> String {
        let errors = self.0.iter().filter(|d| d.level == Level::Error);
        let more = errors.clone().count().saturating_sub(1);
        let first = errors.clone().next().map_or_else(String::new, ToString::to_string);
        if more == 0 {
            first
        } else {
            format!("{first} (and {more} more)")
        }
    }
}

/// A file being read: where its diagnostics go.
pub(super) struct Source<'t> {
    pub(super) file: &'t str,
    pub(super) text: &'t str,
    pub(super) found: Vec<Diagnostic>,
}

impl<'t> Source<'t> {
    pub(super) fn new(file: &'t str, text: &'t str) -> Self {
        Self {
            file,
            text,
            found: Vec::new(),
        }
    }

    pub(super) fn error(&mut self, span: Range<usize>, title: impl Into<String>, help: impl Into<String>) {
        self.push(Level::Error, span, title.into(), help.into());
    }

    pub(super) fn warning(&mut self, span: Range<usize>, title: impl Into<String>, help: impl Into<String>) {
        self.push(Level::Warning, span, title.into(), help.into());
    }

    fn push(&mut self, level: Level, span: Range<usize>, title: String, help: String) {
        let (line, column, quoted) = place(self.text, span.start);
        self.found.push(Diagnostic {
            level,
            file: self.file.to_owned(),
            line,
            column,
            span,
            quoted,
            title,
            help,
        });
    }

    /// The line of a byte.
    pub(super) fn line(&self, at: usize) -> u32 {
        place(self.text, at).0
    }
}

/// The line and column of a byte, and the line's text.
fn place(text: &str, at: usize) -> (u32, u32, String) {
    let at = (0..=at.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0);
    let (before, after) = text.split_at(at);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let head = before.rsplit('\n').next().unwrap_or_default();
    let tail = after.split('\n').next().unwrap_or_default();
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let quoted = format!("{head}{tail}").trim_end_matches('\r').to_owned();
    (count(line), count(head.chars().count() + 1), quoted)
}
