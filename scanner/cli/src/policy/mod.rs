//! `--policy FILE`: severities and allowed findings, from the file that the command line names and no other.
//!
//! The file is read whole, at most 1 MiB of it, and checked before anything is scanned; what is wrong with it is said
//! all at once. `docs/policy.md` is its reference.

mod date;
mod load;
#[cfg(test)]
mod tests;

use crate::args::Color;
use crate::diagnostic::Problem;
use anyhow::{Context, Result, bail};
use date::Date;
use probity_engine::policy::Policy;
use probity_signatures::Rules;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::SystemTime;

pub(crate) use load::digest;

/// The largest policy that is read.
const LARGEST: u64 = 1 << 20;
/// Problems that are shown; the rest is counted.
const SHOWN: usize = 16;

/// Loads a policy, which may speak of `rules`. `None` when it is refused: why is on standard error.
///
/// # Errors
/// When it cannot be read or is too large.
pub(crate) fn load(path: &Path, color: Color, rules: &Rules) -> Result<Option<Policy>> {
    let name = path.display().to_string();
    let bytes = read(path).with_context(|| format!("--policy {name}"))?;
    let today = Date::of(SystemTime::now());
    match parse(&name, &bytes, today, rules) {
        Ok(policy) => Ok(Some(policy)),
        Err(refusal) => {
            refusal.show(color);
            Ok(None)
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        bail!("larger than 1 MiB: a policy is written by people, for people");
    }
    Ok(bytes)
}

/// Why a policy is refused.
#[derive(Debug)]
struct Refusal {
    name: String,
    text: String,
    problems: Vec<Problem>,
}

impl Refusal {
    /// Writes the problems to standard error, in the order of the file.
    fn show(mut self, color: Color) {
        self.problems.sort_by_key(|p| p.span.start);
        let mut out = String::new();
        for problem in self.problems.iter().take(SHOWN) {
            out.push_str(&problem.render(&self.name, &self.text));
        }
        if let Some(more @ 1..) = self.problems.len().checked_sub(SHOWN) {
            out.push_str(&format!("and {more} more\n"));
        }
        let stderr = io::stderr().lock();
        let choice = match color {
            Color::Auto => anstream::AutoStream::choice(&stderr),
            Color::Always => anstream::ColorChoice::Always,
            Color::Never => anstream::ColorChoice::Never,
        };
        // A closed pipe is not an error.
        let _ = anstream::AutoStream::new(stderr, choice).write_all(out.as_bytes());
    }
}

/// Parses and checks a policy, which may speak of `rules`. `name` is what people know it as.
fn parse(name: &str, bytes: &[u8], today: Date, rules: &Rules) -> Result<Policy, Refusal> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let refuse = |text: String, problems| Refusal {
        name: name.to_owned(),
        text,
        problems,
    };
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let at = error.valid_up_to();
            let utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
            let problem = Problem {
                // The replacement character that stands there is three bytes long.
                span: at..at.saturating_add(3),
                title: "not UTF-8".to_owned(),
                help: if utf16 {
                    "this is UTF-16: save the file as UTF-8".to_owned()
                } else {
                    "save the file as UTF-8; names that are not UTF-8 are written as reports show them, %XX".to_owned()
                },
            };
            return Err(refuse(String::from_utf8_lossy(bytes).into_owned(), vec![problem]));
        }
    };
    load::policy(name, text, today, rules).map_err(|problems| refuse(text.to_owned(), problems))
}
