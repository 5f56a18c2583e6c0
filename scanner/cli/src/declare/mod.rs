//! `probity declare`: declared sets for people. The format is `docs/declared.md`.
//!
//! A file is read whole, at most 1 MiB of it. Variables come from `--var`, the file and the environment.

pub(crate) mod args;
pub(crate) use args::VarArgs;
mod check;
mod diff;
mod explain;

use crate::diagnostic::Problem;
use crate::output;
use anyhow::{Context, Result, bail};
use args::{DeclareArgs, DeclareCommand};
use probity_engine::name::printable;
use probity_signatures::declared::{Declared, Diagnostic, LARGEST, Level, load_all, schema};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Does what is asked; returns the exit code.
pub(crate) fn run(args: &DeclareArgs) -> Result<u8> {
    match &args.command {
        DeclareCommand::Check(args) => check::run(args),
        DeclareCommand::Explain(args) => explain::run(args),
        DeclareCommand::Diff(args) => diff::run(args),
        DeclareCommand::Schema => {
            output::print(schema::json_schema().as_bytes())?;
            Ok(0)
        }
    }
}

/// The files of a set, as (name, text).
pub(crate) struct Files(Vec<(String, String)>);

impl Files {
    /// Reads them.
    ///
    /// # Errors
    /// When one cannot be read, is too large, or is not UTF-8.
    pub(crate) fn read(paths: &[PathBuf]) -> Result<Self> {
        let mut files: Vec<(String, String)> = Vec::new();
        for path in paths {
            let name = printable(path.as_os_str().as_encoded_bytes());
            if files.iter().any(|(other, _)| *other == name) {
                bail!("{name} is given twice");
            }
            let text = text(path).with_context(|| name.clone())?;
            files.push((name, text));
        }
        Ok(Self(files))
    }

    /// Loads them together.
    pub(crate) fn load(&self, vars: &BTreeMap<String, String>) -> Result<Declared, Vec<Diagnostic>> {
        self.load_with(vars, &|name| std::env::var(name).ok())
    }

    /// The same with another environment.
    pub(crate) fn load_with(
        &self,
        vars: &BTreeMap<String, String>,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Declared, Vec<Diagnostic>> {
        let files: Vec<(&str, &str)> = self
            .0
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect();
        load_all(&files, environment, vars).map_err(|diagnostics| diagnostics.0)
    }

    /// A diagnostic for a terminal, with colours.
    pub(crate) fn render(&self, diagnostic: &Diagnostic) -> String {
        let found = self.0.iter().find(|(name, _)| *name == diagnostic.file);
        let text = found.map_or("", |(_, text)| text);
        let problem = Problem {
            span: diagnostic.span.clone(),
            title: diagnostic.title.clone(),
            help: diagnostic.help.clone(),
        };
        match diagnostic.level {
            Level::Error => problem.render(&diagnostic.file, text),
            Level::Warning => problem.render_warning(&diagnostic.file, text),
        }
    }

    /// The lines of a file.
    fn lines(&self, name: &str) -> impl Iterator<Item = &str> {
        let found = self.0.iter().find(move |(file, _)| file == name);
        found.into_iter().flat_map(|(_, text)| text.lines())
    }
}

/// Loads a set; what is wrong with it, and what should be read, goes to standard error. `None` when it does not load.
///
/// # Errors
/// When a file cannot be read.
pub(crate) fn load(paths: &[PathBuf], vars: &BTreeMap<String, String>) -> Result<Option<(Files, Declared)>> {
    let files = Files::read(paths)?;
    let (set, diagnostics) = match files.load(vars) {
        Ok(set) => {
            let warnings = set.warnings.clone();
            (Some(set), warnings)
        }
        Err(diagnostics) => (None, diagnostics),
    };
    let mut out = anstream::AutoStream::auto(io::stderr());
    for diagnostic in &diagnostics {
        // A closed pipe is not an error.
        let _ = out.write_all(files.render(diagnostic).as_bytes());
    }
    Ok(set.map(|set| (files, set)))
}

fn text(path: &Path) -> Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > LARGEST {
        bail!("larger than 1 MiB: a declared set is written by people, for people");
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => bail!("not UTF-8 at byte {}: save the file as UTF-8", error.valid_up_to()),
    }
}
