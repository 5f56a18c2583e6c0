//! The lines on the machine's console that are not the kernel's: each starts with a mark, then says one [`Line`].

use std::fmt;

/// Starts every line of the protocol; the kernel's own lines have none.
const MARK: &str = "@probity ";

/// What one line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// The machine is up; commands follow.
    Ready,
    /// Something could not be set up: a mount, a module.
    Note(String),
    /// The named command starts.
    Begin(String),
    /// One line of the running command's output.
    Output(String),
    /// The running command ended, by itself or killed by `128 + n`, so many milliseconds after its start.
    End {
        /// The exit code, 128 plus the signal that ended it, or [`TIMED_OUT`].
        code: i32,
        /// Milliseconds since it started.
        millis: u128,
    },
    /// All commands have run; the machine turns itself off.
    Done,
}

/// The exit code of a command that was killed because its time was up.
pub const TIMED_OUT: i32 = 124;

impl fmt::Display for Line {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready => write!(out, "{MARK}ready"),
            Self::Note(text) => write!(out, "{MARK}note {text}"),
            Self::Begin(name) => write!(out, "{MARK}begin {name}"),
            Self::Output(text) => write!(out, "{MARK}| {text}"),
            Self::End { code, millis } => write!(out, "{MARK}end {code} {millis}"),
            Self::Done => write!(out, "{MARK}done"),
        }
    }
}

impl Line {
    /// What a line of the console says; `None` for the kernel's own.
    ///
    /// A message of the kernel may stand before the mark, since both write to one console.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once(MARK)?;
        let (word, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        Some(match word {
            "ready" => Self::Ready,
            "note" => Self::Note(rest.to_owned()),
            "begin" => Self::Begin(rest.to_owned()),
            "|" => Self::Output(rest.to_owned()),
            "end" => {
                let (code, millis) = rest.split_once(' ')?;
                Self::End {
                    code: code.parse().ok()?,
                    millis: millis.parse().ok()?,
                }
            }
            "done" => Self::Done,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_reads_back_even_behind_a_kernel_message() {
        for line in [
            Line::Ready,
            Line::Note("no btrfs".to_owned()),
            Line::Begin("a b".to_owned()),
            Line::Output("  text with @ signs".to_owned()),
            Line::Output(String::new()),
            Line::End { code: -1, millis: 12 },
            Line::Done,
        ] {
            assert_eq!(Line::parse(&line.to_string()), Some(line.clone()));
            assert_eq!(Line::parse(&format!("[    1.2] audit: {line}")), Some(line));
        }
    }

    #[test]
    fn other_lines_say_nothing() {
        for text in [
            "[    0.0] Linux version",
            "",
            "@probity",
            "@probity end x",
            "@probity sing",
        ] {
            assert_eq!(Line::parse(text), None, "{text}");
        }
    }
}
