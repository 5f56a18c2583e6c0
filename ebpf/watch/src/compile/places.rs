//! Where the rules' patterns begin in the file system.
//!
//! The kernel's paths hold no symbolic link, so each literal prefix is followed and the pattern added a second time under
//! the name that comes out. What is allowed by a literal name is not pinned itself: another hard link would carry the
//! permission elsewhere. Its directory is.
//!
//! A symbolic link that only a wildcard reaches is not followed: the rule must name where it leads.

use super::builder::Line;
use super::files::{Entry, FOLLOWS, FileRule, Named, Note};
use super::pattern::{Component, literal_prefix};
use crate::pin::{Found, Identity, Root, denied_names, join, joint_names, no_hard_links};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Where a literal prefix leads.
#[derive(Clone, Debug)]
struct Place {
    /// The components of its canonical name; what does not exist is appended as written.
    names: Vec<Vec<u8>>,
    /// All of it exists.
    exists: bool,
    /// On a file system of the kernel's own.
    kernel_own: bool,
}

pub(super) struct Places<'a> {
    root: &'a Root,
    known: HashMap<Vec<Vec<u8>>, Option<Place>>,
    wanted: BTreeSet<Named>,
    pub(super) notes: Vec<Note>,
}

impl<'a> Places<'a> {
    pub(super) fn new(root: &'a Root) -> Self {
        Self {
            root,
            known: HashMap::new(),
            wanted: BTreeSet::from([(Entry::Whole, b"/".to_vec())]),
            notes: Vec::new(),
        }
    }

    /// The patterns that stand for a rule's: as written, and under canonical names.
    pub(super) fn lines(&mut self, rule: &FileRule, components: &[Component]) -> Vec<Line> {
        let written = String::from_utf8_lossy(&rule.pattern).into_owned();
        let line = |components: Vec<Component>, mask: u8| Line {
            rule: rule.rule,
            allow: rule.allow & mask,
            deny: rule.deny,
            components,
            written: written.clone(),
        };
        let literal = |names: &[Vec<u8>]| names.iter().map(|name| Component::literal(name)).collect::<Vec<_>>();
        let mut lines = vec![line(components.to_vec(), 0xff)];
        let (names, rest) = literal_prefix(components);
        let last = if rest.is_empty() { names.last().cloned() } else { None };
        let directory = &names[..names.len() - usize::from(last.is_some())];
        if let Some(place) = self.follow(directory) {
            self.want(&place);
            if let Some(name) = last.as_ref().filter(|_| rule.deny != 0 && !place.kernel_own) {
                // It may not exist yet.
                self.wanted.insert((
                    Entry::Denied,
                    join(&[place.names.as_slice(), std::slice::from_ref(name)].concat()),
                ));
            }
            let mut canonical = literal(&place.names);
            canonical.extend(last.iter().map(|name| Component::literal(name)));
            canonical.extend(rest.iter().cloned());
            if canonical != components {
                lines.push(line(canonical, 0xff));
            }
        }
        if last.is_some()
            && let Some(place) = self.follow(&names).filter(|place| place.exists)
        {
            let canonical = literal(&place.names);
            if !lines.iter().any(|line| line.components == canonical) {
                let directory = Place {
                    names: place.names[..place.names.len().saturating_sub(1)].to_vec(),
                    ..place.clone()
                };
                self.want(&directory);
                lines.push(line(canonical, FOLLOWS));
            }
            if rule.deny != 0 && !place.kernel_own {
                self.wanted.insert((Entry::Denied, join(&place.names)));
            }
        }
        lines
    }

    /// The directory in which a pattern with wildcards begins, if it exists.
    pub(super) fn existing_directory(&mut self, components: &[Component]) -> Option<Vec<u8>> {
        let (names, _) = literal_prefix(components);
        self.follow(&names)
            .filter(|place| place.exists && !place.kernel_own)
            .map(|place| join(&place.names))
    }

    /// All places, sorted: those entered whole come first.
    pub(super) fn bases(&self, denied: Vec<Vec<u8>>) -> Vec<Named> {
        let mut bases = self.wanted.clone();
        bases.extend(denied.into_iter().map(|path| (Entry::Denied, path)));
        bases.into_iter().collect()
    }

    /// Names that now stand for one object: bind mounts, hard links, and places that do not exist in one directory.
    pub(super) fn groups(&self, bases: &[Named]) -> Vec<Vec<Named>> {
        let mut objects: BTreeMap<Identity, Vec<Named>> = BTreeMap::new();
        for (entry, path) in bases {
            if let Some((identity, path)) = self.root.deepest(path, *entry == Entry::Whole) {
                objects.entry(identity).or_default().push((*entry, path));
            }
        }
        let joined = objects.into_values().map(|names| joint_names(names.into_iter()));
        let mut groups: Vec<Vec<Named>> = joined.filter(|names| names.len() > 1).collect();
        // What loses all its names is entered with their denials.
        let denied: Vec<Vec<Named>> = groups.iter().map(|names| denied_names(names)).collect();
        groups.extend(denied);
        groups.sort();
        groups.dedup();
        groups
    }

    fn want(&mut self, place: &Place) {
        // What a process finds under its own number is not ours to hold.
        let own = place
            .names
            .iter()
            .position(|name| place.kernel_own && (name == b"self" || name == b"thread-self"));
        let names = &place.names[..own.unwrap_or(place.names.len())];
        self.wanted.insert((Entry::Whole, join(names)));
    }

    fn follow(&mut self, names: &[Vec<u8>]) -> Option<Place> {
        if let Some(known) = self.known.get(names) {
            return known.clone();
        }
        let place = match self.root.follow(names) {
            Ok(found) => self.place(names, found),
            Err(error) => {
                self.unresolved(names, error);
                None
            }
        };
        self.known.insert(names.to_vec(), place.clone());
        place
    }

    fn place(&mut self, written: &[Vec<u8>], found: Found) -> Option<Place> {
        if let Some(error) = found
            .error
            .filter(|error| !matches!(*error, Errno::NOENT | Errno::NOTDIR))
        {
            self.unresolved(written, error);
        }
        let Some(name) = found.name else {
            self.notes.push(Note::Nameless { path: join(written) });
            return None;
        };
        let exists = found.missing.is_empty();
        let kernel_own = no_hard_links(&found.fd);
        let mut names: Vec<Vec<u8>> = name
            .split(|byte| *byte == b'/')
            .filter(|part| !part.is_empty())
            .map(<[u8]>::to_vec)
            .collect();
        if kernel_own {
            // `/proc/self` and what links to it led to the watcher; in a rule it is whoever acts.
            let own = std::process::id().to_string().into_bytes();
            if let Some(own) = names.iter_mut().find(|name| **name == own) {
                *own = b"self".to_vec();
            }
        }
        names.extend(found.missing);
        Some(Place {
            names,
            exists,
            kernel_own,
        })
    }

    fn unresolved(&mut self, names: &[Vec<u8>], error: Errno) {
        self.notes.push(Note::Unresolved {
            path: join(names),
            errno: error.raw_os_error(),
        });
    }
}
