//! Why a text is no pattern, and what to write instead.

use super::{LONGEST, MOST};
use crate::declared::vars::VarError;
use thiserror::Error;

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
