//! `probity rules`, and the rules that `--rules DIR` gives to other commands. The format is `docs/rules.md`.
//!
//! A directory is read whole before anything is scanned, with all directories below it; what is wrong is said with its
//! line, and ends the run.

mod list;
mod test;

use crate::args::{RulesArgs, RulesCommand};
use crate::diagnostic::Problem;
use anyhow::{Context, Result, bail};
use probity_engine::custom::CustomRules;
use probity_engine::name::printable;
use probity_engine::policy::PathGlob;
use probity_signatures::custom::{LARGEST, Surroundings, load as load_rules};
use probity_signatures::declared::Diagnostic;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The most files of all directories.
const MOST_FILES: usize = 10_000;
/// The most bytes of all files.
const MOST_BYTES: usize = 64 << 20;
/// How deep directories are walked.
const DEEPEST: usize = 16;
/// Problems that are shown; the rest is counted.
const SHOWN: usize = 16;

/// Does what is asked; returns the exit code.
pub(crate) fn run(args: &RulesArgs) -> Result<u8> {
    match &args.command {
        RulesCommand::List(args) => list::run(args),
        RulesCommand::Test(args) => test::run(args),
    }
}

/// Loads the rules of `--rules`. `None` when they are refused: why is on standard error. `Some(None)` when there are none.
///
/// # Errors
/// When a directory cannot be read, holds no rule or holds too many.
pub(crate) fn load(dirs: &[PathBuf]) -> Result<Option<Option<Arc<CustomRules>>>> {
    if dirs.is_empty() {
        return Ok(Some(None));
    }
    let files = Files::read(dirs)?;
    match files.load() {
        Ok(rules) => Ok(Some(Some(Arc::new(rules)))),
        Err(diagnostics) => {
            files.show(&diagnostics);
            Ok(None)
        }
    }
}

/// The files of a set of directories.
pub(crate) struct Files {
    files: Vec<RuleFile>,
}

/// One file.
struct RuleFile {
    /// As people know it.
    name: String,
    /// The path inside its directory, which the digest of the rules follows.
    inner: String,
    text: String,
    /// What keeps it from being read as text, and where.
    refused: Option<Problem>,
}

impl Files {
    /// Reads every `*.toml` below the directories, in the order of their names. A file may stand for a directory.
    ///
    /// # Errors
    /// When something cannot be read, there is nothing to read, or too much.
    pub(crate) fn read(dirs: &[PathBuf]) -> Result<Self> {
        let mut all = Self { files: Vec::new() };
        let mut bytes = 0;
        for dir in dirs {
            let shown = printable(dir.as_os_str().as_encoded_bytes());
            let mut paths = Vec::new();
            if fs::metadata(dir).with_context(|| shown.clone())?.is_dir() {
                walk(dir, &mut paths)?;
                if paths.is_empty() {
                    bail!("{shown}: no *.toml file is in there");
                }
            } else {
                paths.push(dir.clone());
            }
            paths.sort();
            for path in paths {
                let name = printable(path.as_os_str().as_encoded_bytes());
                let file = read(&path, dir, name.clone()).context(name)?;
                bytes += file.text.len();
                if all.files.len() >= MOST_FILES {
                    bail!("{shown}: more than {MOST_FILES} files");
                }
                if bytes > MOST_BYTES {
                    bail!("{shown}: more than {} MiB of rules", MOST_BYTES >> 20);
                }
                if !all.files.iter().any(|other| other.name == file.name) {
                    all.files.push(file);
                }
            }
        }
        Ok(all)
    }

    /// Loads them together.
    pub(crate) fn load(&self) -> Result<CustomRules, Vec<Diagnostic>> {
        self.load_some(|_| true)
    }

    /// Loads those that `wanted` picks by their text.
    pub(crate) fn load_some(&self, wanted: impl Fn(&str) -> bool) -> Result<CustomRules, Vec<Diagnostic>> {
        let refused: Vec<Diagnostic> = self.files.iter().filter_map(RuleFile::refusal).collect();
        if !refused.is_empty() {
            return Err(refused);
        }
        let picked: Vec<&RuleFile> = self.files.iter().filter(|file| wanted(&file.text)).collect();
        let texts: Vec<(&str, &str)> = picked.iter().map(|f| (f.name.as_str(), f.text.as_str())).collect();
        let formats: Vec<&str> = probity_engine::formats().collect();
        let around = Surroundings {
            formats: &formats,
            path_glob: &|text| match PathGlob::new(text) {
                Ok(_) => Ok(()),
                Err(error) => Err(error.kind().to_string()),
            },
        };
        let rules = load_rules(&texts, &around)?;
        let inner: Vec<(&str, &str)> = picked.iter().map(|f| (f.inner.as_str(), f.text.as_str())).collect();
        CustomRules::new(rules, &inner).map_err(|error| {
            let text = error.to_string();
            texts
                .first()
                .map(|(file, _)| Diagnostic::at_start(*file, text))
                .into_iter()
                .collect()
        })
    }

    /// The files as (name, text).
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|file| (file.name.as_str(), file.text.as_str()))
    }

    /// Writes what is wrong to standard error.
    pub(crate) fn show(&self, diagnostics: &[Diagnostic]) {
        let texts: BTreeMap<&str, &str> = self.iter().collect();
        let mut out = String::new();
        for diagnostic in diagnostics.iter().take(SHOWN) {
            let problem = Problem {
                span: diagnostic.span.clone(),
                title: diagnostic.title.clone(),
                help: diagnostic.help.clone(),
            };
            let text = texts.get(diagnostic.file.as_str()).copied().unwrap_or_default();
            out.push_str(&problem.render(&diagnostic.file, text));
        }
        match diagnostics.len().saturating_sub(SHOWN) {
            0 => {}
            more => out.push_str(&format!("and {more} more\n")),
        }
        // A closed pipe is not an error.
        let _ = anstream::AutoStream::auto(io::stderr()).write_all(out.as_bytes());
    }

    /// Whether one of them is the file at `path`.
    pub(crate) fn holds(dirs: &[PathBuf], path: &Path) -> bool {
        let Ok(path) = fs::canonicalize(path) else { return false };
        let inside = |dir: &PathBuf| fs::canonicalize(dir).is_ok_and(|dir| path.starts_with(dir));
        path.extension().is_some_and(|extension| extension == "toml") && dirs.iter().any(inside)
    }
}

impl RuleFile {
    fn refusal(&self) -> Option<Diagnostic> {
        let problem = self.refused.as_ref()?;
        let mut diagnostic = Diagnostic::at_start(&self.name, problem.title.clone());
        diagnostic.span = problem.span.clone();
        diagnostic.help.clone_from(&problem.help);
        Some(diagnostic)
    }
}

/// Collects the rule files below `top`.
fn walk(top: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let mut open = vec![(top.to_owned(), 0usize)];
    while let Some((dir, depth)) = open.pop() {
        let shown = || printable(dir.as_os_str().as_encoded_bytes());
        for entry in fs::read_dir(&dir).with_context(shown)? {
            let entry = entry.with_context(shown)?;
            let path = entry.path();
            let kind = entry.file_type().with_context(shown)?;
            if kind.is_dir() {
                if depth >= DEEPEST {
                    bail!("{}: directories more than {DEEPEST} levels deep", shown());
                }
                open.push((path, depth + 1));
            } else if path.extension().is_some_and(|extension| extension == "toml") {
                found.push(path);
            }
            if found.len() > MOST_FILES || open.len() > MOST_FILES {
                bail!("{}: more than {MOST_FILES} files", shown());
            }
        }
    }
    Ok(())
}

fn read(path: &Path, dir: &Path, name: String) -> Result<RuleFile> {
    // A FIFO that nobody writes to would hold the run up.
    if !fs::metadata(path)?.is_file() {
        bail!("not a regular file");
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST as u64 + 4).read_to_end(&mut bytes)?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    if bytes.len() > LARGEST {
        bail!(
            "larger than {} MiB: rules are written by people, for people",
            LARGEST >> 20
        );
    }
    let inner = path
        .strip_prefix(dir)
        .ok()
        .filter(|inner| !inner.as_os_str().is_empty());
    let inner = inner.unwrap_or_else(|| path.file_name().map_or(path, Path::new));
    let (text, refused) = match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), None),
        Err(error) => {
            let at = error.valid_up_to();
            let utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
            let what = if utf16 {
                "this is UTF-16: save the file"
            } else {
                "save the file"
            };
            let problem = Problem {
                // The replacement character that stands there is three bytes long.
                span: at..at.saturating_add(3),
                title: "not UTF-8".to_owned(),
                help: format!("{what} as UTF-8; write other bytes as hex in `bytes`"),
            };
            (String::from_utf8_lossy(bytes).into_owned(), Some(problem))
        }
    };
    Ok(RuleFile {
        name,
        inner: printable(inner.as_os_str().as_encoded_bytes()),
        text,
        refused,
    })
}
