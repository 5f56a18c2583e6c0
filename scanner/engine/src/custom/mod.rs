//! The user's rules, ready for a scan: patterns in one set, hosts and digests in tables, and the catalogue of all rules.
//!
//! What a rule is comes from `probity-signatures`; where its patterns stand is found by the sweep; whether it holds is
//! decided when an artifact is closed. Nothing of this exists in a scan without `--rules`.

#[cfg(test)]
mod tests;
mod vectors;

pub use vectors::Outcome;

use crate::policy::PathGlob;
use crate::sink::PatternSet;
use probity_signatures::custom::{CustomRule, Detect, Known, Pattern};
use probity_signatures::{Rules, rules};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, LazyLock, Mutex};
use thiserror::Error;

/// The user's rules.
#[derive(Debug)]
pub struct CustomRules {
    rules: Vec<Ready>,
    catalogue: Arc<Rules>,
    patterns: Option<Arc<PatternSet>>,
    /// For each pattern of the set, its rule and its place in the rule.
    pattern_of: Vec<(usize, usize)>,
    /// Host names, and the rules that name them exactly or that name what is below them.
    hosts: HashMap<String, Vec<(usize, bool)>>,
    digests: HashMap<[u8; 32], Vec<usize>>,
}

/// A rule with what a scan needs of it.
#[derive(Debug)]
pub(crate) struct Ready {
    /// The id, as findings carry it.
    pub(crate) code: &'static str,
    pub(crate) rule: CustomRule,
    pub(crate) paths: Vec<PathGlob>,
}

/// Why rules that were loaded cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CustomError {
    /// A glob over paths that the engine does not compile.
    #[error("rule {id}: the path glob {glob:?} is not one")]
    Glob {
        /// The rule's id.
        id: String,
        /// The glob.
        glob: String,
    },
}

impl CustomRules {
    /// Prepares `loaded`, which came from `files`: (name, text) pairs that the catalogue's digest follows.
    ///
    /// # Errors
    /// When a rule holds a glob that is none: the loader was given another idea of globs.
    pub fn new(loaded: Vec<CustomRule>, files: &[(&str, &str)]) -> Result<Self, CustomError> {
        let catalogue = rules().with(loaded.iter().map(|custom| custom.rule.clone()), files);
        let mut ready = Vec::with_capacity(loaded.len());
        let (mut pattern_of, mut hosts, mut digests) = (Vec::new(), HashMap::new(), HashMap::new());
        for (index, rule) in loaded.into_iter().enumerate() {
            let mut paths = Vec::new();
            for glob in &rule.place.paths {
                paths.push(PathGlob::new(glob).map_err(|_| CustomError::Glob {
                    id: rule.rule.code.clone(),
                    glob: glob.clone(),
                })?);
            }
            match &rule.detect {
                Detect::Patterns { patterns, .. } => pattern_of.extend((0..patterns.len()).map(|at| (index, at))),
                Detect::Hosts(names) => {
                    for host in names {
                        let known: &mut Vec<(usize, bool)> = hosts.entry(host.name().to_owned()).or_default();
                        known.push((index, host.is_below()));
                    }
                }
                Detect::Digests { digests: known, .. } => {
                    for digest in known {
                        let rules: &mut Vec<usize> = digests.entry(*digest).or_default();
                        rules.push(index);
                    }
                }
                _ => {}
            }
            ready.push(Ready {
                code: interned(&rule.rule.code),
                rule,
                paths,
            });
        }
        let patterns = (!pattern_of.is_empty()).then(|| {
            let all = ready.iter().flat_map(|ready| patterns_of(&ready.rule));
            Arc::new(PatternSet::new(all))
        });
        Ok(Self {
            rules: ready,
            catalogue: Arc::new(catalogue),
            patterns,
            pattern_of,
            hosts,
            digests,
        })
    }

    /// Probity's own rules and these.
    pub fn catalogue(&self) -> &Arc<Rules> {
        &self.catalogue
    }

    /// These rules, in the order in which they were loaded.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &CustomRule> {
        self.rules.iter().map(|ready| &ready.rule)
    }

    /// What the sweep looks for, when a rule is about content.
    pub(crate) fn patterns(&self) -> Option<&Arc<PatternSet>> {
        self.patterns.as_ref()
    }

    /// A rule by its place.
    pub(crate) fn rule(&self, index: usize) -> Option<&Ready> {
        self.rules.get(index)
    }

    /// The rule and the pattern that a hit is about.
    pub(crate) fn pattern(&self, number: u32) -> Option<(usize, &Ready, usize, &Pattern)> {
        let (index, at) = *self.pattern_of.get(usize::try_from(number).ok()?)?;
        let ready = self.rules.get(index)?;
        let pattern = patterns_of(&ready.rule).get(at)?;
        Some((index, ready, at, pattern))
    }

    /// The rules that name a host, in their order, each with the pattern that holds it.
    pub(crate) fn naming(&self, host: &str) -> BTreeSet<(usize, String)> {
        let mut found = BTreeSet::new();
        let mut name = host;
        loop {
            for (index, below) in self.hosts.get(name).into_iter().flatten() {
                if *below == (name.len() < host.len()) {
                    let star = if *below { "*." } else { "" };
                    found.insert((*index, format!("{star}{name}")));
                }
            }
            // An address has no names above it.
            match name.split_once('.') {
                Some((_, above)) => name = above,
                None => return found,
            }
        }
    }

    /// The rules that know a digest, with what it stands for.
    pub(crate) fn knowing(&self, digest: &[u8; 32]) -> impl Iterator<Item = (&Ready, Known)> {
        let rules = self.digests.get(digest).into_iter().flatten();
        rules.filter_map(|index| {
            let ready = self.rules.get(*index)?;
            match ready.rule.detect {
                Detect::Digests { known, .. } => Some((ready, known)),
                _ => None,
            }
        })
    }
}

impl Ready {
    /// Whether the rule looks at an artifact of this format at this path.
    pub(crate) fn looks_at(&self, format: &str, path: &str, nested: Option<&str>) -> bool {
        self.rule.place.holds_format(format)
            && (self.paths.is_empty() || self.paths.iter().any(|glob| glob.holds(path, nested)))
    }
}

fn patterns_of(rule: &CustomRule) -> &[Pattern] {
    match &rule.detect {
        Detect::Patterns { patterns, .. } => patterns,
        _ => &[],
    }
}

/// The id as text that lives as long as the process: findings carry their code so. Each id is kept once, however often
/// rules are loaded.
fn interned(id: &str) -> &'static str {
    static IDS: LazyLock<Mutex<HashSet<&'static str>>> = LazyLock::new(Mutex::default);
    let mut ids = IDS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(known) = ids.get(id) {
        return known;
    }
    let kept: &'static str = Box::leak(id.to_owned().into_boxed_str());
    ids.insert(kept);
    kept
}
