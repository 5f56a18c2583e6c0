//! What is known about the callables a pickle may name: reviewed inert ones, known dangerous ones, and for the rest
//! whether the standard library or someone else owns them.
//!
//! The lists are `known/pickle-callables.toml` and `known/python-stdlib.toml`. An answer depends on them alone, never on
//! a Python or a package of the host. Nothing is inert unless it is listed by its full name. Arguments are not judged
//! here: an [`InertCallable`] says which of them the callable itself calls, constructs or keeps, and the reader of the
//! stream must treat a callable in such a place accordingly.
//!
//! Matching, for a path made of the module's and the name's dotted segments:
//!
//! 1. The module's Python 2 spelling is replaced by the Python 3 one.
//! 2. A listed inert (module, name) is inert, also inside a module that is otherwise dangerous as a whole.
//! 3. A prefix of the path that is listed as dangerous decides: `os` covers `os.path.join`, `builtins.eval` covers
//!    `eval.__call__`.
//! 4. A dangerous path reached through another module decides too: `random._os.system` in `numpy`. Segments that can be
//!    attributes are the name's and, in the standard library, the module's after the first.
//! 5. A segment such as `__globals__` or `__builtins__` that leads out of an object is dangerous anywhere.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use serde::Deserialize;
use thiserror::Error;

use crate::embedded::known_file;
use crate::toml_error::{line_of, message_of};

const CALLABLES_FILE: &str = "pickle-callables.toml";
const STDLIB_FILE: &str = "python-stdlib.toml";
/// In a group's `names`: the whole module and its submodules.
const WHOLE_MODULE: &str = "*";

/// The lists compiled into this build.
///
/// # Panics
///
/// When an embedded list is invalid, which a test of this crate rules out.
pub fn callables() -> &'static Callables {
    static CALLABLES: LazyLock<Callables> = LazyLock::new(|| {
        let text = |name| known_file(name).unwrap_or_default();
        match Callables::parse(text(CALLABLES_FILE), text(STDLIB_FILE)) {
            Ok(callables) => callables,
            Err(error) => panic!("embedded callables: {error}"),
        }
    });
    &CALLABLES
}

/// What a (module, name) pair is known as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Classification<'a> {
    /// Known to run code, spawn, resolve strings to callables, or touch files or the network.
    Dangerous {
        /// What it does, as a clause: "runs a program or a shell command".
        reason: &'a str,
        /// Advisories and specifications.
        references: &'a [String],
    },
    /// Reviewed: calling or constructing it only builds a value (see [`Callables::inert`] for its arguments).
    Inert,
    /// Unreviewed, in the standard library: present wherever a pickle is loaded.
    UnknownStdlib,
    /// Unreviewed, in anybody's module.
    Unknown,
}

/// A reviewed inert callable.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InertCallable {
    /// Positions, from 0, of arguments that the callable calls at once.
    pub calls: Vec<usize>,
    /// Positions of classes that it makes instances of without calling them (`cls.__new__`).
    pub constructs: Vec<usize>,
    /// Positions of arguments that it keeps and that are called later, in ordinary use of what it returns.
    pub keeps: Vec<usize>,
    /// An argument that must be one of a few words.
    pub word: Option<Word>,
    /// The most arguments with which it is inert; `None` when their number does not matter. A reader that sees more
    /// must treat the callable as an unreviewed one.
    pub max_arguments: Option<usize>,
    /// What to know about it.
    pub note: Option<String>,
}

/// An argument with which a callable is inert only when it is one of these words, in any case.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Word {
    /// Its position, from 0; a missing argument is fine.
    pub at: usize,
    /// The words.
    pub of: Vec<String>,
}

/// The loaded lists.
#[derive(Debug)]
pub struct Callables {
    version: u32,
    aliases: HashMap<String, String>,
    inert: HashMap<String, HashMap<String, InertCallable>>,
    groups: Vec<(String, Vec<String>)>,
    /// Dotted path -> index into `groups`: a callable, or a module with all below it.
    dangerous: HashMap<String, usize>,
    /// Segments of the longest path in `dangerous`, which bounds the work on a hostile name.
    longest: usize,
    attributes: HashMap<String, usize>,
    stdlib: HashSet<String>,
    /// Top-level modules with an inert entry: a dangerous module named inside one of them is an import leaking out.
    reviewed_roots: HashSet<String>,
    /// Dangerous modules whose names are also innocent functions of reviewed libraries.
    ambiguous: HashSet<String>,
}

impl Callables {
    /// Parses the two lists.
    ///
    /// # Errors
    ///
    /// The file, the line and the reason, when a list is not of its schema or contradicts itself.
    pub fn parse(callables: &str, stdlib: &str) -> Result<Self, CallablesError> {
        let file: CallablesFile = parse_file(CALLABLES_FILE, callables)?;
        let stdlib: StdlibFile = parse_file(STDLIB_FILE, stdlib)?;
        let mut lists = Self {
            version: file.version,
            aliases: file.aliases,
            inert: HashMap::new(),
            groups: Vec::new(),
            dangerous: HashMap::new(),
            longest: 0,
            attributes: HashMap::new(),
            stdlib: stdlib.python3.into_iter().chain(stdlib.python2).collect(),
            reviewed_roots: HashSet::new(),
            ambiguous: file.ambiguous.into_iter().collect(),
        };
        for group in file.dangerous {
            lists.add_dangerous(group)?;
        }
        for group in file.inert {
            lists.add_inert(group)?;
        }
        Ok(lists)
    }

    /// The version of the callable lists; it grows with every change.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// What is known about `name` of `module`, both as the stream spells them.
    pub fn classify(&self, module: &str, name: &str) -> Classification<'_> {
        if self.inert(module, name).is_some() {
            return Classification::Inert;
        }
        let module = self.python3_module(module);
        if let Some(group) = self.dangerous_group(&module, name) {
            let (reason, references) = &self.groups[group];
            return Classification::Dangerous { reason, references };
        }
        if self.is_stdlib(&module) {
            Classification::UnknownStdlib
        } else {
            Classification::Unknown
        }
    }

    /// The entry of a reviewed inert callable.
    pub fn inert(&self, module: &str, name: &str) -> Option<&InertCallable> {
        self.inert.get(self.python3_module(module).as_str())?.get(name)
    }

    /// Whether the module is one of the standard library, or lies below one.
    pub fn is_stdlib(&self, module: &str) -> bool {
        module.split('.').next().is_some_and(|root| self.stdlib.contains(root))
    }

    /// Replaces a Python 2 module name, whole or as the first segment.
    fn python3_module(&self, module: &str) -> String {
        if let Some(alias) = self.aliases.get(module) {
            return alias.clone();
        }
        match module.split_once('.') {
            Some((root, rest)) => match self.aliases.get(root) {
                Some(alias) => format!("{alias}.{rest}"),
                None => module.to_owned(),
            },
            None => module.to_owned(),
        }
    }

    fn dangerous_group(&self, module: &str, name: &str) -> Option<usize> {
        let module_segments: Vec<&str> = module.split('.').collect();
        let segments: Vec<&str> = module_segments.iter().copied().chain(name.split('.')).collect();
        if let Some(group) = self.dangerous_prefix(&segments) {
            return Some(group);
        }
        if let Some(group) = segments.iter().find_map(|segment| self.attributes.get(*segment)) {
            return Some(*group);
        }
        let root = module_segments.first().copied().unwrap_or_default();
        let stdlib = self.stdlib.contains(root);
        let first_attribute = if stdlib { 1 } else { module_segments.len() };
        let reviewed = self.reviewed_roots.contains(root);
        (first_attribute..segments.len()).find_map(|start| {
            let tail = segments.get(start..)?;
            let group = self.dangerous_prefix(tail).or_else(|| self.dangerous_import(tail))?;
            // `code` alone may be a class of somebody's module, `select` a function of NumPy; `code.interact` is neither.
            let import = tail.len() > 1 || stdlib || (reviewed && !self.ambiguous.contains(name));
            import.then_some(group)
        })
    }

    /// The group of the shortest listed prefix of `segments`.
    fn dangerous_prefix(&self, segments: &[&str]) -> Option<usize> {
        let mut path = String::new();
        for (index, segment) in segments.iter().take(self.longest).enumerate() {
            if index > 0 {
                path.push('.');
            }
            path.push_str(segment);
            if let Some(group) = self.dangerous.get(&path) {
                return Some(*group);
            }
        }
        None
    }

    /// As `dangerous_prefix`, for a module imported under a private or a Python 2 name: `_os.system`.
    fn dangerous_import(&self, segments: &[&str]) -> Option<usize> {
        let (first, rest) = segments.split_first()?;
        let bare = first.trim_matches('_');
        let module = self
            .aliases
            .get(*first)
            .or_else(|| self.aliases.get(bare))
            .map_or(bare, String::as_str);
        self.dangerous_prefix(
            &module
                .split('.')
                .chain(rest.iter().copied())
                .take(self.longest)
                .collect::<Vec<_>>(),
        )
    }

    fn add_dangerous(&mut self, group: DangerousGroup) -> Result<(), CallablesError> {
        let index = self.groups.len();
        if group.reason.trim().is_empty() {
            return Err(CallablesError::contradiction(
                "a dangerous group has no reason".to_owned(),
            ));
        }
        if group.modules.is_empty() != group.names.is_empty() {
            let reason = format!(
                "group {:?} has modules without names or names without modules",
                group.reason
            );
            return Err(CallablesError::contradiction(reason));
        }
        for module in &group.modules {
            for name in &group.names {
                let path = if name == WHOLE_MODULE {
                    module.clone()
                } else {
                    format!("{module}.{name}")
                };
                self.longest = self.longest.max(path.split('.').count());
                if self.dangerous.insert(path.clone(), index).is_some() {
                    return Err(CallablesError::contradiction(format!(
                        "{path} is listed as dangerous twice"
                    )));
                }
            }
        }
        for attribute in group.attributes {
            self.attributes.insert(attribute, index);
        }
        self.groups.push((group.reason, group.references));
        Ok(())
    }

    fn add_inert(&mut self, group: InertGroup) -> Result<(), CallablesError> {
        for module in &group.modules {
            self.reviewed_roots.extend(module.split('.').next().map(str::to_owned));
            for name in &group.names {
                let path = format!("{module}.{name}");
                let entry = InertCallable {
                    calls: group.calls.clone(),
                    constructs: group.constructs.clone(),
                    keeps: group.keeps.clone(),
                    word: group.word.clone(),
                    max_arguments: group.max_arguments,
                    note: group.note.clone(),
                };
                if name == WHOLE_MODULE {
                    return Err(CallablesError::contradiction(format!(
                        "{path}: only single names can be inert"
                    )));
                }
                if self.dangerous.contains_key(&path) {
                    return Err(CallablesError::contradiction(format!(
                        "{path} is listed as inert and as dangerous"
                    )));
                }
                if self
                    .inert
                    .entry(module.clone())
                    .or_default()
                    .insert(name.clone(), entry)
                    .is_some()
                {
                    return Err(CallablesError::contradiction(format!(
                        "{path} is listed as inert twice"
                    )));
                }
            }
        }
        Ok(())
    }
}

/// Why the lists were refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CallablesError {
    /// Not TOML, an unknown or missing key, or a value of the wrong kind.
    #[error("{file}:{line}: {message}")]
    #[non_exhaustive]
    Syntax {
        /// The file's name.
        file: &'static str,
        /// The line, counted from 1.
        line: usize,
        /// The parser's words.
        message: String,
    },
    /// Two entries exclude each other, or one says nothing.
    #[error("{file}: {message}")]
    #[non_exhaustive]
    Contradiction {
        /// The file's name.
        file: &'static str,
        /// Which entries.
        message: String,
    },
}

impl CallablesError {
    fn contradiction(message: String) -> Self {
        Self::Contradiction {
            file: CALLABLES_FILE,
            message,
        }
    }
}

fn parse_file<T: serde::de::DeserializeOwned>(file: &'static str, text: &str) -> Result<T, CallablesError> {
    toml::from_str(text).map_err(|error| CallablesError::Syntax {
        file,
        line: line_of(text, error.span()),
        message: message_of(&error),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CallablesFile {
    version: u32,
    ambiguous: Vec<String>,
    aliases: HashMap<String, String>,
    inert: Vec<InertGroup>,
    dangerous: Vec<DangerousGroup>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InertGroup {
    modules: Vec<String>,
    names: Vec<String>,
    #[serde(default)]
    calls: Vec<usize>,
    #[serde(default)]
    constructs: Vec<usize>,
    #[serde(default)]
    keeps: Vec<usize>,
    word: Option<Word>,
    max_arguments: Option<usize>,
    note: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DangerousGroup {
    reason: String,
    #[serde(default)]
    references: Vec<String>,
    #[serde(default)]
    modules: Vec<String>,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    attributes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StdlibFile {
    #[serde(rename = "version")]
    _version: u32,
    python3: Vec<String>,
    python2: Vec<String>,
}

#[cfg(test)]
#[path = "callables_tests.rs"]
mod tests;
