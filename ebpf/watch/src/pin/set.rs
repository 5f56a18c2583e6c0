//! The set of pins: held objects, and the bases that say which objects to hold.
//!
//! A base names a place that may not exist: its deepest existing directory is held instead, in the state that its own path
//! leads to. [`PinSet::refresh`] looks again, through no symbolic link: a link that the tree itself makes must not move a
//! rule elsewhere.

use super::{Identity, PinError, Root, identity};
use crate::compile::files::{Base, Depth, Entry, Files, Named};
use probity_abi::policy::{DEAD, Pin};
use probity_abi::state::Held;
use rustix::fs::OFlags;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::collections::{BTreeMap, HashMap};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::OnceLock;

/// Descriptors that are left to the rest of the process.
const RESERVED: u64 = 256;
/// Descriptors for pins when no limit says less.
const MOST_PINS: u64 = 16_384;
/// Objects that stay held after they lost the name by which something is denied.
const MOST_LINGERING: usize = 1024;
/// Denied objects that one refresh looks at; the next goes on from there.
const DENIED_A_REFRESH: usize = 256;

/// One held object.
#[derive(Debug)]
pub struct PinRequest {
    /// `O_PATH | O_CLOEXEC`.
    pub fd: OwnedFd,
    /// Canonical path beneath the subject's root; the first of several.
    pub path: Vec<u8>,
    /// The automaton's state at it.
    pub state: u32,
    /// The state it gets when it loses its names: what was denied under them.
    pub denials: u32,
    /// All names under which it is entered, sorted.
    pub names: Vec<Named>,
    /// The inode's address, once [`PinSet::keys`] knew it.
    pub address: Option<u64>,
}

/// What changed since the last look.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Change {
    /// An object is held that was not: the kernel must be asked for its address.
    Pinned {
        /// Its canonical path.
        path: Vec<u8>,
        /// The automaton's state at it.
        state: u32,
    },
    /// An object is no longer what its path names, and nothing is denied because of that path. Its descriptor stays open until [`PinSet::release`].
    Unpinned {
        /// The path it had.
        path: Vec<u8>,
        /// The key to take out of the map `PINS`.
        address: Option<u64>,
    },
    /// An object is entered in another state, among others because it lost the name by which more was allowed.
    Restated {
        /// Its canonical path.
        path: Vec<u8>,
        /// The new state.
        state: u32,
    },
    /// An object got several names for which there is no state: the rules must be compiled again. Until then only those of
    /// the first name hold at this pin; those of the others still hold by path.
    NeedsCompiling {
        /// The path it is held by.
        path: Vec<u8>,
    },
    /// An object is not held, for want of descriptors.
    OverBudget {
        /// Its canonical path.
        path: Vec<u8>,
    },
    /// The place of a rule cannot be looked up.
    Unreadable {
        /// The path.
        path: Vec<u8>,
        /// The error number.
        errno: i32,
    },
}

/// What the kernel's answer says about the pins.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Keys {
    /// Keys and values of the map `PINS`.
    pub pins: Vec<(u64, Pin)>,
    /// Paths of held objects of which the answer said nothing: the rules that need them do not hold by identity.
    pub missing: Vec<Vec<u8>>,
}

/// A base, and what it held when it was last looked at.
#[derive(Debug)]
struct Anchor {
    base: Base,
    /// The object, and how many bytes of the base's path name it.
    now: Option<(Identity, usize)>,
    errno: i32,
}

/// All held objects.
#[derive(Debug)]
pub struct PinSet {
    root: Root,
    anchors: Vec<Anchor>,
    joint: HashMap<Vec<Named>, u32>,
    pins: BTreeMap<Identity, PinRequest>,
    /// Objects that lost the name by which something is denied, and still exist under another.
    lingering: Vec<Identity>,
    retired: Vec<OwnedFd>,
    most: usize,
    /// Where the next refresh goes on among the denied objects.
    turn: usize,
    first: Vec<Change>,
}

impl PinSet {
    /// Opens the objects of a compiled set beneath the subject's root.
    ///
    /// The soft limit of descriptors is raised to the hard one ([`former_descriptor_limit`]). What could not be held is in [`Self::notes`].
    ///
    /// # Errors
    ///
    /// The root is no directory that can be used.
    pub fn resolve(root: OwnedFd, files: &Files) -> Result<Self, PinError> {
        let allowed = descriptors();
        let mut set = Self {
            root: Root::new(root)?,
            anchors: files
                .bases
                .iter()
                .map(|base| Anchor {
                    base: base.clone(),
                    now: None,
                    errno: 0,
                })
                .collect(),
            joint: files.joint.iter().cloned().collect(),
            pins: BTreeMap::new(),
            lingering: Vec::new(),
            retired: Vec::new(),
            most: usize::try_from(allowed.saturating_sub(RESERVED).min(MOST_PINS)).unwrap_or(0),
            turn: 0,
            first: Vec::new(),
        };
        set.first = set.look(usize::MAX);
        Ok(set)
    }

    /// The held objects.
    pub fn requests(&self) -> impl Iterator<Item = &PinRequest> {
        self.pins.values()
    }

    /// What could not be held, or not with all its rules, when the set was made.
    pub fn notes(&self) -> impl Iterator<Item = &Change> {
        self.first
            .iter()
            .filter(|change| !matches!(change, Change::Pinned { .. }))
    }

    /// Keys and values of the map `PINS`, from what the kernel says about our descriptors.
    pub fn keys(&mut self, held: &[Held]) -> Keys {
        let own = std::process::id();
        let by_fd: HashMap<i64, &Held> = held
            .iter()
            .filter(|held| held.tgid == own)
            .map(|held| (i64::from(held.fd), held))
            .collect();
        let mut keys = Keys::default();
        for pin in self.pins.values_mut() {
            match by_fd.get(&i64::from(pin.fd.as_raw_fd())) {
                Some(held) if held.inode != 0 => {
                    pin.address = Some(held.inode);
                    keys.pins.push((
                        held.inode,
                        Pin {
                            state: pin.state,
                            generation: held.generation,
                            ino: held.ino,
                        },
                    ));
                }
                _ => keys.missing.push(pin.path.clone()),
            }
        }
        keys
    }

    /// Looks again: at every directory, and at some of the denied objects in turn.
    pub fn refresh(&mut self) -> Vec<Change> {
        self.look(DENIED_A_REFRESH)
    }

    /// Lets go of the objects that [`Change::Unpinned`] named, once their keys are out of the map `PINS`.
    pub fn release(&mut self) {
        self.retired.clear();
    }

    fn look(&mut self, denied: usize) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut opened: HashMap<Identity, OwnedFd> = HashMap::new();
        let mut moved = false;
        let whole = self
            .anchors
            .iter()
            .filter(|anchor| anchor.base.entry == Entry::Whole)
            .count();
        let others = self.anchors.len() - whole;
        let from = if denied < others { self.turn % others } else { 0 };
        let mut turn = 0;
        for anchor in &mut self.anchors {
            if anchor.base.entry == Entry::Denied {
                let due = denied >= others || (turn + others - from) % others < denied;
                turn += 1;
                if !due {
                    continue;
                }
            }
            let (found, errno) = find(&self.root, &anchor.base, anchor.now.map(|now| now.1));
            if errno != anchor.errno {
                anchor.errno = errno;
                if errno != 0 {
                    changes.push(Change::Unreadable {
                        path: anchor.base.path.clone(),
                        errno,
                    });
                }
            }
            let now = found.as_ref().map(|(identity, length, _)| (*identity, *length));
            if now != anchor.now {
                anchor.now = now;
                moved = true;
                if let Some((identity, _, fd)) = found {
                    opened.entry(identity).or_insert(fd);
                }
            }
        }
        self.turn = from.saturating_add(denied.min(others));
        let mut lingering = self.lingering.iter().filter_map(|held| self.pins.get(held));
        moved |= lingering.any(|pin| !identity::has_names(&pin.fd));
        if moved {
            self.settle(opened, &mut changes);
        }
        changes
    }

    /// Makes the pins what the anchors now say.
    fn settle(&mut self, mut opened: HashMap<Identity, OwnedFd>, changes: &mut Vec<Change>) {
        let mut wanted: BTreeMap<Identity, Vec<(Named, Depth)>> = BTreeMap::new();
        let mut order: Vec<Identity> = Vec::new();
        for anchor in &self.anchors {
            let Some((identity, length)) = anchor.now else { continue };
            let names = wanted.entry(identity).or_default();
            if names.is_empty() {
                order.push(identity);
            }
            let name = (anchor.base.entry, anchor.base.name(length).to_vec());
            names.push((name, anchor.base.depth(length)));
        }
        self.let_go(|held| !wanted.contains_key(held), changes);
        for identity in order {
            let Some(named) = wanted.remove(&identity) else {
                continue;
            };
            let names = joint_names(named.iter().map(|(name, _)| name.clone()));
            let own = names
                .first()
                .and_then(|first| named.iter().find(|(name, _)| name == first));
            let Some(((_, path), own)) = own else {
                continue;
            };
            let path = path.clone();
            let joint = |names: &[Named], own: u32| match names {
                [_] => Some(own),
                several => self.joint.get(several).copied(),
            };
            let states = joint(&names, own.state).zip(joint(&denied_names(&names), own.denials));
            let (state, denials) = states.unwrap_or_else(|| {
                changes.push(Change::NeedsCompiling { path: path.clone() });
                (own.state, own.denials)
            });
            if let Some(pin) = self.pins.get_mut(&identity) {
                if pin.state != state {
                    changes.push(Change::Restated {
                        path: path.clone(),
                        state,
                    });
                }
                (pin.state, pin.denials, pin.path, pin.names) = (state, denials, path, names);
            } else if self.pins.len() >= self.most {
                changes.push(Change::OverBudget { path });
            } else if let Some(fd) = opened.remove(&identity) {
                changes.push(Change::Pinned {
                    path: path.clone(),
                    state,
                });
                let pin = PinRequest {
                    fd,
                    path,
                    state,
                    denials,
                    names,
                    address: None,
                };
                self.pins.insert(identity, pin);
            }
        }
    }

    /// Takes the pins away that no base names any more. What was denied there stays denied while the object exists.
    fn let_go(&mut self, unnamed: impl Fn(&Identity) -> bool, changes: &mut Vec<Change>) {
        self.lingering.clear();
        let unnamed: Vec<Identity> = self.pins.keys().filter(|held| unnamed(held)).copied().collect();
        for identity in unnamed {
            let Some(pin) = self.pins.get_mut(&identity) else {
                continue;
            };
            if pin.denials != DEAD && self.lingering.len() < MOST_LINGERING && identity::has_names(&pin.fd) {
                if pin.state != pin.denials {
                    pin.state = pin.denials;
                    pin.names = denied_names(&pin.names);
                    changes.push(Change::Restated {
                        path: pin.path.clone(),
                        state: pin.state,
                    });
                }
                self.lingering.push(identity);
            } else if let Some(pin) = self.pins.remove(&identity) {
                changes.push(Change::Unpinned {
                    path: pin.path,
                    address: pin.address,
                });
                self.retired.push(pin.fd);
            }
        }
    }
}

/// The names that count of one object: what is entered whole at a path is not entered there again for denials.
pub(crate) fn joint_names(names: impl Iterator<Item = Named>) -> Vec<Named> {
    let mut names: Vec<Named> = names.collect();
    names.sort();
    names.dedup();
    let whole: Vec<Vec<u8>> = names
        .iter()
        .filter(|name| name.0 == Entry::Whole)
        .map(|name| name.1.clone())
        .collect();
    names.retain(|(entry, path)| *entry == Entry::Whole || whole.binary_search(path).is_err());
    names
}

/// The same names, for an object that lost them all: only what is denied for them is left.
pub(crate) fn denied_names(names: &[Named]) -> Vec<Named> {
    joint_names(names.iter().map(|(_, path)| (Entry::Denied, path.clone())))
}

/// The object of a base: itself when it is denied by name, else its deepest existing directory. The error is one that
/// says something other than that there is no such directory.
fn find(root: &Root, base: &Base, last: Option<usize>) -> (Option<(Identity, usize, OwnedFd)>, i32) {
    use rustix::io::Errno;
    let mut errno = 0;
    let mut look = |length: usize, flags: OFlags| match root.hold(base.name(length), flags) {
        Ok(fd) => identity::of(&fd).ok().map(|(identity, _)| (identity, length, fd)),
        // A symbolic link, or no directory, now stands where the base was: it ends there.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => None,
        Err(error) => {
            errno = error.raw_os_error();
            None
        }
    };
    let found = if base.entry == Entry::Denied {
        look(base.path.len(), OFlags::empty())
    } else {
        let depths = &base.depths;
        let at = last.and_then(|length| depths.iter().position(|depth| depth.length == length));
        // Mostly nothing changed: one step deeper fails, and the directory is where it was.
        let mut found = None;
        for depth in depths.get(at.map_or(0, |at| at + 1)..).unwrap_or_default() {
            match look(depth.length, OFlags::DIRECTORY) {
                Some(deeper) => found = Some(deeper),
                None => break,
            }
        }
        found.or_else(|| {
            let shallower = depths.iter().take(at.map_or(0, |at| at + 1)).rev();
            shallower
                .map(|depth| depth.length)
                .find_map(|length| look(length, OFlags::DIRECTORY))
        })
    };
    (found, errno)
}

/// Raises the soft limit of descriptors to the hard one and gives what then holds.
fn descriptors() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let limit = FORMER.get_or_init(|| limit);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let granted = if setrlimit(Resource::Nofile, raised).is_ok() {
        limit.maximum
    } else {
        limit.current
    };
    granted.unwrap_or(u64::MAX)
}

static FORMER: OnceLock<Rlimit> = OnceLock::new();

/// The limit of descriptors before the first [`PinSet`] raised it: what a child of this process should get back.
pub fn former_descriptor_limit() -> Option<Rlimit> {
    FORMER.get().map(|limit| Rlimit {
        current: limit.current,
        maximum: limit.maximum,
    })
}
